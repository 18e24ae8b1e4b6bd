//! The conditions of an autoscaler. Models setCondition of `pkg/controller/podautoscaler/horizontal.go`.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub const ABLE_TO_SCALE: &str = "AbleToScale";
pub const SCALING_ACTIVE: &str = "ScalingActive";
pub const SCALING_LIMITED: &str = "ScalingLimited";

/// A condition to be set.
#[derive(Clone, Debug)]
pub struct Condition {
    pub kind: &'static str,
    pub value: bool,
    pub reason: &'static str,
    pub message: String,
}

impl Condition {
    pub fn new(kind: &'static str, value: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Condition { kind, value, reason, message: message.into() }
    }
}

/// Sets a condition; its time stays while its status does.
pub fn set(status: &mut HorizontalPodAutoscalerStatus, c: Condition, now: &Time) {
    let value = if c.value { "True" } else { "False" };
    let conditions = status.conditions.get_or_insert_default();
    let at = match conditions.iter_mut().find(|have| have.type_ == c.kind) {
        Some(have) => have,
        None => {
            conditions.push(HorizontalPodAutoscalerCondition { type_: c.kind.into(), ..Default::default() });
            let Some(last) = conditions.last_mut() else { return };
            last
        }
    };
    if at.status != value {
        at.status = value.into();
        at.last_transition_time = Some(now.clone());
    }
    at.reason = Some(c.reason.into());
    at.message = Some(c.message);
}
