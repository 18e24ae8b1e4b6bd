//! kubectl run. Models `pkg/cmd/run`.

use std::time::Duration;

use serde_json::{Value, json};

use super::options;
use super::resources;
use super::show::{items, text};
use super::{Cx, Failure, Outcome, apply, delete, exec, logs, print};
use crate::api::field::quote;
use crate::sim::SimTime;

/// How often a pod that is waited for is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Whether an image's name may be one: no blanks, no capitals before the tag.
fn is_image(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    let (path, tag) = match name.rsplit_once(':').filter(|(_, t)| !t.contains('/')) {
        Some((p, t)) => (p, Some(t)),
        None => (name, None),
    };
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let host = |part: &str| part.chars().all(|c| word(c) || c.is_ascii_uppercase() || c == ':');
    let parts: Vec<&str> = path.split('/').collect();
    let last = parts.len().saturating_sub(1);
    let parts_fit = parts.iter().enumerate().all(|(i, p)| {
        !p.is_empty()
            && (p.chars().all(word) || (i == 0 && last > 0 && host(p)))
            && p.starts_with(|c: char| c.is_ascii_alphanumeric())
    });
    let tag_fits = tag
        .is_none_or(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
    parts_fit && tag_fits
}

fn check(cx: &Cx<'_>) -> Result<(String, bool), Failure> {
    let on = |f: &str| cx.args.on(f);
    let Some(name) = cx.args.words.first() else {
        return Err(super::usage(cx, "NAME is required for run"));
    };
    let image = cx.args.text("image");
    if image.is_empty() {
        return Err(Failure::error("--image is required"));
    }
    if !is_image(image) {
        return Err(Failure::error(format!("Invalid image name {}: invalid reference format", quote(image))));
    }
    if on("tty") && !on("stdin") {
        return Err(super::usage(cx, "-i/--stdin is required for containers with -t/--tty=true"));
    }
    if on("expose") && cx.args.text("port").is_empty() {
        return Err(super::usage(cx, "--port must be set when exposing a service"));
    }
    let restart = cx.args.text("restart");
    if !matches!(restart, "Always" | "OnFailure" | "Never") {
        return Err(super::usage(cx, &format!("invalid restart policy: {restart}")));
    }
    let attach = on("attach") || (on("stdin") && cx.args.get("attach").is_none());
    if !attach && on("rm") {
        return Err(super::usage(cx, "--rm should only be used for attached containers"));
    }
    if attach && !matches!(cx.args.text("dry-run"), "none" | "") {
        return Err(super::usage(
            cx,
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
        ));
    }
    let policy = cx.args.text("image-pull-policy");
    if !matches!(policy, "" | "Always" | "IfNotPresent" | "Never") {
        return Err(super::usage(cx, &format!("invalid image pull policy: {policy}")));
    }
    Ok((name.clone(), attach))
}

/// The pod that flags describe. Models generateversioned.BasicPod.
fn pod(cx: &Cx<'_>, name: &str) -> Result<Value, Failure> {
    let labels = match cx.args.text("labels") {
        "" => json!({"run": name}),
        l => options::labels(l)?,
    };
    let mut c = json!({"name": name, "image": cx.args.text("image"), "resources": {}});
    let words: Vec<&String> = cx.args.words[1..].iter().chain(&cx.args.rest).collect();
    if !words.is_empty() {
        c[if cx.args.on("command") { "command" } else { "args" }] = json!(words);
    }
    if !cx.args.text("port").is_empty() {
        let port = cx.args.text("port");
        let n: i64 = port
            .parse()
            .map_err(|_| Failure::error(format!("strconv.Atoi: parsing {}: invalid syntax", quote(port))))?;
        c["ports"] = json!([{"containerPort": n}]);
    }
    if !cx.args.text("image-pull-policy").is_empty() {
        c["imagePullPolicy"] = cx.args.text("image-pull-policy").into();
    }
    let mut env: Vec<Value> = Vec::new();
    for e in cx.args.all("env") {
        let (k, v) = e
            .split_once('=')
            .filter(|(k, _)| !k.is_empty())
            .ok_or_else(|| Failure::error(format!("invalid env: {e}")))?;
        env.push(json!({"name": k, "value": v}));
    }
    if !env.is_empty() {
        c["env"] = env.into();
    }
    let restart = cx.args.text("restart");
    if cx.args.on("stdin") {
        c["stdin"] = true.into();
        if restart == "Never" || !cx.args.on("leave-stdin-open") {
            c["stdinOnce"] = true.into();
        }
    }
    if cx.args.on("tty") {
        c["tty"] = true.into();
    }
    if cx.args.on("privileged") {
        c["securityContext"] = json!({"privileged": true});
    }
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [c], "dnsPolicy": "ClusterFirst", "restartPolicy": restart}, "status": {},
    });
    for a in cx.args.all("annotations") {
        if let Some((k, v)) = a.split_once('=') {
            pod["metadata"]["annotations"][k] = v.into();
        }
    }
    overridden(cx, pod)
}

/// The object with what `--overrides` says. Models cmdutil.Overrider.
pub(super) fn overridden(cx: &Cx<'_>, mut object: Value) -> Result<Value, Failure> {
    let given = cx.args.text("overrides");
    if given.is_empty() {
        return Ok(object);
    }
    let patch = crate::api::decode::parse_yaml(given.as_bytes()).map_err(Failure::error)?;
    let kind = match cx.args.text("override-type") {
        "json" => crate::api::patch::PatchKind::Json,
        "strategic" => crate::api::patch::PatchKind::Strategic,
        "merge" | "" => {
            crate::api::patch::merge_patch(&mut object, &patch);
            return Ok(object);
        }
        other => return Err(Failure::error(format!("invalid override type: {other}"))),
    };
    let (version, name) = (text(&object["apiVersion"]), text(&object["kind"]));
    let ignore = crate::api::decode::FieldValidation::Ignore;
    crate::api::patch::apply(kind, &object, patch.to_string().as_bytes(), &version, &name, ignore)
        .map(|p| p.value)
        .map_err(|s| Failure::error(s.message))
}

/// Sends an object, or not with `--dry-run=client`.
async fn send(cx: &Cx<'_>, all: &[resources::Resource], mut object: Value) -> Result<Value, Failure> {
    let dry = options::dry_run(cx)?;
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let Some(r) = resources::find_kind(all, &version, &kind) else {
        return Err(Failure::error(format!("no matches for kind {} in version {}", quote(&kind), quote(&version))));
    };
    if cx.namespace_given {
        object["metadata"]["namespace"] = cx.namespace.clone().into();
    }
    apply::save_config(cx, &mut object);
    if dry.client {
        return Ok(object);
    }
    let q = format!("{}{}", options::manager(cx), dry.query);
    cx.ask("POST", &r.path(Some(&cx.namespace)), &q, Some(&object)).await
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let (name, attach) = check(cx)?;
    let pod = pod(cx, &name)?;
    let all = resources::discover(cx).await?;
    let dry = options::dry_run(cx)?;
    let made = send(cx, &all, pod).await?;
    if cx.args.on("expose") {
        let port: i64 = cx.args.text("port").parse().unwrap_or(0);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}], "selector": made["metadata"]["labels"]},
            "status": {"loadBalancer": {}}});
        let service = send(cx, &all, service).await?;
        print::done(cx, &all, &service, &format!("created{}", dry.words))?;
    }
    if !attach {
        return print::done(cx, &all, &made, &format!("created{}", dry.words));
    }
    let outcome = attached(cx, &made).await;
    if cx.args.on("rm") {
        remove(cx, &made).await?;
    }
    outcome
}

/// Takes the pod away again, as `--rm` says.
async fn remove(cx: &Cx<'_>, pod: &Value) -> Outcome {
    let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    match cx.ask("DELETE", &format!("/api/v1/namespaces/{ns}/pods/{name}"), "", Some(&options)).await {
        Err(f) if !f.is_not_found() => return Err(f),
        _ => {}
    }
    if !cx.args.on("quiet") {
        cx.out(format!("pod {} deleted from {ns} namespace\n", quote(&name)));
    }
    Ok(())
}

/// Attaches to the pod once it runs. Where its end counts, its exit code is the command's. Models handleAttachPod and what
/// follows it.
async fn attached(cx: &Cx<'_>, pod: &Value) -> Outcome {
    let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let path = format!("/api/v1/namespaces/{ns}/pods/{name}");
    let waits = cx.args.duration("pod-running-timeout");
    let until = cx.shell.door.sim.now() + if waits.is_zero() { delete::FOR_EVER } else { waits };
    let ended = |pod: &Value| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let ready =
        |pod: &Value| items(&pod["status"]["conditions"]).iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let now = waited(cx, &path, Some(until), &|pod| ended(pod) || ready(pod)).await?;
    if ended(&now) {
        logs::of_pod(cx, &now).await?;
    } else if let Err(why) = exec::attached(cx, &now).await {
        let why = why.message().to_owned();
        cx.shell.err(format!("warning: couldn't attach to pod/{name}, falling back to streaming logs: {why}\n"));
        logs::of_pod(cx, &now).await?;
    }
    let done: &[&str] = match cx.args.text("restart") {
        _ if cx.args.on("leave-stdin-open") => return Ok(()),
        "Never" => &["Succeeded", "Failed"],
        "OnFailure" => &["Succeeded"],
        _ => return Ok(()),
    };
    let phase = |pod: &Value| text(&pod["status"]["phase"]);
    let last = waited(cx, &path, None, &|pod| done.contains(&phase(pod).as_str())).await?;
    if phase(&last) == "Failed" { Err(failed(&last, &ns, &name)) } else { Ok(()) }
}

/// Waits until a pod is as it should be.
async fn waited(
    cx: &Cx<'_>,
    path: &str,
    until: Option<SimTime>,
    is_so: &dyn Fn(&Value) -> bool,
) -> Result<Value, Failure> {
    loop {
        let pod = cx.ask("GET", path, "", None).await?;
        if is_so(&pod) {
            return Ok(pod);
        }
        if until.is_some_and(|until| cx.shell.door.sim.now() >= until) {
            return Err(Failure::error("timed out waiting for the condition"));
        }
        cx.shell.door.sim.sleep(INTERVAL).await;
    }
}

fn failed(pod: &Value, ns: &str, name: &str) -> Failure {
    let ended = items(&pod["status"]["containerStatuses"]).first().map(|c| c["state"]["terminated"].clone());
    let code = ended.as_ref().and_then(|t| t["exitCode"].as_i64()).unwrap_or(0);
    if code == 0 {
        return Failure::error(format!("pod {ns}/{name} failed with unknown exit code"));
    }
    let t = ended.unwrap_or_default();
    let words = format!("pod {ns}/{name} terminated ({})\n{}", text(&t["reason"]), text(&t["message"]));
    let mut f = Failure::plain(words.trim_end());
    f.code = i32::try_from(code).unwrap_or(1);
    f
}

#[cfg(test)]
mod tests {
    use super::is_image;

    #[test]
    fn images_have_names() {
        for (image, want) in [
            ("nginx", true),
            ("nginx:1.27", true),
            ("registry.k8s.io/pause:3.10", true),
            ("localhost:5000/a/b@sha256:00", true),
            ("Nginx", false),
            ("a b", false),
            ("nginx:", false),
            ("", false),
        ] {
            assert_eq!(is_image(image), want, "{image}");
        }
    }
}
