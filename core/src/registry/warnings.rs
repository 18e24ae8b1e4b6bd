//! What upstream warns of: objects that are taken, though they hardly mean what they say.
//! Models `pkg/api/*/warnings.go` and the `WarningsOnCreate` and `WarningsOnUpdate` of strategies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::validation::is_dns1123_label;

pub(super) mod endpoints;
pub(super) mod node;
mod overlaps;
pub(super) mod pod;
mod ports;
pub(super) mod quota;
pub(super) mod service;
pub(super) mod storage;
pub(super) mod tls;
pub(super) mod volume;

/// A name that is no DNS label makes hostnames that aren't. `used_in` says for what the name serves.
pub(super) fn odd_name(meta: &ObjectMeta, used_in: &str) -> Option<String> {
    let complaints = is_dns1123_label(meta.name.as_deref().unwrap_or_default());
    (!complaints.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in {used_in}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            complaints.join(" ")
        )
    })
}
