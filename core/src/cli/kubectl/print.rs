//! Objects in the formats of `--output`. Models cli-runtime `pkg/genericclioptions/print_flags.go`.

use serde_json::Value;

use super::jsonpath::{self, Template};
use super::resources::{self, Resource};
use super::show::{go_json_pretty, text};
use super::{Cx, Failure, Outcome, tabs};
use crate::api::field::quote;
use crate::api::yaml::to_yaml;

/// A way to print objects that is no table.
pub(super) enum Format {
    Json,
    Yaml,
    Name,
    Path(Template, String),
    /// Like [`Format::Path`], the result printed as JSON.
    Columns(Vec<(String, Template)>),
}

/// The format of a name; none for tables.
pub(super) fn parse(cx: &Cx<'_>, output: &str) -> Result<Option<Format>, Failure> {
    let (name, argument) = output.split_once('=').map_or((output, None), |(n, a)| (n, Some(a)));
    let file = |a: &str| match cx.shell.files.get(a) {
        Some(t) => Ok(t.clone()),
        None => Err(Failure::error(format!("error reading --template {a}, open {a}: no such file or directory"))),
    };
    let template = |s: &str| {
        Template::parse(s)
            .map(|t| Format::Path(t, s.to_owned()))
            .map_err(|e| Failure::error(format!("error parsing jsonpath {s}, {e}")))
    };
    Ok(Some(match (name, argument) {
        ("" | "wide", None) => return Ok(None),
        ("json", None) => Format::Json,
        ("yaml", None) => Format::Yaml,
        ("name", None) => Format::Name,
        ("jsonpath" | "jsonpath-as-json", Some(a)) => template(a)?,
        ("jsonpath-file", Some(a)) => template(file(a)?.trim_end())?,
        ("jsonpath" | "jsonpath-as-json", None) => {
            return Err(Failure::error("template format specified but no template given"));
        }
        ("custom-columns", Some(a)) => Format::Columns(columns(a)?),
        ("custom-columns-file", Some(a)) => {
            let t = file(a)?;
            let mut lines = t.lines();
            let (head, paths) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let spec: Vec<String> =
                head.split_whitespace().zip(paths.split_whitespace()).map(|(h, p)| format!("{h}:{p}")).collect();
            Format::Columns(columns(&spec.join(","))?)
        }
        ("custom-columns", None) => {
            return Err(Failure::error("custom-columns format specified but no custom columns given"));
        }
        _ => {
            return Err(Failure::error(format!(
                "unable to match a printer suitable for the output format {}, allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml",
                quote(output)
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
        Format::Yaml => cx.out(to_yaml(v)),
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
