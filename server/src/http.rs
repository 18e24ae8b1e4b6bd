//! Requests of real clients turned into the cluster's, and its answers into theirs.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header, request};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use podarium_core::api::status::Status;
use podarium_core::apiserver::{self, KubeletCall};
use podarium_core::cluster::Cluster;
use tokio::sync::oneshot;

use crate::gzip;
use crate::kubelet;
use crate::pipe::{Source, way_out};
use crate::proxy;
use crate::tank::Tank;
use crate::tls::{Certificate, Peer};
use crate::upgrade;
use crate::watch::{self, Watch};

/// Upstream's bound on a request's body; one more byte is let through, so that the api-server says what it says.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// How much of a body that is too large is read and thrown away, so that its sender gets to read the answer.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// Upstream's --request-timeout: how long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What the handler of all requests knows.
#[derive(Clone)]
pub struct Door {
    /// The way to the cluster.
    pub tank: Tank,
    /// Whether a token may stand at the beginning of the path: over plain HTTP kubectl sends none in a header.
    pub token_in_path: bool,
}

/// An answer on its way from the cluster's thread.
pub struct Answer {
    pub code: u16,
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: AnswerBody,
}

/// What an answer carries.
pub enum AnswerBody {
    Full(Vec<u8>),
    Stream(Source),
    /// A stream that ends after so long.
    Watch(Source, Duration),
}

/// What the cluster's thread makes of a request.
enum Served {
    Answer(Answer),
    /// An answer that comes later.
    Later(oneshot::Receiver<Answer>),
    /// Streams of a kubelet's, if the client can speak them.
    Stream(Box<KubeletCall>),
}

/// Answers a request.
pub async fn handle(door: &Door, peer: &Peer, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let accepts_gzip = gzip::accepted(&parts.headers);
    let audit_id = parts.headers.get("audit-id").cloned();
    let answered = match door.answer(peer, &parts, body).await {
        Ok(Served::Answer(answer)) => Ok(respond(answer, accepts_gzip)),
        Ok(Served::Later(answer)) => match answer.await {
            Ok(answer) => Ok(respond(answer, false)),
            Err(_) => Err(Status::service_unavailable("the cluster has ended")),
        },
        Ok(Served::Stream(call)) => upgrade::answer(&door.tank, &mut parts, *call).await,
        Err(status) => Err(status),
    };
    let mut response = answered.unwrap_or_else(|status| respond(error(&status), false));
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    if let Some(id) = audit_id {
        headers.insert("audit-id", id);
    }
    response
}

impl Door {
    async fn answer(&self, peer: &Peer, parts: &request::Parts, body: Body) -> Result<Served, Status> {
        let wanted = self.request(peer, parts, body).await?;
        let tank = self.tank.clone();
        self.tank
            .ask(move |cluster| serve(cluster, &tank, wanted))
            .await
            .map_err(|gone| Status::service_unavailable(gone.to_string()))
    }

    /// The request as the api-server takes it.
    async fn request(&self, peer: &Peer, parts: &request::Parts, body: Body) -> Result<apiserver::Request, Status> {
        let mut headers = header_list(&parts.headers);
        if !parts.headers.contains_key(header::HOST)
            && let Some(authority) = parts.uri.authority()
        {
            headers.push(("Host".to_owned(), authority.as_str().to_owned()));
        }
        let mut path = parts.uri.path().to_owned();
        if self.token_in_path
            && let Some((token, rest)) = path.strip_prefix(TOKEN_PATH).and_then(|p| p.split_once('/'))
        {
            if !parts.headers.contains_key(header::AUTHORIZATION) {
                headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
            }
            path = format!("/{rest}");
        }
        let certificate = match &peer.certificate {
            Certificate::Of(user) => Some(user.clone()),
            Certificate::Invalid if !parts.headers.contains_key(header::AUTHORIZATION) => {
                return Err(Status::unauthorized());
            }
            _ => None,
        };
        let body = read(body).await?;
        Ok(apiserver::Request {
            method: parts.method.as_str().to_owned(),
            path,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            body,
            certificate,
            real_time: true,
            ..apiserver::Request::default()
        })
    }
}

/// Where a token stands in the path.
pub const TOKEN_PATH: &str = "/token/";

/// Answers on the cluster's thread.
fn serve(cluster: &mut Cluster, tank: &Tank, mut request: apiserver::Request) -> Served {
    request.process = cluster.outside();
    let Some(response) = cluster.serve(&request) else {
        return Served::Answer(error(&Status::service_unavailable("no kube-apiserver is running")));
    };
    let body = match response.body {
        apiserver::Body::Full(bytes) => AnswerBody::Full(bytes),
        apiserver::Body::Watch(events) => {
            let (sink, source) = way_out(cluster.sim(), tank);
            let timeout = events.timeout();
            cluster.spawn_outside(watch::carry(events, sink));
            AnswerBody::Watch(source, timeout)
        }
        apiserver::Body::Kubelet(call) => {
            let answer = match call.what {
                "log" => kubelet::log(cluster, tank, &call),
                "exec" | "attach" | "portforward" => return Served::Stream(call),
                _ => return Served::Later(proxy::start(cluster, &call, &request)),
            };
            return Served::Answer(answer.unwrap_or_else(|status| error(&status)));
        }
    };
    let headers = response.headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Served::Answer(Answer { code: response.code, headers, body })
}

/// A failure as upstream writes one.
pub fn error(status: &Status) -> Answer {
    Answer {
        code: status.code,
        headers: vec![("Content-Type".into(), "application/json".to_owned())],
        body: AnswerBody::Full(status.to_value().to_string().into_bytes()),
    }
}

fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// A request's body, at most one byte more than the api-server takes.
async fn read(body: Body) -> Result<Vec<u8>, Status> {
    let mut bytes = Vec::new();
    let mut discarded = 0;
    let all = async {
        let mut body = body;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Status::bad_request(format!("error reading the request's body: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            let room = (BODY_BYTES_MAX + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            discarded += data.len().saturating_sub(room);
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
        Ok(())
    };
    match tokio::time::timeout(BODY_TIMEOUT, all).await {
        Ok(read) => read.map(|()| bytes),
        Err(_) => Err(Status::timeout("request did not complete within the allotted timeout", 0)),
    }
}

fn respond(answer: Answer, accepts_gzip: bool) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.version_mut() = Version::HTTP_11;
    for (name, value) in answer.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(&*name), HeaderValue::try_from(value)) else { continue };
        response.headers_mut().append(name, value);
    }
    *response.body_mut() = match answer.body {
        AnswerBody::Full(bytes) if accepts_gzip && gzip::worth_it(&bytes) => {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
            Body::from(gzip::compress(&bytes))
        }
        AnswerBody::Full(bytes) => Body::from(bytes),
        AnswerBody::Stream(source) => Body::from_stream(source.map(Ok::<Bytes, Infallible>)),
        AnswerBody::Watch(source, timeout) => {
            Body::from_stream(Watch::new(source, timeout).map(Ok::<Bytes, Infallible>))
        }
    };
    response
}
