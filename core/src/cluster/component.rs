//! What a component is started with, whichever it is.

use std::rc::Rc;
use std::time::Duration;

use crate::apiserver::User;
use crate::client::{ApiEndpoints, Client, ClientConfig};
use crate::registry::Registry;
use crate::sim::{ProcessId, Sim};

/// What a component's process is started with: enough to make clients of the api-server, and no way around it.
#[derive(Clone)]
pub struct ComponentContext {
    /// The kernel.
    pub sim: Sim,
    /// The process that the component runs as; its tasks end with it.
    pub process: ProcessId,
    /// Where the api-servers are.
    pub endpoints: ApiEndpoints,
    /// The kinds.
    pub registry: Rc<Registry>,
    /// The name of the node that the process runs on.
    pub node: Rc<str>,
}

impl ComponentContext {
    /// A client that acts as `user` in `groups`, with a QPS limit of its own; its program's name is `agent`.
    pub fn client(&self, user: &str, groups: &[&str], agent: &str, qps: f64, burst: u32) -> Client {
        let groups = groups.iter().map(|g| (*g).to_owned()).chain(["system:authenticated".to_owned()]).collect();
        let config = ClientConfig {
            process: self.process,
            user: Rc::new(User { name: user.to_owned(), groups, ..User::default() }),
            agent: agent.into(),
            qps,
            burst,
            timeout: Duration::from_secs(10),
        };
        Client::new(&self.sim, &self.endpoints, &self.registry, config)
    }
}
