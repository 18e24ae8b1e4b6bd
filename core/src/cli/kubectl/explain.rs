//! kubectl explain: what a kind's fields are for. Models `pkg/cmd/explain` and `pkg/explain/v2` with its plaintext template.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::resources::{self, Resource};
use super::show::{items, text};
use super::{Cx, Failure, Outcome};
use crate::api::field::quote;

/// How deep fields are listed.
const DEPTH_MAX: usize = 32;

/// Breaks lines at blanks. Models mitchellh/go-wordwrap.
fn wrap(s: &str, limit: usize) -> String {
    let mut out = String::new();
    let (mut word, mut space) = (String::new(), String::new());
    let (mut current, mut word_len, mut space_len) = (0usize, 0usize, 0usize);
    for c in s.chars() {
        if c == '\n' {
            if !word.is_empty() || current + space_len <= limit {
                out.push_str(&space);
            }
            out.push_str(&word);
            out.push(c);
            word.clear();
            space.clear();
            (current, word_len, space_len) = (0, 0, 0);
        } else if c.is_whitespace() && c != '\u{a0}' {
            if space.is_empty() || !word.is_empty() {
                current += space_len + word_len;
                out.push_str(&space);
                out.push_str(&word);
                space.clear();
                word.clear();
                (word_len, space_len) = (0, 0);
            }
            space.push(c);
            space_len += 1;
        } else {
            word.push(c);
            word_len += 1;
            if current + word_len + space_len > limit && word_len < limit {
                out.push('\n');
                current = 0;
                space.clear();
                space_len = 0;
            }
        }
    }
    if !word.is_empty() || current + space_len <= limit {
        out.push_str(&space);
    }
    out.push_str(&word);
    out
}

fn indent(s: &str, n: usize) -> String {
    let pad = " ".repeat(n);
    format!("{pad}{}", s.replace('\n', &format!("\n{pad}")))
}

/// An OpenAPI document.
struct Document<'a> {
    schemas: &'a Map<String, Value>,
}

impl<'a> Document<'a> {
    /// What a schema refers to, or itself.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/components/schemas/"));
        name.and_then(|n| self.schemas.get(n)).unwrap_or(schema)
    }

    fn type_guess(&self, schema: &Value) -> String {
        if !schema["items"].is_null() {
            return format!("[]{}", self.type_guess(&schema["items"]));
        }
        if schema["additionalProperties"].is_object() {
            return format!("map[string]{}", self.type_guess(&schema["additionalProperties"]));
        }
        if let ([one], true) = (items(&schema["allOf"]), schema["properties"].is_null()) {
            return self.type_guess(one);
        }
        let own = text(&schema["type"]);
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            let ty = self.schemas.get(name).map(|s| text(&s["type"])).unwrap_or_default();
            return if ty.is_empty() || ty == "object" {
                name.rsplit('.').next().filter(|n| !n.is_empty()).unwrap_or("Object").to_owned()
            } else {
                ty
            };
        }
        if own.is_empty() || own == "object" { "Object".into() } else { own }
    }

    fn description(&self, schema: &Value, depth: usize) -> String {
        let r = match schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/components/schemas/")) {
            Some(name) => self.schemas.get(name).unwrap_or(schema),
            None => schema,
        };
        let mut out = String::new();
        if depth > DEPTH_MAX {
            return out;
        }
        let d = text(&r["description"]);
        if !d.is_empty() {
            out.push_str(&d);
            out.push('\n');
        }
        for s in items(&r["allOf"]) {
            out.push_str(&self.description(s, depth + 1));
        }
        for more in ["items", "additionalProperties"] {
            if r[more].is_object() {
                out.push_str(&self.description(&r[more], depth + 1));
            }
        }
        out
    }

    fn enumeration(schema: &Value, long: bool, at: usize) -> String {
        let values = items(&schema["enum"]);
        if values.is_empty() {
            return String::new();
        }
        let shown = |v: &Value| match v.as_str() {
            Some("") => "\"\"".to_owned(),
            _ => text(v),
        };
        if long {
            return format!("ENUM:{}", values.iter().map(|v| format!("\n    {}", shown(v))).collect::<String>());
        }
        let some: Vec<String> = values.iter().take(4).map(shown).collect();
        let more = if values.len() > 4 { ", ...." } else { "" };
        format!("\n{}enum: {}{more}", " ".repeat(at), some.join(", "))
    }

    /// One field of a schema.
    fn field(&self, owner: &Value, name: &str, short: bool, level: usize) -> String {
        let s = &owner["properties"][name];
        let at = level * 2;
        let required = items(&owner["required"]).iter().any(|r| r == name);
        let mut out = format!("{}\t<{}>", indent(name, at), self.type_guess(s));
        if required {
            out.push_str(" -required-");
        }
        out.push_str(&Self::enumeration(s, false, at));
        out.push('\n');
        if !short {
            let d = text(&s["description"]);
            let d = if d.is_empty() { "<no description>" } else { &d };
            out.push_str(&format!("{}\n\n", indent(&wrap(d, 78 - at.min(60)), at + 2)));
        }
        out
    }

    /// The fields of a schema; all below them if `recursive`.
    fn fields(&self, schema: &'a Value, recursive: bool, level: usize, seen: &BTreeSet<String>) -> String {
        let reference = text(&schema["$ref"]);
        if (!reference.is_empty() && seen.contains(&reference)) || level > DEPTH_MAX {
            return String::new();
        }
        let mut seen = seen.clone();
        seen.insert(reference);
        let r = self.resolved(schema);
        let mut out = String::new();
        for (name, s) in r["properties"].as_object().into_iter().flatten() {
            out.push_str(&self.field(r, name, recursive, level));
            if recursive {
                out.push_str(&self.fields(s, recursive, level + 1, &seen));
            }
        }
        for s in items(&r["allOf"]) {
            out.push_str(&self.fields(s, recursive, level, &seen));
        }
        for more in ["items", "additionalProperties"] {
            if r[more].is_object() {
                out.push_str(&self.fields(&r[more], recursive, level, &seen));
            }
        }
        out
    }

    /// Follows a path of fields and tells of the last; none if there is no such field.
    fn output(&self, schema: &'a Value, path: &[&str], recursive: bool, seen: &BTreeSet<String>) -> Option<String> {
        let reference = text(&schema["$ref"]);
        let r = self.resolved(schema);
        let Some((first, rest)) = path.split_first() else {
            let d = self.description(r, 0);
            let d = if d.is_empty() { "<empty>" } else { &d };
            let mut out = format!("DESCRIPTION:\n{}\n", indent(&wrap(d, 76), 4));
            let fields = self.fields(r, recursive, 1, &BTreeSet::new());
            if !fields.is_empty() {
                out.push_str(&format!("FIELDS:\n{fields}"));
            }
            return Some(out);
        };
        if !reference.is_empty() && seen.contains(&reference) {
            return None;
        }
        let mut seen = seen.clone();
        seen.insert(reference);
        let s = &r["properties"][*first];
        if !s.is_null() {
            let mut out = String::new();
            if rest.is_empty() {
                out.push_str(&format!("FIELD: {first} <{}>\n", self.type_guess(s)));
                out.push_str(&format!("{}\n\n", Self::enumeration(s, true, 0)));
            }
            let inner = self.output(s, rest, recursive, &BTreeSet::new())?;
            return Some(out + &inner);
        }
        for more in ["items", "additionalProperties"] {
            if r[more].is_object() {
                return self.output(&r[more], path, recursive, &seen);
            }
        }
        items(&r["allOf"]).iter().find_map(|s| self.output(s, path, recursive, &seen))
    }
}

/// The kind and the fields behind it: `pod.spec`, `deployments.apps.spec`.
fn split<'a>(all: &'a [Resource], given: &'a str) -> Result<(&'a Resource, Vec<&'a str>), Failure> {
    let (first, rest) = given.split_once('.').unwrap_or((given, ""));
    let found = resources::named(all, first);
    let Some(mut chosen) = found.first().copied() else {
        return Err(Failure::error(format!("the server doesn't have a resource type {}", quote(first))));
    };
    let mut fields = rest;
    for r in found {
        let whole = if r.group.is_empty() { r.plural.clone() } else { format!("{}.{}", r.plural, r.group) };
        if let Some(tail) = given.strip_prefix(&whole).filter(|t| t.is_empty() || t.starts_with('.')) {
            (chosen, fields) = (r, tail.trim_start_matches('.'));
            break;
        }
    }
    Ok((chosen, fields.split('.').filter(|f| !f.is_empty()).collect()))
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let given = match cx.args.words.as_slice() {
        [one] => one,
        [] => {
            return Err(Failure::error(
                "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of supported resources.\n",
            ));
        }
        _ => return Err(Failure::error("We accept only this format: explain RESOURCE\n")),
    };
    let all = resources::discover(cx).await?;
    let (r, fields) = split(&all, given)?;
    let (mut group, mut version) = (r.group.clone(), r.version.clone());
    if let Some(v) = cx.args.get("api-version") {
        let (g, v) = v.split_once('/').unwrap_or(("", v));
        (group, version) = (g.to_owned(), v.to_owned());
    }
    let index = cx.ask("GET", "/openapi/v3", "", None).await?;
    let key = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
    let Some(url) = index["paths"][key.as_str()]["serverRelativeURL"].as_str() else {
        let gvr = format!("{group}/{version}, Resource={}", r.plural);
        return Err(Failure::error(format!("couldn't find resource for \"{gvr}\"")));
    };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let v = cx.ask("GET", path, query, None).await?;
    let Some(schemas) = v["components"]["schemas"].as_object() else {
        return Err(Failure::error("the openapi document has no schemas"));
    };
    let is_kind = |s: &Value| {
        let is = |g: &Value| {
            g["group"] == group.as_str() && g["version"] == version.as_str() && g["kind"] == r.kind.as_str()
        };
        items(&s["x-kubernetes-group-version-kind"]).iter().any(is)
    };
    if group.is_empty() {
        cx.out(format!("KIND:       {}\nVERSION:    {version}\n\n", r.kind));
    } else {
        cx.out(format!("GROUP:      {group}\nKIND:       {}\nVERSION:    {version}\n\n", r.kind));
    }
    let Some(schema) = schemas.values().find(|s| is_kind(s)) else {
        return Err(Failure::error(format!(
            "GVK map[group:{group} kind:{} version:{version}] not found in OpenAPI schema",
            r.kind
        )));
    };
    let document = Document { schemas };
    match document.output(schema, &fields, cx.args.on("recursive"), &BTreeSet::new()) {
        Some(out) => {
            cx.out(out + "\n");
            Ok(())
        }
        None => {
            let last = fields.last().copied().unwrap_or_default();
            Err(Failure::error(format!("field {} does not exist", quote(last))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_wrapped_at_blanks() {
        for (s, limit, want) in [
            ("aa bb cc", 5, "aa bb\ncc"),
            ("aaaaaaaa b", 5, "aaaaaaaa\nb"),
            ("a\n\nb c", 5, "a\n\nb c"),
            ("a b\n", 5, "a b\n"),
        ] {
            assert_eq!(wrap(s, limit), want, "{s:?}");
        }
        assert_eq!(indent("a\nb", 2), "  a\n  b");
    }

    #[test]
    fn fields_are_found_through_references() {
        let v = json!({
            "Pod": {"type": "object", "description": "A pod.", "required": ["spec"], "properties": {
                "spec": {"allOf": [{"$ref": "#/components/schemas/io.Spec"}], "description": "What it is."},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}}}},
            "io.Spec": {"type": "object", "description": "A spec.", "properties": {
                "policy": {"type": "string", "enum": ["Always", ""]}}},
        });
        let schemas = v.as_object().expect("schemas");
        let d = Document { schemas };
        let none = BTreeSet::new();
        assert_eq!(
            d.output(&schemas["Pod"], &[], false, &none).expect("a pod"),
            "DESCRIPTION:\n    A pod.\n    \nFIELDS:\n  labels\t<map[string]string>\n    <no description>\n\n  spec\t<Spec> -required-\n    What it is.\n\n"
        );
        assert_eq!(
            d.output(&schemas["Pod"], &["spec"], true, &none).expect("a field"),
            "FIELD: spec <Spec>\n\n\nDESCRIPTION:\n    What it is.\n    A spec.\n    \nFIELDS:\n  policy\t<string>\n  enum: Always, \"\"\n"
        );
        assert!(d.output(&schemas["Pod"], &["nope"], false, &none).is_none());
    }
}
