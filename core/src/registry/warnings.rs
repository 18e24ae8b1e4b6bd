//! What upstream warns of: objects that are taken, though they hardly mean what they say.
//! Models `pkg/api/*/warnings.go` and the `WarningsOnCreate` and `WarningsOnUpdate` of strategies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::field::Path;
use crate::api::validation::{ip_warnings, is_dns1123_label};

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

/// What is odd about the addresses of balancers in a status.
pub(super) fn of_balancers<'a>(addresses: impl Iterator<Item = Option<&'a str>>) -> Vec<String> {
    let path = Path::new("status.loadBalancer.ingress");
    let given = addresses.enumerate().filter_map(|(i, ip)| Some((i, ip.filter(|ip| !ip.is_empty())?)));
    given.flat_map(|(i, ip)| ip_warnings(&path.index(i), ip)).collect()
}
