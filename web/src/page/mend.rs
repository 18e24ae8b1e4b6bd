//! Reads what the api-server refused, finds the line of the manifest concerned, and offers the mend. Pure.
//!
//! Works from the message's field paths, whichever object they are of; the person's own text and layout stay.

/// A line of the manifest with what is wrong there, and a mend if one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 0; `None` when the message names no place in the text.
    pub line: Option<usize>,
    /// What the api-server said, as it stands.
    pub message: String,
    /// In plain words.
    pub explanation: String,
    /// What the mend does, and the mended text.
    pub mend: Option<(String, String)>,
}

/// One line of YAML as far as this needs it: how deep, which key, whether it begins a list item.
struct Line<'a> {
    indent: usize,
    key: Option<&'a str>,
    item: bool,
    value: &'a str,
}

fn read(line: &str) -> Option<Line<'_>> {
    let trimmed = line.trim_start();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return None;
    }
    let mut indent = line.len() - trimmed.len();
    let mut rest = trimmed;
    let item = rest.starts_with("- ") || rest == "-";
    if item {
        let after = rest[1..].trim_start();
        indent += rest.len() - after.len();
        rest = after;
    }
    let (key, value) = match rest.split_once(':') {
        Some((k, v)) if !k.contains(' ') && (v.is_empty() || v.starts_with(' ')) => {
            (Some(k.trim_matches(['"', '\''])), v.trim())
        }
        _ => (None, rest),
    };
    Some(Line { indent, key, item, value })
}

/// A step of a field path: a name, or the number of a list's element.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
}

fn steps(path: &str) -> Vec<Step> {
    let mut out = Vec::new();
    for part in path.split('.') {
        let (name, mut rest) = part.split_once('[').map_or((part, ""), |(n, r)| (n, r));
        if !name.is_empty() {
            out.push(Step::Field(name.to_owned()));
        }
        while let Some((inside, after)) = rest.split_once(']') {
            out.push(inside.parse().map_or_else(|_| Step::Field(inside.to_owned()), Step::Index));
            rest = after.strip_prefix('[').unwrap_or_default();
        }
    }
    out
}

/// The line of the deepest part of `path` that the text has, and how many steps of the path it covers.
fn locate(text: &str, path: &str) -> Option<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let steps = steps(path);
    let (mut from, mut to) = (0, lines.len());
    let mut found = None;
    let mut done = 0;
    // The shallowest indentation that counts as inside.
    let mut depth = 0;
    while done < steps.len() {
        let inside: Vec<(usize, Line<'_>)> =
            (from..to).filter_map(|i| read(lines[i]).map(|l| (i, l))).filter(|(_, l)| l.indent >= depth).collect();
        let shallowest = inside.iter().map(|(_, l)| l.indent).min()?;
        let hit = match &steps[done] {
            Step::Field(name) => inside
                .iter()
                .position(|(_, l)| l.indent == shallowest && l.key.is_some_and(|k| k.eq_ignore_ascii_case(name)))
                .map(|p| (inside[p].0, inside[p].1.indent + 1)),
            Step::Index(n) => inside.iter().filter(|(_, l)| l.item).nth(*n).map(|(i, l)| (*i, l.indent)),
        };
        let Some((at, next_depth)) = hit else { break };
        found = Some(at);
        done += 1;
        let is_item = matches!(steps[done - 1], Step::Index(_));
        let own = read(lines[at])?.indent;
        to = (at + 1..to)
            .find(|&i| {
                read(lines[i]).is_some_and(|l| {
                    let lists_below = !is_item && l.item && l.indent > own;
                    if is_item {
                        l.indent < own || (l.item && l.indent <= own)
                    } else {
                        l.indent <= own && !lists_below
                    }
                })
            })
            .unwrap_or(to);
        from = if is_item { at } else { at + 1 };
        depth = next_depth;
    }
    found.map(|line| (line, done))
}

/// The labels under a `matchLabels` or `selector` of the text, as lines without indentation.
fn selector_labels(text: &str) -> Option<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let (at, _) = locate(text, "spec.selector.matchLabels")
        .filter(|(_, n)| *n == 3)
        .or_else(|| locate(text, "spec.selector").filter(|(_, n)| *n == 2))?;
    let own = read(lines[at])?.indent;
    let labels: Vec<String> = lines[at + 1..]
        .iter()
        .take_while(|l| read(l).is_none_or(|r| r.indent > own))
        .filter(|l| read(l).is_some_and(|r| r.key.is_some() && !r.value.is_empty()))
        .map(|l| l.trim().to_owned())
        .collect();
    (!labels.is_empty()).then_some(labels)
}

/// Puts lines into the text after line `at`.
fn insert_after(text: &str, at: usize, new: &[String]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = (at + 1).min(lines.len());
    lines.splice(at..at, new.iter().cloned());
    let mut out = lines.join("\n");
    if text.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// The mend of a template whose labels the selector does not match.
fn mend_labels(text: &str) -> Option<(String, String)> {
    let labels = selector_labels(text)?;
    let lines: Vec<&str> = text.lines().collect();
    let pad = |n: usize| " ".repeat(n);
    let put = |indent: usize| labels.iter().map(|l| format!("{}{l}", pad(indent))).collect::<Vec<_>>();
    let what = format!(
        "Give the template the selector's label{}: {}",
        if labels.len() == 1 { "" } else { "s" },
        labels.join(", ")
    );
    let (at, found) = locate(text, "spec.template.metadata.labels")?;
    let own = read(lines[at])?.indent;
    let step = 2;
    let mended = match found {
        4 => {
            // Labels are there but wrong: those of the selector's names are replaced, the others stay.
            let names: Vec<&str> = labels.iter().filter_map(|l| l.split_once(':').map(|(k, _)| k.trim())).collect();
            let kept: Vec<&str> = lines
                .iter()
                .enumerate()
                .filter(|(i, l)| {
                    let inside = *i > at && lines[at + 1..=*i].iter().all(|x| read(x).is_none_or(|r| r.indent > own));
                    !(inside && read(l).and_then(|r| r.key).is_some_and(|k| names.contains(&k)))
                })
                .map(|(_, l)| *l)
                .collect();
            insert_after(&kept.join("\n"), at, &put(own + step))
        }
        3 => {
            let mut new = vec![format!("{}labels:", pad(own + step))];
            new.extend(put(own + 2 * step));
            insert_after(text, at, &new)
        }
        2 => {
            let mut new = vec![format!("{}metadata:", pad(own + step)), format!("{}labels:", pad(own + 2 * step))];
            new.extend(put(own + 3 * step));
            insert_after(text, at, &new)
        }
        _ => return None,
    };
    Some((what, mended))
}

/// How many single-letter edits make one word another, up to a few.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let here = row[j + 1];
            row[j + 1] = (before + usize::from(ca != *cb)).min(here + 1).min(row[j] + 1);
            before = here;
        }
    }
    row[b.len()]
}

/// Field names that people mistype; the api-server's own names.
const FIELDS: &[&str] = &[
    "apiVersion",
    "args",
    "command",
    "containerPort",
    "containers",
    "data",
    "effect",
    "env",
    "envFrom",
    "exec",
    "failureThreshold",
    "generateName",
    "httpGet",
    "image",
    "imagePullPolicy",
    "initialDelaySeconds",
    "initContainers",
    "key",
    "kind",
    "labels",
    "limits",
    "livenessProbe",
    "matchExpressions",
    "matchLabels",
    "metadata",
    "minReadySeconds",
    "name",
    "namespace",
    "nodeName",
    "nodeSelector",
    "operator",
    "path",
    "periodSeconds",
    "port",
    "ports",
    "protocol",
    "readinessProbe",
    "replicas",
    "requests",
    "resources",
    "restartPolicy",
    "selector",
    "spec",
    "startupProbe",
    "strategy",
    "targetPort",
    "template",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
    "tolerations",
    "tolerationSeconds",
    "type",
    "value",
    "volumeMounts",
    "volumes",
    "annotations",
    "affinity",
];

fn mend_unknown_field(text: &str, path: &str) -> Option<(usize, Option<(String, String)>)> {
    let (line, found) = locate(text, path)?;
    if found < steps(path).len() {
        return Some((line, None));
    }
    let wrong = path.rsplit('.').next()?;
    let right = FIELDS.iter().map(|f| (distance(wrong, f), *f)).min()?;
    if right.0 == 0 || right.0 > 2.max(wrong.len() / 4) {
        return Some((line, None));
    }
    let lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, l)| if i == line { l.replacen(wrong, right.1, 1) } else { l.to_owned() })
        .collect();
    let mut mended = lines.join("\n");
    if text.ends_with('\n') {
        mended.push('\n');
    }
    Some((line, Some((format!("Write {} instead of {wrong}", right.1), mended))))
}

/// The group and version that a kind is served in, for the kinds that people paste most.
fn right_version(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Pod" | "Service" | "ReplicationController" | "ConfigMap" | "Secret" | "Namespace" | "ServiceAccount" => "v1",
        "ReplicaSet" | "Deployment" | "DaemonSet" | "StatefulSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "Ingress" | "NetworkPolicy" => "networking.k8s.io/v1",
        "PodDisruptionBudget" => "policy/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        _ => return None,
    })
}

fn mend_version(text: &str, message: &str) -> Option<Problem> {
    let kind = message.split("no matches for kind \"").nth(1)?.split('"').next()?;
    let line = text.lines().position(|l| read(l).is_some_and(|r| r.key == Some("apiVersion")));
    let right = right_version(kind);
    let mend = right.zip(line).map(|(right, line)| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[line] = format!("apiVersion: {right}");
        let mut mended = lines.join("\n");
        if text.ends_with('\n') {
            mended.push('\n');
        }
        (format!("{kind} is served in {right}"), mended)
    });
    Some(Problem {
        line,
        message: message.to_owned(),
        explanation: format!("The api-server serves no {kind} in this group and version."),
        mend,
    })
}

/// Reads what kubectl printed when a manifest was refused.
pub fn explain(text: &str, stderr: &str) -> Option<Problem> {
    let message = stderr.trim();
    if message.is_empty() {
        return None;
    }
    if let Some(p) = mend_version(text, message) {
        return Some(p);
    }
    if let Some(path) = message.split("unknown field \"").nth(1).and_then(|r| r.split('"').next()) {
        let (line, mend) = mend_unknown_field(text, path).map_or((None, None), |(l, m)| (Some(l), m));
        let explanation = format!("There is no field {path} in this kind. The api-server checks every name strictly.");
        return Some(Problem { line, message: message.to_owned(), explanation, mend });
    }
    if message.contains("`selector` does not match template `labels`") {
        let line = locate(text, "spec.template.metadata.labels").map(|(l, _)| l);
        return Some(Problem {
            line,
            message: message.to_owned(),
            explanation: "The selector finds pods by their labels, and pods get theirs from the template. Here the template gives them none that the selector looks for, so this controller would never find its own pods.".into(),
            mend: mend_labels(text),
        });
    }
    // `Kind "name" is invalid: path: what`, with several in brackets or as a list.
    let after = message.split(" is invalid: ").nth(1);
    let path = after.and_then(|a| a.trim_start_matches(['[', '*', ' ', '\n']).split(": ").next()).unwrap_or_default();
    let looks_like_a_path = !path.contains(' ') && path.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let line = if looks_like_a_path { locate(text, path).map(|(l, _)| l) } else { yaml_line(message) };
    let explanation = match (looks_like_a_path, message) {
        (true, m) if m.contains("Required value") => format!("{path} is missing."),
        (true, _) => format!("The api-server does not take the value of {path}."),
        (false, m) if m.contains("yaml:") || m.contains("error parsing") || m.contains("error converting YAML") => {
            "This is not well-formed YAML.".into()
        }
        (false, m) if m.contains("already exists") => {
            "An object of this kind and name is there already. Apply changes it; create does not.".into()
        }
        (false, m) if m.contains("connection") && m.contains("refused") => {
            "Nobody listens at the api-server's address: kubectl can do nothing until it runs again.".into()
        }
        _ => String::new(),
    };
    Some(Problem { line, message: message.to_owned(), explanation, mend: None })
}

/// The line that a YAML parser complains of.
fn yaml_line(message: &str) -> Option<usize> {
    let digits: String = message.split("line ").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: myapp-rs\n\nspec:\n  replicas: 3 \n  selector:\n    matchLabels:\n      name: mypod\n  template:\n    metadata:\n      name: mypod\n    spec:\n      containers:\n        - name: mypod \n          image: nginx \n";

    #[test]
    fn paths_are_found_in_the_text() {
        for (path, line) in [
            ("spec.replicas", 6),
            ("spec.template.metadata.labels", 11),
            ("spec.template.spec.containers[0].image", 16),
            ("spec.template.spec.containers[0].ports[0]", 15),
            ("metadata.name", 3),
        ] {
            assert_eq!(locate(SEED, path).map(|(l, _)| l), Some(line), "{path}");
        }
        let flat = "spec:\n  containers:\n  - name: a\n    image: x\n  - name: b\n    imagee: y\n";
        assert_eq!(locate(flat, "spec.containers[1].imagee"), Some((5, 4)));
    }

    #[test]
    fn the_seed_is_mended_and_keeps_its_text() {
        let said = "The ReplicaSet \"myapp-rs\" is invalid: spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`";
        let p = explain(SEED, said).expect("a problem");
        assert_eq!(p.line, Some(11));
        let (_, mended) = p.mend.expect("a mend");
        assert_eq!(
            mended,
            SEED.replace(
                "    metadata:\n      name: mypod\n",
                "    metadata:\n      labels:\n        name: mypod\n      name: mypod\n"
            )
        );
    }

    #[test]
    fn wrong_labels_are_replaced_and_others_kept() {
        let text = SEED.replace(
            "    metadata:\n      name: mypod\n",
            "    metadata:\n      labels:\n        tier: web\n        name: other\n",
        );
        let (_, mended) = mend_labels(&text).expect("a mend");
        assert!(mended.contains("      labels:\n        name: mypod\n        tier: web\n    spec:"), "{mended}");
    }

    #[test]
    fn a_mistyped_field_is_named_and_mended() {
        let text = SEED.replace("replicas", "replcas");
        let said = "Error from server (BadRequest): error when creating \"rs.yaml\": ReplicaSet in version \"v1\" cannot be handled as a ReplicaSet: strict decoding error: unknown field \"spec.replcas\"";
        let p = explain(&text, said).expect("a problem");
        assert_eq!(p.line, Some(6));
        assert_eq!(p.mend.expect("a mend").1, SEED);
    }

    #[test]
    fn a_kind_of_another_group_is_mended() {
        let text = SEED.replace("apps/v1", "v1");
        let said = "error: resource mapping not found for name: \"myapp-rs\" namespace: \"\" from \"rs.yaml\": no matches for kind \"ReplicaSet\" in version \"v1\"";
        assert_eq!(explain(&text, said).expect("a problem").mend.expect("a mend").1, SEED);
    }

    #[test]
    fn yaml_that_is_none_names_its_line() {
        let p = explain(
            "a: b\n\tc: d\n",
            "error: error parsing x.yaml: error converting YAML to JSON: yaml: line 2: found character that cannot start any token",
        );
        assert_eq!(p.expect("a problem").line, Some(1));
    }

    #[test]
    fn nothing_said_is_no_problem() {
        assert_eq!(explain(SEED, "  \n"), None);
    }
}
