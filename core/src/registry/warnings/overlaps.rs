//! Files of a volume that lie on or below each other. Models `pkg/api/pod/warnings.go`
//! (warningsForOverlappingVirtualPaths).

use std::fmt;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource, Volume, VolumeProjection};

use crate::api::field::quote;

/// A file, and of what it is; that is empty where the volume has but one source.
#[derive(Clone, PartialEq)]
struct File {
    path: String,
    source: String,
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.path))?;
        if self.source.is_empty() { Ok(()) } else { write!(f, " ({})", self.source) }
    }
}

fn file(path: &str, source: &str) -> File {
    File { path: path.to_owned(), source: source.to_owned() }
}

fn of_keys(items: &[KeyToPath], source: &str) -> Vec<File> {
    items.iter().map(|i| file(&i.path, source)).collect()
}

fn of_downward(items: &[DownwardAPIVolumeFile], source: &str) -> Vec<File> {
    items.iter().map(|i| file(&i.path, source)).collect()
}

fn is_below(a: &str, b: &str) -> bool {
    a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'))
}

/// Adds files to those seen, and says which of them collide.
fn collisions(seen: &mut Vec<File>, files: Vec<File>) -> Vec<String> {
    let mut out = Vec::new();
    for mut f in files {
        f.path.truncate(f.path.trim_end_matches('/').len());
        if !f.path.is_empty() {
            let others = seen.iter().filter(|s| !s.path.is_empty());
            let hit = others.filter(|s| is_below(&s.path, &f.path) || is_below(&f.path, &s.path));
            out.extend(hit.map(|s| format!("{f} with {s}")));
        }
        seen.push(f);
    }
    out
}

/// The files of one source of a projected volume.
fn projection(p: &VolumeProjection) -> Vec<File> {
    if let Some((m, items)) = p.config_map.as_ref().and_then(|m| m.items.as_ref().map(|i| (m, i))) {
        return of_keys(items, &format!("ConfigMap {}", quote(&m.name)));
    }
    if let Some((s, items)) = p.secret.as_ref().and_then(|s| s.items.as_ref().map(|i| (s, i))) {
        return of_keys(items, &format!("Secret {}", quote(&s.name)));
    }
    if let Some(items) = p.downward_api.as_ref().and_then(|d| d.items.as_ref()) {
        return of_downward(items, "DownwardAPI");
    }
    if let Some(t) = &p.service_account_token {
        return vec![file(&t.path, "ServiceAccountToken")];
    }
    if let Some(b) = &p.cluster_trust_bundle {
        let of = b.name.as_ref().or(b.signer_name.as_ref()).map_or("", String::as_str);
        return vec![file(&b.path, &format!("ClusterTrustBundle {}", quote(of)))];
    }
    let Some(c) = &p.pod_certificate else { return Vec::new() };
    let parts = [
        (&c.certificate_chain_path, "PodCertificate chain"),
        (&c.key_path, "PodCertificate key"),
        (&c.credential_bundle_path, "PodCertificate credential bundle"),
    ];
    parts.iter().filter_map(|(path, what)| path.as_deref().filter(|p| !p.is_empty()).map(|p| file(p, what))).collect()
}

fn projected(name: &str, source: &ProjectedVolumeSource, all: &mut Vec<String>) {
    let mut seen = Vec::new();
    for p in source.sources.iter().flatten() {
        if *p == VolumeProjection::default() {
            all.push(format!("volume {} (Projected) has no sources provided", quote(name)));
            continue;
        }
        let hits = collisions(&mut seen, projection(p)).into_iter();
        all.extend(hits.map(|hit| format!("volume {} (Projected): overlapping paths: {hit}", quote(name))));
    }
}

/// Looks at the volumes of a pod.
pub(super) fn of(volumes: &[Volume], all: &mut Vec<String>) {
    for v in volumes {
        let mut of_one = |files: Vec<File>, what: String| {
            let hits = collisions(&mut Vec::new(), files).into_iter();
            all.extend(hits.map(|hit| format!("volume {} ({what}): overlapping paths: {hit}", quote(&v.name))));
        };
        if let Some((m, items)) = v.config_map.as_ref().and_then(|m| m.items.as_ref().map(|i| (m, i))) {
            of_one(of_keys(items, ""), format!("ConfigMap {}", quote(&m.name)));
        }
        if let Some((s, items)) = v.secret.as_ref().and_then(|s| s.items.as_ref().map(|i| (s, i))) {
            let name = s.secret_name.as_deref().unwrap_or_default();
            of_one(of_keys(items, ""), format!("Secret {}", quote(name)));
        }
        if let Some(items) = v.downward_api.as_ref().and_then(|d| d.items.as_ref()) {
            of_one(of_downward(items, ""), "DownwardAPI".to_owned());
        }
        if let Some(source) = &v.projected {
            projected(&v.name, source, all);
        }
    }
}
