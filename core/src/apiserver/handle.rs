//! The front door: HTTP requests in, HTTP responses out, through the whole chain.
//!
//! Authentication, impersonation, authorization, then the verb. Models `staging/src/k8s.io/apiserver/pkg/server/config.go`
//! (DefaultBuildHandlerChain) and `pkg/endpoints`. Knows nothing of sockets: a door elsewhere turns bytes into `Request`.

mod component_status;
mod discovery;
mod encode;
pub(super) mod encoded;
mod info;
mod log_options;
pub(super) mod metrics;
mod negotiate;
mod nonresource;
mod openapi;
mod options;
mod proxy;
mod reviews;
pub(super) mod scale;
mod subresource;
pub(super) mod url;
mod verbs;
mod virtual_resources;
mod watch;
mod write;

use std::net::IpAddr;
use std::rc::Rc;

pub use info::RequestInfo;
pub use watch::WatchBody;

use super::{ApiServer, Caller, User};
use crate::api::object::Object;
use crate::api::status::Status;
use crate::sim::ProcessId;

/// A request as HTTP has it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The process that it comes from.
    pub process: ProcessId,
    /// Who a client certificate says that it is, where the door took one.
    pub certificate: Option<User>,
    /// Whether the client lives in real time: then its door ends its watches, when [`WatchBody::timeout`] has passed there.
    pub real_time: bool,
}

/// An object of a kind as clients see it in the version that is stored.
pub(super) fn shown_object(
    server: &ApiServer,
    info: &crate::registry::ResourceInfo,
    o: &dyn Object,
) -> serde_json::Value {
    let served = server.registry().served(info.group, info.version, info.resource);
    served.map_or_else(|| o.to_value(), |served| encode::object(o, &served))
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// An answer as HTTP has it.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub code: u16,
    /// Names in their usual case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

/// What an answer carries.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Full(Vec<u8>),
    /// A stream of watch events, until it ends.
    Watch(Box<WatchBody>),
    /// Nothing yet: the pod's kubelet has to answer, through whoever holds the cluster.
    Kubelet(Box<KubeletCall>),
}

/// A request that the api-server passes on to a kubelet.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeletCall {
    /// The node whose kubelet it is for.
    pub node: String,
    /// The pod's namespace; empty for calls about the node itself.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container; empty where the call needs none.
    pub container: String,
    /// `log`, `exec`, `attach`, `portforward`, `proxy`.
    pub what: &'static str,
    /// The rest of the path, for proxies.
    pub path: String,
    /// The query's parameters in order.
    pub query: Vec<(String, String)>,
    /// For proxies, where the request goes; none for the kubelet itself.
    pub to: Option<(IpAddr, u16)>,
}

impl KubeletCall {
    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Whether a parameter is set and not false.
    pub fn flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(info::is_true)
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}

impl Response {
    pub(super) fn text(code: u16, text: impl Into<String>) -> Self {
        Response {
            code,
            headers: vec![
                ("Content-Type", "text/plain; charset=utf-8".into()),
                ("X-Content-Type-Options", "nosniff".into()),
            ],
            body: Body::Full(text.into().into_bytes()),
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Upstream's bound on a request's body.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What the steps after authorization know of a request.
struct Context<'a> {
    request: &'a Request,
    info: RequestInfo,
    query: url::Query,
    caller: Caller,
}

impl ApiServer {
    /// Answers a request.
    pub fn handle(&mut self, request: &Request) -> Response {
        self.warnings.begin();
        let mut response = self.route(request);
        for warning in self.warnings.take() {
            response.headers.push(("Warning", format!("299 - {}", crate::api::field::quote(&warning))));
        }
        if wants_indentation(request) {
            encode::indent(&mut response);
        }
        if request.method == "HEAD" {
            response.body = Body::Full(Vec::new());
        }
        response
    }

    /// Applies to what the path names in the api-server's own name, whoever else manages the fields.
    pub(super) fn apply_own(&mut self, manager: &str, path: &str, body: &serde_json::Value) {
        let caller = Caller { manager: manager.into(), ..self.loopback() };
        // If etcd can't be reached, whatever is to be said is said at the next occasion.
        let _ = self.apply_as(caller, path, body);
    }

    /// Applies to what the path names in the caller's name, whoever else manages the fields: a component's `Apply` with `Force`.
    pub(crate) fn apply_as(&mut self, caller: Caller, path: &str, body: &serde_json::Value) -> Result<(), Status> {
        let request = Request {
            method: "PATCH".into(),
            path: path.to_owned(),
            query: format!("fieldManager={}&force=true", caller.manager),
            headers: vec![("Content-Type".into(), "application/apply-patch+yaml".into())],
            body: body.to_string().into_bytes(),
            process: caller.process,
            ..Request::default()
        };
        let query = url::Query::parse(&request.query);
        let info = RequestInfo::new(&request.method, path, &query);
        self.resource(&Context { request: &request, info, query, caller }).map(|_| ())
    }

    fn route(&mut self, request: &Request) -> Response {
        let negotiated = negotiate::errors(request);
        let fail = |status: Status| encode::status(&status, negotiated);
        let Some(path) = url::decode_path(&request.path) else {
            return Response::text(400, "400 Bad Request");
        };
        let query = url::Query::parse(&request.query);
        let info = RequestInfo::new(&request.method, &path, &query);
        if let Err(status) = check_timeout(&info, &query) {
            return fail(status);
        }
        let user = match self.authenticate(request) {
            Ok(user) => user,
            Err(status) => return fail(status),
        };
        let user = match self.impersonate(request, &info, user) {
            Ok(user) => user,
            Err(status) => return fail(status),
        };
        if let Err(status) = self.authorize_request(&user, &info) {
            return fail(status);
        }
        let manager = match query.get("fieldManager") {
            Some(m) if !m.is_empty() => m.to_owned(),
            _ => manager_of(request.header("User-Agent").unwrap_or_default()),
        };
        let caller = Caller { process: request.process, user: Rc::new(user), manager: manager.into() };
        let translated = match self.without_protobuf(request) {
            Ok(translated) => translated,
            Err(status) => return fail(status),
        };
        let context = Context { request: translated.as_ref().unwrap_or(request), info, query, caller };
        if !context.info.is_resource {
            return self.non_resource(&context, &path).unwrap_or_else(fail);
        }
        if request.body.len() > BODY_BYTES_MAX && !matches!(request.method.as_str(), "GET" | "HEAD") {
            return fail(Status::request_entity_too_large(format!("limit is {BODY_BYTES_MAX}")));
        }
        self.resource(&context).unwrap_or_else(fail)
    }
}

impl ApiServer {
    /// A request with its protobuf body turned into JSON; `None` if it has none, or if nobody here reads protobuf.
    fn without_protobuf(&self, request: &Request) -> Result<Option<Request>, Status> {
        const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
        let header = request.header("Content-Type").unwrap_or_default();
        let is_protobuf = header.split(';').next().unwrap_or_default().trim() == PROTOBUF;
        let Some(numbers) = self.extras.protobuf.as_ref().filter(|_| is_protobuf && request.method != "PATCH") else {
            return Ok(None);
        };
        if request.body.len() > BODY_BYTES_MAX {
            return Ok(None);
        }
        let body = if request.body.is_empty() {
            Vec::new()
        } else {
            let value = numbers.decode(&request.body).map_err(Status::bad_request)?;
            serde_json::to_vec(&value).unwrap_or_default()
        };
        let mut request = Request {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body,
            process: request.process,
            certificate: request.certificate.clone(),
            real_time: request.real_time,
        };
        for (name, value) in &mut request.headers {
            if name.eq_ignore_ascii_case("Content-Type") {
                *value = "application/json".into();
            }
        }
        Ok(Some(request))
    }
}

/// The field manager that a User-Agent stands for: its first part, printable characters only.
fn manager_of(user_agent: &str) -> String {
    let first = user_agent.split('/').next().unwrap_or_default();
    first.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// Whether a person reads the answer. Models `isPrettyPrint`.
fn wants_indentation(request: &Request) -> bool {
    if request.query.contains("pretty")
        && let Some(asked) = url::Query::parse(&request.query).get("pretty").filter(|p| !p.is_empty())
    {
        return matches!(asked, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = request.header("User-Agent").unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|a| agent.starts_with(a))
}

/// How long the client would wait must be a duration, where the request ends at all. Models `withRequestDeadline`.
fn check_timeout(info: &RequestInfo, query: &url::Query) -> Result<(), Status> {
    const STREAMS: &[&str] = &["attach", "exec", "log", "portforward", "proxy"];
    if matches!(info.verb.as_str(), "watch" | "proxy") || STREAMS.contains(&info.subresource.as_str()) {
        return Ok(());
    }
    let asked = query.get("timeout").filter(|t| !t.is_empty());
    let wrong = asked.and_then(|t| crate::api::duration::parse(t).err());
    wrong
        .map_or(Ok(()), |why| Err(Status::bad_request(format!("invalid timeout specified in the request URL - {why}"))))
}
