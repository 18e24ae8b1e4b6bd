//! The typed client: rate-limited calls of an api-server over the network. Models client-go's `rest` and `flowcontrol`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::api::object::{Kind, Obj, make_mut, typed_mut, typed_rc};
use crate::api::status::Status;
use crate::apiserver::binding::Bind;
use crate::apiserver::{
    ApiServer, Caller, CreateOptions, DeleteOptions, ListOptions, UpdateOptions, User, WatchStream,
};
use crate::registry::{Registry, ResourceId};
use crate::sim::{MachineId, ProcessId, Sim, TokenBucket, TraceEvent};

/// One api-server as clients reach it.
#[derive(Clone)]
pub struct ApiEndpoint {
    /// Its machine.
    pub machine: MachineId,
    /// Its process.
    pub process: ProcessId,
    /// Itself.
    pub server: Rc<RefCell<ApiServer>>,
}

/// The cluster's api-servers, as a load balancer in front of them knows them. Clones share the list.
#[derive(Clone, Default)]
pub struct ApiEndpoints(Rc<RefCell<Vec<ApiEndpoint>>>);

impl ApiEndpoints {
    /// Adds an api-server that has begun to serve.
    pub fn add(&self, e: ApiEndpoint) {
        self.0.borrow_mut().push(e);
    }
    /// Takes an api-server away; its watches end.
    pub fn remove(&self, process: ProcessId) {
        let gone: Vec<ApiEndpoint> = {
            let mut all = self.0.borrow_mut();
            let (gone, left) = all.drain(..).partition(|e| e.process == process);
            *all = left;
            gone
        };
        // Dropped outside the borrow: ending watches wakes tasks.
        drop(gone);
    }
    /// The first that there is.
    pub fn first(&self) -> Option<ApiEndpoint> {
        self.0.borrow().first().cloned()
    }
    /// All of them.
    pub fn all(&self) -> Vec<ApiEndpoint> {
        self.0.borrow().clone()
    }
}

/// Why a call has no object to return.
#[derive(Clone, Debug)]
pub enum ClientError {
    /// The api-server answered with a failure.
    Status(Box<Status>),
    /// Nobody listens there.
    ConnectionRefused,
    /// No answer came in time.
    Timeout,
}

impl ClientError {
    /// The Status, if the api-server answered.
    pub fn status(&self) -> Option<&Status> {
        match self {
            ClientError::Status(s) => Some(s),
            _ => None,
        }
    }
    /// Whether the object wasn't there.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }
    /// Whether somebody else wrote first.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }
    /// Whether the name was taken.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClientError::Status(s) => write!(f, "{s}"),
            ClientError::ConnectionRefused => f.write_str("dial tcp 172.30.0.2:6443: connect: connection refused"),
            ClientError::Timeout => {
                f.write_str("net/http: request canceled (Client.Timeout exceeded while awaiting headers)")
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<Status> for ClientError {
    fn from(s: Status) -> Self {
        ClientError::Status(Box::new(s))
    }
}

/// A list of typed objects.
#[derive(Clone, Debug)]
pub struct Listed<K> {
    /// In key order.
    pub items: Vec<Rc<K>>,
    /// The revision that the list is true of.
    pub resource_version: u64,
}

/// How to make a client.
#[derive(Clone)]
pub struct ClientConfig {
    /// The process that calls.
    pub process: ProcessId,
    /// The user that it acts as.
    pub user: Rc<User>,
    /// The program's name: User-Agent and field manager.
    pub agent: Rc<str>,
    /// Requests a second; 0 for no limit.
    pub qps: f64,
    /// Requests at once.
    pub burst: u32,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// What the api-server needs to work on one request, beside the network's latency.
const SERVER_LATENCY: Duration = Duration::from_millis(1);

/// A client of the api-server. Clones share its QPS limit.
#[derive(Clone)]
pub struct Client {
    sim: Sim,
    endpoints: ApiEndpoints,
    registry: Rc<Registry>,
    caller: Rc<Caller>,
    limiter: TokenBucket,
    timeout: Duration,
}

impl Client {
    /// A client with a QPS limit of its own.
    pub fn new(sim: &Sim, endpoints: &ApiEndpoints, registry: &Rc<Registry>, c: ClientConfig) -> Self {
        Client {
            sim: sim.clone(),
            endpoints: endpoints.clone(),
            registry: registry.clone(),
            caller: Rc::new(Caller { process: c.process, user: c.user, manager: c.agent }),
            limiter: TokenBucket::new(c.qps, c.burst),
            timeout: c.timeout,
        }
    }

    /// The same caller with a QPS limit of its own: client-go's clientset from the same config.
    pub fn with_own_limit(&self, qps: f64, burst: u32) -> Self {
        Client { limiter: TokenBucket::new(qps, burst), ..self.clone() }
    }

    /// The kernel.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The process that calls.
    pub fn process(&self) -> ProcessId {
        self.caller.process
    }

    /// The program's name.
    pub fn agent(&self) -> Rc<str> {
        self.caller.manager.clone()
    }

    /// The kinds.
    pub fn registry(&self) -> &Rc<Registry> {
        &self.registry
    }

    fn id<K: Kind>(&self) -> Result<ResourceId, ClientError> {
        let missing = || Status::other(404, "NotFound", "the server could not find the requested resource");
        self.registry.id_of::<K>().ok_or_else(|| missing().into())
    }

    fn failed(&self, verb: &'static str, id: ResourceId, to: ProcessId, e: ClientError) -> ClientError {
        let event = TraceEvent::RequestFailed {
            from: self.caller.process,
            to,
            verb,
            resource: self.registry.info(id).resource.into(),
            why: e.to_string().into(),
        };
        self.sim.remark(event);
        e
    }

    /// Waits for the limit, reaches an api-server, and lets `f` run there at one instant.
    async fn call<T>(
        &self,
        verb: &'static str,
        id: ResourceId,
        f: impl FnOnce(&mut ApiServer, &Caller) -> Result<T, Status>,
    ) -> Result<T, ClientError> {
        let now = self.sim.now();
        let go = self.limiter.reserve(now);
        let us = self.sim.machine_of(self.caller.process);
        let there = self.endpoints.first();
        let latency = there.as_ref().map_or(Duration::ZERO, |e| self.sim.links().latency(us, e.machine));
        self.sim.sleep_until(go + latency + SERVER_LATENCY).await;
        // Whoever serves by now: the wait may have been long.
        let Some(e) = self.endpoints.first() else {
            return Err(self.failed(verb, id, ProcessId::default(), ClientError::ConnectionRefused));
        };
        let reachable = self.sim.links().connected(us, e.machine);
        let state = self.sim.process_state(e.process);
        if reachable && state == crate::sim::ProcessState::Dead {
            return Err(self.failed(verb, id, e.process, ClientError::ConnectionRefused));
        }
        if !reachable || state == crate::sim::ProcessState::Stopped {
            self.sim.sleep(self.timeout).await;
            return Err(self.failed(verb, id, e.process, ClientError::Timeout));
        }
        let outcome = f(&mut e.server.borrow_mut(), &self.caller);
        Ok(outcome?)
    }

    fn typed<K: Kind>(o: Obj) -> Result<Rc<K>, ClientError> {
        typed_rc(&o).ok_or_else(|| Status::internal("an object of another kind was stored").into())
    }

    /// One object.
    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Rc<K>, ClientError> {
        Self::typed(self.get_object(self.id::<K>()?, namespace, name).await?)
    }

    /// One object of any kind.
    pub async fn get_object(&self, id: ResourceId, namespace: &str, name: &str) -> Result<Obj, ClientError> {
        self.call("get", id, |s, c| s.get(c, id, namespace, name)).await
    }

    /// The objects of a namespace, or of all with `None`.
    pub async fn list<K: Kind>(&self, namespace: Option<&str>, o: &ListOptions) -> Result<Listed<K>, ClientError> {
        let id = self.id::<K>()?;
        let list = self.call("list", id, |s, c| s.list(c, id, namespace, o)).await?;
        Ok(Listed { items: list.items.iter().filter_map(typed_rc).collect(), resource_version: list.resource_version })
    }

    /// The objects of any kind.
    pub async fn list_objects(
        &self,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<crate::apiserver::ObjectList, ClientError> {
        self.call("list", id, |s, c| s.list(c, id, namespace, o)).await
    }

    /// Watches a kind from a revision on.
    pub async fn watch(
        &self,
        id: ResourceId,
        namespace: Option<&str>,
        o: &ListOptions,
    ) -> Result<WatchStream, ClientError> {
        self.call("watch", id, |s, c| s.watch(c, id, namespace, o)).await
    }

    /// Creates an object in its own namespace.
    pub async fn create<K: Kind>(&self, o: K) -> Result<Rc<K>, ClientError> {
        Self::typed(self.create_object(self.id::<K>()?, Rc::new(o)).await?)
    }

    /// Creates an object in its own namespace; one that no api-server was reached with stays where it is.
    pub async fn create_held<K: Kind>(&self, held: &mut Option<Rc<K>>) -> Result<Rc<K>, ClientError> {
        let id = self.id::<K>()?;
        let namespace = held.as_ref().and_then(|o| o.metadata().namespace.clone()).unwrap_or_default();
        let created = self.call("create", id, |s, c| {
            let o: Obj = held.take().unwrap_or_default();
            s.create(c, id, &namespace, o, &CreateOptions::default())
        });
        Self::typed(created.await?)
    }

    /// Creates an object of any kind in its own namespace.
    pub async fn create_object(&self, id: ResourceId, o: Obj) -> Result<Obj, ClientError> {
        let namespace = o.meta().namespace.clone().unwrap_or_default();
        self.call("create", id, |s, c| s.create(c, id, &namespace, o, &CreateOptions::default())).await
    }

    /// Replaces an object; conflicts when its resourceVersion is not the newest.
    pub async fn update<K: Kind>(&self, o: K) -> Result<Rc<K>, ClientError> {
        self.replace(o, "").await
    }

    /// Replaces an object's status.
    pub async fn update_status<K: Kind>(&self, o: K) -> Result<Rc<K>, ClientError> {
        self.replace(o, "status").await
    }

    async fn replace<K: Kind>(&self, o: K, subresource: &str) -> Result<Rc<K>, ClientError> {
        let id = self.id::<K>()?;
        let namespace = o.meta().namespace.clone().unwrap_or_default();
        let name = o.meta().name.clone().unwrap_or_default();
        // Given away at the first try, so that nobody shares it and it need not be copied. An update is not tried again.
        let mut new: Option<Obj> = Some(Rc::new(o));
        let updated = self
            .call("update", id, |s, c| {
                let mut live = None;
                let updater = Box::new(|old: &Obj| {
                    live = Some(old.clone());
                    Ok(new.take().unwrap_or_else(|| old.clone()))
                });
                let options = UpdateOptions::default();
                let done = s.update(c, "update", id, (&namespace, &name), subresource, updater, &options)?;
                s.note_component_write(c, live, &done, subresource);
                Ok(done)
            })
            .await?;
        Self::typed(updated)
    }

    /// Patches an object: `change` does to the stored object what the patch says. A client whose patch carries a uid or a
    /// resourceVersion checks it inside `change` and fails with a conflict.
    pub async fn patch<K: Kind>(
        &self,
        namespace: &str,
        name: &str,
        subresource: &str,
        mut change: impl FnMut(&mut K),
    ) -> Result<Rc<K>, ClientError> {
        let id = self.id::<K>()?;
        let patched = self
            .patch_object(id, namespace, name, subresource, |o| {
                if let Some(o) = typed_mut(make_mut(o)) {
                    change(o);
                }
                Ok(())
            })
            .await?;
        Self::typed(patched)
    }

    /// Patches an object of any kind.
    pub async fn patch_object(
        &self,
        id: ResourceId,
        namespace: &str,
        name: &str,
        subresource: &str,
        mut change: impl FnMut(&mut Obj) -> Result<(), Status>,
    ) -> Result<Obj, ClientError> {
        self.call("patch", id, |s, c| {
            let mut live = None;
            let updater = Box::new(|old: &Obj| {
                live = Some(old.clone());
                let mut new = old.clone();
                change(&mut new)?;
                // A patch holds for whatever version is there.
                Ok(new)
            });
            let done = s.update(c, "patch", id, (namespace, name), subresource, updater, &UpdateOptions::default())?;
            s.note_component_write(c, live, &done, subresource);
            Ok(done)
        })
        .await
    }

    /// Applies to the status of a cluster-wide object of a group with a name as the field manager `manager`, whoever else manages the fields:
    /// client-go's `ApplyStatus` with `Force`. `body` is the object as far as it is applied.
    pub async fn apply_status(
        &self,
        id: ResourceId,
        name: &str,
        manager: &str,
        body: &Value,
    ) -> Result<(), ClientError> {
        let info = self.registry.info(id);
        let path = format!("/apis/{}/{}/{}/{name}/status", info.group, info.version, info.resource);
        self.call("patch", id, |s, c| {
            let caller = Caller { process: c.process, user: c.user.clone(), manager: manager.into() };
            s.apply_as(caller, &path, body)
        })
        .await
    }

    /// Deletes an object.
    pub async fn delete<K: Kind>(&self, namespace: &str, name: &str, o: &DeleteOptions) -> Result<(), ClientError> {
        self.delete_object(self.id::<K>()?, namespace, name, o).await
    }

    /// Deletes an object of any kind.
    pub async fn delete_object(
        &self,
        id: ResourceId,
        namespace: &str,
        name: &str,
        o: &DeleteOptions,
    ) -> Result<(), ClientError> {
        self.call("delete", id, |s, c| s.delete(c, id, namespace, name, o)).await.map(|_| ())
    }

    /// Deletes the objects of a namespace that a list would show: one request, as DELETE of a collection is.
    pub async fn delete_collection(
        &self,
        id: ResourceId,
        namespace: &str,
        which: &ListOptions,
        o: &DeleteOptions,
    ) -> Result<(), ClientError> {
        self.call("deletecollection", id, |s, c| {
            for item in s.list(c, id, Some(namespace), which)?.items {
                let name = item.meta().name.clone().unwrap_or_default();
                match s.delete(c, id, namespace, &name, o) {
                    Err(e) if !e.is_not_found() => return Err(e),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }

    /// Binds a pod to a node: POST pods/NAME/binding.
    pub async fn bind(&self, namespace: &str, name: &str, uid: &str, node: &str) -> Result<(), ClientError> {
        let id = self.id::<k8s_openapi::api::core::v1::Pod>()?;
        let bind = Bind { node: node.to_owned(), uid: uid.to_owned(), ..Bind::default() };
        self.call("create", id, |s, c| s.bind(c, namespace, name, &bind)).await
    }
}
