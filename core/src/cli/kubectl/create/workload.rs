//! create deployment, job and cronjob. Models create_deployment.go, create_job.go, create_cronjob.go.

use serde_json::{Value, json};

use super::super::builder;
use super::super::show::text;
use super::super::{Cx, Failure, options, resources};
use super::{Made, container};

/// A container's name from its image: `nginx:1.27` is `nginx`. Models buildPodSpec.
fn name_of_image(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let plain = last.split('@').next().unwrap_or(last).split(':').next().unwrap_or(last);
    let lower: String = plain.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    lower.trim_matches('-').to_owned()
}

pub(super) fn deployment(cx: &Cx<'_>) -> Result<Made, Failure> {
    options::required(cx, &["image"])?;
    let name = options::name(cx)?;
    let images = cx.args.all("image");
    if images.len() > 1 && !cx.args.rest.is_empty() {
        return Err(Failure::error("cannot specify multiple --image options and command"));
    }
    let labels = json!({"app": name});
    let mut containers: Vec<Value> = images.iter().map(|i| container(cx, &name_of_image(i), i)).collect();
    let port = cx.args.number("port");
    if port >= 0
        && cx.args.get("port").is_some()
        && let Some(c) = containers.first_mut()
    {
        c["ports"] = json!([{"containerPort": port}]);
    }
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": cx.args.get("replicas").map_or(1, |_| cx.args.number("replicas")),
            "selector": {"matchLabels": labels}, "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    });
    Ok(Made::new(object, "failed to create deployment:"))
}

fn job_of(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec, "status": {}})
}

pub(super) async fn job(cx: &Cx<'_>) -> Result<Made, Failure> {
    let name = options::name(cx)?;
    let (image, from) = (cx.args.text("image"), cx.args.text("from"));
    if image.is_empty() == from.is_empty() {
        return Err(Failure::error("either --image or --from must be specified"));
    }
    if !cx.args.rest.is_empty() && !from.is_empty() {
        return Err(Failure::error("cannot specify --from and command"));
    }
    if !image.is_empty() {
        let template =
            json!({"metadata": {}, "spec": {"containers": [container(cx, name, image)], "restartPolicy": "Never"}});
        return Ok(Made::new(job_of(name, json!({"template": template})), "failed to create job:"));
    }
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::objects(cx, &all, &[from.to_owned()]).await?;
    Failure::many(wrong)?;
    let Some(f) = found.first().filter(|_| found.len() == 1) else {
        return Err(Failure::error("from must be an existing cronjob"));
    };
    if f.resource.kind != "CronJob" {
        return Err(Failure::error(format!("unknown object type *v1.{}", f.resource.kind)));
    }
    let template = &f.object["spec"]["jobTemplate"];
    let mut object = job_of(name, template["spec"].clone());
    object["metadata"]["annotations"] = json!({"cronjob.kubernetes.io/instantiate": "manual"});
    for (k, v) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
        object["metadata"]["annotations"][k] = v.clone();
    }
    if !template["metadata"]["labels"].is_null() {
        object["metadata"]["labels"] = template["metadata"]["labels"].clone();
    }
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "CronJob", "name": f.name, "uid": text(&f.object["metadata"]["uid"]), "controller": true,
    }]);
    Ok(Made::new(object, "failed to create job:"))
}

pub(super) fn cron_job(cx: &Cx<'_>) -> Result<Made, Failure> {
    options::required(cx, &["image", "schedule"])?;
    let name = options::name(cx)?;
    let restart = cx.args.get("restart").unwrap_or("OnFailure");
    let spec = json!({"containers": [container(cx, name, cx.args.text("image"))], "restartPolicy": restart});
    let object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {
            "jobTemplate": {"metadata": {"name": name}, "spec": {"template": {"metadata": {}, "spec": spec}}},
            "schedule": cx.args.text("schedule"),
        },
        "status": {},
    });
    Ok(Made::new(object, "failed to create cronjob:"))
}

#[cfg(test)]
mod tests {
    use super::name_of_image;

    #[test]
    fn containers_are_named_after_images() {
        for (image, want) in [
            ("nginx:1.27", "nginx"),
            ("registry.k8s.io/e2e-test-images/agnhost:2.39", "agnhost"),
            ("a/My_App@sha256:00", "my-app"),
        ] {
            assert_eq!(name_of_image(image), want);
        }
    }
}
