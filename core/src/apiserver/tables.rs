//! Tables: the columns and rows of `kubectl get`. Models `pkg/printers/internalversion/printers.go`.

use serde_json::{Value, json};

use crate::api::object::Object;
use crate::registry::ResourceInfo;

/// A row: its cells, and conditions such as `Completed`.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub cells: Vec<Value>,
    pub conditions: Vec<Value>,
}

/// The column definitions of a kind.
pub(super) fn columns(_info: ResourceInfo) -> Value {
    json!([
        {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
    ])
}

/// An object's row.
pub(super) fn row(_info: ResourceInfo, o: &dyn Object, _now: jiff::Timestamp) -> Row {
    Row { cells: vec![o.meta().name.clone().into()], conditions: Vec::new() }
}
