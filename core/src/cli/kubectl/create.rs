//! kubectl create's generators: objects made from flags. Models `pkg/cmd/create`.

mod access;
mod data;
mod network;
mod small;
mod workload;

use serde_json::{Value, json};

use super::show::text;
use super::{Cx, Failure, Outcome, apply, options, print, resources};
use crate::api::field::quote;

/// Makes the object of `create KIND NAME`.
pub(super) async fn run(cx: &Cx<'_>, kind: &str) -> Outcome {
    let made = match kind {
        "deployment" => workload::deployment(cx)?,
        "job" => workload::job(cx).await?,
        "cronjob" => workload::cron_job(cx)?,
        "configmap" => data::config_map(cx)?,
        "secret generic" => data::secret(cx)?,
        "secret tls" => data::secret_tls(cx)?,
        "secret docker-registry" => data::secret_docker(cx)?,
        "service clusterip" | "service nodeport" | "service loadbalancer" | "service externalname" => {
            network::service(cx, &kind[8..])?
        }
        "ingress" => network::ingress(cx)?,
        "namespace" => small::namespace(cx)?,
        "quota" => small::quota(cx)?,
        "poddisruptionbudget" => small::disruption_budget(cx)?,
        "priorityclass" => small::priority_class(cx)?,
        "serviceaccount" => small::service_account(cx)?,
        "token" => return small::token(cx).await,
        "role" => access::role(cx).await?,
        "clusterrole" => access::cluster_role(cx).await?,
        "rolebinding" => access::role_binding(cx)?,
        "clusterrolebinding" => access::cluster_role_binding(cx)?,
        other => return Err(Failure::error(format!("unknown command {} for \"kubectl create\"", quote(other)))),
    };
    post(cx, made.object, "created", made.failed).await
}

/// An object, and what is said when it can't be created; the api-server's answer as it stands without.
struct Made {
    object: Value,
    failed: Option<&'static str>,
}

impl Made {
    fn new(object: Value, failed: &'static str) -> Self {
        Made { object, failed: Some(failed) }
    }

    fn plain(object: Value) -> Self {
        Made { object, failed: None }
    }
}

/// Sends a new object, or prints it with `--dry-run=client`.
pub(super) async fn post(cx: &Cx<'_>, mut object: Value, verb: &str, failed: Option<&str>) -> Outcome {
    let dry = options::dry_run(cx)?;
    let validation = options::validation(cx)?;
    let all = resources::discover(cx).await?;
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let Some(r) = resources::find_kind(&all, &version, &kind) else {
        return Err(Failure::error(format!("no matches for kind {} in version {}", quote(&kind), quote(&version))));
    };
    if r.namespaced && cx.namespace_given {
        object["metadata"]["namespace"] = cx.namespace.clone().into();
    }
    apply::save_config(cx, &mut object);
    if !dry.client {
        let q = format!("{}&fieldValidation={validation}{}", options::manager(cx), dry.query);
        let made = cx.ask("POST", &r.path(Some(&cx.namespace)), &q, Some(&object)).await;
        object = made.map_err(|f| match failed {
            Some(what) => Failure::error(format!("{what} {}", f.message())),
            None => f,
        })?;
    }
    print::done(cx, &all, &object, &format!("{verb}{}", dry.words))
}

/// What `--command` or the words after `--` run.
fn container(cx: &Cx<'_>, name: &str, image: &str) -> Value {
    let mut c = json!({"name": name, "image": image, "resources": {}});
    if !cx.args.rest.is_empty() {
        c["command"] = json!(cx.args.rest);
    }
    c
}
