//! Custom objects against the schemas of their definitions. Models kube-openapi `pkg/validation/validate` and apiextensions
//! `pkg/apiserver/validation/validation.go`, whose words these are.

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::api::field::{Error, ErrorList, Path};

/// What a value has against it, in the order in which upstream looks, properties by name.
pub(super) fn validate(value: &Value, schema: &Value) -> ErrorList {
    let mut c = Checker { errors: Vec::new() };
    c.check(value, schema, "");
    c.errors
}

struct Checker {
    errors: ErrorList,
}

/// The type of a value in a schema's words.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(value: &Value, wanted: &str) -> bool {
    let have = type_of(value);
    have == wanted
        || (wanted == "number" && have == "integer")
        || (wanted == "integer" && value.as_f64().is_some_and(|f| f.fract() == 0.0 && f.abs() < 9e15))
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_default()
}

impl Checker {
    fn at(path: &str) -> Path<'_> {
        if path.is_empty() { Path::new("<nil>") } else { Path::new(path.trim_start_matches('.')) }
    }

    /// An error whose message repeats where it is.
    fn invalid(&mut self, path: &str, value: &Value, message: String) {
        self.errors.push(Error::invalid(&Self::at(path), value, format!("{path} in body {message}")));
    }

    fn check(&mut self, value: &Value, schema: &Value, path: &str) {
        let either = schema["x-kubernetes-int-or-string"] == true;
        if either && matches!(type_of(value), "integer" | "string") {
            return self.rest(value, schema, path);
        }
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        let wanted = if either { "integer,string" } else { text(schema, "type") };
        if !wanted.is_empty() && !fits(value, wanted) {
            let have = type_of(value);
            let message = format!("{path} in body must be of type {wanted}: \"{have}\"");
            return self.errors.push(Error::type_invalid(&Self::at(path), &json!(have), message));
        }
        self.rest(value, schema, path);
    }

    fn rest(&mut self, value: &Value, schema: &Value, path: &str) {
        self.choices(value, schema, path);
        match value {
            Value::String(s) => self.string(s, schema, path),
            Value::Number(_) => self.number(value, schema, path),
            Value::Array(items) => self.list(items, schema, path),
            _ => {}
        }
        if let Some(allowed) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
            let shown: Vec<String> =
                allowed.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            let names: Vec<&str> = shown.iter().map(String::as_str).collect();
            let have = value.as_str().map_or_else(|| value.to_string(), crate::api::field::quote);
            self.errors.push(Error::not_supported_shown(&Self::at(path), have, &names));
        }
        if let Value::Object(o) = value {
            self.object(o, schema, path);
        }
    }

    fn try_one(value: &Value, schema: &Value, path: &str) -> ErrorList {
        let mut c = Checker { errors: Vec::new() };
        c.check(value, schema, path);
        c.errors
    }

    fn choices(&mut self, value: &Value, schema: &Value, path: &str) {
        let all = |key: &str| schema[key].as_array().map_or(&[][..], Vec::as_slice);
        let shown = Self::at(path);
        let complaint = |message: String| Error::invalid_str(&shown, "", message);
        let fewest = |tried: Vec<ErrorList>| tried.into_iter().min_by_key(Vec::len).unwrap_or_default();
        if !all("anyOf").is_empty() {
            let tried: Vec<ErrorList> = all("anyOf").iter().map(|s| Self::try_one(value, s, path)).collect();
            if tried.iter().all(|e| !e.is_empty()) {
                self.errors.push(complaint(format!("\"{path}\" must validate at least one schema (anyOf)")));
                self.errors.extend(fewest(tried));
            }
        }
        if !all("oneOf").is_empty() {
            let tried: Vec<ErrorList> = all("oneOf").iter().map(|s| Self::try_one(value, s, path)).collect();
            let good = tried.iter().filter(|e| e.is_empty()).count();
            let must = "must validate one and only one schema (oneOf)";
            match good {
                1 => {}
                0 => {
                    self.errors.push(complaint(format!("\"{path}\" {must}. Found none valid")));
                    self.errors.extend(fewest(tried));
                }
                n => self.errors.push(complaint(format!("\"{path}\" {must}. Found {n} valid alternatives"))),
            }
        }
        if !all("allOf").is_empty() {
            let tried: Vec<ErrorList> = all("allOf").iter().map(|s| Self::try_one(value, s, path)).collect();
            let good = tried.iter().filter(|e| e.is_empty()).count();
            let failed = good != tried.len();
            self.errors.extend(tried.into_iter().flatten());
            if failed {
                let more = if good == 0 { ". None validated" } else { "" };
                self.errors.push(complaint(format!("\"{path}\" must validate all the schemas (allOf){more}")));
            }
        }
        if schema["not"].is_object() && Self::try_one(value, &schema["not"], path).is_empty() {
            self.errors.push(complaint(format!("\"{path}\" must not validate the schema (not)")));
        }
    }

    fn string(&mut self, s: &str, schema: &Value, path: &str) {
        let (value, length) = (json!(s), s.chars().count() as u64);
        if let Some(max) = schema["maxLength"].as_u64().filter(|max| length > *max) {
            self.errors.push(Error::too_long(&Self::at(path), usize::try_from(max).unwrap_or(usize::MAX)));
        }
        if let Some(min) = schema["minLength"].as_u64().filter(|min| length < *min) {
            self.invalid(path, &value, format!("should be at least {min} chars long"));
        }
        let pattern = text(schema, "pattern");
        if !pattern.is_empty() && Regex::new(pattern).is_ok_and(|r| !r.is_match(s)) {
            self.invalid(path, &value, format!("should match '{pattern}'"));
        }
        let format = text(schema, "format");
        if !super::formats::holds(format, s) {
            let message = format!("{path} in body must be of type {format}: {}", crate::api::field::quote(s));
            self.errors.push(Error::type_invalid(&Self::at(path), &value, message));
        }
    }

    fn number(&mut self, value: &Value, schema: &Value, path: &str) {
        let n = value.as_f64().unwrap_or_default();
        let bound = |key: &str| schema[key].as_f64().map(|b| (b, schema[key].to_string()));
        if let Some((factor, shown)) = bound("multipleOf")
            && factor > 0.0
            && (n / factor).fract() != 0.0
        {
            self.invalid(path, value, format!("should be a multiple of {shown}"));
        }
        let exclusive = |key: &str| schema[key] == true;
        if let Some((max, shown)) = bound("maximum") {
            if exclusive("exclusiveMaximum") && n >= max {
                self.invalid(path, value, format!("should be less than {shown}"));
            } else if n > max {
                self.invalid(path, value, format!("should be less than or equal to {shown}"));
            }
        }
        if let Some((min, shown)) = bound("minimum") {
            if exclusive("exclusiveMinimum") && n <= min {
                self.invalid(path, value, format!("should be greater than {shown}"));
            } else if n < min {
                self.invalid(path, value, format!("should be greater than or equal to {shown}"));
            }
        }
    }

    fn list(&mut self, items: &[Value], schema: &Value, path: &str) {
        if schema["items"].is_object() {
            for (i, item) in items.iter().enumerate() {
                self.check(item, &schema["items"], &format!("{path}[{i}]"));
            }
        }
        let size = items.len() as u64;
        if let Some(min) = schema["minItems"].as_u64().filter(|min| size < *min) {
            self.invalid(path, &json!(size), format!("should have at least {min} items"));
        }
        if let Some(max) = schema["maxItems"].as_u64().filter(|max| size > *max) {
            let max = usize::try_from(max).unwrap_or(usize::MAX);
            self.errors.push(Error::too_many(&Self::at(path), items.len(), max));
        }
        let twice = items.iter().enumerate().any(|(i, a)| items.iter().skip(i + 1).any(|b| a == b));
        if schema["uniqueItems"] == true && twice {
            self.invalid(path, &json!(""), "shouldn't contain duplicates".to_owned());
        }
        self.associative(items, schema, path);
    }

    /// Sets and maps that are lists hold nothing twice. Models apiextensions `pkg/apiserver/schema/listtype`.
    fn associative(&mut self, items: &[Value], schema: &Value, path: &str) {
        let keys: Vec<&str> =
            schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let key_of = |item: &Value| match text(schema, "x-kubernetes-list-type") {
            "set" => Some(item.clone()),
            "map" => Some(keys.iter().map(|k| ((*k).to_owned(), item[*k].clone())).collect::<Map<_, _>>().into()),
            _ => None,
        };
        let mut seen: Vec<Value> = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let Some(key) = key_of(item) else { return };
            if seen.contains(&key) {
                let path = format!("{path}[{i}]");
                self.errors.push(Error::duplicate(&Self::at(&path), &key));
            } else {
                seen.push(key);
            }
        }
    }

    fn object(&mut self, o: &Map<String, Value>, schema: &Value, path: &str) {
        let count = o.len() as u64;
        if let Some(min) = schema["minProperties"].as_u64().filter(|min| count < *min) {
            self.invalid(path, &json!(count), format!("should have at least {min} properties"));
        }
        if let Some(max) = schema["maxProperties"].as_u64().filter(|max| count > *max) {
            self.errors.push(Error::too_many(&Self::at(path), o.len(), usize::try_from(max).unwrap_or(usize::MAX)));
        }
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let properties = schema["properties"].as_object();
        for (name, value) in o {
            if let Some(of) = properties.and_then(|p| p.get(name)) {
                self.check(value, of, &below(name));
            } else if schema["additionalProperties"].is_object() {
                self.check(value, &schema["additionalProperties"], &below(name));
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !o.contains_key(name) {
                let path = below(name);
                self.errors.push(Error::required(&Self::at(&path), ""));
            }
        }
    }
}
