//! A cluster that nobody sees, run once when the first screen is there and nothing else is to do: browsers compile code when
//! it is called first, and what a person does next shall not wait for that.

use podarium_core::cluster::Cluster;
use podarium_core::observe::Observer;
use podarium_core::session::{ClusterConfig, Input, MachineAction};
use podarium_core::sim::SimTime;

use super::guests::Guests;
use super::tank::run_events;

/// Something to run, enough of it for the browser to see what is worth optimising.
const MANIFEST: &str = "\
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: rehearsal
spec:
  replicas: 400
  selector:
    matchLabels:
      app: rehearsal
  template:
    metadata:
      labels:
        app: rehearsal
    spec:
      containers:
      - name: nginx
        image: nginx
";

/// The acts: when each ends, in virtual seconds, and what is done then.
const ACTS: [(u64, Deed); 4] = [
    (40, Deed::Command("kubectl apply -f rehearsal.yaml")),
    (70, Deed::Command("kubectl get pods")),
    (75, Deed::PowerOff),
    (140, Deed::Nothing),
];

#[derive(Clone, Copy)]
enum Deed {
    Command(&'static str),
    PowerOff,
    Nothing,
}

/// A rehearsal under way.
pub struct Rehearsal {
    cluster: Cluster,
    observer: Observer,
    act: usize,
}

impl Rehearsal {
    /// Before its first act.
    pub fn new(guests: &Guests) -> Self {
        let (engine, images) = guests.parts();
        Rehearsal { cluster: Cluster::new(ClusterConfig::default(), engine, images), observer: Observer::new(), act: 0 }
    }

    /// Goes on until the real clock says stop; whether there is more to come.
    pub fn go_on(&mut self, deadline_ms: f64) -> bool {
        while let Some((ends_s, deed)) = ACTS.get(self.act) {
            let end = SimTime::from_secs(*ends_s);
            if !run_events(&mut self.cluster, end, deadline_ms) {
                self.cluster.observe(&mut self.observer);
                return true;
            }
            self.cluster.advance_to(end);
            self.act += 1;
            match deed {
                Deed::Command(line) => {
                    let files = vec![("rehearsal.yaml".to_owned(), MANIFEST.to_owned())];
                    self.cluster.submit(Input::Command { id: self.act as u64, line: (*line).to_owned(), files });
                }
                Deed::PowerOff => {
                    let machine = "worker-1".into();
                    self.cluster.submit(Input::Machine { machine, action: MachineAction::PowerOff });
                }
                Deed::Nothing => {}
            }
        }
        false
    }
}
