//! Admission policies: which of them a request falls under, and what the validating ones say of it.
//! Models apiserver `pkg/admission/plugin/policy/{generic,matching,validating}`.

mod mutating;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use super::{Attributes, Verb, forbidden};
use crate::api::cel::{self, Outcome, Program, Question, STRING, Stage, Type, Val};
use crate::api::dynamic::DynamicObject;
use crate::api::field::quote;
use crate::api::labels::Selector;
use crate::api::object::Obj;
use crate::api::status::{Cause, Status};
use crate::apiserver::auth::Attributes as Asked;
use crate::apiserver::handle::scale::scale_of;
use crate::apiserver::handle::shown_object;
use crate::apiserver::selection::Selection;
use crate::apiserver::{ApiServer, User};
use crate::registry::ResourceInfo;
use crate::registry::validation::dynamic::expressions::{self, Known};
use crate::registry::validation::json::{is_set, list_of, opt_str, selector_of, str_of, texts_of};

pub(super) use mutating::mutate;

/// The group of the policies and their bindings.
pub(in crate::apiserver) const GROUP: &str = "admissionregistration.k8s.io";
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// The policies that are bound and their bindings, newest last; empty as long as none is bound.
#[derive(Default)]
pub(in crate::apiserver) struct Policies {
    validating: Bound,
    mutating: Bound,
}

#[derive(Default)]
struct Bound {
    policies: Vec<Obj>,
    bindings: Vec<Obj>,
}

impl Bound {
    /// Every policy that the request falls under, with a binding.
    fn under<'b>(&'b self, request: &Request<'_>) -> Vec<(&'b DynamicObject, &'b DynamicObject)> {
        let mut all = Vec::new();
        for policy in self.policies.iter().filter_map(|o| DynamicObject::of(&**o)) {
            let name = policy.metadata.name.as_deref().unwrap_or_default();
            let bound = self.bindings.iter().filter_map(|o| DynamicObject::of(&**o));
            let mut bound = bound.filter(|b| str_of(b.at(&["spec"]), "policyName") == name).peekable();
            if bound.peek().is_none() || !request.matches(&policy.at(&["spec"])["matchConstraints"]) {
                continue;
            }
            all.extend(bound.filter(|b| request.matches(&b.at(&["spec"])["matchResources"])).map(|b| (policy, b)));
        }
        all
    }
}

/// Whether a request is none that policies are asked about: the policies and their like themselves, and what a Binding or
/// an Eviction, which they were asked about, does to its pod.
fn is_exempt(a: &Attributes<'_>, info: &ResourceInfo) -> bool {
    info.group == GROUP || matches!(a.subresource, "binding" | "eviction")
}

/// What policies say of an object that a subresource takes and that isn't stored: a Binding or an Eviction.
pub(super) fn validate_taken(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    kind: (&str, &str, &str),
    (name, object): (&str, &Value),
) -> Result<(), Status> {
    if server.policies.validating.bindings.is_empty() {
        return Ok(());
    }
    let request = Request::of(server, a, info, kind, name, (object.clone(), Value::Null));
    ask(&request, |why| super::forbidden_name(info, name, why))
}

/// A request as policies see it.
struct Request<'a> {
    server: &'a ApiServer,
    a: &'a Attributes<'a>,
    info: ResourceInfo,
    object: Value,
    old: Value,
    request: Value,
    namespace: Value,
}

/// What a policy decided against a request.
struct Denial {
    message: String,
    reason: String,
}

impl Denial {
    fn of(message: String) -> Self {
        Denial { message, reason: String::new() }
    }
}

/// Asks every policy that is bound. Nothing is asked of the policies and their like themselves.
pub(super) fn validate(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    if server.policies.validating.bindings.is_empty() || is_exempt(a, info) {
        return Ok(());
    }
    validate_bound(server, a, info, obj, old)
}

/// Apart: most clusters have no policies.
#[cold]
#[inline(never)]
fn validate_bound(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    let request = Request::new(server, a, info, obj, old);
    ask(&request, |why| forbidden(info, &**obj, why))
}

fn ask(request: &Request<'_>, forbidden: impl Fn(&str) -> Status) -> Result<(), Status> {
    let server = request.server;
    let bound = &server.policies.clone().validating;
    let mut denied: Option<(String, Denial)> = None;
    for (policy, binding) in bound.under(request) {
        for denial in request.judge(policy, binding) {
            let told = format!(
                "ValidatingAdmissionPolicy '{}' with binding '{}'",
                policy.metadata.name.as_deref().unwrap_or_default(),
                binding.metadata.name.as_deref().unwrap_or_default()
            );
            for action in texts_of(binding.at(&["spec"]), "validationActions") {
                if action == "Warn" {
                    server.warnings.add(|| format!("Validation failed for {told}: {}", denial.message));
                } else if action == "Deny" && denied.is_none() {
                    let message = format!("{told} denied request: {}", denial.message);
                    denied = Some((message, Denial { message: String::new(), reason: denial.reason.clone() }));
                }
            }
        }
    }
    denied.map_or(Ok(()), |(message, denial)| Err(refusal(forbidden(&message), &message, &denial.reason)))
}

/// A refusal that has a policy's reason.
fn refusal(mut status: Status, message: &str, reason: &str) -> Status {
    let reason = if reason.is_empty() { "Invalid" } else { reason };
    status.code = match reason {
        "Forbidden" => 403,
        "Unauthorized" => 401,
        "RequestEntityTooLarge" => 413,
        _ => 422,
    };
    status.reason = reason.to_owned();
    if let Some(details) = &mut status.details {
        details.causes.push(Cause { message: message.to_owned(), ..Cause::default() });
    }
    status
}

impl ApiServer {
    /// Takes note of the policies that are bound. Upstream looks every second; here a change counts at once.
    pub(in crate::apiserver) fn learn_policies(&mut self) {
        let all = |kind: &str| {
            let id = self.registry().find_kind(GROUP, kind);
            id.map(|id| self.list_silently(id, None, &Selection::default())).unwrap_or_default()
        };
        let bound = |kind: &str| {
            let bindings = all(&format!("{kind}Binding"));
            let policies = if bindings.is_empty() { Vec::new() } else { all(kind) };
            Bound { policies, bindings }
        };
        self.policies = Rc::new(Policies {
            validating: bound("ValidatingAdmissionPolicy"),
            mutating: bound("MutatingAdmissionPolicy"),
        });
    }
}

impl<'a> Request<'a> {
    fn new(server: &'a ApiServer, a: &'a Attributes<'a>, info: &ResourceInfo, obj: &Obj, old: Option<&Obj>) -> Self {
        let scale = a.subresource == "scale";
        let shown = |o: &Obj| match scale {
            true => scale_of(server.strategy(a.id), o).unwrap_or_default(),
            false => shown_object(server, info, &**o),
        };
        let deletes = a.verb == Verb::Delete;
        let object = if deletes { Value::Null } else { shown(obj) };
        let old = match old {
            Some(old) => shown(old),
            None if deletes => shown(obj),
            None => Value::Null,
        };
        let name = obj.meta().name.as_deref().unwrap_or_default();
        let kind = if scale { ("autoscaling", "v1", "Scale") } else { (info.group, info.version, info.kind) };
        Self::of(server, a, info, kind, name, (object, old))
    }

    /// The same where the object is of another kind than the resource.
    fn of(
        server: &'a ApiServer,
        a: &'a Attributes<'a>,
        info: &ResourceInfo,
        (group, version, kind): (&str, &str, &str),
        name: &str,
        (object, old): (Value, Value),
    ) -> Self {
        // A namespace is in itself.
        let is_namespace = info.resource == "namespaces" && info.group.is_empty();
        let within = if is_namespace { name } else { a.namespace };
        let kind = json!({"group": group, "version": version, "kind": kind});
        let resource = json!({"group": info.group, "version": info.version, "resource": info.resource});
        let user = &a.caller.user;
        let mut request = json!({
            "uid": "", "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "operation": operation(a.verb), "dryRun": a.dry_run, "options": {},
            "userInfo": user.to_info(),
        });
        let more = [
            ("name", name),
            ("namespace", within),
            ("subResource", a.subresource),
            ("requestSubResource", a.subresource),
        ];
        for (field, value) in more.into_iter().filter(|(_, v)| !v.is_empty()) {
            request[field] = value.into();
        }
        let namespaces = server.registry().find("", "v1", "namespaces").filter(|_| !is_namespace && !within.is_empty());
        let namespace = namespaces.and_then(|id| Some((id, server.load(id, "", within)?.0)));
        let namespace = namespace.map_or(Value::Null, |(id, o)| shown_object(server, server.registry().info(id), &*o));
        Request { server, a, info: *info, object, old, request, namespace }
    }

    /// Whether what is said of resources and selectors is true of the request.
    fn matches(&self, resources: &Value) -> bool {
        if resources.is_null() {
            return true;
        }
        let fits = |key: &str, labels: &dyn Fn(&Selector) -> bool| {
            let selector = selector_of(resources, key);
            let parsed = selector.as_ref().map(|s| Selector::from_label_selector(Some(s)));
            parsed.is_none_or(|p| p.is_ok_and(|s| s.is_empty() || labels(&s)))
        };
        let is_namespace = self.info.resource == "namespaces" && self.info.group.is_empty();
        let within = |s: &Selector| {
            let of = if is_namespace { self.either() } else { &self.namespace };
            has_labels(s, of)
        };
        if (is_namespace || !self.a.namespace.is_empty()) && !fits("namespaceSelector", &within) {
            return false;
        }
        if !fits("objectSelector", &|s| has_labels(s, &self.object) || has_labels(s, &self.old)) {
            return false;
        }
        let any = |key: &str| list_of(resources, key).iter().any(|rule| self.fits_rule(rule));
        if any("excludeResourceRules") {
            return false;
        }
        list_of(resources, "resourceRules").is_empty() || any("resourceRules")
    }

    /// The object, or where it goes the one that goes.
    fn either(&self) -> &Value {
        if self.object.is_null() { &self.old } else { &self.object }
    }

    fn fits_rule(&self, rule: &Value) -> bool {
        let one = |key: &str, wanted: &str| texts_of(rule, key).iter().any(|t| *t == "*" || *t == wanted);
        let is_namespace = self.info.resource == "namespaces" && self.info.group.is_empty();
        let scoped = match str_of(rule, "scope") {
            "Namespaced" => !is_namespace && !self.a.namespace.is_empty(),
            "Cluster" => is_namespace || self.a.namespace.is_empty(),
            _ => true,
        };
        let resource = texts_of(rule, "resources").iter().any(|r| {
            let (resource, sub) = r.split_once('/').unwrap_or((r, ""));
            (resource == "*" || resource == self.info.resource) && (sub == "*" || sub == self.a.subresource)
        });
        let names = texts_of(rule, "resourceNames");
        let named = names.is_empty() || names.contains(&str_of(&self.request, "name"));
        // The version is the stored one: whichever was spoken, its equivalent counts.
        scoped && one("operations", operation(self.a.verb)) && one("apiGroups", self.info.group) && resource && named
    }

    /// What a policy with a binding has against the request.
    fn judge(&self, policy: &DynamicObject, binding: &DynamicObject) -> Vec<Denial> {
        let spec = policy.at(&["spec"]);
        let fails = opt_str(spec, "failurePolicy") != Some("Ignore");
        let error = |message: String| if fails { vec![Denial::of(message)] } else { Vec::new() };
        let params = match self.params(spec, &binding.at(&["spec"])["paramRef"]) {
            Ok(params) => params,
            Err(why) => return error(why),
        };
        params.into_iter().flat_map(|p| Evaluation::new(self, spec, p).judge(fails)).collect()
    }

    /// The parameters to ask with: one null where a policy has none.
    fn params(&self, spec: &Value, reference: &Value) -> Result<Vec<Value>, String> {
        let kind = &spec["paramKind"];
        if kind.is_null() {
            return Ok(vec![Value::Null]);
        }
        let (api_version, kind) = (str_of(kind, "apiVersion"), str_of(kind, "kind"));
        let group = api_version.split_once('/').map_or("", |(g, _)| g);
        let Some(id) = self.server.registry().find_kind(group, kind) else {
            let version = api_version.rsplit('/').next().unwrap_or_default();
            let shown = format!("{group}/{version}, Kind={kind}");
            return Err(format!(
                "failed to configure policy: failed to find resource referenced by paramKind: '{shown}'"
            ));
        };
        if reference.is_null() {
            return Ok(vec![Value::Null]);
        }
        let configured = |why: &str| format!("failed to configure binding: {why}");
        let info = *self.server.registry().info(id);
        let asked = str_of(reference, "namespace");
        let namespace = match (info.namespaced, asked, self.a.namespace) {
            (false, "", _) => "",
            (false, _, _) => {
                return Err(configured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`"));
            }
            (true, "", "") => {
                let why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
                return Err(configured(why));
            }
            (true, "", own) => own,
            (true, asked, _) => asked,
        };
        let found: Vec<Obj> = match str_of(reference, "name") {
            "" => {
                let selector = Selector::from_label_selector(selector_of(reference, "selector").as_ref());
                let selector = selector.map_err(|e| configured(&e))?;
                let all =
                    self.server.list_silently(id, Some(namespace).filter(|n| !n.is_empty()), &Selection::default());
                all.into_iter().filter(|o| selector.matches_meta(o.meta())).collect()
            }
            name => self.server.load(id, namespace, name).map(|(o, _)| o).into_iter().collect(),
        };
        if found.is_empty() && opt_str(reference, "parameterNotFoundAction") == Some("Deny") {
            return Err(configured("no params found for policy binding with `Deny` parameterNotFoundAction"));
        }
        Ok(found.iter().map(|o| shown_object(self.server, &info, &**o)).collect())
    }

    /// Asks the authorizer for an expression.
    fn authorize(&self, question: &Question, verb: &str) -> (bool, String) {
        let user = match &question.account {
            None => self.a.caller.user.clone(),
            Some((namespace, name)) => Rc::new(User {
                name: format!("system:serviceaccount:{namespace}:{name}"),
                groups: vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".to_owned(),
                ],
                ..User::default()
            }),
        };
        let asked = Asked {
            verb,
            namespace: &question.namespace,
            group: &question.group,
            resource: &question.resource,
            subresource: &question.subresource,
            name: &question.name,
            path: &question.path,
            is_resource: question.path.is_empty(),
        };
        let decision = self.server.authorize(&user, &asked);
        (decision.allowed, decision.reason)
    }
}

fn compile(text: &str, known: Known<'_>, wanted: &[Type]) -> Result<Program, String> {
    expressions::compile(text, known, wanted).map_err(|e| format!("compilation error: {e}"))
}

fn has_labels(selector: &Selector, o: &Value) -> bool {
    let labels = serde_json::from_value(o["metadata"]["labels"].clone()).unwrap_or_default();
    !o.is_null() && selector.matches(&labels)
}

fn operation(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "CREATE",
        Verb::Update => "UPDATE",
        Verb::Delete => "DELETE",
    }
}

/// One policy asked with one set of parameters.
struct Evaluation<'r> {
    request: &'r Request<'r>,
    spec: &'r Value,
    params: Value,
    declared: expressions::Declared,
    /// What was asked for already.
    computed: RefCell<BTreeMap<String, Outcome>>,
    /// What its expressions may still cost; nothing once it wasn't enough.
    budget: Cell<Option<u64>>,
}

/// What all expressions of a policy may cost together, and what its conditions may.
const BUDGET: u64 = 10_000_000;
const CONDITIONS_BUDGET: u64 = 2_500_000;

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

impl<'r> Evaluation<'r> {
    fn new(request: &'r Request<'r>, spec: &'r Value, params: Value) -> Self {
        let known = Known { params: is_set(spec, "paramKind"), authorizer: true, ..Known::default() };
        let declared = expressions::declared(spec, known);
        let budget = Cell::new(Some(BUDGET));
        Evaluation { request, spec, params, declared, computed: RefCell::default(), budget }
    }

    /// What its expressions may name.
    fn known(&self) -> Known<'_> {
        let variables = Some(&self.declared).filter(|d| !d.is_empty());
        Known { params: is_set(self.spec, "paramKind"), authorizer: true, patches: false, variables }
    }

    /// What a variable is; those of the policy are computed when they are asked for.
    fn variable(&self, name: &str) -> Option<Outcome> {
        if let Some(have) = self.computed.borrow().get(name) {
            return Some(have.clone());
        }
        let outcome = match name.strip_prefix("variables.") {
            Some(own) => self.own_variable(own)?,
            None => Ok(self.given(name)?),
        };
        self.computed.borrow_mut().insert(name.to_owned(), outcome.clone());
        Some(outcome)
    }

    fn own_variable(&self, own: &str) -> Option<Outcome> {
        let declared = list_of(self.spec, "variables").iter().find(|v| str_of(v, "name") == own)?;
        let program = expressions::compile(str_of(declared, "expression"), self.known(), &[]);
        let failed = |how: &str, e: String| format!("composited variable {} fails to {how}: {e}", quote(own));
        Some(match program {
            Ok(p) => self.run(&p).map_err(|e| failed("evaluate", e)),
            Err(e) => Err(failed("compile", e)),
        })
    }

    /// What every policy may name.
    fn given(&self, name: &str) -> Option<Val> {
        let r = self.request;
        Some(match name {
            "object" => Val::of(&r.object),
            "oldObject" => Val::of(&r.old),
            "params" => Val::of(&self.params),
            "request" => Val::of(&r.request),
            "namespaceObject" => Val::of(&r.namespace),
            "authorizer" => Val::Question(Question::default().into()),
            "authorizer.requestResource" => Val::Question(
                Question {
                    stage: Stage::Resource,
                    group: r.info.group.to_owned(),
                    resource: r.info.resource.to_owned(),
                    subresource: r.a.subresource.to_owned(),
                    namespace: r.a.namespace.to_owned(),
                    name: str_of(&r.request, "name").to_owned(),
                    ..Question::default()
                }
                .into(),
            ),
            _ => return None,
        })
    }

    fn run(&self, program: &Program) -> Outcome {
        let authorize = |q: &Question, verb: &str| self.request.authorize(q, verb);
        let (outcome, cost) = program.eval(&|name| self.variable(name), Some(&authorize as &cel::Authorize<'_>));
        self.budget.set(self.budget.get().and_then(|left| left.checked_sub(cost)));
        outcome
    }

    fn evaluate(&self, text: &str, known: Known<'_>, wanted: &[Type]) -> Outcome {
        let program = compile(text, known, wanted)?;
        let outcome = self.run(&program);
        if self.is_spent() {
            return Err(OUT_OF_BUDGET.to_owned());
        }
        outcome.map_err(|e| format!("expression '{text}' resulted in error: {e}"))
    }

    /// Whether its expressions cost more than they may.
    fn is_spent(&self) -> bool {
        self.budget.get().is_none()
    }

    fn judge(&self, fails: bool) -> Vec<Denial> {
        let error = |why: String| if fails { vec![Denial::of(why)] } else { Vec::new() };
        match self.applies() {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(why) => return error(why),
        }
        self.budget.set(Some(BUDGET));
        let validations = list_of(self.spec, "validations");
        let mut outcomes = Vec::new();
        for v in validations {
            outcomes.push(self.evaluate(str_of(v, "expression"), self.known(), &[cel::BOOL]));
            if self.is_spent() {
                return error(OUT_OF_BUDGET.to_owned());
            }
        }
        // All messages are computed, whether anybody will read them or not.
        let said: Vec<Option<String>> = validations.iter().map(|v| self.said(v)).collect();
        let mut denials = Vec::new();
        for ((v, outcome), said) in validations.iter().zip(outcomes).zip(said) {
            match outcome {
                Err(why) => denials.extend(error(why)),
                Ok(_) if self.is_spent() => {
                    denials.extend(error(format!("failed messageExpression: {OUT_OF_BUDGET}")));
                }
                Ok(Val::Bool(true)) => {}
                Ok(_) => {
                    let reason = str_of(v, "reason").to_owned();
                    denials.push(Denial { message: message(v, said), reason });
                }
            }
        }
        denials
    }

    /// Whether all its conditions are met: one that isn't settles it, whatever becomes of the others.
    fn applies(&self) -> Result<bool, String> {
        self.budget.set(Some(CONDITIONS_BUDGET));
        let (mut failed, mut met) = (Vec::new(), true);
        for c in list_of(self.spec, "matchConditions") {
            match self.evaluate(str_of(c, "expression"), self.known(), &[cel::BOOL]) {
                Ok(Val::Bool(false)) => met = false,
                Ok(_) => {}
                Err(why) if self.is_spent() => return Err(why),
                Err(why) => failed.push(why),
            }
        }
        self.budget.set(Some(BUDGET));
        if !met {
            return Ok(false);
        }
        match failed.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }

    /// What a validation's own expression says, if it is fit to be read.
    fn said(&self, validation: &Value) -> Option<String> {
        let expression = opt_str(validation, "messageExpression").filter(|e| !e.trim().is_empty())?;
        let known = Known { authorizer: false, ..self.known() };
        match self.evaluate(expression, known, &[STRING]) {
            Ok(Val::Text(text)) => Some(text.trim().to_owned())
                .filter(|m| !m.is_empty() && m.len() <= MESSAGE_BYTES_MAX && !m.contains('\n')),
            _ => None,
        }
    }
}

/// Why a validation refuses.
fn message(validation: &Value, said: Option<String>) -> String {
    said.unwrap_or_else(|| match str_of(validation, "message").trim() {
        "" => format!("failed expression: {}", str_of(validation, "expression").trim()),
        own => own.to_owned(),
    })
}
