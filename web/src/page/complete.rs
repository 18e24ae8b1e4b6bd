//! Completion at the prompt: from what kubectl knows, and from the names in the tank. Pure.

use super::model::Model;

const VERBS: &[&str] = &[
    "annotate",
    "api-resources",
    "api-versions",
    "apply",
    "auth",
    "autoscale",
    "cluster-info",
    "cordon",
    "create",
    "delete",
    "describe",
    "diff",
    "drain",
    "exec",
    "expose",
    "get",
    "label",
    "logs",
    "patch",
    "replace",
    "rollout",
    "run",
    "scale",
    "set",
    "taint",
    "top",
    "uncordon",
    "version",
    "wait",
];
const RESOURCES: &[&str] = &[
    "configmaps",
    "cronjobs",
    "daemonsets",
    "deployments",
    "endpoints",
    "endpointslices",
    "events",
    "jobs",
    "leases",
    "namespaces",
    "nodes",
    "pods",
    "replicasets",
    "replicationcontrollers",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets",
];
const FLAGS: &[&str] = &[
    "--all",
    "--all-namespaces",
    "--dry-run=client",
    "--dry-run=server",
    "--field-selector",
    "--filename",
    "--follow",
    "--force",
    "--grace-period",
    "--ignore-daemonsets",
    "--namespace",
    "--output=wide",
    "--output=yaml",
    "--output=json",
    "--previous",
    "--replicas",
    "--selector",
    "--show-labels",
    "--tail",
    "--watch",
];
/// Verbs that are followed by a node's name.
const NODE_VERBS: &[&str] = &["cordon", "uncordon", "drain"];
/// Verbs that are followed by a pod's name.
const POD_VERBS: &[&str] = &["logs"];

/// What can stand where the line ends, in order.
pub fn candidates(line: &str, m: &Model) -> Vec<String> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let begun =
        if line.is_empty() || line.ends_with(char::is_whitespace) { "" } else { words.pop().unwrap_or_default() };
    let plain: Vec<&str> = words.iter().filter(|w| !w.starts_with('-')).copied().collect();
    let mut out: Vec<String> = match (words.first(), plain.get(1)) {
        (None, _) => vec!["kubectl".into()],
        (Some(&"kubectl" | &"k"), _) if begun.starts_with('-') => FLAGS.iter().map(|f| (*f).to_owned()).collect(),
        (Some(&"kubectl" | &"k"), None) => VERBS.iter().map(|v| (*v).to_owned()).collect(),
        (Some(&"kubectl" | &"k"), Some(verb)) => arguments(verb, plain.get(2).copied(), begun, m),
        _ => Vec::new(),
    };
    out.retain(|c| c.starts_with(begun) && c != begun);
    out.sort();
    out.dedup();
    out
}

fn arguments(verb: &str, resource: Option<&str>, begun: &str, m: &Model) -> Vec<String> {
    let nodes = || m.nodes.values().map(|n| n.name.clone());
    let pods = || m.pods.values().map(|p| p.name.clone());
    if NODE_VERBS.contains(&verb) {
        return nodes().collect();
    }
    if POD_VERBS.contains(&verb) {
        return pods().collect();
    }
    if let Some((resource, _)) = begun.split_once('/') {
        return names(resource, m).into_iter().map(|n| format!("{resource}/{n}")).collect();
    }
    match resource {
        None if verb == "rollout" => {
            ["history", "pause", "restart", "resume", "status", "undo"].map(str::to_owned).to_vec()
        }
        None => RESOURCES.iter().map(|r| (*r).to_owned()).collect(),
        Some(r) if verb == "rollout" => {
            let _ = r;
            m.workloads.values().map(|w| format!("{}/{}", w.kind.to_lowercase(), w.name)).collect()
        }
        Some(r) => names(r, m),
    }
}

fn names(resource: &str, m: &Model) -> Vec<String> {
    match resource {
        "no" | "node" | "nodes" => m.nodes.values().map(|n| n.name.clone()).collect(),
        "po" | "pod" | "pods" => m.pods.values().map(|p| p.name.clone()).collect(),
        other => {
            let short = |kind: &str| match kind {
                "ReplicaSet" => "rs",
                "ReplicationController" => "rc",
                "Deployment" => "deploy",
                "DaemonSet" => "ds",
                "StatefulSet" => "sts",
                _ => "",
            };
            let named = m.workloads.values().filter(|w| {
                let plural = w.resource.split('.').next().unwrap_or_default();
                other == plural || other == w.kind.to_lowercase() || other == short(&w.kind)
            });
            named.map(|w| w.name.clone()).collect()
        }
    }
}

/// The line with all that its candidates have in common; with a space when there is but one.
pub fn extend(line: &str, candidates: &[String]) -> String {
    let Some(first) = candidates.first() else { return line.to_owned() };
    let begun =
        if line.ends_with(char::is_whitespace) { "" } else { line.split_whitespace().last().unwrap_or_default() };
    let common = candidates.iter().skip(1).fold(first.as_str(), |common, c| {
        let n = common
            .char_indices()
            .zip(c.chars())
            .find(|((_, a), b)| a != b)
            .map_or(common.len().min(c.len()), |((i, _), _)| i);
        common.get(..n).unwrap_or_default()
    });
    let head = line.strip_suffix(begun).unwrap_or(line);
    let space = if candidates.len() == 1 && !common.ends_with('=') { " " } else { "" };
    format!("{head}{common}{space}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::testing;

    fn check(line: &str, expected: &[&str], extended: &str) {
        let m = testing::world(3, 2);
        let found = candidates(line, &m);
        assert_eq!(found, expected, "{line}");
        assert_eq!(extend(line, &found), extended, "{line}");
    }

    #[test]
    fn verbs_resources_and_names_are_completed() {
        check("kub", &["kubectl"], "kubectl ");
        check("kubectl des", &["describe"], "kubectl describe ");
        check("kubectl get po", &["pods"], "kubectl get pods ");
        check("kubectl get pods web-", &["web-0", "web-1"], "kubectl get pods web-");
        check("kubectl delete node worker-2", &[], "kubectl delete node worker-2");
        check("kubectl cordon w", &["worker-1", "worker-2", "worker-3"], "kubectl cordon worker-");
        check("kubectl logs web-0", &[], "kubectl logs web-0");
        check("kubectl describe pod/web-1", &[], "kubectl describe pod/web-1");
        check("kubectl describe node/c", &["node/control-plane"], "kubectl describe node/control-plane ");
        check("kubectl get pods --show", &["--show-labels"], "kubectl get pods --show-labels ");
        check("ls ", &[], "ls ");
    }
}
