//! The TTL controller: tells kubelets by an annotation how long they may cache Secrets and ConfigMaps, longer in larger clusters.
//! Models `pkg/controller/ttl/ttl_controller.go`.

use std::cell::RefCell;
use std::rc::Rc;

use k8s_openapi::api::core::v1::Node;

use super::ControllerContext;
use super::util::name;
use super::util::worker::run_workers;
use crate::client::{InformerEvent, RateLimits, WorkQueue};

const ANNOTATION: &str = "node.alpha.kubernetes.io/ttl";
const WORKERS: usize = 5;

/// At least so many nodes, at most so many, and the seconds. The ranges overlap so that a cluster at an edge doesn't flutter.
const BOUNDARIES: [(usize, usize, u32); 5] =
    [(0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, usize::MAX, 300)];

#[derive(Default)]
struct Size {
    nodes: usize,
    step: usize,
}

impl Size {
    fn added(&mut self) {
        self.nodes += 1;
        if self.nodes > BOUNDARIES[self.step].1 && self.step + 1 < BOUNDARIES.len() {
            self.step += 1;
        }
    }
    fn removed(&mut self) {
        self.nodes = self.nodes.saturating_sub(1);
        if self.nodes < BOUNDARIES[self.step].0 {
            self.step -= 1;
        }
    }
    fn seconds(&self) -> u32 {
        BOUNDARIES[self.step].2
    }
}

fn says(node: &Node, seconds: u32) -> bool {
    let said = node.metadata.annotations.as_ref().and_then(|a| a.get(ANNOTATION));
    said.is_some_and(|s| s.parse() == Ok(seconds))
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("ttl-controller");
    let nodes = ctx.informer::<Node>();
    let size: Rc<RefCell<Size>> = Rc::default();
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let (q, s) = (queue.clone(), size.clone());
    nodes.on_event(move |e| match e {
        InformerEvent::Added(n) => {
            s.borrow_mut().added();
            q.add(name(&n.metadata).into());
        }
        // Also changes of others: a kubelet may have written over the annotation.
        InformerEvent::Updated { new: n, .. } if !says(n, s.borrow().seconds()) => q.add(name(&n.metadata).into()),
        InformerEvent::Updated { .. } => {}
        InformerEvent::Deleted(_) => s.borrow_mut().removed(),
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        nodes.wait_synced().await;
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let (client, nodes, size) = (client.clone(), nodes.clone(), size.clone());
            async move {
                let seconds = size.borrow().seconds();
                let Some(node) = nodes.get(&key) else { return Ok(()) };
                if says(&node, seconds) {
                    return Ok(());
                }
                client
                    .patch::<Node>("", &key, "", |n| {
                        n.metadata.annotations.get_or_insert_default().insert(ANNOTATION.into(), seconds.to_string());
                    })
                    .await?;
                Ok(())
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_up_and_down_with_slack() {
        let mut size = Size::default();
        let mut seen = Vec::new();
        for _ in 0..101 {
            size.added();
        }
        seen.push(size.seconds());
        for _ in 0..11 {
            size.removed();
        }
        seen.push(size.seconds());
        size.removed();
        seen.push(size.seconds());
        assert_eq!(seen, [15, 15, 0]);
    }
}
