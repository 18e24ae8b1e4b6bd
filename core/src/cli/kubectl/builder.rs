//! What a command is about: objects by file, by kind and name, by selector. Models cli-runtime `pkg/resource/builder.go`, `visitor.go`.

use serde_json::Value;

use super::resources::{self, Resource};
use super::show::text;
use super::{Cx, Failure, encode};
use crate::api::field::quote;

/// What is said when nothing is named.
const NOTHING_NAMED: &str = "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'";
/// What is said of a kind before `kind/name`.
const NO_NEED: &str = "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'";

/// A document of a file.
pub(super) struct Document {
    pub file: String,
    pub body: Value,
}

/// Whether files were named.
pub(super) fn has_files(cx: &Cx<'_>) -> bool {
    !cx.args.all("filename").is_empty() || cx.args.get("kustomize").is_some()
}

/// The files that `-f` names: folders are opened, `-` is standard input.
fn files(cx: &Cx<'_>) -> Result<Vec<(String, String)>, Failure> {
    let mut out = Vec::new();
    if let Some(k) = cx.args.get("kustomize") {
        return Err(Failure::error(format!(
            "must build at directory: not a valid directory: evalsymlink failure on '{k}' : lstat /root/{k}: no such file or directory"
        )));
    }
    for path in cx.args.all("filename") {
        if let Some(host) = path.strip_prefix("https://").or_else(|| path.strip_prefix("http://")) {
            let host = host.split('/').next().unwrap_or(host);
            return Err(Failure::plain(format!(
                "Unable to connect to the server: dial tcp: lookup {host}: no such host"
            )));
        }
        if let Some(text) = cx.shell.read(path) {
            out.push((if path == "-" { "STDIN".to_owned() } else { path.clone() }, text));
            continue;
        }
        let folder = path.trim_end_matches('/');
        let inside: Vec<String> = cx.shell.home.below(folder);
        if inside.is_empty() {
            return Err(Failure::error(format!("the path {} does not exist", quote(path))));
        }
        let deep = cx.args.on("recursive");
        let plain = folder.trim_start_matches("./");
        let direct = |f: &String| deep || !f.trim_start_matches(plain).trim_start_matches('/').contains('/');
        let before = out.len();
        for f in inside.into_iter().filter(direct) {
            if [".json", ".yaml", ".yml"].iter().any(|e| f.ends_with(e)) {
                let text = cx.shell.read(&f).unwrap_or_default();
                out.push((f, text));
            }
        }
        if out.len() == before {
            return Err(Failure::error(format!(
                "error reading [{path}]: recognized file extensions are [.json .yaml .yml]"
            )));
        }
    }
    Ok(out)
}

/// The documents of the files given with -f, and what is wrong with others.
pub(super) fn documents(cx: &Cx<'_>) -> Result<(Vec<Document>, Vec<Failure>), Failure> {
    let (mut out, mut wrong) = (Vec::new(), Vec::new());
    for (file, source) in files(cx)? {
        for part in split_documents(&source) {
            let body = match crate::api::decode::parse_yaml(part.as_bytes()) {
                Ok(b) => b,
                Err(e) => {
                    // What follows in the stream can't be read either.
                    wrong.push(Failure::error(format!("error parsing {file}: error converting YAML to JSON: {e}")));
                    break;
                }
            };
            if !body.is_null() {
                unpack(&file, body, &mut out, &mut wrong);
            }
        }
    }
    Ok((out, wrong))
}

/// A list's items are objects of their own.
fn unpack(file: &str, body: Value, out: &mut Vec<Document>, wrong: &mut Vec<Failure>) {
    let kind = text(&body["kind"]);
    if kind.ends_with("List") && body["items"].is_array() {
        for mut i in body["items"].as_array().cloned().unwrap_or_default() {
            if let (Some(one), true) = (kind.strip_suffix("List").filter(|k| !k.is_empty()), i["kind"].is_null()) {
                i["kind"] = one.into();
                i["apiVersion"] = body["apiVersion"].clone();
            }
            unpack(file, i, out, wrong);
        }
        return;
    }
    for (field, what) in [("kind", "Object 'Kind' is missing in"), ("apiVersion", "Object 'apiVersion' is missing in")]
    {
        if text(&body[field]).is_empty() {
            let shown = super::show::go_json(&body);
            wrong.push(Failure::error(format!("unable to decode {}: {what} '{shown}'", quote(file))));
            return;
        }
    }
    out.push(Document { file: file.to_owned(), body });
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
    let (api_version, kind) = (text(&d.body["apiVersion"]), text(&d.body["kind"]));
    let (name, namespace) = (text(&d.body["metadata"]["name"]), text(&d.body["metadata"]["namespace"]));
    let r = resources::find_kind(all, &api_version, &kind).ok_or_else(|| {
        Failure::error(format!(
            "resource mapping not found for name: \"{name}\" namespace: \"{namespace}\" from \"{}\": no matches for kind \"{kind}\" in version \"{api_version}\"\nensure CRDs are installed first",
            d.file
        ))
    })?;
    if !r.namespaced {
        return Ok((r, None));
    }
    if cx.namespace_given && !namespace.is_empty() && namespace != cx.namespace {
        return Err(Failure::error(format!(
            "the namespace from the provided object \"{namespace}\" does not match the namespace \"{}\". You must pass '--namespace={namespace}' to perform this operation.",
            cx.namespace
        )));
    }
    Ok((r, Some(if namespace.is_empty() { cx.namespace.clone() } else { namespace })))
}

/// Splits `kind/name`.
fn pair(word: &str) -> Result<(&str, &str), Failure> {
    let parts: Vec<&str> = word.split('/').collect();
    match parts.as_slice() {
        [kind, name] if !kind.is_empty() && !name.is_empty() && !kind.contains(',') => Ok((kind, name)),
        [_, _] => Err(Failure::error("arguments in resource/name form must have a single resource and name")),
        _ => Err(Failure::error("arguments in resource/name form may not have more than one slash")),
    }
}

/// Kinds and names that words mean: `pods a b`, `pods,svc`, `pod/a svc/b`.
pub(super) fn targets<'a>(all: &'a [Resource], words: &[String]) -> Result<Vec<(&'a Resource, Vec<String>)>, Failure> {
    let slashes = words.iter().filter(|w| w.contains('/')).count();
    if slashes > 0 && slashes == words.len() {
        let mut out: Vec<(&Resource, Vec<String>)> = Vec::new();
        for w in words {
            let (kind, name) = pair(w)?;
            let r = resources::find(all, kind)?;
            match (r.first(), out.last_mut()) {
                (Some(r), Some((last, names))) if last == r => names.push(name.to_owned()),
                (Some(r), _) => out.push((r, vec![name.to_owned()])),
                _ => {}
            }
        }
        return Ok(out);
    }
    if slashes > 0 {
        return Err(Failure::error(NO_NEED));
    }
    let Some((kinds, names)) = words.split_first() else { return Err(Failure::error(NOTHING_NAMED)) };
    let kinds = resources::find(all, kinds)?;
    if kinds.len() > 1 && !names.is_empty() {
        return Err(Failure::error("you must specify only one resource"));
    }
    let mut names: Vec<String> = names.to_vec();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|n| seen.insert(n.clone()));
    Ok(kinds.into_iter().map(|r| (r, names.clone())).collect())
}

/// Label and field selectors as a query.
pub(super) fn selectors(cx: &Cx<'_>) -> Vec<String> {
    [("selector", "labelSelector"), ("field-selector", "fieldSelector")]
        .iter()
        .filter_map(|(flag, parameter)| cx.args.get(flag).map(|s| format!("{parameter}={}", encode(s))))
        .collect()
}

/// A selector that the api-server could not take is said with what was asked. Models resource.EnhanceListError.
pub(super) fn enhanced(cx: &Cx<'_>, r: &Resource, f: Failure) -> Failure {
    let (label, field) = (cx.args.text("selector").to_owned(), cx.args.text("field-selector").to_owned());
    let gvr = format!("{}/{}, Resource={}", r.group, r.version, r.plural);
    if f.is("BadRequest") && !(label.is_empty() && field.is_empty()) {
        return f.worded(|m| {
            format!("Unable to find \"{gvr}\" that match label selector \"{label}\", field selector \"{field}\": {m}")
        });
    }
    f
}

/// An object that a command is about, with where it is.
#[derive(Clone)]
pub(super) struct Found<'a> {
    pub resource: &'a Resource,
    pub path: String,
    pub name: String,
    pub namespace: Option<String>,
    /// As the api-server has it; null where only the place was asked for.
    pub object: Value,
    /// The file that names it.
    pub file: Option<String>,
    /// What the file has.
    pub body: Value,
}

/// Where the objects are that words, files or selectors name; those of selectors with their content. Errors come beside.
pub(super) async fn places<'a>(
    cx: &Cx<'_>,
    all: &'a [Resource],
    words: &[String],
) -> Result<(Vec<Found<'a>>, Vec<Failure>), Failure> {
    let (mut out, mut wrong) = (Vec::new(), Vec::new());
    if has_files(cx) {
        let (documents, errors) = documents(cx)?;
        wrong.extend(errors);
        for d in documents {
            match place(cx, all, &d) {
                Ok((resource, namespace)) => {
                    let name = text(&d.body["metadata"]["name"]);
                    let path = format!("{}/{name}", resource.path(namespace.as_deref()));
                    let object = Value::Null;
                    out.push(Found { resource, path, name, namespace, object, file: Some(d.file), body: d.body });
                }
                Err(f) => wrong.push(f),
            }
        }
        return Ok((out, wrong));
    }
    let selected = cx.args.get("selector").is_some() || cx.args.get("field-selector").is_some();
    if selected && cx.args.on("all") {
        return Err(Failure::error(format!(
            "found non-empty label selector {} with previously set 'all' parameter. ",
            quote(cx.args.text("selector"))
        )));
    }
    for (resource, names) in targets(all, words)? {
        if !names.is_empty() && selected {
            return Err(Failure::error("name cannot be provided when a selector is specified"));
        }
        let everywhere = cx.args.on("all-namespaces");
        if !names.is_empty() && everywhere && resource.namespaced {
            return Err(Failure::error("a resource cannot be retrieved by name across all namespaces"));
        }
        let own = resource.namespaced.then(|| cx.namespace.clone());
        if names.is_empty() {
            // Some commands work on all of a kind without being told so.
            let open = cx.command.path == "describe" || cx.command.path.starts_with("rollout");
            if !selected && !cx.args.on("all") && !everywhere && !open {
                return Err(Failure::error("resource(s) were provided, but no name was specified"));
            }
            let base = resource.path(own.as_deref().filter(|_| !everywhere));
            match cx.ask("GET", &base, &selectors(cx).join("&"), None).await {
                Ok(list) => out.extend(with_kinds(&list).into_iter().map(|object| {
                    let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
                    let name = text(&object["metadata"]["name"]);
                    let path = format!("{}/{name}", resource.path(namespace.as_deref()));
                    Found { resource, path, name, namespace, object, file: None, body: Value::Null }
                })),
                Err(f) => wrong.push(enhanced(cx, resource, f)),
            }
        }
        out.extend(names.into_iter().map(|name| {
            let path = format!("{}/{name}", resource.path(own.as_deref()));
            Found { resource, path, name, namespace: own.clone(), object: Value::Null, file: None, body: Value::Null }
        }));
    }
    Ok((out, wrong))
}

/// The objects that words, files or selectors name, fetched; errors come beside.
pub(super) async fn objects<'a>(
    cx: &Cx<'_>,
    all: &'a [Resource],
    words: &[String],
) -> Result<(Vec<Found<'a>>, Vec<Failure>), Failure> {
    let (found, mut wrong) = places(cx, all, words).await?;
    let mut out = Vec::new();
    for mut f in found {
        if f.object.is_null() {
            match cx.ask("GET", &f.path, "", None).await {
                Ok(o) => f.object = o,
                Err(e) => {
                    wrong.push(e);
                    continue;
                }
            }
        }
        out.push(f);
    }
    Ok((out, wrong))
}

/// A list's items, each with its kind and version.
pub(super) fn with_kinds(list: &Value) -> Vec<Value> {
    let kind = text(&list["kind"]);
    let kind = kind.strip_suffix("List").unwrap_or(&kind).to_owned();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items
        .into_iter()
        .map(|mut i| {
            if i["kind"].is_null() {
                i["kind"] = Value::String(kind.clone());
            }
            if i["apiVersion"].is_null() {
                i["apiVersion"] = list["apiVersion"].clone();
            }
            i
        })
        .collect()
}

/// What is said when nothing was found.
pub(super) fn nothing(cx: &Cx<'_>, namespaced: bool) -> String {
    if namespaced && !cx.args.on("all-namespaces") {
        format!("No resources found in {} namespace.\n", cx.namespace)
    } else {
        "No resources found\n".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_split_at_dashes() {
        assert_eq!(split_documents("a: 1\n---\n\n--- # two\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert!(pair("a/b").is_ok());
        for (word, why) in [
            ("a/", "error: arguments in resource/name form must have a single resource and name\n"),
            ("a/b/c", "error: arguments in resource/name form may not have more than one slash\n"),
        ] {
            assert_eq!(pair(word).expect_err("an error").text, why);
        }
    }

    #[test]
    fn lists_are_unpacked() {
        let (mut out, mut wrong) = (Vec::new(), Vec::new());
        let list = serde_json::json!({"kind": "List", "apiVersion": "v1", "items": [
            {"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}]}, {"kind": "Pod"}]});
        unpack("f.yaml", list, &mut out, &mut wrong);
        assert_eq!((out.len(), &out[0].body["kind"]), (1, &Value::from("Pod")));
        assert_eq!(
            wrong[0].text,
            "error: unable to decode \"f.yaml\": Object 'apiVersion' is missing in '{\"kind\":\"Pod\"}'\n"
        );
    }
}
