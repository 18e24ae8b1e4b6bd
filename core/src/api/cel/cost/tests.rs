//! Estimates of upstream's own table: schemas without limits and with them.

use serde_json::{Value, json};

use crate::api::cel::{Program, Shape, declared};

fn cost(schema: &Value, rule: &str) -> u64 {
    let ty = declared(schema, false).expect("a type");
    let known = [("self", ty.clone()), ("oldSelf", ty)];
    let program = Program::compile(rule, &known).expect("an expression");
    program.cost(&known, &Shape::of(schema, false).expect("a shape"))
}

fn typed(kind: &str) -> Value {
    match kind {
        "int-or-string" => json!({"x-kubernetes-int-or-string": true}),
        "date" | "date-time" | "duration" | "byte" => json!({"type": "string", "format": kind}),
        other => json!({"type": other}),
    }
}

/// A schema with a limit at `at`, if there is one.
fn limited(mut schema: Value, at: &str, limit: Option<u64>) -> Value {
    if let (Some(of), Some(limit)) = (schema.as_object_mut(), limit) {
        of.insert(at.to_owned(), limit.into());
    }
    schema
}

fn list(items: Value, limit: Option<u64>) -> Value {
    limited(json!({"type": "array", "items": items}), "maxItems", limit)
}

fn map(values: Value, limit: Option<u64>) -> Value {
    limited(json!({"type": "object", "additionalProperties": values}), "maxProperties", limit)
}

fn object() -> Value {
    json!({"type": "object", "required": ["required"], "properties": {"required": typed("string"), "optional": typed("string")}})
}

/// What is checked of one kind of schema: a rule, its cost without a limit, a limit, and the cost with it.
type Case<'a> = (&'a str, u64, u64, u64);

fn check(schema: impl Fn(Option<u64>) -> Value, cases: &[Case<'_>]) {
    for (rule, without, limit, with) in cases {
        let (free, bound) = (schema(None), schema(Some(*limit)));
        assert_eq!((cost(&free, rule), cost(&bound, rule)), (*without, *with), "{rule} of {free}");
    }
}

const ALL: &str = "self.all(x, true)";

#[test]
fn lists() {
    for (kind, without, limit, with) in [
        ("number", 4_718_591, 10, 32),
        ("string", 3_145_727, 20, 62),
        ("boolean", 1_887_437, 5, 17),
        ("int-or-string", 4_718_591, 10, 32),
        ("duration", 2_359_295, 5, 17),
        ("date", 725_936, 15, 47),
        ("date-time", 428_963, 25, 77),
    ] {
        check(|l| list(typed(kind), l), &[(ALL, without, limit, with)]);
    }
    check(|l| list(list(typed("number"), None), l), &[(ALL, 3_145_727, 100, 302), ("self[0][0] == -1.0", 3, 51, 3)]);
    check(|l| list(object(), l), &[(ALL, 555_128, 50, 152), ("self[0] == null", 2, 422, 2)]);
    check(
        |l| list(typed("number"), l),
        &[
            ("self[1] == 0.0", 2, 5000, 2),
            ("self[3] == 0.0", 2, 0, 2),
            ("self.all(x, x == 0.0)", 6_291_454, 3 * 1024 * 2048, 25_165_826),
        ],
    );
    for (rule, with) in [("self.all(x, self.all(y, true))", 352), ("self.all(x, self.all(y, self.all(z, true)))", 3552)]
    {
        assert_eq!(cost(&list(typed("number"), Some(10)), rule), with, "{rule}");
        assert!(cost(&list(typed("number"), None), rule) > 10_000_000, "{rule}");
    }
    check(|l| list(typed("string"), l), &[("self[1] == self[1]", 314_577, 8, 314_577)]);
    check(|l| list(typed("int-or-string"), l), &[("self[0] == 5", 3, 10, 3)]);
    check(|l| list(typed("boolean"), l), &[("self[0] == false", 2, 25, 2)]);
    check(
        |l| list(map(typed("number"), None), l),
        &[("self.all(x, x.y == 25.2)", 6_291_452, 12, 74), ("self[0].x > 2.0", 4, 3000, 4)],
    );
    check(|l| list(typed("duration"), l), &[("self[0].getHours() == 2", 4, 525, 4)]);
    check(|l| list(typed("date"), l), &[("self[2].getDayOfMonth() == 13", 4, 42, 4)]);
    let rule = r#"self.all(x, x["y"].required == "z")"#;
    check(|l| list(map(object(), l), l), &[(rule, 7_340_027, 10, 72)]);
}

#[test]
fn maps() {
    for (kind, without, limit, with) in [
        ("number", 1_348_169, 10, 32),
        ("string", 1_179_647, 3, 11),
        ("boolean", 943_718, 100, 302),
        ("int-or-string", 1_348_169, 15, 47),
        ("duration", 1_048_577, 5, 17),
        ("date", 524_288, 10, 32),
        ("date-time", 349_526, 25, 77),
    ] {
        check(|l| map(typed(kind), l), &[(ALL, without, limit, with)]);
    }
    check(|l| map(object(), l), &[(ALL, 428_963, 20, 62)]);
    check(|l| map(map(typed("number"), None), l), &[(ALL, 1_179_647, 10, 32)]);
    check(|l| map(list(typed("number"), None), l), &[(ALL, 1_179_647, 25, 77)]);
    check(|l| map(typed("number"), l), &[(r#"self["x"] == 0.0"#, 2, 0, 2)]);
    check(|l| map(typed("integer"), l), &[("oldSelf.size() == self.size()", 5, 10, 5)]);
    check(|l| map(typed("date-time"), l), &[(r#"self["a"] == self["b"]"#, 8, 7, 8)]);
    check(|l| map(typed("duration"), l), &[(r#"self["c"] == self["d"]"#, 8, 42, 8)]);
    let texts = |l: Option<u64>| map(limited(typed("string"), "maxLength", l), l);
    check(texts, &[("self.all(x, x.contains(self[x]))", 2_752_507, 10, 72)]);
}

#[test]
fn texts() {
    let text = |l: Option<u64>| limited(typed("string"), "maxLength", l);
    check(
        text,
        &[
            ("self.contains('test')", 314_574, 10, 5),
            ("self.startsWith('test')", 2, 15, 2),
            ("self.endsWith('test')", 2, 30, 2),
            (r#"size(self + "hello") > size("hello")"#, 314_578, 4, 7),
            (r#"self.matches("x")"#, 314_574, 50, 22),
            (r#""".matches("(((((((((())))))))))[0-9]")"#, 7, 10, 7),
            (r#"self.matches("")"#, 1, 100, 1),
            (r#"self == "x""#, 2, 0, 1),
            ("self.find('[0-9]+') == ''", 629_147, 10, 11),
            ("self.lowerAscii() == 'lower!'", 314_575, 10, 6),
        ],
    );
    check(|l| limited(typed("byte"), "maxLength", l), &[(r#"self == b"x""#, 2, 0, 1)]);
    check(
        |l| list(text(l), l),
        &[("self.join(' ') == 'aa bb'", 329_853_068_905, 10, 43), ("self.isSorted() == true", 329_854_432_052, 10, 52)],
    );
    let pair = |l: Option<u64>, a: &str, b: &str, short: [Option<u64>; 2]| json!({"type": "object", "properties": {"str": text(l), a: text(short[0]), b: text(short[1])}});
    check(
        |l| pair(l, "before", "after", [Some(2), Some(4)]),
        &[("self.str.replace(self.before, self.after) == 'does not matter'", 629_154, 4, 12)],
    );
    check(|l| pair(l, "separator", "none", [l, l]), &[("self.str.split(self.separator) == []", 629_160, 10, 22)]);
    let chosen =
        |l: Option<u64>| limited(json!({"type": "string", "enum": ["A", "B", "C", "LongValue"]}), "maxLength", l);
    check(chosen, &[("self.contains('A')", 2, 1000, 401)]);
    check(|l| limited(typed("int-or-string"), "maxLength", l), &[("isQuantity(self)", 314_574, 20, 9)]);
}
