//! Ingresses, policies and addresses of the network, in words.

use serde_json::Value;

use super::super::show::{items, or_none, rfc1123z, selector, text, time};
use super::service::endpoints_of;
use super::{Beside, Writer};

fn joined(v: &Value, with: &str) -> String {
    items(v).iter().map(text).collect::<Vec<_>>().join(with)
}

/// What an Ingress sends requests to. Models describeBackendV1.
fn backend(b: &Value, beside: &Beside) -> String {
    let (service, resource) = (&b["service"], &b["resource"]);
    if !service.is_object() {
        let group = &resource["apiGroup"];
        let group = if group.is_null() { "<none>".into() } else { text(group) };
        let kind =
            || format!("APIGroup: {group}, Kind: {}, Name: {}", text(&resource["kind"]), text(&resource["name"]));
        return if resource.is_object() { kind() } else { String::new() };
    }
    let (name, port) = (text(&service["name"]), &service["port"]);
    let shown =
        format!("{name}:{}", if port["number"].is_null() { text(&port["name"]) } else { text(&port["number"]) });
    let found = match beside.services.iter().find(|s| s.0 == name) {
        Some((_, Ok(found))) => found,
        Some((_, Err(e))) => return format!("{shown} (<error: {e}>)"),
        None => return shown,
    };
    let same =
        |p: &&Value| if port["number"].is_null() { p["name"] == port["name"] } else { p["port"] == port["number"] };
    let named = items(&found["spec"]["ports"]).iter().rfind(same).map(|p| text(&p["name"])).unwrap_or_default();
    let of = |s: &&Value| s["metadata"]["labels"]["kubernetes.io/service-name"] == name.as_str();
    let slices: Vec<Value> = beside.endpoint_slices.iter().filter(of).cloned().collect();
    format!("{shown} ({})", endpoints_of(&slices, &named))
}

/// The Services that an Ingress names.
pub(super) fn services(o: &Value) -> Vec<String> {
    let rules = items(&o["spec"]["rules"]).iter().flat_map(|r| items(&r["http"]["paths"])).map(|p| &p["backend"]);
    let all = std::iter::once(&o["spec"]["defaultBackend"]).chain(rules);
    let mut names: Vec<String> = all.filter_map(|b| b["service"]["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

pub(super) fn ingress(w: &mut Writer, o: &Value, beside: &Beside) {
    let spec = &o["spec"];
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.field(0, "Namespace", text(&o["metadata"]["namespace"]));
    let address = |i: &Value| if i["ip"].is_null() { text(&i["hostname"]) } else { text(&i["ip"]) };
    let addresses: Vec<String> = items(&o["status"]["loadBalancer"]["ingress"]).iter().map(address).collect();
    w.field(0, "Address", addresses.join(","));
    w.field(0, "Ingress Class", or_none(text(&spec["ingressClassName"])));
    let default = match &spec["defaultBackend"] {
        Value::Null => "<default>".to_owned(),
        b => backend(b, beside),
    };
    w.field(0, "Default backend", &default);
    if !items(&spec["tls"]).is_empty() {
        w.line(0, "TLS:");
        for t in items(&spec["tls"]) {
            let hosts = joined(&t["hosts"], ",");
            match text(&t["secretName"]) {
                s if s.is_empty() => w.line(1, format!("SNI routes {hosts}")),
                s => w.line(1, format!("{s} terminates {hosts}")),
            }
        }
    }
    w.put(0, "Rules:\n  Host\tPath\tBackends\n");
    w.put(1, "----\t----\t--------\n");
    let mut any = false;
    for r in items(&spec["rules"]).iter().filter(|r| r["http"].is_object()) {
        any = true;
        let host = text(&r["host"]);
        w.put(1, format!("{}\t\n", if host.is_empty() { "*" } else { &host }));
        for p in items(&r["http"]["paths"]) {
            w.put(2, format!("\t{} \t{}\n", text(&p["path"]), backend(&p["backend"], beside)));
        }
    }
    if !any {
        w.put(1, format!("*\t*\t{default}\n"));
    }
    w.annotations("Annotations", &o["metadata"]["annotations"]);
}

fn cluster_head(w: &mut Writer, o: &Value) {
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
}

pub(super) fn ingress_class(w: &mut Writer, o: &Value) {
    cluster_head(w, o);
    w.field(0, "Controller", text(&o["spec"]["controller"]));
    let p = &o["spec"]["parameters"];
    if p.is_object() {
        w.line(0, "Parameters:");
        if !p["apiGroup"].is_null() {
            w.field(1, "APIGroup", text(&p["apiGroup"]));
        }
        w.field(1, "Kind", text(&p["kind"]));
        w.field(1, "Name", text(&p["name"]));
    }
}

pub(super) fn service_cidr(w: &mut Writer, o: &Value) {
    cluster_head(w, o);
    w.field(0, "CIDRs", joined(&o["spec"]["cidrs"], ", "));
    let conditions = items(&o["status"]["conditions"]);
    if conditions.is_empty() {
        return;
    }
    w.put(0, "Status:\nConditions:\n");
    w.put(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage\n");
    w.put(1, "----\t------\t------------------\t------\t-------\n");
    for c in conditions {
        let (kind, status, when) = (text(&c["type"]), text(&c["status"]), rfc1123z(&c["lastTransitionTime"]));
        w.put(1, format!("{kind}\t{status}\t{when}\t{}\t{}\n", text(&c["reason"]), text(&c["message"])));
    }
}

pub(super) fn ip_address(w: &mut Writer, o: &Value) {
    cluster_head(w, o);
    let parent = &o["spec"]["parentRef"];
    if parent.is_object() {
        w.line(0, "Parent Reference:");
        for (words, key) in [("Group", "group"), ("Resource", "resource"), ("Namespace", "namespace"), ("Name", "name")]
        {
            w.field(1, words, text(&parent[key]));
        }
    }
}

pub(super) fn policy(w: &mut Writer, o: &Value) {
    let spec = &o["spec"];
    w.field(0, "Name", text(&o["metadata"]["name"]));
    w.field(0, "Namespace", text(&o["metadata"]["namespace"]));
    let created = time(&o["metadata"]["creationTimestamp"]);
    w.field(0, "Created on", created.map_or(String::new(), |t| t.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()));
    w.labels("Labels", &o["metadata"]["labels"]);
    w.annotations("Annotations", &o["metadata"]["annotations"]);
    w.line(0, "Spec:");
    let pods = selector(&spec["podSelector"]);
    let everyone = "<none> (Allowing the specific traffic to all pods in this namespace)";
    w.line(1, format!("PodSelector:     {}", if pods == "<none>" { everyone } else { &pods }));
    for (kind, direction, rules, peers) in
        [("Ingress", "ingress", &spec["ingress"], "from"), ("Egress", "egress", &spec["egress"], "to")]
    {
        if items(&spec["policyTypes"]).iter().any(|t| t == kind) {
            w.line(1, format!("Allowing {direction} traffic:"));
            traffic(w, direction, items(rules), peers);
        } else {
            w.line(1, format!("Not affecting {direction} traffic"));
        }
    }
    w.line(1, format!("Policy Types: {}", joined(&spec["policyTypes"], ", ")));
}

/// Models printNetworkPolicySpecIngressFrom and printNetworkPolicySpecEgressTo.
fn traffic(w: &mut Writer, direction: &str, rules: &[Value], peers: &str) {
    if rules.is_empty() {
        return w.line(2, format!("<none> (Selected pods are isolated for {direction} connectivity)"));
    }
    let (title, side) = if peers == "from" { ("From", "source") } else { ("To", "destination") };
    for (i, rule) in rules.iter().enumerate() {
        if i > 0 {
            w.line(2, "----------");
        }
        if items(&rule["ports"]).is_empty() {
            w.line(2, "To Port: <any> (traffic allowed to all ports)");
        }
        for p in items(&rule["ports"]) {
            let protocol = p["protocol"].as_str().unwrap_or("TCP");
            let port = if p["port"].is_null() { "<nil>".into() } else { text(&p["port"]) };
            match p["endPort"].as_i64() {
                None => w.line(2, format!("To Port: {port}/{protocol}")),
                Some(end) => w.line(2, format!("To Port Range: {port}-{end}/{protocol}")),
            }
        }
        if items(&rule[peers]).is_empty() {
            w.line(2, format!("{title}: <any> (traffic not restricted by {side})"));
        }
        for peer in items(&rule[peers]) {
            w.line(2, format!("{title}:"));
            for (words, s) in [("NamespaceSelector", &peer["namespaceSelector"]), ("PodSelector", &peer["podSelector"])]
            {
                if s.is_object() {
                    w.line(3, format!("{words}: {}", selector(s)));
                }
            }
            if peer["ipBlock"].is_object() && !peer["podSelector"].is_object() && !peer["namespaceSelector"].is_object()
            {
                w.line(3, "IPBlock:");
                w.line(4, format!("CIDR: {}", text(&peer["ipBlock"]["cidr"])));
                w.line(4, format!("Except: {}", joined(&peer["ipBlock"]["except"], ", ")));
            }
        }
    }
}
