//! The YAML door: whatever reads other people's text before it is an object.

use podarium_core::api::decode::{self, FieldValidation, Format};
use podarium_core::api::fields;
use podarium_core::api::labels;
use podarium_core::api::quantity::Quantity;

use super::{Target, mutate, seeds};
use crate::dice::Dice;

/// Manifests, JSON, selectors and quantities.
pub struct Texts;

const KINDS: [(&str, &str); 8] = [
    ("v1", "Pod"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("batch/v1", "Job"),
    ("v1", "Node"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
];

const SELECTORS: [&str; 8] = [
    "a=b,c!=d",
    "a in (b,c),d notin (e)",
    "!a,b",
    "a>1,b<2",
    "metadata.name=x,spec.nodeName!=y",
    "a==b",
    "x.io/y in ()",
    "spec.nodeName=a\\,b\\=c",
];

const QUANTITIES: [&str; 10] =
    ["100m", "1Gi", "1e3", "0.5", "-1", "9223372036854775807", "1E", "12e-9", "+1Ki", "0.1n"];

fn input(case: u64) -> (Dice, Vec<u8>) {
    let mut dice = Dice::new(case);
    let all = seeds::texts();
    let good = &all[dice.below(all.len())];
    let body = mutate::body(&mut dice, good);
    (dice, body)
}

impl Target for Texts {
    const NAME: &'static str = "texts";
    const CASES: u64 = 12_000;
    const BATCH: u64 = 1;
    const BYTES_MAX: usize = 256 << 20;

    fn new() -> Self {
        Texts
    }

    fn run(&mut self, case: u64) -> Result<(), String> {
        let (mut dice, body) = input(case);
        let _ = decode::parse_json(&body);
        let parsed = decode::parse_yaml_strict(&body);
        if let Ok((value, _)) = &parsed {
            let again = decode::parse_json(value.to_string().as_bytes());
            if again.as_ref() != Ok(value) {
                return Err(format!("reads as {value}, which reads as {again:?}"));
            }
        }
        let (version, kind) = KINDS[dice.below(KINDS.len())];
        for format in [Format::Json, Format::Yaml] {
            for validation in [FieldValidation::Warn, FieldValidation::Strict] {
                let _ = decode::decode_object(&body, format, version, kind, validation);
            }
        }
        let selector = mutate::text(&mut dice, SELECTORS[case as usize % SELECTORS.len()]);
        let _ = fields::Selector::parse(&selector);
        let _ = labels::Selector::parse(&selector);
        let quantity = mutate::text(&mut dice, QUANTITIES[case as usize % QUANTITIES.len()]);
        if let Ok(q) = Quantity::parse(&quantity) {
            let (half, other) = (Quantity::from_milli(500, q.format()), q.neg());
            let _ = (q.add(half).sub(other).mul_i64(7), q.value(), q.milli_value(), q.as_f64());
            let text = q.to_string();
            if Quantity::parse(&text).is_err() {
                return Err(format!("{quantity:?} is {text:?}, which is none"));
            }
        }
        Ok(())
    }

    fn describe(&self, case: u64) -> String {
        let (_, body) = input(case);
        let head = body.get(..2_000).unwrap_or(&body);
        format!("{} bytes: {}", body.len(), head.escape_ascii())
    }
}
