//! Validation of the batch group.
//! Models `pkg/apis/batch/validation/validation.go`.

mod cron_job;
mod indexes;
mod job;
mod job_status;
mod policies;
pub(crate) mod schedule;
mod time_zones;

pub use cron_job::{
    validate_create as validate_cron_job_create, validate_update as validate_cron_job_update,
    warnings as cron_job_warnings,
};
pub use job::{
    validate_create as validate_job_create, validate_update as validate_job_update, warnings as job_warnings,
};
pub use job_status::validate_update as validate_job_status_update;
