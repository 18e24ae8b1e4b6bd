//! MutatingAdmissionPolicies: what they change of an object on its way in.
//! Models apiserver `pkg/admission/plugin/policy/mutating` and the errors of `policy/generic/policy_dispatcher.go`.

use serde_json::Value;

use super::{Evaluation, Request, is_exempt};
use crate::api::cel::{Val, misnamed};
use crate::api::field::quote;
use crate::api::managed_fields::{Scope, merge_config};
use crate::api::object::{Obj, make_mut};
use crate::api::patch::{Undone, apply_operations};
use crate::api::status::{Cause, Status};
use crate::apiserver::ApiServer;
use crate::apiserver::admission::{Attributes, forbidden};
use crate::apiserver::handle::scale;
use crate::registry::ResourceInfo;
use crate::registry::validation::dynamic::expressions::{Known, patch_type};
use crate::registry::validation::json::{list_of, opt_str, str_of};

/// Why an object isn't changed.
enum Failure {
    /// Its failure policy decides what that means.
    OfPolicy(String),
    Status(Status),
}

/// Lets every policy that is bound change the object; whether one did. `again`: only those that want to see what the others did.
pub(in crate::apiserver::admission) fn mutate(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &mut Obj,
    old: Option<&Obj>,
    again: bool,
) -> Result<bool, Status> {
    if server.policies.mutating.bindings.is_empty() || is_exempt(a, info) {
        return Ok(false);
    }
    mutate_bound(server, a, info, obj, old, again)
}

/// Apart: most clusters have no policies.
#[cold]
#[inline(never)]
fn mutate_bound(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &mut Obj,
    old: Option<&Obj>,
    again: bool,
) -> Result<bool, Status> {
    let bound = &server.policies.clone().mutating;
    let mut request = Request::new(server, a, info, obj, old);
    let (mut changed, mut refused) = (false, Vec::new());
    for (policy, binding) in bound.under(&request) {
        let spec = policy.at(&["spec"]);
        if again && str_of(spec, "reinvocationPolicy") != "IfNeeded" {
            continue;
        }
        let mut failed = Vec::new();
        let params = request.params(spec, &binding.at(&["spec"])["paramRef"]);
        let params = params.unwrap_or_else(|why| {
            failed.push((why, "Forbidden"));
            Vec::new()
        });
        for param in params {
            match Evaluation::new(&request, spec, param.clone()).applies() {
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    failed.push((why, "Invalid"));
                    continue;
                }
            }
            for mutation in list_of(spec, "mutations") {
                match patched(&Evaluation::new(&request, spec, param.clone()), mutation, obj) {
                    Err(Failure::Status(status)) => return Err(status),
                    Err(Failure::OfPolicy(why)) => failed.push((why, "Invalid")),
                    Ok(new) => {
                        changed = true;
                        *obj = new;
                        request = Request::new(server, a, info, obj, old);
                    }
                }
            }
        }
        if opt_str(spec, "failurePolicy") != Some("Ignore") {
            let (policy, binding) = (&policy.metadata.name, &binding.metadata.name);
            let [policy, binding] = [policy, binding].map(|n| n.as_deref().unwrap_or_default());
            let told = |why| format!("policy '{policy}' with binding '{binding}' denied request: {why}");
            refused.extend(failed.into_iter().map(|(why, reason)| (told(why), reason)));
        }
    }
    let Some((message, reason)) = refused.first() else { return Ok(changed) };
    let mut status = forbidden(info, &**obj, "");
    status.message.clone_from(message);
    status.reason = (*reason).to_owned();
    if let Some(details) = &mut status.details {
        details.causes.extend(refused.into_iter().map(|(message, _)| Cause { message, ..Cause::default() }));
    }
    Err(status)
}

/// The object as a mutation leaves it; one that is written through its Scale takes the Scale's replicas.
fn patched(evaluation: &Evaluation<'_>, mutation: &Value, before: &Obj) -> Result<Obj, Failure> {
    let (request, kind) = (evaluation.request, str_of(mutation, "patchType"));
    let by = if kind == "JSONPatch" { "jsonPatch" } else { "applyConfiguration" };
    let known = Known { patches: true, ..evaluation.known() };
    let expression = str_of(&mutation[by], "expression");
    let made = evaluation.evaluate(expression, known, &[patch_type(kind)]).map_err(Failure::OfPolicy)?;
    let (registry, info, live) = (request.server.registry(), &request.info, &request.object);
    let Some(served) = registry.served(info.group, info.version, info.resource) else {
        let why = "the kind is not served".to_owned();
        return Err(Failure::OfPolicy(why));
    };
    let scaled = request.a.subresource == "scale";
    let (api, of_kind) = if scaled { (scale::API, scale::KIND) } else { (&*served.api_version, info.kind) };
    let mut value = match &made {
        Val::List(items) => {
            let operations: Result<Vec<Value>, String> = items.iter().map(operation).collect();
            let operations = operations.map_err(Failure::OfPolicy)?;
            match apply_operations(live, &operations, api, of_kind) {
                Ok(value) => value,
                // A test that fails says that the patch is not for this object.
                Err(Undone::Operation(op)) if str_of(op, "op") == "test" => live.clone(),
                Err(Undone::Operation(op)) => {
                    let (op, path) = (str_of(op, "op"), quote(str_of(op, "path")));
                    let why = format!("{op} operation does not apply: doc is missing path: {path}: missing value");
                    return Err(Failure::OfPolicy(format!("JSON Patch: {why}")));
                }
                Err(Undone::Object(why)) => {
                    let message = format!("Internal error occurred: {why}");
                    return Err(Failure::Status(Status::other(500, "InternalError", message)));
                }
            }
        }
        object => {
            check_names(object, "Object").map_err(Failure::OfPolicy)?;
            let mut config = object.to_json();
            config["apiVersion"] = api.into();
            config["kind"] = of_kind.into();
            let scope = if scaled { Scope::new(api, of_kind, "scale") } else { served.scope("") };
            let merged = merge_config(live, &config, &scope);
            merged.map_err(|why| Failure::OfPolicy(format!("error applying patch: {why}")))?
        }
    };
    let strategy = registry.strategy(served.id);
    if scaled {
        let mut new = before.clone();
        let replicas = value["spec"]["replicas"].as_i64().and_then(|n| i32::try_from(n).ok());
        strategy.set_scale(make_mut(&mut new), replicas.unwrap_or(0));
        return Ok(new);
    }
    served.to_stored(&mut value);
    let mut new = strategy.decode(value).map_err(Failure::OfPolicy)?;
    strategy.default(make_mut(&mut new));
    Ok(new)
}

fn check_names(made: &Val, path: &str) -> Result<(), String> {
    let wrong = misnamed(made, path);
    if wrong.is_empty() { Ok(()) } else { Err(format!("type mismatch: {}", wrong.join("\n"))) }
}

/// An operation of a JSON patch as JSON.
fn operation(made: &Val) -> Result<Value, String> {
    if let Val::Made(of) = made
        && let Some(value @ Val::Made(inner)) = of.1.get("value")
    {
        check_names(value, &inner.0)?;
    }
    Ok(made.to_json())
}
