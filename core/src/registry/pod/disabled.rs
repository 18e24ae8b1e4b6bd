//! Fields of pods that nobody can set yet: their features are off by default.
//! Models `dropDisabledFields` of `pkg/api/pod/util.go`.

use k8s_openapi::api::core::v1::{Lifecycle, PodSpec};

/// Takes them away. Gates ContainerStopSignals, ClusterTrustBundleProjection, PodCertificateRequest and GenericWorkload.
pub(in crate::registry) fn drop_disabled_fields(spec: &mut PodSpec) {
    spec.scheduling_group = None;
    for c in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        drop_stop_signal(&mut c.lifecycle);
    }
    for c in spec.ephemeral_containers.iter_mut().flatten() {
        drop_stop_signal(&mut c.lifecycle);
    }
    let projected = spec.volumes.iter_mut().flatten().filter_map(|v| v.projected.as_mut());
    for source in projected.flat_map(|p| p.sources.iter_mut().flatten()) {
        source.cluster_trust_bundle = None;
        source.pod_certificate = None;
    }
}

fn drop_stop_signal(lifecycle: &mut Option<Lifecycle>) {
    if let Some(l) = lifecycle
        && l.stop_signal.take().is_some()
        && *l == Lifecycle::default()
    {
        *lifecycle = None;
    }
}
