//! Questions about one thing, and their answers: what the inspector shows.

use serde::{Deserialize, Serialize};

/// What the page may ask of the cluster without changing it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// An object as YAML.
    Yaml {
        /// Plural resource with its group, such as `replicasets.apps`.
        resource: String,
        /// Namespace, or empty.
        namespace: String,
        /// Name.
        name: String,
    },
    /// The last lines of a container's log.
    Logs {
        /// Pod's namespace.
        namespace: String,
        /// Pod's name.
        pod: String,
        /// Container's name.
        container: String,
        /// At most so many lines.
        tail: u32,
        /// Of the container before the last restart.
        previous: bool,
    },
    /// Why the object is as it is: the chain of causes of its newest change.
    Why {
        /// Plural resource with its group.
        resource: String,
        /// Namespace, or empty.
        namespace: String,
        /// Name.
        name: String,
    },
    /// An object's phase and conditions.
    Status {
        /// Plural resource with its group.
        resource: String,
        /// Namespace, or empty.
        namespace: String,
        /// Name.
        name: String,
    },
    /// How the scheduler chose a pod's node, or why it found none.
    Decision {
        /// Pod's uid.
        uid: String,
    },
    /// A table as `kubectl get` shows it.
    Table {
        /// Plural resource with its group.
        resource: String,
        /// Namespace; empty for all.
        namespace: String,
    },
    /// What a part of the cluster is doing.
    Part {
        /// Such as `etcd`.
        name: String,
        /// Machine, by number.
        machine: u32,
    },
    /// The newest lines of the trace.
    Trace {
        /// At most so many.
        tail: u32,
    },
}

/// A link of a chain of causes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseView {
    /// Trace number.
    pub seq: u64,
    /// When.
    pub at_ns: u64,
    /// Who, such as `kube-scheduler`.
    pub who: String,
    /// What, in words.
    pub what: String,
}

/// A condition of an object's status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionView {
    /// Such as `Ready`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Reason, or empty.
    pub reason: String,
    /// Message, or empty.
    pub message: String,
    /// Since when, if it says so.
    pub since_ns: Option<u64>,
}

/// A node as the scheduler judged it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictView {
    /// Node.
    pub node: String,
    /// Why it was filtered out, with the plugin's name; empty when it passed.
    pub refused: String,
    /// Weighted score a plugin.
    pub scores: Vec<(String, i64)>,
    /// Their sum.
    pub total: i64,
    /// Whether it was chosen.
    pub chosen: bool,
}

/// What the cluster answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Text as it stands: YAML, a log, a table.
    Text(String),
    /// An object's phase, empty for none, and its conditions in the order that it lists them.
    Status {
        /// Such as `Running`.
        phase: String,
        /// Conditions.
        conditions: Vec<ConditionView>,
    },
    /// A chain of causes, the newest first.
    Causes(Vec<CauseView>),
    /// The scheduler's table.
    Decision {
        /// When it was made.
        at_ns: u64,
        /// One line a node.
        verdicts: Vec<VerdictView>,
        /// In words.
        summary: String,
    },
    /// A table.
    Table {
        /// Column names.
        columns: Vec<String>,
        /// Rows of cells.
        rows: Vec<Vec<String>>,
    },
    /// Pairs of a name and a value, in order.
    Facts(Vec<(String, String)>),
    /// There is no answer; why.
    Nothing(String),
}
