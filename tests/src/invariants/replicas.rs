//! A workload never has more live pods than it asked for lately, plus what a rollout may add.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use podarium_core::api::object::Obj;
use podarium_core::sim::SimTime;

use super::world::{By, controller, is_active};
use super::{Change, Invariant, World};

/// By so much a controller's view may lag behind what was asked for.
const LATELY: Duration = Duration::from_secs(120);

/// What each workload asked for, by uid, and until when.
#[derive(Default)]
pub(super) struct Replicas {
    asked: BTreeMap<String, Vec<(SimTime, i32)>>,
}

/// How many pods a workload may have at once.
fn bound(c: &Change<'_>) -> Option<i32> {
    if let Some(rs) = c.after::<ReplicaSet>() {
        return rs.spec.as_ref().map(|s| s.replicas.unwrap_or(1));
    }
    if let Some(rc) = c.after::<ReplicationController>() {
        return rc.spec.as_ref().map(|s| s.replicas.unwrap_or(1));
    }
    let spec = c.after::<Deployment>()?.spec.as_ref()?;
    let replicas = spec.replicas.unwrap_or(1);
    let rolling = spec.strategy.as_ref().and_then(|s| s.rolling_update.as_ref());
    let surge = match rolling.and_then(|r| r.max_surge.as_ref()) {
        Some(IntOrString::Int(n)) => *n,
        Some(IntOrString::String(s)) => {
            let percent: i32 = s.trim_end_matches('%').parse().unwrap_or(0);
            (replicas * percent + 99) / 100
        }
        None => 0,
    };
    Some(replicas + surge)
}

impl Replicas {
    /// The most that was asked for lately.
    fn most(&self, uid: &str, now: SimTime) -> Option<i32> {
        let asked = self.asked.get(uid)?;
        // One counts until it was replaced, and for a while after.
        let ends = asked.iter().skip(1).map(|(at, _)| *at + LATELY).chain([SimTime::MAX]);
        asked.iter().zip(ends).filter(|(_, end)| *end >= now).map(|((_, n), _)| *n).max()
    }

    fn check(&self, world: &World, uid: &str, live: usize, at: SimTime) -> Result<(), String> {
        let Some(most) = self.most(uid, at) else { return Ok(()) };
        if live as i64 <= i64::from(most) {
            return Ok(());
        }
        let name = world.by_uid(uid).map(|o| format!("{} {:?}", o.kind(), o.meta().name));
        Err(format!("{} has {live} live pods, but asked for {most} at most", name.unwrap_or_default()))
    }
}

fn live<'a>(world: &'a World, owner: &'a str) -> impl Iterator<Item = &'a Pod> {
    world.pods_by(By::Owner, owner).filter(|p| is_active(p))
}

impl Invariant for Replicas {
    fn change(&mut self, world: &World, c: &Change<'_>) -> Result<(), String> {
        let uid = |o: &Obj| o.meta().uid.clone().unwrap_or_default();
        if let (Some(bound), Some(o)) = (bound(c), &c.after) {
            let asked = self.asked.entry(uid(o)).or_default();
            if asked.last().is_none_or(|(_, n)| *n != bound) {
                asked.push((c.at, bound));
            }
        }
        // Only what adds a pod can break it.
        if c.before.is_some() || c.after::<Pod>().is_none() {
            return Ok(());
        }
        let Some(owner) = c.after.as_ref().and_then(controller) else { return Ok(()) };
        self.check(world, owner, live(world, owner).count(), c.at)?;
        let Some(deployment) = world.by_uid(owner).and_then(controller) else { return Ok(()) };
        let sets = world.all::<ReplicaSet>().filter(|r| {
            let owners = r.metadata.owner_references.as_deref().unwrap_or_default();
            owners.iter().any(|o| o.uid == deployment)
        });
        // What a set has beyond its own number is on its way out.
        let counted = |r: &ReplicaSet| {
            let own = r.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
            live(world, r.metadata.uid.as_deref().unwrap_or_default()).count().min(usize::try_from(own).unwrap_or(0))
        };
        let all = sets.map(counted).sum();
        self.check(world, deployment, all, c.at)
    }
}
