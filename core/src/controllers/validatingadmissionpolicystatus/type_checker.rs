//! Checks a policy's expressions against the types that it matches.
//! Models apiserver `pkg/admission/plugin/policy/validating/typechecking.go` and apimachinery `pkg/api/meta/restmapper.go`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::cel::{Type, built_in, declared, named};
use crate::api::schema::schema;
use crate::registry::validation::dynamic::expressions::{Declared, Typing};
use crate::registry::validation::json::{list_of, opt_str, str_of, texts_of};
use crate::registry::{Registry, Served};

/// A rule names at most so many types that are checked.
const TYPES_MAX: usize = 10;

/// What is doubtful about an expression.
pub(super) struct Warning {
    /// Where it is.
    pub field: String,
    /// What is said of it, for each type that it doesn't fit.
    pub text: String,
}

/// A kind's group, version and kind.
type Gvk = (String, String, String);

/// A type that a policy matches, and the policy's variables where its objects are of that type.
struct Matched {
    gvk: Gvk,
    typing: Typing,
    variables: Declared,
}

/// The warnings about a policy. `nanosecond` makes the names of its types unlike others, as upstream's do.
pub(super) fn check(registry: &Registry, spec: &Value, nanosecond: i32) -> Vec<Warning> {
    let all = registry.all_served();
    let typed = |(group, version, kind): &Gvk| {
        let served = all.iter().find(|s| s.info.group == group && s.info.version == version && s.info.kind == kind);
        Some(named(&type_of(served?)?, &format!("{kind}{nanosecond}")))
    };
    let params = params_kind(spec).and_then(|gvk| typed(&gvk));
    let matched: Vec<Matched> = types_to_check(&all, spec)
        .into_iter()
        .filter_map(|gvk| {
            let typing = Typing { object: typed(&gvk)?, params: params.clone() };
            Some(Matched { gvk, variables: typing.declared(spec), typing })
        })
        .collect();
    let mut warnings = Vec::new();
    for (i, v) in list_of(spec, "validations").iter().enumerate() {
        let message = opt_str(v, "messageExpression").filter(|e| !e.is_empty());
        let expressions = [("expression", Some(str_of(v, "expression"))), ("messageExpression", message)];
        for (field, text) in expressions.into_iter().filter_map(|(f, text)| Some((f, text?))) {
            let told: Vec<String> = matched.iter().filter_map(|m| m.complaint(text)).collect();
            if !told.is_empty() {
                warnings.push(Warning { field: format!("spec.validations[{i}].{field}"), text: told.join("\n") });
            }
        }
    }
    warnings
}

impl Matched {
    fn complaint(&self, text: &str) -> Option<String> {
        let why = self.typing.check(text, &self.variables).err()?;
        let (group, version, kind) = &self.gvk;
        Some(format!("{group}/{version}, Kind={kind}: {why}\n"))
    }
}

/// The type of a whole object.
fn type_of(served: &Served) -> Option<Type> {
    let schema = schema();
    let Some(custom) = &served.custom else {
        return built_in(schema, schema.kind(&served.api_version, served.info.kind)?);
    };
    let own = declared(custom.schema(), true)?;
    // Its OpenAPI tells all of the metadata, whatever its definition says of it.
    let metadata = schema.named("meta/v1.ObjectMeta").and_then(|id| built_in(schema, id));
    Some(match (own, metadata) {
        (Type::Object(o), Some(metadata)) => {
            let fields = o.fields.iter().filter(|(f, _)| *f != "metadata").map(|(f, t)| (f.clone(), t.clone()));
            Type::object(&o.name, fields.chain([("metadata".to_owned(), metadata)]))
        }
        (own, _) => own,
    })
}

fn params_kind(spec: &Value) -> Option<Gvk> {
    let kind = spec.get("paramKind").filter(|k| !k.is_null())?;
    let (group, version) = str_of(kind, "apiVersion").split_once('/').unwrap_or(("", str_of(kind, "apiVersion")));
    Some((group.to_owned(), version.to_owned(), str_of(kind, "kind").to_owned()))
}

/// The types that a policy's rules name outright, by group, version and kind.
fn types_to_check(all: &[Served], spec: &Value) -> BTreeSet<Gvk> {
    let mut found = BTreeSet::new();
    for rule in list_of(&spec["matchConstraints"], "resourceRules") {
        let (mut groups, mut versions) = (texts_of(rule, "apiGroups"), texts_of(rule, "apiVersions"));
        if groups.iter().chain(&versions).any(|t| t.contains('*')) {
            continue;
        }
        let mut resources = texts_of(rule, "resources");
        resources.retain(|r| !r.contains(['*', '/']));
        for texts in [&mut groups, &mut versions, &mut resources] {
            texts.sort_unstable();
        }
        let places = groups.iter().flat_map(|g| versions.iter().map(move |v| (*g, *v)));
        let places = places.flat_map(|(g, v)| resources.iter().map(move |r| (g, v, *r)));
        let kinds = places.flat_map(|place| kinds_for(all, place)).take(TYPES_MAX);
        let mut count = 0;
        for gvk in kinds {
            found.insert(gvk);
            count += 1;
        }
        if count == TYPES_MAX {
            break;
        }
    }
    found
}

/// The kinds of a resource: without a group those of all groups that have such a one.
fn kinds_for<'a>(
    all: &'a [Served],
    (group, version, resource): (&'a str, &'a str, &'a str),
) -> impl Iterator<Item = Gvk> + 'a {
    let wanted = resource.to_lowercase();
    let served = all.iter().filter(move |s| {
        let i = &s.info;
        (group.is_empty() || i.group == group) && i.version == version && (i.resource == wanted || i.singular == wanted)
    });
    served.map(|s| (s.info.group.to_owned(), s.info.version.to_owned(), s.info.kind.to_owned()))
}
