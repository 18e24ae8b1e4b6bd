//! Custom objects against the schemas of their definitions. Models kube-openapi `pkg/validation/validate` and apiextensions
//! `pkg/apiserver/validation/{validation,ratcheting}.go`, whose words these are.

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use super::correlated::Correlated;
use super::numbers;
use crate::api::field::{Error, ErrorList, Path, quote, show};
use crate::api::formats;
use crate::api::go_regex;
use crate::api::patch::go_fmt;
use crate::registry::validation::json::{flag_of, list_of, opt_str, str_of, texts_of};

/// What a value has against it, in the order in which upstream looks, properties by name.
pub(super) fn validate(value: &Value, schema: &Value) -> ErrorList {
    let found = Checker { prefix: "" }.check(&Place { value, schema, path: "", was: None });
    found.into_errors()
}

/// The same for a value that was another before: what stayed as it was is tolerated. `prefix` is what the schema's value is in.
pub(super) fn validate_update(value: &Value, was: Option<Correlated<'_>>, schema: &Value, prefix: &str) -> ErrorList {
    Checker { prefix }.ratcheted(&Place { value, schema, path: "", was }).into_errors()
}

/// An error and its words, by which it is told from others.
struct Problem {
    words: String,
    error: Error,
}

/// What was found of a value: what is wrong, and how many checks it passed, by which alternatives are chosen.
#[derive(Default)]
pub(super) struct Found {
    problems: Vec<Problem>,
    pub passed: usize,
}

impl Found {
    pub(super) fn push(&mut self, words: String, error: Error) {
        if !self.problems.iter().any(|p| p.words == words) {
            self.problems.push(Problem { words, error });
        }
    }

    fn merge(&mut self, other: Found) {
        self.passed += other.passed;
        for p in other.problems {
            self.push(p.words, p.error);
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    fn into_errors(self) -> ErrorList {
        self.problems.into_iter().map(|p| p.error).collect()
    }
}

/// A value with its schema, where it is, and what it was.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub value: &'a Value,
    pub schema: &'a Value,
    pub path: &'a str,
    was: Option<Correlated<'a>>,
}

/// The type of a value in a schema's words, and its format.
fn type_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(n) if n.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

/// The types that a schema allows.
pub(super) fn types_of(schema: &Value) -> Vec<&str> {
    if flag_of(schema, "x-kubernetes-int-or-string") {
        return vec!["integer", "string"];
    }
    opt_str(schema, "type").filter(|t| !t.is_empty()).into_iter().collect()
}

pub(super) struct Checker<'c> {
    prefix: &'c str,
}

impl Checker<'_> {
    fn at(&self, path: &str) -> String {
        let path = path.strip_prefix('.').unwrap_or(path);
        match (self.prefix, path) {
            ("", "") => "<nil>".to_owned(),
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}.{path}"),
        }
    }

    /// An error whose message repeats where it is.
    pub(super) fn invalid(&self, found: &mut Found, place: &Place<'_>, value: &Value, message: &str) {
        self.tell(found, place, value, format!("{} in body {message}", place.path));
    }

    /// An error in these words.
    pub(super) fn tell(&self, found: &mut Found, place: &Place<'_>, value: &Value, words: String) {
        found.push(words.clone(), Error::invalid(&Path::new(&self.at(place.path)), value, words));
    }

    /// An error that is about no field.
    pub(super) fn complain(&self, found: &mut Found, words: String) {
        found.push(words.clone(), Error::invalid_str(&Path::new(&self.at("")), "", words));
    }

    fn wrong_type(&self, found: &mut Found, path: &str, wanted: &str, have: &str) {
        let words = format!("{path} in body must be of type {wanted}: {}", quote(have));
        found.push(words.clone(), Error::type_invalid(&Path::new(&self.at(path)), &json!(have), words));
    }

    /// `ratchetingValueValidator.Validate`.
    fn ratcheted(&self, place: &Place<'_>) -> Found {
        let mut found = self.check(place);
        if !found.is_valid() && place.was.is_some_and(Correlated::is_same) {
            found.problems.clear();
        }
        found
    }

    fn below(&self, place: &Place<'_>, name: &str, value: &Value, schema: &Value, path: &str) -> Found {
        let own = place.path.is_empty() && matches!(name, "kind" | "apiVersion");
        let was = place.was.filter(|_| !own).and_then(|w| w.key(name));
        self.ratcheted(&Place { value, schema, path, was })
    }

    /// `SchemaValidator.Validate`.
    fn check(&self, place: &Place<'_>) -> Found {
        let mut found = Found::default();
        self.types(&mut found, place);
        if place.value.is_null() {
            self.allowed(&mut found, place);
            return found;
        }
        self.choices(&mut found, place);
        match place.value {
            Value::String(s) => self.string(&mut found, s, place),
            Value::Number(_) => numbers::check(self, &mut found, place),
            Value::Array(items) => self.list(&mut found, items, place),
            _ => {}
        }
        self.allowed(&mut found, place);
        if let Value::Object(o) = place.value {
            self.object(&mut found, o, place);
        }
        found.passed += 3;
        found
    }

    fn types(&self, found: &mut Found, place: &Place<'_>) {
        let Place { value, schema, path, .. } = place;
        let (types, format) = (types_of(schema), formats::of(schema));
        let (have, have_format) = type_of(value);
        if value.is_null() {
            match types.is_empty() || flag_of(schema, "nullable") {
                true => found.passed += 1,
                false => self.wrong_type(found, path, &types.join(","), "null"),
            }
            return;
        }
        let has = |t: &str| types.contains(&t);
        let whole = have == "number" && has("integer") && value.as_f64().is_some_and(numbers::is_whole);
        let widened = have == "integer" && has("number");
        let fits = has(have) || whole || widened;
        // A text's format is looked at for itself, and instead of the type of a list too.
        let texts = matches!(have, "string" | "array");
        if types.is_empty() && format.is_empty() || texts && !format.is_empty() && !has("number") && !has("integer") {
            found.passed += 1;
        } else if !texts && !format.is_empty() && !fits && have_format != format {
            self.wrong_type(found, path, format, have_format);
        } else if !fits {
            self.wrong_type(found, path, &types.join(","), have);
        } else {
            found.passed += 1;
        }
    }

    /// `basicCommonValidator`: a value is the same as another that it can be made.
    fn allowed(&self, found: &mut Found, place: &Place<'_>) {
        let all = list_of(place.schema, "enum");
        let same = |v: &Value| match (place.value, v) {
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_i64() => {
                a.as_f64().is_some_and(|f| b.as_i64() == Some(f as i64))
            }
            (Value::Number(a), Value::Number(b)) if b.is_f64() => a.as_f64() == b.as_f64(),
            (a, b) => a == b,
        };
        if all.is_empty() || all.iter().any(same) {
            return;
        }
        let shown: Vec<String> = all.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        let names: Vec<&str> = shown.iter().map(String::as_str).collect();
        let at = self.at(place.path);
        let error = Error::not_supported_shown(&Path::new(&at), show(place.value), &names);
        found.push(format!("{} in body should be one of [{}]", place.path, names.join(" ")), error);
    }

    /// `schemaPropsValidator`.
    fn choices(&self, found: &mut Found, place: &Place<'_>) {
        let tried = |key| list_of(place.schema, key).iter().map(|schema| self.check(&Place { schema, ..*place }));
        let must = |what: &str| format!("{} must {what}", quote(place.path));
        let most = |best: Option<Found>, next: Found| match best {
            Some(best) if next.passed <= best.passed => Some(best),
            _ => Some(next),
        };
        let mut best = None;
        for one in tried("anyOf") {
            let good = one.is_valid();
            best = if good { Some(one) } else { most(best, one) };
            if good {
                break;
            }
        }
        if let Some(best) = best {
            if !best.is_valid() {
                self.complain(found, must("validate at least one schema (anyOf)"));
            }
            found.merge(best);
        }
        let (good, bad): (Vec<Found>, Vec<Found>) = tried("oneOf").partition(Found::is_valid);
        match (good.len(), bad.is_empty()) {
            (0, true) => {}
            (1, _) => good.into_iter().for_each(|g| found.merge(g)),
            (0, false) => {
                self.complain(found, must("validate one and only one schema (oneOf). Found none valid"));
                bad.into_iter().fold(None, most).into_iter().for_each(|b| found.merge(b));
            }
            (n, _) => {
                let why = format!("validate one and only one schema (oneOf). Found {n} valid alternatives");
                self.complain(found, must(&why));
            }
        }
        let (mut valid, mut count) = (0, 0);
        for one in tried("allOf") {
            count += 1;
            valid += usize::from(one.is_valid());
            found.merge(one);
        }
        if valid != count {
            let none = if valid == 0 { ". None validated" } else { "" };
            self.complain(found, must(&format!("validate all the schemas (allOf){none}")));
        }
        let not = &place.schema["not"];
        if not.is_object() && self.check(&Place { schema: not, ..*place }).is_valid() {
            self.complain(found, must("not validate the schema (not)"));
        }
        found.passed += 1;
    }

    fn string(&self, found: &mut Found, s: &str, place: &Place<'_>) {
        let length = s.chars().count() as i64;
        let limit = |key: &str| place.schema[key].as_i64();
        let pattern = str_of(place.schema, "pattern");
        if let Some(max) = limit("maxLength").filter(|max| length > *max) {
            let error = Error::too_long(&Path::new(&self.at(place.path)), usize::try_from(max).unwrap_or(0));
            found.push(format!("{} in body should be at most {max} chars long", place.path), error);
        } else if let Some(min) = limit("minLength").filter(|min| length < *min) {
            self.invalid(found, place, place.value, &format!("should be at least {min} chars long"));
        } else if !pattern.is_empty() {
            match (go_regex::check(pattern), Regex::new(pattern)) {
                (Err(why), _) => {
                    let message = format!("should match '{pattern}, but pattern is invalid: {why}'");
                    self.invalid(found, place, place.value, &message);
                }
                (_, Ok(regex)) if !regex.is_match(s) => {
                    self.invalid(found, place, place.value, &format!("should match '{pattern}'"));
                }
                _ => {}
            }
        }
        let format = formats::of(place.schema);
        if !formats::holds(format, s) {
            self.wrong_type(found, place.path, format, s);
        }
    }

    fn list(&self, found: &mut Found, items: &[Value], place: &Place<'_>) {
        let schema = &place.schema["items"];
        if schema.is_object() {
            let before = place.was.and_then(Correlated::items);
            for (i, value) in items.iter().enumerate() {
                let was = before.as_ref().and_then(|b| b.item(value));
                let path = format!("{}[{i}]", place.path);
                found.merge(self.ratcheted(&Place { value, schema, path: &path, was }));
            }
        }
        let size = items.len();
        if let Some(min) = place.schema["minItems"].as_i64().filter(|min| (size as i64) < *min) {
            self.invalid(found, place, &json!(size), &format!("should have at least {min} items"));
        }
        self.at_most("maxItems", "items", size, found, place);
        let twice = || items.iter().enumerate().any(|(i, a)| items.iter().skip(i + 1).any(|b| a == b));
        if flag_of(place.schema, "uniqueItems") && twice() {
            self.invalid(found, place, &json!(""), "shouldn't contain duplicates");
        }
        found.passed += 1;
    }

    fn at_most(&self, key: &str, what: &str, size: usize, found: &mut Found, place: &Place<'_>) {
        if let Some(max) = place.schema[key].as_i64().filter(|max| size as i64 > *max) {
            let at = self.at(place.path);
            let error = Error::too_many(&Path::new(&at), size, usize::try_from(max).unwrap_or(0));
            found.push(format!("{} in body should have at most {max} {what}", place.path), error);
        }
    }

    /// `objectValidator`.
    fn object(&self, found: &mut Found, o: &Map<String, Value>, place: &Place<'_>) {
        let Place { schema, path, .. } = place;
        if let Some(min) = schema["minProperties"].as_i64().filter(|min| (o.len() as i64) < *min) {
            self.invalid(found, place, &json!(o.len()), &format!("should have at least {min} properties"));
        }
        self.at_most("maxProperties", "properties", o.len(), found, place);
        let properties = schema["properties"].as_object();
        let additional = &schema["additionalProperties"];
        for (name, value) in o.iter().filter(|(name, _)| properties.is_none_or(|p| !p.contains_key(*name))) {
            if *additional == false {
                let words = format!("{path}.{name} in body is a forbidden property");
                found.push(words.clone(), Error::invalid_str(&Path::new(&self.at(path)), name, words));
            } else if additional.is_object() {
                found.merge(self.below(place, name, value, additional, &format!("{path}.{name}")));
            }
        }
        for (name, of) in properties.into_iter().flatten() {
            let Some(value) = o.get(name) else { continue };
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            found.merge(self.below(place, name, value, of, &path));
        }
        for name in texts_of(schema, "required").iter().filter(|name| !o.contains_key(**name)) {
            let at = format!("{path}.{name}");
            found.push(format!("{at} in body is required"), Error::required(&Path::new(&self.at(&at)), ""));
        }
    }
}

/// A number as messages have it.
pub(super) fn shown(number: &Value) -> String {
    go_fmt(number)
}
