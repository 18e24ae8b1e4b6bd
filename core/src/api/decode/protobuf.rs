//! Bodies in protobuf, which typed clients of upstream's send: read into the JSON that the same client would have sent otherwise.
//! Models apimachinery's `pkg/runtime/serializer/protobuf` and the generated code of k8s.io/api. Data:
//! `schema/v1_36_protobuf.txt`, which whoever serves such clients gives; it isn't part of the core.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::time;
use crate::api::schema::{Schema, Shape, TypeId, complete, schema};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Messages nest no deeper than this.
const DEPTH_MAX: usize = 128;

/// What a number stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A field by its name in JSON.
    Field(String),
    /// The fields of another type, which JSON has in place.
    Inline(String),
}

/// The fields' numbers of all types.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    types: BTreeMap<String, BTreeMap<u32, Entry>>,
}

/// A field's value as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Why a body can't be read.
type Problem = String;

fn broken() -> Problem {
    "proto: illegal wireType or unexpected EOF".to_owned()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Problem> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or_else(broken)?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("proto: integer overflow".to_owned())
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8], Problem> {
    let count = usize::try_from(count).map_err(|_| broken())?;
    let (head, rest) = bytes.split_at_checked(count).ok_or_else(broken)?;
    *bytes = rest;
    Ok(head)
}

/// The fields of a message, in order.
fn fields(mut bytes: &[u8]) -> Result<Vec<(u32, Wire<'_>)>, Problem> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let number = u32::try_from(tag >> 3).map_err(|_| broken())?;
        let value = match tag & 7 {
            0 => Wire::Varint(varint(&mut bytes)?),
            1 => {
                let head = take(&mut bytes, 8)?.first_chunk().copied().ok_or_else(broken)?;
                Wire::Fixed64(u64::from_le_bytes(head))
            }
            2 => {
                let length = varint(&mut bytes)?;
                Wire::Bytes(take(&mut bytes, length)?)
            }
            5 => {
                let head = take(&mut bytes, 4)?.first_chunk().copied().ok_or_else(broken)?;
                Wire::Fixed32(u32::from_le_bytes(head))
            }
            _ => return Err(broken()),
        };
        found.push((number, value));
    }
    Ok(found)
}

fn bytes_of(wire: Wire<'_>) -> Result<&[u8], Problem> {
    match wire {
        Wire::Bytes(b) => Ok(b),
        _ => Err(broken()),
    }
}

fn text(bytes: &[u8]) -> Result<String, Problem> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "proto: invalid UTF-8 string".to_owned())
}

impl Numbers {
    /// Reads the data file.
    pub fn parse(data: &str) -> Self {
        let mut types: BTreeMap<String, BTreeMap<u32, Entry>> = BTreeMap::new();
        let mut current = String::new();
        for line in data.lines().filter(|l| !l.starts_with('#')) {
            let Some((first, what)) = line.split_once(' ') else { continue };
            if first == "T" {
                what.clone_into(&mut current);
                types.entry(current.clone()).or_default();
            } else if let (Ok(number), Some(all)) = (first.parse(), types.get_mut(&current)) {
                let entry = match what.strip_prefix('+') {
                    Some(of) => Entry::Inline(of.to_owned()),
                    None => Entry::Field(what.to_owned()),
                };
                all.insert(number, entry);
            }
        }
        Numbers { types }
    }

    /// The object that a body holds, as JSON.
    pub fn decode(&self, body: &[u8]) -> Result<Value, Problem> {
        let Some(unknown) = body.strip_prefix(MAGIC) else {
            return Err("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]".into());
        };
        let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
        for (number, wire) in fields(unknown)? {
            match number {
                1 => {
                    for (number, wire) in fields(bytes_of(wire)?)? {
                        match number {
                            1 => api_version = text(bytes_of(wire)?)?,
                            2 => kind = text(bytes_of(wire)?)?,
                            _ => {}
                        }
                    }
                }
                2 => raw = bytes_of(wire)?,
                _ => {}
            }
        }
        let schema = schema();
        // The options of verbs are kinds of every group version.
        let found = schema.kind(&api_version, &kind).or_else(|| schema.kind("meta.k8s.io/v1", &kind));
        let ty = found.ok_or_else(|| format!("no kind \"{kind}\" is registered for version \"{api_version}\""))?;
        let mut object = Map::new();
        self.message(schema, ty, schema.get(ty).name, raw, &mut object, 0)?;
        object.insert("apiVersion".into(), api_version.into());
        object.insert("kind".into(), kind.into());
        let mut value = Value::Object(object);
        // On the wire all is there that JSON omits when it is empty.
        complete(&mut value, ty);
        Ok(value)
    }

    /// Puts the fields of a message of the type `name` into an object of the type `ty`, which is another one if it is inlined.
    fn message(
        &self,
        schema: &Schema,
        ty: TypeId,
        name: &str,
        bytes: &[u8],
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err("proto: message nests too deep".to_owned());
        }
        let (Some(numbers), Some(structure)) = (self.types.get(name), schema.structure(ty)) else { return Ok(()) };
        for (number, wire) in fields(bytes)? {
            match numbers.get(&number) {
                Some(Entry::Inline(inner)) => self.message(schema, ty, inner, bytes_of(wire)?, out, depth + 1)?,
                Some(Entry::Field(json)) => {
                    if let Some(field) = structure.field(json) {
                        let slot = out.entry(field.json).or_insert(Value::Null);
                        self.put(schema, field.ty, wire, slot, depth + 1)?;
                    }
                }
                // Fields of versions to come are dropped.
                None => {}
            }
        }
        Ok(())
    }

    /// Puts a field's value into its place; lists and maps grow with each.
    fn put(&self, schema: &Schema, ty: TypeId, wire: Wire<'_>, slot: &mut Value, depth: usize) -> Result<(), Problem> {
        let t = schema.get(ty);
        match &t.shape {
            // A list that is a type of its own is a message around its items.
            Shape::List(of) if !t.name.is_empty() => {
                let mut items = Vec::new();
                for (number, wire) in fields(bytes_of(wire)?)? {
                    if number == 1 {
                        items.push(self.value(schema, *of, wire, depth + 1)?);
                    }
                }
                *slot = Value::Array(items);
            }
            Shape::List(of) => {
                let item = self.value(schema, *of, wire, depth + 1)?;
                match slot {
                    Value::Array(all) => all.push(item),
                    other => *other = Value::Array(vec![item]),
                }
            }
            Shape::Map(of) => {
                let (mut key, mut value) = (String::new(), self.value(schema, *of, Wire::Bytes(&[]), depth + 1)?);
                for (number, wire) in fields(bytes_of(wire)?)? {
                    match number {
                        1 => key = text(bytes_of(wire)?)?,
                        2 => self.put(schema, *of, wire, &mut value, depth + 1)?,
                        _ => {}
                    }
                }
                match slot {
                    Value::Object(all) => drop(all.insert(key, value)),
                    other => *other = Value::Object([(key, value)].into_iter().collect()),
                }
            }
            _ => *slot = self.value(schema, ty, wire, depth)?,
        }
        Ok(())
    }

    fn value(&self, schema: &Schema, ty: TypeId, wire: Wire<'_>, depth: usize) -> Result<Value, Problem> {
        let t = schema.get(ty);
        Ok(match (&t.shape, wire) {
            (Shape::Bool, Wire::Varint(n)) => Value::Bool(n != 0),
            (Shape::Int32 | Shape::Int64, Wire::Varint(n)) => Value::from(n as i64),
            (Shape::Float64, Wire::Fixed64(n)) => Value::from(f64::from_bits(n)),
            (Shape::String, Wire::Bytes(b)) => Value::String(text(b)?),
            (Shape::Bytes, Wire::Bytes(b)) => base64::engine::general_purpose::STANDARD.encode(b).into(),
            (Shape::Time | Shape::MicroTime, Wire::Bytes(b)) => time(b, matches!(t.shape, Shape::MicroTime))?,
            (Shape::Duration, Wire::Bytes(b)) => format!("{}ns", number_of(b, 1)? as i64).into(),
            (Shape::Quantity, Wire::Bytes(b)) => text_of(b, 1)?.into(),
            (Shape::IntOrString, Wire::Bytes(b)) if number_of(b, 1)? == 0 => Value::from(number_of(b, 2)? as i64),
            (Shape::IntOrString, Wire::Bytes(b)) => text_of(b, 3)?.into(),
            (Shape::Any, Wire::Bytes(b)) => {
                let mut raw: &[u8] = &[];
                for (number, wire) in fields(b)? {
                    if number == 1 {
                        raw = bytes_of(wire)?;
                    }
                }
                if raw.is_empty() { Value::Null } else { serde_json::from_slice(raw).map_err(|e| e.to_string())? }
            }
            (Shape::Struct(_), Wire::Bytes(b)) => {
                let mut object = Map::new();
                self.message(schema, ty, t.name, b, &mut object, depth + 1)?;
                Value::Object(object)
            }
            (Shape::List(_) | Shape::Map(_), wire @ Wire::Bytes(b)) => {
                let mut slot = Value::Null;
                if !b.is_empty() {
                    self.put(schema, ty, wire, &mut slot, depth + 1)?;
                }
                slot
            }
            // The value of a map's entry that is its type's zero is not on the wire.
            (Shape::Bool, Wire::Bytes([])) => Value::Bool(false),
            (Shape::Int32 | Shape::Int64 | Shape::Float64, Wire::Bytes([])) => Value::from(0),
            _ => return Err(broken()),
        })
    }
}

fn number_of(bytes: &[u8], wanted: u32) -> Result<u64, Problem> {
    let mut found = 0;
    for (number, wire) in fields(bytes)? {
        if let (true, Wire::Varint(n)) = (number == wanted, wire) {
            found = n;
        }
    }
    Ok(found)
}

fn text_of(bytes: &[u8], wanted: u32) -> Result<String, Problem> {
    let mut found = String::new();
    for (number, wire) in fields(bytes)? {
        if number == wanted {
            found = text(bytes_of(wire)?)?;
        }
    }
    Ok(found)
}

/// A time: nothing on the wire is none.
fn time(bytes: &[u8], micro: bool) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (seconds, nanos) = (number_of(bytes, 1)? as i64, number_of(bytes, 2)? as i32);
    let t = jiff::Timestamp::new(seconds, nanos).map_err(|e| e.to_string())?;
    Ok(if micro { time::show_micros(t) } else { time::show_seconds(t) }.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Writes messages as the generated code does.
    #[derive(Default)]
    struct Message(Vec<u8>);

    impl Message {
        fn varint(&mut self, mut n: u64) {
            while n >= 0x80 {
                self.0.push(n as u8 | 0x80);
                n >>= 7;
            }
            self.0.push(n as u8);
        }

        fn bytes(mut self, number: u64, bytes: impl AsRef<[u8]>) -> Self {
            self.varint(number << 3 | 2);
            self.varint(bytes.as_ref().len() as u64);
            self.0.extend_from_slice(bytes.as_ref());
            self
        }

        fn message(self, number: u64, inner: Message) -> Self {
            self.bytes(number, inner.0)
        }

        fn number(mut self, number: u64, n: i64) -> Self {
            self.varint(number << 3);
            self.varint(n as u64);
            self
        }
    }

    fn m() -> Message {
        Message::default()
    }

    fn body(api_version: &str, kind: &str, raw: Message) -> Vec<u8> {
        let unknown =
            m().message(1, m().bytes(1, api_version).bytes(2, kind)).message(2, raw).bytes(3, "").bytes(4, "");
        [MAGIC, &unknown.0].concat()
    }

    fn numbers() -> Numbers {
        Numbers::parse(include_str!("../schema/v1_36_protobuf.txt"))
    }

    #[test]
    fn a_pod() {
        let quantity = m().bytes(1, "cpu").message(2, m().bytes(1, "100m"));
        let port = m().bytes(1, "http").number(2, 0).number(3, 80).bytes(4, "TCP").bytes(5, "");
        let get = m().bytes(1, "/").message(2, m().number(1, 1).number(2, 0).bytes(3, "http"));
        let probe = m().message(1, m().message(2, get)).number(2, 5);
        let container = m()
            .bytes(1, "main")
            .bytes(2, "nginx")
            .bytes(3, "sh")
            .bytes(3, "-c")
            .bytes(5, "")
            .message(6, port)
            .message(8, m().message(1, quantity))
            .message(10, probe)
            .number(16, 1);
        let secret = m().bytes(1, "s").number(3, 420);
        let volume = m().bytes(1, "v").message(2, m().message(6, secret));
        let spec = m().message(1, volume).message(2, container).bytes(3, "").number(4, -1).number(5, 30);
        let label = m().bytes(1, "app").bytes(2, "web");
        let empty = m().bytes(1, "empty");
        let meta = m()
            .bytes(1, "web")
            .bytes(2, "")
            .bytes(3, "default")
            .number(7, 0)
            .message(8, m())
            .message(11, label)
            .message(11, empty);
        let pod = m().message(1, meta).message(2, spec).message(3, m());
        let got = numbers().decode(&body("v1", "Pod", pod)).unwrap();
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web", "empty": ""}},
            "spec": {
                "volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 420}}],
                "containers": [{
                    "name": "main", "image": "nginx", "command": ["sh", "-c"],
                    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "100m"}},
                    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "initialDelaySeconds": 5},
                    "stdin": true,
                }],
                "terminationGracePeriodSeconds": -1, "activeDeadlineSeconds": 30,
            },
            "status": {},
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn kinds_that_kubectl_sends() {
        let check = |api_version: &str, kind: &str, raw: Message, mut expected: Value| {
            expected["apiVersion"] = api_version.into();
            expected["kind"] = kind.into();
            assert_eq!(numbers().decode(&body(api_version, kind, raw)).unwrap(), expected);
        };
        let item = m().bytes(1, "key").bytes(2, [0, 255]);
        check("v1", "ConfigMap", m().message(3, item), json!({"metadata": {}, "binaryData": {"key": "AP8="}}));
        check(
            "apps/v1",
            "DeleteOptions",
            m().number(1, 0).bytes(4, "Background"),
            json!({
                "gracePeriodSeconds": 0, "propagationPolicy": "Background",
            }),
        );
        let extra = m().bytes(1, "scopes").message(2, m().bytes(1, "a").bytes(1, "b"));
        check(
            "authentication.k8s.io/v1",
            "TokenReview",
            m().message(3, m().message(2, m().bytes(1, "alice").message(4, extra))),
            json!({"metadata": {}, "spec": {}, "status": {"user": {"username": "alice", "extra": {"scopes": ["a", "b"]}}}}),
        );
        let time = m().number(1, 1_767_603_600).number(2, 1_000);
        check(
            "coordination.k8s.io/v1",
            "Lease",
            m().message(2, m().bytes(1, "me").message(3, time)),
            json!({
                "metadata": {}, "spec": {"holderIdentity": "me", "acquireTime": "2026-01-05T09:00:00.000001Z"},
            }),
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let bytes = body("v1", "Pod", m().message(1, m().bytes(1, "web")));
        for end in 0..bytes.len() {
            // Cut anywhere it is an error or another object, never a panic.
            let _ = numbers().decode(bytes.get(..end).unwrap_or_default());
        }
        let check = |body: &[u8], why: &str| {
            let got = numbers().decode(body).unwrap_err();
            assert!(got.contains(why), "{got}");
        };
        check(b"{}", "does not appear to be a protobuf message");
        check(b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "integer overflow");
        check(b"k8s\0\x0a\xff\x01", "unexpected EOF");
        check(&body("v1", "Nothing", m()), "no kind \"Nothing\" is registered for version \"v1\"");
        check(&body("v1", "Pod", m().number(1, 1)), "illegal wireType");
        check(&body("v1", "ConfigMap", m().message(1, m().bytes(1, [0xff]))), "invalid UTF-8");
    }
}
