//! Inputs in words, for the trace.

use crate::session::{ComponentAction, Input, MachineAction, ServiceAction};

/// What the person did, in words.
pub(super) fn describe(input: &Input) -> String {
    match input {
        Input::Command { line, .. } => line.clone(),
        Input::Interrupt { .. } => "Ctrl-C".to_owned(),
        Input::Type { text, .. } => format!("type {text:?}"),
        Input::Machine { machine, action } => {
            let what = match action {
                MachineAction::PowerOff => "power off",
                MachineAction::PowerOn => "power on",
                MachineAction::Unplug => "unplug the network of",
                MachineAction::Plug => "plug in the network of",
                MachineAction::Remove => "remove",
            };
            format!("{what} {machine}")
        }
        Input::Service { machine, service, action } => {
            let what = match action {
                ServiceAction::Stop => "systemctl stop",
                ServiceAction::Start => "systemctl start",
                ServiceAction::Restart => "systemctl restart",
                ServiceAction::Kill => "kill -9",
            };
            format!("{what} {service} on {machine}")
        }
        Input::Component { machine, component, action } => {
            let what = match action {
                ComponentAction::Stop => "stop",
                ComponentAction::Start => "start",
                ComponentAction::Kill => "kill",
            };
            format!("{what} {component} on {machine}")
        }
        Input::KillContainer { namespace, pod, container } => {
            format!("kill container {container} of {namespace}/{pod}")
        }
        Input::AddNodes { count } => format!("add {count} nodes"),
        Input::Visit { namespace, pod, port, path, .. } => format!("open {path} on port {port} of {namespace}/{pod}"),
        Input::Request { method, path, .. } => format!("{method} {path}"),
    }
}
