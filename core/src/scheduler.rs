//! kube-scheduler: decides which node each pod runs on. It never places a pod: it POSTs a Binding.
//! Models kube-scheduler (`pkg/scheduler`). [`Scheduler`] knows no clock and no client: times are passed in, and what is to
//! be told to the api-server is handed out.

pub mod cache;
pub mod decision;
pub mod diagnosis;
pub mod event_handlers;
pub mod framework;
pub mod listers;
pub mod nominator;
pub mod plugins;
pub mod process;
pub mod queue;
pub mod schedule_one;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use indexmap::IndexMap;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rustc_hash::FxBuildHasher;

use self::cache::Cache;
use self::decision::{Decision, Decisions};
use self::framework::Framework;
use self::framework::pod_info::PodInfo;
use self::listers::Listers;
use self::nominator::Nominator;
use self::plugins::default_preemption::DefaultPreemption;
use self::queue::SchedulingQueue;

/// A scheduler with one profile.
pub struct Scheduler {
    scheduler_name: String,
    framework: Framework,
    preemption: Rc<DefaultPreemption>,
    cache: Cache,
    queue: SchedulingQueue,
    nominator: Nominator,
    /// What plugins look up beside pods and nodes.
    pub listers: Listers,
    /// Pods without a node that are this scheduler's business, as last seen.
    pending: IndexMap<Rc<str>, Rc<PodInfo>, FxBuildHasher>,
    rng: Xoshiro256PlusPlus,
    /// 0 lets the size of the cluster decide.
    percentage_of_nodes_to_score: usize,
    next_start_node_index: usize,
    decisions: Decisions,
    cycles: u64,
}

/// A number below `n`, or 0.
fn random_below(rng: &mut Xoshiro256PlusPlus, n: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(n)) >> 32) as u32
}

impl Scheduler {
    /// `default-scheduler` with the default profile. Ties are broken by `seed`.
    pub fn new(seed: u64) -> Self {
        let (framework, preemption) = plugins::default_profile();
        Scheduler {
            scheduler_name: "default-scheduler".to_owned(),
            framework,
            preemption,
            cache: Cache::default(),
            queue: SchedulingQueue::default(),
            nominator: Nominator::default(),
            listers: Listers::default(),
            pending: IndexMap::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            percentage_of_nodes_to_score: 0,
            next_start_node_index: 0,
            decisions: Decisions::default(),
            cycles: 0,
        }
    }
    fn random_below(&mut self, n: u32) -> u32 {
        random_below(&mut self.rng, n)
    }
    /// Ends what is due in the queue.
    pub fn flush(&mut self, now: u64) {
        self.queue.flush(&self.framework, now);
    }
    /// The waiting pods.
    pub fn queue(&self) -> &SchedulingQueue {
        &self.queue
    }
    /// Nodes and the pods on them.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
    /// Why a pod is where it is, or nowhere: its latest cycle, if still remembered.
    pub fn decision(&self, pod_uid: &str) -> Option<&Decision> {
        self.decisions.get(pod_uid)
    }
    /// Cycles run so far.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }
}
