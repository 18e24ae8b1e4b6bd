use serde_json::json;

use super::*;
use crate::api::decode::FieldValidation;
use crate::api::status::Status;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// An object and its managers, as an api-server would keep them.
#[derive(Clone, Default)]
struct Store {
    object: Option<Value>,
    managers: Managers,
    clock: i64,
}

impl Store {
    fn scope(kind: &str, subresource: &str) -> Scope {
        let version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        Scope::new(version, kind, subresource)
    }

    fn apply(&mut self, manager: &str, force: bool, config: Value) -> Result<(), Status> {
        self.clock += 1;
        let scope = Self::scope(config["kind"].as_str().unwrap_or(""), "");
        let request = Apply { manager, force, validation: FieldValidation::Warn, now: at(self.clock) };
        let a = apply(&self.managers, self.object.as_ref(), config.to_string().as_bytes(), request, &scope)?;
        if let Some(v) = a.value {
            self.object = Some(v);
        }
        self.managers = a.managers;
        Ok(())
    }

    fn update(&mut self, manager: &str, subresource: &str, new: Value) {
        self.clock += 1;
        let scope = Self::scope(new["kind"].as_str().unwrap_or(""), subresource);
        self.managers = self.managers.update(self.object.as_ref(), &new, None, manager, &scope, at(self.clock));
        self.object = Some(new);
    }

    fn owners(&self) -> Value {
        let entries = self.managers.to_value().unwrap_or_default();
        entries.as_array().into_iter().flatten().map(|e| json!([e["manager"], e["operation"], e["fieldsV1"]])).collect()
    }
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": data})
}

fn deployment(replicas: Value, containers: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}},
        "spec": {"containers": containers}}}})
}

#[test]
fn apply_creates() {
    let mut s = Store::default();
    s.apply("alpha", false, deployment(json!(1), json!([{"name": "c", "image": "nginx"}]))).unwrap();
    assert_eq!(
        s.owners(),
        json!([["alpha", "Apply", {"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}}]])
    );
    assert_eq!(s.object.as_ref().unwrap()["spec"]["template"]["spec"]["containers"][0]["image"], "nginx");
}

#[test]
fn update_tracks_what_it_sets() {
    let mut s = Store::default();
    let mut cm = config_map(json!({"k": "v", "l": "w"}));
    cm["metadata"]["labels"] = json!({"a": "1"});
    s.update("golden", "", cm.clone());
    assert_eq!(
        s.owners(),
        json!([["golden", "Update", {"f:data": {".": {}, "f:k": {}, "f:l": {}}, "f:metadata": {"f:labels": {".": {}, "f:a": {}}}}]])
    );
    cm["data"]["k"] = json!("x");
    cm["data"].as_object_mut().unwrap().remove("l");
    s.update("other", "", cm);
    assert_eq!(
        s.owners(),
        json!([
            ["golden", "Update", {"f:data": {}, "f:metadata": {"f:labels": {".": {}, "f:a": {}}}}],
            ["other", "Update", {"f:data": {"f:k": {}}}]
        ])
    );
}

#[test]
fn a_pod_and_its_status() {
    let mut s = Store::default();
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-", "name": "p-x",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "p", "uid": "u", "controller": true}]},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {}, "env": [{"name": "A", "value": "1"}]}],
            "restartPolicy": "Always", "securityContext": {}},
        "status": {"phase": "Pending"}});
    s.update("kcm", "", pod.clone());
    let kcm = json!({"f:metadata": {"f:generateName": {}, "f:ownerReferences": {".": {}, "k:{\"uid\":\"u\"}": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
            "f:image": {}, "f:name": {}, "f:resources": {}}}, "f:restartPolicy": {}, "f:securityContext": {}}});
    assert_eq!(s.owners(), json!([["kcm", "Update", kcm]]));
    pod["status"] =
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "podIPs": [{"ip": "1.2.3.4"}]});
    s.update("kubelet", "status", pod);
    assert_eq!(
        s.owners()[1],
        json!(["kubelet", "Update", {"f:status": {"f:conditions": {".": {}, "k:{\"type\":\"Ready\"}": {".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}}},
            "f:phase": {}, "f:podIPs": {".": {}, "k:{\"ip\":\"1.2.3.4\"}": {".": {}, "f:ip": {}}}}}])
    );
    assert_eq!(s.managers.to_api().unwrap()[1].subresource.as_deref(), Some("status"));
}

#[test]
fn conflicts_and_force() {
    let mut s = Store::default();
    s.apply("alpha", false, config_map(json!({"k": "v", "l": "w"}))).unwrap();
    let e = s.apply("beta", false, config_map(json!({"k": "other"}))).unwrap_err();
    assert_eq!((e.code, e.message.as_str()), (409, "Apply failed with 1 conflict: conflict with \"alpha\": .data.k"));
    let cause = &e.details.unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".data.k"));
    let e = s.apply("beta", false, config_map(json!({"k": "x", "l": "x"}))).unwrap_err();
    assert_eq!(e.message, "Apply failed with 2 conflicts: conflicts with \"alpha\":\n- .data.k\n- .data.l");
    s.apply("beta", true, config_map(json!({"k": "other"}))).unwrap();
    assert_eq!(
        s.owners(),
        json!([["alpha", "Apply", {"f:data": {"f:l": {}}}], ["beta", "Apply", {"f:data": {"f:k": {}}}]])
    );
    let mut s = Store::default();
    s.update("kubectl-create", "", config_map(json!({"k": "old"})));
    let e = s.apply("beta", false, config_map(json!({"k": "v"}))).unwrap_err();
    assert_eq!(e.message, "Apply failed with 1 conflict: conflict with \"kubectl-create\" using v1: .data.k");
    let mut s = Store::default();
    s.apply("alpha", false, deployment(json!(0), json!([{"name": "c", "image": "nginx"}]))).unwrap();
    let e = s.apply("beta", false, deployment(json!(0), json!([{"name": "c", "image": "redis"}]))).unwrap_err();
    assert_eq!(
        e.message,
        "Apply failed with 1 conflict: conflict with \"alpha\": .spec.template.spec.containers[name=\"c\"].image"
    );
}

#[test]
fn sharing_and_giving_up() {
    let mut s = Store::default();
    s.apply("alpha", false, config_map(json!({"k": "v", "l": "w"}))).unwrap();
    // The same value is no conflict; an apply that changes nothing has no time, and so comes first.
    s.apply("beta", false, config_map(json!({"k": "v"}))).unwrap();
    assert_eq!(
        s.owners(),
        json!([["beta", "Apply", {"f:data": {"f:k": {}}}], ["alpha", "Apply", {"f:data": {"f:k": {}, "f:l": {}}}]])
    );
    // What is no longer named goes, unless others own it.
    s.apply("alpha", false, config_map(json!({"m": "n"}))).unwrap();
    assert_eq!(s.object.as_ref().unwrap()["data"], json!({"k": "v", "m": "n"}));
    // An update takes fields away from an applier.
    let mut s = Store::default();
    s.apply("alpha", false, config_map(json!({"k": "v"}))).unwrap();
    s.update("gamma", "", config_map(json!({"k": "by-update"})));
    assert_eq!(s.owners(), json!([["gamma", "Update", {"f:data": {"f:k": {}}}]]));
}

#[test]
fn lists() {
    let service = |name: &str, port: i64, selector: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"selector": selector, "ports": [{"name": name, "port": port}]}})
    };
    let mut s = Store::default();
    s.apply("alpha", false, service("a", 80, json!({"app": "a"}))).unwrap();
    s.apply("beta", false, service("b", 81, json!({"app": "a"}))).unwrap();
    let owned = |port: i64| {
        let key = format!("k:{{\"port\":{port},\"protocol\":\"TCP\"}}");
        json!({"f:spec": {"f:ports": {key: {".": {}, "f:name": {}, "f:port": {}}}, "f:selector": {}}})
    };
    assert_eq!(s.owners(), json!([["alpha", "Apply", owned(80)], ["beta", "Apply", owned(81)]]));
    assert_eq!(s.object.as_ref().unwrap()["spec"]["ports"].as_array().unwrap().len(), 2);
    let e = s.apply("gamma", false, service("c", 82, json!({"x": "y"}))).unwrap_err();
    assert_eq!(
        e.message,
        "Apply failed with 2 conflicts: conflicts with \"alpha\":\n- .spec.selector\nconflicts with \"beta\":\n- .spec.selector"
    );
    // The applied order wins among what both have; the rest stays where it is.
    let c = |names: &[&str]| json!(names.iter().map(|n| json!({"name": n, "image": n})).collect::<Vec<_>>());
    let mut s = Store::default();
    s.apply("alpha", false, deployment(json!(1), c(&["a", "b", "c"]))).unwrap();
    s.apply("beta", false, deployment(json!(1), c(&["c", "x", "a"]))).unwrap();
    let containers = &s.object.as_ref().unwrap()["spec"]["template"]["spec"]["containers"];
    let names: Vec<&str> = containers.as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["b", "c", "x", "a"]);
    s.apply("alpha", false, deployment(json!(1), c(&["c"]))).unwrap();
    let containers = &s.object.as_ref().unwrap()["spec"]["template"]["spec"]["containers"];
    let names: Vec<&str> = containers.as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["c", "x", "a"]);
}

#[test]
fn refusals() {
    let refused =
        |config: Value| Store::default().apply("alpha", false, config).map_err(|s| (s.code, s.message)).unwrap_err();
    let mut cm = config_map(json!({"k": "v"}));
    cm["datum"] = json!({"a": "b"});
    assert_eq!(
        refused(cm),
        (
            500,
            "failed to create typed patch object (/cm; /v1, Kind=ConfigMap): .datum: field not declared in schema"
                .to_owned()
        )
    );
    assert_eq!(
        refused(deployment(json!("x"), json!([{"name": "c"}, {"name": "c"}]))).1,
        "failed to create typed patch object (/d; apps/v1, Kind=Deployment): errors:\n  .spec.replicas: expected numeric (int or float), got string\n  .spec.template.spec.containers: duplicate entries for key [name=\"c\"]"
    );
    let mut cm = config_map(json!({"k": 1}));
    assert_eq!(
        refused(cm.clone()).1,
        "failed to create typed patch object (/cm; /v1, Kind=ConfigMap): .data.k: expected string, got &value.valueUnstructured{Value:1}"
    );
    cm["metadata"]["managedFields"] = json!([]);
    assert_eq!(refused(cm), (400, "metadata.managedFields must be nil".to_owned()));
    let scope = Scope::new("v1", "Secret", "");
    let request = Apply { manager: "a", force: false, validation: FieldValidation::Strict, now: at(0) };
    let with = |text: &str| {
        apply(&Managers::default(), None, text.as_bytes(), request, &scope).map_err(|s| s.message).unwrap_err()
    };
    assert_eq!(with("{apiVersion: v1, kind: Pod}"), "invalid object type: /v1, Kind=Pod");
    assert_eq!(
        with("a: b: c"),
        "error decoding YAML: error converting YAML to JSON: yaml: mapping values are not allowed in this context"
    );
    assert_eq!(
        with("apiVersion: v1\nkind: Secret\nkind: Secret\n"),
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 3: key \"kind\" already set in map"
    );
}

#[test]
fn round_trip_and_reset() {
    let mut s = Store::default();
    s.apply("alpha", false, config_map(json!({"k": "v"}))).unwrap();
    let entries = s.managers.to_api().unwrap();
    assert_eq!(Managers::from_api(&entries).unwrap(), s.managers);
    let scope = Store::scope("ConfigMap", "");
    let new = config_map(json!({"k": "w"}));
    let live = s.object.clone();
    let update = |requested: &[ManagedFieldsEntry]| {
        s.managers.update(live.as_ref(), &new, Some(requested), "beta", &scope, at(9))
    };
    assert!(update(&[]).is_empty(), "an empty list stops the tracking");
    assert_eq!(update(&entries).to_api().unwrap()[0].manager.as_deref(), Some("beta"));
    assert!(Managers::from_api(&[ManagedFieldsEntry::default()]).is_err());
}

#[test]
fn many_managers_are_capped() {
    let mut s = Store::default();
    for i in 0..15 {
        let data: serde_json::Map<String, Value> = (0..=i).map(|j| (format!("k{j}"), json!("v"))).collect();
        s.update(&format!("m{i:02}"), "", config_map(Value::Object(data)));
    }
    let names: Vec<String> = s.managers.to_api().unwrap().into_iter().filter_map(|e| e.manager).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[0], "ancient-changes");
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let mut s = Store::default();
    let applied = config_map(json!({"k": "v"}));
    let mut object = applied.clone();
    object["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()});
    s.update("kubectl-client-side-apply", "", object);
    s.apply("kubectl", false, config_map(json!({"k": "w"}))).unwrap();
    assert_eq!(s.object.as_ref().unwrap()["data"]["k"], "w");
    let annotations = &s.object.as_ref().unwrap()["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap().contains("\"k\":\"w\""));
}

#[test]
fn lazily_is_the_same() {
    use k8s_openapi::api::core::v1::ConfigMap;
    let object = |revision: &str, data: Value| -> Rc<dyn crate::api::object::Object> {
        let mut map: ConfigMap = serde_json::from_value(config_map(data)).unwrap();
        map.metadata.resource_version = Some(revision.to_owned());
        Rc::new(map)
    };
    let versions = [
        object("2", json!({"a": "1"})),
        object("4", json!({"a": "2"})),
        object("6", json!({"a": "3", "b": "1"})),
        object("8", json!({"a": "2"})),
    ];
    let scope = Rc::new(Store::scope("ConfigMap", ""));
    let mut backlog = Backlog::new(4);
    let fields = ManagedFields::default();
    let mut s = Store::default();
    let mut known = vec![Managers::default()];
    for (i, manager) in ["one", "two", "two", "two"].into_iter().enumerate() {
        s.update(manager, "", versions[i].to_value());
        let live = i.checked_sub(1).map(|p| versions[p].clone());
        let write =
            Write { live, new: versions[i].clone(), manager: manager.into(), scope: scope.clone(), now: at(s.clock) };
        fields.record(write, &mut backlog);
        known.extend([s.managers.clone(), s.managers.clone()]);
    }
    assert_eq!((fields.waiting(), backlog.len()), (4, 4));
    let seen = |from: u64| -> Vec<Managers> { (from..10).map(|at| (*fields.managers_at(at)).clone()).collect() };
    assert_eq!(seen(1), known, "each version has the managers that it had when it was new");
    assert_eq!((fields.waiting(), &*fields.managers()), (0, &s.managers));
    fields.forget_until(5);
    assert_eq!(seen(4), known[3..], "what was superseded by then is not asked for any more");
    let mut backlog = Backlog::new(1);
    let other = ManagedFields::default();
    let create = |o: &Rc<dyn crate::api::object::Object>| Write {
        live: None,
        new: o.clone(),
        manager: "one".into(),
        scope: scope.clone(),
        now: at(1),
    };
    other.record(create(&versions[0]), &mut backlog);
    let third = ManagedFields::default();
    third.record(create(&versions[0]), &mut backlog);
    assert_eq!((other.waiting(), third.waiting()), (0, 1), "the oldest is worked off when too many wait");
}
