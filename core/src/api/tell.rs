//! What an object says, told piece by piece to whoever makes something of it: JSON as a value, or as bytes at once.
//!
//! Every kind's `Serialize` is compiled for one serializer, the teller, however many things are made of objects.

use std::fmt;

use serde::ser::{self, Serialize};
use serde_json::{Map, Value};

/// A piece of JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that may be too large for the other.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// A list begins.
    List,
    /// A map begins.
    Map,
    /// The key of the value that follows.
    Key(&'a str),
    /// A list or a map ends.
    End,
}

/// Takes pieces, one after the other.
pub trait Sink {
    /// The next piece.
    fn take(&mut self, piece: Piece<'_>);
}

/// Tells what `value` says; false if that can't be said in JSON.
pub fn tell(value: &impl Serialize, sink: &mut dyn Sink) -> bool {
    value.serialize(Teller(sink)).is_ok()
}

/// What `value` says as a JSON value, `null` if that can't be said in JSON.
pub fn to_value(value: &impl Serialize) -> Value {
    let mut sink = ValueSink::default();
    if tell(value, &mut sink) { sink.into_value() } else { Value::Null }
}

/// A serializer that tells a sink.
struct Teller<'a>(&'a mut dyn Sink);

/// Turns the text that a key is into a key.
struct KeyOf<'a>(&'a mut dyn Sink);

impl Sink for KeyOf<'_> {
    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(key) => self.0.take(Piece::Key(key)),
            Piece::Int(n) => self.0.take(Piece::Key(&n.to_string())),
            Piece::Unsigned(n) => self.0.take(Piece::Key(&n.to_string())),
            _ => {}
        }
    }
}

type Told = Result<(), fmt::Error>;

impl Teller<'_> {
    fn piece(self, piece: Piece<'_>) -> Told {
        self.0.take(piece);
        Ok(())
    }
}

impl<'a> ser::Serializer for Teller<'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = ser::Impossible<(), fmt::Error>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = ser::Impossible<(), fmt::Error>;

    fn serialize_bool(self, v: bool) -> Told {
        self.piece(Piece::Bool(v))
    }
    fn serialize_i8(self, v: i8) -> Told {
        self.piece(Piece::Int(v.into()))
    }
    fn serialize_i16(self, v: i16) -> Told {
        self.piece(Piece::Int(v.into()))
    }
    fn serialize_i32(self, v: i32) -> Told {
        self.piece(Piece::Int(v.into()))
    }
    fn serialize_i64(self, v: i64) -> Told {
        self.piece(Piece::Int(v))
    }
    fn serialize_u8(self, v: u8) -> Told {
        self.piece(Piece::Unsigned(v.into()))
    }
    fn serialize_u16(self, v: u16) -> Told {
        self.piece(Piece::Unsigned(v.into()))
    }
    fn serialize_u32(self, v: u32) -> Told {
        self.piece(Piece::Unsigned(v.into()))
    }
    fn serialize_u64(self, v: u64) -> Told {
        self.piece(Piece::Unsigned(v))
    }
    fn serialize_f32(self, v: f32) -> Told {
        self.piece(Piece::Float(v.into()))
    }
    fn serialize_f64(self, v: f64) -> Told {
        self.piece(Piece::Float(v))
    }
    fn serialize_char(self, v: char) -> Told {
        self.piece(Piece::Text(v.encode_utf8(&mut [0; 4])))
    }
    fn serialize_str(self, v: &str) -> Told {
        self.piece(Piece::Text(v))
    }
    fn serialize_bytes(self, v: &[u8]) -> Told {
        ser::Serializer::collect_seq(self, v)
    }
    fn serialize_none(self) -> Told {
        self.piece(Piece::Null)
    }
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Told {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Told {
        self.piece(Piece::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Told {
        self.piece(Piece::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Told {
        self.piece(Piece::Text(variant))
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Told {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Told {
        self.0.take(Piece::Map);
        self.0.take(Piece::Key(variant));
        value.serialize(Teller(&mut *self.0))?;
        self.piece(Piece::End)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.0.take(Piece::List);
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.0.take(Piece::Map);
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.serialize_map(None)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, fmt::Error> {
        Err(fmt::Error)
    }
}

impl ser::SerializeSeq for Teller<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Told {
        value.serialize(Teller(&mut *self.0))
    }
    fn end(self) -> Told {
        self.piece(Piece::End)
    }
}

impl ser::SerializeTuple for Teller<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Told {
        ser::SerializeSeq::serialize_element(self, value)
    }
    fn end(self) -> Told {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for Teller<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Told {
        ser::SerializeSeq::serialize_element(self, value)
    }
    fn end(self) -> Told {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeMap for Teller<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Told {
        key.serialize(Teller(&mut KeyOf(&mut *self.0)))
    }
    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Told {
        value.serialize(Teller(&mut *self.0))
    }
    fn end(self) -> Told {
        self.piece(Piece::End)
    }
}

impl ser::SerializeStruct for Teller<'_> {
    type Ok = ();
    type Error = fmt::Error;
    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Told {
        self.0.take(Piece::Key(key));
        value.serialize(Teller(&mut *self.0))
    }
    fn end(self) -> Told {
        self.piece(Piece::End)
    }
}

/// A list or a map that has not ended yet.
enum Open {
    List(Vec<Value>),
    /// With the key of the value that follows.
    Map(Map<String, Value>, String),
}

/// Makes a JSON value.
#[derive(Default)]
pub struct ValueSink {
    open: Vec<Open>,
    whole: Value,
}

impl ValueSink {
    /// What it was told.
    pub fn into_value(self) -> Value {
        self.whole
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::List(list)) => list.push(value),
            Some(Open::Map(map, key)) => {
                map.insert(std::mem::take(key), value);
            }
            None => self.whole = value,
        }
    }
}

impl Sink for ValueSink {
    fn take(&mut self, piece: Piece<'_>) {
        let value = match piece {
            Piece::Null => Value::Null,
            Piece::Bool(b) => b.into(),
            Piece::Int(n) => n.into(),
            Piece::Unsigned(n) => n.into(),
            Piece::Float(n) => n.into(),
            Piece::Text(text) => text.into(),
            Piece::List => return self.open.push(Open::List(Vec::new())),
            Piece::Map => return self.open.push(Open::Map(Map::new(), String::new())),
            Piece::Key(k) => {
                if let Some(Open::Map(_, key)) = self.open.last_mut() {
                    *key = k.to_owned();
                }
                return;
            }
            Piece::End => match self.open.pop() {
                Some(Open::List(list)) => list.into(),
                Some(Open::Map(map, _)) => map.into(),
                None => return,
            },
        };
        self.put(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_is_what_serde_would_have_made_of_it() {
        #[derive(serde::Serialize)]
        enum Kind {
            Plain,
            With(u8),
        }
        #[derive(serde::Serialize)]
        struct All {
            text: &'static str,
            numbers: (i8, u64, f64),
            list: Vec<Option<bool>>,
            kinds: [Kind; 2],
            map: std::collections::BTreeMap<u16, char>,
            any: Value,
        }
        let all = All {
            text: "a \"b\"",
            numbers: (-1, u64::MAX, 0.5),
            list: vec![Some(true), None],
            kinds: [Kind::Plain, Kind::With(3)],
            map: [(7, 'x')].into(),
            any: json!({"a": [1, {}], "b": null}),
        };
        assert_eq!(to_value(&all), serde_json::to_value(&all).expect("it is JSON"));
    }
}
