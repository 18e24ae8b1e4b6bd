//! The node's lease: renewed every 10 s, valid for 40. Models component-helpers' `apimachinery/lease/controller.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::Kubelet;

const NAMESPACE: &str = "kube-node-lease";
const DURATION_S: i32 = 40;
/// A quarter of the lease's duration.
const RENEW: Duration = Duration::from_secs(10);
const RENEW_JITTER: f64 = 0.04;
/// Tries in a row before waiting for the next round.
const RETRIES: usize = 5;
const BACK_OFF_MAX: Duration = Duration::from_secs(7);

impl Kubelet {
    pub(super) fn run_lease(&self) {
        let kubelet = self.clone();
        self.spawn(async move {
            let sim = kubelet.0.sim.clone();
            let mut latest: Option<Rc<Lease>> = None;
            loop {
                // The cause of a renewal is the clock alone.
                sim.set_cause(0);
                latest = kubelet.renew(latest.take()).await;
                sim.sleep(sim.jitter(RENEW, RENEW_JITTER)).await;
            }
        });
    }

    fn lease(&self, base: Option<&Lease>) -> Lease {
        let name = self.0.config.node_name.to_string();
        let mut lease = base.cloned().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(NAMESPACE.into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(name),
                lease_duration_seconds: Some(DURATION_S),
                ..LeaseSpec::default()
            }),
        });
        let now = self.0.sim.timestamp();
        let micros = jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        lease.spec.get_or_insert_default().renew_time = Some(MicroTime(micros));
        if lease.metadata.owner_references.is_none() {
            lease.metadata.owner_references = self.node_owner().map(|mut o| {
                o.controller = None;
                vec![o]
            });
        }
        lease
    }

    /// Renews the lease, making it if it isn't there.
    async fn renew(&self, latest: Option<Rc<Lease>>) -> Option<Rc<Lease>> {
        let mut base = latest;
        if base.is_some() {
            for _ in 0..RETRIES {
                match self.0.heartbeat.update(self.lease(base.as_deref())).await {
                    Ok(l) => return Some(l),
                    Err(e) if e.is_conflict() => {
                        base = self.0.heartbeat.get::<Lease>(NAMESPACE, &self.0.config.node_name).await.ok();
                    }
                    Err(e) if e.is_not_found() => {
                        base = None;
                        break;
                    }
                    // Tried again at once, a few times: an api-server that restarts is back soon.
                    Err(_) => {}
                }
                if base.is_none() {
                    break;
                }
            }
            if base.is_some() {
                return base;
            }
        }
        let mut wait = Duration::from_millis(100);
        loop {
            match self.0.heartbeat.get::<Lease>(NAMESPACE, &self.0.config.node_name).await {
                Ok(l) => {
                    let updated = self.0.heartbeat.update(self.lease(Some(&l))).await;
                    return Some(updated.unwrap_or(l));
                }
                Err(e) if e.is_not_found() => {
                    if let Ok(l) = self.0.heartbeat.create(self.lease(None)).await {
                        return Some(l);
                    }
                }
                Err(_) => {}
            }
            wait = (wait * 2).min(BACK_OFF_MAX);
            self.0.sim.sleep(wait).await;
        }
    }
}
