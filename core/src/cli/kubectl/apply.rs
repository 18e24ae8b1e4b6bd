//! kubectl apply, create and replace with files. Models `pkg/cmd/apply`, `pkg/cmd/create/create.go`, `pkg/cmd/replace`, `pkg/util/apply.go`.

mod prune;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::builder::{self, Found};
use super::options::{self, DryRun};
use super::resources::{self, Resource};
use super::show::{go_json, text};
use super::{Cx, Failure, Outcome, delete, print, three_way};
use crate::api::decode::FieldValidation;
use crate::api::labels::Selector;
use crate::api::patch::{self, PatchKind};
use crate::api::schema::schema;

/// The annotation in which apply keeps what was applied last.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often a patch that met another change is made anew.
const RETRIES: usize = 5;

/// What is kept in the annotation: the document without the annotation itself, in one line.
pub(super) fn last_applied(body: &Value) -> String {
    let mut v = body.clone();
    if !v["metadata"]["annotations"].is_object() {
        v["metadata"]["annotations"] = json!({});
    }
    if let Some(a) = v["metadata"]["annotations"].as_object_mut() {
        a.remove(LAST_APPLIED);
    }
    format!("{}\n", go_json(&v))
}

/// Sets an annotation.
fn annotate(v: &mut Value, key: &str, value: String) {
    if !v["metadata"]["annotations"].is_object() {
        v["metadata"]["annotations"] = json!({});
    }
    v["metadata"]["annotations"][key] = value.into();
}

/// Keeps the annotation up to date: with `--save-config`, or where the document has it. Models CreateOrUpdateAnnotation.
pub(super) fn save_config(cx: &Cx<'_>, v: &mut Value) {
    if cx.args.on("save-config") || !v["metadata"]["annotations"][LAST_APPLIED].is_null() {
        let kept = last_applied(v);
        annotate(v, LAST_APPLIED, kept);
    }
}

/// The documents that are meant, placed, with the namespace that they go to; those that `-l` doesn't choose are left out.
async fn documents<'a>(cx: &Cx<'_>, all: &'a [Resource]) -> Result<(Vec<Found<'a>>, Vec<Failure>), Failure> {
    let (mut found, wrong) = builder::places(cx, all, &[]).await?;
    if let Some(l) = cx.args.get("selector") {
        let selector = Selector::parse(l).map_err(Failure::error)?;
        found.retain(|f| {
            let labels = f.body["metadata"]["labels"].as_object().into_iter().flatten();
            selector.matches(&labels.map(|(k, v)| (k.clone(), text(v))).collect())
        });
    }
    for f in &mut found {
        if let Some(n) = &f.namespace {
            f.body["metadata"]["namespace"] = n.as_str().into();
        }
    }
    Ok((found, wrong))
}

fn no_words(cx: &Cx<'_>) -> Outcome {
    if cx.args.words.is_empty() {
        return Ok(());
    }
    Err(super::usage(cx, &format!("Unexpected args: [{}]", cx.args.words.join(" "))))
}

/// Sends a file as it is to a path.
async fn raw(cx: &Cx<'_>, method: &str, path: &str) -> Outcome {
    let [file] = cx.args.all("filename") else {
        return Err(Failure::error("--raw can only use a single local file or stdin"));
    };
    let Some(body) = cx.shell.read(file) else {
        return Err(Failure::error(format!("open {file}: no such file or directory")));
    };
    let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let reply = cx.send(method, path, "", &headers, body.into_bytes()).await?;
    if !reply.is_ok() {
        return Err(Failure::server(&reply));
    }
    cx.out(String::from_utf8_lossy(&reply.body).into_owned());
    Ok(())
}

/// kubectl create -f.
pub(super) async fn create(cx: &Cx<'_>) -> Outcome {
    if !builder::has_files(cx) {
        cx.shell.err("Error: must specify one of -f and -k\n\n");
        return super::group_only(cx);
    }
    no_words(cx)?;
    if let Some(path) = cx.args.get("raw") {
        return raw(cx, "POST", path).await;
    }
    let dry = options::dry_run(cx)?;
    let validation = options::validation(cx)?;
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = documents(cx, &all).await?;
    if found.is_empty() && wrong.is_empty() {
        return Err(Failure::error("no objects passed to create"));
    }
    for f in &found {
        let mut made = f.body.clone();
        save_config(cx, &mut made);
        if !dry.client {
            let q = format!("{}&fieldValidation={validation}{}", options::manager(cx), dry.query);
            match cx.ask("POST", &f.resource.path(f.namespace.as_deref()), &q, Some(&made)).await {
                Ok(o) => made = o,
                Err(e) => {
                    wrong.push(e.about_file("creating", f.file.as_deref().unwrap_or_default()));
                    continue;
                }
            }
        }
        print::done(cx, &all, &made, &format!("created{}", dry.words))?;
    }
    Failure::many(wrong)
}

/// kubectl replace.
pub(super) async fn replace(cx: &Cx<'_>) -> Outcome {
    let dry = options::dry_run(cx)?;
    let validation = options::validation(cx)?;
    if !builder::has_files(cx) {
        return Err(Failure::error("must specify one of -f and -k"));
    }
    let forced = cx.args.on("force");
    if cx.args.number("grace-period") >= 0 && !forced {
        return Err(Failure::error("--grace-period must have --force specified"));
    }
    if !cx.args.duration("timeout").is_zero() && !forced {
        return Err(Failure::error("--timeout must have --force specified"));
    }
    if forced && !dry.words.is_empty() {
        return Err(Failure::error("--dry-run can not be used when --force is set"));
    }
    if let Some(path) = cx.args.get("raw") {
        return raw(cx, "PUT", path).await;
    }
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = documents(cx, &all).await?;
    if forced {
        delete_all(cx, &found).await?;
    }
    let sub = cx.args.get("subresource").map(|s| format!("/{s}")).unwrap_or_default();
    for f in &found {
        let mut body = f.body.clone();
        save_config(cx, &mut body);
        let q = format!("{}&fieldValidation={validation}{}", options::manager(cx), dry.query);
        let new = if dry.client {
            Ok(body)
        } else if forced {
            cx.ask("POST", &f.resource.path(f.namespace.as_deref()), &q, Some(&body)).await
        } else {
            // Without a version of its own the document takes the place of whatever is there.
            if body["metadata"]["resourceVersion"].is_null()
                && let Ok(current) = cx.ask("GET", &format!("{}{sub}", f.path), "", None).await
            {
                body["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
            }
            cx.ask("PUT", &format!("{}{sub}", f.path), &q, Some(&body))
                .await
                .map_err(|e| e.about_file("replacing", f.file.as_deref().unwrap_or_default()))
        };
        match new {
            Ok(new) => print::done(cx, &all, &new, &format!("replaced{}", dry.words))?,
            Err(e) => wrong.push(e),
        }
    }
    Failure::many(wrong)
}

async fn delete_all(cx: &Cx<'_>, found: &[Found<'_>]) -> Outcome {
    let how = delete::how(cx)?;
    let until = cx.shell.door.sim.now() + delete::FOR_EVER;
    let mut gone = Vec::new();
    for f in found {
        match delete::delete_one(cx, f, &how).await {
            Ok(uid) => gone.push((f, uid)),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e),
        }
    }
    for (f, uid) in gone {
        delete::wait_gone(cx, &f.path, &uid, until).await?;
    }
    Ok(())
}

fn check_flags(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    let on = |f: &str| cx.args.on(f);
    let (ssa, selected) = (on("server-side"), cx.args.get("selector").is_some());
    let rules = [
        (on("force-conflicts") && !ssa, "--force-conflicts only works with --server-side"),
        (
            dry.client && ssa,
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
        ),
        (ssa && on("force"), "--force cannot be used with --server-side"),
        (!dry.query.is_empty() && on("force"), "--dry-run=server cannot be used with --force"),
        (on("all") && selected, "cannot set --all and --selector at the same time"),
        (on("prune") && on("force"), "--force cannot be used with --prune"),
        (
            on("prune") && !on("all") && !selected,
            "all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector",
        ),
        (on("prune") && ssa, "--prune is in alpha and doesn't currently work on objects created by server-side apply"),
        (cx.args.get("subresource").is_some() && !ssa, "--subresource can only be specified for --server-side"),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, why)) => Err(Failure::error(why)),
        None => Ok(()),
    }
}

/// What an apply has been through.
#[derive(Default)]
struct Visited {
    uids: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    objects: Vec<Value>,
}

/// kubectl apply -f.
pub(super) async fn apply(cx: &Cx<'_>) -> Outcome {
    no_words(cx)?;
    let dry = options::dry_run(cx)?;
    if !builder::has_files(cx) {
        return Err(Failure::error("must specify one of -f and -k"));
    }
    let validation = options::validation(cx)?;
    check_flags(cx, &dry)?;
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = documents(cx, &all).await?;
    if found.is_empty() && wrong.is_empty() {
        return Err(Failure::error("no objects passed to apply"));
    }
    let mut visited = Visited::default();
    for f in &found {
        visited.namespaces.extend(f.namespace.clone());
        let q = format!("fieldManager={}&fieldValidation={validation}{}", manager(cx), dry.query);
        let outcome =
            if cx.args.on("server-side") { server_side(cx, f, &q).await } else { client_side(cx, f, &q, &dry).await };
        match outcome {
            Ok((o, done)) => {
                if !o["metadata"]["deletionTimestamp"].is_null() {
                    cx.shell.err(format!(
                        "Warning: Detected changes to resource {} which is currently being deleted.\n",
                        f.name
                    ));
                }
                visited.uids.insert(text(&o["metadata"]["uid"]));
                if cx.args.text("output").is_empty() || cx.args.text("output") == "name" {
                    print::done(cx, &all, &o, &format!("{done}{}", dry.words))?;
                }
                visited.objects.push(o);
            }
            Err(e) => wrong.push(e),
        }
    }
    Failure::many(wrong)?;
    print_objects(cx, &all, &visited.objects)?;
    if cx.args.on("prune") {
        prune::run(cx, &all, &visited.uids, &visited.namespaces, &dry).await?;
    }
    Ok(())
}

/// The field manager: apply on the server has a name of its own.
pub(super) fn manager(cx: &Cx<'_>) -> String {
    match cx.args.get("field-manager") {
        Some(m) => super::encode(m),
        None if cx.args.on("server-side") => "kubectl".into(),
        None => "kubectl-client-side-apply".into(),
    }
}

/// With `-o` the objects come together at the end.
fn print_objects(cx: &Cx<'_>, all: &[Resource], objects: &[Value]) -> Outcome {
    let output = cx.args.text("output");
    if output.is_empty() || output == "name" || objects.is_empty() {
        return Ok(());
    }
    if let [one] = objects {
        return print::done(cx, all, one, "");
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects});
    print::done(cx, all, &list, "")
}

/// A server-side apply that meets other managers' fields is told what can be done about it.
fn conflict(f: Failure) -> Failure {
    if !f.is("Conflict") {
        return f;
    }
    Failure::error(format!(
        "{}\nPlease review the fields above--they currently have other managers. Here\nare the ways you can resolve this warning:\n* If you intend to manage all of these fields, please re-run the apply\n  command with the `--force-conflicts` flag.\n* If you do not intend to manage all of the fields, please edit your\n  manifest to remove references to the fields that should keep their\n  current managers.\n* You may co-own fields by updating your manifest to match the existing\n  value; in this case, you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their configuration).\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts",
        f.message().trim_end_matches('\n')
    ))
}

async fn server_side(cx: &Cx<'_>, f: &Found<'_>, query: &str) -> Result<(Value, &'static str), Failure> {
    let sub = cx.args.get("subresource").map(|s| format!("/{s}")).unwrap_or_default();
    let q = format!("{query}&force={}", cx.args.on("force-conflicts"));
    let o =
        cx.patch(&format!("{}{sub}", f.path), "application/apply-patch+yaml", &f.body, &q).await.map_err(conflict)?;
    Ok((o, "serverside-applied"))
}

/// What and where an object is, as errors say it. Models resource.Info.String.
fn info(f: &Found<'_>) -> String {
    let (r, namespace) = (f.resource, f.namespace.as_deref().unwrap_or_default());
    format!(
        "Resource: \"{0}/{1}, Resource={2}\", GroupVersionKind: \"{0}/{1}, Kind={3}\"\nName: \"{4}\", Namespace: \"{namespace}\"",
        r.group, r.version, r.plural, r.kind, f.name
    )
}

fn without_nulls(v: &mut Value) {
    match v {
        Value::Object(m) => {
            m.retain(|_, v| !v.is_null());
            m.values_mut().for_each(without_nulls);
        }
        Value::Array(a) => a.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

async fn client_side(cx: &Cx<'_>, f: &Found<'_>, query: &str, dry: &DryRun) -> Result<(Value, &'static str), Failure> {
    let file = f.file.as_deref().unwrap_or_default();
    let retrieving = format!("retrieving current configuration of:\n{}\nfrom server for:", info(f));
    if f.name.is_empty() {
        let generated = text(&f.body["metadata"]["generateName"]);
        if !generated.is_empty() {
            return Err(Failure::error(format!("from {generated}: cannot use generate name with apply")));
        }
        return Err(Failure::error("resource name may not be empty").about_file(&retrieving, file));
    }
    let mut modified = f.body.clone();
    annotate(&mut modified, LAST_APPLIED, last_applied(&f.body));
    let current = match cx.ask("GET", &f.path, "", None).await {
        Ok(o) => o,
        Err(e) if e.is_not_found() => {
            without_nulls(&mut modified);
            if dry.client {
                return Ok((modified, "created"));
            }
            let collection = f.resource.path(f.namespace.as_deref());
            let made = cx.ask("POST", &collection, query, Some(&modified)).await;
            return made.map(|o| (o, "created")).map_err(|e| e.about_file("creating", file));
        }
        Err(e) => return Err(e.about_file(&retrieving, file)),
    };
    if current["metadata"]["annotations"][LAST_APPLIED].is_null() {
        cx.shell.err(format!(
            "Warning: resource {}/{} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.\n",
            f.resource.plural, f.name
        ));
    }
    let patched = patched(cx, f, &modified, current, query, dry).await;
    patched.map_err(|(patch, e)| {
        e.about_file(&format!("applying patch:\n{}\nto:\n{}\nfor:", go_json(&patch), info(f)), file)
    })
}

/// The patch between what was applied, what is wanted and what there is.
pub(super) fn difference(f: &Found<'_>, modified: &Value, current: &Value) -> (Value, &'static str) {
    let annotation = &current["metadata"]["annotations"][LAST_APPLIED];
    let original: Value = annotation.as_str().and_then(|s| serde_json::from_str(s).ok()).unwrap_or(Value::Null);
    let ty = schema().kind(&text(&modified["apiVersion"]), f.resource.kind.as_str());
    let media = if ty.is_some() { "application/strategic-merge-patch+json" } else { "application/merge-patch+json" };
    (Value::Object(three_way::patch(ty, &original, modified, current)), media)
}

/// Patches the object; the error comes with the patch that failed.
async fn patched(
    cx: &Cx<'_>,
    f: &Found<'_>,
    modified: &Value,
    current: Value,
    query: &str,
    dry: &DryRun,
) -> Result<(Value, &'static str), (Value, Failure)> {
    let mut current = current;
    for attempt in 0.. {
        let (patch, media) = difference(f, modified, &current);
        if patch.as_object().is_none_or(Map::is_empty) {
            return Ok((current, "unchanged"));
        }
        if dry.client {
            let kind = PatchKind::from_content_type(media).unwrap_or(PatchKind::Merge);
            let bytes = patch.to_string().into_bytes();
            let version = text(&modified["apiVersion"]);
            let new = patch::apply(kind, &current, &bytes, &version, &f.resource.kind, FieldValidation::Ignore);
            return match new {
                Ok(p) => Ok((p.value, "configured")),
                Err(s) => Err((patch, Failure::error(format!("applying patch locally: {}", s.message)))),
            };
        }
        match cx.patch(&f.path, media, &patch, query).await {
            Ok(o) => return Ok((o, "configured")),
            Err(e) if e.is("Conflict") && attempt < RETRIES => {}
            Err(e) if cx.args.on("force") && (e.is("Conflict") || e.is("Invalid")) => {
                let replaced = replaced(cx, f, modified, query).await;
                return replaced.map(|o| (o, "configured")).map_err(|e| (patch, e));
            }
            Err(e) => return Err((patch, e)),
        }
        match cx.ask("GET", &f.path, "", None).await {
            Ok(o) => current = o,
            Err(e) => return Err((patch, e)),
        }
    }
    Ok((current, "unchanged"))
}

/// Deletes the object and creates it anew. Models Patcher.deleteAndCreate.
async fn replaced(cx: &Cx<'_>, f: &Found<'_>, modified: &Value, query: &str) -> Result<Value, Failure> {
    let grace = cx.args.number("grace-period");
    let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    if grace >= 0 {
        options["gracePeriodSeconds"] = grace.into();
    }
    cx.ask("DELETE", &f.path, "", Some(&options)).await?;
    delete::wait_gone(cx, &f.path, &Value::Null, cx.shell.door.sim.now() + delete::FOR_EVER).await?;
    cx.ask("POST", &f.resource.path(f.namespace.as_deref()), query, Some(modified)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_applied_is_kept_without_itself() {
        let v = json!({"kind": "Pod", "metadata": {"name": "a", "annotations": {LAST_APPLIED: "old", "b": "c"}}});
        assert_eq!(
            last_applied(&v),
            "{\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"b\":\"c\"},\"name\":\"a\"}}\n"
        );
        let mut v = json!({"a": null, "b": [{"c": null, "d": 1}]});
        without_nulls(&mut v);
        assert_eq!(v, json!({"b": [{"d": 1}]}));
    }
}
