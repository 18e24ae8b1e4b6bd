//! Containers and pod templates in words.

use serde_json::Value;

use super::super::show::{items, or_none, rfc1123z, selector, text};
use super::{Writer, volumes};
use crate::api::field::quote;
use crate::api::quantity::Quantity;

/// A pod template, below `Pod Template:`.
pub(in super::super) fn pod_template(w: &mut Writer, template: &Value) {
    w.line(0, "Pod Template:");
    if !template.is_object() {
        w.put(1, "<unset>");
        return;
    }
    let spec = &template["spec"];
    w.labels("  Labels", &template["metadata"]["labels"]);
    if template["metadata"]["annotations"].as_object().is_some_and(|a| !a.is_empty()) {
        w.annotations("  Annotations", &template["metadata"]["annotations"]);
    }
    let account = text(&spec["serviceAccountName"]);
    if !account.is_empty() {
        w.field(1, "Service Account", account);
    }
    if !items(&spec["initContainers"]).is_empty() {
        describe(w, "Init Containers", items(&spec["initContainers"]), &[], None, "  ");
    }
    describe(w, "Containers", items(&spec["containers"]), &[], None, "  ");
    volumes::describe(w, items(&spec["volumes"]), "  ");
    spread(w, items(&spec["topologySpreadConstraints"]), "  ");
    let class = text(&spec["priorityClassName"]);
    if !class.is_empty() {
        w.field(1, "Priority Class Name", class);
    }
    w.labels("  Node-Selectors", &spec["nodeSelector"]);
    tolerations(w, "  Tolerations", items(&spec["tolerations"]));
}

/// Containers with their states; `pod` resolves what variables refer to.
pub(super) fn describe(
    w: &mut Writer,
    title: &str,
    list: &[Value],
    statuses: &[Value],
    pod: Option<&Value>,
    space: &str,
) {
    let none = if list.is_empty() { " <none>" } else { "" };
    w.line(0, format!("{space}{title}:{none}"));
    let indent = if space.is_empty() { "" } else { " " };
    for c in list {
        let status = statuses.iter().find(|s| s["name"] == c["name"]);
        w.line(1, format!("{indent}{}:", text(&c["name"])));
        if let Some(s) = status {
            w.field(2, "Container ID", text(&s["containerID"]));
        }
        w.field(2, "Image", text(&c["image"]));
        if let Some(s) = status {
            w.field(2, "Image ID", text(&s["imageID"]));
        }
        ports(w, c);
        let seccomp = &c["securityContext"]["seccompProfile"];
        if !seccomp["type"].is_null() {
            w.field(2, "SeccompProfile", text(&seccomp["type"]));
            if seccomp["type"] == "Localhost" {
                w.field(3, "LocalhostProfile", text(&seccomp["localhostProfile"]));
            }
        }
        for (title, words) in [("Command", &c["command"]), ("Args", &c["args"])] {
            if !items(words).is_empty() {
                w.line(2, format!("{title}:"));
                for s in
                    items(words).iter().map(text).flat_map(|s| s.split('\n').map(str::to_owned).collect::<Vec<_>>())
                {
                    w.line(3, s);
                }
            }
        }
        if let Some(s) = status {
            state(w, "State", &s["state"]);
            if s["lastState"]["terminated"].is_object() {
                state(w, "Last State", &s["lastState"]);
            }
            w.field(2, "Ready", if s["ready"] == true { "True" } else { "False" });
            w.field(2, "Restart Count", s["restartCount"].as_i64().unwrap_or(0).to_string());
        }
        resources(w, &c["resources"], 2);
        for (title, p) in
            [("Liveness", &c["livenessProbe"]), ("Readiness", &c["readinessProbe"]), ("Startup", &c["startupProbe"])]
        {
            if p.is_object() {
                w.field(2, title, probe(p));
            }
        }
        environment_from(w, items(&c["envFrom"]));
        environment(w, c, pod);
        mounts(w, c);
    }
}

fn ports(w: &mut Writer, c: &Value) {
    let show = |field: &str| {
        let one = |p: &Value| {
            let s = format!("{}/{}", p[field].as_i64().unwrap_or(0), text(&p["protocol"]));
            if p["name"].is_null() { s } else { format!("{s} ({})", text(&p["name"])) }
        };
        items(&c["ports"]).iter().map(one).collect::<Vec<_>>().join(", ")
    };
    for (one, many, s) in [("Port", "Ports", show("containerPort")), ("Host Port", "Host Ports", show("hostPort"))] {
        w.field(2, if s.contains(',') { many } else { one }, or_none(s));
    }
}

fn state(w: &mut Writer, title: &str, state: &Value) {
    if state["running"].is_object() {
        w.field(2, title, "Running");
        w.field(3, "Started", rfc1123z(&state["running"]["startedAt"]));
    } else if state["terminated"].is_object() {
        let t = &state["terminated"];
        w.field(2, title, "Terminated");
        for (key, v) in [("Reason", &t["reason"]), ("Message", &t["message"])] {
            if !text(v).is_empty() {
                w.field(3, key, text(v));
            }
        }
        w.field(3, "Exit Code", t["exitCode"].as_i64().unwrap_or(0).to_string());
        if t["signal"].as_i64().unwrap_or(0) > 0 {
            w.field(3, "Signal", text(&t["signal"]));
        }
        w.field(3, "Started", rfc1123z(&t["startedAt"]));
        w.field(3, "Finished", rfc1123z(&t["finishedAt"]));
    } else {
        w.field(2, title, "Waiting");
        let reason = text(&state["waiting"]["reason"]);
        if !reason.is_empty() {
            w.field(3, "Reason", reason);
        }
    }
}

/// Limits and requests.
pub(super) fn resources(w: &mut Writer, r: &Value, level: usize) {
    for (title, map) in [("Limits", &r["limits"]), ("Requests", &r["requests"])] {
        let Some(map) = map.as_object().filter(|m| !m.is_empty()) else { continue };
        w.line(level, format!("{title}:"));
        for (k, v) in map {
            w.field(level + 1, k, text(v));
        }
    }
}

/// Models describe.go's DescribeProbe.
fn probe(p: &Value) -> String {
    let n = |k: &str| p[k].as_i64().unwrap_or(0);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        n("initialDelaySeconds"),
        n("timeoutSeconds"),
        n("periodSeconds"),
        n("successThreshold"),
        n("failureThreshold")
    );
    if p["exec"].is_object() {
        let command: Vec<String> = items(&p["exec"]["command"]).iter().map(text).collect();
        return format!("exec [{}] {attributes}", command.join(" "));
    }
    if p["httpGet"].is_object() {
        let h = &p["httpGet"];
        let host = text(&h["host"]);
        let port = text(&h["port"]);
        let at = if port.is_empty() { host } else { format!("{host}:{port}") };
        let path = text(&h["path"]);
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        return format!("http-get {}://{at}{slash}{path} {attributes}", text(&h["scheme"]).to_lowercase());
    }
    if p["tcpSocket"].is_object() {
        return format!("tcp-socket {}:{} {attributes}", text(&p["tcpSocket"]["host"]), text(&p["tcpSocket"]["port"]));
    }
    if p["grpc"].is_object() {
        return format!("grpc <pod>:{} {} {attributes}", text(&p["grpc"]["port"]), text(&p["grpc"]["service"]));
    }
    format!("unknown {attributes}")
}

fn environment_from(w: &mut Writer, from: &[Value]) {
    if from.is_empty() {
        return;
    }
    w.line(2, "Environment Variables from:");
    for e in from {
        let (kind, r) =
            if e["configMapRef"].is_object() { ("ConfigMap", &e["configMapRef"]) } else { ("Secret", &e["secretRef"]) };
        let prefix = text(&e["prefix"]);
        let with = if prefix.is_empty() { String::new() } else { format!(" with prefix '{prefix}'") };
        w.line(3, format!("{}\t{kind}{with}\tOptional: {}", text(&r["name"]), r["optional"] == true));
    }
}

fn environment(w: &mut Writer, c: &Value, pod: Option<&Value>) {
    let list = items(&c["env"]);
    w.line(2, if list.is_empty() { "Environment:\t<none>" } else { "Environment:" });
    for e in list {
        let name = text(&e["name"]);
        let from = &e["valueFrom"];
        if !from.is_object() {
            for (i, s) in text(&e["value"]).split('\n').enumerate() {
                w.line(3, if i == 0 { format!("{name}:\t{s}") } else { format!("\t{s}") });
            }
        } else if from["fieldRef"].is_object() {
            let path = text(&from["fieldRef"]["fieldPath"]);
            let v = pod.map(|p| field_path(p, &path)).unwrap_or_default();
            w.line(3, format!("{name}:\t{v} ({}:{path})", text(&from["fieldRef"]["apiVersion"])));
        } else if from["resourceFieldRef"].is_object() {
            let resource = text(&from["resourceFieldRef"]["resource"]);
            let mut v = resource_field(c, &from["resourceFieldRef"]);
            if v == "0" && (resource == "limits.cpu" || resource == "limits.memory") {
                v = "node allocatable".into();
            }
            w.line(3, format!("{name}:\t{v} ({resource})"));
        } else {
            for (r, within) in [(&from["secretKeyRef"], "in secret"), (&from["configMapKeyRef"], "of config map")] {
                if r.is_object() {
                    let (key, owner) = (text(&r["key"]), text(&r["name"]));
                    w.line(
                        3,
                        format!(
                            "{name}:\t<set to the key '{key}' {within} '{owner}'>\tOptional: {}",
                            r["optional"] == true
                        ),
                    );
                }
            }
        }
    }
}

/// What a field path of the downward API means for a pod.
fn field_path(pod: &Value, path: &str) -> String {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|p| p.split_once("['")) {
        return text(path_of(pod, map).get(key).unwrap_or(&Value::Null));
    }
    text(path_of(pod, path))
}

fn path_of<'a>(v: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(v, |v, key| &v[key])
}

/// A resource of a container in units of its divisor, rounded up.
fn resource_field(c: &Value, r: &Value) -> String {
    let resource = text(&r["resource"]);
    let Some((list, name)) = resource.split_once('.') else { return String::new() };
    let q = Quantity::parse(&text(&c["resources"][list][name])).unwrap_or(Quantity::ZERO);
    let divisor = Quantity::parse(&text(&r["divisor"]))
        .ok()
        .filter(|d| !d.is_zero())
        .unwrap_or(Quantity::new(1, crate::api::quantity::Format::DecimalSi));
    let (a, b) = if name == "cpu" { (q.milli_value(), divisor.milli_value()) } else { (q.value(), divisor.value()) };
    if b == 0 { "0".into() } else { (a.saturating_add(b - 1) / b).to_string() }
}

fn mounts(w: &mut Writer, c: &Value) {
    let mut list: Vec<&Value> = items(&c["volumeMounts"]).iter().collect();
    w.line(2, if list.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
    list.sort_by_key(|m| text(&m["mountPath"]));
    let none = if list.is_empty() { "\t<none>" } else { "" };
    for m in &list {
        let mut flags = if m["readOnly"] == true { "ro".to_owned() } else { "rw".to_owned() };
        let sub = text(&m["subPath"]);
        if !sub.is_empty() {
            flags.push_str(&format!(",path={}", quote(&sub)));
        }
        w.line(3, format!("{} from {} ({flags})", text(&m["mountPath"]), text(&m["name"])));
    }
    let mut devices: Vec<&Value> = items(&c["volumeDevices"]).iter().collect();
    if !devices.is_empty() {
        w.line(2, format!("Devices:{none}"));
        devices.sort_by_key(|d| text(&d["devicePath"]));
        for d in devices {
            w.line(3, format!("{} from {}", text(&d["devicePath"]), text(&d["name"])));
        }
    }
}

/// Tolerations, a line each, by key. Models describe.go's printPodTolerationsMultiline.
pub(super) fn tolerations(w: &mut Writer, title: &str, list: &[Value]) {
    w.put(0, format!("{title}:\t"));
    if list.is_empty() {
        w.line(0, "<none>");
    }
    let mut sorted: Vec<&Value> = list.iter().collect();
    sorted.sort_by_key(|t| text(&t["key"]));
    for (i, t) in sorted.into_iter().enumerate() {
        if i > 0 {
            w.put(0, "\t");
        }
        let mut s = text(&t["key"]);
        let value = text(&t["value"]);
        if !value.is_empty() {
            s.push_str(&format!("={value}"));
        }
        let effect = text(&t["effect"]);
        if !effect.is_empty() {
            s.push_str(&format!(":{effect}"));
        }
        if t["operator"] == "Exists" && value.is_empty() {
            if t["key"].is_null() && effect.is_empty() {
                s.push_str("op=Exists");
            } else {
                s.push_str(" op=Exists");
            }
        }
        if let Some(n) = t["tolerationSeconds"].as_i64() {
            s.push_str(&format!(" for {n}s"));
        }
        w.line(0, s);
    }
}

/// Topology spread constraints, by key.
pub(super) fn spread(w: &mut Writer, list: &[Value], space: &str) {
    if list.is_empty() {
        return;
    }
    let mut sorted: Vec<&Value> = list.iter().collect();
    sorted.sort_by_key(|t| text(&t["topologyKey"]));
    w.put(0, format!("{space}Topology Spread Constraints:\t"));
    for (i, t) in sorted.into_iter().enumerate() {
        if i > 0 {
            w.put(0, format!("{space}\t"));
        }
        let mut s = format!(
            "{}:{} when max skew {} is exceeded",
            text(&t["topologyKey"]),
            text(&t["whenUnsatisfiable"]),
            text(&t["maxSkew"])
        );
        if t["labelSelector"].is_object() {
            s.push_str(&format!(" for selector {}", selector(&t["labelSelector"])));
        }
        w.line(0, s);
    }
}
