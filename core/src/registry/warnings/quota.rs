//! Quotas of requests that exceed those of limits. Models `pkg/registry/core/resourcequota/strategy.go`.

use k8s_openapi::api::core::v1::ResourceQuota;

use crate::api::quantity::Quantity;

/// What a new quota is warned of.
pub(crate) fn create(o: &ResourceQuota) -> Vec<String> {
    let hard = o.spec.as_ref().and_then(|s| s.hard.clone()).unwrap_or_default();
    let read = |name: &str| hard.get(name).and_then(|q| Quantity::parse(&q.0).ok());
    let mut all = Vec::new();
    for (resource, bare) in [("cpu", true), ("memory", true), ("storage", false), ("ephemeral-storage", false)] {
        let (requests, limits) = (format!("requests.{resource}"), format!("limits.{resource}"));
        let asked = read(&requests).map(|q| (requests.as_str(), q));
        let asked = asked.or_else(|| read(resource).filter(|_| bare).map(|q| (resource, q)));
        if let (Some((name, request)), Some(limit)) = (asked, read(&limits))
            && request > limit
        {
            all.push(format!("ResourceQuota {name} ({request}) should be less than {limits} ({limit})"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn requests_over_limits() {
        for (hard, want) in [
            (
                r#"{"requests.cpu":"2","limits.cpu":"1500m"}"#,
                &["ResourceQuota requests.cpu (2) should be less than limits.cpu (1500m)"][..],
            ),
            (r#"{"cpu":"2","limits.cpu":"1"}"#, &["ResourceQuota cpu (2) should be less than limits.cpu (1)"]),
            (r#"{"storage":"2","limits.storage":"1"}"#, &[]),
            (r#"{"requests.memory":"1Gi","limits.memory":"1Gi"}"#, &[]),
        ] {
            let quota =
                serde_json::from_str(&format!(r#"{{"metadata":{{}},"spec":{{"hard":{hard}}}}}"#)).expect("a quota");
            assert_eq!(super::create(&quota), want, "{hard}");
        }
    }
}
