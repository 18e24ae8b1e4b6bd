use serde_json::json;

use super::{Program, Type, Val, declared, to_val};

/// Evaluates with `x` as a variable of any type; `!` begins an error of reading, `?` one of evaluating.
fn run(text: &str) -> String {
    let x = Val::of(&json!({"name": "web", "n": 3, "list": [1, 2, 3], "labels": {"a": "b"}, "big": 1.5}));
    let program = match Program::compile(text, &[("x", Type::Dyn), ("s", super::STRING)]) {
        Ok(program) => program,
        Err(e) => return format!("!{e}"),
    };
    let variables = |name: &str| match name {
        "x" => Some(Ok(x.clone())),
        "s" => Some(Ok(Val::text("text"))),
        _ => None,
    };
    match program.eval(&variables, None) {
        Ok(Val::Text(t)) => t.to_string(),
        Ok(v) => v.to_json().to_string(),
        Err(e) => format!("?{e}"),
    }
}

#[test]
fn values() {
    for (text, want) in [
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("-5 % 3", "-2"),
        ("2.0 > 1 ? 'yes' : 'no'", "yes"),
        ("x.n == 3 && x.name.startsWith('w')", "true"),
        ("has(x.labels) && !has(x.none)", "true"),
        ("x.none", "?no such key: none"),
        ("x.list[5]", "?index out of bounds: 5"),
        ("x.none == 1 || true", "true"),
        ("1 / 0", "?division by zero"),
        ("9223372036854775807 + 1", "?integer overflow"),
        ("x.list.all(i, i > 0) && x.list.exists(i, i == 2) && x.list.exists_one(i, i > 2)", "true"),
        ("x.list.map(i, i * 2).filter(i, i > 2)", "[4,6]"),
        ("x.list.map(i, i > 1, i)", "[2,3]"),
        ("x.labels.all(k, v, k == 'a' && v == 'b')", "true"),
        ("'a' in x.labels && 2 in x.list", "true"),
        ("size('añb') + size(x.list) + x.labels.size()", "7"),
        ("'a,b,c'.split(',').join('-').upperAscii()", "A-B-C"),
        ("'hello'.substring(1, 3) + 'hello'.charAt(0)", "elh"),
        ("'%s is %d, %.2f, %x'.format(['n', 3, 1.5, 255])", "n is 3, 1.50, ff"),
        ("'abc123'.find('[0-9]+')", "123"),
        ("'abc'.matches('^a.c$')", "true"),
        ("[3, 1, 2].sort() == [1, 2, 3] && [1, 2].isSorted() && [1, 2].sum() == 3 && [1, 2].max() == 2", "true"),
        ("quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('2').add(1).asInteger() == 3", "true"),
        ("isQuantity('1x') || isIP('1.2.3.4.5')", "false"),
        ("ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.2.3')", "true"),
        ("url('https://a.b:80/c?d=e').getHostname() + url('https://a.b/c').getEscapedPath()", "a.b/c"),
        ("timestamp('2026-01-02T03:04:05Z').getDayOfMonth()", "1"),
        ("duration('1h30m') > duration('80m')", "true"),
        ("string(duration('90s')) + string(1) + string(true)", "90s1true"),
        ("cel.bind(a, x.n + 1, a * a)", "16"),
        ("optional.of(1).orValue(2) + x.?none.orValue(3)", "4"),
        ("x[?'none'].hasValue() || [1][?3].hasValue()", "false"),
        ("format.dns1123Label().validate('A').hasValue()", "true"),
        ("{'a': 1, 'b': 2}.map(k, k)", "[\"a\",\"b\"]"),
        ("type(1) == int && type('') == string", "true"),
        ("r'\\d' + \"\\x41\\u00e9\" + '''q'q'''", "\\dAéq'q"),
        ("x.n < 'a'", "?no such overload"),
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", "true"),
        ("semver('1.2.3-rc.2').isLessThan(semver('1.2.3-rc.10'))", "true"),
        ("semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('1.2.3-1').isLessThan(semver('1.2.3-a'))", "true"),
        ("semver('1.2.3-a').compareTo(semver('1.2.3-a.1'))", "-1"),
        ("isSemver('v1.02', true) && semver('1', true) == semver('1.0.0') && !isSemver('v1.2')", "true"),
        ("type(ip('1.1.1.1')) == net.IP && type(x) == map", "true"),
        (
            "[1, 2].transformList(i, v, v > 1, i + v) == [3] && {'a': 1}.transformMap(k, v, k + 'b') == {'a': 'ab'}",
            "true",
        ),
        ("{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})", "?insert failed: key 1 already exists"),
        ("[3, 1, 2].sortBy(e, -e) == [3, 2, 1]", "true"),
        ("'%e'.format([0.00314])", "3.140000×10⁻⁰³"),
        ("url('https://a/b c').getEscapedPath()", "/b%20c"),
        ("sets.contains([1, 2], [2]) && base64.decode('YQ==') == b'a'", "true"),
    ] {
        assert_eq!(run(text), want, "{text}");
    }
}

#[test]
fn complaints() {
    for (text, want) in [
        ("y", "!ERROR: <input>:1:1: undeclared reference to 'y' (in container '')\n | y\n | ^"),
        ("x.f()", "!ERROR: <input>:1:4: undeclared reference to 'f' (in container '')\n | x.f()\n | ...^"),
        (
            "s == 1",
            "!ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(string, int)'\n | s == 1\n | ..^",
        ),
        (
            "s.startsWith(1)",
            "!ERROR: <input>:1:13: found no matching overload for 'startsWith' applied to 'string.(int)'\n | s.startsWith(1)\n | ............^",
        ),
        (
            "/abs",
            "!ERROR: <input>:1:1: Syntax error: extraneous input '/' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | /abs\n | ^",
        ),
        ("1.2.3", "!ERROR: <input>:1:4: Syntax error: extraneous input '.3' expecting <EOF>\n | 1.2.3\n | ...^"),
        ("1.2.3.4", "!ERROR: <input>:1:4: Syntax error: mismatched input '.3' expecting <EOF>\n | 1.2.3.4\n | ...^"),
        (
            "",
            "!ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
        ),
        (
            "1 +",
            "!ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^",
        ),
        (
            "y\n  && z",
            "!ERROR: <input>:1:1: undeclared reference to 'y' (in container '')\n | y\n | ^\nERROR: <input>:2:6: undeclared reference to 'z' (in container '')\n |   && z\n | .....^",
        ),
    ] {
        assert_eq!(run(text), want, "{text}");
    }
}

#[test]
fn schemas() {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "max": {"type": "integer"}, "rate": {"type": "number"}, "since": {"type": "string", "format": "date-time"},
            "either": {"x-kubernetes-int-or-string": true}, "a-b": {"type": "string"},
            "more": {"type": "object", "additionalProperties": {"type": "string"}},
        }},
    }});
    let object = json!({"kind": "K", "metadata": {"name": "n", "uid": "u"}, "spec": {
        "max": 2, "rate": 3, "since": "2026-01-01T00:00:00Z", "either": "50%", "a-b": "c", "more": {"k": "v"}, "odd": 1,
    }});
    let variables = [("self", declared(&schema, true).expect("a type"))];
    let check = |text: &str| match Program::compile(text, &variables) {
        Err(e) => e.lines().next().unwrap_or_default().to_owned(),
        Ok(p) => {
            let of_self = |name: &str| (name == "self").then(|| Ok(to_val(&object, &schema, true)));
            p.eval(&of_self, None).map_or_else(|e| e, |v| v.to_json().to_string())
        }
    };
    for (text, want) in [
        ("self.spec.max < 3 && self.spec.rate == 3.0 && self.metadata.name == 'n'", "true"),
        ("self.spec.since < timestamp('2027-01-01T00:00:00Z')", "true"),
        ("self.spec.a__dash__b == 'c' && self.spec.more['k'] == 'v' && self.spec.more.k == 'v'", "true"),
        ("type(self.spec.either) == string", "true"),
        ("self.metadata.uid", "ERROR: <input>:1:14: undefined field 'uid'"),
        ("self.spec.odd", "ERROR: <input>:1:10: undefined field 'odd'"),
        ("self.spec.max > '3'", "ERROR: <input>:1:15: found no matching overload for '_>_' applied to '(int, string)'"),
    ] {
        assert_eq!(check(text), want, "{text}");
    }
}
