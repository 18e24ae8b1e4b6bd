//! Writes `core/src/api/schema/v1_36.txt`, the facts about API types that Rust's types don't carry, from upstream's Go
//! sources: field order and Go type names, omitempty, list types and keys, patch strategies, defaults, enums; and
//! `v1_36_descriptions.txt` beside it, their documentation as OpenAPI has it; and `v1_36_protobuf.txt`, fields' numbers.
//!
//! `cargo xtask codegen DIR`, where DIR is laid out as kubernetes/kubernetes' `staging/src/k8s.io`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// One Go struct field.
#[derive(Clone, Debug, Default)]
struct Field {
    go_name: String,
    json: String,
    inline: bool,
    ty: String,
    omit_empty: bool,
    omit_zero: bool,
    patch_strategy: String,
    patch_merge_key: String,
    /// Its number in protobuf, empty for none.
    number: String,
    markers: Vec<String>,
    doc: Vec<String>,
}

/// One Go type declaration.
#[derive(Clone, Debug)]
enum Decl {
    Struct { fields: Vec<Field>, markers: Vec<String>, doc: Vec<String> },
    Named { ty: String, markers: Vec<String> },
}

/// A constant of an enum: name, value, comment.
type EnumValue = (String, String, String);

/// What the sources declare.
#[derive(Default)]
struct Sources {
    decls: BTreeMap<String, Decl>,
    /// Constants by their type, enums or not.
    constants: BTreeMap<String, Vec<EnumValue>>,
}

/// Directories under DIR whose exported types may be part of the API, and the short name each is given.
fn packages(root: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut found = vec![
        (root.join("apimachinery/pkg/apis/meta/v1"), "meta/v1".to_owned()),
        (root.join("apimachinery/pkg/types"), "types".to_owned()),
        (root.join("apiextensions-apiserver/pkg/apis/apiextensions/v1"), "apiextensions/v1".to_owned()),
        (root.join("kube-aggregator/pkg/apis/apiregistration/v1"), "apiregistration/v1".to_owned()),
    ];
    let mut groups: Vec<_> = std::fs::read_dir(root.join("api"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    groups.sort();
    for group in groups {
        let mut versions: Vec<_> =
            std::fs::read_dir(&group).into_iter().flatten().flatten().map(|e| e.path()).collect();
        versions.sort();
        for v in versions.into_iter().filter(|v| v.join("types.go").exists()) {
            let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            found.push((v.clone(), format!("{}/{}", name(&group), name(&v))));
        }
    }
    found
}

/// Packages whose kinds a v1.36 api-server can serve. Kinds of the others are known by name alone.
const SERVED: &[&str] = &[
    "admissionregistration/v1",
    "admissionregistration/v1alpha1",
    "admissionregistration/v1beta1",
    "apiextensions/v1",
    "apiregistration/v1",
    "apiserverinternal/v1alpha1",
    "apps/v1",
    "authentication/v1",
    "authorization/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "certificates/v1",
    "certificates/v1alpha1",
    "certificates/v1beta1",
    "coordination/v1",
    "coordination/v1alpha2",
    "coordination/v1beta1",
    "core/v1",
    "discovery/v1",
    "events/v1",
    "flowcontrol/v1",
    "meta/v1",
    "networking/v1",
    "networking/v1beta1",
    "node/v1",
    "policy/v1",
    "rbac/v1",
    "resource/v1",
    "resource/v1alpha3",
    "resource/v1beta1",
    "resource/v1beta2",
    "scheduling/v1",
    "scheduling/v1alpha2",
    "storage/v1",
    "storage/v1beta1",
    "storagemigration/v1beta1",
];

/// The short name of an imported package, or nothing if its types don't matter here.
fn short_package(import: &str) -> Option<String> {
    let rest = import.strip_prefix("k8s.io/")?;
    if let Some(api) = rest.strip_prefix("api/") {
        return Some(api.to_owned());
    }
    Some(match rest {
        "apimachinery/pkg/apis/meta/v1" => "meta/v1".to_owned(),
        "apimachinery/pkg/api/resource" => "resource".to_owned(),
        "apimachinery/pkg/util/intstr" => "intstr".to_owned(),
        "apimachinery/pkg/runtime" => "runtime".to_owned(),
        "apimachinery/pkg/types" => "types".to_owned(),
        _ => return None,
    })
}

/// A Go type expression with every name qualified by its short package.
fn qualify(ty: &str, package: &str, imports: &BTreeMap<String, String>) -> String {
    if let Some(rest) = ty.strip_prefix('*') {
        return format!("*{}", qualify(rest, package, imports));
    }
    if let Some(rest) = ty.strip_prefix("[]") {
        return format!("[]{}", qualify(rest, package, imports));
    }
    if let Some(rest) = ty.strip_prefix("map[") {
        let (key, value) = rest.split_once(']').unwrap_or((rest, ""));
        return format!("map[{}]{}", qualify(key, package, imports), qualify(value, package, imports));
    }
    if let Some((alias, name)) = ty.split_once('.') {
        let p = imports.get(alias).map_or(alias, String::as_str);
        return format!("{p}.{name}");
    }
    match ty {
        "string" | "bool" | "int" | "int32" | "int64" | "uint32" | "uint64" | "float64" | "byte" | "interface{}"
        | "any" => ty.to_owned(),
        _ => format!("{package}.{ty}"),
    }
}

fn tag<'a>(line: &'a str, name: &str) -> &'a str {
    let Some(at) = line.find(&format!("{name}:\"")) else { return "" };
    let rest = &line[at + name.len() + 2..];
    rest.split('"').next().unwrap_or("")
}

fn parse_field(
    line: &str,
    package: &str,
    imports: &BTreeMap<String, String>,
    markers: Vec<String>,
    doc: Vec<String>,
) -> Option<Field> {
    let code = line.split(" //").next().unwrap_or(line).trim();
    let tick = code.find('`');
    let (decl, tags) = tick.map_or((code, ""), |t| (code[..t].trim(), &code[t..]));
    let mut words = decl.split_whitespace();
    let first = words.next()?;
    let rest = words.collect::<Vec<_>>().join("");
    let json = tag(tags, "json");
    let mut parts = json.split(',');
    let json_name = parts.next().unwrap_or("").to_owned();
    let options: Vec<&str> = parts.collect();
    if json_name == "-" || (!first.contains('.') && !first.starts_with(|c: char| c.is_ascii_uppercase() || c == '*')) {
        return None;
    }
    let embedded = rest.is_empty();
    let (go_name, ty) = if embedded {
        (first.trim_start_matches('*').rsplit('.').next().unwrap_or(first).to_owned(), first.to_owned())
    } else {
        (first.to_owned(), rest)
    };
    Some(Field {
        inline: embedded && json_name.is_empty(),
        json: json_name,
        ty: qualify(&ty, package, imports),
        omit_empty: options.contains(&"omitempty"),
        omit_zero: options.contains(&"omitzero"),
        patch_strategy: tag(tags, "patchStrategy").to_owned(),
        patch_merge_key: tag(tags, "patchMergeKey").to_owned(),
        number: tag(tags, "protobuf").split(',').nth(1).unwrap_or_default().to_owned(),
        go_name,
        markers,
        doc,
    })
}

fn parse_file(text: &str, package: &str, sources: &mut Sources) {
    let Sources { decls: out, constants } = sources;
    let mut imports = BTreeMap::new();
    let mut markers: Vec<String> = Vec::new();
    let mut doc: Vec<String> = Vec::new();
    let mut in_constants = false;
    let mut in_imports = false;
    let mut current: Option<(String, Vec<Field>, Vec<String>, Vec<String>)> = None;
    let mut import = |line: &str| {
        let line = line.trim();
        let Some(path) = line.split('"').nth(1) else { return };
        let Some(short) = short_package(path) else { return };
        let alias = line.split('"').next().unwrap_or("").trim();
        let alias = if alias.is_empty() { path.rsplit('/').next().unwrap_or(path) } else { alias };
        imports.insert(alias.to_owned(), short);
    };
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines {
        let t = line.trim();
        if in_imports {
            in_imports = t != ")";
            import(t);
        } else if t == "import (" {
            in_imports = true;
        } else if let Some(rest) = t.strip_prefix("import ") {
            import(rest);
        }
    }
    let mut in_comment = false;
    for line in lines {
        let t = line.trim();
        if in_comment || t.starts_with("/*") {
            in_comment = !t.contains("*/");
            continue;
        }
        if let Some(comment) = t.strip_prefix("//") {
            if let Some(m) = comment.trim().strip_prefix('+') {
                markers.push(m.to_owned());
            }
            doc.push(comment.strip_prefix(' ').unwrap_or(comment).to_owned());
            continue;
        }
        if t.is_empty() {
            doc.clear();
            continue;
        }
        if let Some((name, fields, struct_markers, struct_doc)) = &mut current {
            if line.starts_with('}') {
                let d = Decl::Struct {
                    fields: std::mem::take(fields),
                    markers: std::mem::take(struct_markers),
                    doc: std::mem::take(struct_doc),
                };
                out.insert(format!("{package}.{name}"), d);
                current = None;
                markers.clear();
            } else {
                let (m, d) = (std::mem::take(&mut markers), std::mem::take(&mut doc));
                fields.extend(parse_field(t, package, &imports, m, d));
            }
            doc.clear();
            continue;
        }
        if in_constants || t.starts_with("const ") {
            in_constants = if in_constants { !line.starts_with(')') } else { t == "const (" };
            if let Some((name, ty, value)) = parse_constant(t.trim_start_matches("const ")) {
                let values = constants.entry(format!("{package}.{ty}")).or_default();
                values.push((name, value, doc.join(" ")));
            }
            doc.clear();
            markers.clear();
            continue;
        }
        if let Some(rest) = line.strip_prefix("type ") {
            let (name, ty) = rest.split_once(' ').unwrap_or((rest, ""));
            let ty = ty.trim_start_matches("= ").split(" //").next().unwrap_or("").trim();
            if ty == "struct {" {
                let (m, d) = (std::mem::take(&mut markers), std::mem::take(&mut doc));
                current = Some((name.to_owned(), Vec::new(), m, d));
            } else if ty == "struct{}" {
                let (markers, doc) = (std::mem::take(&mut markers), std::mem::take(&mut doc));
                let d = Decl::Struct { fields: Vec::new(), markers, doc };
                out.insert(format!("{package}.{name}"), d);
            } else if !ty.starts_with("interface") && !ty.starts_with("func") {
                let ty = qualify(ty, package, &imports);
                out.insert(format!("{package}.{name}"), Decl::Named { ty, markers: std::mem::take(&mut markers) });
            }
        }
        markers.clear();
        doc.clear();
    }
}

/// `Name Type = "value"`.
fn parse_constant(line: &str) -> Option<(String, String, String)> {
    let (left, right) = line.split_once('=')?;
    let mut words = left.split_whitespace();
    let (name, ty) = (words.next()?, words.next()?);
    let value = right.trim().strip_prefix('"')?.split('"').next()?;
    words.next().is_none().then(|| (name.to_owned(), ty.to_owned(), value.to_owned()))
}

/// The values of a type that is marked as an enum, sorted.
fn enum_values<'a>(name: &str, sources: &'a Sources) -> Vec<&'a EnumValue> {
    let Some(Decl::Named { markers, .. }) = sources.decls.get(name) else { return Vec::new() };
    if !markers.iter().any(|m| m == "enum" || m == "k8s:enum") {
        return Vec::new();
    }
    let mut values: Vec<&EnumValue> = sources.constants.get(name).into_iter().flatten().collect();
    values.sort_by(|a, b| a.1.cmp(&b.1));
    values.dedup_by(|a, b| a.1 == b.1);
    values
}

/// Documentation as kube-openapi's generator writes it.
fn description(lines: &[String]) -> String {
    let mut out = String::new();
    for line in lines {
        if line == "---" {
            break;
        }
        let line = line.trim_end_matches(' ');
        let leading = line.trim_start_matches(' ');
        if line.is_empty() {
            out.pop();
            out.push_str("\n\n");
        } else if leading.starts_with("TODO") || leading.starts_with('+') {
        } else if line.starts_with([' ', '\t']) {
            out.pop();
            out.push('\n');
            out.push_str(line);
            out.push('\n');
        } else {
            out.push_str(line);
            out.push(' ');
        }
    }
    out.trim_start_matches('\n').trim_end_matches(['\n', ' ']).to_owned()
}

/// A field's documentation, with what the values of its enum mean.
fn field_description(f: &Field, sources: &Sources) -> String {
    let mut lines = f.doc.clone();
    let values = enum_values(f.ty.trim_start_matches('*'), sources);
    if !values.is_empty() {
        let mut meanings: Vec<String> = values
            .iter()
            .map(|(name, value, comment)| {
                let comment = comment.trim();
                let rest = comment.strip_prefix(name.as_str()).unwrap_or(comment);
                let rest: Vec<&str> = rest.split_whitespace().collect();
                format!(" - `\"{value}\"` {}", rest.join(" "))
            })
            .collect();
        meanings.sort();
        lines.extend([String::new(), "Possible enum values:".to_owned()]);
        lines.extend(meanings);
    }
    description(&lines)
}

/// Types whose JSON isn't what their fields say: they encode themselves.
const SPECIAL: &[(&str, &str)] = &[
    ("meta/v1.Time", "!time"),
    ("meta/v1.MicroTime", "!microtime"),
    ("meta/v1.Duration", "!duration"),
    ("meta/v1.FieldsV1", "!fields"),
    ("resource.Quantity", "!quantity"),
    ("intstr.IntOrString", "!intorstring"),
    ("runtime.RawExtension", "!raw"),
    ("runtime.Object", "!raw"),
    ("apiextensions/v1.JSON", "!any"),
    ("apiextensions/v1.JSONSchemaPropsOrArray", "!any"),
    ("apiextensions/v1.JSONSchemaPropsOrBool", "!any"),
    ("apiextensions/v1.JSONSchemaPropsOrStringArray", "!any"),
];

fn marker<'a>(markers: &'a [String], name: &str) -> Option<&'a str> {
    markers.iter().find_map(|m| m.strip_prefix(name)?.strip_prefix('='))
}

fn capitalised(s: &str) -> String {
    let mut c = s.chars();
    c.next().map_or(String::new(), |f| f.to_uppercase().chain(c).collect())
}

fn names_in(ty: &str) -> Vec<String> {
    ty.split(['*', '[', ']']).filter(|n| n.contains('.')).map(str::to_owned).collect()
}

fn structure_flags(markers: &[String]) -> String {
    let mut s = String::new();
    match marker(markers, "listType") {
        Some("map") => {
            let keys: Vec<&str> = markers.iter().filter_map(|m| m.strip_prefix("listMapKey=")).collect();
            let _ = write!(s, " lm={}", keys.join(","));
        }
        Some("set") => s.push_str(" ls"),
        Some("atomic") => s.push_str(" la"),
        _ => {}
    }
    if marker(markers, "mapType") == Some("atomic") || marker(markers, "structType") == Some("atomic") {
        s.push_str(" a");
    }
    s
}

fn field_line(f: &Field) -> String {
    if f.inline {
        return format!("+{}", f.ty);
    }
    let mut s = format!("{} {}", f.json, f.ty);
    if f.go_name != capitalised(&f.json) {
        let _ = write!(s, " g={}", f.go_name);
    }
    if f.omit_empty {
        s.push_str(" o");
    }
    if f.omit_zero {
        s.push_str(" z");
    }
    let optional =
        f.omit_empty || f.omit_zero || f.markers.iter().any(|m| m == "optional" || m.starts_with("k8s:optional"));
    if f.markers.iter().any(|m| m == "required") || !optional {
        s.push_str(" r");
    }
    s.push_str(&structure_flags(&f.markers));
    if !f.patch_strategy.is_empty() {
        let _ = write!(s, " ps={}", f.patch_strategy);
    }
    if !f.patch_merge_key.is_empty() {
        let _ = write!(s, " pk={}", f.patch_merge_key);
    }
    if let Some(d) = marker(&f.markers, "default") {
        let _ = write!(s, " d={d}");
    }
    s
}

/// The three data files for the Go sources under `root`: facts, descriptions, and fields' numbers in protobuf.
pub fn generate(root: &Path) -> Result<[String; 3], String> {
    let mut sources = Sources::default();
    let mut groups: Vec<(String, String)> = Vec::new();
    for (dir, package) in packages(root) {
        let mut files: Vec<_> = std::fs::read_dir(&dir)
            .map_err(|e| format!("{}: {e}", dir.display()))?
            .flatten()
            .map(|e| e.path())
            .filter(|p| {
                let n = p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                n.ends_with(".go") && !n.ends_with("_test.go") && !n.contains("generated") && !n.contains("zz_")
            })
            .collect();
        files.sort();
        for f in files {
            let text = std::fs::read_to_string(&f).map_err(|e| format!("{}: {e}", f.display()))?;
            if let Some(line) = text.lines().find(|l| l.trim_start_matches("const ").starts_with("GroupName = ")) {
                let group = line.split('"').nth(1).unwrap_or("");
                groups.push((package.clone(), group.to_owned()));
            }
            parse_file(&text, &package, &mut sources);
        }
    }
    for (name, _) in SPECIAL {
        sources.decls.remove(*name);
    }
    let decls = &sources.decls;

    // Kinds: structs that embed TypeMeta and ObjectMeta, or are such a list, in a group that is served.
    let mut out = String::from(
        "# API types of Kubernetes v1.36, written by `cargo xtask codegen` from k8s.io/api and k8s.io/apimachinery.\n\
         # K apiVersion kind type: a kind, - if it isn't served. S type [a]: a struct, [a]tomic; then its fields, one a line, in Go's order:\n\
         # name type, g=Go's name, o omitempty, z omitzero, r required, lm=keys a map list, ls a set, la an atomic list,\n\
         # a atomic, ps patchStrategy, pk patchMergeKey, d default; +type is inlined. N type: what it is, a named type,\n\
         # e= the values of an enum.\n",
    );
    let mut wanted: Vec<String> = Vec::new();
    for (package, group) in &groups {
        let version = package.rsplit('/').next().unwrap_or("");
        let prefix = format!("{package}.");
        for (name, d) in decls.range(prefix.clone()..) {
            let Some(kind) = name.strip_prefix(&prefix) else { break };
            let Decl::Struct { fields, .. } = d else { continue };
            if !fields.iter().any(|f| f.inline && f.ty == "meta/v1.TypeMeta") {
                continue;
            }
            let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
            if SERVED.contains(&package.as_str()) {
                let _ = writeln!(out, "K {api_version} {kind} {name}");
                wanted.push(name.clone());
            } else {
                let _ = writeln!(out, "K {api_version} {kind} -");
            }
        }
    }
    let mut descriptions = String::from(
        "# What the API types of Kubernetes v1.36 and their fields are for, written by `cargo xtask codegen` from\n\
         # k8s.io/api and k8s.io/apimachinery (Apache-2.0). T type, tab, text; then a field a line: name, tab, text.\n",
    );
    let mut numbers = String::from(
        "# The numbers of fields in protobuf, written by `cargo xtask codegen` from k8s.io/api and k8s.io/apimachinery.\n\
         # T type; then a field a line: number, name; +type is inlined.\n",
    );
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        match decls.get(&name) {
            Some(Decl::Struct { fields, .. }) => wanted.extend(fields.iter().flat_map(|f| names_in(&f.ty))),
            Some(Decl::Named { ty, .. }) => wanted.extend(names_in(ty)),
            None if SPECIAL.iter().any(|(n, _)| *n == name) => {}
            None => return Err(format!("unknown type {name}")),
        }
    }
    for name in seen {
        if let Some((_, what)) = SPECIAL.iter().find(|(n, _)| *n == name) {
            let _ = writeln!(out, "N {name} {what}");
            continue;
        }
        match decls.get(&name) {
            Some(Decl::Struct { fields, markers, doc }) => {
                let _ = writeln!(out, "S {name}{}", structure_flags(markers));
                let escaped = |s: String| s.replace('\\', "\\\\").replace('\n', "\\n");
                let _ = writeln!(descriptions, "T {name}\t{}", escaped(description(doc)));
                let _ = writeln!(numbers, "T {name}");
                for f in fields {
                    if !f.number.is_empty() {
                        let what = if f.inline { format!("+{}", f.ty) } else { f.json.clone() };
                        let _ = writeln!(numbers, "{} {what}", f.number);
                    }
                    let _ = writeln!(out, "{}", field_line(f));
                    let text = field_description(f, &sources);
                    if !f.inline && !text.is_empty() {
                        let _ = writeln!(descriptions, "{}\t{}", f.json, escaped(text));
                    }
                }
            }
            Some(Decl::Named { ty, markers }) => {
                let values: Vec<&str> = enum_values(&name, &sources).iter().map(|v| v.1.as_str()).collect();
                let values = if values.is_empty() { String::new() } else { format!(" e={}", values.join(",")) };
                let _ = writeln!(out, "N {name} {ty}{}{values}", structure_flags(markers));
            }
            None => {}
        }
    }
    Ok([out, descriptions, numbers])
}

/// `cargo xtask codegen DIR`.
pub fn run(args: &[String]) -> Result<(), String> {
    let [dir] = args else { return Err("usage: cargo xtask codegen DIR (kubernetes/staging/src/k8s.io)".to_owned()) };
    let [facts, descriptions, numbers] = generate(Path::new(dir))?;
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/api/schema");
    std::fs::create_dir_all(&to).map_err(|e| e.to_string())?;
    let files = [("v1_36.txt", facts), ("v1_36_descriptions.txt", descriptions), ("v1_36_protobuf.txt", numbers)];
    for (name, text) in files {
        let to = to.join(name);
        std::fs::write(&to, text).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(())
}
