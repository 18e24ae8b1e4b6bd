//! Connections that become streams: which protocol a client is offered. Models apimachinery's `pkg/util/proxy/upgradeaware.go`
//! and `pkg/util/httpstream`.

use axum::body::Body;
use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use podarium_core::api::status::Status;
use podarium_core::apiserver::KubeletCall;

use crate::channels;
use crate::remote::{self, Remote};
use crate::spdy::Session;
use crate::tank::Tank;
use crate::tunnel;

const SPDY: &str = "SPDY/3.1";
const STREAM_PROTOCOL: &str = "x-stream-protocol-version";

/// The largest message that is taken of a client.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Answers a request for exec, attach or port-forward, and serves its streams from then on.
pub async fn answer(tank: &Tank, parts: &mut request::Parts, call: KubeletCall) -> Result<Response<Body>, Status> {
    let wanted = parts.headers.get(header::UPGRADE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if wanted.eq_ignore_ascii_case("websocket") {
        web_socket(tank, parts, call).await
    } else if wanted.eq_ignore_ascii_case(SPDY) {
        spdy(tank, parts, call).await
    } else {
        Err(Status::bad_request("Upgrade request required"))
    }
}

async fn start(tank: &Tank, call: KubeletCall) -> Result<Remote, Status> {
    let way = tank.clone();
    tank.ask(move |cluster| remote::start(cluster, &way, call))
        .await
        .unwrap_or_else(|gone| Err(Status::service_unavailable(gone.to_string())))
}

async fn web_socket(tank: &Tank, parts: &mut request::Parts, call: KubeletCall) -> Result<Response<Body>, Status> {
    let refused = |why: String| Status::bad_request(format!("unable to upgrade: {why}"));
    let forward = call.what == "portforward";
    let spoken: Vec<&'static str> = if forward {
        [tunnel::TUNNEL_PROTOCOL].into_iter().chain(channels::FORWARD_PROTOCOLS).collect()
    } else {
        channels::REMOTE_PROTOCOLS.to_vec()
    };
    let offered = parts.headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let socket = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|e| refused(e.to_string()))?;
    let socket = socket.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).protocols(spoken);
    let protocol = socket.selected_protocol().and_then(|p| p.to_str().ok()).unwrap_or_default().to_owned();
    if offered && protocol.is_empty() {
        return Err(refused("none of the requested subprotocols is supported".to_owned()));
    }
    if forward {
        let tank = tank.clone();
        return Ok(socket.on_upgrade(async move |socket| {
            if protocol == tunnel::TUNNEL_PROTOCOL {
                tunnel::forward(Session::start(tunnel::within(socket)), tank, call).await;
            } else {
                channels::forward(socket, &protocol, tank, call).await;
            }
        }));
    }
    let remote = start(tank, call).await?;
    Ok(socket.on_upgrade(async move |socket| channels::remote(socket, &protocol, remote).await))
}

async fn spdy(tank: &Tank, parts: &mut request::Parts, call: KubeletCall) -> Result<Response<Body>, Status> {
    let forward = call.what == "portforward";
    let spoken: &[&str] = if forward { &[tunnel::FORWARD_PROTOCOL] } else { &tunnel::REMOTE_PROTOCOLS };
    let Some(protocol) = negotiate(&parts.headers, spoken) else {
        return Err(Status::other(
            403,
            "Forbidden",
            format!("unable to upgrade: none of {} is offered", spoken.join(", ")),
        ));
    };
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(Status::bad_request("unable to upgrade: the connection cannot be taken over"));
    };
    let remote = if forward { None } else { Some(start(tank, call.clone()).await?) };
    let tank = tank.clone();
    tokio::spawn(async move {
        // A client that left instead gets no streams.
        let Ok(connection) = upgrade.await else { return };
        let session = Session::start(TokioIo::new(connection));
        match remote {
            Some(remote) => tunnel::remote(session, protocol, remote).await,
            None => tunnel::forward(session, tank, call).await,
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(SPDY));
    headers.insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    Ok(response)
}

/// The first of a client's protocols that is spoken here.
fn negotiate(headers: &HeaderMap, spoken: &[&'static str]) -> Option<&'static str> {
    let offered = headers.get_all(STREAM_PROTOCOL).iter().filter_map(|v| v.to_str().ok());
    offered.flat_map(|v| v.split(',')).find_map(|offer| spoken.iter().copied().find(|s| *s == offer.trim()))
}
