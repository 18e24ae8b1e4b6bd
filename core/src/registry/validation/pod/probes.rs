//! Probes, lifecycle hooks and their handlers.
//! Models `pkg/apis/core/validation/validation.go` (validateProbe, validateHandler, validateLifecycle).

use k8s_openapi::api::core::v1::{
    ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, PodOS, Probe, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::registry::validation::prelude::*;

/// A probe's or a hook's handler.
struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<&'a GRPCAction>,
    sleep: Option<&'a SleepAction>,
}

pub(super) fn probe(p: &Probe, path: &Path, errs: &mut ErrorList) {
    let of_probe = Handler {
        exec: p.exec.as_ref(),
        http_get: p.http_get.as_ref(),
        tcp_socket: p.tcp_socket.as_ref(),
        grpc: p.grpc.as_ref(),
        sleep: None,
    };
    handler(&of_probe, None, path, errs);
    let fields = [
        ("initialDelaySeconds", p.initial_delay_seconds),
        ("timeoutSeconds", p.timeout_seconds),
        ("periodSeconds", p.period_seconds),
        ("successThreshold", p.success_threshold),
        ("failureThreshold", p.failure_threshold),
    ];
    for (name, value) in fields {
        nonnegative(i64::from(value.unwrap_or(0)), &path.child(name), errs);
    }
    if let Some(seconds) = p.termination_grace_period_seconds.filter(|s| *s <= 0) {
        errs.push(Error::invalid(
            &path.child("terminationGracePeriodSeconds"),
            &json!(seconds),
            "must be greater than 0",
        ));
    }
}

pub(super) fn success_threshold_is_one(p: &Probe, path: &Path, errs: &mut ErrorList) {
    let threshold = p.success_threshold.unwrap_or(0);
    if threshold != 1 {
        errs.push(Error::invalid(&path.child("successThreshold"), &json!(threshold), "must be 1"));
    }
}

pub(super) fn lifecycle(
    lifecycle: &Lifecycle,
    grace_period_seconds: Option<i64>,
    os: Option<&PodOS>,
    path: &Path,
    errs: &mut ErrorList,
) {
    let hook = |h: &LifecycleHandler, name: &str, errs: &mut ErrorList| {
        let of_hook = Handler {
            exec: h.exec.as_ref(),
            http_get: h.http_get.as_ref(),
            tcp_socket: h.tcp_socket.as_ref(),
            grpc: None,
            sleep: h.sleep.as_ref(),
        };
        handler(&of_hook, grace_period_seconds, &path.child(name), errs);
    };
    if let Some(h) = &lifecycle.post_start {
        hook(h, "postStart", errs);
    }
    if let Some(h) = &lifecycle.pre_stop {
        hook(h, "preStop", errs);
    }
    if let Some(signal) = &lifecycle.stop_signal {
        stop_signal(signal, os, &path.child("stopSignal"), errs);
    }
}

fn stop_signal(signal: &str, os: Option<&PodOS>, path: &Path, errs: &mut ErrorList) {
    match os.map(|os| os.name.as_str()) {
        None => errs.push(Error::forbidden(path, "may not be set for containers with empty `spec.os.name`")),
        Some("windows") => one_of(signal, &["SIGKILL", "SIGTERM"], path, errs),
        Some("linux") => one_of(signal, &LINUX_SIGNALS, path, errs),
        Some(_) => {}
    }
}

/// In byte order, as upstream prints them.
const LINUX_SIGNALS: [&str; 65] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMAX-1",
    "SIGRTMAX-10",
    "SIGRTMAX-11",
    "SIGRTMAX-12",
    "SIGRTMAX-13",
    "SIGRTMAX-14",
    "SIGRTMAX-2",
    "SIGRTMAX-3",
    "SIGRTMAX-4",
    "SIGRTMAX-5",
    "SIGRTMAX-6",
    "SIGRTMAX-7",
    "SIGRTMAX-8",
    "SIGRTMAX-9",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGRTMIN+10",
    "SIGRTMIN+11",
    "SIGRTMIN+12",
    "SIGRTMIN+13",
    "SIGRTMIN+14",
    "SIGRTMIN+15",
    "SIGRTMIN+2",
    "SIGRTMIN+3",
    "SIGRTMIN+4",
    "SIGRTMIN+5",
    "SIGRTMIN+6",
    "SIGRTMIN+7",
    "SIGRTMIN+8",
    "SIGRTMIN+9",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

fn handler(h: &Handler, grace_period_seconds: Option<i64>, path: &Path, errs: &mut ErrorList) {
    let mut found = false;
    // Only the first handler is looked into; each further one is refused.
    let mut first = |name: &str, errs: &mut ErrorList| {
        let is_first = !found;
        found = true;
        if !is_first {
            errs.push(Error::forbidden(&path.child(name), "may not specify more than 1 handler type"));
        }
        is_first
    };
    if let Some(exec) = h.exec
        && first("exec", errs)
        && list(&exec.command).is_empty()
    {
        errs.push(Error::required(&path.child("exec.command"), ""));
    }
    if let Some(http) = h.http_get
        && first("httpGet", errs)
    {
        http_get(http, &path.child("httpGet"), errs);
    }
    if let Some(tcp) = h.tcp_socket
        && first("tcpSocket", errs)
    {
        port_number_or_name(&tcp.port, &path.child("tcpSocket.port"), errs);
    }
    if let Some(grpc) = h.grpc
        && first("grpc", errs)
    {
        names::port_number(grpc.port, &path.child("grpc.port"), errs);
    }
    if let Some(sleep) = h.sleep
        && first("sleep", errs)
        && let Some(grace) = grace_period_seconds
        && (sleep.seconds < 0 || sleep.seconds > grace)
    {
        errs.push(Error::invalid(
            &path.child("sleep"),
            &json!(sleep.seconds),
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})"),
        ));
    }
    if !found {
        errs.push(Error::required(path, "must specify a handler type"));
    }
}

fn http_get(http: &HTTPGetAction, path: &Path, errs: &mut ErrorList) {
    if text(&http.path).is_empty() {
        errs.push(Error::required(&path.child("path"), ""));
    }
    port_number_or_name(&http.port, &path.child("port"), errs);
    one_of(text(&http.scheme), &["HTTP", "HTTPS"], &path.child("scheme"), errs);
    for header in list(&http.http_headers) {
        names::http_header_name(&header.name, &path.child("httpHeaders"), errs);
    }
}

/// Upstream's `ValidatePortNumOrName`.
pub(crate) fn port_number_or_name(port: &IntOrString, path: &Path, errs: &mut ErrorList) {
    match port {
        IntOrString::Int(number) => names::port_number(*number, path, errs),
        IntOrString::String(name) => invalid_each(names::port_name_messages(name), name, path, errs),
    }
}
