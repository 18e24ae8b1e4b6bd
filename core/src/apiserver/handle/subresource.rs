//! Subresources: status, binding, eviction, token, finalize, and what a kubelet answers.
//! Models `pkg/registry/core/pod/{storage,rest}`.

use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use serde_json::{Value, json};

use super::options;
use super::{ApiServer, Body, Context, KubeletCall, Response, encode, log_options, negotiate};
use crate::api::decode::{self, show_seconds};
use crate::api::field::{Error, Path, quote};
use crate::api::object::typed;
use crate::api::status::Status;
use crate::apiserver::admission;
use crate::apiserver::auth::{ISSUER, TokenClaims};
use crate::apiserver::binding::Bind;
use crate::registry::Served;

const TOKEN_GROUP: &str = "authentication.k8s.io";

/// metav1.Status of success with a code, which creates of bindings and evictions answer.
fn created() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

impl ApiServer {
    pub(super) fn subresource(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let sub = cx.info.subresource.as_str();
        let method = cx.request.method.as_str();
        if cx.info.name.is_empty() || (served.info.namespaced && cx.info.namespace.is_empty()) {
            return Err(Status::method_not_allowed());
        }
        match (sub, method) {
            ("scale", "GET") => self.scale_read(cx, served),
            ("scale", "PUT" | "PATCH") => self.scale_response(cx, served),
            ("binding", "POST") => self.binding_response(cx, &cx.info.name),
            ("eviction", "POST") => self.eviction_response(cx),
            ("token", "POST") => self.token_response(cx),
            ("finalize", "PUT") => self.update_response(cx, served, "finalize"),
            ("log", "GET") => self.log_response(cx),
            ("exec" | "attach", "GET" | "POST") => {
                self.exec_response(cx, if sub == "exec" { "exec" } else { "attach" })
            }
            ("portforward", "GET" | "POST") => {
                options::check_ports(&cx.query)?;
                let pod = self.pod_of(cx)?;
                if node_of(&pod).is_empty() {
                    return Err(no_host(&cx.info.name));
                }
                Ok(kubelet(cx, &pod, String::new(), "portforward"))
            }
            ("proxy", _) => self.proxy_response(cx, served),
            ("status" | "ephemeralcontainers" | "resize" | "approval", "GET") => {
                let (accepted, include) = Self::presentation(cx)?;
                let o = self.get(&cx.caller, served.id, Self::namespace_of(cx, served), &cx.info.name)?;
                Ok(self.object_response(200, &*o, served, accepted, include))
            }
            ("status", "PUT") => self.update_response(cx, served, "status"),
            ("status", "PATCH") => self.patch_response(cx, served, "status"),
            ("ephemeralcontainers", "PUT") => self.update_response(cx, served, "ephemeralcontainers"),
            ("ephemeralcontainers", "PATCH") => self.patch_response(cx, served, "ephemeralcontainers"),
            ("resize", "PUT") => self.update_response(cx, served, "resize"),
            ("resize", "PATCH") => self.patch_response(cx, served, "resize"),
            ("approval", "PUT") => self.update_response(cx, served, "approval"),
            ("approval", "PATCH") => self.patch_response(cx, served, "approval"),
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// Binds a pod; `name` is empty for the old collective path, where the body names it.
    pub(super) fn binding_response(&mut self, cx: &Context<'_>, name: &str) -> Result<Response, Status> {
        let (accepted, _) = Self::presentation(cx)?;
        let format = negotiate::body_format(cx.request)?;
        let o = options::write(cx, "CreateOptions", None)?;
        let d = decode::decode_object(&cx.request.body, format, "v1", "Binding", o.validation)?;
        self.warnings.extend(|| d.warnings.clone());
        let given = text(&d.value["metadata"]["name"]);
        if name.is_empty() && given.is_empty() {
            return Err(Status::bad_request("Name parameter required."));
        }
        let namespace = text(&d.value["metadata"]["namespace"]);
        if !namespace.is_empty() && namespace != cx.info.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let name = if name.is_empty() { given.clone() } else { name.to_owned() };
        let (Some(id), namespace) = (self.registry.id_of::<Pod>(), cx.info.namespace.as_str()) else {
            return Err(Status::method_not_allowed());
        };
        let (caller, verb) = (&cx.caller, admission::Verb::Create);
        let a = admission::Attributes { caller, id, namespace, subresource: "binding", verb, dry_run: o.dry_run };
        admission::admit_taken(self, &a, &name)?;
        if given != name {
            return Err(Status::bad_request("name in URL does not match name in Binding object"));
        }
        let target = &d.value["target"];
        // Upstream returns the bare aggregate here, which becomes an answer without a reason.
        let mut errors = Vec::new();
        let kind = text(&target["kind"]);
        if !kind.is_empty() && kind != "Node" {
            errors.push(Error::not_supported(&Path::new("target").child("kind"), &kind, &["Node", "<empty>"]));
        }
        if text(&target["name"]).is_empty() {
            errors.push(Error::required(&Path::new("target").child("name"), ""));
        }
        if !errors.is_empty() {
            return Err(Status::other(500, "", crate::api::field::aggregate(&errors)));
        }
        admission::validate_taken(self, &a, ("", "v1", "Binding"), (&name, &d.value))?;
        let texts = |field: &str| serde_json::from_value(d.value["metadata"][field].clone()).unwrap_or_default();
        let bind = Bind {
            node: text(&target["name"]),
            uid: text(&d.value["metadata"]["uid"]),
            resource_version: text(&d.value["metadata"]["resourceVersion"]),
            labels: texts("labels"),
            annotations: texts("annotations"),
            dry_run: o.dry_run,
        };
        self.bind(&cx.caller, &cx.info.namespace, &name, &bind)?;
        Ok(encode::value(201, &created(), accepted))
    }

    fn eviction_response(&mut self, cx: &Context<'_>) -> Result<Response, Status> {
        let (accepted, _) = Self::presentation(cx)?;
        let format = negotiate::body_format(cx.request)?;
        let o = options::write(cx, "CreateOptions", None)?;
        // The older version says the same and is still taken.
        let old =
            decode::bind_bytes(&cx.request.body, format, None).is_ok_and(|b| b.value["apiVersion"] == "policy/v1beta1");
        let version = if old { "policy/v1beta1" } else { "policy/v1" };
        let mut value = decode::decode_object(&cx.request.body, format, version, "Eviction", o.validation)?.value;
        let given = value["metadata"]["namespace"].as_str().unwrap_or_default();
        if !given.is_empty() && given != cx.info.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let (Some(id), namespace) = (self.registry.id_of::<Pod>(), cx.info.namespace.as_str()) else {
            return Err(Status::method_not_allowed());
        };
        let (caller, verb) = (&cx.caller, admission::Verb::Create);
        let a = admission::Attributes { caller, id, namespace, subresource: "eviction", verb, dry_run: o.dry_run };
        admission::admit_taken(self, &a, &cx.info.name)?;
        if text(&value["metadata"]["name"]) != cx.info.name {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        check_eviction_options(cx, &value["deleteOptions"])?;
        admission::validate_taken(self, &a, ("policy", "v1", "Eviction"), (&cx.info.name, &value))?;
        let options = serde_json::from_value(value["deleteOptions"].take()).unwrap_or_default();
        options::check_delete(&options)?;
        let refusal = self.evict(&cx.caller, &cx.info.namespace, &cx.info.name, options, o.dry_run)?;
        let body = refusal.map_or_else(created, |refusal| refusal.to_value());
        Ok(encode::value(201, &body, accepted))
    }

    fn token_response(&mut self, cx: &Context<'_>) -> Result<Response, Status> {
        let (accepted, _) = Self::presentation(cx)?;
        let format = negotiate::body_format(cx.request)?;
        let o = options::write(cx, "CreateOptions", None)?;
        let api = "authentication.k8s.io/v1";
        let d = decode::decode_object(&cx.request.body, format, api, "TokenRequest", o.validation)?;
        self.warnings.extend(|| d.warnings.clone());
        let mut body = d.value;
        let (namespace, name) = (&cx.info.namespace, &cx.info.name);
        check_token_request(&body["metadata"], namespace, name)?;
        if let Some(id) = self.registry.id_of::<ServiceAccount>() {
            let (caller, verb) = (&cx.caller, admission::Verb::Create);
            let a = admission::Attributes { caller, id, namespace, subresource: "token", verb, dry_run: o.dry_run };
            admission::admit_taken(self, &a, name)?;
        }
        let Some(account) = self.one_of::<ServiceAccount>(namespace, name) else {
            return Err(Status::not_found("", "serviceaccounts", name));
        };
        let (asked, have) =
            (text(&body["metadata"]["uid"]), account.metadata.uid.as_deref().unwrap_or_default().to_owned());
        if !asked.is_empty() && asked != have {
            let why = format!(
                "the UID in the token request ({asked}) does not match the UID of the service account ({have})"
            );
            return Err(Status::conflict(TOKEN_GROUP, "TokenRequest", name, &why));
        }
        let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
        let spec = Path::new("spec");
        let path = spec.child("expirationSeconds");
        let mut errors = Vec::new();
        if seconds < 600 {
            errors.push(Error::invalid(&path, &json!(seconds), "may not specify a duration less than 10 minutes"));
        } else if seconds > 1 << 32 {
            errors.push(Error::invalid(&path, &json!(seconds), "may not specify a duration larger than 2^32 seconds"));
        }
        if !errors.is_empty() {
            return Err(Status::invalid(TOKEN_GROUP, "TokenRequest", "", &errors));
        }
        let mut audiences: Vec<String> = body["spec"]["audiences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|a| a.as_str().map(str::to_owned))
            .collect();
        if audiences.is_empty() {
            audiences.push(ISSUER.to_owned());
        }
        let bound = self.bound_object(cx, &body["spec"]["boundObjectRef"])?;
        let node = bound.as_ref().filter(|(kind, ..)| kind == "Pod").and_then(|(_, pod, _)| {
            let node = node_of(&*self.one_of::<Pod>(namespace, pod)?).to_owned();
            let uid = self.one_of::<Node>("", &node).and_then(|n| n.metadata.uid.clone());
            (!node.is_empty()).then_some((node, uid))
        });
        let claims = TokenClaims {
            namespace: namespace.clone(),
            account: name.clone(),
            account_uid: account.metadata.uid.clone().unwrap_or_default(),
            audiences: audiences.clone(),
            bound,
            node,
            expires_in_seconds: seconds,
        };
        let now = self.sim.timestamp();
        let until = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now);
        let own = [("name", name), ("namespace", namespace), ("uid", &have), ("creationTimestamp", &show_seconds(now))];
        own.into_iter().for_each(|(key, value)| body["metadata"][key] = value.as_str().into());
        body["spec"]["audiences"] = json!(audiences);
        body["spec"]["expirationSeconds"] = json!(seconds);
        body["status"] = json!({"token": self.issue_token(&claims), "expirationTimestamp": show_seconds(until)});
        Ok(encode::value(201, &encode::completed(body), accepted))
    }

    /// What a token is to be bound to, if it exists.
    fn bound_object(&self, cx: &Context<'_>, bound: &Value) -> Result<Option<(String, String, String)>, Status> {
        if bound.is_null() {
            return Ok(None);
        }
        let text = |key: &str| bound[key].as_str().unwrap_or_default();
        let (kind, name, api_version) = (text("kind"), text("name"), text("apiVersion"));
        let resource = match kind {
            "Pod" if !api_version.contains('/') => "pods",
            "Secret" if !api_version.contains('/') => "secrets",
            "Node" if !api_version.contains('/') => "nodes",
            other => {
                let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                return Err(Status::bad_request(format!(
                    "cannot bind token to object of type {group}/{version}, Kind={other}"
                )));
            }
        };
        let namespace = if kind == "Node" { "" } else { cx.info.namespace.as_str() };
        let found = self.registry.find("", "v1", resource).and_then(|id| self.load(id, namespace, name));
        let Some((object, _)) = found else { return Err(Status::not_found("", resource, name)) };
        if let Some(pod) = typed::<Pod>(&*object)
            && pod.spec.as_ref().and_then(|s| s.service_account_name.as_deref()).unwrap_or_default() != cx.info.name
        {
            return Err(Status::bad_request(format!(
                "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                quote(&cx.info.name)
            )));
        }
        let uid = object.meta().uid.clone().unwrap_or_default();
        if !text("uid").is_empty() && text("uid") != uid {
            let why = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
                text("uid")
            );
            return Err(Status::conflict("", kind, name, &why));
        }
        Ok(Some((kind.to_owned(), name.to_owned(), uid)))
    }

    fn pod_of(&self, cx: &Context<'_>) -> Result<std::rc::Rc<Pod>, Status> {
        self.one_of::<Pod>(&cx.info.namespace, &cx.info.name)
            .ok_or_else(|| Status::not_found("", "pods", &cx.info.name))
    }

    fn log_response(&mut self, cx: &Context<'_>) -> Result<Response, Status> {
        log_options::check(&cx.query, &cx.info.name)?;
        let pod = self.pod_of(cx)?;
        let container = container_of(
            &pod,
            cx.query.get("container").unwrap_or_default(),
            "kubectl.kubernetes.io/default-logs-container",
            false,
        )?;
        if node_of(&pod).is_empty() {
            // Nothing runs yet, so there is nothing to say.
            return Ok(Response { code: 204, headers: Vec::new(), body: Body::Full(Vec::new()) });
        }
        Ok(kubelet(cx, &pod, container, "log"))
    }

    fn exec_response(&mut self, cx: &Context<'_>, what: &'static str) -> Result<Response, Status> {
        let pod = self.pod_of(cx)?;
        let container = container_of(
            &pod,
            cx.query.get("container").unwrap_or_default(),
            "kubectl.kubernetes.io/default-container",
            true,
        )?;
        if node_of(&pod).is_empty() {
            return Err(no_host(&cx.info.name));
        }
        Ok(kubelet(cx, &pod, container, what))
    }
}

/// What the delete options of an eviction may say besides. Models `propagateDryRun` and what is checked before it.
fn check_eviction_options(cx: &Context<'_>, options: &Value) -> Result<(), Status> {
    const IGNORE: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";
    if options[IGNORE] == true {
        let path = Path::new("deleteOptions");
        let why = "can not be set for pod eviction, try after removing the option";
        let errors = vec![Error::invalid(&path.child(IGNORE), &true.into(), why)];
        return Err(Status::invalid("policy", "Eviction", &cx.info.name, &errors));
    }
    let asked: Vec<&str> = cx.query.all("dryRun").collect();
    let given: Vec<&str> = options["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !asked.is_empty() && !given.is_empty() && asked != given {
        let (asked, given) = (asked.join(" "), given.join(" "));
        let why = format!("Non-matching dry-run options in request and content: [{asked}] and [{given}]");
        return Err(Status::other(500, "", why));
    }
    Ok(())
}

/// Nobody runs the pod, so nobody can be asked about it.
fn no_host(pod: &str) -> Status {
    Status::bad_request(format!("pod {pod} does not have a host assigned"))
}

/// A string, empty where there is none.
fn text(v: &Value) -> String {
    v.as_str().unwrap_or_default().to_owned()
}

/// A TokenRequest that names an account at all must name that of the path.
fn check_token_request(metadata: &Value, namespace: &str, name: &str) -> Result<(), Status> {
    let given = text(&metadata["namespace"]);
    if !given.is_empty() && given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let given = text(&metadata["name"]);
    if given.is_empty() || given == name {
        return Ok(());
    }
    let why = "must match the service account name if specified";
    let errors = vec![Error::invalid_str(&Path::new("metadata").child("name"), &given, why)];
    Err(Status::invalid(TOKEN_GROUP, "TokenRequest", name, &errors))
}

fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default()
}

/// The container that is meant. Models `podutil` as `LogLocation` and `streamLocation` use it.
fn container_of(pod: &Pod, asked: &str, annotation: &str, exec: bool) -> Result<String, Status> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let Some(spec) = &pod.spec else { return Ok(String::new()) };
    let init = spec.init_containers.iter().flatten().map(|c| c.name.as_str());
    let main = spec.containers.iter().map(|c| c.name.as_str());
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|c| c.name.as_str());
    let (init, main, ephemeral): (Vec<_>, Vec<_>, Vec<_>) = (init.collect(), main.collect(), ephemeral.collect());
    if !asked.is_empty() {
        let known = init.contains(&asked) || main.contains(&asked) || ephemeral.contains(&asked);
        return if known {
            Ok(asked.to_owned())
        } else {
            Err(Status::bad_request(format!("container {asked} is not valid for pod {name}")))
        };
    }
    let _ = exec;
    let noted = pod.metadata.annotations.as_ref().and_then(|a| a.get(annotation));
    if let Some(noted) = noted.filter(|n| main.contains(&n.as_str())) {
        return Ok(noted.clone());
    }
    match main.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
        many => {
            let mut why =
                format!("a container name must be specified for pod {name}, choose one of: [{}]", many.join(" "));
            if !init.is_empty() {
                why.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
            }
            if !ephemeral.is_empty() {
                why.push_str(&format!(" or one of the ephemeral containers: [{}]", ephemeral.join(" ")));
            }
            Err(Status::bad_request(why))
        }
    }
}

fn kubelet(cx: &Context<'_>, pod: &Pod, container: String, what: &'static str) -> Response {
    let call = KubeletCall {
        node: node_of(pod).to_owned(),
        namespace: cx.info.namespace.clone(),
        pod: cx.info.name.clone(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        container,
        what,
        path: cx.info.rest.clone(),
        query: cx.query.pairs().to_vec(),
        to: None,
    };
    Response { code: 200, headers: Vec::new(), body: Body::Kubelet(Box::new(call)) }
}
