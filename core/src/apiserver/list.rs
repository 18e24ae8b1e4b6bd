//! List and watch. Models apiserver's `pkg/storage/etcd3/store.go` (GetList) and `pkg/storage/cacher/cacher.go` (Watch).

use super::ApiServer;
use super::cacher::{Start, WatchEvent, WatchEventType, WatchStream};
use super::options::{Caller, ListOptions, ObjectList};
use super::paging;
use super::selection::Selection;
use super::store::complaint_of_revision;
use crate::api::field::quote;
use crate::api::object::{Obj, revision};
use crate::api::status::Status;
use crate::etcd::{Error as EtcdError, RangeRequest, Value};
use crate::registry::ResourceId;

/// A resourceVersion as sent; `None` for the empty one.
fn parse_revision(text: &str) -> Result<Option<u64>, Status> {
    read_revision(text).map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))
}

fn read_revision(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match complaint_of_revision(text) {
        None => Ok(text.parse().ok()),
        Some(why) => Err(format!("resourceVersion: Invalid value: {}: {why}", quote(text))),
    }
}

impl ApiServer {
    /// The objects of a namespace, or of all with `None`.
    pub fn list(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<ObjectList, Status> {
        let found = self.try_list(id, namespace, o);
        let outcome = found.as_ref().map(|_| 0).map_err(|s| s.code);
        self.trace_request(caller, "list", id, (namespace.unwrap_or_default(), "", ""), outcome);
        found
    }

    /// Whether a read that is to be as new as this can be answered. An error of the storage, so no reason is given.
    pub(super) fn check_reached(&self, id: ResourceId, version: &str) -> Result<(), Status> {
        let asked = match self.is_cached(id) {
            true => read_revision(version).map_err(|why| Status::other(500, "", why))?,
            false => parse_revision(version)?,
        };
        let current = self.etcd.store.borrow().revision();
        match asked.filter(|r| *r > current) {
            Some(r) => Err(self.too_large(id, r, current)),
            None => Ok(()),
        }
    }

    /// Whether reads may be answered by the watch cache: events have none by default.
    fn is_cached(&self, id: ResourceId) -> bool {
        let info = self.registry.info(id);
        !(info.resource == "events" && info.group.is_empty())
    }

    /// The cache expects to get there soon; etcd doesn't say when to ask again.
    fn too_large(&self, id: ResourceId, asked: u64, current: u64) -> Status {
        let mut status = Status::too_large_resource_version(asked, current);
        if let Some(details) = status.details.as_mut().filter(|_| !self.is_cached(id)) {
            details.retry_after_seconds = 0;
        }
        status
    }

    fn prefix_of(&self, id: ResourceId, namespace: Option<&str>) -> String {
        let info = self.registry.info(id);
        let mut prefix = info.prefix();
        if let Some(n) = namespace.filter(|_| info.namespaced) {
            prefix.push_str(n);
            prefix.push('/');
        }
        prefix
    }

    fn try_list(&self, id: ResourceId, namespace: Option<&str>, o: &ListOptions) -> Result<ObjectList, Status> {
        self.check_etcd()?;
        let strategy = self.registry.strategy(id);
        let selection = Selection::parse(strategy, o)?;
        let prefix = self.prefix_of(id, namespace);
        // One object's list is read by its key: there is nothing to page through.
        let one = selection.exact_field("metadata.name").is_some()
            && (namespace.is_some() || !self.registry.info(id).namespaced);
        let continued = if one { None } else { paging::decode(&o.continue_token, &prefix)? };
        if continued.is_some() && !matches!(o.resource_version.as_str(), "" | "0") {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let asked = parse_revision(&o.resource_version)?;
        let store = self.etcd.store.borrow();
        let current = store.revision();
        // Whoever takes any version takes all objects of it at once: only the cache answers, and it has no pages.
        let any = asked == Some(0) && continued.is_none() && self.is_cached(id);
        let limit = if one || any { 0 } else { o.limit };
        // With a limit and no rule how to match, a revision is taken exactly, for clients older than the rule.
        let exact = o.resource_version_match == "Exact" || (o.resource_version_match.is_empty() && limit > 0);
        let at = match &continued {
            Some(c) => c.revision,
            None => asked.filter(|r| exact && *r > 0),
        };
        if let Some(r) = asked.max(at).filter(|r| *r > current) {
            return Err(self.too_large(id, r, current));
        }
        let mut list = ObjectList { resource_version: at.unwrap_or(current), ..ObjectList::default() };
        if continued.is_none() && limit == 0 && list.resource_version == current {
            store.for_each_prefix(&prefix, |_, value, _| {
                if let Value::Object(obj) = value
                    && (selection.is_everything() || selection.matches(strategy, &**obj))
                {
                    list.items.push(obj.clone());
                }
            });
            return Ok(list);
        }
        let start = continued.as_ref().map_or(&prefix, |c| &c.key);
        let end = paging::prefix_end(&prefix);
        let request = RangeRequest {
            key: start,
            range_end: Some(&end),
            revision: list.resource_version,
            limit: 0,
            count_only: false,
        };
        let found = store.range(&request).map_err(|e| match e {
            EtcdError::Compacted(_) if !o.continue_token.is_empty() => paging::expired_continue(start, &prefix),
            EtcdError::Compacted(_) => Status::expired("The resourceVersion for the provided list is too old."),
            other => Status::internal(other.to_string()),
        })?;
        let mut kvs = found.kvs.into_iter();
        for kv in kvs.by_ref() {
            let Some(obj) = kv.object() else { continue };
            if !selection.is_everything() && !selection.matches(strategy, &*obj) {
                continue;
            }
            list.items.push(obj);
            if limit > 0 && list.items.len() == limit {
                let left = kvs.len();
                if left > 0 {
                    let next = format!("{}\u{0}", kv.key);
                    let revision = i64::try_from(list.resource_version).unwrap_or(i64::MAX);
                    list.continue_token = paging::encode(&next, &prefix, revision);
                    list.remaining = selection.is_everything().then_some(left);
                }
                break;
            }
        }
        Ok(list)
    }

    /// Watches a kind from a revision on.
    pub fn watch(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<WatchStream, Status> {
        let stream = self.try_watch(caller, id, namespace, o);
        let outcome = stream.as_ref().map(|_| 0).map_err(|s| s.code);
        self.trace_request(caller, "watch", id, (namespace.unwrap_or_default(), "", ""), outcome);
        stream
    }

    fn try_watch(
        &mut self,
        caller: &Caller,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<WatchStream, Status> {
        self.check_etcd()?;
        let selection = Selection::parse(self.registry.strategy(id), o)?;
        // The watch cache reads it by itself, and what it says has no reason.
        let asked = read_revision(&o.resource_version).map_err(|why| Status::other(500, "", why))?;
        let asked = asked.filter(|r| *r > 0);
        let oldest = self.cachers[id.0 as usize].oldest().max(self.etcd.store.borrow().compacted());
        let mut initial = Vec::new();
        let mut from = self.seen_revision;
        let list_first = match o.send_initial_events {
            Some(wanted) => wanted,
            None => asked.is_none(),
        };
        if list_first {
            if let Some(r) = asked.filter(|r| *r > from) {
                return Err(Status::too_large_resource_version(r, from));
            }
            initial.extend(self.list_silently(id, namespace, &selection).into_iter().map(|object| {
                Ok(WatchEvent {
                    kind: WatchEventType::Added,
                    revision: revision(object.meta()),
                    object: Some(object),
                    initial_events_end: false,
                    cause: 0,
                })
            }));
            if o.send_initial_events == Some(true) && o.allow_bookmarks {
                initial.push(Ok(WatchEvent {
                    kind: WatchEventType::Bookmark,
                    object: None,
                    revision: from,
                    initial_events_end: true,
                    cause: 0,
                }));
            }
        } else if let Some(r) = asked {
            // Nothing follows the complaint.
            if r < oldest {
                initial.push(Err(Status::expired(format!("too old resource version: {r} ({oldest})"))));
            } else {
                from = r;
            }
        }
        let ends = (self.sim.machine_of(self.process), self.sim.machine_of(caller.process));
        let revision = self.bookmark_revision.clone();
        let start = Start { namespace: namespace.map(Into::into), selection, since: from, initial, ends, revision };
        let strategy = self.registry.strategy(id);
        Ok(self.cachers[id.0 as usize].watch(&self.sim, strategy, o, start))
    }

    /// What a selection finds now, outside any request.
    pub(crate) fn list_silently(&self, id: ResourceId, namespace: Option<&str>, selection: &Selection) -> Vec<Obj> {
        let strategy = self.registry.strategy(id);
        let mut prefix = self.prefix_of(id, namespace);
        // Every kubelet asks for its own node: only objects whose names begin so are looked at.
        if let Some(name) = selection.exact_field("metadata.name")
            && (namespace.is_some() || !strategy.info().namespaced)
        {
            prefix.push_str(name);
        }
        let mut items = Vec::new();
        self.etcd.store.borrow().for_each_prefix(&prefix, |_, value, _| {
            if let Value::Object(obj) = value
                && (selection.is_everything() || selection.matches(strategy, &**obj))
            {
                items.push(obj.clone());
            }
        });
        items
    }
}
