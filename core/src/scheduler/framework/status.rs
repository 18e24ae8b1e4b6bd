//! What a plugin answers: a code, its reasons and the plugin that said so.
//! Models kube-scheduler `framework/interface.go` (Code, Status).

use std::rc::Rc;

/// A plugin's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    Success,
    /// An internal failure; the pod is retried with back-off.
    Error,
    /// The pod can't be placed now; preemption may help.
    Unschedulable,
    /// The pod can't be placed, and removing pods from the node wouldn't help.
    UnschedulableAndUnresolvable,
    /// A permit plugin wants the pod to wait.
    Wait,
    /// The plugin has nothing to do for this pod at the coupled extension points.
    Skip,
    /// The plugin expects something outside to make the pod schedulable soon.
    Pending,
}

/// Reasons, cheap for the common constant ones.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reasons {
    None,
    One(&'static str),
    Many(Rc<[String]>),
}

/// Upstream's `fwk.Status`. The successful one costs nothing to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: Code,
    reasons: Reasons,
    plugin: &'static str,
}

impl Status {
    /// Success, without a reason.
    pub const SUCCESS: Status = Status { code: Code::Success, reasons: Reasons::None, plugin: "" };
    /// Nothing to do at the coupled extension points.
    pub const SKIP: Status = Status { code: Code::Skip, reasons: Reasons::None, plugin: "" };

    /// A status with one constant reason.
    pub const fn new(code: Code, reason: &'static str) -> Self {
        Status { code, reasons: Reasons::One(reason), plugin: "" }
    }
    /// A status without a reason.
    pub const fn bare(code: Code) -> Self {
        Status { code, reasons: Reasons::None, plugin: "" }
    }
    /// A status with reasons made for the occasion.
    pub fn with_reasons(code: Code, reasons: Vec<String>) -> Self {
        Status { code, reasons: Reasons::Many(reasons.into()), plugin: "" }
    }
    /// A status with one reason made for the occasion.
    pub fn with_reason(code: Code, reason: String) -> Self {
        Self::with_reasons(code, vec![reason])
    }
    /// An internal error.
    pub fn error(message: String) -> Self {
        Self::with_reason(Code::Error, message)
    }
    /// The same, said by `plugin`.
    #[must_use]
    pub fn by(mut self, plugin: &'static str) -> Self {
        self.plugin = plugin;
        self
    }
    /// The verdict.
    pub fn code(&self) -> Code {
        self.code
    }
    /// The plugin that gave the verdict, or "".
    pub fn plugin(&self) -> &'static str {
        self.plugin
    }
    /// Whether all is well.
    pub fn is_success(&self) -> bool {
        self.code == Code::Success
    }
    /// Whether the plugin has nothing to do.
    pub fn is_skip(&self) -> bool {
        self.code == Code::Skip
    }
    /// Whether the pod waits at Permit.
    pub fn is_wait(&self) -> bool {
        self.code == Code::Wait
    }
    /// Whether the pod was turned down, as against an internal error.
    pub fn is_rejected(&self) -> bool {
        matches!(self.code, Code::Unschedulable | Code::UnschedulableAndUnresolvable | Code::Pending)
    }
    /// The reasons, in the plugin's order.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        let (one, many): (Option<&str>, &[String]) = match &self.reasons {
            Reasons::None => (None, &[]),
            Reasons::One(r) => (Some(r), &[]),
            Reasons::Many(rs) => (None, rs),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }
    /// The reasons joined as upstream's `Message()`.
    pub fn message(&self) -> String {
        self.reasons().collect::<Vec<_>>().join(", ")
    }
}
