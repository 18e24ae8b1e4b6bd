//! Requests passed on to servers in pods, and to kubelets. Models apimachinery's `pkg/util/proxy`.

use std::time::Duration;

use podarium_core::api::status::Status;
use podarium_core::apiserver::{KubeletCall, Request};
use podarium_core::cluster::Cluster;
use podarium_core::network::{HttpError, HttpRequest, HttpResponse};
use podarium_core::runtime::engine::NetError;
use tokio::sync::oneshot;

use crate::http::{Answer, AnswerBody, error};

/// Upstream's --request-timeout.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Headers that belong to one connection, and those that are ours to answer.
const NOT_PASSED_ON: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Passes a request on; the answer comes later.
pub fn start(cluster: &Cluster, call: &KubeletCall, request: &Request) -> oneshot::Receiver<Answer> {
    let (told, answer) = oneshot::channel();
    let Some(to) = call.to else {
        // The receiver is still in our hands.
        let _ = told.send(kubelet(cluster, call));
        return answer;
    };
    let path = if call.path.starts_with('/') { call.path.clone() } else { format!("/{}", call.path) };
    let path = if request.query.is_empty() { path } else { format!("{path}?{}", request.query) };
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| !NOT_PASSED_ON.iter().any(|n| name.eq_ignore_ascii_case(n)))
        .cloned()
        .collect();
    // It is passed through as it comes.
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("accept-encoding"));
    headers.push(("X-Forwarded-Uri".to_owned(), request.path.clone()));
    let request = HttpRequest {
        method: request.method.clone(),
        path,
        host: format!("{}:{}", to.0, to.1),
        headers,
        body: request.body.clone(),
        ..HttpRequest::default()
    };
    let (network, machine) = (cluster.network().clone(), cluster.control_plane());
    cluster.spawn_outside(async move {
        let answered = network.http(machine, to, &request, TIMEOUT).await;
        let answer = answered.map_or_else(|e| error(&unreachable(to, &e)), answer_of);
        // A client that has left need not be told.
        let _ = told.send(answer);
    });
    answer
}

/// What a kubelet says of itself.
fn kubelet(cluster: &Cluster, call: &KubeletCall) -> Answer {
    let failed = |why: String| error(&Status::service_unavailable(format!("error trying to reach service: {why}")));
    match cluster.dial_kubelet(&call.node) {
        Err(why) => failed(why),
        Ok(_) => match call.path.trim_matches('/') {
            "healthz" => text(200, "ok"),
            _ => text(404, "404 page not found\n"),
        },
    }
}

fn text(code: u16, text: &str) -> Answer {
    let headers = vec![("Content-Type".into(), "text/plain; charset=utf-8".to_owned())];
    Answer { code, headers, body: AnswerBody::Full(text.as_bytes().to_vec()) }
}

fn answer_of(response: HttpResponse) -> Answer {
    let passed_on = |name: &str| !NOT_PASSED_ON.iter().any(|n| name.eq_ignore_ascii_case(n));
    let headers = response.headers.into_iter().filter(|(name, _)| passed_on(name));
    Answer {
        code: response.status,
        headers: headers.map(|(name, value)| (name.into(), value)).collect(),
        body: AnswerBody::Full(response.body),
    }
}

fn unreachable(to: (std::net::IpAddr, u16), e: &HttpError) -> Status {
    let why = match e {
        // The dialler's own limit comes before the kernel's.
        HttpError::Connect(NetError::TimedOut) => HttpError::TimedOut { connected: false }.in_go(to),
        HttpError::TimedOut { connected: true } => "net/http: timeout awaiting response headers".to_owned(),
        e => e.in_go(to),
    };
    Status::service_unavailable(format!("error trying to reach service: {why}"))
}
