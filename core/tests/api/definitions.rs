//! What CustomResourceDefinitions may not say, beyond being structural.

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

const DEFINITIONS: &str = "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All";
const SCHEMA: &str = "spec.validation.openAPIV3Schema";

fn definition(group: &str, version: Value) -> Value {
    json!({
        "metadata": {"name": format!("tabs.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "tabs", "kind": "Tab"}, "versions": [version],
        },
    })
}

fn version(schema: Value) -> Value {
    json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}})
}

fn refused(s: &Server, definition: &Value, why: &str) {
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let why = format!("422 CustomResourceDefinition.apiextensions.k8s.io \"{name}\" is invalid: {why}");
    run(s, &[(DEFINITIONS, &definition.to_string(), &why)]);
}

fn of_spec(spec: Value) -> Value {
    json!({"type": "object", "properties": {"spec": spec}})
}

#[test]
fn schemas_are_whole() {
    let s = Server::new();
    let (spec, text) = (format!("{SCHEMA}.properties[spec]"), json!({"type": "string"}));
    let list = |items: Value, how: &str| {
        of_spec(json!({"type": "array", "items": items, "x-kubernetes-list-type": how, "x-kubernetes-list-map-keys":
            if how == "map" { json!(["k"]) } else { Value::Null }}))
    };
    let key = |of: Value| json!({"type": "object", "required": ["k"], "properties": {"k": of}});
    let cases: &[(Value, String)] = &[
        (
            json!({"type": "object", "anyOf": [{"properties": {"spec": {"minLength": 1}}}]}),
            format!("{spec}: Required value: because it is defined in {SCHEMA}.anyOf[0].properties[spec]"),
        ),
        (
            json!({
                "type": "object", "properties": {"spec": {"type": "array", "items": text}},
                "not": {"properties": {"spec": {"items": {"properties": {"a": {}}}}}},
            }),
            format!(
                "{spec}.items.properties[a]: Required value: because it is defined in \
                 {SCHEMA}.not.properties[spec].items.properties[a]"
            ),
        ),
        (
            of_spec(json!({"type": "string", "pattern": "(a"})),
            format!(
                "{spec}.pattern: Invalid value: \"(a\": must be a valid regular expression, but isn't: error parsing regexp: \
                 missing closing ): `(a`"
            ),
        ),
        (
            of_spec(json!({"type": "object", "x-kubernetes-embedded-resource": true, "additionalProperties": text})),
            format!(
                "[{spec}.additionalProperties: Forbidden: must not be used if x-kubernetes-embedded-resource is set, \
                 {spec}.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without \
                 x-kubernetes-preserve-unknown-fields]"
            ),
        ),
        (
            of_spec(json!({"type": "object", "default": {"a": 1}, "properties": {"b": text}})),
            format!("{spec}.default: Invalid value: {{\"a\":1}}: must not have unknown fields"),
        ),
        (
            json!({"type": "object", "properties": {"kind": {"type": "string", "default": "Tab"}}}),
            format!("{SCHEMA}.properties[kind].default: Forbidden: must not be set in top-level kind"),
        ),
        (
            list(json!({"type": "object"}), "set"),
            format!(
                "{spec}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with \
                 x-kubernetes-list-type=set"
            ),
        ),
        (
            list(json!({"type": "string", "nullable": true}), "set"),
            format!("{spec}.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set"),
        ),
        (
            list(key(json!({"type": "string", "nullable": true})), "map"),
            format!(
                "{spec}.items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot \
                 be nullable"
            ),
        ),
        (
            list(key(json!({"type": "array", "items": text})), "map"),
            format!(
                "{spec}.items.properties[k].type: Invalid value: \"object\": must be a scalar type if parent array's \
                 x-kubernetes-list-type is map"
            ),
        ),
    ];
    for (schema, why) in cases {
        refused(&s, &definition("example.com", version(schema.clone())), why);
    }
}

#[test]
fn the_root_says_little_where_the_status_is_a_subresource() {
    let s = Server::new();
    let mut v = version(json!({"type": "object", "minProperties": 1}));
    run(&s, &[(DEFINITIONS, &definition("example.com", v.clone()).to_string(), "201")]);
    v["subresources"] = json!({"status": {}});
    let refusal = s.ask("POST", DEFINITIONS.trim_start_matches("POST "), &definition("example.com", v));
    let (begins, ends) = (
        format!(
            "{SCHEMA}: Invalid value: {{\"ID\":\"\",\"Schema\":\"\",\"Ref\":null,\"Description\":\"\",\"Type\":\"object\",\"Nullable\":false,"
        ),
        "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern \
         MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields \
         XValidations] fields are allowed at the root of the schema if the status subresource is enabled",
    );
    assert!(
        refusal.code == 422 && refusal.message().contains(&begins) && refusal.message().ends_with(ends),
        "{}",
        refusal.text
    );
}

#[test]
fn protected_groups_are_approved() {
    let s = Server::new();
    let mut d = definition("a.k8s.io", version(json!({"type": "object"})));
    let key = "metadata.annotations[api-approved.kubernetes.io]";
    let must = "protected groups must have approval annotation \"api-approved.kubernetes.io\"";
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    refused(&s, &d, &format!("{key}: Required value: {must}, {see}"));
    d["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "yes"});
    let either = "with either a URL or a reason starting with \"unapproved\"";
    refused(&s, &d, &format!("{key}: Invalid value: \"yes\": {must} {either}, {see}"));
    for good in ["unapproved, a test", "https://github.com/kubernetes/kubernetes/pull/1"] {
        d["metadata"]["annotations"]["api-approved.kubernetes.io"] = good.into();
        run(&s, &[(DEFINITIONS, &d.to_string(), "201")]);
    }
}

#[test]
fn what_definitions_say_of_versions() {
    let s = Server::new();
    let mut d = definition("example.com", version(json!({"type": "object"})));
    d["spec"]["preserveUnknownFields"] = true.into();
    refused(
        &s,
        &d,
        "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to \
         true in spec.versions[*].schema instead",
    );
    d["spec"]["preserveUnknownFields"] = false.into();
    d["spec"]["versions"][0]["storage"] = false.into();
    // Upstream prints what is inside, where what all versions share stands above them.
    let shown = "[{\"Name\":\"v1\",\"Served\":true,\"Storage\":false,\"Deprecated\":false,\"DeprecationWarning\":null,\
                 \"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}]";
    let stored = "status.storedVersions: Invalid value: null: must have at least one stored version";
    refused(
        &s,
        &d,
        &format!(
            "[spec.versions: Invalid value: {shown}: must have exactly one version marked as storage version, {stored}]"
        ),
    );
    let mut d = definition("example.com", version(of_spec(json!({"type": "string", "format": "colour"}))));
    run(&s, &[(DEFINITIONS, &d.to_string(), "201 warning=unrecognized format \\\"colour\\\"")]);
    d["spec"]["versions"][0]["deprecated"] = true.into();
    d["spec"]["versions"][0]["deprecationWarning"] = "a\u{7}b".into();
    let shown = r#""a\ab""#;
    refused(
        &s,
        &d,
        &format!(
            "spec.versions[0].deprecationWarning: Invalid value: {shown}: must only contain printable UTF-8 characters; \
             non-printable character found at index 1"
        ),
    );
}

#[test]
fn rules_cost_no_more_than_they_may() {
    let s = Server::new();
    let at = format!("{SCHEMA}.properties[spec].properties[all]");
    let all = |more: Value| {
        let mut all = json!({"type": "array", "items": {"type": "string"}});
        if let (Some(fields), Value::Object(more)) = (all.as_object_mut(), more) {
            fields.extend(more);
        }
        of_spec(json!({"type": "object", "properties": {"all": all}}))
    };
    let rule = json!([{"rule": "self.all(x, self.exists_one(y, x == y))"}]);
    let advice = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and \
                  strings are declared)";
    let exceeds = "exceeds budget by factor of";
    let total = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    refused(
        &s,
        &definition("example.com", version(all(json!({"x-kubernetes-validations": rule})))),
        &format!(
            "[{at}.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost {exceeds} more than 100x {advice}, \
             {at}.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit \
             for entire OpenAPIv3 schema, {SCHEMA}: Forbidden: {total} {exceeds} more than 100x {advice}]"
        ),
    );
    let few = all(json!({"maxItems": 100, "x-kubernetes-validations": rule}));
    refused(
        &s,
        &definition("example.com", version(few)),
        &format!(
            "[{at}.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost {exceeds} more than 100x {advice}, \
             {at}.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit \
             for entire OpenAPIv3 schema, {SCHEMA}: Forbidden: {total} {exceeds} 31.5x {advice}]"
        ),
    );
    let short = all(json!({
        "maxItems": 100, "items": {"type": "string", "maxLength": 100}, "x-kubernetes-validations": rule,
    }));
    run(&s, &[(DEFINITIONS, &definition("example.com", version(short)).to_string(), "201")]);
    // Each value of a list without limit is asked as often as there may be one.
    let each = json!([{"rule": "self.contains('some longer text')"}]);
    let items = json!({"type": "string", "maxLength": 20, "x-kubernetes-validations": each});
    let refusal = s.ask(
        "POST",
        DEFINITIONS.trim_start_matches("POST "),
        &definition("example.com", version(all(json!({"items": items})))),
    );
    let why =
        format!("{at}.items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost {exceeds} 1.8x {advice}");
    assert!(refusal.code == 422 && refusal.message().ends_with(&why), "{}", refusal.text);
}
