//! List and watch. Models apiserver's `pkg/storage/etcd3/store.go` (GetList) and `pkg/storage/cacher/cacher.go` (Watch).

use super::ApiServer;
use super::cacher::{Start, WatchEvent, WatchEventType, WatchStream};
use super::options::{Caller, ListOptions, ObjectList};
use super::paging;
use super::selection::Selection;
use crate::api::field::quote;
use crate::api::object::{Obj, revision};
use crate::api::status::Status;
use crate::etcd::{Error as EtcdError, RangeRequest, Value};
use crate::registry::ResourceId;

/// A resourceVersion as sent; `None` for the empty one.
fn parse_revision(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let why = match text.parse::<u64>() {
        Ok(r) if text.bytes().all(|b| b.is_ascii_digit()) => return Ok(Some(r)),
        Err(e) if *e.kind() == std::num::IntErrorKind::PosOverflow => "value out of range",
        _ => "invalid syntax",
    };
    let q = quote(text);
    Err(Status::bad_request(format!(
        "invalid resource version: resourceVersion: Invalid value: {q}: strconv.ParseUint: parsing {q}: {why}"
    )))
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
        let asked = parse_revision(&o.resource_version)?;
        let token = paging::decode(&o.continue_token, &prefix)?;
        if token.is_some() && asked.is_some_and(|r| r != 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let store = self.etcd.store.borrow();
        let current = store.revision();
        if let Some(r) = asked.filter(|r| *r > current) {
            return Err(Status::too_large_resource_version(r, current));
        }
        let mut list = ObjectList { resource_version: current, ..ObjectList::default() };
        // With a limit and no rule how to match, a revision is taken exactly, for clients older than the rule.
        let exact = o.resource_version_match == "Exact" || (o.resource_version_match.is_empty() && o.limit > 0);
        if exact && let Some(r) = asked.filter(|r| *r > 0) {
            list.resource_version = r;
        }
        if token.is_none() && o.limit == 0 && list.resource_version == current {
            store.for_each_prefix(&prefix, |_, value, _| {
                if let Value::Object(obj) = value
                    && (selection.is_everything() || selection.matches(strategy, &**obj))
                {
                    list.items.push(obj.clone());
                }
            });
            return Ok(list);
        }
        let continued = token.is_some();
        let start = match token {
            Some((key, at)) => {
                list.resource_version = at;
                key
            }
            None => prefix.clone(),
        };
        let end = paging::prefix_end(&prefix);
        let request = RangeRequest {
            key: &start,
            range_end: Some(&end),
            revision: list.resource_version,
            limit: 0,
            count_only: false,
        };
        let found = store.range(&request).map_err(|e| match e {
            EtcdError::Compacted(_) if continued => paging::expired_continue(),
            EtcdError::Compacted(_) => Status::expired("The resourceVersion for the provided list is too old."),
            other => Status::internal(other.to_string()),
        })?;
        let mut kvs = found.kvs.into_iter();
        for kv in kvs.by_ref() {
            let Value::Object(obj) = &kv.value else { continue };
            if !selection.is_everything() && !selection.matches(strategy, &**obj) {
                continue;
            }
            list.items.push(obj.clone());
            if o.limit > 0 && list.items.len() == o.limit {
                let left = kvs.len();
                if left > 0 {
                    list.continue_token = paging::encode(&kv.key, &prefix, list.resource_version);
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
        let asked = parse_revision(&o.resource_version)?.filter(|r| *r > 0);
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
        let prefix = self.prefix_of(id, namespace);
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
