//! DaemonSets. Models `pkg/registry/apps/daemonset/strategy.go`.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::PodSpec;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::{ErrorList, Path};

/// The strategy of DaemonSets.
pub struct DaemonSets;

impl KindStrategy for DaemonSets {
    type Kind = DaemonSet;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("apps", "v1", "daemonsets", "daemonset", "DaemonSet")
            .short(&["ds"])
            .categories(&["all"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::workloads::daemon_set(o);
        // v1 shows the generation of the template whatever it is.
        if template_generation(o).is_none() {
            set_template_generation(o, "0".to_owned());
        }
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.spec.as_mut()?.template.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::workloads::validate_daemon_set_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::workloads::validate_daemon_set_status_update(new, old);
        }
        validation::workloads::validate_daemon_set_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        let template = o.spec.as_ref().map(|s| &s.template);
        // A rollback's number aside, that counts the changes of the template.
        if old.is_some_and(|old| old.spec.as_ref().map(|s| &s.template) == template) {
            return Vec::new();
        }
        template.map(|t| warnings::pod::of_template(t, &Path::new("spec.template"))).unwrap_or_default()
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
        set_template_generation(o, "1".to_owned());
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            // A field of the spec, though v1 shows it among the annotations.
            if let Some(generation) = template_generation(old) {
                set_template_generation(new, generation.to_string());
            }
            return;
        }
        keep(&mut new.status, &old.status);
        let template = |ds: &DaemonSet| ds.spec.as_ref().map(|s| s.template.clone());
        let generation = template_generation(old).unwrap_or(0);
        let changed = i64::from(differs(&template(new), &template(old)));
        set_template_generation(new, (generation + changed).to_string());
        if differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}

/// Where v1 keeps the generation of the template, which is a field inside.
pub(crate) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn template_generation(ds: &DaemonSet) -> Option<i64> {
    let text = ds.metadata.annotations.as_ref().and_then(|a| a.get(TEMPLATE_GENERATION));
    text.and_then(|t| t.parse().ok())
}

fn set_template_generation(ds: &mut DaemonSet, generation: String) {
    ds.metadata.annotations.get_or_insert_default().insert(TEMPLATE_GENERATION.to_owned(), generation);
}
