//! The kubeconfig that clients find the server by.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::tls::Authority;

/// Whom clients are when they use the kubeconfig.
pub enum Credentials<'a> {
    /// The administrator, by certificate.
    Certificate(&'a Authority),
    /// The administrator, by token.
    Token(&'a str),
}

/// The kubeconfig for a server's address.
pub fn config(server: &str, credentials: &Credentials<'_>) -> Value {
    let (mut cluster, user) = (
        json!({"server": server}),
        match credentials {
            Credentials::Certificate(authority) => json!({
                "client-certificate-data": STANDARD.encode(&authority.admin.certificate),
                "client-key-data": STANDARD.encode(&authority.admin.key),
            }),
            Credentials::Token(token) => json!({"token": token}),
        },
    );
    if let Credentials::Certificate(authority) = credentials {
        cluster["certificate-authority-data"] = STANDARD.encode(&authority.certificate).into();
    }
    json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "podarium",
        "clusters": [{"name": "podarium", "cluster": cluster}],
        "contexts": [{"name": "podarium", "context": {"cluster": "podarium", "user": "kubernetes-admin"}}],
        "users": [{"name": "kubernetes-admin", "user": user}],
    })
}

/// Writes it for its owner alone to read: it holds a key.
pub fn write(file: &Path, config: &Value) -> Result<(), String> {
    let text = serde_yaml::to_string(config).map_err(|e| e.to_string())?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|e| format!("--kubeconfig {}: {e}", file.display()))
}
