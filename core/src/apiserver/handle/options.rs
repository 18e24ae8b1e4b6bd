//! The options that queries and bodies carry. Models apimachinery `pkg/apis/meta/v1/conversion.go` and
//! `pkg/apis/meta/{v1,internalversion}/validation`.

use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions as ApiDeleteOptions;

use super::info::is_true;
use super::url::Query;
use super::{Context, negotiate};
use crate::api::decode::{self, FieldValidation};
use crate::api::field::{Error, ErrorList, Path, quote};
use crate::api::fields;
use crate::api::schema::schema;
use crate::api::status::Status;
use crate::api::validation::{
    validate_delete_options, validate_dry_run, validate_field_manager, validate_field_validation, validate_patch_force,
};
use crate::apiserver::{DeleteOptions, ListOptions, Preconditions, Propagation};
use crate::registry::event_field;

const GROUP: &str = "meta.k8s.io";

pub(super) fn number(query: &Query, name: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(name).filter(|t| !t.is_empty()) else { return Ok(None) };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let why = match text.parse::<i64>() {
        Ok(n) => return Ok(Some(n)),
        Err(_) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => "value out of range",
        Err(_) => "invalid syntax",
    };
    Err(Status::bad_request(format!("strconv.ParseInt: parsing {}: {why}", quote(text))))
}

/// Go's `strconv.ParseBool` rule for query parameters: present and anything but false.
fn flag(query: &Query, name: &str) -> Option<bool> {
    query.get(name).map(is_true)
}

fn check(kind: &str, errors: ErrorList) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(GROUP, kind, "", &errors)) }
}

/// The options of a list or watch.
pub(super) fn list(cx: &Context<'_>, watch: bool) -> Result<ListOptions, Status> {
    let q = &cx.query;
    let text = |name: &str| q.get(name).unwrap_or_default().to_owned();
    let limit = number(q, "limit")?.unwrap_or(0);
    let timeout = number(q, "timeoutSeconds")?;
    let o = ListOptions {
        label_selector: text("labelSelector"),
        field_selector: field_selector(cx)?,
        resource_version: text("resourceVersion"),
        resource_version_match: text("resourceVersionMatch"),
        limit: usize::try_from(limit).unwrap_or(0),
        continue_token: text("continue"),
        allow_bookmarks: flag(q, "allowWatchBookmarks").unwrap_or(false),
        send_initial_events: flag(q, "sendInitialEvents"),
        timeout_seconds: timeout.and_then(|t| u64::try_from(t).ok()).unwrap_or(0),
    };
    check("ListOptions", if watch { validate_watch(&o) } else { validate_list(&o) })?;
    Ok(o)
}

/// The field selector by the names of the stored version's fields.
fn field_selector(cx: &Context<'_>) -> Result<String, Status> {
    let text = cx.query.get("fieldSelector").unwrap_or_default();
    if text.is_empty() || (cx.info.group.as_str(), cx.info.resource.as_str()) != ("events.k8s.io", "events") {
        return Ok(text.to_owned());
    }
    let translated = fields::Selector::parse(text).and_then(|s| {
        s.transform(|label, value| match event_field(label) {
            Some(field) => Ok((field, value.to_owned())),
            None => Err(format!("field label not supported: {label}")),
        })
    });
    translated.map(|s| s.to_string()).map_err(Status::bad_request)
}

fn validate_list(o: &ListOptions) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("resourceVersionMatch");
    let how = o.resource_version_match.as_str();
    if !how.is_empty() {
        if o.resource_version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(Error::forbidden(&path, why));
        }
        if !o.continue_token.is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(how, "Exact" | "NotOlderThan") {
            errors.push(Error::not_supported(&path, how, &["Exact", "NotOlderThan", ""]));
        }
        if how == "Exact" && o.resource_version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(Error::forbidden(&path, why));
        }
    }
    if o.send_initial_events.is_some() {
        let path = Path::new("sendInitialEvents");
        errors.push(Error::forbidden(&path, "sendInitialEvents is forbidden for list"));
    }
    errors
}

fn validate_watch(o: &ListOptions) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("resourceVersionMatch");
    let how = o.resource_version_match.as_str();
    if o.send_initial_events.is_some() && how != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(Error::forbidden(&path, why));
    }
    if !how.is_empty() {
        if o.send_initial_events.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(Error::forbidden(&path, why));
        }
        if how != "NotOlderThan" {
            errors.push(Error::not_supported(&path, how, &["NotOlderThan"]));
        }
        if !o.continue_token.is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    errors
}

/// The options of create, update and patch.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteOptions {
    pub dry_run: bool,
    pub field_manager: Option<Rc<str>>,
    pub validation: FieldValidation,
    pub force: bool,
}

/// The options of a write; `kind` is what errors call them. `apply`: for a patch, whether it is server-side apply.
pub(super) fn write(cx: &Context<'_>, kind: &str, apply: Option<bool>) -> Result<WriteOptions, Status> {
    let q = &cx.query;
    let manager = q.get("fieldManager").unwrap_or_default();
    let force = flag(q, "force");
    let mut errors = ErrorList::new();
    if let Some(apply) = apply {
        errors.extend(validate_patch_force(apply, manager, force));
    }
    let dry_run: Vec<String> = q.all("dryRun").map(str::to_owned).collect();
    let validation = q.get("fieldValidation").unwrap_or_default();
    errors.extend(validate_field_manager(manager, &Path::new("fieldManager")));
    errors.extend(validate_dry_run(&dry_run, &Path::new("dryRun")));
    errors.extend(validate_field_validation(validation, &Path::new("fieldValidation")));
    check(kind, errors)?;
    Ok(WriteOptions {
        dry_run: !dry_run.is_empty(),
        field_manager: (!manager.is_empty()).then(|| manager.into()),
        validation: FieldValidation::parse(validation),
        force: force == Some(true),
    })
}

/// What the options of a delete may say.
pub(super) fn check_delete(api: &ApiDeleteOptions) -> Result<(), Status> {
    check("DeleteOptions", validate_delete_options(api))
}

/// The ports that a client forwards must be numbers.
pub(super) fn check_ports(query: &Query) -> Result<(), Status> {
    for port in query.all("ports") {
        if let Err(why) = parse_unsigned(port) {
            let shown = quote(port);
            return Err(Status::bad_request(format!(
                "cannot convert to []int32: strconv.ParseUint: parsing {shown}: {why}"
            )));
        }
    }
    Ok(())
}

/// Go's `strconv.ParseUint` of sixteen bits.
fn parse_unsigned(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().map_err(|_| "value out of range") } else { Err("invalid syntax") }
}

/// The options of a delete: from the body, or from the query when there is none. Also whether `orphanDependents` was set to false.
pub(super) fn delete(cx: &Context<'_>) -> Result<(DeleteOptions, bool), Status> {
    let mut api = if cx.request.body.is_empty() {
        let q = &cx.query;
        ApiDeleteOptions {
            grace_period_seconds: number(q, "gracePeriodSeconds")?,
            orphan_dependents: flag(q, "orphanDependents"),
            propagation_policy: q.get("propagationPolicy").map(str::to_owned),
            dry_run: Some(q.all("dryRun").map(str::to_owned).collect()),
            ..ApiDeleteOptions::default()
        }
    } else {
        let format = negotiate::body_format(cx.request)?;
        let ty = schema().named("meta/v1.DeleteOptions");
        let bound = decode::bind_options(&cx.request.body, format, ty).map_err(Status::bad_request)?;
        let kind = bound.value["kind"].as_str().unwrap_or_default();
        if !kind.is_empty() && kind != "DeleteOptions" {
            let version = bound.value["apiVersion"].as_str().unwrap_or_default();
            return Err(Status::bad_request(format!(
                "no kind {} is registered for version {} in scheme \
                 \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\"",
                quote(kind),
                quote(version)
            )));
        }
        serde_json::from_value(bound.value).map_err(|e| Status::bad_request(e.to_string()))?
    };
    // The gate of what may be deleted unread is closed, so that it is as if nothing had been said of it.
    api.ignore_store_read_error_with_cluster_breaking_potential = None;
    check_delete(&api)?;
    let propagation = match (api.propagation_policy.as_deref(), api.orphan_dependents) {
        (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
        (Some("Foreground"), _) => Some(Propagation::Foreground),
        (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
        _ => None,
    };
    let preconditions = api.preconditions.unwrap_or_default();
    let options = DeleteOptions {
        grace_period_seconds: api.grace_period_seconds,
        preconditions: Preconditions { uid: preconditions.uid, resource_version: preconditions.resource_version },
        propagation,
        dry_run: api.dry_run.is_some_and(|d| !d.is_empty()),
    };
    Ok((options, api.orphan_dependents == Some(false)))
}
