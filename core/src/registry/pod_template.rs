//! PodTemplates. Models `pkg/registry/core/podtemplate/strategy.go`.

use k8s_openapi::api::core::v1::{PodSpec, PodTemplate};

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::{ErrorList, Path};

/// The strategy of PodTemplates.
pub struct PodTemplates;

impl KindStrategy for PodTemplates {
    type Kind = PodTemplate;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "podtemplates", "podtemplate", "PodTemplate")
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::pod::set_template_defaults(o);
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.template.as_mut()?.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::pod::validate_template_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::pod::validate_template_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        let unchanged = old.is_some_and(|old| old.metadata.generation == o.metadata.generation);
        let template = o.template.as_ref().filter(|_| !unchanged);
        template.map(|t| warnings::pod::of_template(t, &Path::new("template"))).unwrap_or_default()
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.metadata.generation = Some(1);
    }

    fn prepare_for_update(&self, _cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if new.template != old.template {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
