//! kubectl apply and create. Models `pkg/cmd/apply` and `pkg/cmd/create`.

use serde_json::{Value, json};

use super::resources::{self, Resource};
use super::{Cx, Failure, Outcome};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("validate", ' '),
    value("field-manager", ' '),
    switch("recursive", 'R'),
    switch("server-side", ' '),
    switch("force-conflicts", ' '),
    switch("save-config", ' '),
];

/// The annotation in which apply keeps what was applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A document of a file.
pub(super) struct Document {
    pub file: String,
    pub body: Value,
}

/// The documents of the files given with -f.
pub(super) fn documents(cx: &Cx<'_>) -> Result<Vec<Document>, Failure> {
    let files = cx.args.all("filename");
    if files.is_empty() {
        return Err(Failure::error("must specify one of -f and -k"));
    }
    let mut out = Vec::new();
    for file in files {
        let Some(text) = cx.shell.files.get(file) else {
            return Err(Failure::error(format!("the path {} does not exist", crate::api::field::quote(file))));
        };
        let name = if file == "-" { "STDIN" } else { file.as_str() };
        let before = out.len();
        for part in split_documents(text) {
            let body = crate::api::decode::parse_yaml(part.as_bytes())
                .map_err(|e| Failure::error(format!("error parsing {name}: error converting YAML to JSON: {e}")))?;
            if body.is_null() {
                continue;
            }
            let items = if body["kind"] == "List" { body["items"].as_array().cloned() } else { None };
            match items {
                Some(items) => out.extend(items.into_iter().map(|body| Document { file: name.to_owned(), body })),
                None => out.push(Document { file: name.to_owned(), body }),
            }
        }
        if out.len() == before {
            return Err(Failure::error("no objects passed to apply"));
        }
    }
    for d in &out {
        for (field, what) in
            [("kind", "Object 'Kind' is missing in"), ("apiVersion", "Object 'apiVersion' is missing in")]
        {
            if d.body[field].as_str().unwrap_or_default().is_empty() {
                return Err(Failure::error(format!(
                    "unable to decode {}: {what} '{}'",
                    crate::api::field::quote(&d.file),
                    d.body
                )));
            }
        }
    }
    Ok(out)
}

/// The documents of a YAML stream: between lines that are three dashes.
fn split_documents(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            out.push(String::new());
        } else if let Some(last) = out.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    out.retain(|d| !d.trim().is_empty());
    out
}

/// A document's kind and the namespace that it goes to.
pub(super) fn place<'a>(
    cx: &Cx<'_>,
    all: &'a [Resource],
    d: &Document,
) -> Result<(&'a Resource, Option<String>), Failure> {
    let (api_version, kind) =
        (d.body["apiVersion"].as_str().unwrap_or_default(), d.body["kind"].as_str().unwrap_or_default());
    let name = d.body["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = d.body["metadata"]["namespace"].as_str().unwrap_or_default();
    let r = resources::find_kind(all, api_version, kind).ok_or_else(|| {
        Failure::error(format!(
            "resource mapping not found for name: \"{name}\" namespace: \"{namespace}\" from \"{}\": no matches for kind \"{kind}\" in version \"{api_version}\"\nensure CRDs are installed first",
            d.file
        ))
    })?;
    if !r.namespaced {
        return Ok((r, None));
    }
    if cx.args.get("namespace").is_some() && !namespace.is_empty() && namespace != cx.namespace {
        return Err(Failure::error(format!(
            "the namespace from the provided object \"{namespace}\" does not match the namespace \"{}\". You must pass '--namespace={namespace}' to perform this operation.",
            cx.namespace
        )));
    }
    Ok((r, Some(if namespace.is_empty() { cx.namespace.clone() } else { namespace.to_owned() })))
}

/// `--dry-run`: what to add to the query, what to add to the words, and whether nothing is sent at all.
fn dry_run(cx: &Cx<'_>) -> Result<(&'static str, &'static str, bool), Failure> {
    match cx.args.get("dry-run") {
        None | Some("none") => Ok(("", "", false)),
        Some("server") => Ok(("&dryRun=All", " (server dry run)", false)),
        Some("client") => Ok(("", " (dry run)", true)),
        Some(other) => Err(Failure::error(format!(
            "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
        ))),
    }
}

fn validation(cx: &Cx<'_>) -> &'static str {
    match cx.args.get("validate") {
        Some("false" | "ignore") => "Ignore",
        Some("warn") => "Warn",
        _ => "Strict",
    }
}

/// What is kept in the annotation: the document without the annotation itself, in one line.
fn last_applied(body: &Value) -> String {
    let mut v = body.clone();
    let annotations = &mut v["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    if let Some(a) = annotations.as_object_mut() {
        a.remove(LAST_APPLIED);
    }
    format!("{v}\n")
}

pub(super) async fn create(cx: &Cx<'_>) -> Outcome {
    let documents = documents(cx)?;
    let all = resources::discover(cx).await?;
    let (query, words, local) = dry_run(cx)?;
    for d in &documents {
        let (r, namespace) = place(cx, &all, d)?;
        let name = d.body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut name = name;
        if !local {
            let q = format!("fieldManager=kubectl-create&fieldValidation={}{query}", validation(cx));
            let made = cx
                .ask("POST", &r.path(namespace.as_deref()), &q, Some(&d.body))
                .await
                .map_err(|f| f.about_file(&format!("error when creating {}", crate::api::field::quote(&d.file))))?;
            name = made["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        }
        cx.out(format!("{}/{name} created{words}\n", r.qualified()));
    }
    Ok(())
}

pub(super) async fn apply(cx: &Cx<'_>) -> Outcome {
    let documents = documents(cx)?;
    let all = resources::discover(cx).await?;
    let mut failed: Option<Failure> = None;
    for d in &documents {
        let outcome = apply_one(cx, &all, d).await;
        if let Err(f) = outcome {
            if documents.len() == 1 {
                return Err(f);
            }
            cx.shell.err(f.text);
            failed = Some(Failure { text: String::new(), code: 1 });
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn apply_one(cx: &Cx<'_>, all: &[Resource], d: &Document) -> Outcome {
    let (r, namespace) = place(cx, all, d)?;
    let (query, words, local) = dry_run(cx)?;
    let name = d.body["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::error(format!(
            "error when retrieving current configuration of:\nResource: \"{}, Resource={}\", GroupVersionKind: \"{}, Kind={}\"\nName: \"\", Namespace: \"{}\"\nfrom server for: \"{}\": resource name may not be empty",
            d.body["apiVersion"].as_str().unwrap_or_default(),
            r.plural,
            d.body["apiVersion"].as_str().unwrap_or_default(),
            r.kind,
            namespace.as_deref().unwrap_or_default(),
            d.file
        )));
    }
    let collection = r.path(namespace.as_deref());
    let path = format!("{collection}/{name}");
    let about = |f: Failure| f.about_file(&format!("error when creating {}", crate::api::field::quote(&d.file)));
    if cx.args.on("server-side") {
        let force = if cx.args.on("force-conflicts") { "true" } else { "false" };
        let manager = cx.args.get("field-manager").unwrap_or("kubectl");
        let q = format!("fieldManager={manager}&fieldValidation={}&force={force}{query}", validation(cx));
        cx.patch(&path, "application/apply-patch+yaml", &d.body, &q).await?;
        cx.out(format!("{}/{name} serverside-applied{words}\n", r.qualified()));
        return Ok(());
    }
    let reply = cx.send("GET", &path, "", &[("Accept", "application/json")], Vec::new()).await?;
    let mut wanted = d.body.clone();
    if !wanted["metadata"]["annotations"].is_object() {
        wanted["metadata"]["annotations"] = json!({});
    }
    wanted["metadata"]["annotations"][LAST_APPLIED] = Value::String(last_applied(&d.body));
    if reply.code == 404 {
        if !local {
            let q = format!("fieldManager=kubectl-client-side-apply&fieldValidation={}{query}", validation(cx));
            cx.ask("POST", &collection, &q, Some(&wanted)).await.map_err(about)?;
        }
        cx.out(format!("{}/{name} created{words}\n", r.qualified()));
        return Ok(());
    }
    if !reply.is_ok() {
        return Err(Failure::server(&reply));
    }
    let current = reply.json();
    let annotation = &current["metadata"]["annotations"][LAST_APPLIED];
    if annotation.is_null() && !local {
        cx.shell.err(format!(
            "Warning: resource {}/{name} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.\n",
            r.plural
        ));
    }
    let original: Value = annotation.as_str().and_then(|s| serde_json::from_str(s).ok()).unwrap_or(Value::Null);
    let patch = three_way(&original, &wanted, &current);
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        cx.out(format!("{}/{name} unchanged{words}\n", r.qualified()));
        return Ok(());
    }
    if !local {
        let q = format!("fieldManager=kubectl-client-side-apply&fieldValidation={}{query}", validation(cx));
        let about = |f: Failure| {
            f.about_file(&format!(
                "error when applying patch:\n{patch}\nto:\nfor: {}",
                crate::api::field::quote(&d.file)
            ))
        };
        let new = cx.patch(&path, "application/merge-patch+json", &patch, &q).await.map_err(about)?;
        if new["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"] {
            cx.out(format!("{}/{name} unchanged{words}\n", r.qualified()));
            return Ok(());
        }
    }
    cx.out(format!("{}/{name} configured{words}\n", r.qualified()));
    Ok(())
}

/// A merge patch that takes away what was applied before and is no longer wanted, and sets what is wanted and differs.
/// Models jsonmergepatch.CreateThreeWayJSONMergePatch; lists are compared with what the server defaulted left out.
fn three_way(original: &Value, wanted: &Value, current: &Value) -> Value {
    let mut patch = serde_json::Map::new();
    if let (Some(before), Some(now)) = (original.as_object(), wanted.as_object()) {
        for key in before.keys().filter(|k| !now.contains_key(*k) && !current[k.as_str()].is_null()) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    for (key, want) in wanted.as_object().into_iter().flatten() {
        let have = &current[key.as_str()];
        if want.is_object() && have.is_object() {
            let inner = three_way(&original[key.as_str()], want, have);
            if inner.as_object().is_some_and(|m| !m.is_empty()) {
                patch.insert(key.clone(), inner);
            }
        } else if !covers(have, want) {
            patch.insert(key.clone(), want.clone());
        }
    }
    Value::Object(patch)
}

/// Whether what is there has all that is wanted; fields that the server added do not count.
fn covers(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(h), Value::Object(w)) => w.iter().all(|(k, v)| h.get(k).is_some_and(|x| covers(x, v))),
        (Value::Array(h), Value::Array(w)) => h.len() == w.len() && h.iter().zip(w).all(|(a, b)| covers(a, b)),
        (h, w) => h == w,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_sets_what_differs_and_takes_away_what_is_gone() {
        let original = json!({"spec": {"replicas": 3, "paused": true}});
        let wanted = json!({"spec": {"replicas": 5, "list": [{"name": "a"}]}});
        let current =
            json!({"spec": {"replicas": 3, "paused": true, "list": [{"name": "a", "defaulted": 1}], "other": 1}});
        assert_eq!(three_way(&original, &wanted, &current), json!({"spec": {"replicas": 5, "paused": null}}));
        assert_eq!(three_way(&wanted, &wanted, &json!({"spec": {"replicas": 5, "list": [{"name": "a"}]}})), json!({}));
    }
}
