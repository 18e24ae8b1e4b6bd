//! Resource amounts as plain integers, and what a pod asks for in all.
//! Models kube-scheduler `framework/types.go` (Resource) and component-helpers `resource/helpers.go` (PodRequests).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What scoring assumes of a container that asks for no CPU, in milli-CPU.
pub const DEFAULT_MILLI_CPU_REQUEST: i64 = 100;
/// What scoring assumes of a container that asks for no memory, in bytes.
pub const DEFAULT_MEMORY_REQUEST: i64 = 200 * 1024 * 1024;

/// Amounts are cut to this, so that no sum over a node's pods overflows: 8 PiB of memory, 9 billion CPUs.
const MAX_AMOUNT: i64 = 1 << 53;

type ResourceList = BTreeMap<String, Quantity>;

/// Compute resources: CPU in milli-CPU, the rest in their base unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    pub milli_cpu: i64,
    pub memory: i64,
    pub ephemeral_storage: i64,
    pub allowed_pods: i64,
    /// Extended resources, huge pages and attachable volumes. Empty for nearly every pod.
    pub scalar: BTreeMap<String, i64>,
}

impl Resource {
    /// The amounts in a resource list.
    pub fn of(list: &ResourceList) -> Self {
        let mut r = Resource::default();
        for (name, quantity) in list {
            let amount = |a: i64| a.clamp(-MAX_AMOUNT, MAX_AMOUNT);
            match name.as_str() {
                "cpu" => r.milli_cpu = amount(milli_value(quantity)),
                "memory" => r.memory = amount(value(quantity)),
                "ephemeral-storage" => r.ephemeral_storage = amount(value(quantity)),
                "pods" => r.allowed_pods = amount(value(quantity)),
                name if is_scalar_name(name) => {
                    r.scalar.insert(name.to_owned(), amount(value(quantity)));
                }
                _ => {}
            }
        }
        r
    }
    /// Adds `other`, except for the number of pods.
    pub fn add(&mut self, other: &Resource) {
        self.milli_cpu = self.milli_cpu.saturating_add(other.milli_cpu);
        self.memory = self.memory.saturating_add(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.saturating_add(other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let sum = self.scalar.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }
    /// Takes `other` away, except for the number of pods.
    pub fn subtract(&mut self, other: &Resource) {
        self.milli_cpu = self.milli_cpu.saturating_sub(other.milli_cpu);
        self.memory = self.memory.saturating_sub(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.saturating_sub(other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let rest = self.scalar.entry(name.clone()).or_default();
            *rest = rest.saturating_sub(*amount);
        }
    }
    /// Raises each amount to at least `other`'s.
    pub fn max_with(&mut self, other: &Resource) {
        self.milli_cpu = self.milli_cpu.max(other.milli_cpu);
        self.memory = self.memory.max(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.max(other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let most = self.scalar.entry(name.clone()).or_default();
            *most = (*most).max(*amount);
        }
    }
    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0 && self.memory == 0 && self.ephemeral_storage == 0 && self.scalar.is_empty()
    }
}

/// Whether the scheduler counts the resource beside CPU, memory, storage and pods.
fn is_scalar_name(name: &str) -> bool {
    is_extended_name(name)
        || name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
        || name.contains("kubernetes.io/")
}

/// Whether it is a vendor's resource, such as `nvidia.com/gpu`.
pub fn is_extended_name(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

/// What a pod asks for: the plain sum, and the one with assumed amounts for containers that ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRequests {
    pub requests: Resource,
    pub non_zero_milli_cpu: i64,
    pub non_zero_memory: i64,
}

/// Sums what a pod asks for: containers and sidecars together, init containers one after another, overhead on top;
/// pod-level resources override.
pub fn pod_requests(pod: &Pod) -> PodRequests {
    let Some(spec) = &pod.spec else { return PodRequests::default() };
    let pod_level = spec.resources.as_ref().and_then(|r| r.requests.as_ref());
    let mut plain = Resource::default();
    let mut assumed = Resource::default();
    // With pod-level resources set, only what is missing at both levels is assumed.
    let assume_cpu = pod_level.is_none_or(|r| !r.contains_key("cpu"));
    let assume_memory = pod_level.is_none_or(|r| !r.contains_key("memory"));
    let of = |c: &Container| {
        let requests = c.resources.as_ref().and_then(|r| r.requests.as_ref());
        let r = requests.map(Resource::of).unwrap_or_default();
        let mut a = Resource { milli_cpu: r.milli_cpu, memory: r.memory, ..Default::default() };
        if assume_cpu && !requests.is_some_and(|r| r.contains_key("cpu")) {
            a.milli_cpu = DEFAULT_MILLI_CPU_REQUEST;
        }
        if assume_memory && !requests.is_some_and(|r| r.contains_key("memory")) {
            a.memory = DEFAULT_MEMORY_REQUEST;
        }
        (r, a)
    };
    for c in &spec.containers {
        let (r, a) = of(c);
        plain.add(&r);
        assumed.add(&a);
    }
    if let Some(inits) = &spec.init_containers {
        let (mut sidecars, mut sidecars_assumed) = (Resource::default(), Resource::default());
        let (mut peak, mut peak_assumed) = (Resource::default(), Resource::default());
        for c in inits {
            let (mut r, mut a) = of(c);
            if c.restart_policy.as_deref() == Some("Always") {
                plain.add(&r);
                assumed.add(&a);
                sidecars.add(&r);
                sidecars_assumed.add(&a);
                r = sidecars.clone();
                a = sidecars_assumed.clone();
            } else {
                r.add(&sidecars);
                a.add(&sidecars_assumed);
            }
            peak.max_with(&r);
            peak_assumed.max_with(&a);
        }
        plain.max_with(&peak);
        assumed.max_with(&peak_assumed);
    }
    if let Some(list) = pod_level {
        let level = Resource::of(list);
        if list.contains_key("cpu") {
            plain.milli_cpu = level.milli_cpu;
            assumed.milli_cpu = level.milli_cpu;
        }
        if list.contains_key("memory") {
            plain.memory = level.memory;
            assumed.memory = level.memory;
        }
        for (name, amount) in level.scalar.into_iter().filter(|(name, _)| name.starts_with("hugepages-")) {
            plain.scalar.insert(name, amount);
        }
    }
    if let Some(overhead) = spec.overhead.as_ref().map(Resource::of) {
        plain.add(&overhead);
        assumed.add(&overhead);
    }
    PodRequests { requests: plain, non_zero_milli_cpu: assumed.milli_cpu, non_zero_memory: assumed.memory }
}

/// A quantity in its base unit, rounded up.
pub fn value(q: &Quantity) -> i64 {
    scaled(&q.0, 0)
}

/// A quantity in thousandths, rounded up.
pub fn milli_value(q: &Quantity) -> i64 {
    scaled(&q.0, 3)
}

/// Reads a quantity as an integer of 10^-`digits`, rounded away from zero and clamped to i64. What doesn't parse is 0: the
/// api-server lets no such object through.
fn scaled(text: &str, digits: i32) -> i64 {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut mantissa: u128 = 0;
    let mut exponent = digits;
    let mut after_point = false;
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => {
                // Beyond 27 digits the rest only matters for rounding.
                if mantissa < 10u128.pow(27) {
                    mantissa = mantissa * 10 + u128::from(c as u32 - '0' as u32);
                    exponent -= i32::from(after_point);
                } else {
                    exponent += i32::from(!after_point);
                }
            }
            '.' if !after_point => after_point = true,
            _ => {
                end = at;
                break;
            }
        }
    }
    let mut binary = 0u32;
    match &text[end..] {
        "" => {}
        "n" => exponent -= 9,
        "u" => exponent -= 6,
        "m" => exponent -= 3,
        "k" => exponent += 3,
        "M" => exponent += 6,
        "G" => exponent += 9,
        "T" => exponent += 12,
        "P" => exponent += 15,
        "E" => exponent += 18,
        "Ki" => binary = 10,
        "Mi" => binary = 20,
        "Gi" => binary = 30,
        "Ti" => binary = 40,
        "Pi" => binary = 50,
        "Ei" => binary = 60,
        suffix => match suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse::<i32>().ok()) {
            Some(e) => exponent = exponent.saturating_add(e.clamp(-1000, 1000)),
            None => return 0,
        },
    }
    if mantissa == 0 {
        return 0;
    }
    let mut amount = mantissa.checked_shl(binary).filter(|a| a >> binary == mantissa).unwrap_or(u128::MAX);
    if exponent >= 0 {
        amount = 10u128.checked_pow(exponent.unsigned_abs()).and_then(|p| amount.checked_mul(p)).unwrap_or(u128::MAX);
    } else {
        amount = 10u128.checked_pow(exponent.unsigned_abs()).map_or(1, |p| amount.div_ceil(p));
    }
    let amount = i64::try_from(amount).unwrap_or(i64::MAX);
    if negative { -amount } else { amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, units, millis) in [
            ("0", 0, 0),
            ("100m", 1, 100),
            ("1", 1, 1000),
            ("1.5", 2, 1500),
            ("0.1", 1, 100),
            ("2.5Gi", 2_684_354_560, 2_684_354_560_000),
            ("8046Mi", 8_436_842_496, 8_436_842_496_000),
            ("1e3", 1000, 1_000_000),
            ("12E", i64::MAX, i64::MAX),
            ("-5", -5, -5000),
            ("1u", 1, 1),
            ("nonsense", 0, 0),
        ] {
            let q = Quantity(text.into());
            assert_eq!((value(&q), milli_value(&q)), (units, millis), "{text}");
        }
    }

    #[test]
    fn requests_of_pods() {
        let check = |spec: serde_json::Value, cpu: i64, memory: i64, non_zero: (i64, i64)| {
            let pod: Pod = serde_json::from_value(serde_json::json!({ "spec": spec })).unwrap();
            let got = pod_requests(&pod);
            assert_eq!((got.requests.milli_cpu, got.requests.memory), (cpu, memory), "{spec}");
            assert_eq!((got.non_zero_milli_cpu, got.non_zero_memory), non_zero, "{spec}");
        };
        let c = |cpu: &str, memory: &str| serde_json::json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}});
        let sidecar = serde_json::json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1", "memory": "10"}}});
        check(serde_json::json!({"containers": [{"name": "c"}]}), 0, 0, (100, DEFAULT_MEMORY_REQUEST));
        check(serde_json::json!({"containers": [c("1", "10"), c("500m", "20")]}), 1500, 30, (1500, 30));
        check(serde_json::json!({"containers": [c("1", "10")], "initContainers": [c("3", "5")]}), 3000, 10, (3000, 10));
        // The sidecar runs beside the init container that follows it, and beside the containers.
        check(
            serde_json::json!({"containers": [c("1", "10")], "initContainers": [sidecar, c("3", "5")]}),
            4000,
            20,
            (4000, 20),
        );
        check(serde_json::json!({"containers": [c("1", "10")], "overhead": {"cpu": "250m"}}), 1250, 10, (1250, 10));
        check(
            serde_json::json!({"containers": [c("1", "10")], "resources": {"requests": {"cpu": "2"}}}),
            2000,
            10,
            (2000, 10),
        );
    }
}
