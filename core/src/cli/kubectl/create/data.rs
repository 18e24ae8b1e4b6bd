//! create configmap and secret. Models create_configmap.go, create_secret.go, create_secret_tls.go, create_secret_docker.go.

use base64::Engine as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::super::show::{go_json, text};
use super::super::{Cx, Failure, options};
use super::Made;
use crate::api::field::quote;
use crate::api::validation::is_config_map_key;

fn encoded(s: &str) -> Value {
    base64::engine::general_purpose::STANDARD.encode(s).into()
}

/// Takes one pair of quotes away.
fn unquoted(s: &str) -> &str {
    for q in ['"', '\''] {
        if let Some(inner) = s.strip_prefix(q).and_then(|t| t.strip_suffix(q)) {
            return inner;
        }
    }
    s
}

/// `key=file`, or a file whose name is the key. Models ParseFileSource.
fn file_source(spec: &str) -> Result<(String, String), Failure> {
    let base = |p: &str| p.rsplit('/').next().unwrap_or(p).to_owned();
    match spec.matches('=').count() {
        0 => Ok((base(spec), spec.to_owned())),
        1 if spec.starts_with('=') => Err(Failure::error(format!("key name for file path {} missing", &spec[1..]))),
        1 if spec.ends_with('=') => {
            Err(Failure::error(format!("file path for key name {} missing", spec.trim_end_matches('='))))
        }
        1 => spec.split_once('=').map(|(k, p)| (k.to_owned(), p.to_owned())).ok_or_else(Failure::silent),
        _ => Err(Failure::error("key names or file paths cannot contain '='")),
    }
}

/// What `--from-literal`, `--from-file` and `--from-env-file` give; `config` for a ConfigMap.
fn data(cx: &Cx<'_>, name: &str, config: bool) -> Result<Vec<(String, String)>, Failure> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |key: String, value: String| {
        let wrong = is_config_map_key(&key);
        if !wrong.is_empty() {
            return Err(Failure::error(if config {
                format!("{} is not a valid key name for a ConfigMap: {}", quote(&key), wrong.join(","))
            } else {
                format!("{} is not valid key name for a Secret {}", quote(&key), wrong.join(";"))
            }));
        }
        if out.iter().any(|(k, _)| *k == key) {
            return Err(Failure::error(if config {
                format!(
                    "cannot add key {}, another key by that name already exists in Data for ConfigMap {}",
                    quote(&key),
                    quote(name)
                )
            } else {
                format!("cannot add key {key}, another key by that name already exists")
            }));
        }
        out.push((key, value));
        Ok(())
    };
    let env = !cx.args.all("from-env-file").is_empty();
    if env && (!cx.args.all("from-file").is_empty() || !cx.args.all("from-literal").is_empty()) {
        return Err(Failure::error("from-env-file cannot be combined with from-file or from-literal"));
    }
    for l in cx.args.all("from-literal") {
        let (k, v) = l
            .split_once('=')
            .filter(|(k, _)| !k.is_empty())
            .ok_or_else(|| Failure::error(format!("invalid literal source {l}, expected key=value")))?;
        add(k.to_owned(), unquoted(v).to_owned())?;
    }
    let missing = |f: &str| Failure::error(format!("error reading {f}: no such file or directory"));
    for spec in cx.args.all("from-file") {
        let (key, path) = file_source(spec)?;
        if let Some(t) = cx.shell.read(&path) {
            add(key, t)?;
            continue;
        }
        let inside = cx.shell.home.below(&path);
        if inside.is_empty() {
            return Err(missing(&path));
        }
        if spec.contains('=') {
            return Err(Failure::error("cannot give a key name for a directory path"));
        }
        for f in inside {
            let key = f.rsplit('/').next().unwrap_or(&f).to_owned();
            add(key, cx.shell.read(&f).unwrap_or_default())?;
        }
    }
    for f in cx.args.all("from-env-file") {
        let t = cx.shell.read(f).ok_or_else(|| missing(f))?;
        for line in t.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            // A name without a value stands for the shell's variable.
            let (k, v) = match line.split_once('=') {
                Some((k, v)) => (k.to_owned(), v.to_owned()),
                None => (line.to_owned(), cx.shell.home.variables.borrow().get(line).cloned().unwrap_or_default()),
            };
            add(k, v)?;
        }
    }
    Ok(out)
}

/// A name with a hash of the content behind it. Models pkg/util/hash.
fn hashed(object: &mut Value, whole: &Value) {
    let digest = Sha256::digest(go_json(whole).as_bytes());
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let replaced = |c: char| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        c => c,
    };
    let hash: String = hex.chars().take(10).map(replaced).collect();
    object["metadata"]["name"] = format!("{}-{hash}", text(&object["metadata"]["name"])).into();
}

pub(super) fn config_map(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let data: Map<String, Value> = data(cx, name, true)?.into_iter().map(|(k, v)| (k, v.into())).collect();
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    if cx.args.on("append-hash") {
        hashed(&mut object, &json!({"data": data, "kind": "ConfigMap", "name": name}));
    }
    if !data.is_empty() {
        object["data"] = data.into();
    }
    Ok(Made::new(object, "failed to create configmap:"))
}

fn secret_of(cx: &Cx<'_>, name: &str, kind: &str, data: Map<String, Value>) -> Made {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    if cx.args.on("append-hash") {
        hashed(&mut object, &json!({"data": data, "kind": "Secret", "name": name, "type": kind}));
    }
    if !data.is_empty() {
        object["data"] = data.into();
    }
    if !kind.is_empty() {
        object["type"] = kind.into();
    }
    Made::new(object, "failed to create secret")
}

pub(super) fn secret(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let data = data(cx, name, false)?.into_iter().map(|(k, v)| (k, encoded(&v))).collect();
    Ok(secret_of(cx, name, cx.args.text("type"), data))
}

pub(super) fn secret_tls(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (cert, key) = (cx.args.text("cert"), cx.args.text("key"));
    if cert.is_empty() || key.is_empty() {
        return Err(Failure::error("key and cert must be specified"));
    }
    let read = |f: &str| {
        cx.shell
            .read(f)
            .ok_or_else(|| Failure::error(format!("Cannot read file {f}, open {f}: no such file or directory")))
    };
    let (cert, key) = (read(cert)?, read(key)?);
    if !cert.contains("-----BEGIN") {
        return Err(Failure::error("tls: failed to find any PEM data in certificate input"));
    }
    if !key.contains("-----BEGIN") {
        return Err(Failure::error("tls: failed to find any PEM data in key input"));
    }
    let data = [("tls.crt", encoded(&cert)), ("tls.key", encoded(&key))];
    Ok(secret_of(cx, name, "kubernetes.io/tls", data.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
}

pub(super) fn secret_docker(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let flag = |f: &str| cx.args.text(f);
    let files = cx.args.all("from-file");
    let (user, password, server) = (flag("docker-username"), flag("docker-password"), flag("docker-server"));
    if files.is_empty() && (user.is_empty() || password.is_empty() || server.is_empty()) {
        return Err(Failure::error(
            "either --from-file or the combination of --docker-username, --docker-password and --docker-server is required",
        ));
    }
    let content = match files.first() {
        Some(spec) => {
            let path = file_source(spec)?.1;
            cx.shell
                .read(&path)
                .ok_or_else(|| Failure::error(format!("error reading {path}: no such file or directory")))?
        }
        None => {
            let mut entry =
                json!({"username": user, "password": password, "auth": encoded(&format!("{user}:{password}"))});
            if !flag("docker-email").is_empty() {
                entry["email"] = flag("docker-email").into();
            }
            go_json(&json!({"auths": {server: entry}}))
        }
    };
    let data = [(".dockerconfigjson".to_owned(), encoded(&content))];
    Ok(secret_of(cx, name, "kubernetes.io/dockerconfigjson", data.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_keys() {
        for (spec, want) in [("a/b.txt", Ok(("b.txt", "a/b.txt"))), ("k=a/b.txt", Ok(("k", "a/b.txt")))] {
            let got = file_source(spec);
            assert_eq!(
                got.as_ref().map(|(k, p)| (k.as_str(), p.as_str())).map_err(|e| e.text.clone()),
                want.map_err(|e: String| e)
            );
        }
        assert_eq!(file_source("=x").expect_err("an error").text, "error: key name for file path x missing\n");
        assert_eq!((unquoted("'a'"), unquoted("\"a"), unquoted("a")), ("a", "\"a", "a"));
    }

    #[test]
    fn hashes_hold_no_vowels() {
        let mut o = json!({"metadata": {"name": "c"}});
        hashed(&mut o, &json!({"data": {}, "kind": "ConfigMap", "name": ""}));
        // Upstream's own example: an empty ConfigMap without a name.
        assert_eq!(text(&o["metadata"]["name"]), "c-42745tchd9");
    }
}
