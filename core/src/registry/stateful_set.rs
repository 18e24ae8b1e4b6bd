//! StatefulSets. Models `pkg/registry/apps/statefulset/strategy.go`.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PodSpec;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::{ErrorList, Path};

/// The strategy of StatefulSets.
pub struct StatefulSets;

impl KindStrategy for StatefulSets {
    type Kind = StatefulSet;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("apps", "v1", "statefulsets", "statefulset", "StatefulSet")
            .short(&["sts"])
            .categories(&["all"])
            .subresources(&["scale", "status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::workloads::stateful_set(o);
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.spec.as_mut()?.template.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::workloads::validate_stateful_set_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::workloads::validate_stateful_set_status_update(new, old);
        }
        validation::workloads::validate_stateful_set_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        let unchanged = old.is_some_and(|old| old.metadata.generation == o.metadata.generation);
        let template = o.spec.as_ref().map(|s| &s.template).filter(|_| !unchanged);
        let mut all = template.map(|t| warnings::pod::of_template(t, &Path::new("spec.template"))).unwrap_or_default();
        let claims = o.spec.iter().flat_map(|s| s.volume_claim_templates.iter().flatten()).enumerate();
        for (i, spec) in claims.filter_map(|(i, claim)| Some((i, claim.spec.as_ref()?))) {
            // The big letter is upstream's.
            let path = format!("spec.volumeClaimTemplates[{i}]{}", if old.is_some() { ".Spec" } else { "" });
            warnings::volume::claim_spec(spec, &Path::new(&path), &mut all);
        }
        if o.spec.as_ref().is_some_and(|s| s.revision_history_limit.is_some_and(|limit| limit < 0)) {
            all.push(
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                    .to_owned(),
            );
        }
        all
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
        drop_max_unavailable(o);
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        drop_max_unavailable(new);
        if differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }

    fn scale(&self, o: &Self::Kind) -> Option<ScaleSpec> {
        let spec = o.spec.as_ref()?;
        Some(ScaleSpec {
            replicas: spec.replicas.unwrap_or(0),
            status_replicas: o.status.as_ref().map_or(0, |s| s.replicas),
            selector: crate::api::labels::format_label_selector(Some(&spec.selector)),
        })
    }

    fn set_scale(&self, o: &mut Self::Kind, replicas: i32) {
        if let Some(spec) = &mut o.spec {
            spec.replicas = Some(replicas);
        }
    }
}

/// The gate MaxUnavailableStatefulSet is off by default. Models `dropStatefulSetDisabledFields`.
fn drop_max_unavailable(set: &mut StatefulSet) {
    let strategy = set.spec.as_mut().and_then(|s| s.update_strategy.as_mut());
    if let Some(rolling) = strategy.and_then(|s| s.rolling_update.as_mut()) {
        rolling.max_unavailable = None;
    }
}
