//! Objects in the formats of `--output`. Models cli-runtime `pkg/genericclioptions/print_flags.go`.

use serde_json::Value;

use super::resources::{self, Resource};
use super::show::{go_json_pretty, text};
use super::{Cx, Failure, Outcome, gotemplate, kyaml, tabs};
use crate::api::field::quote;
use crate::api::jsonpath::{self, Template};
use crate::api::yaml::to_yaml;

/// A way to print objects that is no table.
pub(super) enum Format {
    Json,
    Yaml,
    Kyaml,
    Name,
    Path(Template, String),
    /// Like [`Format::Path`], the results printed as a JSON list.
    PathAsJson(Template),
    Go(gotemplate::Template, String),
    Columns(Vec<(String, Template)>),
}

/// Formats that every command knows, as the error about another lists them.
const COMMON: &str =
    "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml";
/// Those that get knows.
const OF_GET: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml";

/// The format of a name; none for tables.
pub(super) fn parse(cx: &Cx<'_>, output: &str) -> Result<Option<Format>, Failure> {
    let of_get = cx.command.path == "get";
    let (name, argument) = output.split_once('=').map_or((output, None), |(n, a)| (n, Some(a.to_owned())));
    let argument = argument.filter(|a| !a.is_empty()).or_else(|| cx.args.get("template").map(str::to_owned));
    let name = if name.is_empty() && argument.is_some() { "go-template" } else { name };
    let file = |a: &str| match cx.shell.read(a) {
        Some(t) => Ok(t),
        None => Err(Failure::error(format!("error reading --template {a}, open {a}: no such file or directory\n"))),
    };
    let path = |s: &str| Template::parse(s).map_err(|e| Failure::error(format!("error parsing jsonpath {s}, {e}")));
    let go = |s: String| {
        gotemplate::Template::parse(&s)
            .map(|t| Format::Go(t, s.clone()))
            .map_err(|e| Failure::error(format!("error parsing template {s}, {e}")))
    };
    Ok(Some(match (name, argument) {
        ("" | "wide", _) if name.is_empty() || of_get => return Ok(None),
        ("json", _) => Format::Json,
        ("yaml", _) => Format::Yaml,
        ("kyaml", _) => Format::Kyaml,
        ("name", _) => Format::Name,
        ("jsonpath", Some(a)) => Format::Path(path(&a)?, a),
        ("jsonpath-as-json", Some(a)) => Format::PathAsJson(path(&a)?),
        ("jsonpath-file", Some(a)) => {
            let t = file(&a)?;
            Format::Path(path(t.trim_end())?, t)
        }
        ("go-template" | "template", Some(a)) => go(a)?,
        ("go-template-file" | "templatefile", Some(a)) => go(file(&a)?)?,
        (
            "jsonpath" | "jsonpath-as-json" | "jsonpath-file" | "go-template" | "template" | "go-template-file"
            | "templatefile",
            None,
        ) => return Err(Failure::error("template format specified but no template given")),
        ("custom-columns", Some(a)) if of_get => Format::Columns(columns(&a)?),
        ("custom-columns-file", Some(a)) if of_get => {
            let t = file(&a)?;
            let mut lines = t.lines();
            let (head, paths) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let spec: Vec<String> =
                head.split_whitespace().zip(paths.split_whitespace()).map(|(h, p)| format!("{h}:{p}")).collect();
            Format::Columns(columns(&spec.join(","))?)
        }
        ("custom-columns" | "custom-columns-file", None) if of_get => {
            return Err(Failure::error("custom-columns format specified but no custom columns given"));
        }
        _ => {
            return Err(Failure::error(format!(
                "unable to match a printer suitable for the output format {}, allowed formats are: {}",
                quote(output),
                if of_get { OF_GET } else { COMMON }
            )));
        }
    }))
}

fn columns(spec: &str) -> Result<Vec<(String, Template)>, Failure> {
    // Commas inside of brackets belong to the path.
    let mut parts: Vec<String> = vec![String::new()];
    let mut depth = 0i32;
    for c in spec.chars() {
        depth += i32::from(matches!(c, '[' | '(')) - i32::from(matches!(c, ']' | ')'));
        match parts.last_mut() {
            _ if c == ',' && depth == 0 => parts.push(String::new()),
            Some(p) => p.push(c),
            None => {}
        }
    }
    parts
        .iter()
        .map(|p| {
            let (head, path) = p.split_once(':').ok_or_else(|| {
                Failure::error(format!("unexpected custom-columns spec: {p}, expected <header>:<json-path-expr>"))
            })?;
            let t = jsonpath::relaxed(path).map_err(Failure::error)?;
            Ok((head.to_owned(), t))
        })
        .collect()
}

/// Takes away what is not shown unless asked for.
pub(super) fn trim_managed(cx: &Cx<'_>, v: &mut Value) {
    if !cx.args.on("show-managed-fields")
        && let Some(m) = v["metadata"].as_object_mut()
    {
        m.remove("managedFields");
    }
}

/// Prints one object, or a list of them.
pub(super) fn print(cx: &Cx<'_>, all: &[Resource], format: &Format, v: &Value) -> Outcome {
    let items: Vec<&Value> = match v["items"].as_array() {
        Some(list) if v["kind"].as_str().is_some_and(|k| k.ends_with("List")) => list.iter().collect(),
        _ => vec![v],
    };
    match format {
        Format::Json => cx.out(format!("{}\n", go_json_pretty(v))),
        Format::Yaml => {
            // Documents after the first are set apart.
            let mark = if cx.documents.replace(cx.documents.get() + 1) > 0 { "---\n" } else { "" };
            cx.out(format!("{mark}{}", to_yaml(v)));
        }
        Format::Kyaml => cx.out(kyaml::to_kyaml(v)),
        Format::PathAsJson(t) => {
            let found: Vec<&Value> = t.find(v);
            let list = Value::Array(found.into_iter().cloned().collect());
            cx.out(format!("{}\n", go_json_pretty(&list)));
        }
        Format::Go(t, source) => match t.execute(v) {
            Ok(s) => cx.out(s),
            Err(e) => {
                cx.out(format!(
                    "Error executing template: {e}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{source}\n\traw data was:\n\t\t{}\n\tobject given to template engine was:\n\t\t{}\n",
                    super::show::go_json(v),
                    crate::api::patch::go_fmt(v)
                ));
                return Err(Failure::error(format!("error executing template {}: {e}", quote(source))));
            }
        },
        Format::Name => {
            for i in items {
                cx.out(format!("{}\n", qualified_name(all, i)));
            }
        }
        Format::Path(t, source) => match t.execute(v) {
            Ok(s) => cx.out(s),
            Err(e) => {
                return Err(Failure::error(format!(
                    "error executing jsonpath {}: Error executing template: {e}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{source}\n\tobject given to jsonpath engine was:\n\t\t{}\n\n",
                    quote(source),
                    crate::api::patch::go_fmt(v)
                )));
            }
        },
        Format::Columns(list) => {
            let mut rows: Vec<Vec<String>> = Vec::new();
            if !cx.args.on("no-headers") {
                rows.push(list.iter().map(|c| c.0.clone()).collect());
            }
            rows.extend(items.iter().map(|i| list.iter().map(|(_, t)| jsonpath::column(t, i)).collect()));
            cx.out(tabs::table(&rows));
        }
    }
    Ok(())
}

/// `deployment.apps/web`
pub(super) fn qualified_name(all: &[Resource], v: &Value) -> String {
    let (api_version, kind) = (text(&v["apiVersion"]), text(&v["kind"]));
    let name = text(&v["metadata"]["name"]);
    match resources::find_kind(all, &api_version, &kind) {
        Some(r) => format!("{}/{name}", r.qualified()),
        None => {
            let kind = kind.to_lowercase();
            match api_version.split_once('/') {
                Some((group, _)) => format!("{kind}.{group}/{name}"),
                None => format!("{kind}/{name}"),
            }
        }
    }
}

/// What a command that changed an object says: `kind/name verb`, or the object in the format asked for.
pub(super) fn done(cx: &Cx<'_>, all: &[Resource], v: &Value, verb: &str) -> Outcome {
    match parse(cx, cx.args.get("output").unwrap_or_default())? {
        Some(format) => {
            let mut v = v.clone();
            trim_managed(cx, &mut v);
            print(cx, all, &format, &v)
        }
        None => {
            cx.out(format!("{} {verb}\n", qualified_name(all, v)));
            Ok(())
        }
    }
}
