//! Secrets. Models `pkg/registry/core/secret/strategy.go`.

use k8s_openapi::api::core::v1::Secret;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of Secrets.
pub struct Secrets;

impl KindStrategy for Secrets {
    type Kind = Secret;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "secrets", "secret", "Secret")
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::secret(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::secret::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::secret::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::tls::of(o)
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        (path == "type").then(|| text(&o.type_))
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["type"]
    }
}
