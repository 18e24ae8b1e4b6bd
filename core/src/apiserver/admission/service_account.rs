//! Every pod acts as a service account and finds its token. Models `plugin/pkg/admission/serviceaccount`.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector, Pod,
    ProjectedVolumeSource, ServiceAccount, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};

use super::{Attributes, forbidden};
use crate::api::field::quote;
use crate::api::object::{Obj, make_mut, typed_mut};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const MIRROR: &str = "kubernetes.io/config.mirror";

pub(super) fn admit(server: &ApiServer, a: &Attributes<'_>, info: &ResourceInfo, obj: &mut Obj) -> Result<(), Status> {
    let Some(pod) = typed_mut::<Pod>(make_mut(obj)) else { return Ok(()) };
    let Some(spec) = &mut pod.spec else { return Ok(()) };
    if pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(MIRROR)) {
        // A mirror pod stands for one that runs from a file: it has no account.
        if spec.service_account_name.as_deref().is_some_and(|n| !n.is_empty()) {
            return Err(forbidden(info, &**obj, "a mirror pod may not reference service accounts"));
        }
        return Ok(());
    }
    if spec.service_account_name.as_deref().unwrap_or_default().is_empty() {
        spec.service_account_name = Some("default".into());
    }
    spec.service_account.clone_from(&spec.service_account_name);
    let name = spec.service_account_name.clone().unwrap_or_default();
    let Some(account) = server.one_of::<ServiceAccount>(a.namespace, &name) else {
        let why = format!(
            "error looking up service account {}/{name}: serviceaccount {} not found",
            a.namespace,
            quote(&name)
        );
        return Err(forbidden(info, &**obj, &why));
    };
    let automount = spec.automount_service_account_token.or(account.automount_service_account_token).unwrap_or(true);
    if automount {
        mount_token(server, spec);
    }
    if spec.image_pull_secrets.as_ref().is_none_or(Vec::is_empty) {
        spec.image_pull_secrets = account.image_pull_secrets.clone().filter(|s| !s.is_empty());
    }
    Ok(())
}

fn mount_token(server: &ApiServer, spec: &mut k8s_openapi::api::core::v1::PodSpec) {
    // A volume of ours that the template already carries is used again.
    let have = spec.volumes.iter().flatten().find(|v| v.name.starts_with("kube-api-access-") && v.projected.is_some());
    let name = have.map(|v| v.name.clone());
    let fresh = name.is_none();
    let name = name.unwrap_or_else(|| format!("kube-api-access-{}", server.sim.random_suffix(5)));
    let mount = |c: &mut Container| -> bool {
        if c.volume_mounts.iter().flatten().any(|m| m.mount_path == TOKEN_PATH) {
            return false;
        }
        c.volume_mounts.get_or_insert_default().push(VolumeMount {
            name: name.clone(),
            read_only: Some(true),
            mount_path: TOKEN_PATH.into(),
            ..VolumeMount::default()
        });
        true
    };
    let mut used = false;
    for c in spec.init_containers.iter_mut().flatten() {
        used |= mount(c);
    }
    for c in &mut spec.containers {
        used |= mount(c);
    }
    if used && fresh {
        spec.volumes.get_or_insert_default().push(token_volume(&name));
    }
}

fn token_volume(name: &str) -> Volume {
    let token = ServiceAccountTokenProjection {
        // An hour, and seven seconds by which the api-server knows a token of this kind.
        expiration_seconds: Some(3607),
        path: "token".into(),
        audience: None,
    };
    let ca = ConfigMapProjection {
        name: "kube-root-ca.crt".into(),
        items: Some(vec![KeyToPath { key: "ca.crt".into(), path: "ca.crt".into(), mode: None }]),
        optional: None,
    };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".into(),
        field_ref: Some(ObjectFieldSelector {
            api_version: Some("v1".into()),
            field_path: "metadata.namespace".into(),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    let sources = vec![
        VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() },
        VolumeProjection { config_map: Some(ca), ..VolumeProjection::default() },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection { items: Some(vec![namespace]) }),
            ..VolumeProjection::default()
        },
    ];
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource { default_mode: Some(420), sources: Some(sources) }),
        ..Volume::default()
    }
}
