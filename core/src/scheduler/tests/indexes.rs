//! What the cache keeps up to date must be what a recount of everything gives.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::Pod;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde_json::json;

use super::fixture::{node, on, sized};
use crate::scheduler::cache::Cache;
use crate::scheduler::cache::affinity_index::TermKind;
use crate::scheduler::framework::labels::Selector;
use crate::scheduler::framework::resource::Resource;
use crate::scheduler::random_below;

fn app_is(app: &str) -> Selector {
    Selector::from_set(&BTreeMap::from([("app".to_owned(), app.to_owned())]))
}

fn recount(cache: &Cache, context: &str) {
    let mut listed = cache.order().to_vec();
    listed.sort();
    let mut hermits = BTreeMap::new();
    for i in 0..8 {
        let Some(node) = cache.node_named(&format!("n{i}")) else { continue };
        assert!(listed.contains(&node.id), "{context}");
        let mut sum = Resource::default();
        node.pods.iter().for_each(|p| sum.add(&p.requests.requests));
        assert_eq!(node.requested, sum, "{context}");
        let zone = node.labels().and_then(|l| l.get("zone")).is_some();
        assert_eq!(cache.column("zone").value(node.id) != 0, zone, "{context}");
        for app in ["a", "b"] {
            let matching =
                node.pods.iter().filter(|p| !p.terminating && p.labels().get("app").is_some_and(|a| a == app));
            let counted = cache.counts("default", &app_is(app)).map_or(0, |c| c.on(node.id));
            assert_eq!(counted as usize, matching.count(), "{context}: {app} on {}", node.name);
        }
        let owners = node.pods.iter().filter(|p| !p.required_anti_affinity.is_empty()).count();
        if owners > 0 {
            hermits.insert(node.id, owners as u32);
        }
    }
    let indexed = cache.affinity().iter().find(|(kind, ..)| *kind == TermKind::RequiredAnti);
    let indexed: BTreeMap<_, _> =
        indexed.into_iter().flat_map(|(.., owners)| owners.iter().map(|(n, c)| (*n, *c))).collect();
    let indexed: BTreeMap<_, _> =
        indexed.into_iter().filter(|(id, _)| cache.node(*id).is_some_and(|n| n.node.is_some())).collect();
    assert_eq!(indexed, hermits, "{context}");
}

#[test]
fn indexes_equal_a_recount() {
    for seed in 0..8 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut cache = Cache::default();
        let mut pods: Vec<Rc<Pod>> = Vec::new();
        for step in 0..300 {
            let mut below = |n| random_below(&mut rng, n);
            let name = format!("n{}", below(8));
            match below(10) {
                0 | 1 => {
                    let zone = if below(3) == 0 { json!({}) } else { json!({"zone": format!("z{}", below(3))}) };
                    cache.set_node(node(&name, json!({"metadata": {"labels": zone}})));
                }
                2 => cache.remove_node(&name),
                3 | 4 if !pods.is_empty() => {
                    let gone = pods.swap_remove(below(pods.len() as u32) as usize);
                    cache.remove_pod(gone.metadata.uid.as_deref().unwrap());
                }
                5 if !pods.is_empty() => {
                    // Begins to terminate, or changes its labels.
                    let at = below(pods.len() as u32) as usize;
                    let mut changed = (*pods[at]).clone();
                    if below(2) == 0 {
                        changed.metadata.deletion_timestamp =
                            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
                    } else {
                        changed.metadata.labels = Some(BTreeMap::from([("app".to_owned(), "b".to_owned())]));
                    }
                    pods[at] = Rc::new(changed);
                    cache.set_pod(Rc::clone(&pods[at]));
                }
                _ => {
                    let app = ["a", "b", "c"][below(3) as usize];
                    let mut more = json!({"metadata": {"labels": {"app": app}}});
                    if below(4) == 0 {
                        more["spec"] = json!({"affinity": {"podAntiAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone",
                                "labelSelector": {"matchLabels": {"app": "x"}}}]}}});
                    }
                    let pod = on(&name, &sized(&format!("p{step}"), &format!("{}m", below(500)), "1Mi", more));
                    pods.push(Rc::clone(&pod));
                    cache.set_pod(pod);
                }
            }
            cache.update_order();
            recount(&cache, &format!("seed {seed}, step {step}"));
        }
    }
}
