//! Node labels that serve as topology keys, as columns of small numbers: value 0 is "label missing".
//! Replaces string look-ups per pod and node in upstream's spreading and affinity plugins.

use std::rc::Rc;

use indexmap::{IndexMap, IndexSet};
use k8s_openapi::api::core::v1::Node;
use rustc_hash::FxBuildHasher;

use crate::scheduler::framework::node_info::{NodeId, NodeInfo};

/// The values of one label over all nodes.
#[derive(Clone, Debug)]
pub struct Column {
    pub key: String,
    values: Vec<u32>,
    names: IndexSet<String, FxBuildHasher>,
}

impl Column {
    /// The node's value as a number; 0 when the node lacks the label.
    pub fn value(&self, node: NodeId) -> u32 {
        self.values.get(node.index()).copied().unwrap_or(0)
    }
    /// One more than the largest number in use.
    pub fn size(&self) -> usize {
        self.names.len() + 1
    }
    fn set(&mut self, node: NodeId, value: Option<&String>) {
        if self.values.len() <= node.index() {
            self.values.resize(node.index() + 1, 0);
        }
        let number = match value {
            None => 0,
            Some(v) => match self.names.get_index_of(v) {
                Some(at) => at + 1,
                None => self.names.insert_full(v.clone()).0 + 1,
            },
        };
        if let Some(slot) = self.values.get_mut(node.index()) {
            *slot = u32::try_from(number).unwrap_or(0);
        }
    }
}

/// The columns asked for so far.
#[derive(Debug, Default)]
pub struct Topology {
    columns: IndexMap<String, Rc<Column>, FxBuildHasher>,
}

impl Topology {
    /// The column of a label, built from `nodes` at the first call.
    pub fn column(&mut self, key: &str, nodes: &[NodeInfo]) -> Rc<Column> {
        if let Some(column) = self.columns.get(key) {
            return Rc::clone(column);
        }
        let mut column = Column { key: key.to_owned(), values: Vec::new(), names: IndexSet::default() };
        for info in nodes {
            column.set(info.id, info.labels().and_then(|l| l.get(key)));
        }
        let column = Rc::new(column);
        self.columns.insert(key.to_owned(), Rc::clone(&column));
        column
    }
    /// A node has come, changed or gone.
    pub fn update(&mut self, id: NodeId, node: Option<&Node>) {
        let labels = node.and_then(|n| n.metadata.labels.as_ref());
        for (key, column) in &mut self.columns {
            Rc::make_mut(column).set(id, labels.and_then(|l| l.get(key)));
        }
    }
}
