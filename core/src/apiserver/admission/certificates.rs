//! Who may approve and sign certificate requests, and what may not be asked for.
//! Models `plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Attributes, Verb, forbidden};
use crate::api::dynamic::DynamicObject;
use crate::api::field::quote;
use crate::api::object::Obj;
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::apiserver::auth::Attributes as Asked;
use crate::registry::ResourceInfo;

const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// The type of an organization in a subject: 2.5.4.10 in DER.
const ORGANIZATION: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x0a];

/// Checks a request, its approval or its certificate.
pub(super) fn validate(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    let (Some(new), old) = (DynamicObject::of(&**obj), old.and_then(|o| DynamicObject::of(&**o))) else {
        return Ok(());
    };
    let refuse = |why: String| Err(forbidden(info, &**obj, &why));
    let (Verb::Update, Some(old)) = (a.verb, old) else {
        let signer = new.at(&["spec", "signerName"]).as_str().unwrap_or_default();
        if a.subresource.is_empty() && signer == CLIENT_SIGNER && asks_for_masters(new) {
            return refuse(format!("use of {CLIENT_SIGNER} signer with system:masters group is not allowed"));
        }
        return Ok(());
    };
    let part = |o: &DynamicObject, field: &str| match o.at(&["status", field]) {
        Value::Array(all) if all.is_empty() => Value::Null,
        other => other.clone(),
    };
    let changed = |field: &str| part(new, field) != part(old, field);
    let verb = match a.subresource {
        "approval" => "approve",
        "status" if changed("certificate") || changed("conditions") => "sign",
        _ => return Ok(()),
    };
    let signer = old.at(&["spec", "signerName"]).as_str().unwrap_or_default();
    let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
    let may = |name: &str| {
        let asked = Asked {
            verb,
            group: "certificates.k8s.io",
            resource: "signers",
            name,
            is_resource: true,
            ..Asked::default()
        };
        server.authorize(&a.caller.user, &asked).allowed
    };
    if may(signer) || may(&domain) {
        return Ok(());
    }
    refuse(format!("user not permitted to {verb} requests with signerName {}", quote(signer)))
}

/// Whether one of the organizations of a request's subject is that of administrators.
fn asks_for_masters(o: &DynamicObject) -> bool {
    let pem = o.at(&["spec", "request"]).as_str().and_then(|r| STANDARD.decode(r).ok()).unwrap_or_default();
    let pem = String::from_utf8_lossy(&pem);
    let body: String = pem.lines().filter(|l| !l.contains("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body).unwrap_or_default();
    der.windows(ORGANIZATION.len()).enumerate().filter(|(_, w)| *w == ORGANIZATION).any(|(at, _)| {
        // The value follows its type: a tag, a length, a text.
        let rest = der.get(at + ORGANIZATION.len() + 1..).unwrap_or_default();
        let length = rest.first().map_or(0, |l| usize::from(*l));
        rest.get(1..1 + length) == Some(b"system:masters")
    })
}
