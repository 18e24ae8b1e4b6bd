//! Data that plugins hand from one extension point to the next within one pod's scheduling cycle.
//! Models kube-scheduler `framework/cycle_state.go`; keys are slots, since a look-up happens per plugin and node.

use std::any::Any;

/// A plugin's piece of state. Preemption evaluates each node on a copy.
pub trait StateData: Any {
    /// A copy to change without touching the original.
    fn boxed_clone(&self) -> Box<dyn StateData>;
}

impl<T: Any + Clone> StateData for T {
    fn boxed_clone(&self) -> Box<dyn StateData> {
        Box::new(self.clone())
    }
}

/// Who wrote the state, and at which extension point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKey {
    PreFilterNodeAffinity,
    PreFilterNodePorts,
    PreFilterNodeResourcesFit,
    PreFilterPodTopologySpread,
    PreFilterInterPodAffinity,
    PreFilterVolumeBinding,
    PreScoreTaintToleration,
    PreScoreNodeAffinity,
    PreScoreNodeResourcesFit,
    PreScoreNodeResourcesBalancedAllocation,
    PreScorePodTopologySpread,
    PreScoreInterPodAffinity,
    PreScoreImageLocality,
}

const KEYS: usize = StateKey::PreScoreImageLocality as usize + 1;

/// One pod's scheduling cycle, as its plugins see it.
#[derive(Default)]
pub struct CycleState {
    slots: [Option<Box<dyn StateData>>; KEYS],
    /// Filter plugins to leave out, by position in the profile.
    pub skip_filter: u32,
    /// Score plugins to leave out, by position in the profile.
    pub skip_score: u32,
}

impl CycleState {
    /// Keeps `data` under `key`.
    pub fn write<T: StateData>(&mut self, key: StateKey, data: T) {
        self.slots[key as usize] = Some(Box::new(data));
    }
    /// What was kept under `key`.
    pub fn read<T: StateData>(&self, key: StateKey) -> Option<&T> {
        let data: &dyn Any = self.slots[key as usize].as_deref()?;
        data.downcast_ref()
    }
    /// What was kept under `key`, to change.
    pub fn read_mut<T: StateData>(&mut self, key: StateKey) -> Option<&mut T> {
        let data: &mut dyn Any = self.slots[key as usize].as_deref_mut()?;
        data.downcast_mut()
    }
}

impl Clone for CycleState {
    fn clone(&self) -> Self {
        let mut copy = CycleState { skip_filter: self.skip_filter, skip_score: self.skip_score, ..Default::default() };
        for (to, from) in copy.slots.iter_mut().zip(&self.slots) {
            *to = from.as_deref().map(StateData::boxed_clone);
        }
        copy
    }
}
