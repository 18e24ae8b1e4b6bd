//! What a door to the world outside needs of a cluster: requests answered at once, and tasks that carry streams.
//!
//! A door turns bytes of real clients into requests. Its answers are not recorded in the session: what clients of a server do
//! is theirs to repeat.

use std::rc::Rc;

use super::Cluster;
use crate::apiserver::{Extras, Request, Response};
use crate::kubelet::Kubelet;
use crate::sim::{MachineId, ProcessId};

impl Cluster {
    /// Answers a request from outside at this instant; `None` when no api-server listens.
    pub fn serve(&mut self, request: &Request) -> Option<Response> {
        let endpoint = self.endpoints.first().filter(|e| self.sim.process_runs(e.process))?;
        self.sim.set_cause(0);
        let response = endpoint.server.borrow_mut().handle(request);
        self.sim.set_cause(0);
        Some(response)
    }

    /// The process that requests from outside come from.
    pub fn outside(&self) -> ProcessId {
        self.person
    }

    /// The machine of the api-server, from which it reaches pods.
    pub fn control_plane(&self) -> MachineId {
        self.endpoints.first().map_or(MachineId::OUTSIDE, |e| e.machine)
    }

    /// A node's kubelet as the api-server reaches it; otherwise how dialling it fails.
    pub fn dial_kubelet(&self, node: &str) -> Result<Kubelet, String> {
        let from = self.endpoints.first().map_or(self.person, |e| e.process);
        self.kubelets.dial(from, node)
    }

    /// Starts a task that belongs to the world outside, such as one that carries a watch to its client.
    pub fn spawn_outside(&self, task: impl Future<Output = ()> + 'static) {
        self.sim.spawn(self.person, task);
    }

    /// Takes in a token file as kube-apiserver's `--token-auth-file` has it, for all api-servers from now on.
    pub fn set_token_file(&self, csv: &str) {
        self.programs.set_token_file(csv);
    }

    /// Gives the api-servers what only clients outside need.
    pub fn set_extras(&self, extras: Extras) {
        self.programs.set_extras(&Rc::new(extras));
    }
}
