//! URLs as Go reads them. Models `net/url`.

use std::net::IpAddr;

use super::ip;
use crate::api::field::quote;

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    pub text: String,
    pub scheme: String,
    pub host: String,
    pub path: String,
    pub query: String,
}

/// `url.ParseRequestURI` and `url.Parse`: a URL with a scheme, or an absolute path.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let wrapped = |why: String| format!("parse {}: {why}", quote(text));
    taken_apart(text).map_err(wrapped)?;
    let plain = text.split_once('#').map_or(text, |(before, _)| before);
    taken_apart(plain).map(|u| Url { text: text.to_owned(), ..u }).map_err(wrapped)
}

fn taken_apart(text: &str) -> Result<Url, String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() {
        return Err("empty url".to_owned());
    }
    let mut url = Url {
        text: String::new(),
        scheme: String::new(),
        host: String::new(),
        path: String::new(),
        query: String::new(),
    };
    if text == "*" {
        url.path = "*".to_owned();
        return Ok(url);
    }
    let (scheme, rest) = scheme_of(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    url.query = query.to_owned();
    if !rest.starts_with('/') {
        // What follows a scheme otherwise is opaque.
        return if scheme.is_empty() { Err("invalid URI for request".to_owned()) } else { Ok(url) };
    }
    let path = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            url.host = host_of(&url.scheme, authority)?;
            path
        }
        None => rest,
    };
    unescape(path, Part::Path)?;
    url.path = path.to_owned();
    Ok(url)
}

fn scheme_of(text: &str) -> Result<(&str, &str), String> {
    for (i, c) in text.bytes().enumerate() {
        match c {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((text.get(..i).unwrap_or_default(), text.get(i + 1..).unwrap_or_default())),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn host_of(scheme: &str, authority: &str) -> Result<String, String> {
    let Some((user, host)) = authority.rsplit_once('@') else { return only_host(scheme, authority) };
    let host = only_host(scheme, host)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(fits) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    unescape(user, Part::User)?;
    Ok(host)
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
}

fn only_host(scheme: &str, host: &str) -> Result<String, String> {
    let bad_port = |port: &str| format!("invalid port {} after host", quote(port));
    match host.rfind('[') {
        Some(0) => {
            let Some((inside, port)) = host.get(1..).unwrap_or_default().rsplit_once(']') else {
                return Err("missing ']' in host".to_owned());
            };
            if !is_port(port) {
                return Err(bad_port(port));
            }
            let name = match inside.find("%25") {
                Some(zone) => {
                    let (ip, zone) = inside.split_at(zone);
                    unescape(ip, Part::Host)? + &unescape(zone, Part::User)?
                }
                None => unescape(inside, Part::Host)?,
            };
            match ip::parse_addr(&name) {
                Err(why) => Err(format!("invalid host: {why}")),
                Ok((IpAddr::V4(_), _)) => Err("invalid IP-literal".to_owned()),
                Ok(_) => Ok(format!("[{name}]{port}")),
            }
        }
        Some(_) => Err("invalid IP-literal".to_owned()),
        None => {
            // Databases have several hosts with ports; the web has not.
            let web = matches!(scheme, "http" | "https");
            let colon = if web { host.find(':') } else { host.rfind(':') };
            match colon.and_then(|i| host.get(i..)).filter(|port| !is_port(port)) {
                Some(port) => Err(bad_port(port)),
                None => unescape(host, Part::Host),
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Host,
    User,
    Path,
    Query,
}

fn unescape(text: &str, part: Part) -> Result<String, String> {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        i += 1;
        match b {
            b'%' => {
                let code = text.get(i..i + 2).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
                let code = code.and_then(|h| u8::from_str_radix(h, 16).ok());
                let shown: String = text.get(i - 1..).unwrap_or_default().chars().take(3).collect();
                match code {
                    Some(code) if part != Part::Host || code >= 0x80 || code == b'%' => out.push(code),
                    _ => return Err(format!("invalid URL escape {}", quote(&shown))),
                }
                i += 2;
            }
            b'+' if part == Part::Query => out.push(b' '),
            b if part == Part::Host && b < 0x80 && !fits_host(b) => {
                return Err(format!("invalid character {} in host name", quote(&char::from(b).to_string())));
            }
            b => out.push(b),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn fits_host(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&b)
}

impl Url {
    /// A path with what may not be in one escaped.
    pub fn escaped_path(&self) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&b);
        if self.path.bytes().all(plain) {
            return self.path.clone();
        }
        // Written in another way than it would be escaped: it is escaped anew.
        let fits = |b: u8| plain(b) && !b"!'()*[]%".contains(&b);
        let read = unescape(&self.path, Part::Path).unwrap_or_default();
        read.bytes().map(|b| if fits(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    }

    /// The host's name and its port.
    pub fn host_and_port(&self) -> (&str, &str) {
        let colon = self.host.rfind(':').filter(|i| self.host.get(*i..).is_some_and(is_port));
        let (name, port) = colon.map_or((&*self.host, ""), |i| {
            (self.host.get(..i).unwrap_or_default(), self.host.get(i + 1..).unwrap_or_default())
        });
        (name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name), port)
    }

    /// The query's keys and values; what can't be read is left out.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let all = self.query.split('&').filter(|p| !p.is_empty() && !p.contains(';'));
        let pair = |p: &str| {
            let (key, value) = p.split_once('=').unwrap_or((p, ""));
            Some((unescape(key, Part::Query).ok()?, unescape(value, Part::Query).ok()?))
        };
        all.filter_map(pair).collect()
    }
}
