//! HTTP/1.1, the server's half and a little of the client's.

use std::net::IpAddr;

use crate::net::Stream;
use crate::time::{self, SECOND};
use crate::{Result, task};

/// The largest request head, as nginx's buffers have it.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// The largest body, as nginx's `client_max_body_size`.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A request.
#[derive(Default)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub version: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An answer. Length and connection headers are added on the way out.
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The path, decoded and without its query; none if it climbs out or is no text.
    pub fn path(&self) -> Option<String> {
        let raw = self.target.split(['?', '#']).next()?;
        let mut bytes = Vec::new();
        let mut rest = raw.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digit = |b: Option<u8>| b.and_then(|b| (b as char).to_digit(16));
                    (digit(rest.next())? * 16 + digit(rest.next())?) as u8
                }
                byte => byte,
            });
        }
        let path = String::from_utf8(bytes).ok()?;
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        let slash = path.ends_with('/') && !parts.is_empty();
        path.starts_with('/').then(|| format!("/{}{}", parts.join("/"), if slash { "/" } else { "" }))
    }
}

/// The standard words for a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        416 => "Requested Range Not Satisfiable",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _ => "",
    }
}

/// The type that a file's name means.
pub fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "js" => "application/javascript",
        "json" => "application/json",
        "xml" => "text/xml",
        "txt" => "text/plain",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// A request that can't be read: what to answer it with.
pub struct Bad(pub u16);

/// Reads a head: the first line's three words and the headers.
fn parse(head: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n").flat_map(|line| line.split('\n'));
    let mut words = lines.next()?.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        version: words.next()?.to_owned(),
        ..Request::default()
    };
    let valid = words.next().is_none()
        && request.version.starts_with("HTTP/1.")
        && !request.method.is_empty()
        && request.method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-' || b == b'_')
        && (request.target.starts_with('/') || request.target.starts_with("http://") || request.target == "*");
    if !valid {
        return None;
    }
    if let Some(rest) = request.target.strip_prefix("http://") {
        request.target = rest.find('/').map_or("/", |at| &rest[at..]).to_owned();
    }
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(request)
}

/// The next request on a connection; none when the client has gone.
pub async fn read_request(stream: &mut Stream) -> Result<Option<core::result::Result<Request, Bad>>> {
    let mut head = stream.read_until(b"\r\n\r\n", HEAD_BYTES_MAX).await?;
    // Empty lines before a request are skipped.
    while head.starts_with(b"\r\n") {
        head.drain(..2);
        if head.is_empty() {
            head = stream.read_until(b"\r\n\r\n", HEAD_BYTES_MAX).await?;
        }
    }
    if head.is_empty() {
        return Ok(None);
    }
    if !head.ends_with(b"\r\n\r\n") {
        return Ok(Some(Err(Bad(if head.len() >= HEAD_BYTES_MAX { 414 } else { 400 }))));
    }
    let Some(mut request) = parse(&head) else { return Ok(Some(Err(Bad(400)))) };
    if request.version == "HTTP/1.1" && request.header("host").is_none() {
        return Ok(Some(Err(Bad(400))));
    }
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = stream.read_until(b"\r\n", 1_024).await?;
            let digits = std::str::from_utf8(&line).unwrap_or_default().trim();
            let Ok(len) = usize::from_str_radix(digits.split(';').next().unwrap_or_default(), 16) else {
                return Ok(Some(Err(Bad(400))));
            };
            if request.body.len().saturating_add(len) > BODY_BYTES_MAX {
                return Ok(Some(Err(Bad(413))));
            }
            request.body.extend(stream.read_exact(len).await?);
            stream.read_exact(2).await?;
            if len == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        match length.parse::<usize>() {
            Ok(len) if len <= BODY_BYTES_MAX => request.body = stream.read_exact(len).await?,
            Ok(_) => return Ok(Some(Err(Bad(413)))),
            Err(_) => return Ok(Some(Err(Bad(400)))),
        }
    }
    Ok(Some(Ok(request)))
}

/// Serves one connection: `answer` for each request, `done` for the log, until one side has enough.
pub async fn serve<A: Future<Output = Response>>(
    mut stream: Stream,
    peer: IpAddr,
    server: &str,
    keep_alive_s: u64,
    answer: impl Fn(core::result::Result<Request, Bad>, IpAddr) -> A,
) -> Result<()> {
    loop {
        stream.shrink();
        let deadline = time::now() + keep_alive_s * SECOND;
        let idle = async {
            time::sleep(deadline.saturating_sub(time::now())).await;
            Ok(None)
        };
        let Some(request) = task::first(read_request(&mut stream), idle).await? else { return Ok(()) };
        let (head_only, keep) = match &request {
            Ok(request) => {
                let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
                let keep = match request.version.as_str() {
                    "HTTP/1.1" => connection != "close",
                    _ => connection == "keep-alive",
                };
                (request.method == "HEAD", keep)
            }
            Err(_) => (false, false),
        };
        let response = answer(request, peer).await;
        let mut out = format!(
            "HTTP/1.1 {} {}\r\nServer: {server}\r\nDate: {}\r\n",
            response.status,
            reason(response.status),
            time::Date::now().http()
        );
        for (name, value) in &response.headers {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push_str("\r\n");
        }
        if response.status != 304 && response.status != 204 {
            out.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
        }
        out.push_str(if keep { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" });
        let mut bytes = out.into_bytes();
        if !head_only && response.status != 304 {
            bytes.extend_from_slice(&response.body);
        }
        stream.write_all(&bytes).await?;
        if !keep {
            return Ok(());
        }
    }
}

/// Asks a server for something; answers the status, the head and the body.
pub async fn request(
    stream: &mut Stream,
    method: &str,
    host: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(u16, String, Vec<u8>)> {
    let mut out = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        out.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    out.push_str("Connection: close\r\n\r\n");
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    let head = stream.read_until(b"\r\n\r\n", 64 << 10).await?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (n, v) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| v.trim().to_owned())
        })
    };
    let body = if method == "HEAD" || status == 204 || status == 304 {
        Vec::new()
    } else if value("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        let mut body = Vec::new();
        loop {
            let line = stream.read_until(b"\r\n", 1_024).await?;
            let digits = String::from_utf8_lossy(&line).trim().to_owned();
            let len = usize::from_str_radix(&digits, 16).unwrap_or(0);
            if len == 0 || body.len() > 8 << 20 {
                break;
            }
            body.extend(stream.read_exact(len).await?);
            stream.read_exact(2).await?;
        }
        body
    } else if let Some(len) = value("content-length").and_then(|v| v.parse::<usize>().ok()) {
        stream.read_exact(len.min(8 << 20)).await?
    } else {
        stream.read_to_end(8 << 20).await?
    };
    Ok((status, head, body))
}
