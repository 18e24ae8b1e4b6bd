//! What the page sees: compact frames of changes, made from the cluster's state and trace.
//!
//! An observer stands outside the cluster: it reads what etcd holds and what the trace says, changes nothing and takes no
//! virtual time. A frame costs in proportion to what changed since the last one.

mod inspect;
mod messages;
mod observer;
mod pods;
#[cfg(test)]
mod tests;
mod timers;
mod view;
mod workloads;

pub use inspect::{Answer, CauseView, ConditionView, Question, VerdictView};
pub use observer::{MachineFacts, Observer, PullFacts, World};
pub use view::{
    ContainerShape, ContainerView, EventView, Frame, MessageKind, MessageView, NodeHealth, NodeView, PartState,
    PartView, PodShape, PodView, TimerKind, TimerView, WorkloadView,
};
