//! Completion indexes of Indexed Jobs. Models `pkg/controller/job/indexed_job_utils.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodTemplateSpec};

pub const INDEX_KEY: &str = "batch.kubernetes.io/job-completion-index";

/// A pod's completion index.
pub fn of_pod(pod: &Pod) -> Option<u32> {
    pod.metadata.annotations.as_ref()?.get(INDEX_KEY)?.parse().ok()
}

/// Indexes as a status writes them: `1,3-5`.
pub fn format(indexes: &BTreeSet<u32>) -> String {
    let mut out = Vec::new();
    let mut all = indexes.iter().copied().peekable();
    while let Some(first) = all.next() {
        let mut last = first;
        while let Some(next) = all.next_if_eq(&(last + 1)) {
            last = next;
        }
        out.push(match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        });
    }
    out.join(",")
}

/// The indexes that a status wrote, below `completions`.
pub fn parse(text: &str, completions: u32) -> BTreeSet<u32> {
    let mut out = BTreeSet::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else { continue };
        out.extend((first..=last).take_while(|i| *i < completions));
    }
    out
}

/// Gives a pod its index: as annotation, label, host name and environment.
pub fn apply(template: &mut PodTemplateSpec, job: &str, index: u32) -> String {
    let m = template.metadata.get_or_insert_default();
    m.annotations.get_or_insert_default().insert(INDEX_KEY.into(), index.to_string());
    m.labels.get_or_insert_default().insert(INDEX_KEY.into(), index.to_string());
    let spec = template.spec.get_or_insert_default();
    spec.hostname = Some(format!("{job}-{index}"));
    let variable = EnvVar {
        name: "JOB_COMPLETION_INDEX".into(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: format!("metadata.labels['{INDEX_KEY}']"),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    for c in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        let env = c.env.get_or_insert_default();
        if env.iter().all(|e| e.name != variable.name) {
            env.push(variable.clone());
        }
    }
    format!("{job}-{index}-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        for text in ["", "0", "0,1", "1,3-5", "0-2,7,9,10"] {
            assert_eq!(format(&parse(text, 100)), text);
        }
        assert_eq!(format(&parse("0-9", 3)), "0-2", "indexes beyond the completions don't count");
    }
}
