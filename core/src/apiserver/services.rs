//! Cluster IPs and node ports: given out before a Service is validated, and kept when it changes.
//! Models `pkg/registry/core/service/storage/{storage,alloc}.go` and the allocators beside it.

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::ApiServer;
use crate::api::field::ErrorList;
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::status::Status;
use crate::registry::validation::service::needs_health_check;

mod families;
mod kept;
mod pool;
mod ports;

use pool::Pool;

/// The family of the addresses that this cluster gives out.
const FAMILY: &str = "IPv4";

fn kind(spec: &ServiceSpec) -> &str {
    spec.type_.as_deref().unwrap_or_default()
}

fn needs_cluster_ip(spec: &ServiceSpec) -> bool {
    kind(spec) != "ExternalName"
}

fn list<T>(items: &Option<Vec<T>>) -> &[T] {
    items.as_deref().unwrap_or_default()
}

fn is_headless(spec: &ServiceSpec) -> bool {
    list(&spec.cluster_ips).first().is_some_and(|ip| ip == "None")
}

fn invalid(name: &str, errors: ErrorList) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "Service", name, &errors)) }
}

impl ApiServer {
    /// Gives a new Service the addresses and ports that it needs; others pass. Upstream's `beginCreate`.
    pub(super) fn begin_create(&self, obj: &mut Obj, dry_run: bool) -> Result<(), Status> {
        if typed::<Service>(&**obj).is_none() {
            return Ok(());
        }
        let mut pool = self.pool(dry_run);
        let Some(service) = typed_mut::<Service>(make_mut(obj)) else { return Ok(()) };
        let name = service.metadata.name.clone().unwrap_or_default();
        let spec = service.spec.get_or_insert_default();
        kept::normalize_new(spec);
        invalid(&name, families::init(spec, None))?;
        allocate_ips(spec, &name, &mut pool)?;
        if matches!(kind(spec), "NodePort" | "LoadBalancer") {
            ports::init(spec, &name, &mut pool)?;
        }
        if needs_health_check(spec) {
            ports::health_check(spec, &mut pool)?;
        }
        Ok(())
    }

    /// Keeps what was given out to a Service that changes, and gives it what it newly needs. Upstream's `beginUpdate`.
    pub(super) fn begin_update(&self, new: &mut Obj, old: &Obj, dry_run: bool) -> Result<(), Status> {
        let Some(was) = typed::<Service>(&**old).and_then(|s| s.spec.as_ref()) else { return Ok(()) };
        let mut pool = self.pool(dry_run);
        let Some(service) = typed_mut::<Service>(make_mut(new)) else { return Ok(()) };
        let name = service.metadata.name.clone().unwrap_or_default();
        let spec = service.spec.get_or_insert_default();
        kept::patch(spec, was);
        kept::normalize(spec, was);
        invalid(&name, families::init(spec, Some(was)))?;
        if !needs_cluster_ip(was) && needs_cluster_ip(spec) {
            allocate_ips(spec, &name, &mut pool)?;
        }
        if matches!(kind(spec), "NodePort" | "LoadBalancer") {
            ports::update(spec, was, &name, &mut pool)?;
        }
        if needs_health_check(spec) && !needs_health_check(was) {
            ports::health_check(spec, &mut pool)?;
        }
        Ok(())
    }

    fn pool(&self, dry_run: bool) -> Pool<'_> {
        let mut pool = Pool::new(&self.sim, dry_run);
        for service in self.all_of::<Service>(None) {
            if let Some(spec) = &service.spec {
                pool.taken_by(spec);
            }
        }
        pool
    }
}

/// An address for each family that the Service is to have.
fn allocate_ips(spec: &mut ServiceSpec, name: &str, pool: &mut Pool<'_>) -> Result<(), Status> {
    if !needs_cluster_ip(spec) || is_headless(spec) {
        return Ok(());
    }
    let mut ips = list(&spec.cluster_ips).to_vec();
    ips.resize(list(&spec.ip_families).len().max(ips.len()), String::new());
    for i in 0..list(&spec.ip_families).len() {
        let Some(ip) = ips.get(i) else { continue };
        let given = pool.ip(ip, &ips, name)?;
        if i == 0 {
            spec.cluster_ip = Some(given.clone());
        }
        if let Some(ip) = ips.get_mut(i) {
            *ip = given;
        }
    }
    spec.cluster_ips = Some(ips);
    Ok(())
}

#[cfg(test)]
mod tests;
