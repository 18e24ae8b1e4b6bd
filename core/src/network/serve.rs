//! A small HTTP/1.1 server on the pod network: what parts of the cluster answer probes with.

use std::cell::RefCell;
use std::rc::Rc;

use super::conn::Delivery;
use super::namespace::{ListenError, NetnsId, Network, Scope};
use super::tls;
use crate::sim::ProcessId;

/// What a request's head may have at most.
const HEAD_MAX: usize = 64 << 10;

/// A status code and a text, to a path.
pub type Page = Rc<dyn Fn(&str) -> (u16, String)>;

/// Where pages are served, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The port.
    pub port: u16,
    /// At which addresses.
    pub scope: Scope,
    /// Whether over TLS.
    pub tls: bool,
}

impl Site {
    /// Plain HTTP at all addresses.
    pub fn plain(port: u16) -> Site {
        Site { port, scope: Scope::Any, tls: false }
    }
}

/// What Go's server tells a client that doesn't speak TLS to one that does.
const NO_TLS: &str = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

impl Network {
    /// Serves pages for as long as `process` is there.
    pub fn serve_http(&self, id: NetnsId, site: Site, process: ProcessId, page: Page) -> Result<(), ListenError> {
        let net = self.clone();
        let accept = move |key, _from| -> Rc<dyn Fn(Delivery)> {
            let (net, page, came) = (net.clone(), page.clone(), RefCell::new(Vec::new()));
            Rc::new(move |what| match what {
                Delivery::Data(bytes) if net.0.sim.process_runs(process) => {
                    let mut came = came.borrow_mut();
                    came.extend_from_slice(&bytes);
                    if let Some(answer) = said(site, &page, &came, net.0.sim.timestamp()) {
                        net.send_native(key, false, answer.into());
                        net.close_native(key, false);
                    }
                }
                Delivery::Eof | Delivery::Reset => net.close_native(key, false),
                _ => {}
            })
        };
        self.listen_native(id, (site.scope, site.port), process, Rc::new(accept))
    }
}

/// What is answered to all that came on a connection; `None` while a request is not whole.
fn said(site: Site, page: &Page, came: &[u8], now: jiff::Timestamp) -> Option<Vec<u8>> {
    let text = if site.tls { tls::open(came) } else { Ok(came.to_vec()) };
    let Ok(text) = text else { return Some(NO_TLS.as_bytes().to_vec()) };
    let end = text.windows(4).position(|w| w == b"\r\n\r\n");
    if end.is_none() && text.len() <= HEAD_MAX {
        return None;
    }
    let answer = answer(page, end.and_then(|end| text.get(..end)), now).into_bytes();
    Some(if site.tls { tls::seal(&answer, false) } else { answer })
}

fn answer(page: &Page, head: Option<&[u8]>, now: jiff::Timestamp) -> String {
    let head = String::from_utf8_lossy(head.unwrap_or_default()).into_owned();
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, path, version) = (words.next(), words.next(), words.next());
    let (code, text) = match (method, path, version) {
        (Some("GET" | "HEAD"), Some(path), Some("HTTP/1.1" | "HTTP/1.0")) => {
            page(path.split_once('?').map_or(path, |(path, _)| path))
        }
        (Some(_), Some(_), Some("HTTP/1.1" | "HTTP/1.0")) => (405, "Method Not Allowed\n".to_owned()),
        _ => (400, "400 Bad Request".to_owned()),
    };
    let reason = match code {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        _ => "Service Unavailable",
    };
    let (date, length) = (now.strftime("%a, %d %b %Y %H:%M:%S GMT"), text.len());
    let body = if method == Some("HEAD") { "" } else { &text };
    format!(
        "HTTP/1.1 {code} {reason}\r\nDate: {date}\r\nContent-Length: {length}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_was_asked() {
        let page: Page = Rc::new(|path| match path {
            "/health" => (200, "OK".to_owned()),
            _ => (404, "404 page not found\n".to_owned()),
        });
        let now = jiff::Timestamp::UNIX_EPOCH;
        for (head, first, last) in [
            ("GET /health HTTP/1.1\r\nHost: a", "HTTP/1.1 200 OK", "OK"),
            ("GET /health?x=1 HTTP/1.0", "HTTP/1.1 200 OK", "OK"),
            ("HEAD /health HTTP/1.1", "HTTP/1.1 200 OK", ""),
            ("GET / HTTP/1.1", "HTTP/1.1 404 Not Found", "404 page not found\n"),
            ("POST /health HTTP/1.1", "HTTP/1.1 405 Method Not Allowed", "Method Not Allowed\n"),
            ("nonsense", "HTTP/1.1 400 Bad Request", "400 Bad Request"),
        ] {
            let got = answer(&page, Some(head.as_bytes()), now);
            let (top, body) = got.split_once("\r\n\r\n").unwrap();
            assert_eq!((top.lines().next(), body), (Some(first), last), "{head}");
            assert!(top.contains("Date: Thu, 01 Jan 1970 00:00:00 GMT"), "{top}");
        }
    }
}
