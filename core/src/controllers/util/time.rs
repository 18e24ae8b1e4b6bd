//! Times as the API keeps them: whole seconds.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::sim::Sim;

/// Now, cut to the whole seconds that metav1.Time has once it is stored.
pub fn now(sim: &Sim) -> Time {
    cut(sim.timestamp())
}

/// A moment, cut to whole seconds.
pub fn cut(t: jiff::Timestamp) -> Time {
    Time(jiff::Timestamp::from_second(t.as_second()).unwrap_or(t))
}

/// How long it is from `from` to `to`; negative when `to` comes first.
pub fn between(from: &Time, to: jiff::Timestamp) -> jiff::SignedDuration {
    to.duration_since(from.0)
}

/// From now until `at`; zero when it has passed.
pub fn until(sim: &Sim, at: jiff::Timestamp) -> Duration {
    Duration::try_from(at.duration_since(sim.timestamp())).unwrap_or(Duration::ZERO)
}

/// `t` and so many seconds.
pub fn plus_seconds(t: &Time, seconds: i64) -> jiff::Timestamp {
    t.0.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX)
}
