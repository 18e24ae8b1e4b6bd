//! CronJobs.
//! Models `ValidateCronJobCreate`, `ValidateCronJobUpdate`, and the strategy's warnings.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};

use super::{job, schedule, time_zones};
use crate::api::validation::name_is_dns_subdomain;
use crate::registry::validation::go_struct;
use crate::registry::validation::pod::Options;
use crate::registry::validation::prelude::*;
use crate::registry::warnings::odd_name;

/// The controller appends eleven characters to make a Job's name of at most 63.
const NAME_BYTES_MAX: usize = 52;

/// Checks a new CronJob.
pub fn validate_create(cron_job: &CronJob) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&cron_job.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(&cron_job.spec, None, &Options::for_template(), &mut errs);
    let name = text(&cron_job.metadata.name);
    if name.len() > NAME_BYTES_MAX {
        let detail = format!("must be no more than {NAME_BYTES_MAX} characters");
        errs.push(Error::invalid_str(&Path::new("metadata.name"), name, detail));
    }
    errs
}

/// Checks a changed CronJob.
pub fn validate_update(new: &CronJob, old: &CronJob) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let template = old.spec.job_template.spec.as_ref().map(|s| &s.template);
    spec(&new.spec, Some(&old.spec), &Options::for_template_update(template), &mut errs);
    errs
}

fn spec(spec: &CronJobSpec, old: Option<&CronJobSpec>, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    schedule_format(spec, old, &path.child("schedule"), errs);
    if let Some(seconds) = spec.starting_deadline_seconds {
        nonnegative(seconds, &path.child("startingDeadlineSeconds"), errs);
    }
    if let Some(zone) = &spec.time_zone
        && old.is_none_or(|old| old.time_zone != spec.time_zone)
    {
        time_zone(zone, &path.child("timeZone"), errs);
    }
    let at = path.child("concurrencyPolicy");
    match text(&spec.concurrency_policy) {
        "" => errs.push(Error::required(&at, "")),
        policy => one_of(policy, &["Allow", "Forbid", "Replace"], &at, errs),
    }
    job_template(&spec.job_template, opts, &path.child("jobTemplate"), errs);
    let limits = [
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ];
    for (name, limit) in limits {
        nonnegative(limit.unwrap_or(0).into(), &path.child(name), errs);
    }
}

fn schedule_format(spec: &CronJobSpec, old: Option<&CronJobSpec>, path: &Path, errs: &mut ErrorList) {
    let schedule = &spec.schedule;
    if schedule.is_empty() {
        errs.push(Error::required(path, ""));
        return;
    }
    if let Err(e) = schedule::parse(schedule) {
        errs.push(Error::invalid_str(path, schedule, e));
    }
    // An old CronJob may go on with a zone in its schedule.
    let allowed = old.is_some_and(|old| old.schedule.contains("TZ"));
    if !schedule.contains("TZ") {
        return;
    }
    if !allowed {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errs.push(Error::invalid_str(path, schedule, detail));
    } else if spec.time_zone.is_some() {
        let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errs.push(Error::invalid_str(path, schedule, detail));
    }
}

/// Upstream's `validateTimeZone`.
fn time_zone(zone: &str, path: &Path, errs: &mut ErrorList) {
    if zone.is_empty() {
        errs.push(Error::invalid_str(path, zone, "timeZone must be nil or non-empty string"));
        return;
    }
    let sound = |part: &str| {
        !matches!(part, "." | "..")
            && !part.starts_with('-')
            && (1..=14).contains(&part.len())
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_+".contains(&c))
    };
    if !zone.split('/').all(sound) {
        errs.push(Error::invalid_str(path, zone, format!("unknown time zone {zone}")));
        return;
    }
    if zone.eq_ignore_ascii_case("Local") {
        errs.push(Error::invalid_str(
            path,
            zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        ));
    }
    if let Err(e) = time_zones::find(zone) {
        errs.push(Error::invalid_str(path, zone, e));
    }
}

fn job_template(template: &JobTemplateSpec, opts: &Options, path: &Path, errs: &mut ErrorList) {
    let default = JobSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&default);
    job::validate_spec(spec, opts, &path.child("spec"), errs);
    if let Some(selector) = &spec.selector {
        errs.push(Error::invalid_shown(
            &path.child("spec.selector"),
            go_struct::label_selector(selector).compact(),
            "`selector` will be auto-generated",
        ));
    }
    if on(spec.manual_selector) {
        errs.push(Error::not_supported_shown(&path.child("spec.manualSelector"), "true", &["nil", "false"]));
    }
}

/// What a person should know of a CronJob that is sound.
pub fn warnings(cron_job: &CronJob, old: Option<&CronJob>) -> Vec<String> {
    let mut warnings = Vec::new();
    if old.is_none() {
        warnings.extend(odd_name(&cron_job.metadata, "Pod names and hostnames"));
    }
    if let Some(spec) = &cron_job.spec.job_template.spec
        && old.is_none_or(|old| cron_job.metadata.generation != old.metadata.generation)
    {
        job::spec_warnings(spec, "spec.jobTemplate.spec", &mut warnings);
    }
    if old.is_some() && cron_job.spec.schedule.contains("TZ") {
        // The doubled word is upstream's.
        warnings.push(
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                .to_owned(),
        );
    }
    warnings
}
