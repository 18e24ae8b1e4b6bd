//! The kubelet as systemd starts it: its configuration, from its machine's.

use std::rc::Rc;

use super::{ComponentContext, Machine};
use crate::runtime::Containerd;

/// Starts a machine's kubelet.
pub(super) fn start(_ctx: &ComponentContext, _machine: &Rc<Machine>, _containerd: &Rc<Containerd>) {}
