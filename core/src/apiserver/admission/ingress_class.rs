//! Ingresses that name no class get the default one. Models `plugin/pkg/admission/network/defaultingressclass`.

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use super::default_class;
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::apiserver::ApiServer;

const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
const ANNOTATION: &str = "kubernetes.io/ingress.class";

/// The newest of those that say that they are the default.
pub(super) fn default_class(server: &ApiServer, obj: &mut Obj) {
    let Some(ingress) = typed::<Ingress>(&**obj) else { return };
    let annotated = ingress.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION));
    if annotated || ingress.spec.as_ref().is_some_and(|s| s.ingress_class_name.is_some()) {
        return;
    }
    let classes = server.all_of::<IngressClass>(None);
    let Some(name) = default_class::newest(classes.iter().map(|c| &c.metadata), &[DEFAULT]) else { return };
    if let Some(ingress) = typed_mut::<Ingress>(make_mut(obj)) {
        ingress.spec.get_or_insert_default().ingress_class_name = Some(name);
    }
}
