//! Binds a pod by POSTing a Binding. Models kube-scheduler `plugins/defaultbinder`.

use k8s_openapi::api::core::v1::{Binding, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::scheduler::framework::plugin::{Bind, Plugin};
use crate::scheduler::framework::pod_info::PodInfo;

pub const NAME: &str = "DefaultBinder";

pub struct DefaultBinder;

impl Plugin for DefaultBinder {
    fn name(&self) -> &'static str {
        NAME
    }
}

impl Bind for DefaultBinder {
    fn bind(&self, pod: &PodInfo, node: &str) -> Option<Binding> {
        let meta = &pod.pod.metadata;
        Some(Binding {
            metadata: ObjectMeta {
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
                ..Default::default()
            },
            target: ObjectReference { kind: Some("Node".into()), name: Some(node.to_owned()), ..Default::default() },
        })
    }
}
