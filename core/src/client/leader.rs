//! Leader election by a Lease: of several instances of a component one works. Models client-go's `tools/leaderelection`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::rest::{Client, ClientError};
use crate::sim::SimTime;

/// Settings of an election; the defaults are the components' own.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// This instance.
    pub identity: String,
    /// How long others wait before they take over.
    pub lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// Between tries.
    pub retry_period: Duration,
}

/// What became of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderEvent {
    /// This instance leads.
    Started,
    /// It could not renew and must stop.
    Lost,
}

impl LeaderElection {
    /// The election of a kube-system component.
    pub fn component(name: &str, identity: &str) -> Self {
        LeaderElection {
            namespace: "kube-system".into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    /// Takes part until leadership was won and then lost; `on` hears of both.
    pub async fn run(&self, client: &Client, mut on: impl FnMut(LeaderEvent)) {
        let sim = client.sim().clone();
        let observed: Rc<Cell<(u64, SimTime)>> = Rc::default();
        while !self.try_acquire_or_renew(client, &observed).await {
            sim.sleep(sim.jitter(self.retry_period, 1.2)).await;
        }
        on(LeaderEvent::Started);
        let mut renewed = sim.now();
        while sim.now().since(renewed) < self.renew_deadline {
            sim.sleep(self.retry_period).await;
            let left = self.renew_deadline.saturating_sub(sim.now().since(renewed));
            if sim.timeout(left, self.try_acquire_or_renew(client, &observed)).await == Some(true) {
                renewed = sim.now();
            }
        }
        on(LeaderEvent::Lost);
    }

    async fn try_acquire_or_renew(&self, client: &Client, observed: &Rc<Cell<(u64, SimTime)>>) -> bool {
        let sim = client.sim();
        let now = MicroTime(sim.timestamp());
        match client.get::<Lease>(&self.namespace, &self.name).await {
            Err(e) if e.is_not_found() => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        namespace: Some(self.namespace.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.spec(now.clone(), now, 0)),
                };
                self.wrote(client.create(lease).await)
            }
            Err(_) => false,
            Ok(lease) => {
                let revision = crate::api::object::revision(&lease.metadata);
                if observed.get().0 != revision {
                    observed.set((revision, sim.now()));
                }
                let spec = lease.spec.clone().unwrap_or_default();
                let holder = spec.holder_identity.clone().unwrap_or_default();
                let ours = holder == self.identity;
                let fresh = sim.now().since(observed.get().1) < self.lease_duration;
                if !ours && !holder.is_empty() && fresh {
                    return false;
                }
                let acquired = if ours { spec.acquire_time.unwrap_or_else(|| now.clone()) } else { now.clone() };
                let transitions = spec.lease_transitions.unwrap_or(0) + i32::from(!ours);
                let mut new = (*lease).clone();
                new.spec = Some(self.spec(acquired, now, transitions));
                self.wrote(client.update(new).await)
            }
        }
    }

    fn wrote(&self, outcome: Result<Rc<Lease>, ClientError>) -> bool {
        outcome.is_ok()
    }

    fn spec(&self, acquired: MicroTime, renewed: MicroTime, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(self.lease_duration.as_secs() as i32),
            acquire_time: Some(acquired),
            renew_time: Some(renewed),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}
