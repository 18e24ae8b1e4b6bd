//! From what is wished for to what is done: stabilization over time, limits of speed and of size.
//! Models normalizeDesiredReplicas and normalizeDesiredReplicasWithBehaviors of `pkg/controller/podautoscaler/horizontal.go`.

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};

use super::conditions::{ABLE_TO_SCALE, Condition, SCALING_LIMITED};
use crate::sim::SimTime;

/// `--horizontal-pod-autoscaler-downscale-stabilization`, in seconds.
const DOWNSCALE_STABILIZATION: u64 = 300;
/// How fast it goes up without rules: to twice as many, or to four.
const UP_FACTOR: i32 = 2;
const UP_MINIMUM: i32 = 4;

const HIGHEST: &str = "recent recommendations were higher than current one, applying the highest recent recommendation";
const LOWEST: &str = "recent recommendations were lower than current one, applying the lowest recent recommendation";
const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_MANY: (&str, &str) = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: (&str, &str) = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const UP_LIMIT: (&str, &str) =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: (&str, &str) =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");

/// What an autoscaler remembers.
#[derive(Default)]
pub struct Memory {
    /// What was recommended, and when.
    recommendations: Vec<(SimTime, i32)>,
    /// By how many it was scaled up and down, and when.
    ups: Vec<(SimTime, i32)>,
    downs: Vec<(SimTime, i32)>,
}

/// What is there and what is wished for.
#[derive(Clone, Copy)]
pub struct Wish {
    pub current: i32,
    pub desired: i32,
    pub min: i32,
    pub max: i32,
}

fn within(at: SimTime, seconds: u64, now: SimTime) -> bool {
    now.since(at).as_secs_f64() < seconds as f64
}

/// The conditions that a step from the wish to what is stable, and from there to what is allowed, makes.
fn conditions(wish: Wish, stable: (i32, &'static str, &str), allowed: (i32, (&'static str, &str))) -> [Condition; 2] {
    let able = if stable.0 == wish.desired {
        Condition::new(ABLE_TO_SCALE, true, "ReadyForNewScale", "recommended size matches current size")
    } else {
        Condition::new(ABLE_TO_SCALE, true, stable.1, stable.2)
    };
    let (reason, message) = allowed.1;
    [able, Condition::new(SCALING_LIMITED, allowed.0 != stable.0, reason, message)]
}

impl Memory {
    /// The first recommendation is what is there.
    pub fn begin(&mut self, current: i32, now: SimTime) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
    }

    /// Remembers that the number of pods was changed.
    pub fn scaled(&mut self, from: i32, to: i32, now: SimTime) {
        let (events, by) = if to > from { (&mut self.ups, to - from) } else { (&mut self.downs, from - to) };
        events.push((now, by));
    }

    /// What is to be done about a wish.
    pub fn normalize(
        &mut self,
        wish: Wish,
        behavior: Option<&HorizontalPodAutoscalerBehavior>,
        now: SimTime,
    ) -> (i32, [Condition; 2]) {
        let none = HPAScalingRules::default();
        match behavior {
            None => self.normalize_plainly(wish, now),
            Some(b) => {
                let (up, down) = (b.scale_up.as_ref().unwrap_or(&none), b.scale_down.as_ref().unwrap_or(&none));
                self.normalize_by_rules(wish, up, down, now)
            }
        }
    }

    fn normalize_plainly(&mut self, wish: Wish, now: SimTime) -> (i32, [Condition; 2]) {
        self.recommendations.retain(|(t, _)| within(*t, DOWNSCALE_STABILIZATION, now));
        let stable = self.recommendations.iter().map(|(_, n)| *n).fold(wish.desired, i32::max);
        self.recommendations.push((now, wish.desired));
        let fastest = wish.current.saturating_mul(UP_FACTOR).max(UP_MINIMUM);
        let (max, why) = if wish.max > fastest { (fastest, UP_LIMIT) } else { (wish.max, TOO_MANY) };
        let allowed = match stable {
            n if n < wish.min => (wish.min, TOO_FEW),
            n if n > max => (max, why),
            n => (n, WITHIN),
        };
        (allowed.0, conditions(wish, (stable, "ScaleDownStabilized", HIGHEST), allowed))
    }

    fn normalize_by_rules(
        &mut self,
        wish: Wish,
        up: &HPAScalingRules,
        down: &HPAScalingRules,
        now: SimTime,
    ) -> (i32, [Condition; 2]) {
        let window = |r: &HPAScalingRules, default: u64| {
            r.stabilization_window_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(default)
        };
        let (up_window, down_window) = (window(up, 0), window(down, DOWNSCALE_STABILIZATION));
        let longest = up_window.max(down_window);
        self.recommendations.retain(|(t, _)| within(*t, longest, now));
        let recent = |seconds: u64| self.recommendations.iter().filter(move |(t, _)| within(*t, seconds, now));
        let lowest = recent(up_window).map(|(_, n)| *n).fold(wish.desired, i32::min);
        let highest = recent(down_window).map(|(_, n)| *n).fold(wish.desired, i32::max);
        let stable = wish.current.max(lowest).min(highest);
        self.recommendations.push((now, wish.desired));
        let why =
            if wish.desired >= wish.current { ("ScaleUpStabilized", LOWEST) } else { ("ScaleDownStabilized", HIGHEST) };
        let allowed = if stable > wish.current {
            let fastest = self.limit(wish.current, up, true, now).max(wish.current);
            let (max, why) = if wish.max > fastest { (fastest, UP_LIMIT) } else { (wish.max, TOO_MANY) };
            if stable > max { (max, why) } else { (stable, WITHIN) }
        } else if stable < wish.current {
            let fastest = self.limit(wish.current, down, false, now).min(wish.current);
            let (min, why) = if wish.min < fastest { (fastest, DOWN_LIMIT) } else { (wish.min, TOO_FEW) };
            if stable < min { (min, why) } else { (stable, WITHIN) }
        } else {
            (stable, WITHIN)
        };
        (allowed.0, conditions(wish, (stable, why.0, why.1), allowed))
    }

    /// How far the rules let it go one way. Models calculateScaleUpLimitWithScalingRules and its counterpart.
    fn limit(&self, current: i32, rules: &HPAScalingRules, up: bool, now: SimTime) -> i32 {
        let select = rules.select_policy.as_deref().unwrap_or("Max");
        if select == "Disabled" {
            return current;
        }
        let changed = |events: &[(SimTime, i32)], seconds: i32| -> i32 {
            let seconds = u64::try_from(seconds).unwrap_or(0);
            events.iter().filter(|(t, _)| within(*t, seconds, now)).map(|(_, n)| n).sum()
        };
        let proposals = rules.policies.iter().flatten().map(|p| {
            let at_start = current - changed(&self.ups, p.period_seconds) + changed(&self.downs, p.period_seconds);
            match (p.type_.as_str(), up) {
                ("Pods", true) => at_start.saturating_add(p.value),
                ("Pods", false) => at_start.saturating_sub(p.value),
                (_, true) => (f64::from(at_start) * (1.0 + f64::from(p.value) / 100.0)).ceil() as i32,
                (_, false) => (f64::from(at_start) * (1.0 - f64::from(p.value) / 100.0)) as i32,
            }
        });
        // The largest change upwards is the highest number, downwards the lowest.
        let best = if (select == "Min") != up { proposals.max() } else { proposals.min() };
        best.unwrap_or(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const fn at(seconds: u64) -> SimTime {
        SimTime::from_millis(seconds * 1000)
    }

    fn wish(current: i32, desired: i32) -> Wish {
        Wish { current, desired, min: 1, max: 100 }
    }

    #[test]
    fn it_goes_up_at_once_and_down_after_a_while() {
        let mut m = Memory::default();
        m.begin(3, at(0));
        let step = |m: &mut Memory, w: Wish, t: u64| {
            let (n, [able, limited]) = m.normalize(w, None, at(t));
            (n, able.reason, limited.reason, limited.value)
        };
        assert_eq!(step(&mut m, wish(3, 50), 15), (6, "ReadyForNewScale", "ScaleUpLimit", true));
        assert_eq!(step(&mut m, wish(6, 2), 30), (12, "ScaleDownStabilized", "ScaleUpLimit", true));
        assert_eq!(step(&mut m, wish(6, 2), 314), (12, "ScaleDownStabilized", "ScaleUpLimit", true));
        assert_eq!(step(&mut m, wish(6, 2), 316), (2, "ReadyForNewScale", "DesiredWithinRange", false));
        assert_eq!(step(&mut m, Wish { min: 5, ..wish(6, 2) }, 320), (5, "ReadyForNewScale", "TooFewReplicas", true));
        assert_eq!(step(&mut m, Wish { max: 8, ..wish(6, 20) }, 330), (8, "ReadyForNewScale", "TooManyReplicas", true));
    }

    #[test]
    fn rules_limit_the_speed() {
        let rules: HorizontalPodAutoscalerBehavior = serde_json::from_value(json!({
            "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 60}, {"type": "Percent", "value": 10, "periodSeconds": 60}]},
            "scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 60}, {"type": "Percent", "value": 10, "periodSeconds": 60}]}}))
        .expect("rules");
        let step = |m: &mut Memory, w: Wish, t: u64| {
            let (n, [_, limited]) = m.normalize(w, Some(&rules), at(t));
            m.scaled(w.current, n, at(t));
            (n, limited.reason)
        };
        let mut m = Memory::default();
        assert_eq!(step(&mut m, wish(10, 50), 0), (14, "ScaleUpLimit"));
        assert_eq!(step(&mut m, wish(14, 50), 30), (14, "ScaleUpLimit"));
        assert_eq!(step(&mut m, wish(14, 50), 61), (18, "ScaleUpLimit"));
        let mut m = Memory::default();
        assert_eq!(step(&mut m, wish(20, 1), 0), (18, "ScaleDownLimit"));
        assert_eq!(step(&mut m, wish(18, 1), 61), (16, "ScaleDownLimit"));
    }
}
