//! Jobs. Models `pkg/registry/batch/job/strategy.go`.

use k8s_openapi::api::batch::v1::Job;

use super::defaults;
use super::prelude::*;

/// The strategy of Jobs.
pub struct Jobs;

impl KindStrategy for Jobs {
    type Kind = Job;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("batch", "v1", "jobs", "job", "Job").categories(&["all"]).subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::batch::job(o);
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
        generate_selector(o);
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

    fn gc_policy(&self) -> GcPolicy {
        GcPolicy::OrphanDependents
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        (path == "status.successful")
            .then(|| Cow::Owned(o.status.as_ref().and_then(|s| s.succeeded).unwrap_or(0).to_string()))
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["status.successful"]
    }
}

/// Gives a Job its selector and its pods the labels that it selects by, unless the user manages that.
/// Models `generateSelector`.
fn generate_selector(job: &mut Job) {
    let (uid, name) = (job.metadata.uid.clone().unwrap_or_default(), job.metadata.name.clone().unwrap_or_default());
    let Some(spec) = &mut job.spec else { return };
    if spec.manual_selector == Some(true) {
        return;
    }
    let labels = spec.template.metadata.get_or_insert_default().labels.get_or_insert_default();
    for (key, value) in [
        ("job-name", &name),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/controller-uid", &uid),
    ] {
        labels.entry(key.into()).or_insert_with(|| value.clone());
    }
    let selector = spec.selector.get_or_insert_default();
    selector.match_labels.get_or_insert_default().entry("batch.kubernetes.io/controller-uid".into()).or_insert(uid);
}
