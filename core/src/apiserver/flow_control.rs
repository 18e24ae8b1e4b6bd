//! Flow control's objects: those that are always there, and the FlowSchemas' word on whether their levels are.
//! Models apiserver's `pkg/util/flowcontrol/apf_controller.go` and `pkg/registry/flowcontrol/rest/storage_flowcontrol.go`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::ApiServer;
use crate::api::decode::show_seconds;
use crate::api::dynamic::DynamicObject;
use crate::api::field::quote;
use crate::api::object::Obj;
use crate::api::status::Status;
use crate::etcd::Value as Stored;
use crate::registry::flow_control;

/// How soon a change of flow control is looked at.
const SOON: Duration = Duration::from_millis(5);
/// How long after its start an api-server looks at it first: its informers are to be synced, and its hooks to have run.
const FIRST: Duration = Duration::from_secs(2);
/// How often what was taken away is put back.
const INTERVAL: Duration = Duration::from_secs(60);

const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";

impl ApiServer {
    /// Makes the objects that are missing.
    pub(super) fn ensure_flow_control(&mut self) -> Result<(), Status> {
        for o in flow_control::levels().into_iter().chain(flow_control::flows()) {
            self.ensure_dynamic(o)?;
        }
        self.see_to_flow_control();
        Ok(())
    }

    fn all_of_kind(&self, kind: &str) -> Vec<Obj> {
        let Some(id) = self.registry.find_kind(flow_control::GROUP, kind) else { return Vec::new() };
        let mut all = Vec::new();
        self.etcd.store.borrow().for_each_prefix(&self.registry.info(id).prefix(), |_, value, _| {
            if let Stored::Object(o) = value {
                all.push(o.clone());
            }
        });
        all
    }

    /// Looks a little later at what changed, and at the next full minute at what is missing.
    pub(super) fn see_to_flow_control(&self) {
        if self.flow_control_changed.replace(true) {
            return;
        }
        let (sim, me) = (self.sim.clone(), self.me.clone());
        let since_start = sim.now() - self.started_at;
        let soon = FIRST.saturating_sub(since_start).max(SOON);
        let left = INTERVAL.as_millis() - since_start.as_millis() % INTERVAL.as_millis();
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0)).saturating_sub(soon);
        self.sim.spawn(self.process, async move {
            sim.sleep(soon).await;
            let Some(server) = me.upgrade() else { return };
            let complete = server.borrow_mut().look_at_flow_control();
            drop(server);
            if !complete {
                sim.sleep(left).await;
                let Some(server) = me.upgrade() else { return };
                // If etcd can't be reached, the next change tries again.
                let _ = server.borrow_mut().ensure_flow_control();
            }
        });
    }

    /// Tells of the levels; whether all is there that must be. The first screen asks for it and ends before: apart, its code comes later.
    #[inline(never)]
    fn look_at_flow_control(&mut self) -> bool {
        self.flow_control_changed.set(false);
        self.tell_of_levels();
        self.is_flow_control_complete()
    }

    fn is_flow_control_complete(&self) -> bool {
        let have = |kind: &str| self.all_of_kind(kind).iter().filter_map(|o| o.meta().name.clone()).collect();
        let (levels, flows): (BTreeSet<String>, BTreeSet<String>) =
            (have("PriorityLevelConfiguration"), have("FlowSchema"));
        let there = |all: Vec<Value>, have: &BTreeSet<String>| {
            all.iter().all(|o| o["metadata"]["name"].as_str().is_some_and(|name| have.contains(name)))
        };
        there(flow_control::levels(), &levels) && there(flow_control::flows(), &flows)
    }

    /// Writes into the FlowSchemas' statuses whether the levels that they name exist. Models `presyncFlowSchemaStatus`.
    fn tell_of_levels(&mut self) {
        let levels: BTreeSet<String> =
            self.all_of_kind("PriorityLevelConfiguration").iter().filter_map(|o| o.meta().name.clone()).collect();
        let now = show_seconds(self.sim.timestamp());
        for o in self.all_of_kind("FlowSchema") {
            let Some(flow) = DynamicObject::of(&*o) else { continue };
            let level = flow.at(&["spec", "priorityLevelConfiguration", "name"]).as_str().unwrap_or_default();
            let about =
                format!("This FlowSchema references the PriorityLevelConfiguration object named {}", quote(level));
            let (status, reason, message) = match levels.contains(level) {
                true => ("False", "Found", format!("{about} and it exists")),
                false => ("True", "NotFound", format!("{about} but there is no such object")),
            };
            let conditions = flow.at(&["status", "conditions"]).as_array();
            let said = conditions.into_iter().flatten().any(|c| {
                c["type"] == "Dangling" && c["status"] == status && c["reason"] == reason && c["message"] == message
            });
            if said {
                continue;
            }
            let name = flow.metadata.name.as_deref().unwrap_or_default();
            let body = json!({
                "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
                "status": {"conditions": [{
                    "type": "Dangling", "status": status, "reason": reason, "lastTransitionTime": now, "message": message,
                }]},
            });
            let path = format!("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/{name}/status");
            self.apply_own(MANAGER, &path, &body);
        }
    }
}
