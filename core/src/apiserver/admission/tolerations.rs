//! Pods stay on a node that fails for five minutes. Models `plugin/pkg/admission/defaulttolerationseconds`.

use k8s_openapi::api::core::v1::{Pod, Toleration};

use crate::api::object::{Obj, make_mut, typed, typed_mut};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const SECONDS: i64 = 300;

fn tolerates(pod: &Pod, taint: &str) -> bool {
    pod.spec.iter().flat_map(|s| s.tolerations.iter().flatten()).any(|t| {
        let key = t.key.as_deref().unwrap_or_default();
        let effect = t.effect.as_deref().unwrap_or_default();
        (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
    })
}

pub(super) fn admit(obj: &mut Obj) {
    let Some(pod) = typed::<Pod>(&**obj) else { return };
    let missing: Vec<&str> = [NOT_READY, UNREACHABLE].into_iter().filter(|t| !tolerates(pod, t)).collect();
    if missing.is_empty() {
        return;
    }
    let Some(spec) = typed_mut::<Pod>(make_mut(obj)).and_then(|p| p.spec.as_mut()) else { return };
    let all = spec.tolerations.get_or_insert_default();
    all.extend(missing.into_iter().map(|taint| Toleration {
        key: Some(taint.into()),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        toleration_seconds: Some(SECONDS),
        value: None,
    }));
}
