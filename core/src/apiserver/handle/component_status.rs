//! ComponentStatus: the old health objects of the control plane's parts, made when somebody asks.
//! Models `pkg/registry/core/componentstatus`.

use serde_json::{Value, json};

use super::encode::IncludeObject;
use super::negotiate::Transform;
use super::{ApiServer, Context, Response, encode};
use crate::api::status::Status;

/// The parts that are asked over HTTP on the api-server's own machine, and their ports.
const SERVERS: [(&str, &str, u16); 2] =
    [("controller-manager", "kube-controller-manager", 10257), ("scheduler", "kube-scheduler", 10259)];

struct Health {
    name: &'static str,
    /// What is wrong, if anything is.
    problem: Option<String>,
}

impl Health {
    fn object(&self) -> Value {
        let condition = match &self.problem {
            None => json!({"type": "Healthy", "status": "True", "message": "ok"}),
            Some(problem) => json!({"type": "Healthy", "status": "False", "message": problem}),
        };
        json!({
            "kind": "ComponentStatus",
            "apiVersion": "v1",
            "metadata": {"name": self.name},
            "conditions": [condition],
        })
    }

    fn row(&self, include: IncludeObject) -> Value {
        let (status, message) = match &self.problem {
            None => ("Healthy", "ok"),
            Some(problem) => ("Unhealthy", problem.as_str()),
        };
        let object = match include {
            IncludeObject::None => Value::Null,
            IncludeObject::Object => self.object(),
            IncludeObject::Metadata => encode::partial(self.object(), false),
        };
        json!({"cells": [self.name, status, message, ""], "object": object})
    }
}

impl ApiServer {
    fn healths(&self) -> Vec<Health> {
        let machine = self.sim.machine_of(self.process);
        let mut all: Vec<Health> = SERVERS
            .iter()
            .map(|(name, program, port)| Health {
                name,
                problem: (!self.sim.runs_on(machine, program)).then(|| {
                    format!(
                        "Get \"https://127.0.0.1:{port}/healthz\": dial tcp 127.0.0.1:{port}: connect: connection refused"
                    )
                }),
            })
            .collect();
        all.push(Health { name: "etcd-0", problem: self.check_etcd().err().map(|status| status.message) });
        all
    }

    /// Answers a get or a list.
    pub(super) fn component_statuses(&self, cx: &Context<'_>) -> Result<Response, Status> {
        let (accepted, include) = Self::presentation(cx)?;
        self.warnings.add(|| "v1 ComponentStatus is deprecated in v1.19+".to_owned());
        let mut found = self.healths();
        let one = !cx.info.name.is_empty();
        if one {
            found.retain(|health| health.name == cx.info.name);
            if found.is_empty() {
                return Err(Status::not_found("", "componentstatus", &cx.info.name));
            }
        }
        let answer = match accepted.transform {
            Transform::Table => json!({
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {},
                "columnDefinitions": crate::apiserver::tables::columns_of("componentstatuses"),
                "rows": found.iter().map(|health| health.row(include)).collect::<Vec<_>>(),
            }),
            _ if one => found.iter().map(Health::object).next().unwrap_or_default(),
            _ => {
                let items: Vec<Value> = found.iter().map(Health::object).collect();
                json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items})
            }
        };
        Ok(encode::value(200, &answer, accepted))
    }
}
