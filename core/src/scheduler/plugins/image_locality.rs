//! Prefers nodes that already have the pod's images. Models kube-scheduler `plugins/imagelocality`.

use std::borrow::Cow;

use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::node_info::{NodeId, NodeInfo};
use crate::scheduler::framework::plugin::{Handle, MAX_NODE_SCORE, Plugin, Score};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::Status;

pub const NAME: &str = "ImageLocality";

const MEGABYTE: i64 = 1024 * 1024;
/// Less than this isn't worth a point.
const MIN_THRESHOLD: i64 = 23 * MEGABYTE;
/// More than this per container gets no more points.
const MAX_CONTAINER_THRESHOLD: i64 = 1000 * MEGABYTE;

pub struct ImageLocality;

/// The pod's images that some node has: position in the cache and worth.
#[derive(Clone)]
struct PreScoreState {
    images: Vec<(usize, i64)>,
    containers: i64,
}

/// The name with the tag that an untagged image means.
fn normalized(image: &str) -> Cow<'_, str> {
    let tag = image.rfind(':');
    if tag.is_none() || tag <= image.rfind('/') { Cow::Owned(format!("{image}:latest")) } else { Cow::Borrowed(image) }
}

fn priority(sum: i64, containers: i64) -> i64 {
    let most = MAX_CONTAINER_THRESHOLD.saturating_mul(containers);
    let sum = sum.clamp(MIN_THRESHOLD, most.max(MIN_THRESHOLD));
    if most <= MIN_THRESHOLD { 0 } else { MAX_NODE_SCORE * (sum - MIN_THRESHOLD) / (most - MIN_THRESHOLD) }
}

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        NAME
    }
}

impl Score for ImageLocality {
    fn pre_score(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo, _: &[NodeId]) -> Status {
        let Some(spec) = pod.spec() else { return Status::SKIP };
        let total = handle.cache.order().len().max(1);
        let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
        let images: Vec<(usize, i64)> = containers()
            .filter_map(|c| {
                let (at, image) = handle.cache.image(&normalized(c.image.as_deref().unwrap_or_default()))?;
                // Widely spread images count more, lest a single node that has one drew all pods.
                let spread = image.nodes.len() as f64 / total as f64;
                Some((at, (image.size_bytes as f64 * spread) as i64))
            })
            .collect();
        if images.is_empty() {
            // No node would get a point.
            return Status::SKIP;
        }
        let containers = i64::try_from(containers().count()).unwrap_or(i64::MAX);
        state.write(StateKey::PreScoreImageLocality, PreScoreState { images, containers });
        Status::SUCCESS
    }
    fn score(&self, handle: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        let Some(s) = state.read::<PreScoreState>(StateKey::PreScoreImageLocality) else { return 0 };
        let has = |at: usize| handle.cache.image_at(at).is_some_and(|i| i.nodes.contains(&node.id));
        priority(s.images.iter().filter(|(at, _)| has(*at)).map(|(_, worth)| worth).sum(), s.containers)
    }
}
