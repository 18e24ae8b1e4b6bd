//! Lifecycle hooks. Models `pkg/kubelet/lifecycle/handlers.go`.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, LifecycleHandler, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Kubelet;
use crate::network::{HttpError, HttpRequest, HttpResponse};
use crate::runtime::containerd::Id;

/// A port by its number or by its name in the container.
pub(super) fn port(c: &Container, p: &IntOrString) -> Option<u16> {
    match p {
        IntOrString::Int(n) => u16::try_from(*n).ok().filter(|n| *n > 0),
        IntOrString::String(name) => {
            let named = c.ports.iter().flatten().find(|p| p.name.as_deref() == Some(name));
            named.map(|p| p.container_port).or_else(|| name.parse().ok()).and_then(|n| u16::try_from(n).ok())
        }
    }
}

/// An HTTP error as Go's client prints it.
pub(super) fn http_error(url: &str, to: (IpAddr, u16), e: &HttpError) -> String {
    let why = match e {
        HttpError::TimedOut { .. } => {
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned()
        }
        e => e.in_go(to),
    };
    format!("Get \"{url}\": {why}")
}

impl Kubelet {
    /// Asks for what an HTTPGetAction says: the URL, and the answer or why there is none.
    pub(super) async fn http_action(
        &self,
        c: &Container,
        a: &HTTPGetAction,
        ip: Option<IpAddr>,
        agent: &str,
        timeout: Duration,
    ) -> Result<HttpResponse, String> {
        let host = a.host.as_deref().filter(|h| !h.is_empty());
        let address = host.map_or(ip, |h| h.parse().ok());
        let scheme = a.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
        let path = a.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let Some(port) = port(c, &a.port) else { return Err(format!("couldn't find port: {:?}", a.port)) };
        let shown = host.map(str::to_owned).or_else(|| ip.map(|i| i.to_string())).unwrap_or_default();
        let url = format!("{scheme}://{shown}:{port}{path}");
        let Some(address) = address else {
            return Err(format!("Get \"{url}\": dial tcp: lookup {shown}: no such host"));
        };
        let mut headers = vec![("User-Agent".to_owned(), agent.to_owned()), ("Accept".to_owned(), "*/*".to_owned())];
        let mut host_header = format!("{shown}:{port}");
        for h in a.http_headers.iter().flatten() {
            if h.name.eq_ignore_ascii_case("host") {
                host_header = h.value.clone();
            } else if let Some(have) = headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(&h.name)) {
                have.1 = h.value.clone();
            } else {
                headers.push((h.name.clone(), h.value.clone()));
            }
        }
        let request =
            HttpRequest { path, host: host_header, headers, tls: scheme == "https", ..HttpRequest::default() };
        let network = self.0.runtime.shims().network();
        let answer = network.http(self.0.runtime.machine(), (address, port), &request, timeout).await;
        answer.map_err(|e| http_error(&url, (address, port), &e))
    }

    /// Runs a hook.
    pub(super) async fn run_handler(
        &self,
        _p: &Rc<Pod>,
        c: &Container,
        id: Id,
        ip: Option<IpAddr>,
        hook: &LifecycleHandler,
    ) -> Result<(), String> {
        if let Some(exec) = &hook.exec {
            let args = exec.command.clone().unwrap_or_default();
            let output =
                self.0.runtime.exec_sync(id, args.clone(), Duration::from_secs(3600)).await.map_err(|e| e.message())?;
            return match output.exit_code {
                Some(0) => Ok(()),
                code => Err(format!("command '{}' exited with {}", args.join(" "), code.unwrap_or(-1))),
            };
        }
        if let Some(http) = &hook.http_get {
            let agent = "kube-lifecycle/1.36";
            let answer = self.http_action(c, http, ip, agent, Duration::from_secs(60)).await?;
            return if answer.status < 400 {
                Ok(())
            } else {
                Err(format!("HTTP hook failed with statuscode: {}", answer.status))
            };
        }
        if let Some(sleep) = &hook.sleep {
            self.0.sim.sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        }
        Ok(())
    }
}
