//! RuntimeClasses. Models `pkg/registry/node/runtimeclass/strategy.go`.

use k8s_openapi::api::node::v1::RuntimeClass;

use super::prelude::*;

/// The strategy of RuntimeClasses.
pub struct RuntimeClasses;

impl KindStrategy for RuntimeClasses {
    type Kind = RuntimeClass;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("node.k8s.io", "v1", "runtimeclasses", "runtimeclass", "RuntimeClass")
    }
}
