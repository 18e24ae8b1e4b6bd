//! Go's templates, as `-o go-template` has them: text with actions in double braces. Models Go's text/template and
//! cli-runtime `pkg/printers/template.go`.

mod eval;
mod parse;

use serde_json::Value;

/// A template, read.
#[derive(Debug)]
pub(super) struct Template {
    nodes: Vec<Node>,
}

#[derive(Debug)]
enum Node {
    Text(String),
    /// Prints a pipeline, or sets a variable with it.
    Action(Pipeline),
    /// `if`, `with`: what is tested, what follows, and else.
    Branch {
        with: bool,
        test: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `range $k, $v := ..`
    Range {
        over: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Break,
    Continue,
}

#[derive(Debug)]
struct Pipeline {
    /// `$x :=`, or two of a range.
    declares: Vec<String>,
    /// `$x =`
    assigns: bool,
    commands: Vec<Vec<Operand>>,
}

#[derive(Debug)]
enum Operand {
    Dot,
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a`
    Variable(String, Vec<String>),
    /// `(..).a`
    Group(Box<Pipeline>, Vec<String>),
    Literal(Value),
    Function(String),
}

impl Template {
    /// Reads a template; the error is Go's without the template's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text).map(|nodes| Template { nodes })
    }

    /// What the template makes of a value.
    pub fn execute(&self, v: &Value) -> Result<String, String> {
        let mut scope = eval::Scope::new(v);
        let mut out = String::new();
        scope.run(&self.nodes, v, &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(t: &str) -> Result<String, String> {
        let v = json!({"kind": "Pod", "metadata": {"name": "web", "labels": {"a": "1", "b": "2"}, "replicas": 3},
            "items": [{"n": "x", "c": 2}, {"n": "y", "c": 0}], "data": {"p": "cQ=="}, "ready": true, "big": 1234567});
        Template::parse(t)?.execute(&v)
    }

    #[test]
    fn templates_are_executed() {
        for (t, want) in [
            ("{{.metadata.name}}", "web"),
            ("{{.metadata.nope}}", "<no value>"),
            ("{{range .items}}{{.n}}={{.c}};{{end}}", "x=2;y=0;"),
            ("{{range $i, $e := .items}}{{if $i}}, {{end}}{{$e.n}}{{end}}", "x, y"),
            ("{{range $k, $v := .metadata.labels}}{{$k}}:{{$v}} {{end}}", "a:1 b:2 "),
            ("{{if eq .kind \"Pod\"}}yes{{else}}no{{end}}", "yes"),
            ("{{if .x}}a{{else if .ready}}b{{else}}c{{end}}", "b"),
            ("{{with .metadata}}{{.name}}{{end}}", "web"),
            ("{{index .metadata.labels \"b\"}}", "2"),
            ("{{(index .items 1).n}}", "y"),
            ("{{len .items}}", "2"),
            ("{{.data.p | base64decode}}", "q"),
            ("{{printf \"%s-%v\" .kind .metadata.replicas}}{{\"\\n\"}}", "Pod-3\n"),
            ("a {{- /* no */ -}} b", "ab"),
            ("a {{- .kind -}} b", "aPodb"),
            ("{{$x := .kind}}{{$x}}", "Pod"),
            ("{{.metadata.labels}}", "map[a:1 b:2]"),
            ("{{.big}}", "1.234567e+06"),
            ("{{range .none}}x{{else}}none{{end}}", "none"),
            ("{{and .ready .kind}} {{not .ready}} {{or .none \"d\"}}", "Pod false d"),
            ("{{range .items}}{{if eq .n \"y\"}}{{break}}{{end}}{{.n}}{{end}}", "x"),
        ] {
            assert_eq!(run(t).expect(t), want, "{t}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (t, why) in [
            ("{{.a", "template: output:1: unclosed action"),
            ("{{range .a}}", "template: output:1: unexpected EOF"),
            ("{{nope}}", "template: output:1: function \"nope\" not defined"),
            ("{{end}}", "template: output:1: unexpected {{end}}"),
        ] {
            assert_eq!(run(t).expect_err(t), why, "{t}");
        }
        assert!(run("{{.kind.x}}").expect_err("no map").contains("can't evaluate field x in type interface {}"));
    }
}
