//! A small HTTP/1.1 server on the pod network: what parts of the cluster answer probes with.

use std::cell::RefCell;
use std::rc::Rc;

use super::conn::{ConnKey, Delivery};
use super::namespace::{ListenError, NetnsId, Network};
use crate::sim::ProcessId;

/// What a request's head may have at most.
const HEAD_MAX: usize = 64 << 10;

/// A status code and a text, to a path.
pub type Page = Rc<dyn Fn(&str) -> (u16, String)>;

impl Network {
    /// Serves pages on a port for as long as `process` is there.
    pub fn serve_http(&self, id: NetnsId, port: u16, process: ProcessId, page: Page) -> Result<(), ListenError> {
        let net = self.clone();
        let accept = move |key, _from| -> Rc<dyn Fn(Delivery)> {
            let (net, page, head) = (net.clone(), page.clone(), RefCell::new(Vec::new()));
            Rc::new(move |what| net.serve_one(key, process, &page, &mut head.borrow_mut(), &what))
        };
        self.listen_native(id, port, process, Rc::new(accept))
    }

    /// Takes what arrives on a connection, and answers once a request is there.
    fn serve_one(&self, key: ConnKey, process: ProcessId, page: &Page, head: &mut Vec<u8>, what: &Delivery) {
        match what {
            Delivery::Data(bytes) if self.0.sim.process_runs(process) => {
                head.extend_from_slice(bytes);
                let end = head.windows(4).position(|w| w == b"\r\n\r\n");
                if end.is_none() && head.len() <= HEAD_MAX {
                    return;
                }
                let answer = answer(page, end.and_then(|end| head.get(..end)), self.0.sim.timestamp());
                self.send_native(key, false, answer.into_bytes().into());
                self.close_native(key, false);
            }
            Delivery::Eof | Delivery::Reset => self.close_native(key, false),
            _ => {}
        }
    }
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
        404 => "Not Found",
        405 => "Method Not Allowed",
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
