//! What Nodes once said in annotations: taints, and pods that are better placed elsewhere.
//! Models `ValidateNodeSpecificAnnotations`.

use k8s_openapi::api::core::v1::{Node, Taint};
use serde_json::Value;

use super::node::taints;
use super::prelude::*;
use crate::api::decode;

const TAINTS: &str = "scheduler.alpha.kubernetes.io/taints";
const AVOID: &str = "scheduler.alpha.kubernetes.io/preferAvoidPods";

/// Checks the annotations that mean something, if they say anything.
pub(super) fn validate(node: &Node, errs: &mut ErrorList) {
    let path = Path::new("metadata.annotations");
    let said = |key: &str| entry(&node.metadata.annotations, key).filter(|text| !text.is_empty());
    if let Some(text) = said(TAINTS) {
        tainted(text, &path, errs);
    }
    if let Some(text) = said(AVOID) {
        avoided(text, &path, errs);
    }
}

fn tainted(text: &str, path: &Path, errs: &mut ErrorList) {
    match read_taints(text) {
        Ok(all) => taints(&all, &path.child(TAINTS), errs),
        Err(why) => errs.push(Error::invalid_str(path, TAINTS, why)),
    }
}

fn cannot(value: &Value, into: &str) -> String {
    format!("json: cannot unmarshal {} into Go {into}", decode::word_of(value))
}

/// Taints as Go reads them into its internal type, whose fields may be in any case.
fn read_taints(text: &str) -> Result<Vec<Taint>, String> {
    let value = decode::parse_json(text.as_bytes())?;
    let items = match &value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        other => return Err(cannot(other, "value of type []core.Taint")),
    };
    items.iter().map(read_taint).collect()
}

fn read_taint(value: &Value) -> Result<Taint, String> {
    let mut taint = Taint::default();
    let fields = match value {
        Value::Null => return Ok(taint),
        Value::Object(fields) => fields,
        other => return Err(cannot(other, "value of type core.Taint")),
    };
    for (name, value) in fields {
        let (field, target) = match name.to_ascii_lowercase().as_str() {
            "key" => ("Key", &mut taint.key),
            "value" => ("Value", taint.value.get_or_insert_default()),
            "effect" => ("Effect", &mut taint.effect),
            _ => continue,
        };
        match value {
            Value::String(text) => target.clone_from(text),
            Value::Null => {}
            other => {
                let ty = if field == "Effect" { "core.TaintEffect" } else { "string" };
                return Err(cannot(other, &format!("struct field Taint.{field} of type {ty}")));
            }
        }
    }
    Ok(taint)
}

fn avoided(text: &str, path: &Path, errs: &mut ErrorList) {
    let entries = match decode::parse_json(text.as_bytes()) {
        Err(why) => Err(why),
        Ok(Value::Null) => return,
        Ok(Value::Object(fields)) => match fields.get("preferAvoidPods") {
            None | Some(Value::Null) => return,
            Some(Value::Array(entries)) => Ok(entries.clone()),
            Some(other) => {
                Err(cannot(other, "struct field AvoidPods.preferAvoidPods of type []v1.PreferAvoidPodsEntry"))
            }
        },
        Ok(other) => Err(cannot(&other, "value of type v1.AvoidPods")),
    };
    let entries = match entries {
        Ok(entries) => entries,
        Err(why) => return errs.push(Error::invalid_str(&path.child("AvoidPods"), AVOID, why)),
    };
    let path = path.child(AVOID);
    for (i, e) in entries.iter().enumerate() {
        let at = path.index(i);
        let at = at.child("PodSignature");
        let controller = &e["podSignature"]["podController"];
        if controller.is_null() {
            errs.push(Error::required(&at, ""));
        } else if controller["controller"] != true {
            let at = at.child("PodController.Controller");
            errs.push(Error::invalid(&at, &json!(false), "must point to a controller"));
        }
    }
}
