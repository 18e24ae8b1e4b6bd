//! kubectl create's generators, run, expose and autoscale: objects made from flags. Models `pkg/cmd/create`, `pkg/cmd/run`,
//! `pkg/cmd/expose`, `pkg/cmd/autoscale`.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::show::text;
use super::{Cx, Failure, Outcome, apply, label, print, resources};
use crate::api::field::quote;
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("validate", ' '),
    value("field-manager", ' '),
    value("image", ' '),
    value("replicas", 'r'),
    value("port", ' '),
    value("from-literal", ' '),
    value("from-file", ' '),
    value("from-env-file", ' '),
    value("from", ' '),
    value("type", ' '),
    value("hard", ' '),
    value("scopes", ' '),
    value("schedule", ' '),
    value("restart", ' '),
    value("selector", 'l'),
    value("min-available", ' '),
    value("max-unavailable", ' '),
    value("min", ' '),
    value("max", ' '),
    value("cpu", ' '),
    value("cpu-percent", ' '),
    value("memory", ' '),
    value("name", ' '),
    value("labels", ' '),
    value("annotations", ' '),
    value("env", ' '),
    value("target-port", ' '),
    value("protocol", ' '),
    value("cluster-ip", ' '),
    value("external-ip", ' '),
    value("load-balancer-ip", ' '),
    value("session-affinity", ' '),
    value("port-name", ' '),
    value("tcp", ' '),
    value("node-port", ' '),
    value("external-name", ' '),
    value("verb", ' '),
    value("resource", ' '),
    value("resource-name", ' '),
    value("non-resource-url", ' '),
    value("role", ' '),
    value("clusterrole", ' '),
    value("user", ' '),
    value("group", ' '),
    value("serviceaccount", ' '),
    value("value", ' '),
    value("description", ' '),
    value("preemption-policy", ' '),
    value("image-pull-policy", ' '),
    value("overrides", ' '),
    value("timeout", ' '),
    value("duration", ' '),
    value("pod-running-timeout", ' '),
    value("grace-period", ' '),
    value("annotation", ' '),
    value("class", ' '),
    value("rule", ' '),
    value("default-backend", ' '),
    value("cert", ' '),
    value("key", ' '),
    switch("global-default", ' '),
    switch("append-hash", ' '),
    switch("save-config", ' '),
    switch("command", ' '),
    switch("expose", ' '),
    switch("rm", ' '),
    switch("stdin", 'i'),
    switch("tty", 't'),
    switch("attach", ' '),
    switch("quiet", 'q'),
    switch("recursive", 'R'),
    switch("edit", ' '),
    switch("privileged", ' '),
    value("raw", ' '),
];

fn required<'a>(cx: &'a Cx<'_>, flag: &str) -> Result<&'a str, Failure> {
    cx.args
        .get(flag)
        .filter(|v| !v.is_empty())
        .ok_or_else(|| Failure::error(format!("required flag(s) {} not set", quote(flag))))
}

fn number(cx: &Cx<'_>, flag: &str) -> Result<Option<i64>, Failure> {
    cx.args
        .get(flag)
        .map(|v| {
            v.parse().map_err(|_| {
                Failure::error(format!(
                    "invalid argument {} for \"--{flag}\" flag: strconv.ParseInt: parsing {}: invalid syntax",
                    quote(v),
                    quote(v)
                ))
            })
        })
        .transpose()
}

/// `a=b,c=d`
fn pairs(s: &str) -> Result<Value, Failure> {
    let mut map = Map::new();
    for p in s.split(',').filter(|p| !p.is_empty()) {
        let (k, v) = p.split_once('=').ok_or_else(|| Failure::error(format!("unexpected label specification: {p}")))?;
        map.insert(k.to_owned(), v.into());
    }
    Ok(Value::Object(map))
}

/// Makes the object of `create KIND NAME`.
pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let (Some(kind), name) = (cx.args.words.first(), cx.args.words.get(1)) else {
        return Err(Failure::error("must specify one of -f and -k"));
    };
    let (kind, sub, name) = match kind.as_str() {
        "secret" | "service" | "svc" => {
            let sub = name.cloned().unwrap_or_default();
            (if kind == "secret" { "secret" } else { "service" }, sub, cx.args.words.get(2))
        }
        other => (other, String::new(), name),
    };
    let missing = || {
        Failure::error(format!(
            "exactly one NAME is required, got {}\nSee 'kubectl create {kind} -h' for help and examples",
            0
        ))
    };
    let name = name.ok_or_else(missing)?.as_str();
    let (object, plural) = make(cx, kind, &sub, name)?;
    // Old generators say what failed in their own words.
    let wrapped = match kind {
        "deployment" | "deploy" => Some("deployment"),
        "configmap" | "cm" => Some("configmap"),
        "secret" => Some("secret"),
        "job" => Some("job"),
        "cronjob" | "cj" => Some("cronjob"),
        "quota" | "resourcequota" => Some("resourcequota"),
        "poddisruptionbudget" | "pdb" => Some("poddisruptionbudgets"),
        "serviceaccount" | "sa" => Some("serviceaccount"),
        "service" => Some("service"),
        "rolebinding" => Some("rolebinding"),
        "clusterrolebinding" => Some("clusterrolebinding"),
        "priorityclass" | "pc" => Some("priorityclass"),
        _ => None,
    };
    let _ = plural;
    post(cx, object, "created", "kubectl-create", wrapped).await
}

fn container(cx: &Cx<'_>, name: &str, image: &str) -> Value {
    let mut c = json!({"name": name, "image": image, "resources": {}});
    if !cx.args.rest.is_empty() {
        c["command"] = json!(cx.args.rest);
    }
    c
}

/// A container's name from its image: `nginx:1.27` is `nginx`.
fn name_of_image(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last).to_owned()
}

fn make(cx: &Cx<'_>, kind: &str, sub: &str, name: &str) -> Result<(Value, &'static str), Failure> {
    let meta = json!({"name": name});
    Ok(match kind {
        "deployment" | "deploy" => {
            let image = required(cx, "image")?;
            let labels = json!({"app": name});
            let images = cx.args.all("image");
            let mut containers: Vec<Value> = images.iter().map(|i| container(cx, &name_of_image(i), i)).collect();
            if let (Some(p), Some(c)) = (number(cx, "port")?, containers.first_mut()) {
                c["ports"] = json!([{"containerPort": p}]);
            }
            let _ = image;
            let o = json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "labels": labels},
                "spec": {
                    "replicas": number(cx, "replicas")?.unwrap_or(1),
                    "selector": {"matchLabels": labels}, "strategy": {},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
                },
                "status": {},
            });
            (o, "deployments")
        }
        "configmap" | "cm" => {
            let data = literals(cx)?;
            let mut o = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta});
            if !data.is_empty() {
                o["data"] = data.into_iter().map(|(k, v)| (k, Value::String(v))).collect::<Map<_, _>>().into();
            }
            (o, "configmaps")
        }
        "secret" => {
            let mut o = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta});
            if sub != "generic" {
                return Err(Failure::error(format!("unknown command {} for \"kubectl create secret\"", quote(sub))));
            }
            let data: Map<String, Value> = literals(cx)?
                .into_iter()
                .map(|(k, v)| (k, base64::engine::general_purpose::STANDARD.encode(v).into()))
                .collect();
            if !data.is_empty() {
                o["data"] = Value::Object(data);
            }
            if let Some(t) = cx.args.get("type") {
                o["type"] = t.into();
            }
            (o, "secrets")
        }
        "namespace" | "ns" => {
            (json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta, "spec": {}, "status": {}}), "namespaces")
        }
        "serviceaccount" | "sa" => {
            (json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}), "serviceaccounts")
        }
        "quota" | "resourcequota" => {
            let mut spec = json!({});
            if let Some(h) = cx.args.get("hard") {
                spec["hard"] = pairs(h)?;
            }
            if let Some(s) = cx.args.get("scopes") {
                spec["scopes"] = json!(s.split(',').collect::<Vec<_>>());
            }
            (
                json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": spec, "status": {}}),
                "resourcequotas",
            )
        }
        "job" => {
            let template = match cx.args.get("from") {
                Some(_) => return Err(Failure::error("from must be an existing cronjob")),
                None => {
                    json!({"metadata": {}, "spec": {"containers": [container(cx, name, required(cx, "image")?)], "restartPolicy": "Never"}})
                }
            };
            (
                json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": template}, "status": {}}),
                "jobs",
            )
        }
        "cronjob" | "cj" => {
            let restart = cx.args.get("restart").unwrap_or("OnFailure");
            let image = required(cx, "image")?;
            let spec = json!({
                "jobTemplate": {"metadata": meta, "spec": {"template": {"metadata": {}, "spec": {"containers": [container(cx, name, image)], "restartPolicy": restart}}}},
                "schedule": required(cx, "schedule")?,
            });
            (
                json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec, "status": {}}),
                "cronjobs",
            )
        }
        "poddisruptionbudget" | "pdb" => {
            let mut spec = json!({"selector": {"matchLabels": pairs(required(cx, "selector")?)?}});
            for (flag, field) in [("min-available", "minAvailable"), ("max-unavailable", "maxUnavailable")] {
                if let Some(v) = cx.args.get(flag) {
                    spec[field] = v.parse::<i64>().map_or_else(|_| v.into(), Value::from);
                }
            }
            (
                json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec, "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}}),
                "poddisruptionbudgets",
            )
        }
        "priorityclass" | "pc" => {
            let mut o = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta, "value": number(cx, "value")?.unwrap_or(0),
                "preemptionPolicy": cx.args.get("preemption-policy").unwrap_or("PreemptLowerPriority")});
            if let Some(d) = cx.args.get("description") {
                o["description"] = d.into();
            }
            if cx.args.on("global-default") {
                o["globalDefault"] = true.into();
            }
            (o, "priorityclasses")
        }
        "role" | "clusterrole" => {
            let verbs: Vec<&str> = cx.args.all("verb").iter().flat_map(|v| v.split(',')).collect();
            let mut rules = Vec::new();
            for r in cx.args.all("resource").iter().flat_map(|r| r.split(',')) {
                let (plain, sub) = r.split_once('/').map_or((r, None), |(p, s)| (p, Some(s)));
                let (plain, group) = plain.split_once('.').unwrap_or((plain, ""));
                let resource = sub.map_or_else(|| plain.to_owned(), |s| format!("{plain}/{s}"));
                let mut rule = json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
                if !cx.args.all("resource-name").is_empty() {
                    rule["resourceNames"] = json!(cx.args.all("resource-name"));
                }
                rules.push(rule);
            }
            for u in cx.args.all("non-resource-url") {
                rules.push(json!({"nonResourceURLs": [u], "verbs": verbs}));
            }
            if verbs.is_empty() {
                return Err(Failure::error("at least one verb must be specified"));
            }
            let k = if kind == "role" { "Role" } else { "ClusterRole" };
            (
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": k, "metadata": meta, "rules": rules}),
                "roles",
            )
        }
        "rolebinding" | "clusterrolebinding" => {
            let role = match (cx.args.get("clusterrole"), cx.args.get("role")) {
                (Some(c), None) => json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": c}),
                (None, Some(r)) if kind == "rolebinding" => {
                    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": r})
                }
                _ => return Err(Failure::error("exactly one of clusterrole or role must be specified")),
            };
            let mut subjects = Vec::new();
            for (flag, k) in [("user", "User"), ("group", "Group")] {
                for n in cx.args.all(flag) {
                    subjects.push(json!({"apiGroup": "rbac.authorization.k8s.io", "kind": k, "name": n}));
                }
            }
            for s in cx.args.all("serviceaccount") {
                let (ns, n) =
                    s.split_once(':').ok_or_else(|| Failure::error("serviceaccount must be <namespace>:<name>"))?;
                subjects.push(json!({"kind": "ServiceAccount", "name": n, "namespace": ns}));
            }
            let k = if kind == "rolebinding" { "RoleBinding" } else { "ClusterRoleBinding" };
            (
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": k, "metadata": meta, "roleRef": role, "subjects": subjects}),
                "rolebindings",
            )
        }
        "service" => (service(cx, sub, name)?, "services"),
        other => return Err(Failure::error(format!("unknown command {} for \"kubectl create\"", quote(other)))),
    })
}

fn service(cx: &Cx<'_>, sub: &str, name: &str) -> Result<Value, Failure> {
    let kind = match sub {
        "clusterip" => "ClusterIP",
        "nodeport" => "NodePort",
        "loadbalancer" => "LoadBalancer",
        "externalname" => "ExternalName",
        other => {
            return Err(Failure::error(format!("unknown command {} for \"kubectl create service\"", quote(other))));
        }
    };
    let mut ports = Vec::new();
    for t in cx.args.all("tcp").iter().flat_map(|t| t.split(',')) {
        let (port, target) = t.split_once(':').unwrap_or((t, t));
        let number: i64 = port.parse().map_err(|_| Failure::error(format!("invalid port {}", quote(port))))?;
        let target = target.parse::<i64>().map_or_else(|_| Value::from(target), Value::from);
        ports.push(json!({"name": t.replace(':', "-"), "port": number, "protocol": "TCP", "targetPort": target}));
    }
    let mut spec = json!({"type": kind, "selector": {"app": name}});
    if !ports.is_empty() {
        spec["ports"] = json!(ports);
    }
    if let Some(e) = cx.args.get("external-name") {
        spec["externalName"] = e.into();
    }
    Ok(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec, "status": {"loadBalancer": {}}}),
    )
}

/// What `--from-literal`, `--from-file` and `--from-env-file` give.
fn literals(cx: &Cx<'_>) -> Result<Vec<(String, String)>, Failure> {
    let mut out: Vec<(String, String)> = Vec::new();
    for l in cx.args.all("from-literal") {
        let (k, v) = l
            .split_once('=')
            .filter(|(k, _)| !k.is_empty())
            .ok_or_else(|| Failure::error(format!("invalid literal source {l}, expected key=value")))?;
        out.push((k.to_owned(), v.trim_matches(['\'', '"']).to_owned()));
    }
    let read = |f: &str| {
        cx.shell
            .files
            .get(f)
            .cloned()
            .ok_or_else(|| Failure::error(format!("error reading {f}: no such file or directory")))
    };
    for f in cx.args.all("from-file") {
        let (k, path) = f.split_once('=').unwrap_or((f.rsplit('/').next().unwrap_or(f), f));
        out.push((k.to_owned(), read(path)?));
    }
    for f in cx.args.all("from-env-file") {
        for line in read(f)?.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (k, v) = line.split_once('=').unwrap_or((line, ""));
            out.push((k.to_owned(), v.to_owned()));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    if let Some((k, _)) = out.iter().find(|(k, _)| !seen.insert(k.clone())) {
        return Err(Failure::error(format!(
            "cannot add key {}, another key by that name already exists in Data for ConfigMap {}",
            quote(k),
            quote("")
        )));
    }
    Ok(out)
}

/// Sends a new object, or prints it with `--dry-run=client`.
async fn post(cx: &Cx<'_>, mut object: Value, verb: &str, manager: &str, wrapped: Option<&str>) -> Outcome {
    let all = resources::discover(cx).await?;
    let (query, words, local) = apply::dry_run(cx)?;
    let Some(r) = resources::find_kind(&all, &text(&object["apiVersion"]), &text(&object["kind"])) else {
        return Err(Failure::error(format!(
            "no matches for kind {} in version {}",
            quote(&text(&object["kind"])),
            quote(&text(&object["apiVersion"]))
        )));
    };
    if r.namespaced && cx.args.get("namespace").is_some() {
        object["metadata"]["namespace"] = cx.namespace.clone().into();
    }
    if !local {
        let q = format!("fieldManager={}{query}", cx.args.get("field-manager").unwrap_or(manager));
        object = cx.ask("POST", &r.path(Some(&cx.namespace)), &q, Some(&object)).await.map_err(|f| match wrapped {
            Some(what) => match f.text.strip_prefix("Error from server (").and_then(|t| t.split_once("): ")) {
                Some((_, message)) => {
                    Failure { text: format!("error: failed to create {what}: {message}"), code: f.code }
                }
                None => f,
            },
            None => f,
        })?;
    }
    print::done(cx, &all, &object, &format!("{verb}{words}"))
}

/// kubectl run.
pub(super) async fn run_pod(cx: &Cx<'_>) -> Outcome {
    let Some(name) = cx.args.words.first() else {
        return Err(Failure::error("NAME is required for run\nSee 'kubectl run -h' for help and examples"));
    };
    let image = required(cx, "image")?;
    let restart = cx.args.get("restart").unwrap_or("Always");
    if !matches!(restart, "Always" | "OnFailure" | "Never") {
        return Err(Failure::error(format!("invalid restart policy: {restart}")));
    }
    let labels = match cx.args.get("labels") {
        Some(l) => pairs(l)?,
        None => json!({"run": name}),
    };
    let mut c = json!({"name": name, "image": image, "resources": {}});
    let words: Vec<&String> = cx.args.words[1..].iter().chain(&cx.args.rest).collect();
    if !words.is_empty() {
        c[if cx.args.on("command") { "command" } else { "args" }] = json!(words);
    }
    if let Some(p) = number(cx, "port")? {
        c["ports"] = json!([{"containerPort": p}]);
    }
    if let Some(p) = cx.args.get("image-pull-policy") {
        c["imagePullPolicy"] = p.into();
    }
    let env: Vec<Value> = cx
        .args
        .all("env")
        .iter()
        .filter_map(|e| e.split_once('='))
        .map(|(k, v)| json!({"name": k, "value": v}))
        .collect();
    if !env.is_empty() {
        c["env"] = json!(env);
    }
    for (flag, field) in [("stdin", "stdin"), ("tty", "tty")] {
        if cx.args.on(flag) {
            c[field] = true.into();
        }
    }
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [c], "dnsPolicy": "ClusterFirst", "restartPolicy": restart}, "status": {},
    });
    if let Some(o) = cx.args.get("overrides") {
        let o: Value = serde_json::from_str(o).map_err(|e| Failure::error(e.to_string()))?;
        crate::api::patch::merge_patch(&mut pod, &o);
    }
    let port = cx.args.get("port").map(str::to_owned);
    post(cx, pod, "created", "kubectl-run", None).await?;
    if cx.args.on("expose") {
        let Some(port) = port.and_then(|p| p.parse::<i64>().ok()) else {
            return Err(Failure::error("--port must be set when exposing a service"));
        };
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}], "selector": labels}, "status": {"loadBalancer": {}}});
        post(cx, service, "created", "kubectl-run", None).await?;
    }
    Ok(())
}

/// kubectl expose.
pub(super) async fn expose(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    for f in label::objects(cx, &all, &cx.args.words).await? {
        let (spec, kind) = (&f.object["spec"], f.resource.kind.as_str());
        let selector = match (cx.args.get("selector"), kind) {
            (Some(s), _) => pairs(s)?,
            (None, "Deployment" | "ReplicaSet") => {
                if !spec["selector"]["matchExpressions"].is_null() {
                    return Err(Failure::error("couldn't convert expressions - \"[]\" to map-based selector format"));
                }
                spec["selector"]["matchLabels"].clone()
            }
            (None, "ReplicationController" | "Service") => spec["selector"].clone(),
            (None, "Pod") => f.object["metadata"]["labels"].clone(),
            (None, _) => {
                return Err(Failure::error(format!("cannot expose a {}.{}", f.resource.kind, f.resource.group)));
            }
        };
        if selector.as_object().is_none_or(Map::is_empty) {
            return Err(Failure::error(
                "couldn't retrieve selectors via --selector flag or introspection: the object has no labels and cannot be exposed",
            ));
        }
        let protocol = cx.args.get("protocol").unwrap_or("TCP");
        let containers = match kind {
            "Pod" => &spec["containers"],
            _ => &spec["template"]["spec"]["containers"],
        };
        let known: Vec<i64> = match kind {
            "Service" => super::show::items(&spec["ports"]).iter().filter_map(|p| p["port"].as_i64()).collect(),
            _ => super::show::items(containers)
                .iter()
                .flat_map(|c| super::show::items(&c["ports"]))
                .filter_map(|p| p["containerPort"].as_i64())
                .collect(),
        };
        let ports: Vec<i64> = match cx.args.get("port") {
            Some(p) => p
                .split(',')
                .map(|p| {
                    p.parse().map_err(|_| Failure::error(format!("strconv.Atoi: parsing {}: invalid syntax", quote(p))))
                })
                .collect::<Result<_, _>>()?,
            None if known.is_empty() => {
                return Err(Failure::error("couldn't find port via --port flag or introspection"));
            }
            None => known,
        };
        let many = ports.len() > 1;
        let target = cx.args.get("target-port").or_else(|| cx.args.get("container-port"));
        let ports: Vec<Value> = ports
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let target =
                    target.map_or_else(|| Value::from(*p), |t| t.parse::<i64>().map_or_else(|_| t.into(), Value::from));
                let mut v = json!({"port": p, "protocol": protocol, "targetPort": target});
                if many {
                    v["name"] = format!("port-{}", i + 1).into();
                }
                v
            })
            .collect();
        let name = cx.args.get("name").map_or_else(|| text(&f.object["metadata"]["name"]), str::to_owned);
        let mut s = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, "selector": selector}, "status": {"loadBalancer": {}}});
        let labels = match cx.args.get("labels") {
            Some(l) => pairs(l)?,
            None => f.object["metadata"]["labels"].clone(),
        };
        if labels.as_object().is_some_and(|l| !l.is_empty()) {
            s["metadata"]["labels"] = labels;
        }
        for (flag, field) in [
            ("type", "type"),
            ("cluster-ip", "clusterIP"),
            ("session-affinity", "sessionAffinity"),
            ("load-balancer-ip", "loadBalancerIP"),
        ] {
            if let Some(v) = cx.args.get(flag) {
                s["spec"][field] = v.into();
            }
        }
        post(cx, s, "exposed", "kubectl-expose", None).await?;
    }
    Ok(())
}

/// kubectl autoscale.
pub(super) async fn autoscale(cx: &Cx<'_>) -> Outcome {
    let Some(max) = number(cx, "max")? else {
        return Err(Failure::error("required flag(s) \"max\" not set"));
    };
    let min = number(cx, "min")?.unwrap_or(-1);
    if max < 1 {
        return Err(Failure::error(
            "--max=MAXPODS is required and must be at least 1, max: ".to_owned() + &max.to_string(),
        ));
    }
    if min > max {
        return Err(Failure::error(format!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {max}, min: {min}"
        )));
    }
    let all = resources::discover(cx).await?;
    for f in label::objects(cx, &all, &cx.args.words).await? {
        let name = cx.args.get("name").map_or_else(|| text(&f.object["metadata"]["name"]), str::to_owned);
        let target = json!({"apiVersion": f.object["apiVersion"], "kind": f.resource.kind, "name": f.object["metadata"]["name"]});
        let mut metrics = Vec::new();
        let cpu = cx.args.get("cpu").map(str::to_owned).or_else(|| cx.args.get("cpu-percent").map(|p| format!("{p}%")));
        for (resource, v) in [("cpu", cpu), ("memory", cx.args.get("memory").map(str::to_owned))] {
            let Some(v) = v else { continue };
            let target = match v.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()) {
                Some(p) => json!({"type": "Utilization", "averageUtilization": p}),
                None => json!({"type": "AverageValue", "averageValue": v}),
            };
            metrics.push(json!({"type": "Resource", "resource": {"name": resource, "target": target}}));
        }
        let mut spec = json!({"maxReplicas": max, "scaleTargetRef": target});
        if min > 0 {
            spec["minReplicas"] = min.into();
        }
        if !metrics.is_empty() {
            spec["metrics"] = json!(metrics);
        }
        let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec});
        post(cx, hpa, "autoscaled", "kubectl-autoscale", None).await?;
    }
    Ok(())
}
