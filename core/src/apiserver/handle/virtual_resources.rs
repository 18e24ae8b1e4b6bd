//! Resources that nothing stores: questions that are answered at once, and the old collective ones.

use super::{ApiServer, Context, Response};
use crate::api::status::Status;

/// A resource that has no storage.
pub(super) struct Virtual {
    pub group: &'static str,
    pub version: &'static str,
    pub resource: &'static str,
    pub singular: &'static str,
    pub kind: &'static str,
    pub namespaced: bool,
    pub verbs: &'static [&'static str],
    pub short_names: &'static [&'static str],
}

const fn review(group: &'static str, resource: &'static str, singular: &'static str, kind: &'static str) -> Virtual {
    Virtual { group, version: "v1", resource, singular, kind, namespaced: false, verbs: &["create"], short_names: &[] }
}

pub(super) const VIRTUAL: &[Virtual] = &[
    Virtual { namespaced: true, ..review("", "bindings", "binding", "Binding") },
    Virtual {
        verbs: &["get", "list"],
        short_names: &["cs"],
        ..review("", "componentstatuses", "componentstatus", "ComponentStatus")
    },
    review("authentication.k8s.io", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview"),
    review("authentication.k8s.io", "tokenreviews", "tokenreview", "TokenReview"),
    Virtual {
        namespaced: true,
        ..review(
            "authorization.k8s.io",
            "localsubjectaccessreviews",
            "localsubjectaccessreview",
            "LocalSubjectAccessReview",
        )
    },
    review("authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"),
    review("authorization.k8s.io", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview"),
    review("authorization.k8s.io", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview"),
];

impl ApiServer {
    /// Answers a request for one of these; `None` if it is for something else.
    pub(super) fn virtual_resource(&mut self, cx: &Context<'_>) -> Option<Result<Response, Status>> {
        let i = &cx.info;
        let v = VIRTUAL.iter().find(|v| v.group == i.group && v.version == i.version && v.resource == i.resource)?;
        if v.namespaced == i.namespace.is_empty() || !i.subresource.is_empty() {
            return Some(Err(if v.namespaced {
                Status::method_not_allowed()
            } else {
                super::verbs::no_such_resource()
            }));
        }
        Some(match (v.resource, cx.request.method.as_str()) {
            ("componentstatuses", "GET") => self.component_statuses(cx),
            ("componentstatuses", _) => Err(Status::method_not_allowed()),
            (_, "POST") if i.name.is_empty() => match v.resource {
                "bindings" => self.binding_response(cx, ""),
                _ => self.review(cx, v),
            },
            _ => Err(Status::method_not_allowed()),
        })
    }
}
