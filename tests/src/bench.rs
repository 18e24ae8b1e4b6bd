//! What the benches measure, natively and in Chromium, and how a figure is written.

/// Image of the benches' pods: small, and it runs until it is told to stop.
const IMAGE: &str = "registry.k8s.io/pause:3.10";

/// The name of the benches' workload.
pub const WORKLOAD: &str = "bench";

/// A ReplicaSet brought from nothing to Ready.
pub struct Scale {
    pub figure: &'static str,
    pub replicas: u32,
    pub nodes: u32,
}

/// In the order of size: growth shows from one to the next.
pub const SCALES: [Scale; 3] = [
    Scale { figure: "rs_100_ms", replicas: 100, nodes: 10 },
    Scale { figure: "rs_1000_ms", replicas: 1_000, nodes: 10 },
    Scale { figure: "rs_10000_ms", replicas: 10_000, nodes: 100 },
];

/// The manifest of the benches' workload.
pub fn manifest(replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: {WORKLOAD}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {WORKLOAD}
  template:
    metadata:
      labels:
        app: {WORKLOAD}
    spec:
      containers:
      - name: pause
        image: {IMAGE}
"
    )
}

/// Writes a figure as `cargo xtask bench` reads it.
pub fn tell(name: &str, value: f64, unit: &str, place: &str) {
    println!(r#"{{"name": "{name}", "value": {value:.2}, "unit": "{unit}", "where": "{place}"}}"#);
}
