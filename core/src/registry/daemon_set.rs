//! DaemonSets. Models `pkg/registry/apps/daemonset/strategy.go`.

use k8s_openapi::api::apps::v1::DaemonSet;

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
        if old.is_some_and(|old| old.metadata.generation == o.metadata.generation) {
            return Vec::new();
        }
        let template = o.spec.as_ref().map(|s| &s.template);
        template.map(|t| warnings::pod::of_template(t, &Path::new("spec.template"))).unwrap_or_default()
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        if new.spec != old.spec {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}
