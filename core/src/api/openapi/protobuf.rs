//! The Swagger 2.0 document in protobuf, as older clients read it and nothing else.
//! Models github.com/google/gnostic-models `openapiv2/OpenAPIv2.proto`, of which this is a table.
//!
//! Only a server for real clients refers to this module, so that nobody else carries it.

use serde_json::{Map, Value};

use crate::api::yaml::to_yaml;

/// How a field's value is written.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Double,
    Integer,
    /// Anything, as YAML.
    Any,
    /// A message that wraps one string or a list of them.
    Words,
    Message(Message),
    /// A message within others that have but one field, whose numbers these are.
    Within(&'static [u32], Message),
    /// A message whose field of this number is an entry of a map; what an entry's value is.
    Entries(u32, &'static Kind),
    Parameter,
}

/// A message: its fields by their names in JSON.
type Message = fn() -> &'static [(&'static str, u32, Kind)];

use Kind::{Any, Double, Entries, Flag, Integer, Parameter, Text, Within, Words};

/// The name that stands for all fields which begin with `x-`.
const EXTENSIONS: &str = "x-";

const SCHEMA: Kind = Kind::Message(schema);
const PATH: Kind = Kind::Message(path_item);
const OPERATION: Kind = Kind::Message(operation);
const ANSWER: Kind = Within(&[1], response);
const SECURITY: Kind = Within(&[2], api_key);

fn document() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("swagger", 1, Text),
        ("info", 2, Kind::Message(info)),
        ("host", 3, Text),
        ("basePath", 4, Text),
        ("schemes", 5, Text),
        ("consumes", 6, Text),
        ("produces", 7, Text),
        ("paths", 8, Entries(2, &PATH)),
        ("definitions", 9, Entries(1, &SCHEMA)),
        ("security", 12, Entries(1, &Words)),
        ("securityDefinitions", 13, Entries(1, &SECURITY)),
        (EXTENSIONS, 16, Any),
    ]
}

fn info() -> &'static [(&'static str, u32, Kind)] {
    &[("title", 1, Text), ("version", 2, Text), ("description", 3, Text)]
}

fn api_key() -> &'static [(&'static str, u32, Kind)] {
    &[("type", 1, Text), ("name", 2, Text), ("in", 3, Text), ("description", 4, Text)]
}

fn path_item() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("$ref", 1, Text),
        ("get", 2, OPERATION),
        ("put", 3, OPERATION),
        ("post", 4, OPERATION),
        ("delete", 5, OPERATION),
        ("options", 6, OPERATION),
        ("head", 7, OPERATION),
        ("patch", 8, OPERATION),
        ("parameters", 9, Parameter),
        (EXTENSIONS, 10, Any),
    ]
}

fn operation() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("tags", 1, Text),
        ("summary", 2, Text),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Text),
        ("consumes", 7, Text),
        ("parameters", 8, Parameter),
        ("responses", 9, Entries(1, &ANSWER)),
        ("schemes", 10, Text),
        ("deprecated", 11, Flag),
        (EXTENSIONS, 13, Any),
    ]
}

fn response() -> &'static [(&'static str, u32, Kind)] {
    &[("description", 1, Text), ("schema", 2, Within(&[1], schema)), (EXTENSIONS, 5, Any)]
}

fn body_parameter() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, SCHEMA),
        (EXTENSIONS, 6, Any),
    ]
}

fn path_parameter() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("format", 6, Text),
        ("default", 9, Any),
        ("uniqueItems", 19, Flag),
        ("enum", 20, Any),
        (EXTENSIONS, 22, Any),
    ]
}

fn query_parameter() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("allowEmptyValue", 5, Flag),
        ("type", 6, Text),
        ("format", 7, Text),
        ("default", 10, Any),
        ("uniqueItems", 20, Flag),
        ("enum", 21, Any),
        (EXTENSIONS, 23, Any),
    ]
}

fn schema() -> &'static [(&'static str, u32, Kind)] {
    &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("default", 5, Any),
        ("multipleOf", 6, Double),
        ("maximum", 7, Double),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Double),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Integer),
        ("minLength", 12, Integer),
        ("pattern", 13, Text),
        ("maxItems", 14, Integer),
        ("minItems", 15, Integer),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Integer),
        ("minProperties", 18, Integer),
        ("required", 19, Text),
        ("enum", 20, Any),
        ("additionalProperties", 21, Within(&[1], schema)),
        ("type", 22, Words),
        ("items", 23, Within(&[1], schema)),
        ("allOf", 24, SCHEMA),
        ("properties", 25, Entries(1, &SCHEMA)),
        ("readOnly", 27, Flag),
        ("example", 30, Any),
        (EXTENSIONS, 31, Any),
    ]
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn bytes(number: u32, content: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn message(fields: Message, object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, number, kind) in fields() {
        if *name == EXTENSIONS {
            for (name, value) in object.iter().filter(|(n, _)| n.starts_with(EXTENSIONS)) {
                bytes(*number, &entry(name, value, Any), &mut out);
            }
        } else if let Some(value) = object.get(*name) {
            match (value, *kind) {
                // Words are a message of their own, of a list or of one.
                (Value::Array(all), kind) if !matches!(kind, Words) => {
                    all.iter().for_each(|v| field(*number, v, kind, &mut out));
                }
                (value, kind) => field(*number, value, kind, &mut out),
            }
        }
    }
    out
}

/// An entry of a map.
fn entry(name: &str, value: &Value, kind: Kind) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(1, name.as_bytes(), &mut out);
    field(2, value, kind, &mut out);
    out
}

fn field(number: u32, value: &Value, kind: Kind, out: &mut Vec<u8>) {
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    match kind {
        Text => {
            if let Some(text) = value.as_str().filter(|t| !t.is_empty()) {
                bytes(number, text.as_bytes(), out);
            }
        }
        Flag if value == true => {
            varint(u64::from(number) << 3, out);
            out.push(1);
        }
        Flag => {}
        Double => {
            varint(u64::from(number) << 3 | 1, out);
            out.extend_from_slice(&value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Integer => {
            varint(u64::from(number) << 3, out);
            varint(value.as_u64().unwrap_or_default(), out);
        }
        Any => {
            let mut inner = Vec::new();
            bytes(2, to_yaml(value).as_bytes(), &mut inner);
            bytes(number, &inner, out);
        }
        Words => {
            let mut inner = Vec::new();
            let one = std::slice::from_ref(value);
            value.as_array().map_or(one, Vec::as_slice).iter().for_each(|w| field(1, w, Text, &mut inner));
            bytes(number, &inner, out);
        }
        Kind::Message(fields) => bytes(number, &message(fields, object), out),
        Within(numbers, fields) => {
            let mut content = message(fields, object);
            for n in numbers.iter().rev() {
                let mut outer = Vec::new();
                bytes(*n, &content, &mut outer);
                content = outer;
            }
            bytes(number, &content, out);
        }
        Entries(of, kind) => {
            let mut content = Vec::new();
            object.iter().for_each(|(name, value)| bytes(of, &entry(name, value, *kind), &mut content));
            bytes(number, &content, out);
        }
        Parameter => {
            let kind = match value["in"].as_str() {
                Some("body") => Within(&[1, 1], body_parameter),
                Some("path") => Within(&[1, 2, 4], path_parameter),
                _ => Within(&[1, 2, 3], query_parameter),
            };
            field(number, value, kind, out);
        }
    }
}

/// The document of `openapi::document_v2` in protobuf.
pub fn encode(document_v2: &Value) -> Vec<u8> {
    document_v2.as_object().map(|o| message(document, o)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What a path of field numbers leads to, the first of each number.
    fn find<'a>(mut content: &'a [u8], path: &[u32]) -> Option<&'a [u8]> {
        for wanted in path {
            let mut found = None;
            while !content.is_empty() && found.is_none() {
                let take = |content: &mut &'a [u8]| {
                    let (mut n, mut shift) = (0u64, 0);
                    loop {
                        let (first, rest) = content.split_first()?;
                        *content = rest;
                        n |= u64::from(first & 0x7f) << shift;
                        shift += 7;
                        if first & 0x80 == 0 {
                            return Some(n);
                        }
                    }
                };
                let tag = take(&mut content)?;
                let value = match tag & 7 {
                    0 => {
                        let before = content;
                        take(&mut content)?;
                        &before[..before.len() - content.len()]
                    }
                    1 => {
                        let (head, rest) = content.split_at(8);
                        content = rest;
                        head
                    }
                    _ => {
                        let length = take(&mut content)? as usize;
                        let (head, rest) = content.split_at(length);
                        content = rest;
                        head
                    }
                };
                found = (tag >> 3 == u64::from(*wanted)).then_some(value);
            }
            content = found?;
        }
        Some(content)
    }

    #[test]
    fn a_document() {
        let d = json!({
            "swagger": "2.0",
            "paths": {"/api/v1/pods": {
                "get": {
                    "operationId": "list", "produces": ["application/json"],
                    "parameters": [{"in": "query", "name": "limit", "type": "integer", "uniqueItems": true}],
                    "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/a.List"}}},
                    "x-kubernetes-action": "list",
                },
                "parameters": [{"in": "path", "name": "namespace", "type": "string", "required": true}],
            }},
            "definitions": {"a.Pod": {
                "type": "object", "required": ["spec"],
                "properties": {"spec": {"type": "array", "items": {"type": "string", "default": ""}, "maxItems": 300}},
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "Pod", "version": "v1"}],
            }},
            "security": [{"BearerToken": []}],
            "securityDefinitions": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        });
        let encoded = encode(&d);
        let text = |path: &[u32]| find(&encoded, path).map(|b| String::from_utf8_lossy(b).into_owned());
        let (path, get, pod): (&[u32], &[u32], &[u32]) = (&[8, 2, 2], &[8, 2, 2, 2], &[9, 1, 2]);
        let cases: &[(&[u32], &[u32], &str)] = &[
            (&[], &[1], "2.0"),
            (&[8, 2], &[1], "/api/v1/pods"),
            (get, &[5], "list"),
            (get, &[6], "application/json"),
            (get, &[8, 1, 2, 3, 4], "limit"),
            (get, &[8, 1, 2, 3, 20], "\u{1}"),
            (get, &[9, 1, 1], "200"),
            (get, &[9, 1, 2, 1, 2, 1, 1], "#/definitions/a.List"),
            (get, &[13, 1], "x-kubernetes-action"),
            (get, &[13, 2, 2], "list\n"),
            (path, &[9, 1, 2, 4, 4], "namespace"),
            (&[9, 1], &[1], "a.Pod"),
            (pod, &[22, 1], "object"),
            (pod, &[19], "spec"),
            (pod, &[25, 1, 1], "spec"),
            (pod, &[25, 1, 2, 23, 1, 22, 1], "string"),
            (pod, &[25, 1, 2, 23, 1, 5, 2], "\"\"\n"),
            (pod, &[31, 2, 2], "- group: \"\"\n  kind: Pod\n  version: v1\n"),
            (&[12, 1], &[1], "BearerToken"),
            (&[13, 1, 2, 2], &[2], "authorization"),
        ];
        for (begin, rest, want) in cases {
            let whole = [*begin, *rest].concat();
            assert_eq!(text(&whole).as_deref(), Some(*want), "{whole:?}");
        }
        assert_eq!(find(&encoded, &[9, 1, 2, 25, 1, 2, 14]), Some(&[0xac, 0x02][..]));
    }
}
