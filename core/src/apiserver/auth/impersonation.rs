//! Acting as somebody else. Models apiserver's `pkg/endpoints/filters/impersonation`.

use std::collections::BTreeMap;

use super::{ANONYMOUS, AUTHENTICATED, Attributes, UNAUTHENTICATED, forbidden_message};
use crate::api::field::quote;
use crate::api::status::Status;
use crate::apiserver::handle::Request;
use crate::apiserver::{ApiServer, User};

const EXTRA: &str = "impersonate-extra-";

/// What more is said of the user, key by key.
fn extras(request: &Request) -> BTreeMap<String, Vec<&str>> {
    let mut all: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in &request.headers {
        if let Some(key) = name.to_ascii_lowercase().strip_prefix(EXTRA) {
            all.entry(key.to_owned()).or_default().push(value);
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
    pub(in crate::apiserver) fn impersonate(&self, request: &Request, user: User) -> Result<User, Status> {
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
        let ask = |group: &str, resource: &str, namespace: &str, name: &str| -> Result<(), Status> {
            let attributes = Attributes {
                verb: "impersonate",
                namespace,
                group,
                resource,
                name,
                is_resource: true,
                ..Attributes::default()
            };
            if self.authorize(&user, &attributes).allowed {
                return Ok(());
            }
            Err(Status::forbidden(group, resource, name, &forbidden_message(&user, &attributes)))
        };
        let account = name.strip_prefix("system:serviceaccount:").and_then(|r| r.split_once(':'));
        match account {
            Some((namespace, account)) => ask("", "serviceaccounts", namespace, account)?,
            None => ask("", "users", "", name)?,
        }
        for g in &groups {
            ask("", "groups", "", g)?;
        }
        if !uid.is_empty() {
            ask("authentication.k8s.io", "uids", "", uid)?;
        }
        let mut groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
        if let (true, Some((namespace, _))) = (groups.is_empty(), account) {
            groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
        }
        let known = if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
        if !groups.iter().any(|g| g == known) {
            groups.push(known.into());
        }
        Ok(User { name: name.to_owned(), uid: uid.to_owned(), groups })
    }
}
