//! Objects in, errors out: the rules of the core group's other kinds, where no recorded answer has them.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::*;
use crate::api::object::Object;
use crate::registry::defaults;

/// Decodes and defaults, then judges: by itself, or against what was there before.
fn judge(kind: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
    macro_rules! kind {
        ($type:ty, $default:expr, $create:path, $update:expr) => {{
            let read = |v: &Value| {
                let mut o: $type = serde_json::from_value(v.clone()).expect("an object");
                let meta = o.meta_mut();
                meta.name.get_or_insert_with(|| "x".to_owned());
                if !matches!(kind, "Namespace" | "Node" | "PersistentVolume") {
                    meta.namespace.get_or_insert_with(|| "ns".to_owned());
                }
                meta.resource_version.get_or_insert_with(|| "1".to_owned());
                let default: fn(&mut $type) = $default;
                default(&mut o);
                o
            };
            let update: fn(&$type, &$type) -> ErrorList = $update;
            match old {
                None => $create(&read(new)),
                Some(old) => update(&read(new), &read(old)),
            }
        }};
    }
    use crate::api::field::ErrorList;
    use defaults::core as of;
    let errors = match kind {
        "Service" => kind!(core::Service, of::service, service::validate_create, service::validate_update),
        "Service/status" => {
            kind!(core::Service, of::service, service::validate_create, service::validate_status_update)
        }
        "ConfigMap" => kind!(core::ConfigMap, |_| (), config_map::validate_create, config_map::validate_update),
        "Secret" => kind!(core::Secret, of::secret, secret::validate_create, secret::validate_update),
        "Namespace" => kind!(core::Namespace, of::namespace, namespace::validate_create, namespace::validate_update),
        "Node" => kind!(core::Node, of::node, node::validate_create, node::validate_update),
        "LimitRange" => kind!(core::LimitRange, of::limit_range, limit_range::validate_create, |new, _| {
            limit_range::validate_create(new)
        }),
        "ResourceQuota" => kind!(
            core::ResourceQuota,
            of::resource_quota,
            resource_quota::validate_create,
            resource_quota::validate_update
        ),
        "Endpoints" => kind!(core::Endpoints, of::endpoints, endpoints::validate_create, endpoints::validate_update),
        "EndpointSlice" => kind!(
            EndpointSlice,
            defaults::networking::endpoint_slice,
            endpoint_slice::validate_create,
            endpoint_slice::validate_update
        ),
        "PersistentVolume" => kind!(
            core::PersistentVolume,
            of::persistent_volume,
            persistent_volume::validate_create,
            persistent_volume::validate_update
        ),
        "Event" => kind!(core::Event, |_| (), event::validate, |new, _| event::validate(new)),
        "Event/strict" => {
            kind!(core::Event, |_| (), event::validate_strict_create, event::validate_strict_update)
        }
        other => panic!("no such kind here: {other}"),
    };
    errors.iter().map(ToString::to_string).collect()
}

fn check(kind: &str, cases: &[(Value, &[&str])]) {
    for (object, want) in cases {
        assert_eq!(judge(kind, object, None), *want, "{kind} {object}");
    }
}

/// Old, new, and what is wrong with the change.
fn check_updates(kind: &str, cases: &[(Value, Value, &[&str])]) {
    for (old, new, want) in cases {
        assert_eq!(judge(kind, new, Some(old)), *want, "{kind} {old} -> {new}");
    }
}

/// A sound Service with more in its spec.
fn service_with(more: Value) -> Value {
    let mut spec = json!({"ports": [{"port": 80}], "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"spec": spec})
}

#[test]
fn services() {
    check(
        "Service",
        &[
            (service_with(json!({})), &[]),
            (
                service_with(
                    json!({"ports": [{"port": 80, "name": "A"}, {"port": 80, "name": "A", "targetPort": "--", "appProtocol": "a b"}]}),
                ),
                &[
                    "spec.ports[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
                    "spec.ports[1].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
                    "spec.ports[1].name: Duplicate value: \"A\"",
                    "spec.ports[1].targetPort: Invalid value: \"--\": must contain at least one letter (a-z)",
                    "spec.ports[1].targetPort: Invalid value: \"--\": must not contain consecutive hyphens",
                    "spec.ports[1].targetPort: Invalid value: \"--\": must not begin or end with a hyphen",
                    "spec.ports[1].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                    "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,\"NodePort\":0}",
                ],
            ),
            (
                service_with(
                    json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90000}}}),
                ),
                &[
                    "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400",
                ],
            ),
            (
                service_with(
                    json!({"clusterIP": "None", "clusterIPs": ["None", "10.96.0.5"], "ipFamilies": ["IPv4", "IPv4"]}),
                ),
                &[
                    "spec.ipFamilies[1]: Duplicate value: \"IPv4\"",
                    "spec.clusterIPs: Invalid value: [\"None\",\"10.96.0.5\"]: 'None' must be the first and only value",
                ],
            ),
            (
                service_with(json!({"clusterIP": "10.96.0.6", "ipFamilies": ["IPv6"]})),
                &[
                    "spec.clusterIPs: Invalid value: [\"10.96.0.5\"]: first value must match `clusterIP`",
                    "spec.clusterIPs[0]: Invalid value: \"10.96.0.5\": expected an IPv6 value as indicated by `ipFamilies[0]`",
                ],
            ),
            (
                service_with(
                    json!({"type": "NodePort", "clusterIP": "None", "clusterIPs": ["None"], "ports": [{"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "nodePort": 30001}]}),
                ),
                &[
                    "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
                    "spec.ports[1].nodePort: Duplicate value: 30001",
                ],
            ),
            (
                service_with(json!({"externalIPs": ["0.0.0.0", "010.0.0.1", "169.254.1.1", "224.0.0.1"]})),
                &[
                    "spec.externalIPs[0]: Invalid value: \"0.0.0.0\": may not be unspecified (0.0.0.0)",
                    "spec.externalIPs[1]: Invalid value: \"010.0.0.1\": must not have leading 0s",
                    "spec.externalIPs[2]: Invalid value: \"169.254.1.1\": may not be in the link-local range (169.254.0.0/16, fe80::/10)",
                    "spec.externalIPs[3]: Invalid value: \"224.0.0.1\": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
                ],
            ),
            (
                service_with(
                    json!({"loadBalancerSourceRanges": ["10.0.0.1/8"], "loadBalancerClass": "x", "allocateLoadBalancerNodePorts": true, "healthCheckNodePort": 30001, "internalTrafficPolicy": "Near", "trafficDistribution": "Far"}),
                ),
                &[
                    "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
                    "spec.LoadBalancerSourceRanges[0]: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length",
                    "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
                    "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
                    "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
                    "spec.internalTrafficPolicy: Unsupported value: \"Near\": supported values: \"Cluster\", \"Local\"",
                    "spec.trafficDistribution: Unsupported value: \"Far\": supported values: \"PreferClose\", \"PreferSameZone\", \"PreferSameNode\"",
                ],
            ),
            (
                json!({"spec": {"type": "ExternalName", "externalName": "a.example.com.", "clusterIPs": ["10.96.0.5"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}}),
                &[
                    "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
                    "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
                    "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
                ],
            ),
            (
                json!({"metadata": {"annotations": {"service.kubernetes.io/topology-mode": "Auto", "service.kubernetes.io/topology-aware-hints": "auto", "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, x"}},
                    "spec": {"clusterIP": "None", "clusterIPs": ["None"]}}),
                &[
                    "metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: \"Auto\": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified",
                    "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when `type` is 'LoadBalancer'",
                    "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
                ],
            ),
        ],
    );
    let balanced = |more: Value| {
        let mut s = service_with(
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001}),
        );
        for (key, value) in more.as_object().into_iter().flatten() {
            s["spec"][key] = value.clone();
        }
        s
    };
    check_updates(
        "Service",
        &[
            (
                balanced(json!({})),
                balanced(
                    json!({"loadBalancerClass": "example.com/x", "healthCheckNodePort": 30002, "ipFamilies": ["IPv6"]}),
                ),
                &[
                    "spec.ipFamilies[0]: Invalid value: [\"IPv6\"]: may not change once set",
                    "spec.loadBalancerClass: Invalid value: \"example.com/x\": may not change once set",
                    "spec.healthCheckNodePort: Forbidden: field is immutable",
                    "spec.clusterIPs[0]: Invalid value: \"10.96.0.5\": expected an IPv6 value as indicated by `ipFamilies[0]`",
                ],
            ),
            (
                service_with(
                    json!({"clusterIPs": ["10.96.0.5", "fd00::5"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}),
                ),
                service_with(json!({"ipFamilyPolicy": "PreferDualStack"})),
                &[
                    "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary clusterIP",
                    "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary ipFamily",
                ],
            ),
        ],
    );
    let ingress =
        |ingress: Value| json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [ingress]}}});
    check_updates(
        "Service/status",
        &[
            (
                ingress(json!({})),
                ingress(json!({"ip": "1.2.3", "hostname": "1.2.3.4", "ipMode": "Fast"})),
                &[
                    "status.loadBalancer.ingress[0].ip: Invalid value: \"1.2.3\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                    "status.loadBalancer.ingress[0].ipMode: Unsupported value: \"Fast\": supported values: \"Proxy\", \"VIP\"",
                    "status.loadBalancer.ingress[0].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address",
                ],
            ),
            (
                ingress(json!({})),
                json!({"spec": {"type": "NodePort"}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}),
                &["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
            ),
        ],
    );
}

#[test]
fn maps_and_secrets() {
    check(
        "ConfigMap",
        &[(
            json!({"data": {"a": "1", "..": "2"}, "binaryData": {"a": "YQ=="}}),
            &[
                "data[..]: Invalid value: \"..\": must not be '..'",
                "data[a]: Invalid value: \"a\": duplicate of key present in binaryData",
            ],
        )],
    );
    check_updates(
        "ConfigMap",
        &[(
            json!({"immutable": true, "data": {"a": "1"}}),
            json!({"binaryData": {"b": "YQ=="}}),
            &[
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
                "binaryData: Forbidden: field is immutable when `immutable` is set",
            ],
        )],
    );
    check(
        "Secret",
        &[
            (json!({"type": "kubernetes.io/dockercfg"}), &["data[.dockercfg]: Required value"]),
            (
                json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}}),
                &[
                    "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into Go value of type map[string]interface {}",
                ],
            ),
            (
                json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "eA=="}}),
                &[
                    "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'x' looking for beginning of value",
                ],
            ),
            (
                json!({"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}}),
                &["data[ssh-privatekey]: Required value"],
            ),
            (json!({"type": "kubernetes.io/basic-auth", "data": {"username": ""}}), &[]),
            (json!({"type": "example.com/any"}), &[]),
        ],
    );
}

#[test]
fn namespaces_and_nodes() {
    check(
        "Namespace",
        &[(
            json!({"spec": {"finalizers": ["a b/c", "kubernetes"]}}),
            &[
                "spec.finalizers: Invalid value: \"a b/c\": prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ],
        )],
    );
    check(
        "Node",
        &[
            (
                json!({"spec": {"taints": [{"key": "a", "value": "b c", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]}}),
                &[
                    "metadata.taints[0].value: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
                    "metadata.taints[1]: Duplicate value: {\"Key\":\"a\",\"Value\":\"\",\"Effect\":\"NoSchedule\",\"TimeAdded\":null}: taints must be unique by key and effect pair",
                ],
            ),
            (
                json!({"spec": {"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}, "status": {"capacity": {"pods": "1500m", "cpu": "-1"}}}),
                &[
                    "status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0",
                    "status.capacity.pods: Invalid value: \"1500m\": must be an integer",
                    "status.allocatable.cpu: Invalid value: \"-1\": must be greater than or equal to 0",
                    "status.allocatable.pods: Invalid value: \"1500m\": must be an integer",
                    "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no more than one CIDR for each IP family",
                ],
            ),
        ],
    );
    check_updates(
        "Node",
        &[
            (json!({}), json!({"spec": {"podCIDR": "10.0.0.0/24", "providerID": "a"}}), &[]),
            (
                json!({"spec": {"podCIDR": "10.0.0.0/24", "providerID": "a"}}),
                json!({"spec": {"podCIDR": "10.0.1.0/24", "providerID": "b", "externalID": "c"}, "status": {"addresses": [{"type": "InternalIP", "address": "1.2.3.4"}, {"type": "InternalIP", "address": "1.2.3.4"}]}}),
                &[
                    "status.addresses[1]: Duplicate value: {\"Type\":\"InternalIP\",\"Address\":\"1.2.3.4\"}",
                    "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid",
                    "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid",
                    "spec.externalID: Forbidden: may not be updated",
                ],
            ),
        ],
    );
}

#[test]
fn limits_and_quotas() {
    let limits = |items: Value| json!({"spec": {"limits": items}});
    check(
        "LimitRange",
        &[
            (
                limits(
                    json!([{"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}, {"type": "Container"}, {"type": "Thing"}]),
                ),
                &[
                    "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
                    "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request value 1",
                    "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1",
                    "spec.limits[1].type: Duplicate value: \"Container\"",
                    "spec.limits[2].type: Invalid value: \"Thing\": must be a standard limit type or fully qualified",
                ],
            ),
            (
                limits(json!([{"type": "PersistentVolumeClaim", "max": {"cpu": "1"}}])),
                &[
                    "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
                ],
            ),
            (
                limits(
                    json!([{"type": "Pod", "max": {"cpu": "2"}, "min": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "3", "memory": "500m"}}]),
                ),
                &[
                    "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"3\": ratio 3 is greater than max/min = 2.000000",
                    "spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: \"500m\": ratio 500m is less than 1",
                ],
            ),
            (
                limits(
                    json!([{"type": "Container", "default": {"example.com/gpu": "2"}, "defaultRequest": {"example.com/gpu": "1"}}]),
                ),
                &[
                    "spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: \"1\": default value 2 must equal to defaultRequest value 1 in example.com/gpu",
                ],
            ),
        ],
    );
    check(
        "ResourceQuota",
        &[
            (
                json!({"spec": {"hard": {"pods": "-1", "services": "1500m"}, "scopes": ["Terminating", "NotTerminating"]}}),
                &[
                    "spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0",
                    "spec.hard[services]: Invalid value: \"1500m\": must be an integer",
                    "spec.scopes: Invalid value: [\"Terminating\",\"NotTerminating\"]: unsupported scope applied to resource",
                    "spec.scopes: Invalid value: [\"Terminating\",\"NotTerminating\"]: unsupported scope applied to resource",
                    "spec.scopes: Invalid value: [\"Terminating\",\"NotTerminating\"]: conflicting scopes",
                ],
            ),
            (
                json!({"spec": {"hard": {"requests.storage": "1"}, "scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "In"}, {"scopeName": "PriorityClass", "operator": "Like"}]}}}),
                &[
                    "spec.scopeSelector.matchExpressions: Invalid value: {\"MatchExpressions\":[{\"ScopeName\":\"BestEffort\",\"Operator\":\"In\",\"Values\":null},{\"ScopeName\":\"PriorityClass\",\"Operator\":\"Like\",\"Values\":null}]}: unsupported scope applied to resource",
                    "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
                    "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
                    "spec.scopeSelector.matchExpressions: Invalid value: {\"MatchExpressions\":[{\"ScopeName\":\"BestEffort\",\"Operator\":\"In\",\"Values\":null},{\"ScopeName\":\"PriorityClass\",\"Operator\":\"Like\",\"Values\":null}]}: unsupported scope applied to resource",
                    "spec.scopeSelector.matchExpressions.operator: Invalid value: \"Like\": not a valid selector operator",
                ],
            ),
        ],
    );
    check_updates(
        "ResourceQuota",
        &[(
            json!({"spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}),
            json!({"spec": {"hard": {"pods": "1"}}}),
            &["spec.scopes: Invalid value: null: field is immutable"],
        )],
    );
}

#[test]
fn endpoints_and_slices() {
    check(
        "Endpoints",
        &[(
            json!({"subsets": [{"ports": [{"port": 0}]}, {"addresses": [{"ip": "127.0.0.1", "hostname": "A"}], "ports": [{"port": 1}, {"port": 2, "name": "b", "protocol": "X"}]}]}),
            &[
                "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
                "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "subsets[1].addresses[0].hostname: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
                "subsets[1].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
                "subsets[1].ports[0].name: Required value",
                "subsets[1].ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ],
        )],
    );
    let odd = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}]});
    check(
        "EndpointSlice",
        &[
            (
                json!({"addressType": "IPv6", "endpoints": [{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}, {"name": "a"}], "forNodes": [{"name": "N"}]}}], "ports": [{"protocol": "X"}]}),
                &[
                    "ports[0].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                    "endpoints[0].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address",
                    "endpoints[0].hints.forZones[1].name: Duplicate value: \"a\"",
                    "endpoints[0].hints.forNodes[0].name: Invalid value: \"N\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                ],
            ),
            (
                json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a"]}]}),
                &[
                    "endpoints[0].addresses[0]: Invalid value: \"a\": should be a domain with at least two segments separated by dots",
                ],
            ),
        ],
    );
    check_updates(
        "EndpointSlice",
        &[
            (odd.clone(), odd.clone(), &[]),
            (
                json!({"addressType": "IPv4", "endpoints": []}),
                json!({"addressType": "IPv6", "endpoints": []}),
                &["addressType: Invalid value: \"IPv6\": field is immutable"],
            ),
        ],
    );
}

fn volume_with(more: Value) -> Value {
    let mut spec =
        json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"spec": spec})
}

#[test]
fn volumes() {
    check(
        "PersistentVolume",
        &[
            (volume_with(json!({})), &[]),
            (
                json!({"spec": {}}),
                &[
                    "spec.accessModes: Required value",
                    "spec.capacity: Required value",
                    "spec.capacity: Unsupported value: null: supported values: \"storage\"",
                    "spec: Required value: must specify a volume type",
                ],
            ),
            (
                volume_with(
                    json!({"capacity": {"storage": "0", "cpu": "1"}, "accessModes": ["ReadWriteOncePod", "ReadWriteOnce", "Any"], "nfs": {"server": "s", "path": "/"}, "hostPath": {"path": "/b/.."}, "persistentVolumeReclaimPolicy": "Recycle", "volumeMode": "Raw", "storageClassName": "A"}),
                ),
                &[
                    "spec.accessModes: Unsupported value: \"Any\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
                    "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
                    "spec.capacity: Unsupported value: {\"cpu\":\"1\",\"storage\":\"0\"}: supported values: \"storage\"",
                    "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero",
                    "spec.hostPath.path: Invalid value: \"/b/..\": must not contain '..'",
                    "spec.nfs: Forbidden: may not specify more than 1 volume type",
                    "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
                    "spec.storageClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                    "spec.volumeMode: Unsupported value: \"Raw\": supported values: \"Block\", \"Filesystem\"",
                ],
            ),
            (
                json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": ""}, "volumeAttributesClassName": ""}}),
                &[
                    "spec.local.path: Required value",
                    "spec.nodeAffinity: Required value: Local volume requires node affinity",
                    "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
                    "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
                ],
            ),
            (
                json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": {"driver": "", "volumeHandle": "", "nodePublishSecretRef": {"name": "a"}}}}),
                &[
                    "spec.csi.driver: Required value",
                    "spec.csi.volumeHandle: Required value",
                    "spec.csi.nodePublishSecretRef.namespace: Required value",
                ],
            ),
        ],
    );
    let affine = |key: &str| {
        volume_with(
            json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": "In", "values": ["a"]}]}]}}}),
        )
    };
    check_updates(
        "PersistentVolume",
        &[
            (affine("beta.kubernetes.io/os"), affine("kubernetes.io/os"), &[]),
            (
                affine("kubernetes.io/os"),
                affine("kubernetes.io/arch"),
                &[
                    "nodeAffinity: Invalid value: {\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\"kubernetes.io/arch\",\"Operator\":\"In\",\"Values\":[\"a\"]}],\"MatchFields\":null}]}}: field is immutable, except for updating from beta label to GA",
                ],
            ),
        ],
    );
    let changed = judge(
        "PersistentVolume",
        &volume_with(json!({"hostPath": {"path": "/b"}, "volumeMode": "Block"})),
        Some(&volume_with(json!({}))),
    );
    let [source, mode] = changed.as_slice() else { panic!("{changed:?}") };
    assert!(
        source.starts_with(
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
        ),
        "{source}"
    );
    assert!(source.contains("-  \"Path\": \"/a\",") && source.contains("+  \"Path\": \"/b\","), "{source}");
    assert_eq!(mode, "volumeMode: Invalid value: \"Block\": field is immutable");
}

#[test]
fn events() {
    check(
        "Event",
        &[
            (json!({"involvedObject": {"namespace": "ns"}}), &[]),
            (
                json!({"involvedObject": {"namespace": "other"}}),
                &["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"],
            ),
            (json!({"metadata": {"namespace": "default"}, "involvedObject": {}}), &[]),
            (
                json!({"involvedObject": {"namespace": "ns"}, "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "a.b/c"}),
                &["reportingInstance: Required value", "action: Required value", "reason: Required value"],
            ),
        ],
    );
    let sound = json!({"involvedObject": {"namespace": "ns"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingComponent": "a.b/c", "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal"});
    let with = |more: Value| {
        let mut e = sound.clone();
        for (key, value) in more.as_object().into_iter().flatten() {
            e[key] = value.clone();
        }
        e
    };
    check(
        "Event/strict",
        &[
            (sound.clone(), &[]),
            (
                with(json!({"type": "Odd", "count": 1, "source": {"component": "c"}, "series": {"count": 1}})),
                &[
                    "series.count: Invalid value: \"\": should be at least 2",
                    "series.lastObservedTime: Required value",
                    "type: Invalid value: \"\": has invalid value: Odd",
                    "count: Invalid value: \"\": needs to be unset",
                    "source: Invalid value: \"\": needs to be unset",
                ],
            ),
        ],
    );
    check_updates(
        "Event/strict",
        &[(
            sound.clone(),
            with(json!({"reason": "s"})),
            &["reason: Invalid value: \"s\": field is immutable", "reason: Invalid value: \"s\": field is immutable"],
        )],
    );
}
