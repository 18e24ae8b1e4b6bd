//! Connections: taken, made TLS where that is on, and served until they end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{self, Door};
use crate::tls::{Authority, Certificate, Peer};

/// Go's time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Upstream's time for a request's headers to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(32);

/// How many bytes of headers are taken: Go's DefaultMaxHeaderBytes.
const HEADER_BYTES_MAX: u32 = 1 << 20;

/// Upstream's default for streams at once on one connection.
const STREAMS_MAX: u32 = 100;

/// Takes connections for as long as it is polled.
pub async fn serve(listener: TcpListener, authority: Option<Arc<Authority>>, door: Door) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of file descriptors, most likely: others have to close theirs first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (authority, door) = (authority.clone(), door.clone());
        tokio::spawn(connection(stream, authority, door));
    }
}

async fn connection(stream: TcpStream, authority: Option<Arc<Authority>>, door: Door) {
    // Only latency is lost without it.
    let _ = stream.set_nodelay(true);
    let Some(authority) = authority else {
        return requests(stream, Peer { certificate: Certificate::Absent }, door).await;
    };
    let handshake = authority.acceptor().accept(stream);
    // A client that does not speak TLS, or not in time, is told by its TLS.
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else { return };
    let certificate = authority.identify(stream.get_ref().1.peer_certificates());
    requests(stream, Peer { certificate }, door).await;
}

/// Serves the requests of one connection.
async fn requests(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer, door: Door) {
    let peer = Arc::new(peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, peer) = (door.clone(), peer.clone());
        async move { Ok::<_, Infallible>(http::handle(&door, &peer, request.map(Body::new)).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).title_case_headers(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    // What goes wrong on a connection is its client's to know.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}
