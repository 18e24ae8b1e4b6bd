//! Nodes. Models `pkg/registry/core/node/strategy.go`.

use k8s_openapi::api::core::v1::Node;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of Nodes.
pub struct Nodes;

impl KindStrategy for Nodes {
    type Kind = Node;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("", "v1", "nodes", "node", "Node").short(&["no"]).subresources(&["proxy", "status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::node(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::node::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::node::validate_status_update(new, old);
        }
        validation::node::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::node::of(o)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        // Nodes keep the status that they are made with.
        o.spec.get_or_insert_default().config_source = None;
        o.status.get_or_insert_default().config = None;
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
        } else {
            keep(&mut new.status, &old.status);
            if let Some(spec) = &mut new.spec {
                spec.config_source = None;
            }
        }
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        (path == "spec.unschedulable").then(|| flag(o.spec.as_ref().and_then(|s| s.unschedulable)))
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["spec.unschedulable"]
    }
}
