//! create service and ingress. Models create_service.go and create_ingress.go.

use serde_json::{Value, json};

use super::super::show::text;
use super::super::{Cx, Failure, options};
use super::Made;
use crate::api::validation::{is_dns1123_subdomain, is_valid_port_num};

/// `5678:8080`, or one number for both. Models parsePorts.
fn ports(spec: &str) -> Result<(i64, Value), Failure> {
    let number = |s: &str| -> Result<i64, Failure> {
        let quoted = crate::api::field::quote(s);
        s.parse().map_err(|_| Failure::error(format!("strconv.ParseInt: parsing {quoted}: invalid syntax")))
    };
    let (port, target) = match spec.split_once(':') {
        Some((p, t)) => (number(p)?, t.parse::<i64>().map_or_else(|_| Value::from(t), Value::from)),
        None => (number(spec)?, number(spec)?.into()),
    };
    let mut wrong = is_valid_port_num(port);
    if let Some(t) = target.as_i64() {
        wrong.extend(is_valid_port_num(t));
    }
    wrong.dedup();
    if wrong.is_empty() { Ok((port, target)) } else { Err(Failure::error(wrong.join(","))) }
}

pub(super) fn service(cx: &Cx<'_>, what: &str) -> Result<Made, Failure> {
    let kind = match what {
        "clusterip" => "ClusterIP",
        "nodeport" => "NodePort",
        "loadbalancer" => "LoadBalancer",
        _ => "ExternalName",
    };
    if kind == "ExternalName" {
        options::required(cx, &["external-name"])?;
    }
    let name = options::name(cx)?;
    let (tcp, headless) = (cx.args.all("tcp"), cx.args.text("clusterip") == "None");
    if headless && kind != "ClusterIP" {
        return Err(Failure::error("ClusterIP=None can only be used with ClusterIP service type"));
    }
    if tcp.is_empty() && !headless && kind != "ExternalName" {
        return Err(Failure::error("at least one tcp port specifier must be provided"));
    }
    let external = cx.args.text("external-name");
    if kind == "ExternalName" && !is_dns1123_subdomain(external).is_empty() {
        return Err(Failure::error(format!("invalid service external name {external}")));
    }
    let mut list: Vec<Value> = Vec::new();
    for t in tcp {
        let (port, target) = ports(t)?;
        let mut p = json!({"name": t.replace(':', "-"), "port": port, "protocol": "TCP", "targetPort": target});
        if kind == "NodePort" && cx.args.number("node-port") > 0 {
            p["nodePort"] = cx.args.number("node-port").into();
        }
        list.push(p);
    }
    let mut spec = json!({"type": kind, "selector": {"app": name}});
    if !list.is_empty() {
        spec["ports"] = list.into();
    }
    if !external.is_empty() {
        spec["externalName"] = external.into();
    }
    if !cx.args.text("clusterip").is_empty() {
        spec["clusterIP"] = cx.args.text("clusterip").into();
    }
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec, "status": {"loadBalancer": {}}});
    let failed = match kind {
        "ClusterIP" => "failed to create ClusterIP service:",
        "NodePort" => "failed to create NodePort service:",
        "LoadBalancer" => "failed to create LoadBalancer service:",
        _ => "failed to create ExternalName service:",
    };
    Ok(Made::new(object, failed))
}

/// A service and its port, as backends name them.
fn backend(spec: &str) -> Value {
    let (name, port) = spec.split_once(':').unwrap_or((spec, ""));
    let port = match port.parse::<i64>() {
        Ok(n) => json!({"number": n}),
        Err(_) => json!({"name": port}),
    };
    json!({"service": {"name": name, "port": port}})
}

/// `host/path*=service:port,tls=secret`, taken apart: host, path, service with port, secret if there is TLS.
fn rule(spec: &str) -> Option<(&str, &str, &str, Option<&str>)> {
    let (main, tls) = spec.split_once(',').map_or((spec, None), |(m, t)| (m, Some(t)));
    let secret = match tls {
        None => None,
        Some("tls") => Some(""),
        Some(t) => Some(t.strip_prefix("tls=")?),
    };
    let (host, rest) = main.split_once('/')?;
    let (path, service) = rest.split_once('=')?;
    let (name, port) = service.split_once(':')?;
    let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (word(name) && word(port)).then_some((host, path, service, secret))
}

pub(super) fn ingress(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (given, default) = (cx.args.all("rule"), cx.args.text("default-backend"));
    if default.is_empty() && given.is_empty() {
        return Err(Failure::error(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)",
        ));
    }
    let mut rules: Vec<Value> = Vec::new();
    let mut tls: Vec<Value> = Vec::new();
    for spec in given {
        let (host, path, service, secret) = rule(spec).ok_or_else(|| {
            Failure::error(format!(
                "rule {spec} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            ))
        })?;
        let (path, kind) = match path.strip_suffix('*') {
            Some(p) => (p, "Prefix"),
            None => (path, "Exact"),
        };
        let entry = json!({"backend": backend(service), "path": format!("/{path}"), "pathType": kind});
        match rules.iter_mut().find(|r| text(&r["host"]) == host) {
            Some(r) => {
                if let Some(paths) = r["http"]["paths"].as_array_mut() {
                    paths.push(entry);
                }
            }
            None => {
                let mut r = json!({"http": {"paths": [entry]}});
                if !host.is_empty() {
                    r["host"] = host.into();
                }
                rules.push(r);
            }
        }
        let Some(secret) = secret else { continue };
        if tls.iter().any(|t| t["hosts"].as_array().is_some_and(|h| h.iter().any(|x| x == host))) {
            continue;
        }
        match tls.iter_mut().find(|t| text(&t["secretName"]) == secret) {
            Some(t) => {
                if let Some(hosts) = t["hosts"].as_array_mut() {
                    hosts.push(host.into());
                }
            }
            None => {
                let mut t = json!({});
                if !host.is_empty() {
                    t["hosts"] = json!([host]);
                }
                if !secret.is_empty() {
                    t["secretName"] = secret.into();
                }
                tls.push(t);
            }
        }
    }
    let mut object = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {}, "status": {"loadBalancer": {}}});
    for a in cx.args.all("annotation") {
        let (k, v) = a
            .split_once('=')
            .ok_or_else(|| Failure::error(format!("annotation {a} is invalid and should be in format key=[value]")))?;
        object["metadata"]["annotations"][k] = v.into();
    }
    if !default.is_empty() {
        if default.matches(':').count() != 1 {
            return Err(Failure::error("default-backend should be in format servicename:serviceport"));
        }
        object["spec"]["defaultBackend"] = backend(default);
    }
    if !cx.args.text("class").is_empty() {
        object["spec"]["ingressClassName"] = cx.args.text("class").into();
    }
    if !rules.is_empty() {
        object["spec"]["rules"] = rules.into();
    }
    if !tls.is_empty() {
        object["spec"]["tls"] = tls.into();
    }
    Ok(Made::new(object, "failed to create ingress:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_taken_apart() {
        for (spec, want) in [
            ("foo.com/bar=svc1:8080,tls=my-cert", Some(("foo.com", "bar", "svc1:8080", Some("my-cert")))),
            ("/path*=svc:80", Some(("", "path*", "svc:80", None))),
            ("foo.com/=svc:port,tls", Some(("foo.com", "", "svc:port", Some("")))),
            ("foo.com=svc:80", None),
            ("foo.com/=svc", None),
        ] {
            assert_eq!(rule(spec), want, "{spec}");
        }
        assert_eq!(ports("80:http").expect("ports"), (80, json!("http")));
        assert!(ports("x").is_err() && ports("70000").is_err());
    }
}
