//! Replays the recorded answers of a real control plane against the api-server, in process.
//!
//! The cases are `tests/golden/cases/*.json`; that folder's README says how answers are compared. Prints how many hold a group.
//! Those that don't are listed, with the reason, in `golden/exceptions.txt`: a case that is in neither state fails the test.
//! `GOLDEN=part-of-id` shows the first difference of those cases.

#[path = "golden/kubectl.rs"]
mod kubectl;
#[path = "golden/normal.rs"]
mod normal;
#[path = "golden/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn cases() -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join("cases"))
        .expect("the recorded cases are in the repository")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for f in files {
        let text = std::fs::read_to_string(&f).expect("readable");
        let cases: Vec<Value> = serde_json::from_str(&text).expect("an array of cases");
        all.extend(cases);
    }
    all
}

/// The ids that are known not to hold, with the reason.
fn exceptions() -> BTreeMap<String, String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/exceptions.txt");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .filter_map(|l| l.split_once(char::is_whitespace).map(|(id, why)| (id.to_owned(), why.trim().to_owned())))
        .collect()
}

#[test]
fn recorded_answers() {
    #[expect(clippy::disallowed_methods, reason = "a person asks for more output; what holds does not depend on it")]
    let show = std::env::var("GOLDEN").ok();
    let known = exceptions();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut failed, mut mended) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for case in cases() {
        let id = case["id"].as_str().unwrap_or_default().to_owned();
        let group = case["group"].as_str().unwrap_or_default().to_owned();
        if show.as_ref().is_some_and(|s| !id.contains(s.as_str()) && !group.contains(s.as_str())) {
            continue;
        }
        seen.insert(id.clone());
        let difference = world::run(&case);
        let count = counts.entry(group).or_default();
        count.1 += 1;
        match difference {
            None => {
                count.0 += 1;
                if known.contains_key(&id) {
                    mended.push(id);
                }
            }
            Some(d) => {
                if show.is_some() || !known.contains_key(&id) {
                    println!("{id}: {d}");
                }
                if !known.contains_key(&id) {
                    failed.push(id);
                }
            }
        }
    }
    let (held, all) = counts.values().fold((0, 0), |(h, a), (x, y)| (h + x, a + y));
    for (group, (held, all)) in &counts {
        println!("{group:28}{held:5} of {all}");
    }
    println!("equal: {held} of {all}");
    if show.is_none() {
        let gone: Vec<&String> = known.keys().filter(|k| !seen.contains(*k)).collect();
        assert!(gone.is_empty(), "exceptions for cases that don't exist: {gone:?}");
        assert!(failed.is_empty(), "{} cases no longer hold: {failed:?}", failed.len());
        assert!(mended.is_empty(), "these hold now, take them off the list: {mended:?}");
    }
}
