//! Claims, classes and slices of devices: what is filled in, what is refused and in which words, what can't change.

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

const GROUP: &str = "/apis/resource.k8s.io/v1";

fn claims() -> String {
    format!("{GROUP}/namespaces/default/resourceclaims")
}

fn claim(devices: &Value) -> String {
    json!({"metadata": {"name": "c"}, "spec": {"devices": devices}}).to_string()
}

fn exact(more: Value) -> Value {
    let mut exactly = json!({"deviceClassName": "gpu"});
    if let (Some(all), Value::Object(more)) = (exactly.as_object_mut(), more) {
        all.extend(more);
    }
    json!({"requests": [{"name": "r", "exactly": exactly}]})
}

/// Posts each body and compares what is wrong with it.
fn refused(path: &str, kind: &str, cases: &[(String, &str)]) {
    let s = Server::new();
    let asked = format!("POST {path}?dryRun=All");
    for (body, want) in cases {
        run(&s, &[(&asked, body, &format!("422 {kind} is invalid: {want}"))]);
    }
}

#[test]
fn claims_that_do_not_fit() {
    let opaque = |parameters: Value| {
        let config = json!([{"opaque": {"driver": "a.b", "parameters": parameters}}]);
        json!({"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}], "config": config})
    };
    let two = json!({"requests": [
        {"name": "r", "exactly": {"deviceClassName": "gpu"}, "firstAvailable": [{"name": "s", "deviceClassName": "gpu"}]},
    ]});
    refused(
        &claims(),
        "ResourceClaim.resource.k8s.io \"c\"",
        &[
            (
                claim(&json!({"requests": [{"name": "r"}]})),
                "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
            ),
            (
                claim(&two),
                "spec.devices.requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
            ),
            (
                claim(&exact(json!({"allocationMode": "All", "count": 2}))),
                "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
            ),
            (
                claim(&exact(json!({"allocationMode": "Some", "deviceClassName": ""}))),
                "[spec.devices.requests[0].exactly.deviceClassName: Required value, spec.devices.requests[0].exactly.allocationMode: Unsupported value: \"Some\": supported values: \"All\", \"ExactCount\"]",
            ),
            (
                claim(&exact(
                    json!({"selectors": [{}], "tolerations": [{"operator": "Exists", "value": "v", "effect": "Odd"}]}),
                )),
                "[spec.devices.requests[0].exactly.selectors[0].cel: Required value, spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: \"v\": must be empty for operator `Exists`, spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: \"Odd\": supported values: \"NoExecute\", \"NoSchedule\", \"None\"]",
            ),
            (
                claim(&exact(
                    json!({"selectors": [{"cel": {"expression": "device.driver == 'a' && device.attributes['a'].b"}}, {"cel": {"expression": "device.capacity['a'].b.isLessThan(1)"}}, {"cel": {"expression": "device.driver"}}]}),
                )),
                "[spec.devices.requests[0].exactly.selectors[1].cel.expression: Invalid value: \"device.capacity['a'].b.isLessThan(1)\": compilation failed: ERROR: <input>:1:34: found no matching overload for 'isLessThan' applied to 'kubernetes.Quantity.(int)'\n | device.capacity['a'].b.isLessThan(1)\n | .................................^, spec.devices.requests[0].exactly.selectors[2].cel.expression: Invalid value: \"device.driver\": must evaluate to bool or the unknown type, not string]",
            ),
            (
                claim(&exact(json!({"adminAccess": true}))),
                "spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace",
            ),
            (
                claim(&opaque(json!([1]))),
                "spec.devices.config[0].opaque.parameters: Invalid value: \"<value omitted>\": must be a valid JSON object",
            ),
            (
                claim(
                    &json!({"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}, {"name": "r", "exactly": {"deviceClassName": "gpu"}}],
                    "constraints": [{"requests": ["r", "x"], "matchAttribute": "a"}, {}]}),
                ),
                "[spec.devices.requests[1]: Duplicate value: \"r\", spec.devices.constraints[0].requests[1]: Invalid value: \"x\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/', spec.devices.constraints[0].matchAttribute: Invalid value: \"a\": a fully qualified name must be a domain and a name separated by a slash, spec.devices.constraints[1]: Required value: exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set]",
            ),
        ],
    );
}

#[test]
fn a_claim_is_filled_in_and_its_spec_stays() {
    let s = Server::new();
    let made = claim(&exact(json!({"tolerations": [{"key": "a"}]})));
    let at = format!("{}/c", claims());
    run(
        &s,
        &[
            (
                &format!("POST {}", claims()),
                &made,
                "201 /spec/devices/requests/0/exactly/count=1; /spec/devices/requests/0/exactly/allocationMode=ExactCount; \
                 /spec/devices/requests/0/exactly/tolerations/0/operator=Equal",
            ),
            (
                &format!("PATCH {at}"),
                r#"{"spec":{"devices":{"requests":null}}}"#,
                "422 ResourceClaim.resource.k8s.io \"c\" is invalid: spec: Invalid value: \
                 {\"Devices\":{\"Requests\":null,\"Constraints\":null,\"Config\":null}}: field is immutable",
            ),
            (
                &format!("PATCH {at}/status"),
                r#"{"status":{"reservedFor":[{"resource":"pods","name":"p"}],"devices":[{"driver":"a.b","pool":"p","device":"d"}]}}"#,
                "422 ResourceClaim.resource.k8s.io \"c\" is invalid: [status.reservedFor[0].uid: Required value, \
                 status.devices[0]: Invalid value: {\"Driver\":\"a.b\",\"Pool\":\"p\",\"Device\":\"d\",\"ShareID\":\"\"}: must be an \
                 allocated device in the claim, status.reservedFor: Forbidden: may not be specified when `allocated` is not set]",
            ),
            (
                &format!("PATCH {at}/status"),
                r#"{"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"a.b","pool":"p","device":"d","bindingConditions":["a"]}]}}}}"#,
                "422 ResourceClaim.resource.k8s.io \"c\" is invalid: \
                 status.allocation.devices.results[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions \
                 are required to use bindingConditions",
            ),
            (
                &format!("PATCH {at}/status"),
                r#"{"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"a.b","pool":"p","device":"d"}]}},"devices":[{"driver":"a.b","pool":"p","device":"d"}]}}"#,
                "200 /status/devices/0/device=d",
            ),
            (
                &format!("PATCH {at}/status"),
                r#"{"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"a.b","pool":"p","device":"e"}]}}}}"#,
                "422 ResourceClaim.resource.k8s.io \"c\" is invalid: status.allocation: Invalid value: {\"Devices\":{\"Results\":[{\"Request\":\"r\",\"Driver\":\"a.b\",\"Pool\":\"p\",\"Device\":\"e\",\"AdminAccess\":null,\"Tolerations\":null,\"BindingConditions\":null,\"BindingFailureConditions\":null,\"ShareID\":null,\"ConsumedCapacity\":null}],\"Config\":null},\"NodeSelector\":null,\"AllocationTimestamp\":null}: field is immutable",
            ),
            // The status of a device that is no longer allocated goes with it.
            (&format!("PATCH {at}/status"), r#"{"status":{"allocation":null}}"#, "200 /status/devices=-"),
        ],
    );
}

#[test]
fn classes_and_slices_that_do_not_fit() {
    let class = |spec: Value| json!({"metadata": {"name": "c"}, "spec": spec}).to_string();
    refused(
        &format!("{GROUP}/deviceclasses"),
        "DeviceClass.resource.k8s.io \"c\"",
        &[
            (class(json!({"config": [{}]})), "spec.config[0].opaque: Required value"),
            (
                class(json!({"extendedResourceName": "cpu"})),
                "spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource name",
            ),
        ],
    );
    let slice = |more: Value| {
        let mut spec =
            json!({"driver": "a.b", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "nodeName": "n"});
        if let (Some(all), Value::Object(more)) = (spec.as_object_mut(), more) {
            all.extend(more);
        }
        json!({"metadata": {"name": "s"}, "spec": spec}).to_string()
    };
    let device = |more: Value| {
        let mut d = json!({"name": "d"});
        if let (Some(all), Value::Object(more)) = (d.as_object_mut(), more) {
            all.extend(more);
        }
        slice(json!({"devices": [d]}))
    };
    let policy = |policy: Value| {
        device(
            json!({"allowMultipleAllocations": true, "capacity": {"mem": {"value": "10Gi", "requestPolicy": policy}}}),
        )
    };
    refused(
        &format!("{GROUP}/resourceslices"),
        "ResourceSlice.resource.k8s.io \"s\"",
        &[
            (
                slice(json!({"allNodes": true, "pool": {"name": "", "resourceSliceCount": 0, "generation": -1}})),
                "[spec.pool.name: Required value, spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero, spec.pool.generation: Invalid value: -1: must be greater than or equal to zero, spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set]",
            ),
            (
                device(json!({"attributes": {"a": {}, "b.c/d": {"int": 1, "string": "s"}, "e": {"version": "1.0"}}})),
                "[spec.devices[0].attributes[a]: Invalid value: \"\": exactly one value must be specified, spec.devices[0].attributes[b.c/d]: Invalid value: {\"IntValue\":1,\"BoolValue\":null,\"StringValue\":\"s\",\"VersionValue\":null,\"IntValues\":null,\"BoolValues\":null,\"StringValues\":null,\"VersionValues\":null}: exactly one value must be specified, spec.devices[0].attributes[e].version: Invalid value: \"1.0\": must be a string compatible with semver.org spec 2.0.0]",
            ),
            (
                device(json!({"allNodes": true, "consumesCounters": [{"counterSet": "c", "counters": {}}]})),
                "[spec.devices[0].consumesCounters[0].counters: Required value, spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec]",
            ),
            (
                policy(json!({"default": "3Gi", "validRange": {"min": "2Gi", "max": "20Gi", "step": "2Gi"}})),
                "[spec.devices[0].capacity[mem].requestPolicy.validRange.max: Invalid value: \"20Gi\": max is larger than capacity value: 10Gi, spec.devices[0].capacity[mem].requestPolicy.validRange.step: Invalid value: \"3Gi\": value is not a multiple of a given step (2Gi) from (2Gi)]",
            ),
            (
                policy(json!({"default": "3Gi", "validValues": ["4Gi", "2Gi"]})),
                "[spec.devices[0].capacity[mem].requestPolicy.validValues[1]: Invalid value: \"2Gi\": values must be sorted in ascending order, spec.devices[0].capacity[mem].requestPolicy.validValues: Invalid value: \"3Gi\": default value is not valid according to the requestPolicy]",
            ),
            (
                device(json!({"taints": [{"key": "a"}], "capacity": {"x": {"value": "1", "requestPolicy": {}}}})),
                "[spec.devices[0].capacity[x].requestPolicy: Forbidden: allowMultipleAllocations must be true, spec.devices[0].taints[0].effect: Required value]",
            ),
        ],
    );
}

#[test]
fn whoever_says_what_a_claim_got_may_bind_it() {
    let s = Server::new();
    s.server.borrow_mut().add_tokens("viewer,alice,u4,\"dev\"\n");
    let role = r#"{"metadata":{"name":"status"},"rules":[{"apiGroups":["resource.k8s.io"],"resources":["resourceclaims/status"],"verbs":["patch"]}]}"#;
    let binding = r#"{"metadata":{"name":"status"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"status"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"alice"}]}"#;
    run(
        &s,
        &[
            ("POST /apis/rbac.authorization.k8s.io/v1/clusterroles", role, "201"),
            ("POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding, "201"),
            (&format!("POST {}", claims()), &claim(&exact(json!({}))), "201"),
        ],
    );
    let headers = [("Authorization", "Bearer viewer"), ("Content-Type", "application/merge-patch+json")];
    let body = br#"{"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"a.b","pool":"p","device":"d"}]}},"devices":[{"driver":"a.b","pool":"p","device":"d"}]}}"#;
    let answer = s.send("PATCH", &format!("{}/c/status", claims()), &headers, body);
    assert_eq!(
        answer.message(),
        "ResourceClaim.resource.k8s.io \"c\" is invalid: [status.allocation: Forbidden: changing status.allocation or \
         status.reservedFor requires resource=\"resourceclaims/binding\", verb=\"patch\" permission: \
         resourceclaims.resource.k8s.io is forbidden: User \"alice\" cannot patch resource \"resourceclaims/binding\" in API \
         group \"resource.k8s.io\" at the cluster scope, status.devices: Forbidden: changing status.devices requires \
         resource=\"resourceclaims/driver\", verb=\"[arbitrary-node:patch]\" permission: resourceclaims.resource.k8s.io \
         \"a.b\" is forbidden: User \"alice\" cannot arbitrary-node:patch resource \"resourceclaims/driver\" in API group \
         \"resource.k8s.io\" in the namespace \"default\"]"
    );
}
