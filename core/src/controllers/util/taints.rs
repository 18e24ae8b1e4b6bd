//! Taints on nodes: compared, and written with a check against others' writes.
//! Models `pkg/util/taints` and the taint helpers of `pkg/controller/controller_utils.go`.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Taint};

use super::worker::SyncError;
use super::{name, time};
use crate::api::object::{make_mut, revision, typed_mut};
use crate::api::status::Status;
use crate::client::{Client, ClientError};

/// Conflicts are tried again so often, so far apart.
const RETRIES: usize = 5;
const RETRY_PERIOD: Duration = Duration::from_millis(100);

/// Whether two taints are about the same thing: key and effect.
pub fn same(a: &Taint, b: &Taint) -> bool {
    a.key == b.key && a.effect == b.effect
}

/// A node's taints.
pub fn of(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|s| s.taints.as_deref()).unwrap_or_default()
}

/// Whether a taint is among others.
pub fn exists(taints: &[Taint], t: &Taint) -> bool {
    taints.iter().any(|have| same(have, t))
}

/// A taint without a time.
pub fn taint(key: &str, effect: &str) -> Taint {
    Taint { key: key.into(), effect: effect.into(), ..Taint::default() }
}

/// Those of `wanted` that aren't in `have`, and those of `have` that aren't `wanted`.
pub fn diff(wanted: &[Taint], have: &[Taint]) -> (Vec<Taint>, Vec<Taint>) {
    let missing = |from: &[Taint], of: &[Taint]| of.iter().filter(|t| !exists(from, t)).cloned().collect();
    (missing(have, wanted), missing(wanted, have))
}

/// Reads a node, lets `change` work on its taints, and writes them if that changed them and nobody wrote in between.
async fn edit(client: &Client, node: &str, change: impl Fn(&mut Vec<Taint>) -> bool) -> Result<(), ClientError> {
    let Some(id) = client.registry().id_of::<Node>() else { return Ok(()) };
    let mut attempt = 1;
    loop {
        let read = client.get::<Node>("", node).await?;
        let mut taints = of(&read).to_vec();
        if !change(&mut taints) {
            return Ok(());
        }
        let at = revision(&read.metadata);
        let patched = client
            .patch_object(id, "", node, "", |o| {
                if revision(o.meta()) != at {
                    return Err(Status::modified("", "nodes", node));
                }
                if let Some(n) = typed_mut::<Node>(make_mut(o)) {
                    n.spec.get_or_insert_default().taints = (!taints.is_empty()).then(|| taints.clone());
                }
                Ok(())
            })
            .await;
        match patched {
            Err(e) if e.is_conflict() && attempt < RETRIES => {
                attempt += 1;
                client.sim().sleep(RETRY_PERIOD).await;
            }
            other => return other.map(|_| ()),
        }
    }
}

/// Adds taints, or renews those that are there. Models AddOrUpdateTaintOnNode.
pub async fn add_or_update(client: &Client, node: &str, add: &[Taint]) -> Result<(), ClientError> {
    if add.is_empty() {
        return Ok(());
    }
    edit(client, node, |taints| {
        let mut changed = false;
        for t in add {
            match taints.iter_mut().find(|have| same(have, t)) {
                Some(have) if have == t => {}
                Some(have) => {
                    *have = t.clone();
                    changed = true;
                }
                None => {
                    taints.push(t.clone());
                    changed = true;
                }
            }
        }
        changed
    })
    .await
}

/// Takes taints off, if the node as it is known has any of them. Models RemoveTaintOffNode.
pub async fn remove(client: &Client, node: &Node, remove: &[Taint]) -> Result<(), ClientError> {
    if !remove.iter().any(|t| exists(of(node), t)) {
        return Ok(());
    }
    edit(client, name(&node.metadata), |taints| {
        let before = taints.len();
        taints.retain(|have| !exists(remove, have));
        taints.len() != before
    })
    .await
}

/// Adds taints as of now and takes others off. Models SwapNodeControllerTaint.
pub async fn swap(client: &Client, add: &[Taint], off: &[Taint], node: &Node) -> Result<(), SyncError> {
    let now = time::now(client.sim());
    let add: Vec<Taint> = add.iter().map(|t| Taint { time_added: Some(now.clone()), ..t.clone() }).collect();
    add_or_update(client, name(&node.metadata), &add).await?;
    remove(client, node, off).await?;
    Ok(())
}
