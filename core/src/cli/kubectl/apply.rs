//! kubectl apply and create. Models `pkg/cmd/apply` and `pkg/cmd/create`.

use serde_json::{Value, json};

use super::resources::{self, Resource};
use super::show::{go_json, go_json_pretty, text};
use super::{Cx, Failure, Outcome, label, print, three_way};
use crate::api::schema::schema;
use crate::api::yaml::to_yaml;
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("validate", ' '),
    value("field-manager", ' '),
    value("selector", 'l'),
    value("field-selector", ' '),
    value("grace-period", ' '),
    switch("all", ' '),
    switch("all-namespaces", 'A'),
    switch("force", ' '),
    switch("recursive", 'R'),
    switch("server-side", ' '),
    switch("force-conflicts", ' '),
    switch("save-config", ' '),
];

/// The annotation in which apply keeps what was applied last.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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
pub(super) fn dry_run(cx: &Cx<'_>) -> Result<(&'static str, &'static str, bool), Failure> {
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
    format!("{}\n", go_json(&v))
}

/// A server-side apply that meets other managers' fields, with what can be done about it.
fn conflict(f: Failure) -> Failure {
    let Some(message) = f.text.strip_prefix("Error from server (Conflict): ") else { return f };
    let text = format!(
        "error: {message}Please review the fields above--they currently have other managers. Here\nare the ways you can resolve this warning:\n* If you intend to manage all of these fields, please re-run the apply\n  command with the `--force-conflicts` flag.\n* If you do not intend to manage all of the fields, please edit your\n  manifest to remove references to the fields that should keep their\n  current managers.\n* You may co-own fields by updating your manifest to match the existing\n  value; in this case, you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their configuration).\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts\n"
    );
    Failure { text, code: 1 }
}

/// kubectl apply view-last-applied.
pub(super) async fn view_last_applied(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    for f in label::objects(cx, &all, &cx.args.words[1..]).await? {
        let name = text(&f.object["metadata"]["name"]);
        let Some(v) = f.object["metadata"]["annotations"][LAST_APPLIED]
            .as_str()
            .and_then(|s| serde_json::from_str::<Value>(s).ok())
        else {
            return Err(Failure::error(format!("no last-applied-configuration annotation found on resource: {name}")));
        };
        match cx.args.get("output").unwrap_or("yaml") {
            "json" => cx.out(format!("{}\n", go_json_pretty(&v))),
            _ => cx.out(to_yaml(&v)),
        }
    }
    Ok(())
}

/// kubectl replace.
pub(super) async fn replace(cx: &Cx<'_>) -> Outcome {
    let documents = documents(cx)?;
    let all = resources::discover(cx).await?;
    let (query, words, local) = dry_run(cx)?;
    for d in &documents {
        let (r, namespace) = place(cx, &all, d)?;
        let path = format!("{}/{}", r.path(namespace.as_deref()), text(&d.body["metadata"]["name"]));
        let mut body = d.body.clone();
        if let Some(n) = &namespace {
            body["metadata"]["namespace"] = n.as_str().into();
        }
        if local {
            print::done(cx, &all, &body, &format!("replaced{words}"))?;
            continue;
        }
        let about = |f: Failure| f.about_file(&format!("error when replacing {}", crate::api::field::quote(&d.file)));
        let current = cx.ask("GET", &path, "", None).await.map_err(about)?;
        if !current["metadata"]["annotations"][LAST_APPLIED].is_null() {
            if !body["metadata"]["annotations"].is_object() {
                body["metadata"]["annotations"] = json!({});
            }
            body["metadata"]["annotations"][LAST_APPLIED] = Value::String(last_applied(&body));
        }
        let q = format!("fieldManager=kubectl-replace&fieldValidation={}{query}", validation(cx));
        let new = cx.ask("PUT", &path, &q, Some(&body)).await.map_err(about)?;
        print::done(cx, &all, &new, &format!("replaced{words}"))?;
    }
    Ok(())
}

pub(super) async fn create(cx: &Cx<'_>) -> Outcome {
    let documents = documents(cx)?;
    let all = resources::discover(cx).await?;
    let (query, words, local) = dry_run(cx)?;
    for d in &documents {
        let (r, namespace) = place(cx, &all, d)?;
        let mut made = d.body.clone();
        if let Some(n) = &namespace {
            made["metadata"]["namespace"] = n.as_str().into();
        }
        if !local {
            let q = format!("fieldManager=kubectl-create&fieldValidation={}{query}", validation(cx));
            made = cx
                .ask("POST", &r.path(namespace.as_deref()), &q, Some(&d.body))
                .await
                .map_err(|f| f.about_file(&format!("error when creating {}", crate::api::field::quote(&d.file))))?;
        }
        print::done(cx, &all, &made, &format!("created{words}"))?;
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
    let mut body = d.body.clone();
    if let Some(n) = &namespace {
        // The builder sets the namespace before anything is made of the document.
        body["metadata"]["namespace"] = n.as_str().into();
    }
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
        let new = cx.patch(&path, "application/apply-patch+yaml", &body, &q).await.map_err(conflict)?;
        return print::done(cx, all, &new, &format!("serverside-applied{words}"));
    }
    let reply = cx.send("GET", &path, "", &[("Accept", "application/json")], Vec::new()).await?;
    let mut wanted = body.clone();
    if !wanted["metadata"]["annotations"].is_object() {
        wanted["metadata"]["annotations"] = json!({});
    }
    wanted["metadata"]["annotations"][LAST_APPLIED] = Value::String(last_applied(&body));
    if reply.code == 404 {
        let mut made = wanted.clone();
        if !local {
            let q = format!("fieldManager=kubectl-client-side-apply&fieldValidation={}{query}", validation(cx));
            made = cx.ask("POST", &collection, &q, Some(&wanted)).await.map_err(about)?;
        }
        return print::done(cx, all, &made, &format!("created{words}"));
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
    let ty = schema().kind(&text(&wanted["apiVersion"]), r.kind.as_str());
    let kind = if ty.is_some() { "application/strategic-merge-patch+json" } else { "application/merge-patch+json" };
    let patch = Value::Object(three_way::patch(ty, &original, &wanted, &current));
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        return print::done(cx, all, &current, &format!("unchanged{words}"));
    }
    let mut new = current.clone();
    if !local {
        let q = format!("fieldManager=kubectl-client-side-apply&fieldValidation={}{query}", validation(cx));
        let about = |f: Failure| {
            let (gv, plural) = (text(&wanted["apiVersion"]), &r.plural);
            f.about_file(&format!(
                "error when applying patch:\n{}\nto:\nResource: \"{gv}, Resource={plural}\", GroupVersionKind: \"{gv}, Kind={}\"\nName: \"{name}\", Namespace: \"{}\"\nfor: {}: error when patching {}",
                go_json(&patch),
                r.kind,
                namespace.as_deref().unwrap_or_default(),
                crate::api::field::quote(&d.file),
                crate::api::field::quote(&d.file)
            ))
        };
        new = cx.patch(&path, kind, &patch, &q).await.map_err(about)?;
    }
    print::done(cx, all, &new, &format!("configured{words}"))
}
