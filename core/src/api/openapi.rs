//! OpenAPI v3 documents of the API: what kubectl explain shows and kubectl apply asks about.
//! Models k8s.io/kube-openapi `pkg/{builder3,handler3}` and apiserver `pkg/endpoints/openapi`.

pub mod protobuf;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema::{Descriptions, Field, ListType, Schema, Shape, TypeId, schema};

/// A resource as discovery tells of it; a subresource is `pods/status`.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    /// The kind's own apiVersion, where it isn't the group's, as of `scale`.
    pub kind_api_version: &'a str,
    pub namespaced: bool,
    pub verbs: &'a [&'a str],
}

/// The index at `/openapi/v3`.
pub fn index<'a>(api_versions: impl IntoIterator<Item = &'a str>) -> Value {
    let mut paths = Map::new();
    for v in api_versions {
        let path = prefix(v);
        // Documents change with the schema alone, so its version does for a hash.
        let url = format!("/openapi/v3{path}?hash=v1.36");
        paths.insert(path.trim_start_matches('/').to_owned(), json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

fn prefix(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

/// A type's name in OpenAPI.
fn model_name(name: &str) -> String {
    let package = match name.split_once('.') {
        Some(("resource", _)) => "io.k8s.apimachinery.pkg.api.",
        Some(("intstr", _)) => "io.k8s.apimachinery.pkg.util.",
        Some(("runtime" | "types", _)) => "io.k8s.apimachinery.pkg.",
        Some(("meta/v1", _)) => "io.k8s.apimachinery.pkg.apis.",
        Some(("apiextensions/v1", _)) => "io.k8s.apiextensions-apiserver.pkg.apis.",
        Some(("apiregistration/v1", _)) => "io.k8s.kube-aggregator.pkg.apis.",
        _ => "io.k8s.api.",
    };
    format!("{package}{}", name.replace('/', "."))
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", model_name(name))})
}

struct Writer<'a> {
    schema: &'static Schema,
    descriptions: Option<&'a Descriptions>,
    /// Types that the document must define.
    wanted: BTreeSet<&'static str>,
}

impl Writer<'_> {
    fn is_model(&self, ty: TypeId) -> Option<&'static str> {
        let t = self.schema.get(ty);
        let model = matches!(
            t.shape,
            Shape::Struct(_) | Shape::Time | Shape::MicroTime | Shape::Duration | Shape::Quantity | Shape::IntOrString
        ) || (matches!(t.shape, Shape::Any) && !t.name.is_empty());
        model.then_some(t.name).filter(|n| !n.is_empty())
    }

    /// A value of this type; `whole` if it is there even when nobody sets it.
    fn value(&mut self, ty: TypeId, whole: bool) -> Map<String, Value> {
        let mut o = Map::new();
        if let Some(name) = self.is_model(ty) {
            self.wanted.insert(name);
            o.insert("allOf".to_owned(), json!([reference(name)]));
            if whole && matches!(self.schema.get(ty).shape, Shape::Struct(_)) {
                o.insert("default".to_owned(), json!({}));
            }
            return o;
        }
        let t = self.schema.get(ty);
        let (kind, format, default) = match &t.shape {
            Shape::Bool => ("boolean", "", json!(false)),
            Shape::Int32 => ("integer", "int32", json!(0)),
            Shape::Int64 => ("integer", "int64", json!(0)),
            Shape::Float64 => ("number", "double", json!(0)),
            Shape::String => ("string", "", json!("")),
            Shape::Bytes => ("string", "byte", Value::Null),
            Shape::List(of) => {
                let items = self.value(*of, true);
                o.insert("items".to_owned(), Value::Object(items));
                ("array", "", Value::Null)
            }
            Shape::Map(of) => {
                let of = self.value(*of, true);
                o.insert("additionalProperties".to_owned(), Value::Object(of));
                ("object", "", Value::Null)
            }
            _ => ("object", "", Value::Null),
        };
        o.insert("type".to_owned(), json!(kind));
        if !format.is_empty() {
            o.insert("format".to_owned(), json!(format));
        }
        if !t.values.is_empty() {
            o.insert("enum".to_owned(), json!(t.values));
        }
        if whole && !default.is_null() {
            o.insert("default".to_owned(), default);
        }
        o
    }

    fn field(&mut self, owner: &str, f: &Field) -> Value {
        let whole = !f.pointer && (!f.omit_empty || matches!(self.schema.get(f.ty).shape, Shape::Struct(_)));
        let mut o = self.value(f.ty, whole);
        let text = self.descriptions.map_or_else(Default::default, |d| d.of_field(owner, f.json));
        if !text.is_empty() {
            o.insert("description".to_owned(), json!(text));
        }
        if let Some(d) = &f.default {
            o.insert("default".to_owned(), d.clone());
        }
        if matches!(self.schema.get(f.ty).shape, Shape::List(_)) {
            match f.declared_list_type(self.schema) {
                Some(ListType::Atomic) => drop(o.insert("x-kubernetes-list-type".to_owned(), json!("atomic"))),
                Some(ListType::Set) => drop(o.insert("x-kubernetes-list-type".to_owned(), json!("set"))),
                Some(ListType::Map(keys)) => {
                    o.insert("x-kubernetes-list-type".to_owned(), json!("map"));
                    o.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
                }
                None => {}
            }
        } else if f.is_atomic(self.schema) && self.is_model(f.ty).is_none() {
            o.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        if let Some(key) = f.patch_merge_key {
            o.insert("x-kubernetes-patch-merge-key".to_owned(), json!(key));
        }
        let strategies: Vec<&str> =
            [(f.patch.merge, "merge"), (f.patch.replace, "replace"), (f.patch.retain_keys, "retainKeys")]
                .into_iter()
                .filter_map(|(has, name)| has.then_some(name))
                .collect();
        if !strategies.is_empty() {
            o.insert("x-kubernetes-patch-strategy".to_owned(), json!(strategies.join(",")));
        }
        Value::Object(o)
    }

    fn model(&mut self, ty: TypeId) -> Value {
        let t = self.schema.get(ty);
        let text = self.descriptions.map_or_else(Default::default, |d| d.of_type(t.name));
        let mut o = match &t.shape {
            Shape::Time | Shape::MicroTime => json!({"type": "string", "format": "date-time"}),
            Shape::Duration => json!({"type": "string"}),
            Shape::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            Shape::IntOrString => {
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
            }
            Shape::Struct(s) => {
                let mut properties = Map::new();
                for f in &s.fields {
                    let owner = f.declared_in;
                    properties.insert(f.json.to_owned(), self.field(owner, f));
                }
                let required: Vec<&str> = s.fields.iter().filter(|f| f.required).map(|f| f.json).collect();
                let mut o = json!({"type": "object"});
                if !properties.is_empty() {
                    o["properties"] = Value::Object(properties);
                }
                if !required.is_empty() {
                    o["required"] = json!(required);
                }
                if t.is_atomic() {
                    o["x-kubernetes-map-type"] = json!("atomic");
                }
                o
            }
            _ => json!({"type": "object"}),
        };
        if !text.is_empty() {
            o["description"] = json!(text);
        }
        let kinds: Vec<Value> =
            self.schema.kinds().filter(|(_, _, id)| *id == ty).map(|(version, kind, _)| gvk(version, kind)).collect();
        if !kinds.is_empty() {
            o["x-kubernetes-group-version-kind"] = Value::Array(kinds);
        }
        o
    }
}

fn gvk(api_version: &str, kind: &str) -> Value {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    json!({"group": group, "version": version, "kind": kind})
}

fn capitalised(s: &str) -> String {
    let mut c = s.chars();
    c.next().map_or(String::new(), |f| f.to_uppercase().chain(c).collect())
}

/// The operation that a verb is: HTTP method, action, query parameters, whether it has a body.
fn operation(verb: &str) -> Option<(&'static str, &'static str, &'static [&'static str], bool)> {
    const READ: &[&str] = &[];
    const LIST: &[&str] = &[
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    ];
    const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
    const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
    const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];
    Some(match verb {
        "get" => ("get", "get", READ, false),
        "list" => ("get", "list", LIST, false),
        "create" => ("post", "post", WRITE, true),
        "update" => ("put", "put", WRITE, true),
        "patch" => ("patch", "patch", PATCH, true),
        "delete" => ("delete", "delete", DELETE, true),
        "deletecollection" => ("delete", "deletecollection", DELETE, true),
        _ => return None,
    })
}

fn parameter(name: &str, place: &str) -> Value {
    let kind = match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        "watch" | "allowWatchBookmarks" | "sendInitialEvents" | "force" | "orphanDependents" => "boolean",
        _ => "string",
    };
    let mut p = json!({"name": name, "in": place, "schema": {"type": kind, "uniqueItems": true}});
    if place == "path" {
        p["required"] = json!(true);
    }
    p
}

fn add_paths(paths: &mut Map<String, Value>, api_version: &str, r: &Resource<'_>, w: &mut Writer<'_>) {
    let (plural, subresource) = r.name.split_once('/').unwrap_or((r.name, ""));
    let kind_version = if r.kind_api_version.is_empty() { api_version } else { r.kind_api_version };
    let name = |kind: &str| w.schema.kind(kind_version, kind).map(|t| w.schema.get(t).name);
    let (own, list) = (name(r.kind), name(&format!("{}List", r.kind)));
    w.wanted.extend(own.into_iter().chain(list));
    let scope = if r.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{}{scope}/{plural}", prefix(api_version));
    let item = format!(
        "{collection}/{{name}}{}",
        if subresource.is_empty() { String::new() } else { format!("/{subresource}") }
    );
    for verb in r.verbs {
        let Some((method, action, query, body)) = operation(verb) else { continue };
        let on_collection = subresource.is_empty() && matches!(*verb, "list" | "create" | "deletecollection");
        let path = if on_collection { &collection } else { &item };
        let result = match *verb {
            "list" => list,
            "delete" | "deletecollection" => Some("meta/v1.Status"),
            _ => own,
        };
        let content = |name: Option<&str>, media: &[&str]| -> Value {
            let of = name.map_or(json!({}), reference);
            media.iter().map(|m| ((*m).to_owned(), json!({"schema": of}))).collect::<Map<_, _>>().into()
        };
        let id = format!(
            "{}{}{}{}{}",
            match *verb {
                "create" => "create",
                "update" => "replace",
                "get" => "read",
                "deletecollection" => "deleteCollection",
                other => other,
            },
            api_version.split(['/', '.']).filter(|p| *p != "k8s" && *p != "io").map(capitalised).collect::<String>(),
            if r.namespaced { "Namespaced" } else { "" },
            r.kind,
            capitalised(subresource),
        );
        let mut op = json!({
            "operationId": id,
            "parameters": query.iter().map(|n| parameter(n, "query")).collect::<Vec<_>>(),
            "responses": {"200": {"description": "OK", "content": content(result, &["application/json", "application/yaml"])}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(kind_version, r.kind),
        });
        if body {
            let (of, media): (Option<&str>, &[&str]) = match action {
                "patch" => (
                    None,
                    &[
                        "application/apply-patch+yaml",
                        "application/json-patch+json",
                        "application/merge-patch+json",
                        "application/strategic-merge-patch+json",
                    ],
                ),
                "delete" | "deletecollection" => (Some("meta/v1.DeleteOptions"), &["*/*"]),
                _ => (own, &["*/*"]),
            };
            op["requestBody"] = json!({"content": content(of, media)});
        }
        let entry = paths.entry(path.clone()).or_insert_with(|| {
            let mut parameters = Vec::new();
            if !on_collection {
                parameters.push(parameter("name", "path"));
            }
            if r.namespaced {
                parameters.push(parameter("namespace", "path"));
            }
            parameters.push(parameter("pretty", "query"));
            json!({"parameters": parameters})
        });
        entry[method] = op;
    }
}

/// A custom kind's model: what its definition says, and what every object has.
fn custom_model(api_version: &str, kind: &str, schema: &Value) -> (String, Value) {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let package: Vec<&str> = group.split('.').rev().chain([version, kind]).collect();
    let mut model = schema.clone();
    if let Some(properties) = model.as_object_mut().map(|m| m.entry("properties").or_insert_with(|| json!({}))) {
        let text = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
        properties["apiVersion"] = json!({"type": "string", "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"});
        properties["kind"] = json!({"type": "string", "description": "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"});
        properties["metadata"] = json!({"allOf": [reference("meta/v1.ObjectMeta")], "description": text});
    }
    model["x-kubernetes-group-version-kind"] = json!([gvk(api_version, kind)]);
    (package.join("."), model)
}

/// The document of a group version; `customs` are the schemas of custom kinds by their names.
pub fn document_with(
    api_version: &str,
    resources: &[Resource<'_>],
    customs: &[(&str, &Value)],
    descriptions: Option<&Descriptions>,
) -> Value {
    let mut d = document(api_version, resources, descriptions);
    for (kind, schema) in customs {
        let (name, model) = custom_model(api_version, kind, schema);
        d["components"]["schemas"][name] = model;
    }
    d
}

/// The document of a group version.
pub fn document(api_version: &str, resources: &[Resource<'_>], descriptions: Option<&Descriptions>) -> Value {
    let mut w = Writer { schema: schema(), descriptions, wanted: BTreeSet::new() };
    w.wanted.extend(["meta/v1.Status", "meta/v1.DeleteOptions", "meta/v1.ObjectMeta"]);
    let mut paths = Map::new();
    for r in resources {
        add_paths(&mut paths, api_version, r, &mut w);
    }
    let mut schemas = Map::new();
    let mut done: BTreeSet<&'static str> = BTreeSet::new();
    while let Some(name) = w.wanted.difference(&done).next().copied() {
        done.insert(name);
        if let Some(ty) = w.schema.named(name) {
            let model = w.model(ty);
            schemas.insert(model_name(name), model);
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerToken": {
                "description": "Bearer Token authentication", "in": "header", "name": "authorization", "type": "apiKey"
            }},
        },
    })
}

/// The Swagger 2.0 document of all group versions: the definitions, and of the paths what clients look at.
pub fn document_v2(groups: &[(&str, Vec<Resource<'_>>)], descriptions: Option<&Descriptions>) -> Value {
    let (mut definitions, mut paths) = (Map::new(), Map::new());
    for (api_version, resources) in groups {
        let mut d = document(api_version, resources, descriptions);
        let take = |v: &mut Value| match v.take() {
            Value::Object(o) => o,
            _ => Map::new(),
        };
        definitions.extend(take(&mut d["components"]["schemas"]));
        for (path, item) in take(&mut d["paths"]) {
            paths.insert(path, path_v2(item));
        }
    }
    let mut definitions = Value::Object(definitions);
    to_v2(&mut definitions);
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication", "in": "header", "name": "authorization", "type": "apiKey"
        }},
        "security": [{"BearerToken": []}],
    })
}

/// A path's operations as Swagger 2.0 has them: parameters carry their types, and media types stand beside them.
fn path_v2(item: Value) -> Value {
    let Value::Object(item) = item else { return item };
    let parameters = |v: &Value| -> Vec<Value> {
        let one = |p: &Value| {
            let mut p = p.clone();
            let kind = p["schema"]["type"].take();
            if let Some(o) = p.as_object_mut() {
                o.remove("schema");
                o.insert("type".to_owned(), kind);
                o.insert("uniqueItems".to_owned(), json!(true));
            }
            p
        };
        v.as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default()
    };
    let media =
        |content: &Value| content.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let operation = |op: Value| {
        let mut all = parameters(&op["parameters"]);
        let mut out = op;
        let body = out["requestBody"]["content"].take();
        if let Some(schema) = body.as_object().and_then(|o| o.values().next()).map(|m| m["schema"].clone()) {
            all.push(json!({"in": "body", "name": "body", "required": true, "schema": schema}));
            out["consumes"] = json!(media(&body));
        }
        let answer = out["responses"]["200"]["content"].take();
        out["produces"] = json!(media(&answer));
        let schema = answer.as_object().and_then(|o| o.values().next()).map(|m| m["schema"].clone());
        out["responses"] =
            json!({"200": {"description": "OK", "schema": schema}, "401": {"description": "Unauthorized"}});
        out["schemes"] = json!(["https"]);
        out["parameters"] = Value::Array(all);
        if let Some(o) = out.as_object_mut() {
            o.remove("requestBody");
        }
        to_v2(&mut out);
        out
    };
    let each = item.into_iter().map(|(key, v)| {
        let v = if key == "parameters" { Value::Array(parameters(&v)) } else { operation(v) };
        (key, v)
    });
    Value::Object(each.collect())
}

/// Turns schemas of version 3 into those of version 2: references point elsewhere and stand alone, and there are no choices.
fn to_v2(v: &mut Value) {
    match v {
        Value::Object(o) => {
            // Properties may have these names too: those are objects.
            if o.get("allOf").is_some_and(Value::is_array)
                && let Some(r) = o.remove("allOf").and_then(|all| all[0]["$ref"].as_str().map(str::to_owned))
            {
                o.insert("$ref".to_owned(), json!(r));
            }
            if o.get("oneOf").is_some_and(Value::is_array) {
                o.remove("oneOf");
                o.insert("type".to_owned(), json!("string"));
            }
            if let Some(Value::String(r)) = o.get_mut("$ref") {
                *r = r.replace("#/components/schemas/", "#/definitions/");
            }
            o.values_mut().for_each(to_v2);
        }
        Value::Array(a) => a.iter_mut().for_each(to_v2),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document() {
        let verbs = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let pods = Resource { name: "pods", kind: "Pod", kind_api_version: "", namespaced: true, verbs };
        let status = Resource { name: "pods/status", verbs: &["get", "patch", "update"], ..pods };
        let text = include_str!("schema/v1_36_descriptions.txt");
        let descriptions = Descriptions::new(text);
        let d = document("v1", &[pods, status], Some(&descriptions));
        let patch = &d["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"], json!({"group": "", "kind": "Pod", "version": "v1"}));
        assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
        let container = &d["components"]["schemas"]["io.k8s.api.core.v1.Container"];
        assert_eq!(container["required"], json!(["name"]));
        let policy = &container["properties"]["imagePullPolicy"];
        assert_eq!(policy["enum"], json!(["Always", "IfNotPresent", "Never"]));
        assert!(
            policy["description"]
                .as_str()
                .unwrap()
                .contains("\n\nPossible enum values:\n - `\"Always\"` means that kubelet always")
        );
        let ports = &container["properties"]["ports"];
        assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
        assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
        let kind = &d["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["properties"]["kind"];
        assert!(
            kind["description"].as_str().unwrap().starts_with("Kind is a string value representing the REST resource")
        );
        assert_eq!(
            index(["v1", "apps/v1"])["paths"]["apis/apps/v1"]["serverRelativeURL"],
            "/openapi/v3/apis/apps/v1?hash=v1.36"
        );
    }

    #[test]
    fn the_document_of_version_2() {
        let pods = Resource { name: "pods", kind: "Pod", kind_api_version: "", namespaced: true, verbs: &["patch"] };
        let crds =
            Resource { name: "customresourcedefinitions", kind: "CustomResourceDefinition", namespaced: false, ..pods };
        let d = document_v2(&[("v1", vec![pods]), ("apiextensions.k8s.io/v1", vec![crds])], None);
        let definitions = &d["definitions"];
        let spec = &definitions["io.k8s.api.core.v1.Pod"]["properties"]["spec"];
        assert_eq!(spec["$ref"], "#/definitions/io.k8s.api.core.v1.PodSpec");
        let port = &definitions["io.k8s.api.core.v1.HTTPGetAction"]["properties"]["port"];
        assert_eq!(port["$ref"], "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString");
        let either = &definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
        assert_eq!((&either["type"], &either["format"]), (&json!("string"), &json!("int-or-string")));
        let props = &definitions["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"];
        assert!(props["properties"]["allOf"]["items"]["$ref"].is_string());
        let patch = &d["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert_eq!(patch["consumes"][1], "application/json-patch+json");
        assert_eq!(
            patch["parameters"][0],
            json!({"in": "query", "name": "dryRun", "type": "string", "uniqueItems": true})
        );
        assert_eq!(patch["responses"]["200"]["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.Pod");
    }

    #[test]
    fn every_reference_is_defined() {
        fn check(v: &Value, schemas: &Map<String, Value>) {
            match v {
                Value::Object(o) => {
                    if let Some(Value::String(r)) = o.get("$ref") {
                        let name = r.trim_start_matches("#/components/schemas/");
                        assert!(schemas.contains_key(name), "{name}");
                    }
                    o.values().for_each(|v| check(v, schemas));
                }
                Value::Array(a) => a.iter().for_each(|v| check(v, schemas)),
                _ => {}
            }
        }
        let s = schema();
        let versions: BTreeSet<&str> = s.kinds().map(|(v, _, _)| v).collect();
        for version in versions {
            let kinds: Vec<&str> =
                s.kinds().filter(|(v, k, _)| *v == version && !k.ends_with("List")).map(|(_, k, _)| k).collect();
            let resources: Vec<Resource<'_>> = kinds
                .iter()
                .map(|kind| Resource {
                    name: "things",
                    kind,
                    kind_api_version: "",
                    namespaced: true,
                    verbs: &["get", "list"],
                })
                .collect();
            let d = document(version, &resources, None);
            check(&d, d["components"]["schemas"].as_object().unwrap());
        }
    }
}
