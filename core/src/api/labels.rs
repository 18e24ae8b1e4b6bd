//! Label selectors: parsing, matching and printing.
//! Models apimachinery `pkg/labels/selector.go` and the selector half of `pkg/apis/meta/v1/helpers.go`.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::field::{self, ErrorList, Path, quote};
use super::validation::{is_qualified_name, is_valid_label_value};

mod parser;

/// Labels as objects carry them.
pub type Labels = BTreeMap<String, String>;

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Equals,
    DoubleEquals,
    NotEquals,
    GreaterThan,
    LessThan,
    Exists,
    DoesNotExist,
}

/// One term of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

fn go_list(values: &[String]) -> String {
    if values.is_empty() {
        return "null".to_owned();
    }
    let quoted: Vec<String> = values.iter().map(|v| quote(v)).collect();
    format!("[{}]", quoted.join(","))
}

fn invalid_values(path: &Path, values: &[String], detail: &str) -> field::Error {
    field::Error {
        kind: field::ErrorType::Invalid,
        field: path.to_string(),
        bad_value: Some(go_list(values)),
        detail: detail.to_owned(),
    }
}

impl Requirement {
    /// `labels.NewRequirement`: checks the key, the number of values and the values.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, String> {
        use Operator::*;
        let mut errors = ErrorList::new();
        let path = Path::new("values");
        let messages = is_qualified_name(key);
        if !messages.is_empty() {
            errors.push(field::Error::invalid_str(&Path::new("key"), key, messages.join("; ")));
        }
        match operator {
            In | NotIn if values.is_empty() => {
                errors.push(invalid_values(&path, &values, "for 'in', 'notin' operators, values set can't be empty"))
            }
            Equals | DoubleEquals | NotEquals if values.len() != 1 => {
                errors.push(invalid_values(&path, &values, "exact-match compatibility requires one single value"));
            }
            Exists | DoesNotExist if !values.is_empty() => {
                errors.push(invalid_values(&path, &values, "values set must be empty for exists and does not exist"));
            }
            GreaterThan | LessThan => {
                if values.len() != 1 {
                    let detail = "for 'Gt', 'Lt' operators, exactly one value is required";
                    errors.push(invalid_values(&path, &values, detail));
                }
                for (i, v) in values.iter().enumerate() {
                    if v.parse::<i64>().is_err() {
                        let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                        errors.push(field::Error::invalid_str(&path.index(i), v, detail));
                    }
                }
            }
            _ => {}
        }
        for (i, v) in values.iter().enumerate() {
            let messages = is_valid_label_value(v);
            if !messages.is_empty() {
                errors.push(field::Error::invalid_str(&path.index(i).key(key), v, messages.join("; ")));
            }
        }
        if errors.is_empty() {
            Ok(Requirement { key: key.to_owned(), operator, values })
        } else {
            Err(field::aggregate(&errors))
        }
    }

    /// The label it looks at.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// How it compares.
    pub fn operator(&self) -> Operator {
        self.operator
    }
    /// What it compares with.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    fn has(&self, value: &str) -> bool {
        self.values.iter().any(|v| v == value)
    }

    /// Whether the labels meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key).map(String::as_str);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(|v| self.has(v)),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(|v| self.has(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let ([want], Some(value)) = (self.values.as_slice(), value) else { return false };
                let (Ok(have), Ok(want)) = (value.parse::<i64>(), want.parse::<i64>()) else { return false };
                if self.operator == Operator::GreaterThan { have > want } else { have < want }
            }
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.operator == Operator::DoesNotExist {
            f.write_str("!")?;
        }
        f.write_str(&self.key)?;
        let set = match self.operator {
            Operator::Equals => "=",
            Operator::DoubleEquals => "==",
            Operator::NotEquals => "!=",
            Operator::GreaterThan => ">",
            Operator::LessThan => "<",
            Operator::In => " in (",
            Operator::NotIn => " notin (",
            Operator::Exists | Operator::DoesNotExist => return Ok(()),
        };
        f.write_str(set)?;
        if let [one] = self.values.as_slice() {
            f.write_str(one)?;
        } else {
            let mut sorted: Vec<&str> = self.values.iter().map(String::as_str).collect();
            sorted.sort_unstable();
            f.write_str(&sorted.join(","))?;
        }
        if matches!(self.operator, Operator::In | Operator::NotIn) { f.write_str(")") } else { Ok(()) }
    }
}

/// A conjunction of requirements, sorted by key; or the selector that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    nothing: bool,
    requirements: Vec<Requirement>,
}

impl Default for Selector {
    fn default() -> Self {
        Selector::everything()
    }
}

impl Selector {
    /// Matches all.
    pub fn everything() -> Self {
        Selector { nothing: false, requirements: Vec::new() }
    }

    /// Matches none.
    pub fn nothing() -> Self {
        Selector { nothing: true, requirements: Vec::new() }
    }

    /// `labels.Parse`: the text of a `labelSelector` query.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from_requirements(parser::parse(text)?))
    }

    /// All of these; upstream's `Add` to the selector of everything.
    pub fn from_requirements(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Selector { nothing: false, requirements }
    }

    /// `labels.SelectorFromSet`: every label equal, without checking them.
    pub fn from_map(labels: &Labels) -> Self {
        let requirements = labels
            .iter()
            .map(|(k, v)| Requirement { key: k.clone(), operator: Operator::Equals, values: vec![v.clone()] })
            .collect();
        Selector { nothing: false, requirements }
    }

    /// `metav1.LabelSelectorAsSelector`: no selector matches nothing, an empty one everything.
    pub fn from_label_selector(selector: Option<&LabelSelector>) -> Result<Self, String> {
        let Some(selector) = selector else { return Ok(Self::nothing()) };
        let mut requirements = Vec::new();
        for (k, v) in selector.match_labels.iter().flatten() {
            requirements.push(Requirement::new(k, Operator::Equals, vec![v.clone()])?);
        }
        for e in selector.match_expressions.iter().flatten() {
            let operator = match e.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{} is not a valid label selector operator", quote(other))),
            };
            requirements.push(Requirement::new(&e.key, operator, e.values.clone().unwrap_or_default())?);
        }
        Ok(Self::from_requirements(requirements))
    }

    /// Whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Whether it is the selector that matches none.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// Its terms.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether the labels meet all terms.
    pub fn matches(&self, labels: &Labels) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether the object's labels, if any, meet all terms.
    pub fn matches_meta(&self, meta: &ObjectMeta) -> bool {
        self.matches_option(meta.labels.as_ref())
    }

    /// Whether the labels, if any, meet all terms.
    pub fn matches_option(&self, labels: Option<&Labels>) -> bool {
        match labels {
            Some(labels) => self.matches(labels),
            None => self.matches(&Labels::new()),
        }
    }

    /// The one value that this label must have, if there is just one.
    pub fn requires_exact_match(&self, label: &str) -> Option<&str> {
        let r = self.requirements.iter().find(|r| r.key == label)?;
        match (r.operator, r.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [one]) => Some(one),
            _ => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{r}")?;
        }
        Ok(())
    }
}

/// `metav1.FormatLabelSelector`.
pub fn format_label_selector(selector: Option<&LabelSelector>) -> String {
    match Selector::from_label_selector(selector) {
        Err(_) => "<error>".to_owned(),
        Ok(s) => {
            let text = s.to_string();
            if text.is_empty() { "<none>".to_owned() } else { text }
        }
    }
}

/// `labels.FormatLabels`: `a=b,c=d`, or `<none>`.
pub fn format_labels(labels: Option<&Labels>) -> String {
    let terms: Vec<String> = labels.iter().flat_map(|l| l.iter()).map(|(k, v)| format!("{k}={v}")).collect();
    if terms.is_empty() { "<none>".to_owned() } else { terms.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.split(',')
            .filter(|t| !t.is_empty())
            .map(|t| t.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap_or_default())
            .collect()
    }

    #[test]
    fn parses_prints_and_matches() {
        for (text, printed, yes, no) in [
            ("", "", "", "!"),
            ("a=b", "a=b", "a=b", ""),
            ("a==b", "a==b", "a=b,c=d", "a=c"),
            ("a!=b", "a!=b", "", "a=b"),
            ("b in (y, x),a", "a,b in (x,y)", "a=1,b=x", "b=x"),
            ("a notin (x)", "a notin (x)", "a=y", "a=x"),
            ("!a", "!a", "b=", "a="),
            ("a>5", "a>5", "a=6", "a=5"),
            ("a<5", "a<5", "a=-4", "a=x"),
            ("a in ()", "a in ()", "a=", "a=1"),
            ("a in (,b)", "a in (,b)", "a=b", "a=c"),
            ("a=", "a=", "a=", "a=1"),
            ("a=,b", "a=,b", "a=,b=1", "b=1"),
            ("in in (notin)", "in in (notin)", "in=notin", "in=x"),
            ("example.com/x = y", "example.com/x=y", "example.com/x=y", "x=y"),
        ] {
            let s = Selector::parse(text).unwrap();
            assert_eq!(s.to_string(), printed, "{text}");
            assert!(s.matches(&labels(yes)), "{text} should match {yes}");
            assert!(no == "!" || !s.matches(&labels(no)), "{text} shouldn't match {no}");
        }
    }

    #[test]
    fn error_texts() {
        for (text, want) in [
            ("a===b", "unable to parse requirement: found '=', expected: identifier"),
            ("n in (1", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a,", "found '', expected: identifier after ','"),
            (",a", "found ',', expected: !, identifier, or 'end of string'"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("a in (!)", "unable to parse requirement: found '!', expected: ',', ')' or identifier"),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err(), want, "{text}");
        }
        assert!(Selector::parse("-bad=x").unwrap_err().starts_with(
            "unable to parse requirement: <nil>: Invalid value: \"-bad\": name part must consist of alphanumeric"
        ));
        assert!(
            Selector::parse("a=-b")
                .unwrap_err()
                .starts_with("unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be")
        );
    }

    #[test]
    fn label_selectors() {
        use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
        assert_eq!(format_label_selector(None), "<none>");
        assert!(!Selector::from_label_selector(None).unwrap().matches(&Labels::new()));
        let mut s = LabelSelector { match_labels: Some(labels("b=c")), match_expressions: None };
        s.match_expressions =
            Some(vec![LabelSelectorRequirement { key: "a".into(), operator: "Exists".into(), values: None }]);
        assert_eq!(format_label_selector(Some(&s)), "a,b=c");
        s.match_expressions =
            Some(vec![LabelSelectorRequirement { key: "a".into(), operator: "Is".into(), values: None }]);
        assert_eq!(
            Selector::from_label_selector(Some(&s)).unwrap_err(),
            "\"Is\" is not a valid label selector operator"
        );
    }
}
