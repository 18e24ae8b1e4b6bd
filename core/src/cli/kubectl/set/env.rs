//! kubectl set env. Models `pkg/cmd/set/set_env.go`, `pkg/cmd/set/env`.

use serde_json::{Value, json};

use super::super::builder;
use super::super::options::DryRun;
use super::super::resources::{self, Resource};
use super::super::show::{items, text};
use super::super::{Cx, Failure, Outcome};
use super::{check_all, containers, in_pod_spec, objects, send};
use crate::api::validation::is_env_var_name;

/// What is to be set and taken away.
#[derive(Default)]
struct Change {
    set: Vec<Value>,
    remove: Vec<String>,
}

/// Reads `A=b`, `A-`, and `-` for what is fed in.
fn parse(words: &[String], fed: Option<&str>) -> Result<Change, Failure> {
    let mut c = Change::default();
    let mut add = |spec: &str| -> Outcome {
        let (k, v) = spec.split_once('=').unwrap_or((spec, ""));
        let wrong = is_env_var_name(k);
        if !wrong.is_empty() {
            let quoted = crate::api::field::quote(k);
            return Err(Failure::error(format!("{quoted} is not a valid key name: {}", wrong.join(","))));
        }
        c.set.push(json!({"name": k, "value": v}));
        Ok(())
    };
    for w in words {
        if w == "-" {
            for line in fed.unwrap_or_default().lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'))
            {
                add(line)?;
            }
        } else if w.contains('=') {
            add(w)?;
        }
    }
    for w in words.iter().filter(|w| w.as_str() != "-" && !w.contains('=')) {
        match w.strip_suffix('-') {
            Some(k) => c.remove.push(k.to_owned()),
            None => return Err(Failure::error(format!("unknown environment: {w}"))),
        }
    }
    Ok(c)
}

/// A container's variables after the change. Models updateEnv.
fn updated(have: &[Value], c: &Change) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    let mut covered: Vec<&Value> = Vec::new();
    let removed = |name: &Value| c.remove.iter().any(|r| *name == r.as_str());
    for e in have {
        let name = &e["name"];
        if removed(name) || covered.contains(&name) {
            continue;
        }
        match c.set.iter().find(|s| s["name"] == *name) {
            Some(new) => {
                covered.push(name);
                out.push(new.clone());
            }
            None => out.push(e.clone()),
        }
    }
    for s in &c.set {
        if !removed(&s["name"]) && !covered.contains(&&s["name"]) {
            covered.push(&s["name"]);
            out.push(s.clone());
        }
    }
    out
}

/// Variables from a ConfigMap's or a Secret's keys.
async fn from(cx: &Cx<'_>, all: &[Resource], spec: &str) -> Result<Vec<Value>, Failure> {
    let (found, wrong) = builder::objects(cx, all, &[spec.to_owned()]).await?;
    Failure::many(wrong)?;
    let keys = cx.args.all("keys");
    let mut out = Vec::new();
    for f in &found {
        let reference = match f.resource.kind.as_str() {
            "Secret" => "secretKeyRef",
            "ConfigMap" => "configMapKeyRef",
            _ => return Err(Failure::error("unsupported resource specified in --from")),
        };
        for k in f.object["data"].as_object().into_iter().flatten().map(|(k, _)| k) {
            if !keys.is_empty() && !keys.contains(k) {
                continue;
            }
            let plain: String =
                k.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
            let name = plain.to_uppercase();
            if name != *k {
                cx.shell.err(format!("Warning: key {k} transferred to {name}\n"));
            }
            out.push(json!({"name": name, "valueFrom": {reference: {"name": f.name, "key": k}}}));
        }
    }
    Ok(out)
}

/// Where a variable's value comes from, in words. Models GetEnvVarRefString.
fn reference(v: &Value) -> String {
    for (field, what) in [("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")] {
        if !v[field].is_null() {
            return format!("{what} {}, key {}", text(&v[field]["name"]), text(&v[field]["key"]));
        }
    }
    if !v["fieldRef"].is_null() {
        return format!("field path {}", text(&v["fieldRef"]["fieldPath"]));
    }
    if !v["resourceFieldRef"].is_null() {
        let container = match text(&v["resourceFieldRef"]["containerName"]) {
            c if c.is_empty() => c,
            c => format!("{c}/"),
        };
        return format!("resource field {container}{}", text(&v["resourceFieldRef"]["resource"]));
    }
    "invalid valueFrom".into()
}

fn list(cx: &Cx<'_>, kind: &str, name: &str, c: &Value) {
    cx.out(format!("# {kind} {name}, container {}\n", text(&c["name"])));
    for e in items(&c["env"]) {
        let key = text(&e["name"]);
        if e["valueFrom"].is_null() {
            cx.out(format!("{key}={}\n", text(&e["value"])));
        } else {
            cx.out(format!("# {key} from {}\n", reference(&e["valueFrom"])));
        }
    }
}

pub(super) async fn run(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    check_all(cx)?;
    let is_env = |w: &str| w == "-" || w.contains('=') || (w.ends_with('-') && w.len() > 1);
    let at = cx.args.words.iter().position(|w| is_env(w)).unwrap_or(cx.args.words.len());
    let (about, words) = cx.args.words.split_at(at);
    if words.iter().any(|w| !is_env(w)) {
        let all = cx.args.words.join(" ");
        return Err(Failure::error(format!("all resources must be specified before environment changes: {all}")));
    }
    if about.is_empty() && !builder::has_files(cx) {
        return Err(Failure::error(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        ));
    }
    if cx.args.on("list") && !cx.args.text("output").is_empty() {
        return Err(Failure::error("--list and --output may not be specified together"));
    }
    if !cx.args.all("keys").is_empty() && cx.args.text("from").is_empty() {
        return Err(Failure::error("when specifying --keys, a configmap or secret must be provided with --from"));
    }
    let given: Vec<String> = cx.args.all("env").iter().chain(words).cloned().collect();
    let mut change = parse(&given, cx.shell.stdin.as_deref())?;
    let all = resources::discover(cx).await?;
    if let Some(spec) = cx.args.get("from") {
        change.set.extend(from(cx, &all, spec).await?);
    }
    let prefix = cx.args.text("prefix");
    for e in &mut change.set {
        e["name"] = format!("{prefix}{}", text(&e["name"])).into();
    }
    let (found, mut wrong) = objects(cx, &all, about).await?;
    if !wrong.is_empty() {
        return Failure::many(wrong);
    }
    let selector = cx.args.text("containers");
    for f in &found {
        let mut new = f.object.clone();
        let mut clash: Option<String> = None;
        let mut n = 0;
        let changed = in_pod_spec(&mut new, &f.resource.kind, |spec| {
            n = containers(spec, selector, |c| {
                let have = c["env"].as_array().cloned().unwrap_or_default();
                if !cx.args.on("overwrite") {
                    let old = have.iter().find(|e| change.set.iter().any(|s| s["name"] == e["name"]));
                    clash = clash.take().or_else(|| {
                        old.map(|e| {
                            let (name, value) = (text(&e["name"]), text(&e["value"]));
                            format!("'{name}' already has a value ({value}), and --overwrite is false")
                        })
                    });
                }
                let env = updated(&have, &change);
                if env.is_empty() {
                    if let Some(o) = c.as_object_mut() {
                        o.remove("env");
                    }
                } else {
                    c["env"] = env.into();
                }
                if cx.args.on("list") {
                    list(cx, &f.resource.kind, &f.name, c);
                }
            });
        });
        if let Some(e) = changed.err().or(clash) {
            wrong.push(Failure::error(format!("{}/{} {e}", f.resource.plural, f.name)));
            continue;
        }
        if n == 0 {
            let quoted = crate::api::field::quote(selector);
            cx.shell.err(format!(
                "Warning: {}/{} does not have any containers matching {quoted}\n",
                f.resource.kind, f.name
            ));
            continue;
        }
        if !cx.args.on("list") {
            let failed = "failed to patch env update to pod template:";
            wrong.extend(send(cx, &all, f, &new, "env", failed, dry).await.err());
        }
    }
    Failure::many(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_and_taken_away() {
        let words = |w: &str| w.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let c = parse(&words("A=1 B- -"), Some("C=3\n# no\n")).expect("a change");
        let have = [json!({"name": "B", "value": "x"}), json!({"name": "A", "value": "0"}), json!({"name": "Z"})];
        let names: Vec<String> =
            updated(&have, &c).iter().map(|e| format!("{}={}", text(&e["name"]), text(&e["value"]))).collect();
        assert_eq!(names, ["A=1", "Z=", "C=3"]);
        assert!(parse(&words("1-x=2"), None).is_err());
        assert_eq!(reference(&json!({"secretKeyRef": {"name": "s", "key": "k"}})), "secret s, key k");
    }
}
