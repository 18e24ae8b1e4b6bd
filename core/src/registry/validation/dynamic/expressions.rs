//! The expressions of admission policies and webhooks: what they may name, and what they must evaluate to.
//! Models apiserver `pkg/admission/plugin/cel/compile.go`.

use serde_json::Value;

use crate::api::cel::{BOOL, INT, Program, STRING, TIMESTAMP, Type};
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

/// The variables that a policy declares, as far as they are known.
pub(crate) type Declared = Vec<(String, Type)>;

fn object(name: &str, fields: &[(&str, Type)]) -> Type {
    Type::object(name, fields.iter().map(|(n, t)| ((*n).to_owned(), t.clone())))
}

fn texts(list: bool) -> Type {
    if list { Type::list(STRING) } else { Type::map(STRING, STRING) }
}

fn request() -> Type {
    let triple = |name: &str, last: &str| object(name, &[("group", STRING), ("version", STRING), (last, STRING)]);
    let (kind, resource) =
        (triple("kubernetes.GroupVersionKind", "kind"), triple("kubernetes.GroupVersionResource", "resource"));
    let user =
        [("username", STRING), ("uid", STRING), ("groups", texts(true)), ("extra", Type::map(STRING, texts(true)))];
    object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", STRING),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", STRING),
            ("name", STRING),
            ("namespace", STRING),
            ("operation", STRING),
            ("userInfo", object("kubernetes.UserInfo", &user)),
            ("dryRun", BOOL),
            ("options", Type::Dyn),
        ],
    )
}

fn namespace() -> Type {
    let condition = ["status", "type", "message", "reason"].map(|f| (f, STRING));
    let condition: Vec<(&str, Type)> = condition.into_iter().chain([("lastTransitionTime", TIMESTAMP)]).collect();
    let metadata = [
        ("name", STRING),
        ("generateName", STRING),
        ("namespace", STRING),
        ("labels", texts(false)),
        ("annotations", texts(false)),
        ("UID", STRING),
        ("creationTimestamp", TIMESTAMP),
        ("deletionGracePeriodSeconds", INT),
        ("deletionTimestamp", TIMESTAMP),
        ("generation", INT),
        ("resourceVersion", STRING),
        ("finalizers", texts(true)),
    ];
    let status = [("conditions", Type::list(object("kubernetes.NamespaceCondition", &condition))), ("phase", STRING)];
    object(
        "kubernetes.Namespace",
        &[
            ("metadata", object("kubernetes.NamespaceMetadata", &metadata)),
            ("spec", object("kubernetes.NamespaceSpec", &[("finalizers", texts(true))])),
            ("status", object("kubernetes.NamespaceStatus", &status)),
        ],
    )
}

/// What a mutation's expression is to evaluate to.
pub(crate) fn patch_type(kind: &str) -> Type {
    let made = |name| Type::object(name, []);
    if kind == "JSONPatch" { Type::list(made("JSONPatch")) } else { made("Object") }
}

/// What is known of the objects that a policy is asked about.
pub(crate) struct Typing {
    /// The type of `object` and `oldObject`.
    pub object: Type,
    /// The type of `params`, if they can be named.
    pub params: Option<Type>,
}

impl Typing {
    /// What is wrong with an expression whose objects are of these types, in cel-go's words.
    /// Models apiserver `pkg/admission/plugin/policy/validating/typechecking.go`.
    pub(crate) fn check(&self, text: &str, variables: &Declared) -> Result<(), String> {
        self.output(text, variables).map(|_| ())
    }

    /// The variables of a policy whose objects are of these types.
    pub(crate) fn declared(&self, spec: &Value) -> Declared {
        declared_by(spec, |text, all| self.output(text, all).ok())
    }

    fn output(&self, text: &str, variables: &Declared) -> Result<Type, String> {
        let mut all = vec![
            ("namespaceObject", namespace()),
            ("request", request()),
            ("object", self.object.clone()),
            ("oldObject", self.object.clone()),
            ("authorizer", Type::Named(AUTHORIZER)),
            ("variables", Type::object(VARIABLES, variables.iter().cloned())),
        ];
        all.extend(self.params.iter().map(|t| ("params", t.clone())));
        Program::compile(text, &all).map(|p| p.output)
    }
}

const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
const VARIABLES: &str = "kubernetes.variables";

/// What an expression may name besides what it is about.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    pub params: bool,
    pub authorizer: bool,
    /// Whether it may make patches.
    pub patches: bool,
    pub variables: Option<&'a Declared>,
}

/// Reads an expression that is to evaluate to one of these types, or to any if there are none; the error is upstream's.
pub(crate) fn compile(text: &str, known: Known<'_>, wanted: &[Type]) -> Result<Program, String> {
    let mut all =
        vec![("object", Type::Dyn), ("oldObject", Type::Dyn), ("request", request()), ("namespaceObject", namespace())];
    if known.params {
        all.push(("params", Type::Dyn));
    }
    if known.authorizer {
        all.push(("authorizer", Type::Named(AUTHORIZER)));
        all.push(("authorizer.requestResource", Type::Named("kubernetes.authorization.ResourceCheck")));
    }
    if known.patches {
        all.extend([("Object", Type::TypeOf), ("JSONPatch", Type::TypeOf)]);
    }
    if let Some(declared) = known.variables {
        all.push(("variables", Type::object(VARIABLES, declared.iter().cloned())));
    }
    let program = Program::compile(text, &all).map_err(|e| format!("compilation failed: {e}"))?;
    if wanted.is_empty() || wanted.contains(&program.output) {
        return program.fault().map_or(Ok(program), |why| Err(format!("program instantiation failed: {why}")));
    }
    let name = |t: &Type| if *t == Type::Null { "null_type".to_owned() } else { t.shown() };
    let got = name(&program.output);
    Err(match wanted {
        [one] => format!("must evaluate to {} but got {got}", name(one)),
        several => {
            let names: Vec<String> = several.iter().map(name).collect();
            format!("must evaluate to one of [{}] but got {got}", names.join(" "))
        }
    })
}

/// What is wrong with an expression, as an error of a field; `shown` is what the error prints.
pub(crate) fn check(text: &str, shown: &str, known: Known<'_>, wanted: &[Type], path: &Path, errs: &mut ErrorList) {
    if let Err(why) = compile(text, known, wanted) {
        errs.push(Error::invalid_str(path, shown, why));
    }
}

/// The variables of a policy with their types; those that don't fit are of any.
pub(crate) fn declared(spec: &Value, known: Known<'_>) -> Declared {
    declared_by(spec, |text, all| {
        compile(text, Known { variables: Some(all), ..known }, &[]).ok().map(|program| program.output)
    })
}

fn declared_by(spec: &Value, output: impl Fn(&str, &Declared) -> Option<Type>) -> Declared {
    let mut all = Declared::new();
    for v in list_of(spec, "variables") {
        let of = output(str_of(v, "expression"), &all).map_or(Type::Dyn, |t| kept(&t));
        all.push((str_of(v, "name").to_owned(), of));
    }
    all
}

/// As much of a type as a variable keeps: of an object nothing. Models `convertCelTypeToDeclType` of apiserver
/// `pkg/admission/plugin/cel/composition.go`.
fn kept(t: &Type) -> Type {
    match t {
        Type::List(of) => Type::list(kept(of)),
        Type::Map(key, of) => Type::map(kept(key), kept(of)),
        Type::Null => Type::Null,
        Type::Named("bool" | "bytes" | "double" | "duration" | "int" | "string" | "timestamp" | "uint") => t.clone(),
        _ => Type::Dyn,
    }
}
