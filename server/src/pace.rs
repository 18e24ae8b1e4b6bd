//! How virtual time follows real time.

use std::time::{Duration, Instant};

use podarium_core::sim::SimTime;

/// How fast virtual time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as real time.
    Times(f64),
    /// As fast as events can be run while anything is going on; as fast as real time otherwise.
    Max,
}

/// Faster than this is `max`.
const TIMES_MAX: f64 = 1e6;

impl Speed {
    /// Reads `--speed`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
            Ok(x) if x > 0.0 && x <= TIMES_MAX => Ok(Speed::Times(x)),
            Ok(x) if x > TIMES_MAX => Err(format!("--speed {text}: at most {TIMES_MAX}, or max")),
            _ => Err(format!("--speed {text}: neither a number above 0 nor max")),
        }
    }
}

/// At `max`, a cluster in which nothing happened for this long, in virtual time, is quiet. Longer than pods' usual grace period
/// (30 s), and shorter than the minute after which a CronJob or a long back-off would have it race on for ever.
const QUIET_AFTER: Duration = Duration::from_secs(45);

/// Virtual time as a straight line through real time, begun anew whenever the slope changes.
pub struct Pace {
    speed: Speed,
    from_real: Instant,
    from: SimTime,
    /// When something last happened.
    busy_at: SimTime,
}

impl Pace {
    /// Virtual time is `now` now, and passes at `speed` from here on.
    pub fn new(speed: Speed, now: SimTime) -> Self {
        Pace { speed, from_real: Instant::now(), from: now, busy_at: now }
    }

    /// Something happened: there may be more to come soon.
    pub fn busy(&mut self, now: SimTime) {
        self.busy_at = now;
    }

    /// Up to when events may run now.
    pub fn target(&mut self, now: SimTime) -> SimTime {
        let real = Instant::now();
        match self.speed {
            Speed::Times(x) => self.line(real, x),
            Speed::Max => {
                let quiet_at = self.busy_at + QUIET_AFTER;
                if now < quiet_at {
                    // Wherever virtual time gets to, the line goes on from there.
                    (self.from_real, self.from) = (real, now);
                    quiet_at
                } else {
                    if self.line(real, 1.0) < now {
                        // It raced ahead of the line until now.
                        (self.from_real, self.from) = (real, now);
                    }
                    self.line(real, 1.0)
                }
            }
        }
    }

    /// How long to wait until `at` is due; nothing if it is.
    pub fn wait(&self, at: SimTime) -> Duration {
        let times = match self.speed {
            Speed::Times(x) => x,
            Speed::Max => 1.0,
        };
        let due = at.since(self.from).div_f64(times);
        due.saturating_sub(self.from_real.elapsed())
    }

    fn line(&self, real: Instant, times: f64) -> SimTime {
        let passed = real.saturating_duration_since(self.from_real).as_secs_f64() * times;
        // The range of virtual time is some five hundred years.
        self.from + Duration::from_secs_f64(passed.clamp(0.0, 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn max_races_while_something_happens() {
        let now = SimTime::from_secs(100);
        let mut pace = Pace::new(Speed::Max, now);
        let quiet = now + QUIET_AFTER;
        assert_eq!(pace.target(now), quiet);
        // Quiet: from there on at the pace of real time, however far it raced.
        let target = pace.target(quiet);
        assert!(target >= quiet && target < quiet + 10 * SECOND, "{target}");
        assert!(pace.wait(quiet + 60 * SECOND) > 50 * SECOND);
        pace.busy(quiet);
        assert_eq!(pace.target(quiet), quiet + QUIET_AFTER);
    }

    #[test]
    fn other_speeds_follow_real_time() {
        let now = SimTime::from_secs(100);
        let mut pace = Pace::new(Speed::Times(1_000.0), now);
        assert!(pace.target(now) < now + 10_000 * SECOND);
        let wait = pace.wait(now + 1_000_000 * SECOND);
        assert!(wait > 900 * SECOND && wait <= 1_000 * SECOND, "{wait:?}");
    }
}
