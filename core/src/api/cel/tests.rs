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
    match program.eval(&variables, None).0 {
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
        ("optional.of(1).orValue(2) + x.?none.orValue(3)", "4"),
        ("x[?'none'].hasValue() || [1][?3].hasValue()", "false"),
        ("format.dns1123Label().validate('A').hasValue()", "true"),
        ("{'a': 1, 'b': 2}.map(k, k)", "[\"a\",\"b\"]"),
        ("type(1) == int && type('') == string", "true"),
        ("r'\\d' + \"\\x41\\u00e9\" + '''q'q'''", "\\dAéq'q"),
        ("x.n < 'a'", "?no such overload"),
        ("x.name.none", "?no such key: none"),
        ("x.list['a']", "?unsupported index type 'string' in list"),
        ("x.n.substring(1)", "?no such overload: substring(int, int)"),
        ("int(x.name)", "?type conversion error from 'string' to 'int'"),
        (
            "ip(x.name)",
            "?IP Address \"web\" parse error during conversion from string: ParseAddr(\"web\"): unable to parse IP",
        ),
        (
            "ip('1.2.3')",
            "?IP Address \"1.2.3\" parse error during conversion from string: ParseAddr(\"1.2.3\"): IPv4 address too short",
        ),
        ("semver('1.2')", "?No Major.Minor.Patch elements found"),
        (
            "url('http://a:b')",
            "?URL parse error during conversion from string: parse \"http://a:b\": invalid port \":b\" after host",
        ),
        ("[1, 2].slice(2, 1)", "?cannot slice(2, 1), start index must be less than or equal to end index"),
        ("'%s'.format([[1, 'a']])", "[1, \"a\"]"),
        ("string(1234567.0)", "1.234567e+06"),
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
        ("sets.contains([1, 2], [2]) && b'\\x61' == bytes('a')", "true"),
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
        ("s && true", "!ERROR: <input>:1:1: expected type 'bool' but found 'string'\n | s && true\n | ^"),
        ("[1, 'a']", "!ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"),
        ("s.matches('[')", "!ERROR: <input>:1:11: invalid matches argument\n | s.matches('[')\n | ..........^"),
        ("duration('1d')", "!ERROR: <input>:1:10: invalid duration argument\n | duration('1d')\n | .........^"),
        ("'%s'.format([])", "!ERROR: <input>:1:12: index 0 out of range\n | '%s'.format([])\n | ...........^"),
        ("has(s)", "!ERROR: <input>:1:5: invalid argument to has() macro\n | has(s)\n | ....^"),
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
            "'a",
            "!ERROR: <input>:1:1: Syntax error: token recognition error at: ''a'\n | 'a\n | ^\nERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 'a\n | ..^",
        ),
        (
            "s = 'a'",
            "!ERROR: <input>:1:3: Syntax error: token recognition error at: '= '\n | s = 'a'\n | ..^\nERROR: <input>:1:5: Syntax error: extraneous input ''a'' expecting <EOF>\n | s = 'a'\n | ....^",
        ),
        ("(1", "!ERROR: <input>:1:3: Syntax error: missing ')' at '<EOF>'\n | (1\n | ..^"),
        ("[1", "!ERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting {']', ','}\n | [1\n | ..^"),
        ("s ? 1", "!ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting ':'\n | s ? 1\n | .....^"),
        ("x.", "!ERROR: <input>:1:3: Syntax error: no viable alternative at input '.'\n | x.\n | ..^"),
        (
            "-",
            "!ERROR: <input>:1:2: Syntax error: no viable alternative at input '-'\n | -\n | .^\nERROR: <input>:1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | -\n | .^",
        ),
        ("s.startsWith(if)", "!ERROR: <input>:1:14: reserved identifier: if\n | s.startsWith(if)\n | .............^"),
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
            p.eval(&of_self, None).0.map_or_else(|e| e, |v| v.to_json().to_string())
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

#[test]
fn costs() {
    let x = Val::of(&json!({"name": "web", "list": [1, 2, 3], "labels": {"a": "b"}}));
    let variables = |name: &str| (name == "x").then(|| Ok(x.clone()));
    for (text, want) in [
        ("true", 0),
        ("x.name == 'web'", 3),
        ("has(x.name) && !has(x.none)", 3),
        ("[1, 2] == [3]", 1),
        ("x.list.all(i, i > 0)", 18),
        ("x.list.exists(i, i == 1)", 12),
        ("x.list.exists_one(i, i > 1)", 14),
        ("x.list.map(i, i + 1)", 45),
        ("x.list.filter(i, i > 1)", 35),
        ("x.list.transformList(i, v, i + v)", 48),
        ("x.labels.transformMap(k, v, v)", 7),
        ("x.name.matches('^w') ? x.name : 'b'", 4),
        ("x.?none.orValue('a')", 1),
        ("x.list[0] in [1, 2]", 3),
        ("x.list.sort()", 31),
        ("duration('1h') > duration('1m')", 1),
    ] {
        let program = Program::compile(text, &[("x", Type::Dyn)]).expect(text);
        assert_eq!(program.eval(&variables, None).1, want, "{text}");
    }
}
