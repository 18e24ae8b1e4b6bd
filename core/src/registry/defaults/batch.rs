//! Defaults of the batch group.
//! Models `pkg/apis/batch/v1/defaults.go`.

use k8s_openapi::api::batch::v1::{CronJob, Job};

use super::{pod::template_spec, pointer, text};

/// A Job, but for the labels that it takes from its template: those come with the selector, in the strategy.
pub fn job(job: &mut Job) {
    job.status.get_or_insert_default();
    let spec = job.spec.get_or_insert_default();
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
        spec.parallelism = Some(1);
    }
    pointer(&mut spec.parallelism, 1);
    let limit = if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 };
    pointer(&mut spec.backoff_limit, limit);
    pointer(&mut spec.completion_mode, "NonIndexed".to_owned());
    pointer(&mut spec.suspend, false);
    pointer(&mut spec.manual_selector, false);
    if let Some(policy) = &mut spec.pod_failure_policy {
        let patterns = policy.rules.iter_mut().flat_map(|r| r.on_pod_conditions.iter_mut().flatten());
        for pattern in patterns {
            text(&mut pattern.status, "True");
        }
    }
    if spec.pod_replacement_policy.is_none() {
        let policy = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
        spec.pod_replacement_policy = Some(policy.to_owned());
    }
    template_spec(&mut spec.template);
}

/// A CronJob. The job template's own defaults come when a job is made of it.
pub fn cron_job(cron_job: &mut CronJob) {
    cron_job.status.get_or_insert_default();
    let spec = &mut cron_job.spec;
    text(&mut spec.concurrency_policy, "Allow");
    pointer(&mut spec.suspend, false);
    pointer(&mut spec.successful_jobs_history_limit, 3);
    pointer(&mut spec.failed_jobs_history_limit, 1);
    spec.job_template.metadata.get_or_insert_default();
    template_spec(&mut spec.job_template.spec.get_or_insert_default().template);
}
