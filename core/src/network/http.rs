//! A small HTTP/1.1 client over the pod network: the probes' and the person's browser's.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::conn::Delivery;
use super::namespace::Network;
use super::tls;
use crate::runtime::engine::NetError;
use crate::sim::{MachineId, Notify};

/// What to ask.
#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    /// `GET` if empty.
    pub method: String,
    /// With its query, beginning with a slash.
    pub path: String,
    /// The Host header.
    pub host: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether over TLS.
    pub tls: bool,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The status line's text.
    pub reason: String,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// From the first packet to the last byte.
    pub took: Duration,
}

impl HttpResponse {
    /// A header by its name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// No connection.
    Connect(NetError),
    /// The time was up; whether a connection stood.
    TimedOut {
        /// Whether the other side had taken the connection.
        connected: bool,
    },
    /// The other side closed without an answer.
    Closed,
    /// The connection broke.
    Reset,
    /// What came is no HTTP.
    Malformed(String),
    /// What came is no TLS, as Go's client says it.
    NotTls(&'static str),
}

impl HttpError {
    /// The error as Go's client prints it of a connection to this address.
    pub fn in_go(&self, (ip, port): (IpAddr, u16)) -> String {
        match self {
            HttpError::Connect(NetError::Refused) => format!("dial tcp {ip}:{port}: connect: connection refused"),
            HttpError::Connect(NetError::Unreachable) => format!("dial tcp {ip}:{port}: connect: no route to host"),
            HttpError::Connect(NetError::TimedOut) => format!("dial tcp {ip}:{port}: connect: connection timed out"),
            HttpError::TimedOut { .. } => format!("dial tcp {ip}:{port}: i/o timeout"),
            HttpError::Closed => "EOF".to_owned(),
            HttpError::Reset => format!("read tcp {ip}:{port}: read: connection reset by peer"),
            HttpError::NotTls(why) => (*why).to_owned(),
            HttpError::Malformed(why) => format!("net/http: HTTP/1.x transport connection broken: {why}"),
        }
    }
}

/// What a body may have at most.
const BODY_MAX: usize = 4 << 20;

#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    connected: bool,
    eof: bool,
    failed: Option<HttpError>,
}

impl Network {
    /// Asks a server for something, from `machine`, waiting at most `timeout`.
    pub async fn http(
        &self,
        machine: MachineId,
        to: (IpAddr, u16),
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, HttpError> {
        let sim = self.0.sim.clone();
        let begin = sim.now();
        let (inbox, arrived) = (Rc::new(RefCell::new(Inbox::default())), Notify::new(&sim));
        let receive = {
            let (inbox, arrived) = (inbox.clone(), arrived.clone());
            Rc::new(move |d: Delivery| {
                let mut i = inbox.borrow_mut();
                match d {
                    Delivery::Connected => i.connected = true,
                    Delivery::Failed(e) => i.failed = Some(HttpError::Connect(e)),
                    Delivery::Data(b) if i.bytes.len() + b.len() <= BODY_MAX => i.bytes.extend_from_slice(&b),
                    Delivery::Data(_) => i.failed = Some(HttpError::Malformed("body too large".into())),
                    Delivery::Eof => i.eof = true,
                    Delivery::Reset => i.failed = Some(HttpError::Reset),
                }
                drop(i);
                arrived.notify();
            })
        };
        let key = self.connect_native(machine, receive, to);
        let talk = async {
            let mut sent = false;
            loop {
                arrived.notified().await;
                if !sent && inbox.borrow().connected {
                    sent = true;
                    let bytes = encode(request);
                    let bytes = if request.tls { tls::seal(&bytes, true) } else { bytes };
                    self.send_native(key, true, bytes.into());
                }
                let i = inbox.borrow();
                if let Some(e) = &i.failed {
                    return Err(e.clone());
                }
                let came = if request.tls { Cow::Owned(opened(&i.bytes)?) } else { Cow::Borrowed(&i.bytes) };
                match parse(&came, i.eof, request.method == "HEAD") {
                    Ok(Some(mut response)) => {
                        response.took = sim.now().since(begin);
                        return Ok(response);
                    }
                    Ok(None) if i.eof => return Err(HttpError::Closed),
                    Ok(None) => {}
                    Err(e) => return Err(HttpError::Malformed(e)),
                }
            }
        };
        let outcome = sim.timeout(timeout, talk).await;
        self.close_native(key, true);
        let connected = inbox.borrow().connected;
        outcome.unwrap_or(Err(HttpError::TimedOut { connected }))
    }

    /// Whether a connection can be had: what a TCP probe asks.
    pub async fn dial(&self, machine: MachineId, to: (IpAddr, u16), timeout: Duration) -> Result<(), HttpError> {
        let sim = self.0.sim.clone();
        let (answer, arrived) = (Rc::new(RefCell::new(None)), Notify::new(&sim));
        let receive = {
            let (answer, arrived) = (answer.clone(), arrived.clone());
            Rc::new(move |d: Delivery| {
                match d {
                    Delivery::Connected => *answer.borrow_mut() = Some(Ok(())),
                    Delivery::Failed(e) => *answer.borrow_mut() = Some(Err(HttpError::Connect(e))),
                    _ => return,
                }
                arrived.notify();
            })
        };
        let key = self.connect_native(machine, receive, to);
        let outcome = sim.timeout(timeout, arrived.notified()).await;
        self.close_native(key, true);
        let answered = answer.borrow_mut().take();
        match (outcome, answered) {
            (Some(()), Some(answer)) => answer,
            _ => Err(HttpError::TimedOut { connected: false }),
        }
    }
}

fn encode(r: &HttpRequest) -> Vec<u8> {
    let method = if r.method.is_empty() { "GET" } else { &r.method };
    let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", r.path, r.host);
    for (name, value) in &r.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !r.body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", r.body.len()));
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&r.body);
    bytes
}

/// What the other side said over TLS.
fn opened(bytes: &[u8]) -> Result<Vec<u8>, HttpError> {
    let why = if bytes.starts_with(b"HTTP/") {
        "http: server gave HTTP response to HTTPS client"
    } else {
        "tls: first record does not look like a TLS handshake"
    };
    tls::open(bytes).map_err(|_| HttpError::NotTls(why))
}

/// The answer in `bytes` if it is whole.
fn parse(bytes: &[u8], eof: bool, head_only: bool) -> Result<Option<HttpResponse>, String> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if bytes.is_empty() || b"HTTP/".starts_with(bytes.get(..5).unwrap_or(bytes)) {
            Ok(None)
        } else {
            Err("malformed HTTP response".into())
        };
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let body = bytes.get(end + 4..).unwrap_or_default();
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next().unwrap_or_default().splitn(3, ' ');
    let version = status_line.next().unwrap_or_default();
    let status: u16 = status_line
        .next()
        .and_then(|s| s.parse().ok())
        .filter(|_| version.starts_with("HTTP/"))
        .ok_or("malformed HTTP response")?;
    let reason = status_line.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> =
        lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned())).collect();
    let mut response = HttpResponse { status, reason, headers, ..HttpResponse::default() };
    if head_only || status == 204 || status == 304 {
        return Ok(Some(response));
    }
    if response.header("transfer-encoding").is_some_and(|t| t.eq_ignore_ascii_case("chunked")) {
        return Ok(dechunk(body)?.map(|body| HttpResponse { body, ..response }));
    }
    match response.header("content-length").map(str::parse::<usize>) {
        Some(Ok(n)) if body.len() >= n => response.body = body.get(..n).unwrap_or_default().to_vec(),
        Some(Ok(_)) if eof => return Err("unexpected EOF".into()),
        Some(Ok(_)) => return Ok(None),
        Some(Err(_)) => return Err("bad Content-Length".into()),
        None if eof => response.body = body.to_vec(),
        None => return Ok(None),
    }
    Ok(Some(response))
}

fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| "bad chunk size")?;
        let Some(next) = end.checked_add(2).and_then(|at| rest.get(at..)) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = next.get(..size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        rest = next.get(size + 2..).unwrap_or_default();
        if body.len() > BODY_MAX {
            return Err("body too large".into());
        }
    }
}
