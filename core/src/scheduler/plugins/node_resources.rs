//! Plugins that look at CPU, memory and the like. Models kube-scheduler `plugins/noderesources`.

pub mod balanced_allocation;
pub mod fit;
