//! Who asks, and the options of the verbs.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::api::object::Obj;
use crate::sim::ProcessId;

/// Who a request comes from, as authentication found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    /// Such as `system:kube-scheduler`.
    pub name: String,
    /// Unique id, may be empty.
    pub uid: String,
    /// Such as `system:masters`.
    pub groups: Vec<String>,
    /// What more is said of it: a token's id, the pod that it is for, what an impersonator added.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// As reviews and policies show it.
    pub(crate) fn to_info(&self) -> Value {
        let mut v = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            v["uid"] = self.uid.as_str().into();
        }
        if !self.extra.is_empty() {
            v["extra"] = json!(self.extra);
        }
        v
    }
}

/// One caller: the process, the user that it acts as, and its program's name.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The process that the request comes from.
    pub process: ProcessId,
    /// Who it is.
    pub user: Rc<User>,
    /// The field manager: the first part of the User-Agent, such as `kube-controller-manager`.
    pub manager: Rc<str>,
}

/// Options of create.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Do everything but store.
    pub dry_run: bool,
    /// The field manager, if it isn't the caller's own.
    pub field_manager: Option<Rc<str>>,
}

/// Options of update and patch.
#[derive(Clone, Debug, Default)]
pub struct UpdateOptions {
    /// Do everything but store.
    pub dry_run: bool,
    /// The field manager, if it isn't the caller's own.
    pub field_manager: Option<Rc<str>>,
    /// Set while the new object is made: it is to be stored though it is as it was, for its fields change hands.
    pub owners_change: Rc<Cell<bool>>,
}

/// Options of list and watch.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// A label selector as printed, empty for all.
    pub label_selector: String,
    /// A field selector as printed, empty for all.
    pub field_selector: String,
    /// resourceVersion as sent, empty for the newest.
    pub resource_version: String,
    /// `Exact`, `NotOlderThan` or empty.
    pub resource_version_match: String,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// The token of the page before.
    pub continue_token: String,
    /// Watches: send BOOKMARK events.
    pub allow_bookmarks: bool,
    /// Watches: begin with what there is, ended by a marked bookmark.
    pub send_initial_events: Option<bool>,
    /// Watches: end after so many seconds; 0 for never by itself.
    pub timeout_seconds: u64,
}

/// What a list found.
#[derive(Clone, Debug, Default)]
pub struct ObjectList {
    /// In key order.
    pub items: Vec<Obj>,
    /// The revision that the list is true of.
    pub resource_version: u64,
    /// The token for the next page, empty when this was the last.
    pub continue_token: String,
    /// How many there are after this page; only when the limit cut it and no selector was used.
    pub remaining: Option<usize>,
}

/// What happens to an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay.
    Orphan,
    /// The garbage collector takes them afterwards.
    Background,
    /// They go first.
    Foreground,
}

/// What must hold for a delete to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The object's uid.
    pub uid: Option<String>,
    /// Its resourceVersion.
    pub resource_version: Option<String>,
}

/// Options of delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Grace in seconds.
    pub grace_period_seconds: Option<i64>,
    /// What must hold.
    pub preconditions: Preconditions,
    /// What happens to dependents; `None`: the kind's default.
    pub propagation: Option<Propagation>,
    /// Do everything but store.
    pub dry_run: bool,
}
