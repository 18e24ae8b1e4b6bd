//! Acting as somebody else. Models apiserver's `pkg/endpoints/filters/impersonation`.

use std::collections::BTreeMap;

use super::{ANONYMOUS, AUTHENTICATED, Attributes, UNAUTHENTICATED, attributes_of};
use crate::api::field::quote;
use crate::api::status::Status;
use crate::apiserver::handle::url::decode_path;
use crate::apiserver::handle::{Request, RequestInfo};
use crate::apiserver::{ApiServer, User};

const EXTRA: &str = "impersonate-extra-";

/// What more is said of the user, key by key.
fn extras(request: &Request) -> BTreeMap<String, Vec<&str>> {
    let mut all: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in &request.headers {
        if let Some(key) = name.to_ascii_lowercase().strip_prefix(EXTRA) {
            let key = decode_path(key).unwrap_or_else(|| key.to_owned());
            all.entry(key).or_default().push(value);
        }
    }
    all
}

/// A user without a name as Go's `%#v` prints it.
fn shown(uid: &str, groups: &[&str], extras: &BTreeMap<String, Vec<&str>>) -> String {
    let texts = |values: &[&str]| {
        let values: Vec<String> = values.iter().map(|v| quote(v)).collect();
        format!("[]string{{{}}}", values.join(", "))
    };
    let groups = if groups.is_empty() { "[]string(nil)".to_owned() } else { texts(groups) };
    let extra = match extras.len() {
        0 => "map[string][]string(nil)".to_owned(),
        _ => {
            let pairs: Vec<String> = extras.iter().map(|(k, v)| format!("{}:{}", quote(k), texts(v))).collect();
            format!("map[string][]string{{{}}}", pairs.join(", "))
        }
    };
    format!("&user.DefaultInfo{{Name:\"\", UID:{}, Groups:{groups}, Extra:{extra}}}", quote(uid))
}

impl ApiServer {
    /// The user that the request acts as, if the one who sent it may.
    pub(in crate::apiserver) fn impersonate(
        &self,
        request: &Request,
        info: &RequestInfo,
        user: User,
    ) -> Result<User, Status> {
        let all = |name: &str| -> Vec<&str> {
            let values = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            values.map(|(_, v)| v.as_str()).collect()
        };
        let name = request.header("Impersonate-User").unwrap_or_default();
        let groups = all("Impersonate-Group");
        let uid = request.header("Impersonate-Uid").unwrap_or_default();
        if name.is_empty() {
            let extras = extras(request);
            if groups.is_empty() && uid.is_empty() && extras.is_empty() {
                return Ok(user);
            }
            let wanted = shown(uid, &groups, &extras);
            return Err(Status::bad_request(format!("requested {wanted} without impersonating a user name")));
        }
        let extras = extras(request);
        let wanted = Wanted { name, uid, groups: &groups, extras: &extras };
        let mode = wanted.mode();
        let constrained = self.may_act_on(&user, mode, info).and_then(|()| self.may_be(&user, &wanted, Some(mode)));
        if let Err(refusal) = constrained {
            // The old permission is enough as well; if there is none, the new ones are what is missing.
            self.may_be(&user, &wanted, None).map_err(|_| refusal)?;
        }
        let account = wanted.account();
        let mut groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        if let (true, Some((namespace, _))) = (groups.is_empty(), account) {
            groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
        }
        let known = if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
        if !groups.iter().any(|g| g == known) {
            groups.push(known.into());
        }
        let own = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        let extra = extras.iter().map(|(key, values)| (key.clone(), own(values))).collect();
        Ok(User { name: name.to_owned(), uid: uid.to_owned(), groups, extra })
    }

    /// Whether the user may do what the request does as somebody of that mode.
    fn may_act_on(&self, user: &User, mode: &str, info: &RequestInfo) -> Result<(), Status> {
        let asked = attributes_of(info);
        let verb = format!("impersonate-on:{mode}:{}", asked.verb);
        self.check_authorized(user, &Attributes { verb: &verb, ..asked })
    }

    /// Whether the user may act as this one: by the permissions of a mode, or by the old ones that hold for all requests.
    fn may_be(&self, user: &User, wanted: &Wanted<'_>, mode: Option<&str>) -> Result<(), Status> {
        const GROUP: &str = "authentication.k8s.io";
        let verb = mode.map_or("impersonate".to_owned(), |m| format!("impersonate:{m}"));
        let core = if mode.is_some() { GROUP } else { "" };
        let ask = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
            let attributes = Attributes {
                verb: &verb,
                namespace,
                group,
                resource,
                subresource,
                name,
                is_resource: true,
                ..Attributes::default()
            };
            self.check_authorized(user, &attributes)
        };
        match (wanted.account(), wanted.node().filter(|_| mode.is_some())) {
            (Some((namespace, account)), _) => ask(core, "serviceaccounts", "", namespace, account)?,
            (None, Some(node)) => ask(core, "nodes", "", "", node)?,
            _ => ask(core, "users", "", "", wanted.name)?,
        }
        if !wanted.uid.is_empty() {
            ask(GROUP, "uids", "", "", wanted.uid)?;
        }
        for g in wanted.groups {
            ask(core, "groups", "", "", g)?;
        }
        for (key, values) in wanted.extras {
            for value in values {
                ask(GROUP, "userextras", key, "", value)?;
            }
        }
        Ok(())
    }
}

/// Who a request wants to act as.
struct Wanted<'a> {
    name: &'a str,
    uid: &'a str,
    groups: &'a [&'a str],
    extras: &'a BTreeMap<String, Vec<&'a str>>,
}

impl<'a> Wanted<'a> {
    /// The namespace and name of a service account.
    fn account(&self) -> Option<(&'a str, &'a str)> {
        self.name.strip_prefix("system:serviceaccount:").and_then(|r| r.split_once(':'))
    }

    fn node(&self) -> Option<&'a str> {
        self.name.strip_prefix("system:node:").filter(|n| !n.is_empty())
    }

    /// The kind of user, each of which has permissions of its own. Models `allImpersonationModes`.
    fn mode(&self) -> &'static str {
        let bare = self.uid.is_empty() && self.groups.is_empty() && self.extras.is_empty();
        match (self.account(), self.node()) {
            (Some(_), _) if bare => "serviceaccount",
            (None, Some(_)) if bare => "arbitrary-node",
            _ => "user-info",
        }
    }
}
