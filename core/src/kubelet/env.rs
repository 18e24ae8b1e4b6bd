//! A container's environment. Models `makeEnvironmentVariables` of `pkg/kubelet/kubelet_pods.go` and `pkg/kubelet/envvars`.

use std::net::IpAddr;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector};

use super::Kubelet;
use super::pod;
use crate::api::quantity::Quantity;

/// The variables that name services.
pub(super) type ServiceEnv = Rc<[(String, String)]>;

/// Those of so many namespaces are kept.
const SERVICE_ENV_MAX: usize = 32;

/// Replaces `$(NAME)` by what the environment has, `$$` by `$`. Models third_party/forked/golang/expansion.
pub(super) fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|t| t.split_once(')')) {
            match env.iter().rev().find(|(n, _)| n == name) {
                Some((_, value)) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: String) {
    match env.iter_mut().find(|(n, _)| n == name) {
        Some(e) => e.1 = value,
        None => env.push((name.to_owned(), value)),
    }
}

/// One thing with several name forms: `metadata.labels['x']`.
fn subscript<'a>(path: &'a str, of: &str) -> Option<&'a str> {
    path.strip_prefix(of)?.strip_prefix("['")?.strip_suffix("']")
}

impl Kubelet {
    /// A field of a pod, as the downward API gives it.
    pub(super) fn field(&self, p: &Pod, f: &ObjectFieldSelector, ip: Option<IpAddr>) -> Result<String, String> {
        let m = &p.metadata;
        let lines = |map: &Option<std::collections::BTreeMap<String, String>>| {
            let all = map.iter().flatten().map(|(k, v)| format!("{k}={}", crate::api::field::quote(v)));
            all.collect::<Vec<_>>().join("\n")
        };
        let path = f.field_path.as_str();
        if let Some(key) = subscript(path, "metadata.labels") {
            return Ok(m.labels.as_ref().and_then(|l| l.get(key)).cloned().unwrap_or_default());
        }
        if let Some(key) = subscript(path, "metadata.annotations") {
            return Ok(m.annotations.as_ref().and_then(|l| l.get(key)).cloned().unwrap_or_default());
        }
        let ip = ip.map(|i| i.to_string()).unwrap_or_default();
        Ok(match path {
            "metadata.name" => pod::name(p).to_owned(),
            "metadata.namespace" => pod::namespace(p).to_owned(),
            "metadata.uid" => pod::uid(p).to_owned(),
            "metadata.labels" => lines(&m.labels),
            "metadata.annotations" => lines(&m.annotations),
            "spec.nodeName" => self.0.config.node_name.to_string(),
            "spec.serviceAccountName" => pod::spec(p).service_account_name.clone().unwrap_or_default(),
            "status.hostIP" | "status.hostIPs" => self.0.config.node_ip.to_string(),
            "status.podIP" | "status.podIPs" => ip,
            other => return Err(format!("unsupported fieldPath: {other}")),
        })
    }

    /// A resource of a container, as the downward API gives it: limits that aren't set are the node's.
    pub(super) fn resource(
        &self,
        p: &Pod,
        own: Option<&Container>,
        r: &ResourceFieldSelector,
    ) -> Result<String, String> {
        let c = match r.container_name.as_deref().filter(|n| !n.is_empty()) {
            Some(name) => pod::all_containers(p).find(|(c, _)| c.name == name).map(|(c, _)| c),
            None => own,
        };
        let c = c.ok_or_else(|| format!("container {} not found", r.container_name.clone().unwrap_or_default()))?;
        let (kind, resource) = r.resource.split_once('.').ok_or("unsupported container resource")?;
        let resources = c.resources.as_ref();
        let map = match kind {
            "limits" => resources.and_then(|r| r.limits.as_ref()),
            _ => resources.and_then(|r| r.requests.as_ref()),
        };
        let given = map.and_then(|m| m.get(resource)).map(Quantity::of);
        let node = match resource {
            "cpu" => Quantity::new(i64::from(self.0.config.cpus), Default::default()),
            "memory" => {
                Quantity::new(i64::try_from(self.0.config.memory_bytes).unwrap_or(i64::MAX), Default::default())
            }
            _ => Quantity::new(
                i64::try_from(self.0.config.ephemeral_storage_bytes).unwrap_or(i64::MAX),
                Default::default(),
            ),
        };
        let q = given.unwrap_or(if kind == "limits" { node } else { Quantity::default() });
        let divisor = r.divisor.as_ref().map(Quantity::of).filter(|d| !d.is_zero());
        // Rounded up, as upstream does.
        let divided = if resource == "cpu" {
            let d = divisor.map_or(1000, Quantity::milli_value).max(1);
            q.milli_value().saturating_add(d - 1) / d
        } else {
            let d = divisor.map_or(1, Quantity::value).max(1);
            q.value().saturating_add(d - 1) / d
        };
        Ok(divided.to_string())
    }

    /// The variables that name services: `NAME_SERVICE_HOST` and their like. The pods of a namespace have the same.
    fn service_env(&self, p: &Pod) -> ServiceEnv {
        let links = pod::spec(p).enable_service_links != Some(false);
        let revision = self.0.services.revision();
        let mut known = self.0.service_env.borrow_mut();
        if let Some((at, env)) = known.get(&(pod::namespace(p).to_owned(), links))
            && *at == revision
        {
            return env.clone();
        }
        let env: ServiceEnv = self.new_service_env(p, links).into();
        if known.len() >= SERVICE_ENV_MAX {
            known.pop_first();
        }
        known.insert((pod::namespace(p).to_owned(), links), (revision, env.clone()));
        env
    }

    fn new_service_env(&self, p: &Pod, links: bool) -> Vec<(String, String)> {
        let mut env = Vec::new();
        let mut services = self.0.services.list_namespace(pod::namespace(p));
        if !links {
            services.clear();
        }
        if pod::namespace(p) != "default" || !links {
            // The api-server's own service is known everywhere.
            services.extend(self.0.services.get("default/kubernetes"));
        }
        for s in services {
            let Some(spec) = &s.spec else { continue };
            let Some(ip) = spec.cluster_ip.as_deref().filter(|i| !i.is_empty() && *i != "None") else { continue };
            let name = s.metadata.name.as_deref().unwrap_or_default().to_uppercase().replace('-', "_");
            let ports = spec.ports.as_deref().unwrap_or_default();
            let Some(first) = ports.first() else { continue };
            env.push((format!("{name}_SERVICE_HOST"), ip.to_owned()));
            env.push((format!("{name}_SERVICE_PORT"), first.port.to_string()));
            for port in ports {
                if let Some(n) = port.name.as_deref().filter(|n| !n.is_empty()) {
                    let n = n.to_uppercase().replace('-', "_");
                    env.push((format!("{name}_SERVICE_PORT_{n}"), port.port.to_string()));
                }
            }
            for (i, port) in ports.iter().enumerate() {
                let protocol = port.protocol.as_deref().unwrap_or("TCP");
                let url = format!("{}://{ip}:{}", protocol.to_lowercase(), port.port);
                if i == 0 {
                    env.push((format!("{name}_PORT"), url.clone()));
                }
                let prefix = format!("{name}_PORT_{}_{protocol}", port.port);
                env.push((prefix.clone(), url));
                env.push((format!("{prefix}_PROTO"), protocol.to_lowercase()));
                env.push((format!("{prefix}_PORT"), port.port.to_string()));
                env.push((format!("{prefix}_ADDR"), ip.to_owned()));
            }
        }
        env
    }

    /// All variables of a container; an error is why it can't be made.
    pub(super) async fn environment(
        &self,
        p: &Pod,
        c: &Container,
        ip: Option<IpAddr>,
    ) -> Result<Vec<(String, String)>, String> {
        let ns = pod::namespace(p);
        let mut env: Vec<(String, String)> = Vec::new();
        for from in c.env_from.iter().flatten() {
            let prefix = from.prefix.as_deref().unwrap_or_default();
            if let Some(r) = &from.config_map_ref {
                match self.config_map(ns, &r.name).await {
                    Ok(m) => {
                        for (k, v) in m.data.iter().flatten() {
                            set(&mut env, &format!("{prefix}{k}"), v.clone());
                        }
                    }
                    Err(e) if e.is_not_found() && r.optional == Some(true) => {}
                    Err(e) => return Err(missing("configmap", &r.name, &e)),
                }
            } else if let Some(r) = &from.secret_ref {
                match self.secret(ns, &r.name).await {
                    Ok(m) => {
                        for (k, v) in m.data.iter().flatten() {
                            set(&mut env, &format!("{prefix}{k}"), String::from_utf8_lossy(&v.0).into_owned());
                        }
                    }
                    Err(e) if e.is_not_found() && r.optional == Some(true) => {}
                    Err(e) => return Err(missing("secret", &r.name, &e)),
                }
            }
        }
        let services = self.service_env(p);
        for v in c.env.iter().flatten() {
            let value = match (&v.value, &v.value_from) {
                (_, Some(from)) => {
                    if let Some(f) = &from.field_ref {
                        self.field(p, f, ip)?
                    } else if let Some(r) = &from.resource_field_ref {
                        self.resource(p, Some(c), r)?
                    } else if let Some(r) = &from.config_map_key_ref {
                        let optional = r.optional == Some(true);
                        match self.config_map(ns, &r.name).await {
                            Ok(m) => match m.data.as_ref().and_then(|d| d.get(&r.key)) {
                                Some(v) => v.clone(),
                                None if optional => continue,
                                None => {
                                    return Err(format!("couldn't find key {} in ConfigMap {ns}/{}", r.key, r.name));
                                }
                            },
                            Err(e) if e.is_not_found() && optional => continue,
                            Err(e) => return Err(missing("configmap", &r.name, &e)),
                        }
                    } else if let Some(r) = &from.secret_key_ref {
                        let optional = r.optional == Some(true);
                        match self.secret(ns, &r.name).await {
                            Ok(m) => match m.data.as_ref().and_then(|d| d.get(&r.key)) {
                                Some(v) => String::from_utf8_lossy(&v.0).into_owned(),
                                None if optional => continue,
                                None => return Err(format!("couldn't find key {} in Secret {ns}/{}", r.key, r.name)),
                            },
                            Err(e) if e.is_not_found() && optional => continue,
                            Err(e) => return Err(missing("secret", &r.name, &e)),
                        }
                    } else {
                        String::new()
                    }
                }
                (Some(v), None) if v.contains('$') => {
                    let mut known = services.to_vec();
                    known.extend(env.iter().cloned());
                    expand(v, &known)
                }
                (v, None) => v.clone().unwrap_or_default(),
            };
            set(&mut env, &v.name, value);
        }
        for (name, value) in services.iter() {
            if !env.iter().any(|(n, _)| n == name) {
                env.push((name.clone(), value.clone()));
            }
        }
        Ok(env)
    }
}

fn missing(kind: &str, name: &str, e: &crate::client::ClientError) -> String {
    if e.is_not_found() { format!("{kind} \"{name}\" not found") } else { e.to_string() }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn references_are_expanded_once() {
        let env = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$(A)".to_owned())];
        assert_eq!(expand("x $(A) $(B) $(C) $$(A) $A $", &env), "x 1 $(A) $(C) $(A) $A $");
    }
}
