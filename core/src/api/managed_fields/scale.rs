//! The managers of an object as its scale subresource sees them, and back.
//! Models apimachinery `pkg/util/managedfields/scalehandler.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::set::{Element, Set};
use super::{Managed, ManagerId, Managers, Operation};

/// What the scale subresource is made of.
const SCALE_API: &str = "autoscaling/v1";

/// Where replicas are, in every kind that scales and in Scale itself.
fn replicas() -> Vec<Element> {
    ["spec", "replicas"].map(|n| Element::Field(n.into())).to_vec()
}

fn alone() -> Rc<Set> {
    let mut fields = Set::default();
    fields.insert(&replicas());
    Rc::new(fields)
}

impl ManagerId {
    /// The same manager by the version of another kind: an applier has none.
    fn in_version(&self, api_version: &str) -> ManagerId {
        match self.operation {
            Operation::Apply => self.clone(),
            Operation::Update => ManagerId { api_version: api_version.into(), ..self.clone() },
        }
    }
}

impl Managers {
    /// Whoever owns the replicas, as the scale subresource names it. Models `ScaleHandler.ToSubresource`.
    #[must_use]
    pub fn of_scale(&self) -> Managers {
        let (path, fields) = (replicas(), alone());
        let owners = self.0.iter().filter(|(_, m)| m.fields.has(&path));
        let entry = |m: &Managed| Managed { api_version: SCALE_API.into(), time: m.time, fields: fields.clone() };
        Managers(owners.map(|(id, m)| (id.in_version(SCALE_API), entry(m))).collect())
    }

    /// The object's managers after a write through its scale subresource left these there. Models `ScaleHandler.ToParent`.
    #[must_use]
    pub fn with_scale(&self, scale: &Managers, api_version: &str) -> Managers {
        let (path, fields) = (replicas(), alone());
        let mut out: BTreeMap<ManagerId, Managed> = BTreeMap::new();
        let mut left = scale.0.clone();
        for (id, m) in &self.0 {
            // Who keeps its replicas keeps its entry; from anybody else they are taken.
            if !m.fields.has(&path) || left.remove(&id.in_version(SCALE_API)).is_some() {
                out.insert(id.clone(), m.clone());
                continue;
            }
            let rest = m.fields.difference(&fields);
            if !rest.is_empty() {
                out.insert(id.clone(), Managed { fields: Rc::new(rest), ..m.clone() });
            }
        }
        for (id, _) in left.into_iter().filter(|(_, m)| m.fields.has(&path)) {
            let id = id.in_version(api_version);
            let had = out.remove(&id);
            let set = had.as_ref().map_or_else(|| fields.clone(), |h| Rc::new(h.fields.union(&fields)));
            // Upstream looks the time up among the object's own managers, so a manager that comes to it here has none.
            let time = self.0.get(&id).and_then(|h| h.time);
            out.insert(id, Managed { api_version: api_version.into(), time, fields: set });
        }
        Managers(out)
    }
}
