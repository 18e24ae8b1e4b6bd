//! PersistentVolumes. Models `pkg/registry/core/persistentvolume/strategy.go`.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of PersistentVolumes.
pub struct PersistentVolumes;

impl KindStrategy for PersistentVolumes {
    type Kind = PersistentVolume;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume")
            .short(&["pv"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::persistent_volume(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::persistent_volume::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::persistent_volume::validate_status_update(new, old);
        }
        validation::persistent_volume::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::volume::of(o)
    }

    fn prepare_for_create(&self, cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(PersistentVolumeStatus {
            phase: Some("Pending".into()),
            last_phase_transition_time: Some(Time(cx.sim.timestamp())),
            ..Default::default()
        });
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            if let (Some(is), Some(was)) = (&mut new.status, &old.status) {
                let (since, given) = (&was.last_phase_transition_time, is.last_phase_transition_time.is_some());
                if is.phase == was.phase {
                    if !given {
                        is.last_phase_transition_time.clone_from(since);
                    }
                } else if !given || is.last_phase_transition_time == *since {
                    is.last_phase_transition_time = Some(Time(cx.sim.timestamp()));
                }
            }
            return;
        }
        keep(&mut new.status, &old.status);
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
