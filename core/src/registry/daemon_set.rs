//! DaemonSets. Models `pkg/registry/apps/daemonset/strategy.go`.

use k8s_openapi::api::apps::v1::DaemonSet;

use super::prelude::*;

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
