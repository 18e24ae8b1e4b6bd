//! How many pods stand how, by who controls them, kept as they change: to count ten thousand costs no more than to count ten.
//!
//! Pods that say the same are counted together. What a selector or a template makes of them is for whoever asks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use indexmap::{Equivalent, IndexMap};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use rustc_hash::FxBuildHasher;

use super::{controller_of, namespace, pods};
use crate::client::Informer;

/// A pod's labels.
type Labels = BTreeMap<String, String>;

/// How a pod stands that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is not going, and ready or not.
    Active {
        /// Whether its Ready condition says so.
        ready: bool,
    },
    /// It is going.
    Terminating,
}

/// What pods have in common that are counted together.
#[derive(PartialEq, Eq)]
struct Group {
    labels: Option<Labels>,
    standing: Standing,
}

/// The same, of one pod.
#[derive(PartialEq, Eq)]
struct Sort<'a> {
    labels: Option<&'a Labels>,
    standing: Standing,
}

impl Group {
    fn sort(&self) -> Sort<'_> {
        Sort { labels: self.labels.as_ref(), standing: self.standing }
    }
}

impl Hash for Group {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sort().hash(state);
    }
}

impl Hash for Sort<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.labels.hash(state);
        self.standing.hash(state);
    }
}

impl Equivalent<Group> for Sort<'_> {
    fn equivalent(&self, group: &Group) -> bool {
        *self == group.sort()
    }
}

/// Whom a pod is counted for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For<'a> {
    Controller(&'a str),
    /// Nobody controls it: its namespace.
    Nobody(&'a str),
}

type Place<'a> = (For<'a>, Sort<'a>);
type Counts = IndexMap<Group, usize, FxBuildHasher>;
type Table = IndexMap<Rc<str>, Counts, FxBuildHasher>;

#[derive(Default)]
struct Tables {
    controlled: Table,
    orphans: Table,
}

impl Tables {
    fn of<'a>(&mut self, whom: For<'a>) -> (&mut Table, &'a str) {
        match whom {
            For::Controller(uid) => (&mut self.controlled, uid),
            For::Nobody(namespace) => (&mut self.orphans, namespace),
        }
    }

    fn add(&mut self, (whom, sort): Place<'_>) {
        let (table, key) = self.of(whom);
        let counts = match table.get_index_of(key) {
            Some(at) => &mut table[at],
            None => table.entry(key.into()).or_default(),
        };
        match counts.get_mut(&sort) {
            Some(count) => *count += 1,
            None => {
                counts.insert(Group { labels: sort.labels.cloned(), standing: sort.standing }, 1);
            }
        }
    }

    /// A pod that was counted here is counted there.
    fn change(&mut self, before: Option<Place<'_>>, now: Option<Place<'_>>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.remove(before);
        }
        if let Some(now) = now {
            self.add(now);
        }
    }

    fn remove(&mut self, (whom, sort): Place<'_>) {
        let (table, key) = self.of(whom);
        let Some(counts) = table.get_mut(key) else { return };
        if let Some(count) = counts.get_mut(&sort) {
            *count -= 1;
            if *count == 0 {
                counts.swap_remove(&sort);
            }
        }
        if counts.is_empty() {
            table.swap_remove(key);
        }
    }
}

/// The count of an informer's pods. Clones share it.
#[derive(Clone)]
pub struct Tally(Rc<RefCell<Tables>>);

impl Tally {
    /// Counts, from now on, the pods whose controller is of a kind that `counted` says yes to, and those that have none.
    pub fn of(pods: &Informer<Pod>, counted: fn(&OwnerReference) -> bool) -> Self {
        let tables: Rc<RefCell<Tables>> = Rc::default();
        let kept = tables.clone();
        pods.on_change(move |old, new| {
            let (before, now) = (old.and_then(|p| place(p, counted)), new.and_then(|p| place(p, counted)));
            kept.borrow_mut().change(before, now);
        });
        Tally(tables)
    }

    /// Calls `each` with the labels and the standing of the pods that `uid` controls, and how many are alike in these.
    pub fn controlled(&self, uid: &str, mut each: impl FnMut(Option<&Labels>, Standing, usize)) {
        for (group, count) in self.0.borrow().controlled.get(uid).into_iter().flatten() {
            each(group.labels.as_ref(), group.standing, *count);
        }
    }

    /// Whether `is` says yes to the labels and the standing of a pod of the namespace that nobody controls.
    pub fn any_orphan(&self, namespace: &str, is: impl Fn(Option<&Labels>, Standing) -> bool) -> bool {
        let tables = self.0.borrow();
        tables.orphans.get(namespace).is_some_and(|all| all.keys().any(|g| is(g.labels.as_ref(), g.standing)))
    }
}

/// Where a pod is counted, if it is.
fn place(pod: &Pod, counted: fn(&OwnerReference) -> bool) -> Option<Place<'_>> {
    if pods::is_terminal(pod) {
        return None;
    }
    let whom = match controller_of(&pod.metadata) {
        Some(r) if counted(r) => For::Controller(&r.uid),
        Some(_) => return None,
        None => For::Nobody(namespace(&pod.metadata)),
    };
    let standing = match pod.metadata.deletion_timestamp {
        Some(_) => Standing::Terminating,
        None => Standing::Active { ready: pods::is_ready(pod) },
    };
    Some((whom, Sort { labels: pod.metadata.labels.as_ref(), standing }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn counted(r: &OwnerReference) -> bool {
        r.kind == "ReplicaSet"
    }

    fn pod(owner: Option<&str>, labels: Value, status: Value) -> Pod {
        let owners = owner
            .map(|kind| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]));
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "ns", "labels": labels, "ownerReferences": owners}, "status": status,
        }))
        .expect("a pod")
    }

    fn counts(tally: &Tally) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        tally.controlled("u", |labels, standing, n| {
            all.push((format!("{} {standing:?}", labels.map_or("-", |l| l["app"].as_str())), n));
        });
        all.sort();
        all
    }

    #[test]
    fn pods_that_say_the_same_are_counted_together() {
        let tally = Tally(Rc::default());
        let change = |old: Option<&Pod>, new: Option<&Pod>| {
            let (old, new) = (old.and_then(|p| place(p, counted)), new.and_then(|p| place(p, counted)));
            tally.0.borrow_mut().change(old, new);
        };
        let row = |of: &str, n: usize| (of.to_owned(), n);
        let (new, ready) = ("Active { ready: false }", "Active { ready: true }");
        let status = |is: &str| json!({"conditions": [{"type": "Ready", "status": is}]});
        let pending = pod(Some("ReplicaSet"), json!({"app": "a"}), json!({"phase": "Pending"}));
        let running = pod(Some("ReplicaSet"), json!({"app": "a"}), status("True"));
        let unready = pod(Some("ReplicaSet"), json!({"app": "a"}), status("False"));
        for _ in 0..3 {
            change(None, Some(&pending));
        }
        change(Some(&pending), Some(&running));
        change(None, Some(&pod(Some("ReplicaSet"), json!(null), json!({}))));
        change(None, Some(&pod(Some("Job"), json!({"app": "a"}), json!({}))));
        change(Some(&pending), Some(&unready));
        assert_eq!(
            counts(&tally),
            [row(&format!("- {new}"), 1), row(&format!("a {new}"), 2), row(&format!("a {ready}"), 1)]
        );
        let mut going = running.clone();
        going.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
        change(Some(&running), Some(&going));
        change(Some(&pending), Some(&pod(Some("ReplicaSet"), json!({"app": "a"}), json!({"phase": "Failed"}))));
        change(Some(&pending), None);
        assert_eq!(counts(&tally), [row(&format!("- {new}"), 1), row("a Terminating", 1)]);
        let is_a = |labels: Option<&Labels>, _| labels.is_some_and(|l| l.contains_key("app"));
        assert!(!tally.any_orphan("ns", is_a));
        let orphan = pod(None, json!({"app": "a"}), json!({}));
        change(None, Some(&orphan));
        assert!(tally.any_orphan("ns", is_a) && !tally.any_orphan("other", is_a));
        change(Some(&orphan), Some(&running));
        assert!(!tally.any_orphan("ns", is_a) && counts(&tally).contains(&row(&format!("a {ready}"), 1)));
    }
}
