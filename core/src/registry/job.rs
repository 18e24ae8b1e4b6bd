//! Jobs. Models `pkg/registry/batch/job/strategy.go`.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodSpec;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

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
        // Defaulting gives the Job its template's labels, the very same map: what is added to one is in the other.
        let shared = has_no_labels(o) && template_labels(o).is_some();
        generate_selector(o);
        if shared {
            take_template_labels(o);
        }
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.spec.as_mut()?.template.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::batch::validate_job_create(o)
    }

    fn canonicalize(&self, o: &mut Self::Kind) {
        take_template_labels(o);
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        validation::batch::job_warnings(o, old)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::batch::validate_job_status_update(new, old);
        }
        validation::batch::validate_job_update(new, old)
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        take_template_labels(new);
        if differs(&new.spec, &old.spec) {
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

fn has_no_labels(job: &Job) -> bool {
    job.metadata.labels.as_ref().is_none_or(|l| l.is_empty())
}

fn template_labels(job: &Job) -> Option<&std::collections::BTreeMap<String, String>> {
    job.spec.as_ref()?.template.metadata.as_ref()?.labels.as_ref()
}

/// A Job without labels has those of its template. Models the end of `SetDefaults_Job`.
fn take_template_labels(job: &mut Job) {
    if has_no_labels(job)
        && let Some(labels) = template_labels(job).cloned()
    {
        job.metadata.labels = Some(labels);
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
