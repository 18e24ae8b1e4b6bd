//! kubectl set. Models `pkg/cmd/set`.

mod env;
mod subject;

use serde_json::{Value, json};

use super::builder::{self, Found};
use super::options::{self, DryRun};
use super::resources::Resource;
use super::show::{items, text};
use super::{Cx, Failure, Outcome, print, resources, three_way};
use crate::api::field::quote;
use crate::api::quantity::Quantity;
use crate::api::schema::schema;

/// The pod spec inside of an object, as a path of fields.
fn pod_spec(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("/spec"),
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            Some("/spec/template/spec")
        }
        _ => None,
    }
}

/// Whether a container is meant: a name with `*` for any letters.
fn chosen(selector: &str, name: &str) -> bool {
    match selector.split_once('*') {
        None => selector == name,
        Some((before, after)) => {
            name.starts_with(before)
                && (before.len()..=name.len()).any(|i| name.is_char_boundary(i) && chosen(after, &name[i..]))
        }
    }
}

/// Changes each container that is meant; how many there were.
fn containers(spec: &mut Value, selector: &str, mut does: impl FnMut(&mut Value)) -> usize {
    let mut n = 0;
    for list in ["containers", "initContainers"] {
        for c in spec[list].as_array_mut().into_iter().flatten() {
            if chosen(selector, &text(&c["name"])) {
                does(c);
                n += 1;
            }
        }
    }
    if spec["initContainers"].is_null()
        && let Some(o) = spec.as_object_mut()
    {
        o.remove("initContainers");
    }
    n
}

/// Changes an object's pod spec.
fn in_pod_spec(object: &mut Value, kind: &str, does: impl FnOnce(&mut Value)) -> Result<(), String> {
    match pod_spec(kind).and_then(|p| object.pointer_mut(p)) {
        Some(spec) => {
            does(spec);
            Ok(())
        }
        None => Err(format!("the object is not a pod or does not have a pod template: *v1.{kind}")),
    }
}

/// The words' objects; what a command says when none are named.
async fn objects<'a>(
    cx: &Cx<'_>,
    all: &'a [Resource],
    about: &[String],
) -> Result<(Vec<Found<'a>>, Vec<Failure>), Failure> {
    if !cx.args.on("local") {
        return builder::objects(cx, all, about).await;
    }
    if !about.is_empty() {
        return Err(Failure::error("cannot specify --local and server resources"));
    }
    let (mut found, wrong) = builder::places(cx, all, about).await?;
    found.iter_mut().for_each(|f| f.object = f.body.clone());
    Ok((found, wrong))
}

/// Sends what a changed object differs by. Models CalculatePatches and what each command does with them.
async fn send(
    cx: &Cx<'_>,
    all: &[Resource],
    f: &Found<'_>,
    new: &Value,
    what: &str,
    failed: &str,
    dry: &DryRun,
) -> Outcome {
    let ty = schema().kind(&text(&f.object["apiVersion"]), &f.resource.kind);
    let patch = Value::Object(three_way::patch(ty, &f.object, new, &f.object));
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(());
    }
    let mut done = new.clone();
    if !dry.client && !cx.args.on("local") {
        let q = format!("{}{}", options::manager(cx), dry.query);
        done = cx
            .patch(&f.path, "application/strategic-merge-patch+json", &patch, &q)
            .await
            .map_err(|e| Failure::error(format!("{failed} {}", e.message())))?;
    }
    print::done(cx, all, &done, &format!("{what} updated{}", dry.words))
}

fn check_all(cx: &Cx<'_>) -> Outcome {
    if cx.args.on("all") && cx.args.get("selector").is_some() {
        return Err(Failure::error("cannot set --all and --selector at the same time"));
    }
    Ok(())
}

pub(super) async fn run(cx: &Cx<'_>, what: &str) -> Outcome {
    let dry = options::dry_run(cx)?;
    match what {
        "env" => env::run(cx, &dry).await,
        "image" => image(cx, &dry).await,
        "resources" => resource_amounts(cx, &dry).await,
        "serviceaccount" => service_account(cx, &dry).await,
        "selector" => selector(cx, &dry).await,
        _ => subject::run(cx, &dry).await,
    }
}

async fn image(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    let (about, words) = options::resources_and_pairs(&cx.args.words, "image")?;
    let bad: Vec<&str> = words.iter().filter(|w| !w.contains('=')).map(String::as_str).collect();
    if !bad.is_empty() {
        return Err(Failure::error(format!("invalid image format: {}", bad.join(", "))));
    }
    let pairs: Vec<(&str, &str)> = words.iter().filter_map(|p| p.split_once('=')).collect();
    let mut wrong: Vec<&str> = Vec::new();
    if cx.args.on("all") && cx.args.get("selector").is_some() {
        wrong.push("cannot set --all and --selector at the same time");
    }
    if about.is_empty() && !builder::has_files(cx) {
        wrong.push("one or more resources must be specified as <resource> <name> or <resource>/<name>");
    }
    if pairs.is_empty() {
        wrong.push("at least one image update is required");
    } else if pairs.len() > 1 && pairs.iter().any(|(k, _)| *k == "*") {
        wrong.push(
            "all containers are already specified by *, but saw more than one container_name=container_image pairs",
        );
    }
    Failure::many(wrong.into_iter().map(Failure::error).collect())?;
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = objects(cx, &all, &about).await?;
    if !wrong.is_empty() {
        return Failure::many(wrong);
    }
    for f in &found {
        let mut new = f.object.clone();
        let mut missing: Vec<Failure> = Vec::new();
        let changed = in_pod_spec(&mut new, &f.resource.kind, |spec| {
            for (name, image) in &pairs {
                if containers(spec, name, |c| c["image"] = (*image).into()) == 0 {
                    missing.push(Failure::error(format!("unable to find container named {}", quote(name))));
                }
            }
        });
        wrong.extend(missing);
        if let Err(e) = changed {
            wrong.push(Failure::error(format!("{}/{} {e}", f.resource.plural, f.name)));
            continue;
        }
        let failed = "failed to patch image update to pod template:";
        wrong.extend(send(cx, &all, f, &new, "image", failed, dry).await.err());
    }
    Failure::many(wrong)
}

/// `cpu=1,memory=2Gi`
fn amounts(spec: &str) -> Result<Vec<(String, Value)>, Failure> {
    spec.split(',')
        .filter(|s| !s.is_empty())
        .map(|s| {
            let (k, v) = s
                .split_once('=')
                .filter(|(_, v)| !v.contains('='))
                .ok_or_else(|| Failure::error(format!("invalid argument syntax {s}, expected <resource>=<value>")))?;
            let v = Quantity::canonicalize(v).map_err(|e| Failure::error(e.to_string()))?;
            Ok((k.to_owned(), v.into()))
        })
        .collect()
}

async fn resource_amounts(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    check_all(cx)?;
    if cx.args.text("limits").is_empty() && cx.args.text("requests").is_empty() {
        return Err(Failure::error(
            "you must specify an update to requests or limits (in the form of --requests/--limits)",
        ));
    }
    let given = [("limits", amounts(cx.args.text("limits"))?), ("requests", amounts(cx.args.text("requests"))?)];
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = objects(cx, &all, &cx.args.words).await?;
    if !wrong.is_empty() {
        return Failure::many(wrong);
    }
    let selector = cx.args.text("containers");
    for f in &found {
        let mut new = f.object.clone();
        let mut n = 0;
        let changed = in_pod_spec(&mut new, &f.resource.kind, |spec| {
            n = containers(spec, selector, |c| {
                for (field, list) in &given {
                    for (k, v) in list {
                        c["resources"][*field][k.as_str()] = v.clone();
                    }
                }
            });
        });
        if let Err(e) = changed {
            wrong.push(Failure::error(format!("{}/{} {e}", f.resource.plural, f.name)));
            continue;
        }
        if n == 0 {
            wrong.push(Failure::error(format!("unable to find container named {selector}")));
            continue;
        }
        let failed = "failed to patch resources update to pod template";
        wrong.extend(send(cx, &all, f, &new, "resource requirements", failed, dry).await.err());
    }
    Failure::many(wrong)
}

async fn service_account(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    let Some((name, about)) = cx.args.words.split_last() else {
        return Err(Failure::error("serviceaccount is required"));
    };
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = objects(cx, &all, about).await?;
    if !wrong.is_empty() {
        return Failure::many(wrong);
    }
    for f in &found {
        let mut new = f.object.clone();
        let changed = in_pod_spec(&mut new, &f.resource.kind, |spec| {
            spec["serviceAccountName"] = name.as_str().into();
            spec["serviceAccount"] = name.as_str().into();
        });
        if let Err(e) = changed {
            wrong.push(Failure::error(format!("{}/{} {e}", f.resource.plural, f.name)));
            continue;
        }
        wrong.extend(send(cx, &all, f, &new, "serviceaccount", "failed to patch ServiceAccountName", dry).await.err());
    }
    Failure::many(wrong)
}

async fn selector(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    let Some((expression, about)) = cx.args.words.split_last().filter(|(e, _)| e.contains('=')) else {
        return Err(Failure::error("one selector is required"));
    };
    let wanted = options::labels(expression)?;
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = objects(cx, &all, about).await?;
    for f in &found {
        if f.resource.kind != "Service" {
            wrong.push(Failure::error("setting a selector is only supported for Services"));
            continue;
        }
        let mut new = f.object.clone();
        new["spec"]["selector"] = wanted.clone();
        if let Some(rv) = cx.args.get("resource-version") {
            new["metadata"]["resourceVersion"] = json!(rv);
        }
        wrong.extend(send(cx, &all, f, &new, "selector", "failed to patch selector:", dry).await.err());
    }
    Failure::many(wrong)
}

/// Whether a list has a value equal in these fields.
fn has(list: &Value, wanted: &Value, fields: &[&str]) -> bool {
    items(list).iter().any(|i| fields.iter().all(|f| i[*f] == wanted[*f]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_chosen_by_name() {
        for (selector, name, want) in
            [("*", "a", true), ("a", "a", true), ("a", "b", false), ("ng*x", "nginx", true), ("*x", "xy", false)]
        {
            assert_eq!(chosen(selector, name), want, "{selector} {name}");
        }
        assert_eq!(amounts("cpu=1000m,memory=1Gi").expect("amounts")[0].1, json!("1"));
        assert!(amounts("cpu").is_err());
    }
}
