//! How much of a zone is down, and how fast nodes may then be tainted. Models handleDisruption and ComputeZoneState of
//! `node_lifecycle_controller.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

/// `--node-eviction-rate`.
pub const EVICTION_QPS: f64 = 0.1;
/// `--secondary-node-eviction-rate`.
const SECONDARY_EVICTION_QPS: f64 = 0.01;
/// `--large-cluster-size-threshold`.
const LARGE_CLUSTER_THRESHOLD: usize = 50;
/// `--unhealthy-zone-threshold`, in percent.
const UNHEALTHY_ZONE_PERCENT: usize = 55;

/// How a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// Not looked at yet.
    Initial,
    /// Most nodes are well.
    Normal,
    /// Many aren't.
    PartialDisruption,
    /// None is.
    FullDisruption,
}

/// A zone's nodes as this pass found them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZoneCount {
    /// Nodes that are Ready.
    pub ready: usize,
    /// All others.
    pub not_ready: usize,
}

impl ZoneCount {
    fn size(self) -> usize {
        self.ready + self.not_ready
    }

    fn state(self) -> ZoneState {
        if self.ready == 0 && self.not_ready > 0 {
            ZoneState::FullDisruption
        } else if self.not_ready > 2 && 100 * self.not_ready >= UNHEALTHY_ZONE_PERCENT * self.size() {
            ZoneState::PartialDisruption
        } else {
            ZoneState::Normal
        }
    }

    fn qps(self, state: ZoneState) -> f64 {
        match state {
            ZoneState::PartialDisruption if self.size() > LARGE_CLUSTER_THRESHOLD => SECONDARY_EVICTION_QPS,
            ZoneState::PartialDisruption => 0.0,
            _ => EVICTION_QPS,
        }
    }
}

/// What a pass calls for beside the new rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Usual,
    /// Every node is down: more likely it is the controller that is cut off. Take the NoExecute taints off.
    EnterMasterDisruption,
    /// Some node is back: count all nodes as heard of now.
    ExitMasterDisruption,
}

/// Moves the zones to their new states; the rates that change, and what else is to be done.
pub fn handle(
    zones: &mut BTreeMap<Rc<str>, ZoneState>,
    counts: &BTreeMap<Rc<str>, ZoneCount>,
) -> (Mode, Vec<(Rc<str>, f64)>) {
    let all_down = counts.values().all(|c| c.state() == ZoneState::FullDisruption);
    for zone in counts.keys() {
        zones.entry(zone.clone()).or_insert(ZoneState::Initial);
    }
    zones.retain(|zone, _| counts.contains_key(zone));
    let all_were_down = zones.values().all(|s| *s == ZoneState::FullDisruption);
    if all_down && all_were_down {
        return (Mode::Usual, Vec::new());
    }
    if all_down {
        zones.values_mut().for_each(|s| *s = ZoneState::FullDisruption);
        return (Mode::EnterMasterDisruption, zones.keys().map(|z| (z.clone(), 0.0)).collect());
    }
    let mut rates = Vec::new();
    for (zone, state) in zones.iter_mut() {
        let Some(count) = counts.get(zone) else { continue };
        let new = count.state();
        if all_were_down || *state != new {
            rates.push((zone.clone(), count.qps(new)));
            *state = new;
        }
    }
    (if all_were_down { Mode::ExitMasterDisruption } else { Mode::Usual }, rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_rates() {
        use ZoneState::*;
        for (ready, not_ready, state, qps) in [
            (3, 0, Normal, 0.1),
            (1, 2, Normal, 0.1),
            (2, 3, PartialDisruption, 0.0),
            (0, 1, FullDisruption, 0.1),
            (24, 30, PartialDisruption, 0.01),
            (25, 30, Normal, 0.1),
        ] {
            let c = ZoneCount { ready, not_ready };
            assert_eq!((c.state(), c.qps(c.state())), (state, qps), "{c:?}");
        }
    }

    #[test]
    fn all_zones_down_and_back() {
        let mut zones = BTreeMap::new();
        let counts = |a: (usize, usize), b: (usize, usize)| {
            [("a", a), ("b", b)].map(|(z, (ready, not_ready))| (z.into(), ZoneCount { ready, not_ready })).into()
        };
        assert_eq!(handle(&mut zones, &counts((2, 0), (2, 0))).0, Mode::Usual);
        assert_eq!(handle(&mut zones, &counts((0, 2), (2, 0))).0, Mode::Usual, "one zone alone");
        let (mode, rates) = handle(&mut zones, &counts((0, 2), (0, 2)));
        assert_eq!((mode, rates), (Mode::EnterMasterDisruption, vec![("a".into(), 0.0), ("b".into(), 0.0)]));
        assert_eq!(handle(&mut zones, &counts((0, 2), (0, 2))), (Mode::Usual, vec![]));
        let (mode, rates) = handle(&mut zones, &counts((1, 1), (0, 2)));
        assert_eq!((mode, rates), (Mode::ExitMasterDisruption, vec![("a".into(), 0.1), ("b".into(), 0.1)]));
    }
}
