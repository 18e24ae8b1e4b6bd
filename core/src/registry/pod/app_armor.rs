//! AppArmor's annotations and the fields that took their place: a new pod with the one gets the other.
//! Models `applyAppArmorVersionSkew` and `ApparmorFieldForAnnotation`.

use k8s_openapi::api::core::v1::{AppArmorProfile, Pod, SecurityContext};

use crate::api::field::Path;
use crate::registry::validation::pod::is_app_armor_profile;

/// The annotations' keys without the container's name.
pub(in crate::registry) const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The field that an annotation stands for; none if it says nothing that a field could.
pub(in crate::registry) fn field_for(annotation: &str) -> Option<AppArmorProfile> {
    let of = |kind: &str| AppArmorProfile { type_: kind.to_owned(), localhost_profile: None };
    match annotation {
        "unconfined" => Some(of("Unconfined")),
        "runtime/default" => Some(of("RuntimeDefault")),
        other => {
            let profile = other.strip_prefix("localhost/").filter(|p| !p.is_empty())?;
            Some(AppArmorProfile { localhost_profile: Some(profile.to_owned()), ..of("Localhost") })
        }
    }
}

/// What is said of an annotation that should be a field. `path` is the annotations'.
pub(in crate::registry) fn complaint(path: &Path, key: &str) -> String {
    format!("{}: deprecated since v1.30; use the \"appArmorProfile\" field instead", path.key(key))
}

/// Gives containers the fields that annotations stand for, and tells which annotations should be fields.
pub(super) fn fields_from_annotations(pod: &mut Pod, warn: &dyn Fn(String)) {
    let (Some(spec), Some(annotations)) = (&mut pod.spec, &pod.metadata.annotations) else { return };
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let of_pod = spec.security_context.as_ref().and_then(|c| c.app_armor_profile.clone());
    let path = Path::new("metadata.annotations");
    let settle = |name: &str, context: &mut Option<SecurityContext>| {
        let key = format!("{PREFIX}{name}");
        let Some(annotation) = annotations.get(&key) else { return };
        if context.as_ref().is_some_and(|c| c.app_armor_profile.is_some()) {
            return;
        }
        let profile = field_for(annotation).filter(is_app_armor_profile);
        if profile.is_some() && profile == of_pod {
            return;
        }
        if profile.is_some() {
            context.get_or_insert_default().app_armor_profile = profile;
        }
        warn(complaint(&path, &key));
    };
    spec.init_containers.iter_mut().flatten().for_each(|c| settle(&c.name, &mut c.security_context));
    spec.containers.iter_mut().for_each(|c| settle(&c.name, &mut c.security_context));
    spec.ephemeral_containers.iter_mut().flatten().for_each(|c| settle(&c.name, &mut c.security_context));
}
