//! Objects that are hardly ever asked for, kept small: versions that were superseded, as what their successor does not say, and
//! events.
//!
//! Until compaction any version may be asked for, and hardly any is. Most differ from the next in their status alone, so that a
//! version costs a tenth of the object.

use std::rc::Rc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use crate::api::at_rest::{event, pod_status};
use crate::api::object::{Obj, typed, typed_mut};

/// What is left of a version.
#[derive(Debug)]
pub(super) enum Faded {
    /// An event, packed: it needs no successor.
    Event(Box<[u8]>),
    /// A pod.
    Pod(Box<FadedPod>),
    /// A lease of which nothing but the time was renewed.
    Lease(Box<FadedLease>),
}

/// What a renewal changes.
#[derive(Debug)]
pub(super) struct FadedLease {
    resource_version: Option<String>,
    renew_time: Option<MicroTime>,
}

/// A pod whose spec, but for the node, is its successor's.
#[derive(Debug)]
pub(super) struct FadedPod {
    metadata: Metadata,
    node_name: Option<String>,
    status: Option<Status>,
}

/// A status, packed if it is like most.
#[derive(Debug)]
enum Status {
    Packed(Box<[u8]>),
    Whole(Box<PodStatus>),
}

impl Status {
    fn of(status: PodStatus) -> Self {
        pod_status::pack(&status).map_or_else(|| Status::Whole(Box::new(status)), Status::Packed)
    }

    fn restore(&self) -> PodStatus {
        match self {
            // What was packed can be unpacked.
            Status::Packed(packed) => pod_status::unpack(packed).unwrap_or_default(),
            Status::Whole(status) => (**status).clone(),
        }
    }
}

#[derive(Debug)]
enum Metadata {
    /// The successor's, but for the resourceVersion.
    Same(Option<String>),
    Own(Box<ObjectMeta>),
}

impl Metadata {
    fn of(old: &mut ObjectMeta, new: &ObjectMeta) -> Self {
        let resource_version = std::mem::replace(&mut old.resource_version, new.resource_version.clone());
        if old == new {
            return Metadata::Same(resource_version);
        }
        old.resource_version = resource_version;
        Metadata::Own(Box::new(std::mem::take(old)))
    }

    fn restore(&self, to: &mut ObjectMeta) {
        match self {
            Metadata::Same(resource_version) => to.resource_version.clone_from(resource_version),
            Metadata::Own(metadata) => to.clone_from(metadata),
        }
    }
}

impl Faded {
    /// Whether an object is of a kind that is packed as soon as nobody looks at it.
    pub(super) fn rests(o: &Obj) -> bool {
        typed::<Event>(&**o).is_some()
    }

    /// Takes out of `old` what `new` does not say; `None`, and `old` as it was, if others hold it or it is of no such kind.
    pub(super) fn of(old: &mut Obj, new: Option<&Obj>, same_spec: bool) -> Option<Faded> {
        let old = Rc::get_mut(old)?;
        if let Some(event) = typed::<Event>(old) {
            return event::pack(event).map(Faded::Event);
        }
        let new = new?;
        if let Some(new) = typed::<Pod>(&**new) {
            return Self::of_pod(typed_mut(old)?, new, same_spec);
        }
        let (old, new) = (typed_mut::<Lease>(old)?, typed::<Lease>(&**new)?);
        let (old_spec, new_spec) = (old.spec.as_mut()?, new.spec.as_ref()?);
        let renew_time = std::mem::replace(&mut old_spec.renew_time, new_spec.renew_time.clone());
        let resource_version =
            std::mem::replace(&mut old.metadata.resource_version, new.metadata.resource_version.clone());
        if old_spec == new_spec && old.metadata == new.metadata {
            return Some(Faded::Lease(Box::new(FadedLease { resource_version, renew_time })));
        }
        old_spec.renew_time = renew_time;
        old.metadata.resource_version = resource_version;
        None
    }

    fn of_pod(old: &mut Pod, new: &Pod, same_spec: bool) -> Option<Faded> {
        let (old_spec, new_spec) = (old.spec.as_mut()?, new.spec.as_ref()?);
        let node_name = std::mem::replace(&mut old_spec.node_name, new_spec.node_name.clone());
        debug_assert!(!same_spec || old_spec == new_spec, "the writer of a pod said that its spec is the same");
        if !same_spec && old_spec != new_spec {
            old_spec.node_name = node_name;
            return None;
        }
        let metadata = Metadata::of(&mut old.metadata, &new.metadata);
        let status = old.status.take().map(Status::of);
        Some(Faded::Pod(Box::new(FadedPod { metadata, node_name, status })))
    }

    /// The object again, out of its successor if it has one.
    pub(super) fn restore(&self, new: Option<&Obj>) -> Option<Obj> {
        if let Faded::Event(packed) = self {
            return Some(Rc::new(event::unpack(packed)));
        }
        let mut object = new?.clone_object();
        let old = Rc::get_mut(&mut object)?;
        match self {
            Faded::Event(_) => {}
            Faded::Pod(faded) => {
                if let Some(old) = typed_mut::<Pod>(old) {
                    faded.metadata.restore(&mut old.metadata);
                    if let Some(spec) = &mut old.spec {
                        spec.node_name.clone_from(&faded.node_name);
                    }
                    old.status = faded.status.as_ref().map(Status::restore);
                }
            }
            Faded::Lease(faded) => {
                if let Some(old) = typed_mut::<Lease>(old) {
                    old.metadata.resource_version.clone_from(&faded.resource_version);
                    if let Some(spec) = &mut old.spec {
                        spec.renew_time.clone_from(&faded.renew_time);
                    }
                }
            }
        }
        Some(object)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::api::core::v1::{Container, ObjectReference, PodSpec};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn metadata(revision: &str) -> ObjectMeta {
        ObjectMeta { name: Some("a".into()), resource_version: Some(revision.into()), ..ObjectMeta::default() }
    }

    fn pod(revision: &str, node: Option<&str>, phase: &str) -> Pod {
        let containers = vec![Container { name: "main".into(), ..Container::default() }];
        Pod {
            metadata: metadata(revision),
            spec: Some(PodSpec { containers, node_name: node.map(Into::into), ..PodSpec::default() }),
            status: Some(PodStatus { phase: Some(phase.into()), ..PodStatus::default() }),
        }
    }

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    fn lease(revision: &str, holder: &str, second: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.into()),
            renew_time: Some(MicroTime(at(second))),
            ..LeaseSpec::default()
        };
        Lease { metadata: metadata(revision), spec: Some(spec) }
    }

    fn event(annotated: bool) -> Event {
        let annotations = annotated.then(|| [("k".to_owned(), "v".to_owned())].into());
        Event {
            metadata: ObjectMeta { annotations, creation_timestamp: Some(Time(at(7))), ..metadata("3") },
            involved_object: ObjectReference { name: Some("a".into()), uid: Some("u".into()), ..Default::default() },
            message: Some("Started".into()),
            event_time: Some(MicroTime(at(7))),
            count: Some(2),
            ..Event::default()
        }
    }

    #[test]
    fn what_fades_comes_back() {
        let labelled = |mut pod: Pod| {
            pod.metadata.labels = Some([("app".to_owned(), "web".to_owned())].into());
            Rc::new(pod) as Obj
        };
        let unlike = |mut pod: Pod| {
            pod.spec.as_mut().unwrap().containers[0].image = Some("nginx".into());
            Rc::new(pod) as Obj
        };
        let check = |make: &dyn Fn() -> Obj, next: Option<Obj>, fades: bool| {
            let mut old = make();
            match Faded::of(&mut old, next.as_ref(), false) {
                Some(faded) => {
                    assert!(fades, "{:?}", make());
                    assert!(faded.restore(next.as_ref()).unwrap().equals(&*make()), "{faded:?}");
                }
                None => assert!(!fades && old.equals(&*make()), "{old:?}"),
            }
            // What others hold stays as it is.
            let mut old = make();
            let other = old.clone();
            assert!(Faded::of(&mut old, next.as_ref(), false).is_none() && other.equals(&*make()));
        };
        let running = || Some(Rc::new(pod("9", Some("node"), "Running")) as Obj);
        check(&|| Rc::new(pod("5", Some("node"), "Pending")), running(), true);
        check(&|| Rc::new(pod("4", None, "Pending")), running(), true);
        check(&|| labelled(pod("4", None, "Pending")), running(), true);
        check(&|| unlike(pod("4", None, "Pending")), running(), false);
        let renewed = || Some(Rc::new(lease("9", "a", 20)) as Obj);
        check(&|| Rc::new(lease("5", "a", 10)), renewed(), true);
        check(&|| Rc::new(lease("5", "b", 10)), renewed(), false);
        check(&|| Rc::new(event(false)), None, true);
        check(&|| Rc::new(event(true)), None, false);
    }
}
