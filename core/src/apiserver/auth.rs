//! Who asks, and whether they may. Models apiserver's `pkg/authentication`, `pkg/authorization` and
//! `plugin/pkg/auth/authorizer/{rbac,node}`.

mod bootstrap;
mod escalation;
mod impersonation;
mod rbac;
mod tokens;

pub(super) use bootstrap::bootstrap_policy;
pub use rbac::Attributes;
pub(super) use tokens::{ISSUER, TokenClaims};

use std::collections::BTreeMap;

use super::handle::{Request, RequestInfo};
use super::{ApiServer, User};
use crate::api::status::Status;

/// Who is known, beyond what certificates and service accounts say.
#[derive(Debug, Default)]
pub(super) struct Auth {
    /// Bearer tokens of the token file.
    tokens: BTreeMap<String, User>,
}

const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Members may do everything.
const MASTERS: &str = "system:masters";

impl ApiServer {
    /// Takes in a token file: lines of `token,user,uid,"group1,group2"`, as --token-auth-file has them.
    pub fn add_tokens(&mut self, csv: &str) {
        for line in csv.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let mut fields = line.splitn(4, ',').map(|f| f.trim().trim_matches('"'));
            let (Some(token), Some(name), Some(uid)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let groups = fields.next().unwrap_or_default();
            let groups = groups.split(',').filter(|g| !g.is_empty()).map(str::to_owned).collect();
            let user = User { name: name.to_owned(), uid: uid.to_owned(), groups, ..User::default() };
            self.auth.tokens.insert(token.to_owned(), user);
        }
    }

    /// Who sent a request.
    pub(super) fn authenticate(&self, request: &Request) -> Result<User, Status> {
        let mut user = if let Some(user) = &request.certificate {
            user.clone()
        } else if let Some(token) = bearer(request.header("Authorization").unwrap_or_default()) {
            self.token_user(token).ok_or_else(Status::unauthorized)?
        } else {
            let groups = vec![UNAUTHENTICATED.into()];
            return Ok(User { name: ANONYMOUS.into(), groups, ..User::default() });
        };
        if !user.groups.iter().any(|g| g == AUTHENTICATED) {
            user.groups.push(AUTHENTICATED.into());
        }
        Ok(user)
    }

    /// Whose a bearer token is.
    pub(super) fn token_user(&self, token: &str) -> Option<User> {
        if let Some(user) = self.auth.tokens.get(token) {
            return Some(user.clone());
        }
        self.service_account_user(token)
    }

    /// Whether a user may make this request; the error is upstream's 403.
    pub(super) fn authorize_request(&self, user: &User, info: &RequestInfo) -> Result<(), Status> {
        self.check_authorized(user, &attributes_of(info))
    }

    /// Whether the user may do this; the refusal.
    pub(super) fn check_authorized(&self, user: &User, attributes: &Attributes<'_>) -> Result<(), Status> {
        let decision = self.authorize(user, attributes);
        if decision.allowed {
            return Ok(());
        }
        let mut why = forbidden_message(user, attributes);
        if !decision.reason.is_empty() {
            why = format!("{why}: {}", decision.reason);
        }
        if attributes.is_resource {
            Err(Status::forbidden(attributes.group, attributes.resource, attributes.name, &why))
        } else {
            Err(Status::forbidden("", "", "", &why))
        }
    }
}

/// What a request asks for.
fn attributes_of(info: &RequestInfo) -> Attributes<'_> {
    Attributes {
        verb: &info.verb,
        namespace: &info.namespace,
        group: &info.group,
        resource: &info.resource,
        subresource: &info.subresource,
        name: &info.name,
        path: &info.path,
        is_resource: info.is_resource,
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// What a refusal says. Models `responsewriters.forbiddenMessage`.
pub(super) fn forbidden_message(user: &User, a: &Attributes<'_>) -> String {
    use crate::api::field::quote;
    if !a.is_resource {
        return format!("User {} cannot {} path {}", quote(&user.name), a.verb, quote(a.path));
    }
    let resource =
        if a.subresource.is_empty() { a.resource.to_owned() } else { format!("{}/{}", a.resource, a.subresource) };
    let what = format!(
        "User {} cannot {} resource {} in API group {}",
        quote(&user.name),
        a.verb,
        quote(&resource),
        quote(a.group)
    );
    if a.namespace.is_empty() {
        format!("{what} at the cluster scope")
    } else {
        format!("{what} in the namespace {}", quote(a.namespace))
    }
}

/// Whether the user is in the group that may do everything.
fn is_master(user: &User) -> bool {
    user.groups.iter().any(|g| g == MASTERS)
}
