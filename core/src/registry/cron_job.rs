//! CronJobs. Models `pkg/registry/batch/cronjob/strategy.go`.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::PodSpec;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of CronJobs.
pub struct CronJobs;

impl KindStrategy for CronJobs {
    type Kind = CronJob;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("batch", "v1", "cronjobs", "cronjob", "CronJob")
            .short(&["cj"])
            .categories(&["all"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::batch::cron_job(o);
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.spec.job_template.spec.as_mut()?.template.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::batch::validate_cron_job_create(o)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        validation::batch::cron_job_warnings(o, old)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return ErrorList::new();
        }
        validation::batch::validate_cron_job_update(new, old)
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        if differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}
