//! Where a proxied request goes. Models `ResourceLocation` of `pkg/registry/core/{pod,service,node}`.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{ApiServer, Body, Context, KubeletCall, Response};
use crate::api::field::quote;
use crate::api::object::typed;
use crate::api::status::Status;
use crate::etcd::Value;
use crate::registry::Served;

/// A name that may carry a scheme before and a port after: `https:name:port`. Models `SplitSchemeNamePort`.
fn split(id: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = id.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] if matches!(*scheme, "" | "http" | "https") => (*scheme, *name, *port),
        _ => return None,
    };
    (!name.is_empty()).then_some((scheme, name, port))
}

impl ApiServer {
    pub(super) fn proxy_response(&mut self, cx: &Context<'_>, served: &Served) -> Result<Response, Status> {
        let resource = served.info.resource;
        let Some((_, name, port)) = split(&cx.info.name) else {
            let what = served.info.singular;
            return Err(Status::bad_request(format!("invalid {what} request {}", quote(&cx.info.name))));
        };
        let namespace = Self::namespace_of(cx, served);
        let Some((object, _)) = self.load(served.id, namespace, name) else {
            return Err(self.not_found(served.id, name));
        };
        let mut node = String::new();
        let to = match resource {
            "pods" => {
                let pod = typed::<Pod>(&*object);
                node = pod.and_then(|p| p.spec.as_ref()?.node_name.clone()).unwrap_or_default();
                Some(pod.map_or_else(|| Err(unreachable(name)), |p| pod_address(p, port))?)
            }
            "services" => {
                let service = typed::<Service>(&*object);
                Some(service.map_or_else(|| Err(unreachable(name)), |s| self.service_address(s, &cx.info.name, port))?)
            }
            _ => {
                name.clone_into(&mut node);
                typed::<Node>(&*object).and_then(|n| node_address(n, port))
            }
        };
        let call = KubeletCall {
            node,
            namespace: namespace.to_owned(),
            pod: name.to_owned(),
            uid: object.meta().uid.clone().unwrap_or_default(),
            container: String::new(),
            what: "proxy",
            path: cx.info.rest.clone(),
            query: cx.query.pairs().to_vec(),
            to,
        };
        Ok(Response { code: 200, headers: Vec::new(), body: Body::Kubelet(Box::new(call)) })
    }

    /// One of the endpoints behind a service's port.
    fn service_address(&self, service: &Service, id: &str, port: &str) -> Result<(IpAddr, u16), Status> {
        let (namespace, name) = (
            service.metadata.namespace.as_deref().unwrap_or_default(),
            service.metadata.name.as_deref().unwrap_or_default(),
        );
        let spec = service.spec.as_ref();
        let ports = spec.and_then(|s| s.ports.as_deref()).unwrap_or_default();
        // Ports are known by their names or numbers; without one a service must have a single port.
        let wanted = match (port, ports) {
            ("", [one]) => one.name.as_deref().unwrap_or_default(),
            ("", _) => "",
            (port, ports) => {
                let numbered = ports.iter().find(|p| p.port.to_string() == port);
                match numbered {
                    Some(p) => p.name.as_deref().unwrap_or_default(),
                    None if ports.iter().any(|p| p.name.as_deref() == Some(port)) => port,
                    None if port.bytes().all(|b| b.is_ascii_digit()) => {
                        let why = format!("no service port {port} found for service {}", quote(name));
                        return Err(Status::service_unavailable(why));
                    }
                    None => port,
                }
            }
        };
        let none = || Status::service_unavailable(format!("no endpoints available for service {}", quote(id)));
        let mut found: Vec<(IpAddr, u16)> = Vec::new();
        let slices = self.registry.id_of::<EndpointSlice>().ok_or_else(none)?;
        let prefix = format!("{}{namespace}/", self.registry.info(slices).prefix());
        self.etcd.store.borrow().for_each_prefix(&prefix, |_, value, _| {
            let Value::Object(o) = value else { return };
            let Some(slice) = typed::<EndpointSlice>(&**o) else { return };
            let owner = slice.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
            if owner.map(String::as_str) != Some(name) {
                return;
            }
            let port = slice.ports.iter().flatten().find(|p| p.name.as_deref().unwrap_or_default() == wanted);
            let Some(port) = port.and_then(|p| u16::try_from(p.port?).ok()) else { return };
            for e in slice.endpoints.iter().flatten() {
                if e.conditions.as_ref().and_then(|c| c.ready) != Some(false) {
                    found.extend(e.addresses.first().and_then(|a| a.parse().ok()).map(|ip| (ip, port)));
                }
            }
        });
        if found.is_empty() {
            return Err(none());
        }
        // Chosen at random, as upstream does.
        let at = self.sim.random_below(found.len() as u64) as usize;
        found.get(at).copied().ok_or_else(none)
    }
}

fn unreachable(name: &str) -> Status {
    Status::internal(format!("{name} has no address"))
}

fn pod_address(pod: &Pod, port: &str) -> Result<(IpAddr, u16), Status> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let ip = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
    let Some(ip) = ip else { return Err(Status::bad_request("address not allowed")) };
    let named = pod.spec.iter().flat_map(|s| &s.containers).flat_map(|c| c.ports.iter().flatten()).next();
    let port = match (port, named) {
        ("", Some(p)) => u16::try_from(p.container_port).ok(),
        ("", None) => Some(80),
        (port, _) => port.parse().ok(),
    };
    port.map(|port| (ip, port)).ok_or_else(|| Status::bad_request(format!("invalid pod request {}", quote(name))))
}

fn node_address(node: &Node, port: &str) -> Option<(IpAddr, u16)> {
    let addresses = node.status.as_ref()?.addresses.as_deref().unwrap_or_default();
    let ip = addresses.iter().find(|a| a.type_ == "InternalIP")?.address.parse().ok()?;
    // Without a port the kubelet itself is meant.
    port.parse().ok().map(|port| (ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_ports() {
        assert_eq!(split("web"), Some(("", "web", "")));
        assert_eq!(split("web:80"), Some(("", "web", "80")));
        assert_eq!(split("http:web:http"), Some(("http", "web", "http")));
        assert_eq!(split("https:web:"), Some(("https", "web", "")));
        assert_eq!(split("ftp:web:80"), None);
        assert_eq!(split(":80"), None);
        assert_eq!(split("a:b:c:d"), None);
    }
}
