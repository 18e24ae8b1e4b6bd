//! Secrets. Models `pkg/registry/core/secret/strategy.go`.

use k8s_openapi::api::core::v1::Secret;

use super::defaults;
use super::prelude::*;

/// The strategy of Secrets.
pub struct Secrets;

impl KindStrategy for Secrets {
    type Kind = Secret;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "secrets", "secret", "Secret")
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::secret(o);
        // stringData is for writing alone: decoding puts it into data.
        if let Some(texts) = o.string_data.take() {
            let data = o.data.get_or_insert_default();
            data.extend(texts.into_iter().map(|(k, v)| (k, k8s_openapi::ByteString(v.into_bytes()))));
        }
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        (path == "type").then(|| text(&o.type_))
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["type"]
    }
}
