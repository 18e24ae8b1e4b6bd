//! What a failed pod means for its Job, and when enough have succeeded.
//! Models `pkg/controller/job/pod_failure_policy.go` and `success_policy.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{Job, PodFailurePolicyOnExitCodesRequirement};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::indexes;
use crate::controllers::util::{name, namespace};

/// What the first rule that fits a failed pod says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts against the limit, as without rules.
    Counts,
    /// It doesn't count.
    Ignored,
    /// Its index has failed.
    FailsIndex,
    /// The Job has failed, for this reason.
    FailsJob(String),
}

fn exit_code(s: &ContainerStatus) -> Option<i32> {
    s.state.as_ref()?.terminated.as_ref().map(|t| t.exit_code)
}

/// The container whose exit code a rule asks for, and the code.
fn matching_exit<'a>(pod: &'a Pod, wanted: &PodFailurePolicyOnExitCodesRequirement) -> Option<(&'a str, i32)> {
    let status = pod.status.as_ref()?;
    let all = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
    all.filter(|s| wanted.container_name.as_ref().is_none_or(|n| *n == s.name)).find_map(|s| {
        let code = exit_code(s).filter(|c| *c != 0)?;
        let listed = wanted.values.contains(&code);
        let fits = match wanted.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        };
        fits.then_some((s.name.as_str(), code))
    })
}

/// What a failed pod means for its Job. Models matchPodFailurePolicy.
pub fn verdict(job: &Job, pod: &Pod) -> Verdict {
    let policy = job.spec.as_ref().and_then(|s| s.pod_failure_policy.as_ref());
    for (i, rule) in policy.iter().flat_map(|p| p.rules.iter()).enumerate() {
        let (ns, n) = (namespace(&pod.metadata), name(&pod.metadata));
        let why = if let Some(codes) = &rule.on_exit_codes {
            matching_exit(pod, codes)
                .map(|(c, code)| format!("Container {c} for pod {ns}/{n} failed with exit code {code}"))
        } else {
            let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
            let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
            // A pattern that says no status means True.
            let wanted = |c: &&k8s_openapi::api::core::v1::PodCondition| {
                patterns.iter().any(|p| p.type_ == c.type_ && p.status.as_deref().unwrap_or("True") == c.status)
            };
            conditions.iter().find(wanted).map(|c| format!("Pod {ns}/{n} has condition {}", c.type_))
        };
        let Some(why) = why else { continue };
        return match rule.action.as_str() {
            "Ignore" => Verdict::Ignored,
            "FailIndex" => Verdict::FailsIndex,
            "FailJob" => Verdict::FailsJob(format!("{why} matching {} rule at index {i}", rule.action)),
            _ => Verdict::Counts,
        };
    }
    Verdict::Counts
}

/// Whether the indexes that succeeded are enough by some rule; the condition's message. Models matchSuccessPolicy.
pub fn succeeded_enough(job: &Job, done: &BTreeSet<u32>) -> Option<String> {
    let spec = job.spec.as_ref()?;
    let policy = spec.success_policy.as_ref().filter(|_| !done.is_empty())?;
    let completions = u32::try_from(spec.completions.unwrap_or(0)).unwrap_or(0);
    let fits = |rule: &k8s_openapi::api::batch::v1::SuccessPolicyRule| {
        let count = rule.succeeded_count.and_then(|c| usize::try_from(c).ok());
        match &rule.succeeded_indexes {
            Some(text) => {
                let wanted = indexes::parse(text, completions);
                let have = wanted.intersection(done).count();
                have >= count.unwrap_or(wanted.len())
            }
            None => count.is_some_and(|c| done.len() >= c),
        }
    };
    policy.rules.iter().position(fits).map(|i| format!("Matched rules at index {i}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job(spec: Value) -> Job {
        serde_json::from_value(json!({"metadata": {"name": "j"}, "spec": spec})).expect("a Job")
    }

    #[test]
    fn the_first_rule_that_fits_says_what_a_failure_means() {
        let rules = json!([
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1, 2]}},
        ]);
        let job = job(json!({"template": {}, "podFailurePolicy": {"rules": rules}}));
        let pod = |code: i32, conditions: Value| -> Pod {
            serde_json::from_value(
                json!({"metadata": {"name": "p", "namespace": "d"}, "status": {"conditions": conditions,
                "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": code}}}]}}),
            )
            .expect("a pod")
        };
        let fails = "Container c for pod d/p failed with exit code 42 matching FailJob rule at index 1";
        let disrupted = json!([{"type": "DisruptionTarget", "status": "True"}]);
        for (code, conditions, want) in [
            (42, disrupted, Verdict::Ignored),
            (42, json!([]), Verdict::FailsJob(fails.into())),
            (3, json!([]), Verdict::FailsIndex),
            (1, json!([]), Verdict::Counts),
        ] {
            assert_eq!(verdict(&job, &pod(code, conditions)), want, "{code}");
        }
    }

    #[test]
    fn some_indexes_may_be_enough() {
        let rules = json!([{"succeededIndexes": "0,2-3"}, {"succeededIndexes": "0-9", "succeededCount": 4}]);
        let job = job(json!({"template": {}, "completions": 10, "successPolicy": {"rules": rules}}));
        for (done, want) in [
            (vec![], None),
            (vec![0, 2], None),
            (vec![0, 2, 3], Some("Matched rules at index 0")),
            (vec![1, 4, 5, 6], Some("Matched rules at index 1")),
        ] {
            assert_eq!(succeeded_enough(&job, &done.iter().copied().collect()).as_deref(), want, "{done:?}");
        }
    }
}
