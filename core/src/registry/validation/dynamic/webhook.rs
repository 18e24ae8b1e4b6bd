//! Where a webhook is: a URL or a service.
//! Models apiserver `pkg/util/webhook/validation.go`, and as much of Go's URL parser as its complaints need.

use serde_json::Value;

use crate::api::validation::{is_dns1123_subdomain, is_valid_port_num};
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const FORM: &str = "; desired format: https://host[/path]";

/// Exactly one of `url` and `service`; both are checked as they are.
pub(crate) fn client_config(config: &Value, path: &Path, errs: &mut ErrorList) {
    match (opt_str(config, "url"), is_set(config, "service")) {
        (Some(url), false) => validate_url(url, &path.child("url"), errs),
        (None, true) => service(&config["service"], &path.child("service"), errs),
        _ => errs.push(Error::required(path, "exactly one of url or service is required")),
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(a, b)| (a, Some(b)))
}

pub(crate) fn validate_url(url: &str, path: &Path, errs: &mut ErrorList) {
    let bad = |why: &str| {
        let shown = crate::api::field::quote(url);
        Error::required(path, format!("url must be a valid URL: parse {shown}: {why}{FORM}"))
    };
    if url.bytes().any(|c| c < 0x20 || c == 0x7f) {
        errs.push(bad("net/url: invalid control character in URL"));
        return;
    }
    let (rest, fragment) = split(url, '#');
    let (rest, query) = split(rest, '?');
    let (scheme, rest) = match rest.split_once(':') {
        Some(("", _)) => {
            errs.push(bad("missing protocol scheme"));
            return;
        }
        Some((s, after)) if is_scheme(s) => (s.to_ascii_lowercase(), after),
        _ => (String::new(), rest),
    };
    if scheme.is_empty() && rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
        errs.push(bad("first path segment in URL cannot contain colon"));
        return;
    }
    let authority = rest.strip_prefix("//").map(|a| a.split('/').next().unwrap_or_default());
    let (user, host) = match authority.unwrap_or_default().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.unwrap_or_default()),
    };
    if let Some((_, port)) = host.rsplit_once(':')
        && !host.ends_with(']')
        && !port.bytes().all(|c| c.is_ascii_digit())
    {
        errs.push(bad(&format!("invalid port {} after host", crate::api::field::quote(&format!(":{port}")))));
        return;
    }
    if scheme != "https" {
        errs.push(Error::invalid_str(path, &scheme, format!("'https' is the only allowed URL scheme{FORM}")));
    }
    if host.is_empty() {
        errs.push(Error::invalid_str(path, host, format!("host must be specified{FORM}")));
    }
    if let Some(user) = user {
        errs.push(Error::invalid_str(path, user, "user information is not permitted in the URL"));
    }
    if let Some(fragment) = fragment.filter(|f| !f.is_empty()) {
        errs.push(Error::invalid_str(path, fragment, "fragments are not permitted in the URL"));
    }
    if let Some(query) = query.filter(|q| !q.is_empty()) {
        errs.push(Error::invalid_str(path, query, "query parameters are not permitted in the URL"));
    }
}

fn is_scheme(s: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_alphabetic())
        && s.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
}

/// Upstream hands name and namespace over the wrong way round, so each is missed under the other's name.
fn service(service: &Value, path: &Path, errs: &mut ErrorList) {
    for (missed, value) in [("name", str_of(service, "namespace")), ("namespace", str_of(service, "name"))] {
        if value.is_empty() {
            errs.push(Error::required(&path.child(missed), ""));
        }
    }
    let port = int_of(service, "port").unwrap_or(0);
    let messages = is_valid_port_num(port);
    if !messages.is_empty() {
        let detail = format!("port is not valid: {}", messages.join(", "));
        errs.push(Error::invalid(&path.child("port"), &json!(port), detail));
    }
    if let Some(url_path) = opt_str(service, "path") {
        service_path(url_path, &path.child("path"), errs);
    }
}

fn service_path(url_path: &str, path: &Path, errs: &mut ErrorList) {
    match url_path {
        "" | "/" => return,
        "//" => {
            errs.push(Error::invalid_str(path, url_path, "segment[0] may not be empty"));
            return;
        }
        _ => {}
    }
    if !url_path.starts_with('/') {
        errs.push(Error::invalid_str(path, url_path, "must start with a '/'"));
    }
    // The first byte is cut off whatever it is.
    let mut rest = url_path.chars();
    rest.next();
    let rest = rest.as_str();
    for (i, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errs.push(Error::invalid_str(path, url_path, format!("segment[{i}] may not be empty")));
            continue;
        }
        for message in is_dns1123_subdomain(step) {
            errs.push(Error::invalid_str(path, url_path, format!("segment[{i}]: {message}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_services() {
        for (config, want) in [
            (json!({"url": "https://a.example/x"}), &[][..]),
            (
                json!({"url": "http://a/?q#f"}),
                &[
                    "c.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
                    "c.url: Invalid value: \"f\": fragments are not permitted in the URL",
                    "c.url: Invalid value: \"q\": query parameters are not permitted in the URL",
                ],
            ),
            (
                json!({"url": "https:///x"}),
                &["c.url: Invalid value: \"\": host must be specified; desired format: https://host[/path]"],
            ),
            (json!({}), &["c: Required value: exactly one of url or service is required"]),
            (
                json!({"service": {"name": "s", "namespace": "n", "port": 0, "path": "a//B/"}}),
                &[
                    "c.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
                    "c.service.path: Invalid value: \"a//B/\": must start with a '/'",
                    "c.service.path: Invalid value: \"a//B/\": segment[0] may not be empty",
                    "c.service.path: Invalid value: \"a//B/\": segment[1] may not be empty",
                ],
            ),
        ] {
            let mut errs = ErrorList::new();
            client_config(&config, &Path::new("c"), &mut errs);
            let texts: Vec<String> = errs.iter().map(|e| e.to_string()).collect();
            let shown: Vec<&str> = texts.iter().map(String::as_str).take(want.len()).collect();
            assert_eq!(shown, want, "{config}");
        }
    }
}
