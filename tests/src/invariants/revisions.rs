//! Revisions only grow, and what a key is keeps its identity while it lives.

use super::{Change, Invariant, World};
use podarium_core::api::object::Obj;

pub(super) struct Revisions;

fn generation(o: &Obj) -> i64 {
    o.meta().generation.unwrap_or(0)
}

impl Invariant for Revisions {
    fn change(&mut self, _: &World, c: &Change<'_>) -> Result<(), String> {
        let (key, revision) = (&c.event.key, c.event.revision);
        let fail = |what: String| Err(format!("{key} at {revision}: {what}"));
        if c.event.prev.is_some() != c.before.is_some() {
            return fail("the log forgets what was there before".into());
        }
        if let Some(prev) = &c.event.prev
            && prev.mod_revision >= revision
        {
            return fail(format!("follows revision {}", prev.mod_revision));
        }
        let Some(now) = &c.event.kv else { return Ok(()) };
        if now.mod_revision != revision {
            return fail(format!("its mod_revision is {}", now.mod_revision));
        }
        let (created, version) = c.event.prev.as_ref().map_or((revision, 1), |p| (p.create_revision, p.version + 1));
        if (now.create_revision, now.version) != (created, version) {
            return fail(format!("create_revision {}, version {}", now.create_revision, now.version));
        }
        let Some(o) = &c.after else { return Ok(()) };
        if o.meta().resource_version.as_deref() != Some(revision.to_string().as_str()) {
            return fail(format!("its resourceVersion is {:?}", o.meta().resource_version));
        }
        let Some(old) = &c.before else { return Ok(()) };
        if o.meta().uid != old.meta().uid || o.meta().creation_timestamp != old.meta().creation_timestamp {
            return fail("another object under the same key".into());
        }
        if generation(o) < generation(old) {
            return fail(format!("generation {} after {}", generation(o), generation(old)));
        }
        if old.meta().deletion_timestamp.is_some() && o.meta().deletion_timestamp.is_none() {
            return fail("its deletion was taken back".into());
        }
        Ok(())
    }
}
