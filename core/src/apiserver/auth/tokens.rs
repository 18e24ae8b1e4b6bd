//! Service-account tokens: JWTs that this cluster signs and knows again.
//! Models `pkg/serviceaccount/{jwt,claims}.go`.
//!
//! The signature is a keyed hash, not RSA: no private key is worth stealing in a simulation, and what matters is that a
//! token that the cluster didn't issue, or that was changed, is refused.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::apiserver::{ApiServer, User};

/// The issuer and default audience.
pub(in crate::apiserver) const ISSUER: &str = "https://kubernetes.default.svc";

/// The name of the key that tokens are signed by.
const KEY_ID: &str = "podarium";

/// What a token shall say.
#[derive(Clone, Debug, Default)]
pub(in crate::apiserver) struct TokenClaims {
    pub namespace: String,
    pub account: String,
    pub account_uid: String,
    pub audiences: Vec<String>,
    /// Kind, name and uid of what it is bound to.
    pub bound: Option<(String, String, String)>,
    /// The name of the node that the pod which it is bound to is on, and its uid if there is such a node.
    pub node: Option<(String, Option<String>)>,
    pub expires_in_seconds: i64,
}

impl ApiServer {
    fn sign(&self, data: &str) -> String {
        let mut hasher = sha2::Sha256::new();
        hasher.update(self.sim.seed().to_be_bytes());
        hasher.update(b"service-account-key");
        hasher.update(data.as_bytes());
        URL_SAFE_NO_PAD.encode(hasher.finalize())
    }

    /// The key that tokens are said to be signed by, as those see it who would check them.
    pub(in crate::apiserver) fn public_keys(&self) -> String {
        let mut modulus = Vec::new();
        for part in 0..8_u8 {
            let mut hasher = sha2::Sha256::new();
            hasher.update(self.sim.seed().to_be_bytes());
            hasher.update(b"service-account-public-key");
            hasher.update([part]);
            modulus.extend_from_slice(&hasher.finalize());
        }
        // It is of 2048 bits, and odd.
        if let [first, .., last] = modulus.as_mut_slice() {
            *first |= 0x80;
            *last |= 1;
        }
        let n = URL_SAFE_NO_PAD.encode(modulus);
        let key = format!(r#""use":"sig","kty":"RSA","kid":"{KEY_ID}","alg":"RS256","n":"{n}","e":"AQAB""#);
        format!(r#"{{"keys":[{{{key}}}]}}"#)
    }

    /// A new token.
    pub(in crate::apiserver) fn issue_token(&self, c: &TokenClaims) -> String {
        let now = self.sim.timestamp().as_second();
        let header = json!({"alg": "RS256", "kid": KEY_ID});
        let mut private = json!({
            "namespace": c.namespace, "serviceaccount": {"name": c.account, "uid": c.account_uid},
        });
        if let Some((kind, name, uid)) = &c.bound {
            private[kind.to_ascii_lowercase()] = json!({"name": name, "uid": uid});
        }
        if let Some((name, uid)) = &c.node {
            private["node"] = json!({"name": name});
            if let Some(uid) = uid {
                private["node"]["uid"] = uid.as_str().into();
            }
        }
        let claims = json!({
            "aud": c.audiences, "exp": now.saturating_add(c.expires_in_seconds), "iat": now, "iss": ISSUER,
            "jti": self.sim.random_uuid(), "kubernetes.io": private, "nbf": now,
            "sub": format!("system:serviceaccount:{}:{}", c.namespace, c.account),
        });
        let data =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.sign(&data);
        format!("{data}.{signature}")
    }

    /// The claims of a token that is ours and holds now.
    pub(in crate::apiserver) fn token_claims(&self, token: &str) -> Option<Value> {
        let (data, signature) = token.rsplit_once('.')?;
        if self.sign(data) != signature {
            return None;
        }
        let (_, claims) = data.split_once('.')?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let now = self.sim.timestamp().as_second();
        (claims["exp"].as_i64()? > now).then_some(claims)
    }

    /// The service account that a token stands for, if it still exists, and what the token is bound to too.
    pub(super) fn service_account_user(&self, token: &str) -> Option<User> {
        let claims = self.token_claims(token)?;
        if !claims["aud"].as_array()?.iter().any(|a| a == ISSUER) {
            return None;
        }
        self.account_of_claims(&claims)
    }

    /// The service account that claims are about, for whatever audience.
    pub(in crate::apiserver) fn account_of_claims(&self, claims: &Value) -> Option<User> {
        let private = &claims["kubernetes.io"];
        let (namespace, name) = (private["namespace"].as_str()?, private["serviceaccount"]["name"].as_str()?);
        let account = self.one_of::<ServiceAccount>(namespace, name)?;
        if account.metadata.uid.as_deref() != private["serviceaccount"]["uid"].as_str() {
            return None;
        }
        if let Some(pod) = private["pod"]["name"].as_str() {
            let pod = self.one_of::<Pod>(namespace, pod)?;
            if pod.metadata.uid.as_deref() != private["pod"]["uid"].as_str() {
                return None;
            }
        }
        Some(User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: account.metadata.uid.clone().unwrap_or_default(),
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
            extra: extra(claims),
        })
    }
}

/// What a token says of whoever has it, beside the account. Models `ServiceAccountInfo.UserInfo`.
fn extra(claims: &Value) -> BTreeMap<String, Vec<String>> {
    let private = &claims["kubernetes.io"];
    let parts = [
        ("credential-id", claims["jti"].as_str().map(|id| format!("JTI={id}"))),
        ("pod-name", private["pod"]["name"].as_str().map(str::to_owned)),
        ("pod-uid", private["pod"]["uid"].as_str().map(str::to_owned)),
        ("node-name", private["node"]["name"].as_str().map(str::to_owned)),
        ("node-uid", private["node"]["uid"].as_str().map(str::to_owned)),
    ];
    let said = parts.into_iter().filter_map(|(key, value)| Some((key, value?)));
    said.map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), vec![value])).collect()
}
