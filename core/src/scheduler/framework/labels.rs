//! Label selectors and node selectors, parsed once and matched often.
//! Models apimachinery `pkg/labels/selector.go` and component-helpers `scheduling/corev1/nodeaffinity`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Labels as the API types hold them.
pub type Labels = BTreeMap<String, String>;

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

impl Operator {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            "Lt" => Operator::Lt,
            _ => return None,
        })
    }
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    fn new(key: &str, operator: Operator, values: &[String]) -> Self {
        Requirement { key: key.to_owned(), operator, values: values.to_vec() }
    }
    fn matches(&self, value: Option<&String>) -> bool {
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt | Operator::Lt => {
                let bound = match self.values.as_slice() {
                    [bound] => bound.parse::<i64>().ok(),
                    _ => None,
                };
                match (value.and_then(|v| v.parse::<i64>().ok()), bound) {
                    (Some(v), Some(b)) if self.operator == Operator::Gt => v > b,
                    (Some(v), Some(b)) => v < b,
                    _ => false,
                }
            }
        }
    }
}

/// A parsed label selector. Equal selectors compare equal, so they can key an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// Sorted by key. `None` matches nothing.
    requirements: Option<Vec<Requirement>>,
}

impl Selector {
    /// Matches nothing, as a nil `LabelSelector` does.
    pub fn nothing() -> Self {
        Selector { requirements: None }
    }
    /// Matches everything, as an empty `LabelSelector` does.
    pub fn everything() -> Self {
        Selector { requirements: Some(Vec::new()) }
    }
    /// Every one of `labels`, as a Service's selector means it.
    pub fn from_set(labels: &Labels) -> Self {
        let mut s = Self::everything();
        s.require_set(labels);
        s
    }
    /// Upstream's `LabelSelectorAsSelector`; an operator that doesn't exist makes it match nothing.
    pub fn parse(selector: Option<&LabelSelector>) -> Self {
        let Some(selector) = selector else { return Self::nothing() };
        let mut s = Self::everything();
        s.require_selector(selector);
        s
    }
    /// Adds the requirements of a label selector.
    pub fn require_selector(&mut self, selector: &LabelSelector) {
        if let Some(labels) = &selector.match_labels {
            self.require_set(labels);
        }
        for r in selector.match_expressions.iter().flatten() {
            match Operator::parse(&r.operator) {
                Some(op) => self.push(Requirement::new(&r.key, op, r.values.as_deref().unwrap_or_default())),
                None => self.requirements = None,
            }
        }
    }
    /// Adds `key = value` for each of `labels`.
    pub fn require_set(&mut self, labels: &Labels) {
        for (key, value) in labels {
            self.push(Requirement::new(key, Operator::In, std::slice::from_ref(value)));
        }
    }
    fn push(&mut self, mut requirement: Requirement) {
        requirement.values.sort();
        requirement.values.dedup();
        if let Some(rs) = &mut self.requirements
            && let Err(at) = rs.binary_search(&requirement)
        {
            rs.insert(at, requirement);
        }
    }
    /// Whether there is no requirement at all; such a selector matches everything, one of nothing isn't empty.
    pub fn is_empty(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }
    /// Whether `labels` fulfil it.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.as_ref().is_some_and(|rs| rs.iter().all(|r| r.matches(labels.get(&r.key))))
    }
}

/// A parsed node selector term: ANDed requirements on labels and on `metadata.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTerm {
    expressions: Vec<Requirement>,
    fields: Vec<Requirement>,
    /// An empty or malformed term matches no node.
    matches_none: bool,
}

impl NodeTerm {
    /// Parses one term.
    pub fn parse(term: &NodeSelectorTerm) -> Self {
        let mut malformed = false;
        let mut parse = |rs: &Option<Vec<NodeSelectorRequirement>>| -> Vec<Requirement> {
            let mut out = Vec::new();
            for r in rs.iter().flatten() {
                match Operator::parse(&r.operator) {
                    Some(op) => out.push(Requirement::new(&r.key, op, r.values.as_deref().unwrap_or_default())),
                    None => malformed = true,
                }
            }
            out
        };
        let expressions = parse(&term.match_expressions);
        let fields = parse(&term.match_fields);
        let matches_none = malformed || (expressions.is_empty() && fields.is_empty());
        NodeTerm { expressions, fields, matches_none }
    }
    /// Whether the node fulfils the term.
    pub fn matches(&self, node: &Node) -> bool {
        if self.matches_none {
            return false;
        }
        let empty = BTreeMap::new();
        let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
        self.expressions.iter().all(|r| r.matches(labels.get(&r.key)))
            && self.fields.iter().all(|r| r.key == "metadata.name" && r.matches(node.metadata.name.as_ref()))
    }
    /// The node names that `metadata.name In` allows, `None` when the term doesn't say.
    pub fn node_names(&self) -> Option<Vec<&str>> {
        let mut names: Option<Vec<&str>> = None;
        for r in self.fields.iter().filter(|r| r.key == "metadata.name" && r.operator == Operator::In) {
            let these: Vec<&str> = r.values.iter().map(String::as_str).collect();
            names = Some(match names {
                None => these,
                Some(before) => before.into_iter().filter(|n| these.contains(n)).collect(),
            });
        }
        names
    }
}

/// A pod's `nodeSelector` and required node affinity together.
#[derive(Clone, Debug, Default)]
pub struct RequiredNodeAffinity {
    labels: Option<Labels>,
    /// ORed terms; `None` when there is no required affinity.
    pub terms: Option<Vec<NodeTerm>>,
}

impl RequiredNodeAffinity {
    /// What `spec` asks of nodes.
    pub fn of(spec: &PodSpec) -> Self {
        let required = spec
            .affinity
            .as_ref()
            .and_then(|a| a.node_affinity.as_ref())
            .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        RequiredNodeAffinity {
            labels: spec.node_selector.clone().filter(|l| !l.is_empty()),
            terms: required.map(|r| r.node_selector_terms.iter().map(NodeTerm::parse).collect()),
        }
    }
    /// Whether nothing is asked.
    pub fn is_none(&self) -> bool {
        self.labels.is_none() && self.terms.is_none()
    }
    /// Whether the node will do.
    pub fn matches(&self, node: &Node) -> bool {
        if let Some(wanted) = &self.labels {
            let Some(labels) = &node.metadata.labels else { return false };
            if !wanted.iter().all(|(k, v)| labels.get(k) == Some(v)) {
                return false;
            }
        }
        self.terms.as_ref().is_none_or(|terms| terms.iter().any(|t| t.matches(node)))
    }
}
