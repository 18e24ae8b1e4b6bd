//! An object as JSON at once, completed as Go would have: what `complete` makes of a value and serde_json of that, without a
//! value in between.

use std::ops::Range;

use serde_json::Value;

use super::encode::zero;
use super::{Field, Schema, Shape, Struct, TypeId, schema};
use crate::api::tell::{Piece, Sink};

/// Deeper than this nothing is completed.
const DEPTH_MAX: usize = 128;

/// What a list or map that has not ended yet is of.
#[derive(Clone, Copy)]
enum Of {
    /// Fields that come in the order of their names.
    Struct(&'static Struct),
    Map(Option<TypeId>),
    List(Option<TypeId>),
}

struct Frame {
    of: Of,
    /// Whether nothing was written into it.
    empty: bool,
    /// Up to which of the struct's fields, in the order of names, all is written.
    next: usize,
    /// The field whose value follows.
    field: Option<&'static Field>,
    /// Where that field began, whether it was the first, and where its value began.
    began: (usize, bool, usize),
    /// Whether these are the object's metadata.
    metadata: bool,
}

/// Writes an object as JSON whose keys are sorted.
pub struct BytesSink {
    schema: &'static Schema,
    ty: Option<TypeId>,
    out: Vec<u8>,
    /// The object's own fields, and where they are written: unlike all others they come in any order.
    fields: Vec<(String, Range<usize>)>,
    /// Of which of them the value follows, where it began, and where its value began.
    at: Option<(String, usize, usize)>,
    begun: bool,
    frames: Vec<Frame>,
    /// What the metadata say of managed fields.
    managed: Option<Vec<u8>>,
    bad: bool,
}

impl BytesSink {
    /// For an object of this type; `managed` is what its metadata say of managed fields.
    pub fn new(ty: Option<TypeId>, managed: Option<&Value>) -> Self {
        BytesSink {
            schema: schema(),
            ty,
            out: Vec::with_capacity(2048),
            fields: Vec::new(),
            at: None,
            begun: false,
            frames: Vec::new(),
            managed: managed.and_then(|m| serde_json::to_vec(m).ok()),
            bad: false,
        }
    }

    /// The object, with its kind and version or as an item of a list, which says these once; `None` if it is no object, or not
    /// one whose fields come in order.
    pub fn finish(mut self, is_item: bool) -> Option<Vec<u8>> {
        if self.bad || !self.begun || !self.frames.is_empty() || self.managed.is_some() {
            return None;
        }
        if let Some(s) = self.root() {
            for f in &s.fields {
                if !self.fields.iter().any(|(name, _)| name == f.json) {
                    let start = self.out.len();
                    begin_field(&mut self.out, true, f.json);
                    if write_zero(self.schema, f, &mut self.out, 0) {
                        self.fields.push((f.json.to_owned(), start..self.out.len()));
                    }
                }
            }
        }
        if is_item {
            self.fields.retain(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind"));
        }
        self.fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut all = Vec::with_capacity(self.out.len() + self.fields.len() + 2);
        all.push(b'{');
        for (i, (_, range)) in self.fields.iter().enumerate() {
            if i > 0 {
                all.push(b',');
            }
            all.extend_from_slice(self.out.get(range.clone())?);
        }
        all.push(b'}');
        Some(all)
    }

    fn root(&self) -> Option<&'static Struct> {
        self.schema.structure(self.ty?)
    }

    /// The type of the value that follows, if it is known.
    fn value_type(&self) -> Option<TypeId> {
        match self.frames.last() {
            Some(Frame { of: Of::Struct(_), field, .. }) => field.map(|f| f.ty),
            Some(Frame { of: Of::Map(of) | Of::List(of), .. }) => *of,
            None => self.root()?.field(&self.at.as_ref()?.0).map(|f| f.ty),
        }
    }

    fn begin_value(&mut self) {
        if let Some(frame) = self.frames.last_mut()
            && matches!(frame.of, Of::List(_))
            && !std::mem::take(&mut frame.empty)
        {
            self.out.push(b',');
        }
    }

    fn open(&mut self, is_list: bool) {
        if !self.begun {
            // The object itself.
            self.begun = true;
            self.bad |= is_list;
            return;
        }
        self.begin_value();
        let shape = self.value_type().map(|ty| &self.schema.get(ty).shape);
        let of = match (is_list, shape) {
            (true, Some(Shape::List(of))) => Of::List(Some(*of)),
            (true, _) => Of::List(None),
            (false, Some(Shape::Struct(s))) => Of::Struct(s),
            (false, Some(Shape::Map(of))) => Of::Map(Some(*of)),
            (false, _) => Of::Map(None),
        };
        let metadata = self.frames.is_empty() && self.at.as_ref().is_some_and(|(name, ..)| name == "metadata");
        self.bad |= self.frames.len() >= DEPTH_MAX;
        self.out.push(if is_list { b'[' } else { b'{' });
        self.frames.push(Frame { of, empty: true, next: 0, field: None, began: (0, true, 0), metadata });
    }

    fn close(&mut self) {
        self.rest(None);
        match self.frames.pop() {
            Some(frame) => {
                self.out.push(if matches!(frame.of, Of::List(_)) { b']' } else { b'}' });
                self.end_value();
            }
            // The object itself has ended.
            None => self.bad |= self.at.is_some(),
        }
    }

    /// Writes the fields of the innermost struct that are there whatever the object says, up to the field of a name.
    fn rest(&mut self, until: Option<&str>) {
        let BytesSink { schema, out, frames, managed, .. } = self;
        let Some(Frame { of: Of::Struct(s), empty, next, metadata, .. }) = frames.last_mut() else { return };
        while let Some(f) = s.by_name.get(*next).and_then(|i| s.fields.get(usize::from(*i))) {
            if until.is_some_and(|name| f.json >= name) {
                return;
            }
            *next += 1;
            let managed = if *metadata && f.json == MANAGED_FIELDS { managed.take() } else { None };
            let length = out.len();
            begin_field(out, *empty, f.json);
            let written = match managed {
                Some(managed) => {
                    out.extend_from_slice(&managed);
                    true
                }
                None => write_zero(schema, f, out, 0),
            };
            if written {
                *empty = false;
            } else {
                out.truncate(length);
            }
        }
    }

    fn key(&mut self, name: &str) {
        self.rest(Some(name));
        let BytesSink { out, at, frames, bad, .. } = self;
        let start = out.len();
        let Some(frame) = frames.last_mut() else {
            begin_field(out, true, name);
            *at = Some((name.to_owned(), start, out.len()));
            return;
        };
        begin_field(out, frame.empty, name);
        if let Of::Struct(s) = frame.of {
            frame.began = (start, frame.empty, out.len());
            let next = s.by_name.get(frame.next).and_then(|i| s.fields.get(usize::from(*i)));
            frame.field = next.filter(|f| f.json == name);
            if frame.field.is_some() {
                frame.next += 1;
            }
            // A field that comes after those that follow it, or one that is said otherwise.
            *bad |= frame.field.is_none() && s.field(name).is_some();
            *bad |= frame.metadata && name == MANAGED_FIELDS;
        }
        frame.empty = false;
    }

    /// A value was written: if it is the field of a struct and empty, it may have to go.
    fn end_value(&mut self) {
        let BytesSink { schema, ty, out, fields, at, frames, .. } = self;
        match frames.last_mut() {
            Some(frame) => {
                let Some(f) = frame.field.take() else { return };
                let (start, was_empty, value) = frame.began;
                if !settle(schema, f, out, value) {
                    out.truncate(start);
                    frame.empty = was_empty;
                }
            }
            None => {
                let Some((name, start, value)) = at.take() else { return };
                let field = ty.and_then(|ty| schema.structure(ty)).and_then(|s| s.field(&name));
                if field.is_none_or(|f| settle(schema, f, out, value)) {
                    fields.push((name, start..out.len()));
                } else {
                    out.truncate(start);
                }
            }
        }
    }

    fn scalar(&mut self, piece: Piece<'_>) {
        if self.frames.is_empty() && self.at.is_none() {
            self.bad = true;
            return;
        }
        self.begin_value();
        let out = &mut self.out;
        match piece {
            Piece::Bool(true) => out.extend_from_slice(b"true"),
            Piece::Bool(false) => out.extend_from_slice(b"false"),
            Piece::Int(n) => write_json(out, &n),
            Piece::Unsigned(n) => write_json(out, &n),
            Piece::Float(n) => write_json(out, &n),
            Piece::Text(text) => write_text(out, text),
            _ => out.extend_from_slice(b"null"),
        }
        self.end_value();
    }
}

impl Sink for BytesSink {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::List | Piece::Map => self.open(piece == Piece::List),
            Piece::End => self.close(),
            Piece::Key(name) => self.key(name),
            scalar => self.scalar(scalar),
        }
    }
}

/// The field of metadata that this is told of apart.
const MANAGED_FIELDS: &str = "managedFields";

/// What it says of itself can't fail to be written into a vector.
fn write_json(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    let _ = serde_json::to_writer(out, value);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
        return write_json(out, &text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn begin_field(out: &mut Vec<u8>, is_first: bool, name: &str) {
    if !is_first {
        out.push(b',');
    }
    write_text(out, name);
    out.push(b':');
}

/// Writes what a field is that nobody set, completed; false if it is left out.
fn write_zero(schema: &Schema, field: &Field, out: &mut Vec<u8>, depth: usize) -> bool {
    let Some(zero) = zero(schema, field) else { return false };
    match (&schema.get(field.ty).shape, zero) {
        (Shape::Struct(s), Value::Object(_)) if depth < DEPTH_MAX => {
            out.push(b'{');
            let mut is_first = true;
            for f in s.by_name.iter().filter_map(|i| s.fields.get(usize::from(*i))) {
                let length = out.len();
                begin_field(out, is_first, f.json);
                if write_zero(schema, f, out, depth + 1) {
                    is_first = false;
                } else {
                    out.truncate(length);
                }
            }
            out.push(b'}');
        }
        (_, zero) => write_json(out, &zero),
    }
    true
}

/// Puts a field's zero in the place of an empty value that begins at `value`; false if the field is to be left out.
fn settle(schema: &Schema, field: &Field, out: &mut Vec<u8>, value: usize) -> bool {
    let shape = &schema.get(field.ty).shape;
    let text = out.get(value..).unwrap_or_default();
    let is_null = text == b"null";
    let is_empty = is_null
        || !field.pointer
            && match text {
                b"\"\"" => matches!(shape, Shape::String | Shape::Bytes),
                b"false" | b"[]" => true,
                b"0" | b"0.0" | b"-0.0" => matches!(shape, Shape::Int32 | Shape::Int64 | Shape::Float64),
                b"{}" => matches!(shape, Shape::Map(_)),
                _ => false,
            };
    let required_pointer = field.pointer && !field.omit_empty && !field.omit_zero;
    if !is_empty || required_pointer {
        return true;
    }
    // What was stored has no empty lists: protobuf knows none.
    if is_null || text == b"[]" {
        out.truncate(value);
        return write_zero(schema, field, out, 0);
    }
    zero(schema, field).is_some()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Event, Node, Pod, Service};
    use k8s_openapi::api::rbac::v1::Role;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::super::complete;
    use super::*;
    use crate::api::tell::tell;

    /// The bytes are those of the value, completed.
    fn check<T: serde::Serialize + DeserializeOwned>(version: &str, kind: &str, object: Value, managed: Option<Value>) {
        let ty = schema().kind(version, kind).expect("a kind");
        let typed: T = serde_json::from_value(object).expect("an object");
        let mut expected = serde_json::to_value(&typed).expect("JSON");
        complete(&mut expected, ty);
        if let Some(m) = &managed {
            expected["metadata"][MANAGED_FIELDS] = m.clone();
        }
        for is_item in [false, true] {
            if is_item && let Some(o) = expected.as_object_mut() {
                o.remove("apiVersion");
                o.remove("kind");
            }
            let mut sink = BytesSink::new(Some(ty), managed.as_ref());
            assert!(tell(&typed, &mut sink));
            let bytes = sink.finish(is_item).expect("fields in order");
            assert_eq!(String::from_utf8(bytes).expect("UTF-8"), expected.to_string());
        }
    }

    #[test]
    fn objects_are_written_as_their_values_are() {
        check::<Pod>("v1", "Pod", json!({"metadata": {}}), None);
        let pod = json!({
            "metadata": {"name": "p", "labels": {}, "annotations": {"a": "\"q\"\n"}, "generation": 0},
            "spec": {"containers": [{"name": "c", "image": "", "env": [], "ports": [{"containerPort": 0}]}], "hostNetwork": false,
                "nodeName": "", "tolerations": [{"key": "k", "tolerationSeconds": 0}], "terminationGracePeriodSeconds": 0},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
                {"name": "c", "ready": false, "restartCount": 0, "image": "i", "imageID": "", "state": {"running": {}}}]},
        });
        check::<Pod>("v1", "Pod", pod.clone(), None);
        check::<Pod>("v1", "Pod", pod, Some(json!([{"manager": "m", "fieldsV1": {"f:a": {}}}])));
        check::<Pod>("v1", "Pod", json!({"metadata": {}}), Some(json!([])));
        check::<Event>(
            "v1",
            "Event",
            json!({"metadata": {"name": "e"}, "involvedObject": {}, "count": 3, "action": "x"}),
            None,
        );
        let rbac = "rbac.authorization.k8s.io/v1";
        check::<Role>(rbac, "Role", json!({"metadata": {}, "rules": []}), None);
        check::<Node>("v1", "Node", json!({"metadata": {}, "spec": {}, "status": {"capacity": {"cpu": "1"}}}), None);
        check::<Service>(
            "v1",
            "Service",
            json!({"metadata": {}, "spec": {"ports": [{"port": 80, "targetPort": "a"}]}}),
            None,
        );
    }

    #[test]
    fn what_is_no_object_or_has_no_order_is_left_to_others() {
        let ty = schema().kind("v1", "Pod");
        let written = |value: &Value| {
            let mut sink = BytesSink::new(ty, None);
            assert!(tell(value, &mut sink));
            sink.finish(false)
        };
        assert!(written(&json!([])).is_none() && written(&json!("text")).is_none());
        let mut sink = BytesSink::new(ty, None);
        for piece in [Piece::Map, Piece::Key("metadata"), Piece::Map, Piece::Key("uid"), Piece::Text("u")] {
            sink.take(piece);
        }
        for piece in [Piece::Key("name"), Piece::Text("n"), Piece::End, Piece::End] {
            sink.take(piece);
        }
        assert!(sink.finish(false).is_none());
    }
}
