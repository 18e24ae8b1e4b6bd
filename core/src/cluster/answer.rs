//! Answers to the inspector's questions: reads everything, changes nothing.

use crate::api::object::Obj;
use crate::etcd::Value;
use crate::observe::{Answer, CauseView, ConditionView, Question, VerdictView};
use crate::registry::ResourceId;
use crate::scheduler::decision::NodeOutcome;
use crate::sim::{MachineId, ProcessId, TraceEntry, TraceEvent};

use super::Cluster;

/// How many rows a table of the inspector has at most.
const ROWS_MAX: usize = 2_000;

impl Cluster {
    /// Answers a question about one thing. Changes nothing.
    pub fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Yaml { resource, namespace, name } => self.yaml(resource, namespace, name),
            Question::Logs { namespace, pod, container, tail, previous } => {
                self.logs(namespace, pod, container, *tail as usize, *previous)
            }
            Question::Why { resource, namespace, name } => self.why(resource, namespace, name),
            Question::Status { resource, namespace, name } => self.status(resource, namespace, name),
            Question::Decision { uid } => self.decision(uid),
            Question::Table { resource, namespace } => self.table(resource, namespace),
            Question::Part { name, machine } => self.part(name, MachineId(*machine)),
            Question::Trace { tail } => {
                let trace = self.sim.trace();
                let from = trace.next_seq().saturating_sub(u64::from(*tail));
                Answer::Causes(trace.since(from).map(|e| self.cause_view(e)).collect())
            }
        }
    }

    /// A kind by `resource.group`.
    fn resource(&self, qualified: &str) -> Option<ResourceId> {
        let (resource, group) = qualified.split_once('.').unwrap_or((qualified, ""));
        self.registry.ids().find(|id| {
            let info = self.registry.info(*id);
            info.resource == resource && info.group == group
        })
    }

    fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Obj> {
        let key = self.registry.info(self.resource(resource)?).key(namespace, name);
        self.etcd().borrow().get(&key)?.object()
    }

    fn yaml(&self, resource: &str, namespace: &str, name: &str) -> Answer {
        let Some(o) = self.object(resource, namespace, name) else {
            return Answer::Nothing(format!("There is no {resource} {name} any more."));
        };
        let mut v = o.to_value();
        if let Some(m) = v.get_mut("metadata").and_then(|m| m.as_object_mut()) {
            m.remove("managedFields");
        }
        match serde_yaml::to_string(&v) {
            Ok(text) => Answer::Text(text),
            Err(e) => Answer::Nothing(e.to_string()),
        }
    }

    fn status(&self, resource: &str, namespace: &str, name: &str) -> Answer {
        let Some(o) = self.object(resource, namespace, name) else {
            return Answer::Nothing(format!("There is no {resource} {name} any more."));
        };
        let v = o.to_value();
        let text =
            |v: &serde_json::Value, key: &str| v.get(key).and_then(|t| t.as_str()).unwrap_or_default().to_owned();
        let status = v.get("status").cloned().unwrap_or_default();
        let listed = status.get("conditions").and_then(|c| c.as_array()).cloned().unwrap_or_default();
        let conditions = listed.iter().map(|c| ConditionView {
            kind: text(c, "type"),
            status: text(c, "status"),
            reason: text(c, "reason"),
            message: text(c, "message"),
            since_ns: text(c, "lastTransitionTime").parse().ok().map(|t| self.sim.time_of(t).as_nanos()),
        });
        Answer::Status { phase: text(&status, "phase"), conditions: conditions.collect() }
    }

    fn logs(&self, namespace: &str, pod: &str, container: &str, tail: usize, previous: bool) -> Answer {
        let nothing = |why: &str| Answer::Nothing(why.to_owned());
        let Some(o) = self.object("pods", namespace, pod) else { return nothing("The pod is gone.") };
        let Some(pod) = crate::api::object::typed::<k8s_openapi::api::core::v1::Pod>(&*o) else {
            return nothing("The pod is gone.");
        };
        let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
        let Some(host) = self.host(node) else { return nothing("The pod is on no machine yet.") };
        if !host.machine.powered() {
            return nothing("Its machine is switched off: nobody can read the log.");
        }
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        match host.containerd.log_tail(uid, container, previous, tail.min(10_000)) {
            Some(text) => Answer::Text(text),
            None if previous => nothing("There was no container of this name before."),
            None => nothing("The container has not been started yet."),
        }
    }

    fn process_name(&self, id: ProcessId) -> String {
        self.sim.process(id).map_or_else(|| "person".to_owned(), |p| p.name.to_string())
    }

    fn machine_name(&self, id: MachineId) -> String {
        let host = self.hosts.iter().find(|h| h.machine.id == id);
        host.map_or_else(|| "a machine".to_owned(), |h| h.machine.name.to_string())
    }

    fn cause_view(&self, e: &TraceEntry) -> CauseView {
        let named = |ns: &str, name: &str| match (ns.is_empty(), name.is_empty()) {
            (_, true) => String::new(),
            (true, false) => format!(" {name}"),
            (false, false) => format!(" {ns}/{name}"),
        };
        let (who, what) = match &e.event {
            TraceEvent::Input { what } => ("you".to_owned(), what.to_string()),
            TraceEvent::Request { from, verb, resource, namespace, name, code, .. } => {
                (self.process_name(*from), format!("{verb} {resource}{} ({code})", named(namespace, name)))
            }
            TraceEvent::RequestFailed { from, verb, resource, why, .. } => {
                (self.process_name(*from), format!("{verb} {resource} failed: {why}"))
            }
            TraceEvent::Watch { to, resource, namespace, name, .. } => {
                (self.process_name(*to), format!("saw a change of {resource}{}", named(namespace, name)))
            }
            TraceEvent::Process { process, what } => (self.process_name(*process), (*what).to_owned()),
            TraceEvent::Machine { machine, what } => (self.machine_name(*machine), (*what).to_owned()),
            TraceEvent::Decision { by, about, what } => (self.process_name(*by), format!("{about}: {what}")),
            TraceEvent::Runtime { machine, verb, about, what } => (
                format!("containerd on {}", self.machine_name(*machine)),
                format!("{verb} {about} {what}").trim_end().to_owned(),
            ),
            TraceEvent::Traffic { from, to, what } => (from.to_string(), format!("{what} to {to}")),
        };
        CauseView { seq: e.seq, at_ns: e.at.as_nanos(), who, what }
    }

    fn why(&self, resource: &str, namespace: &str, name: &str) -> Answer {
        let plain = resource.split('.').next().unwrap_or_default();
        let trace = self.sim.trace();
        let newest = trace.newest(|e| match &e.event {
            TraceEvent::Request { resource: r, namespace: ns, name: n, revision, .. } => {
                *revision > 0 && &**n == name && &**ns == namespace && r.split('/').next() == Some(plain)
            }
            _ => false,
        });
        match newest {
            Some(seq) => Answer::Causes(trace.why(seq).into_iter().map(|e| self.cause_view(e)).collect()),
            None => Answer::Nothing("Nothing in the part of the trace that is kept has changed it.".to_owned()),
        }
    }

    fn decision(&self, uid: &str) -> Answer {
        let Some(d) = self.programs.decision(uid) else {
            return Answer::Nothing("The scheduler that runs now has not looked at this pod.".to_owned());
        };
        let verdicts: Vec<VerdictView> = d
            .verdicts()
            .take(ROWS_MAX)
            .map(|v| {
                let chosen = d.chosen.as_ref() == Some(&v.node);
                match v.outcome {
                    NodeOutcome::Rejected { plugin, reasons } => VerdictView {
                        node: v.node.to_string(),
                        refused: format!("{plugin}: {}", reasons.join(", ")),
                        scores: Vec::new(),
                        total: 0,
                        chosen,
                    },
                    NodeOutcome::Feasible { scores, total } => VerdictView {
                        node: v.node.to_string(),
                        refused: String::new(),
                        scores: scores.iter().map(|s| (s.plugin.to_owned(), s.weighted)).collect(),
                        total,
                        chosen,
                    },
                }
            })
            .collect();
        let summary = match &d.chosen {
            Some(n) => format!("{n} was chosen among {} nodes.", d.all_nodes),
            None => d.message.clone(),
        };
        Answer::Decision { at_ns: d.at, verdicts, summary }
    }

    fn table(&self, resource: &str, namespace: &str) -> Answer {
        let Some(id) = self.resource(resource) else {
            return Answer::Nothing(format!("the server doesn't have a resource type \"{resource}\""));
        };
        let info = self.registry.info(id);
        let mut prefix = info.prefix();
        if info.namespaced && !namespace.is_empty() {
            prefix.push_str(namespace);
            prefix.push('/');
        }
        let mut rows = Vec::new();
        self.etcd().borrow().for_each_prefix(&prefix, |_, value, _| {
            if let (Value::Object(o), true) = (value, rows.len() < ROWS_MAX) {
                let m = o.meta();
                rows.push(vec![m.namespace.clone().unwrap_or_default(), m.name.clone().unwrap_or_default()]);
            }
        });
        Answer::Table { columns: vec!["Namespace".into(), "Name".into()], rows }
    }

    fn part(&self, name: &str, machine: MachineId) -> Answer {
        let mut facts = vec![("Machine".to_owned(), self.machine_name(machine))];
        let Some(host) = self.hosts.iter().find(|h| h.machine.id == machine) else {
            return Answer::Nothing("Its machine is gone.".to_owned());
        };
        let path = format!("{}{name}.yaml", super::manifests::MANIFEST_DIR);
        facts.push(("Manifest".to_owned(), path));
        if let Some(p) = self.programs.process(machine, name) {
            facts.push(("Process".to_owned(), format!("{} ({:?})", p.0, self.sim.process_state(p)).to_lowercase()));
        }
        if name == "etcd" {
            let etcd = self.etcd();
            let etcd = etcd.borrow();
            facts.push(("Revision".to_owned(), etcd.revision().to_string()));
            facts.push(("Keys".to_owned(), etcd.key_count().to_string()));
            facts.push(("Compacted".to_owned(), etcd.compacted().to_string()));
            for e in etcd.newest_events(20) {
                let verb = if e.kv.is_some() { "put" } else { "delete" };
                facts.push((e.revision.to_string(), format!("{verb} {}", e.key)));
            }
        }
        if let Some(text) = host.machine.files.borrow().get(&format!("{}{name}.yaml", super::manifests::MANIFEST_DIR)) {
            facts.push((
                "Command".to_owned(),
                text.lines()
                    .filter_map(|l| l.trim().strip_prefix("- --"))
                    .map(|l| format!("--{l}"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            ));
        }
        Answer::Facts(facts)
    }
}
