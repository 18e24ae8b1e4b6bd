//! Checkers of what must hold whatever is done to a cluster. They stand outside the code that they check: they read
//! etcd's log, the trace and the front door as an observer does, and compute for themselves.

mod addresses;
mod bindings;
mod capacity;
mod leftovers;
mod replicas;
mod revisions;
mod settled;
mod watches;
mod world;
mod writers;

use podarium_core::cluster::Cluster;

pub use world::{Change, World};

/// One thing that must hold.
pub trait Invariant {
    /// Looks at one change that etcd recorded; the world is as it stands after the change.
    fn change(&mut self, _world: &World, _change: &Change<'_>) -> Result<(), String> {
        Ok(())
    }

    /// Looks at the cluster now and then, about once a virtual second.
    fn glance(&mut self, _cluster: &Cluster, _world: &World) -> Result<(), String> {
        Ok(())
    }

    /// What is not yet as it shall be once everything is mended and calm.
    fn unsettled(&mut self, _cluster: &Cluster, _world: &World) -> Vec<String> {
        Vec::new()
    }
}

/// All checkers over one cluster.
pub struct Checkers {
    world: World,
    all: Vec<Box<dyn Invariant>>,
    next_glance: podarium_core::sim::SimTime,
}

/// Between glances.
const GLANCE: std::time::Duration = std::time::Duration::from_secs(1);

impl Checkers {
    /// Every checker there is.
    pub fn new(cluster: &Cluster, seed: u64) -> Self {
        Checkers {
            world: World::default(),
            all: vec![
                Box::new(revisions::Revisions),
                Box::new(writers::Writers),
                Box::new(bindings::Bindings),
                Box::new(addresses::Addresses),
                Box::new(capacity::Capacity),
                Box::new(replicas::Replicas::default()),
                Box::new(watches::Watches::new(cluster, seed)),
                Box::new(settled::Settled),
                Box::new(leftovers::Leftovers),
            ],
            next_glance: podarium_core::sim::SimTime::ZERO,
        }
    }

    /// The world as etcd's log tells it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Looks at what happened since the last time; to be called after every event.
    pub fn look(&mut self, cluster: &Cluster) -> Result<(), String> {
        let etcd = cluster.etcd();
        let etcd = etcd.borrow();
        if etcd.revision() != self.world.revision {
            let seen = self.world.revision;
            let events = etcd.events_since(seen).map_err(|e| format!("etcd's log after {seen}: {e}"))?;
            for event in events {
                let change = self.world.apply(cluster, event);
                for i in &mut self.all {
                    i.change(&self.world, &change)?;
                }
            }
        }
        drop(etcd);
        if cluster.now() >= self.next_glance {
            self.next_glance = cluster.now() + GLANCE;
            for i in &mut self.all {
                i.glance(cluster, &self.world)?;
            }
        }
        Ok(())
    }

    /// What is not yet as it shall be once everything is mended and calm.
    pub fn unsettled(&mut self, cluster: &Cluster) -> Vec<String> {
        let world = &self.world;
        self.all.iter_mut().flat_map(|i| i.unsettled(cluster, world)).collect()
    }
}
