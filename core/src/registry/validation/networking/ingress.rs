//! Ingresses.

use k8s_openapi::api::core::v1::TypedLocalObjectReference;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
};

use crate::api::validation::{
    is_dns1123_subdomain, is_path_segment_name, is_valid_ip_for_legacy_field, is_valid_port_name, is_valid_port_num,
    is_wildcard_dns1123_subdomain, name_is_dns_label, name_is_dns_subdomain, parse_ip_sloppy,
};
use crate::registry::defaults::is_marked_empty;
use crate::registry::validation::go::{Go, each};
use crate::registry::validation::prelude::*;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// What an Ingress that was so before may go on with.
#[derive(Default)]
struct Options {
    invalid_secret_name: bool,
    invalid_wildcard_rule: bool,
}

/// Checks a new Ingress.
pub fn validate_create(ingress: &Ingress) -> ErrorList {
    let mut errs = ErrorList::new();
    whole(ingress, &Options::default(), &mut errs);
    let class = ingress.spec.as_ref().and_then(|s| s.ingress_class_name.as_ref());
    if let (Some(annotation), Some(class)) = (entry(&ingress.metadata.annotations, CLASS_ANNOTATION), class)
        && annotation != class
    {
        errs.push(Error::invalid_str(
            &Path::new("annotations").child(CLASS_ANNOTATION),
            annotation,
            "must match `ingressClassName` when both are specified",
        ));
    }
    errs
}

/// Checks a changed Ingress.
pub fn validate_update(new: &Ingress, old: &Ingress) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let default = IngressSpec::default();
    let was = old.spec.as_ref().unwrap_or(&default);
    let rule_is_bad = |rule: &IngressRule| {
        let mut errs = ErrorList::new();
        if let Some(http) = &rule.http {
            http_rule(http, &Path::root(), &mut errs);
        }
        !errs.is_empty()
    };
    let opts = Options {
        invalid_secret_name: list(&was.tls).iter().any(|t| !secret_name_messages(text(&t.secret_name)).is_empty()),
        invalid_wildcard_rule: list(&was.rules).iter().any(|r| text(&r.host).contains('*') && rule_is_bad(r)),
    };
    whole(new, &opts, &mut errs);
    errs
}

fn secret_name_messages(name: &str) -> Vec<String> {
    if name.is_empty() { Vec::new() } else { name_is_dns_subdomain(name, false) }
}

fn whole(ingress: &Ingress, opts: &Options, errs: &mut ErrorList) {
    names::object_meta(&ingress.metadata, true, name_is_dns_subdomain, errs);
    let default = IngressSpec::default();
    let spec = ingress.spec.as_ref().unwrap_or(&default);
    let path = Path::new("spec");
    let of_rules = list(&spec.rules);
    if of_rules.is_empty() && spec.default_backend.is_none() {
        let shown = each(&spec.rules, |_| Go::Null).compact();
        errs.push(Error::invalid_shown(&path, shown, "either `defaultBackend` or `rules` must be specified"));
    }
    if let Some(b) = &spec.default_backend {
        backend(b, &path.child("defaultBackend"), errs);
    }
    rules(of_rules, opts, &path.child("rules"), errs);
    tls(spec, opts, &path.child("tls"), errs);
    if let Some(class) = &spec.ingress_class_name {
        names::by_rule(NameRule::Subdomain, class, &path.child("ingressClassName"), errs);
    }
}

/// A host name, whose first label may be a wildcard.
fn host_messages(host: &str) -> Vec<String> {
    if host.contains('*') { is_wildcard_dns1123_subdomain(host) } else { is_dns1123_subdomain(host) }
}

fn tls(spec: &IngressSpec, opts: &Options, path: &Path, errs: &mut ErrorList) {
    for (i, tls) in list(&spec.tls).iter().enumerate() {
        let at = path.index(i);
        let hosts_path = at.child("hosts");
        for (j, host) in list(&tls.hosts).iter().enumerate() {
            invalid_each(host_messages(host), host, &hosts_path.index(j), errs);
        }
        if !opts.invalid_secret_name {
            let name = text(&tls.secret_name);
            invalid_each(secret_name_messages(name), name, &at.child("secretName"), errs);
        }
    }
}

fn rules(rules: &[IngressRule], opts: &Options, path: &Path, errs: &mut ErrorList) {
    for (i, rule) in rules.iter().enumerate() {
        let at = path.index(i);
        let host = text(&rule.host);
        if !host.is_empty() {
            let host_path = at.child("host");
            if parse_ip_sloppy(host).is_some() {
                errs.push(Error::invalid_str(&host_path, host, "must be a DNS name, not an IP address"));
            }
            invalid_each(host_messages(host), host, &host_path, errs);
        }
        if let Some(http) = &rule.http
            && !(host.contains('*') && opts.invalid_wildcard_rule)
        {
            http_rule(http, &at.child("http"), errs);
        }
    }
}

fn http_rule(rule: &HTTPIngressRuleValue, path: &Path, errs: &mut ErrorList) {
    let paths_path = path.child("paths");
    if rule.paths.is_empty() {
        errs.push(Error::required(&paths_path, ""));
    }
    for (i, p) in rule.paths.iter().enumerate() {
        http_path(p, &paths_path.index(i), errs);
    }
}

fn http_path(http: &HTTPIngressPath, path: &Path, errs: &mut ErrorList) {
    let value = text(&http.path);
    let at = path.child("path");
    let mut bad = |detail: String| errs.push(Error::invalid_str(&at, value, detail));
    match http.path_type.as_str() {
        // The type is a pointer upstream: absent and empty are not the same there, but no client sends the empty one.
        "" => {
            errs.push(Error::required(&path.child("pathType"), "pathType must be specified"));
            return;
        }
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                bad("must be an absolute path".to_owned());
            }
            for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
                if value.contains(sequence) {
                    bad(format!("must not contain '{sequence}'"));
                }
            }
            for suffix in ["/..", "/."] {
                if value.ends_with(suffix) {
                    bad(format!("cannot end with '{suffix}'"));
                }
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                bad("must be an absolute path".to_owned());
            }
        }
        other => errs.push(Error::not_supported(
            &path.child("pathType"),
            if is_marked_empty(other) { "" } else { other },
            &["Exact", "ImplementationSpecific", "Prefix"],
        )),
    }
    backend(&http.backend, &path.child("backend"), errs);
}

fn backend(backend: &IngressBackend, path: &Path, errs: &mut ErrorList) {
    match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => {
            errs.push(Error::invalid_str(path, "", "cannot set both resource and service backends"));
        }
        (Some(resource), None) => resource_backend(resource, &path.child("resource"), errs),
        (None, Some(service)) => service_backend(service, path, errs),
        (None, None) => errs.push(Error::invalid_str(path, "", "resource or service backend is required")),
    }
}

fn service_backend(service: &IngressServiceBackend, path: &Path, errs: &mut ErrorList) {
    let name_path = path.child("service.name");
    if service.name.is_empty() {
        errs.push(Error::required(&name_path, ""));
    } else {
        invalid_each(name_is_dns_label(&service.name, false), &service.name, &name_path, errs);
    }
    let (name, number) = service.port.as_ref().map_or(("", 0), |p| (text(&p.name), p.number.unwrap_or(0)));
    match (name.is_empty(), number == 0) {
        (false, false) => errs.push(Error::invalid_str(path, "", "cannot set both port name & port number")),
        (false, true) => invalid_each(is_valid_port_name(name), name, &path.child("service.port.name"), errs),
        (true, false) => {
            for message in is_valid_port_num(number.into()) {
                errs.push(Error::invalid(&path.child("service.port.number"), &json!(number), message));
            }
        }
        (true, true) => errs.push(Error::required(path, "port name or number is required")),
    }
}

fn resource_backend(resource: &TypedLocalObjectReference, path: &Path, errs: &mut ErrorList) {
    if let Some(group) = &resource.api_group {
        names::dns_subdomain(group, &path.child("apiGroup"), errs);
    }
    for (field, value) in [("kind", &resource.kind), ("name", &resource.name)] {
        required_segment(value, &path.child(field), errs);
    }
}

/// Required, and one segment of a path.
pub(super) fn required_segment(value: &str, path: &Path, errs: &mut ErrorList) {
    if value.is_empty() {
        errs.push(Error::required(path, ""));
    } else {
        invalid_each(is_path_segment_name(value), value, path, errs);
    }
}

/// Checks a changed status.
pub fn validate_status_update(new: &Ingress, old: &Ingress) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let points = |ingress: &Ingress| {
        let status = ingress.status.as_ref().and_then(|s| s.load_balancer.as_ref());
        status.map(|s| list(&s.ingress).to_vec()).unwrap_or_default()
    };
    let had: Vec<String> = points(old).into_iter().filter_map(|p| p.ip).collect();
    let path = Path::new("status.loadBalancer.ingress");
    for (i, point) in points(new).iter().enumerate() {
        let at = path.index(i);
        let (ip, host) = (text(&point.ip), text(&point.hostname));
        if !ip.is_empty() {
            errs.extend(is_valid_ip_for_legacy_field(&at.child("ip"), ip, true, &had));
        }
        if !host.is_empty() {
            let host_path = at.child("hostname");
            invalid_each(is_dns1123_subdomain(host), host, &host_path, &mut errs);
            if parse_ip_sloppy(host).is_some() {
                errs.push(Error::invalid_str(&host_path, host, "must be a DNS name, not an IP address"));
            }
        }
    }
    errs
}

/// What a person should know of a new Ingress that is sound.
pub fn warnings(ingress: &Ingress, old: Option<&Ingress>) -> Vec<String> {
    let named = ingress.spec.as_ref().is_some_and(|s| s.ingress_class_name.is_some());
    if old.is_some() || named || entry(&ingress.metadata.annotations, CLASS_ANNOTATION).is_none() {
        return Vec::new();
    }
    vec![format!("annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead")]
}
