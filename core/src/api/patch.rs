//! The three patches that a client computes: JSON patch, merge patch, strategic merge patch; from bytes to a checked object.
//! Models apiserver `pkg/endpoints/handlers/patch.go`. Server-side apply is `managed_fields`.

use serde_json::Value;

use super::decode::{self, Bound, FieldValidation, Format};
use super::field::{Error, Path};
use super::schema::{complete, schema};
use super::status::{Details, Status};

mod json;
mod merge;
mod raw;
mod show;
mod strategic;

pub use merge::merge_patch;
pub use show::{go_double, go_fmt};
pub use strategic::{StrategicError, strategic_merge};

/// Upstream's bound on a JSON patch.
const JSON_PATCH_OPERATIONS_MAX: usize = 10_000;

/// Which of the patch formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    Json,
    Merge,
    Strategic,
}

impl PatchKind {
    /// By content type, without parameters.
    pub fn from_content_type(s: &str) -> Option<Self> {
        match s {
            "application/json-patch+json" => Some(PatchKind::Json),
            "application/merge-patch+json" => Some(PatchKind::Merge),
            "application/strategic-merge-patch+json" => Some(PatchKind::Strategic),
            _ => None,
        }
    }
}

/// A patched object, not yet defaulted.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    pub value: Value,
    /// For Warning headers.
    pub warnings: Vec<String>,
}

/// What `NewInvalid` makes of a patch whose result can't be read.
fn invalid(shown: &str, detail: String) -> Status {
    Status::invalid("", "", "", &vec![Error::invalid_str(&Path::new("patch"), shown, detail)])
}

/// The answer whose message tells the client nothing more.
fn unprocessable() -> Status {
    let message = "the server rejected our request due to an error in our request";
    Status::other(422, "Invalid", message).with_details(Details::default())
}

/// What strictness makes of errors: warnings, nothing, or a refusal.
fn judge(
    errors: Vec<String>,
    validation: FieldValidation,
    shown: impl FnOnce() -> String,
) -> Result<Vec<String>, Status> {
    if errors.is_empty() || validation == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    if validation == FieldValidation::Warn {
        return Ok(errors);
    }
    Err(invalid(&shown(), format!("strict decoding error: {}", errors.join(", "))))
}

/// Why a patch that the system makes itself can't be applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Undone<'o> {
    /// The operation that can't be done.
    Operation(&'o Value),
    /// What is wrong with the object that comes of it.
    Object(String),
}

/// Does the operations of a JSON patch one by one.
pub fn apply_operations<'o>(
    current: &Value,
    operations: &'o [Value],
    api_version: &str,
    kind: &str,
) -> Result<Value, Undone<'o>> {
    let (ty, mut touched) = (schema().kind(api_version, kind), raw::Touched::default());
    let mut done = current.clone();
    if let Some(ty) = ty {
        complete(&mut done, ty);
    }
    for op in operations {
        json::apply(&mut done, std::slice::from_ref(op), &mut touched).map_err(|_| Undone::Operation(op))?;
    }
    if ty.is_none() {
        return Ok(done);
    }
    let bound = decode::decode_into(&done, api_version, kind).map_err(Undone::Object)?;
    if bound.strict_errors.is_empty() {
        return Ok(bound.value);
    }
    Err(Undone::Object(format!("strict decoding error: {}", bound.strict_errors.join(", "))))
}

/// Applies a patch to an object of this apiVersion and kind.
pub fn apply(
    patch_kind: PatchKind,
    current: &Value,
    patch: &[u8],
    api_version: &str,
    kind: &str,
    validation: FieldValidation,
) -> Result<Patched, Status> {
    let ty = schema().kind(api_version, kind);
    let mut current = current.clone();
    if let Some(ty) = ty {
        complete(&mut current, ty);
    }
    match patch_kind {
        PatchKind::Strategic => apply_strategic(current, patch, ty, validation),
        PatchKind::Json | PatchKind::Merge => apply_json(patch_kind, current, patch, api_version, kind, validation),
    }
}

fn apply_json(
    patch_kind: PatchKind,
    current: Value,
    patch: &[u8],
    api_version: &str,
    kind: &str,
    validation: FieldValidation,
) -> Result<Patched, Status> {
    let name = if patch_kind == PatchKind::Json { "[]handlers.jsonPatchOp" } else { "map[string]interface{}" };
    let read = decode::bind_bytes(patch, Format::Json, schema().named(name));
    let bound = read.map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?;
    let mut strict = bound.strict_errors;
    let mut touched = raw::Touched::default();
    let mut patched = current;
    let patch = decode::parse_json(patch).map_err(Status::bad_request)?;
    if patch_kind == PatchKind::Json {
        for e in &mut strict {
            *e = format!("json patch {e}");
        }
        let operations = patch.as_array().map_or(&[][..], Vec::as_slice);
        if operations.len() > JSON_PATCH_OPERATIONS_MAX {
            return Err(Status::request_entity_too_large(format!(
                "The allowed maximum operations in a JSON patch is {JSON_PATCH_OPERATIONS_MAX}, got {}",
                operations.len()
            )));
        }
        json::apply(&mut patched, operations, &mut touched).map_err(|_| unprocessable())?;
    } else if !patch.is_object() {
        // Only null comes so far: the check above has refused everything else.
        return Err(Status::bad_request("Invalid JSON Patch"));
    } else {
        touched.note_merge(&patched, &patch);
        merge::merge_patch(&mut patched, &patch);
    }
    let ty = schema().kind(api_version, kind);
    let shown = || raw::show(&patched, ty, &touched);
    match decode::decode_into(&patched, api_version, kind) {
        Err(e) => Err(invalid(&shown(), e)),
        Ok(Bound { value, strict_errors }) => {
            strict.extend(strict_errors);
            let warnings = judge(strict, validation, shown)?;
            Ok(Patched { value, warnings })
        }
    }
}

fn apply_strategic(
    current: Value,
    patch: &[u8],
    ty: Option<super::schema::TypeId>,
    validation: FieldValidation,
) -> Result<Patched, Status> {
    let Some(ty) = ty else {
        return Err(Status::bad_request("strategic merge patch format is not supported"));
    };
    let map = schema().named("map[string]interface{}");
    let bound = decode::bind_bytes(patch, Format::Json, map).map_err(Status::bad_request)?;
    let mut strict = bound.strict_errors;
    let mut patch = bound.value;
    let patched = strategic::strategic_merge_reporting(current, &mut patch, ty).map_err(|e| match e {
        StrategicError::BadRequest(m) => Status::bad_request(m),
        StrategicError::Unprocessable(_) => unprocessable(),
        StrategicError::Internal(m) => Status::other(500, "", m),
    })?;
    match decode::convert_value(&patched, ty) {
        Err(e) => Err(invalid(&go_fmt(&patch), e)),
        Ok(Bound { value, strict_errors }) => {
            strict.extend(strict_errors);
            let warnings = judge(strict, validation, || go_fmt(&patch))?;
            Ok(Patched { value, warnings })
        }
    }
}

#[cfg(test)]
mod tests;
