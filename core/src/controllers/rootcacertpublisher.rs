//! The root CA publisher: every namespace has the ConfigMap kube-root-ca.crt. Models
//! `pkg/controller/certificates/rootcacertpublisher/publisher.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ControllerContext;
use super::serviceaccount::is_active;
use super::util::pod_control::is_namespace_terminating;
use super::util::worker::run_workers;
use super::util::{name, namespace};
use crate::client::{InformerEvent, RateLimits, WorkQueue};

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION_KEY: &str = "kubernetes.io/description";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// The certificate of the cluster's authority: what `--root-ca-file` names.
pub const ROOT_CA: &str = include_str!("rootcacertpublisher/ca.crt");

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("root-ca-cert-publisher");
    let (namespaces, maps) = (ctx.informer::<Namespace>(), ctx.informer::<ConfigMap>());
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        maps.wait_synced().await;
        let q = queue.clone();
        maps.on_event(move |e| match e {
            InformerEvent::Updated { new: m, .. } | InformerEvent::Deleted(m) if name(&m.metadata) == NAME => {
                q.add(namespace(&m.metadata).into());
            }
            _ => {}
        });
        let q = queue.clone();
        namespaces.on_event(move |e| match e {
            InformerEvent::Added(ns) => q.add(name(&ns.metadata).into()),
            InformerEvent::Updated { new: ns, .. } if is_active(ns) => q.add(name(&ns.metadata).into()),
            _ => {}
        });
        run_workers(&ctx, &queue, 1, move |key| {
            let (client, maps) = (client.clone(), maps.clone());
            async move {
                let data = [("ca.crt".to_owned(), ROOT_CA.to_owned())].into();
                let Some(have) = maps.get_named(&key, NAME) else {
                    let metadata = ObjectMeta {
                        name: Some(NAME.into()),
                        namespace: Some(key.to_string()),
                        annotations: Some([(DESCRIPTION_KEY.to_owned(), DESCRIPTION.to_owned())].into()),
                        ..ObjectMeta::default()
                    };
                    return match client.create(ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }).await {
                        // Without its namespace, or as it goes, the map isn't wanted any more.
                        Err(e) if e.is_already_exists() || is_namespace_terminating(&e) || e.is_not_found() => Ok(()),
                        Err(e) => Err(e.into()),
                        Ok(_) => Ok(()),
                    };
                };
                let described = have.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(DESCRIPTION_KEY));
                if have.data.as_ref() == Some(&data) && described {
                    return Ok(());
                }
                let mut new = (*have).clone();
                new.data = Some(data);
                let annotations = new.metadata.annotations.get_or_insert_default();
                annotations.insert(DESCRIPTION_KEY.into(), DESCRIPTION.into());
                client.update(new).await?;
                Ok(())
            }
        });
    });
}
