//! Resource requests and limits, of containers and of whole pods.
//! Models `pkg/apis/core/validation/validation.go` (validateResourceRequirements) and `pkg/apis/core/helper/helpers.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PodSpec, ResourceClaim, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::containers::Context;
use super::{Options, volumes};
use crate::api::quantity::Quantity;
use crate::registry::validation::prelude::*;

/// Whether `name` is of Kubernetes itself: without a prefix, or of `kubernetes.io`.
pub(crate) fn is_native(name: &str) -> bool {
    !name.contains('/') || is_prefixed_native(name)
}

fn is_prefixed_native(name: &str) -> bool {
    name.contains("kubernetes.io/")
}

pub(crate) fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Upstream's `IsExtendedResourceName`.
pub(crate) fn is_extended(name: &str) -> bool {
    if is_native(name) || name.starts_with("requests.") {
        return false;
    }
    names::qualified_name_messages(&format!("requests.{name}")).is_empty()
}

/// Whether requests may be less than limits.
pub(crate) fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// Upstream's `IsIntegerResourceName`.
pub(crate) fn is_integer(name: &str) -> bool {
    matches!(
        name,
        "pods"
            | "persistentvolumeclaims"
            | "services"
            | "services.nodeports"
            | "services.loadbalancers"
            | "replicationcontrollers"
            | "resourcequotas"
            | "secrets"
            | "configmaps"
    ) || is_extended(name)
}

fn is_standard_container(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(name)
}

fn is_standard(name: &str) -> bool {
    matches!(
        name,
        "cpu"
            | "memory"
            | "ephemeral-storage"
            | "requests.cpu"
            | "requests.memory"
            | "requests.ephemeral-storage"
            | "limits.cpu"
            | "limits.memory"
            | "limits.ephemeral-storage"
            | "pods"
            | "resourcequotas"
            | "services"
            | "replicationcontrollers"
            | "secrets"
            | "configmaps"
            | "persistentvolumeclaims"
            | "storage"
            | "requests.storage"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_huge_page(name)
        || name.starts_with("requests.hugepages-")
}

/// Upstream's `validateResourceName`; returns whether it found no fault.
pub(crate) fn name(value: &str, path: &Path, errs: &mut ErrorList) -> bool {
    let before = errs.len();
    invalid_each(names::qualified_name_messages(value), value, path, errs);
    if errs.len() == before && !value.contains('/') && !is_standard(value) {
        errs.push(Error::invalid_str(path, value, "must be a standard resource type or fully qualified"));
    }
    errs.len() == before
}

/// Upstream's `validateContainerResourceName`.
pub(crate) fn container_name(value: &str, path: &Path, errs: &mut ErrorList) {
    if is_standard_container(value) && matches!(value, "cpu" | "memory" | "ephemeral-storage") {
        return;
    }
    name(value, path, errs);
    if !value.contains('/') {
        if !is_standard_container(value) {
            errs.push(Error::invalid_str(path, value, "must be a standard resource for containers"));
        }
    } else if !is_native(value) && !is_extended(value) {
        errs.push(Error::invalid_str(path, value, "doesn't follow extended resource name standard"));
    }
}

/// Upstream's `validatePodResourceName`.
fn pod_name(value: &str, path: &Path, errs: &mut ErrorList) {
    if name(value, path, errs) && !is_pod_level(value) {
        errs.push(Error::not_supported(path, value, &["cpu", "memory"]));
    }
}

/// Whether a whole pod may ask for it.
pub(crate) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_page(name)
}

/// Parses a quantity that decoding has already accepted.
pub(crate) fn parse(text: &Text) -> Quantity {
    Quantity::parse(&text.0).unwrap_or_default()
}

/// Upstream's `ValidateResourceQuantityValue`.
pub(crate) fn quantity_value(name: &str, value: &Quantity, path: &Path, errs: &mut ErrorList) {
    if value.sign() < 0 {
        errs.push(Error::invalid_str(path, &value.to_string(), "must be greater than or equal to 0"));
    }
    if is_integer(name) && !value.is_integer() {
        errs.push(Error::invalid_str(path, &value.to_string(), "must be an integer"));
    }
}

/// A huge-page quantity is a whole number of pages.
pub(super) fn huge_pages_divisible(name: &str, value: &Quantity) -> bool {
    let Some(page) = name.strip_prefix("hugepages-").and_then(|p| Quantity::parse(p).ok()) else { return false };
    let (page, value) = (page.value(), value.value());
    page > 0 && value % page == 0
}

pub(super) fn requirements(
    r: &ResourceRequirements,
    name_rule: fn(&str, &Path, &mut ErrorList),
    ctx: &Context,
    path: &Path,
    errs: &mut ErrorList,
) {
    let limits_path = path.child("limits");
    let requests_path = path.child("requests");
    let (mut compute, mut huge) = (false, false);
    let one = |name: &str, value: &Quantity, at: &Path, errs: &mut ErrorList| {
        name_rule(name, at, errs);
        quantity_value(name, value, at, errs);
    };
    let huge_pages = |name: &str, value: &Quantity, at: &Path, errs: &mut ErrorList| {
        if is_huge_page(name) && !ctx.opts.allow_indivisible_huge_pages && !huge_pages_divisible(name, value) {
            errs.push(Error::invalid_str(
                at,
                &value.to_string(),
                format!("{value} is not positive integer multiple of {name}"),
            ));
        }
    };
    for (name, value) in entries(&r.limits) {
        let (at, value) = (limits_path.key(name), parse(value));
        one(name, &value, &at, errs);
        huge_pages(name, &value, &at, errs);
        huge |= is_huge_page(name);
        compute |= matches!(name, "cpu" | "memory");
    }
    for (name, value) in entries(&r.requests) {
        let (at, value) = (requests_path.key(name), parse(value));
        one(name, &value, &at, errs);
        match entry(&r.limits, name).map(parse) {
            Some(limit) if value != limit && !is_overcommit_allowed(name) => errs.push(Error::invalid_str(
                &requests_path,
                &value.to_string(),
                format!("must be equal to {name} limit of {limit}"),
            )),
            Some(limit) if value > limit => errs.push(Error::invalid_str(
                &requests_path,
                &value.to_string(),
                format!("must be less than or equal to {name} limit of {limit}"),
            )),
            Some(_) => {}
            None if !is_overcommit_allowed(name) => {
                errs.push(Error::required(&limits_path, "Limit must be set for non overcommitable resources"))
            }
            None => {}
        }
        huge_pages(name, &value, &at, errs);
        huge |= is_huge_page(name);
        compute |= matches!(name, "cpu" | "memory");
    }
    if huge && !compute {
        errs.push(Error::forbidden(path, "HugePages require cpu or memory"));
    }
    claim_names(list(&r.claims), &ctx.claim_names, &path.child("claims"), errs);
}

/// Requirements outside any pod, such as a runtime class's overhead.
pub(crate) fn container_requirements(r: &ResourceRequirements, path: &Path, errs: &mut ErrorList) {
    let opts = Options::for_template();
    let ctx = Context {
        opts: &opts,
        volumes: volumes::validate(&[], None, path, errs),
        claim_names: BTreeSet::new(),
        restart_policy: "",
        grace_period_seconds: None,
        os: None,
        host_users: true,
    };
    requirements(r, container_name, &ctx, path, errs);
}

fn claim_names(claims: &[ResourceClaim], of_pod: &BTreeSet<&str>, path: &Path, errs: &mut ErrorList) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        let at = path.index(i);
        if claim.name.is_empty() {
            errs.push(Error::required(&at, ""));
            continue;
        }
        if seen.contains(&claim.name) {
            errs.push(Error::duplicate(&at, &json!(claim.name)));
        } else {
            let request = text(&claim.request);
            let mut key = claim.name.clone();
            if !request.is_empty() {
                names::dns_label(request, &at.child("request"), errs);
                key = format!("{key}/{request}");
            }
            if seen.contains(&key) {
                errs.push(Error::duplicate(&at, &json!(key)));
            } else if request.is_empty() {
                let prefix = format!("{}/", claim.name);
                for _ in seen.iter().filter(|k| k.starts_with(&prefix)) {
                    errs.push(Error::duplicate(&at, &json!(claim.name)));
                }
            }
            seen.insert(key);
        }
        if !of_pod.contains(claim.name.as_str()) {
            let mut detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            if of_pod.is_empty() {
                detail.push_str(" which is empty");
            } else {
                let names: Vec<&str> = of_pod.iter().copied().collect();
                detail.push_str(": ");
                detail.push_str(&names.join(", "));
            }
            errs.push(Error::not_found(&at, &json!(claim.name)).with_detail(detail));
        }
    }
}

/// What a whole pod asks for, against what its containers ask for.
pub(super) fn pod_level(spec: &PodSpec, ctx: &Context, path: &Path, errs: &mut ErrorList) {
    let Some(r) = &spec.resources else { return };
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        errs.push(Error::forbidden(path, "may not be set for a windows pod"));
        return;
    }
    if r.claims.is_some() {
        errs.push(Error::forbidden(&path.child("claims"), "claims may not be set for Resources at pod-level"));
    }
    requirements(r, pod_name, ctx, path, errs);

    let requests_path = path.child("requests");
    for (name, sum) in super::aggregate::requests(spec) {
        let Some(of_pod) = entry(&r.requests, &name).map(parse) else { continue };
        if sum > of_pod {
            errs.push(Error::invalid_str(
                &requests_path.key(&name),
                &of_pod.to_string(),
                format!("must be greater than or equal to aggregate container requests of {sum}"),
            ));
        }
    }
    let limits_path = path.child("limits");
    for (name, sum) in super::aggregate::limits(spec) {
        let Some(of_pod) = entry(&r.limits, &name).map(parse) else { continue };
        if is_huge_page(&name) && sum > of_pod {
            errs.push(Error::invalid_str(
                &limits_path.key(&name),
                &of_pod.to_string(),
                format!("must be greater than or equal to aggregate container limits of {sum}"),
            ));
        }
    }
    let containers_path = path.child("containers");
    for (i, c) in spec.containers.iter().enumerate() {
        let Some(of_container) = &c.resources else { continue };
        for (name, limit) in entries(&of_container.limits) {
            let Some(of_pod) = entry(&r.limits, name).map(parse) else { continue };
            let limit = parse(limit);
            if limit > of_pod {
                let at = containers_path.index(i);
                errs.push(Error::invalid_str(
                    &at.key(name).child("limits"),
                    &limit.to_string(),
                    format!("must be less than or equal to pod limits of {of_pod}"),
                ));
            }
        }
    }
}
