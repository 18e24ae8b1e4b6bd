//! Services and what is behind them, in words.

use serde_json::Value;

use super::super::show::{items, labels, or_none, text};
use super::Writer;

fn joined(v: &Value, with: &str) -> String {
    items(v).iter().map(text).collect::<Vec<_>>().join(with)
}

/// `ip:port` of the endpoints that are ready, the first three of them. Models describe.go's formatEndpointSlices.
pub(super) fn endpoints_of(slices: &[Value], port_name: &str) -> String {
    const SHOWN_MAX: usize = 3;
    let (mut list, mut more, mut count) = (Vec::new(), false, 0usize);
    for s in slices {
        let ports = items(&s["ports"]);
        let ready = || items(&s["endpoints"]).iter().filter(|e| e["conditions"]["ready"] != false);
        if ports.is_empty() {
            for e in ready() {
                for a in items(&e["addresses"]) {
                    if list.len() < SHOWN_MAX {
                        list.push(text(a));
                    } else {
                        more = true;
                    }
                    count += 1;
                }
            }
            continue;
        }
        for p in ports.iter().filter(|p| text(&p["name"]) == port_name) {
            for e in ready() {
                if list.len() == SHOWN_MAX {
                    more = true;
                }
                for a in items(&e["addresses"]) {
                    let a = text(a);
                    let host = if a.contains(':') { format!("[{a}]") } else { a };
                    if !more {
                        list.push(format!("{host}:{}", text(&p["port"])));
                    }
                    count += 1;
                }
            }
        }
    }
    let mut out = list.join(",");
    if more {
        out.push_str(&format!(" + {} more...", count.saturating_sub(SHOWN_MAX)));
    }
    out
}

pub(super) fn service(w: &mut Writer, o: &Value, slices: &[Value]) {
    let spec = &o["spec"];
    w.head(o);
    w.field(0, "Selector", labels(&spec["selector"]));
    w.field(0, "Type", text(&spec["type"]));
    if !spec["ipFamilyPolicy"].is_null() {
        w.field(0, "IP Family Policy", text(&spec["ipFamilyPolicy"]));
    }
    w.field(0, "IP Families", or_none(joined(&spec["ipFamilies"], ",")));
    w.field(0, "IP", text(&spec["clusterIP"]));
    w.field(0, "IPs", or_none(joined(&spec["clusterIPs"], ",")));
    let optional = |w: &mut Writer, key: &str, s: String| {
        if !s.is_empty() {
            w.field(0, key, s);
        }
    };
    optional(w, "External IPs", joined(&spec["externalIPs"], ","));
    optional(w, "Desired LoadBalancer IP", text(&spec["loadBalancerIP"]));
    optional(w, "External Name", text(&spec["externalName"]));
    let ingress: Vec<String> = items(&o["status"]["loadBalancer"]["ingress"])
        .iter()
        .map(|i| match (text(&i["ip"]), text(&i["ipMode"])) {
            (ip, _) if ip.is_empty() => text(&i["hostname"]),
            (ip, mode) if mode.is_empty() => ip,
            (ip, mode) => format!("{ip} ({mode})"),
        })
        .collect();
    optional(w, "LoadBalancer Ingress", ingress.join(", "));
    for p in items(&spec["ports"]) {
        let name = text(&p["name"]);
        let shown = if name.is_empty() { "<unset>" } else { &name };
        let protocol = text(&p["protocol"]);
        w.field(0, "Port", format!("{shown}\t{}/{protocol}", text(&p["port"])));
        let target = &p["targetPort"];
        w.field(0, "TargetPort", format!("{}/{protocol}", if target.is_null() { "0".into() } else { text(target) }));
        optional(w, "AppProtocol", text(&p["appProtocol"]));
        if p["nodePort"].as_i64().unwrap_or(0) != 0 {
            w.field(0, "NodePort", format!("{shown}\t{}/{protocol}", text(&p["nodePort"])));
        }
        w.field(0, "Endpoints", endpoints_of(slices, &name));
    }
    w.field(0, "Session Affinity", text(&spec["sessionAffinity"]));
    optional(w, "External Traffic Policy", text(&spec["externalTrafficPolicy"]));
    optional(w, "Internal Traffic Policy", text(&spec["internalTrafficPolicy"]));
    optional(w, "HealthCheck NodePort", text(&spec["healthCheckNodePort"]));
    optional(w, "LoadBalancer Source Ranges", joined(&spec["loadBalancerSourceRanges"], ","));
    optional(w, "Traffic Distribution", text(&spec["trafficDistribution"]));
}

pub(super) fn endpoints(w: &mut Writer, o: &Value) {
    w.head(o);
    w.line(0, "Subsets:");
    for s in items(&o["subsets"]) {
        for (key, list) in [("Addresses", &s["addresses"]), ("NotReadyAddresses", &s["notReadyAddresses"])] {
            let ips: Vec<String> = items(list).iter().map(|a| text(&a["ip"])).collect();
            w.field(1, key, or_none(ips.join(",")));
        }
        if !items(&s["ports"]).is_empty() {
            w.line(1, "Ports:");
            w.put(2, "Name\tPort\tProtocol\n");
            w.put(2, "----\t----\t--------\n");
            for p in items(&s["ports"]) {
                w.put(2, format!("{}\t{}\t{}\n", unset(&p["name"]), text(&p["port"]), text(&p["protocol"])));
            }
        }
        w.put(0, "\n");
    }
}

fn unset(v: &Value) -> String {
    match text(v) {
        s if s.is_empty() => "<unset>".into(),
        s => s,
    }
}

pub(super) fn endpoint_slice(w: &mut Writer, o: &Value) {
    w.head(o);
    w.field(0, "AddressType", text(&o["addressType"]));
    if items(&o["ports"]).is_empty() {
        w.line(0, "Ports: <unset>");
    } else {
        w.line(0, "Ports:");
        w.put(1, "Name\tPort\tProtocol\n");
        w.put(1, "----\t----\t--------\n");
        for p in items(&o["ports"]) {
            w.put(1, format!("{}\t{}\t{}\n", unset(&p["name"]), unset(&p["port"]), text(&p["protocol"])));
        }
    }
    if items(&o["endpoints"]).is_empty() {
        w.line(0, "Endpoints: <none>");
        return;
    }
    w.line(0, "Endpoints:");
    for e in items(&o["endpoints"]) {
        w.field(1, "- Addresses", or_none(joined(&e["addresses"], ", ")));
        w.line(2, "Conditions:");
        w.field(3, "Ready", unset(&e["conditions"]["ready"]));
        w.field(2, "Hostname", unset(&e["hostname"]));
        if e["targetRef"].is_object() {
            w.field(2, "TargetRef", format!("{}/{}", text(&e["targetRef"]["kind"]), text(&e["targetRef"]["name"])));
        }
        w.field(2, "NodeName", unset(&e["nodeName"]));
        w.field(2, "Zone", unset(&e["zone"]));
    }
}
