//! Projected volumes.
//! Models `pkg/apis/core/validation/validation.go` (validateProjectionSources).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ClusterTrustBundleProjection, PodCertificateProjection, ProjectedVolumeSource};

use super::volumes;
use crate::api::validation::{is_dns1123_label, is_dns1123_subdomain};
use crate::registry::validation::prelude::*;
use crate::registry::validation::selector;

/// The paths taken so far in one projected volume.
#[derive(Default)]
struct Taken<'a>(BTreeSet<&'a str>);

impl<'a> Taken<'a> {
    /// Takes `target`; a conflict is reported with the value `shown`.
    fn take(&mut self, target: &'a str, shown: &str, path: &Path, errs: &mut ErrorList) {
        if !self.0.insert(target) {
            errs.push(Error::invalid_str(path, shown, "conflicting duplicate paths"));
        }
    }
}

pub(super) fn validate(projection: &ProjectedVolumeSource, path: &Path, errs: &mut ErrorList) {
    volumes::mode(projection.default_mode, "defaultMode", path, errs);
    let mut taken = Taken::default();
    let sources_path = path.child("sources");
    for (i, source) in list(&projection.sources).iter().enumerate() {
        let at = sources_path.index(i);
        let mut count = 0;
        let keyed = [
            ("secret", source.secret.as_ref().map(|s| (s.name.as_str(), list(&s.items)))),
            ("configMap", source.config_map.as_ref().map(|s| (s.name.as_str(), list(&s.items)))),
        ];
        for (field, keyed) in keyed {
            let Some((name, items)) = keyed else { continue };
            count += 1;
            let source_path = at.child(field);
            volumes::required(name, "name", &source_path, errs);
            let items_path = source_path.child("items");
            for (j, item) in items.iter().enumerate() {
                volumes::key_to_path(item, &items_path.index(j), errs);
                if !item.path.is_empty() {
                    taken.take(&item.path, name, path, errs);
                }
            }
        }
        if let Some(downward) = &source.downward_api {
            count += 1;
            let source_path = at.child("downwardAPI");
            for file in list(&downward.items) {
                volumes::downward_api_file(file, &source_path, errs);
                if !file.path.is_empty() {
                    taken.take(&file.path, &file.path, path, errs);
                }
            }
        }
        if let Some(token) = &source.service_account_token {
            count += 1;
            let seconds_path = at.child("serviceAccountToken");
            let seconds_path = seconds_path.child("expirationSeconds");
            let seconds = token.expiration_seconds.unwrap_or(0);
            if seconds < 600 {
                errs.push(Error::invalid(
                    &seconds_path,
                    &json!(seconds),
                    "may not specify a duration less than 10 minutes",
                ));
            }
            if seconds > 1 << 32 {
                errs.push(Error::invalid(
                    &seconds_path,
                    &json!(seconds),
                    "may not specify a duration larger than 2^32 seconds",
                ));
            }
            if token.path.is_empty() {
                errs.push(Error::required(&path.child("path"), ""));
            } else {
                volumes::local_non_reserved_path(&token.path, &path.child("path"), errs);
            }
        }
        if let Some(bundle) = &source.cluster_trust_bundle {
            count += 1;
            cluster_trust_bundle(bundle, &at.child("clusterTrustBundle"), errs);
            taken.take(&bundle.path, &bundle.path, path, errs);
        }
        if let Some(certificate) = &source.pod_certificate {
            count += 1;
            pod_certificate(certificate, &mut taken, path, &at.child("podCertificate"), errs);
        }
        if count > 1 {
            errs.push(Error::forbidden(&at, "may not specify more than 1 volume type per source"));
        }
    }
}

fn cluster_trust_bundle(bundle: &ClusterTrustBundleProjection, path: &Path, errs: &mut ErrorList) {
    match (bundle.name.as_deref(), bundle.signer_name.as_deref()) {
        (Some(name), Some(signer)) => {
            let selector = bundle.label_selector.as_ref().map_or_else(|| "null".to_owned(), |s| json!(s).to_string());
            let shown = format!(
                "{{\"Name\":{},\"SignerName\":{},\"LabelSelector\":{selector},\"Optional\":{},\"Path\":{}}}",
                json!(name),
                json!(signer),
                json!(bundle.optional),
                json!(bundle.path),
            );
            errs.push(Error::invalid_shown(path, shown, "only one of name and signerName may be used"));
        }
        (Some(name), None) => {
            if name.is_empty() {
                errs.push(Error::required(&path.child("name"), "must be a valid object name"));
            }
            for message in trust_bundle_name_messages(name) {
                errs.push(Error::invalid_str(
                    &path.child("name"),
                    name,
                    format!("not a valid clustertrustbundlename: {message}"),
                ));
            }
            if let Some(selector) = &bundle.label_selector {
                errs.push(Error::invalid(
                    &path.child("labelSelector"),
                    &json!(selector),
                    "labelSelector must be unset if name is specified",
                ));
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                errs.push(Error::required(&path.child("signerName"), "must be a valid signer name"));
            }
            signer_name(signer, &path.child("signerName"), errs);
            selector::validate(bundle.label_selector.as_ref(), &path.child("labelSelector"), errs);
        }
        (None, None) => errs.push(Error::required(path, "either name or signerName must be specified")),
    }
    volumes::required(&bundle.path, "path", path, errs);
    volumes::local_non_reserved_path(&bundle.path, &path.child("path"), errs);
}

/// Upstream's `ValidateClusterTrustBundleName`: a bundle of a signer is named after it.
fn trust_bundle_name_messages(name: &str) -> Vec<String> {
    match name.rsplit_once(':') {
        Some((signer, rest)) => {
            let prefix = signer.replace('/', ":");
            let mut messages = Vec::new();
            if prefix != signer {
                messages
                    .push(format!("ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}:"));
            }
            messages.extend(names::rule_messages(NameRule::Subdomain, rest));
            messages
        }
        None => names::rule_messages(NameRule::Subdomain, name),
    }
}

/// Upstream's `ValidateSignerName`: `domain/path`.
pub(crate) fn signer_name(name: &str, path: &Path, errs: &mut ErrorList) {
    if name.is_empty() {
        errs.push(Error::required(path, ""));
        return;
    }
    let segments: Vec<&str> = name.split('/').collect();
    let (domain, signer) = match segments.as_slice() {
        [domain, signer] => (*domain, *signer),
        _ => {
            errs.push(Error::invalid_str(
                path,
                name,
                "must be a fully qualified domain and path of the form 'example.com/signer-name'",
            ));
            return;
        }
    };
    if domain.len() > DOMAIN_BYTES_MAX {
        errs.push(Error::too_long(path, DOMAIN_BYTES_MAX));
    }
    labels(domain, is_dns1123_label, path, errs);
    if !domain.contains('.') {
        errs.push(Error::invalid_str(path, domain, "should be a domain with at least two segments separated by dots"));
    }
    labels(signer, is_dns1123_subdomain, path, errs);
    if name.len() > SIGNER_BYTES_MAX {
        errs.push(Error::too_long(path, SIGNER_BYTES_MAX));
    }
}

const DOMAIN_BYTES_MAX: usize = 253;
/// Room for two domains and a label between them.
const SIGNER_BYTES_MAX: usize = 571;

/// What stands between dots, up to the first that is wrong.
fn labels(segment: &str, rule: fn(&str) -> Vec<String>, path: &Path, errs: &mut ErrorList) {
    let wrong = segment.split('.').map(|l| (l, rule(l))).find(|(_, wrong)| !wrong.is_empty());
    for (label, message) in wrong.iter().flat_map(|(label, all)| all.iter().map(move |m| (label, m))) {
        let label = crate::api::field::quote(label);
        errs.push(Error::invalid_str(path, segment, format!("validating label {label}: {message}")));
    }
}

fn pod_certificate<'a>(
    certificate: &'a PodCertificateProjection,
    taken: &mut Taken<'a>,
    volume_path: &Path,
    path: &Path,
    errs: &mut ErrorList,
) {
    const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
    signer_name(&certificate.signer_name, &path.child("signerName"), errs);
    names::annotations(&certificate.user_annotations, &path.child("userAnnotations"), errs);
    one_of(&certificate.key_type, &KEY_TYPES, &path.child("keyType"), errs);
    if let Some(seconds) = certificate.max_expiration_seconds {
        let at = path.child("maxExpirationSeconds");
        if seconds < 3600 {
            errs.push(Error::invalid(&at, &json!(seconds), "if provided, maxExpirationSeconds must be >= 3600"));
        }
        let of_kubernetes = certificate.signer_name.split('/').next().is_some_and(|d| d.ends_with("kubernetes.io"));
        let max = if of_kubernetes { 86_400 } else { 7_862_400 };
        if seconds > max {
            errs.push(Error::invalid(
                &at,
                &json!(seconds),
                format!("if provided, maxExpirationSeconds must be <= {max}"),
            ));
        }
    }
    let paths = [
        ("credentialBundlePath", &certificate.credential_bundle_path),
        ("keyPath", &certificate.key_path),
        ("certificateChainPath", &certificate.certificate_chain_path),
    ];
    let mut any = false;
    for (field, target) in paths {
        let Some(target) = target.as_deref().filter(|t| !t.is_empty()) else { continue };
        any = true;
        volumes::local_non_reserved_path(target, &path.child(field), errs);
        taken.take(target, target, volume_path, errs);
    }
    if !any {
        errs.push(Error::required(
            path,
            "specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
        ));
    }
}
