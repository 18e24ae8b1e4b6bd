//! The native bench. Run by `cargo xtask bench --only native`. With names of figures as arguments it measures those alone.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use podarium_core::cluster::Cluster;
use podarium_core::observe::{NodeHealth, Observer};
use podarium_core::session::{ClusterConfig, Input};
use podarium_core::sim::SimTime;
use podarium_tests::bench::{SCALES, Scale, WORKLOAD, manifest, tell};
use podarium_tests::wasm;

#[global_allocator]
static ALLOCATOR: podarium_server::allocator::Allocator = podarium_server::allocator::Allocator;

const PLACE: &str = "native";

/// The figure of a quiet cluster.
const IDLE: &str = "idle_1000_nodes_100x_cpu_pct";

/// How much virtual time passes between looks at a cluster that boots.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How much passes while so many pods come: some ten of them start between two looks. The page, which draws some twenty frames a
/// second, looks less often.
fn look_interval(replicas: u32) -> Duration {
    Duration::from_millis(u64::from(replicas) / 10)
}

/// No cluster takes as long as this, in virtual time.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The best of so many runs counts: what is measured is the program, not what else the machine does.
const RUNS: usize = 5;

fn main() -> ExitCode {
    podarium_server::allocator::set_up();
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), String> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |figure: &str| asked.is_empty() || asked.iter().any(|name| name == figure);
    if wanted("boot_ms") {
        let boot_3 = best(|| Ok(boot(3)?.took))?;
        tell("boot_ms", ms(boot_3.wall), "ms", PLACE);
        tell("boot_cpu_ms", ms(boot_3.cpu), "ms", PLACE);
    }
    for scale in SCALES.iter().filter(|scale| wanted(scale.figure)) {
        let mut simulated = Duration::ZERO;
        let took = best(|| {
            let (took, virtual_time) = bring_up(scale)?;
            simulated = virtual_time;
            Ok(took)
        })?;
        tell(scale.figure, ms(took.wall), "ms", PLACE);
        tell(&scale.figure.replace("_ms", "_cpu_ms"), ms(took.cpu), "ms", PLACE);
        if scale.replicas == 1_000 {
            tell("rs_1000_simulated_s", simulated.as_secs_f64(), "s", PLACE);
        }
    }
    if wanted(IDLE) {
        tell(IDLE, idle(1_000)?, "%", PLACE);
    }
    Ok(())
}

/// What something took.
#[derive(Clone, Copy)]
struct Took {
    /// On the wall's clock.
    wall: Duration,
    /// Of this thread's processor time, which is the same on a machine that is busy with other things.
    cpu: Duration,
}

/// Began then.
struct Begun {
    wall: Instant,
    cpu: Duration,
}

impl Begun {
    fn now() -> Begun {
        Begun { wall: Instant::now(), cpu: cpu_time() }
    }

    fn took(&self) -> Took {
        Took { wall: self.wall.elapsed(), cpu: cpu_time().saturating_sub(self.cpu) }
    }
}

/// This thread's processor time so far, as Linux counts it; zero elsewhere.
fn cpu_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = line.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
    Duration::from_nanos(ns)
}

fn best(mut run: impl FnMut() -> Result<Took, String>) -> Result<Took, String> {
    let mut best = Took { wall: Duration::MAX, cpu: Duration::MAX };
    for _ in 0..RUNS {
        let took = run()?;
        best = Took { wall: best.wall.min(took.wall), cpu: best.cpu.min(took.cpu) };
    }
    Ok(best)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

struct Booted {
    cluster: Cluster,
    watcher: Watcher,
    took: Took,
}

/// A cluster whose nodes are all Ready.
fn boot(workers: u32) -> Result<Booted, String> {
    let begun = Begun::now();
    let config = ClusterConfig { workers, ..ClusterConfig::default() };
    let mut cluster = wasm::cluster(config);
    let mut watcher = Watcher::default();
    watcher.wait(&mut cluster, "all nodes to be Ready", LOOK_INTERVAL, |seen| seen.nodes_ready > workers as usize)?;
    Ok(Booted { cluster, watcher, took: begun.took() })
}

/// What it took from apply to all Ready, and the virtual time.
fn bring_up(scale: &Scale) -> Result<(Took, Duration), String> {
    let Booted { mut cluster, mut watcher, .. } = boot(scale.nodes)?;
    let files = vec![("bench.yaml".to_owned(), manifest(scale.replicas))];
    let (begun, from) = (Begun::now(), cluster.now());
    cluster.submit(Input::Command { id: 1, line: "kubectl apply -f bench.yaml".to_owned(), files });
    let interval = look_interval(scale.replicas);
    watcher.wait(&mut cluster, "all pods to be Ready", interval, |seen| seen.pods_ready >= scale.replicas)?;
    Ok((begun.took(), cluster.now().since(from)))
}

/// Percent of a core that a quiet cluster needs at 100 times real time.
fn idle(workers: u32) -> Result<f64, String> {
    let Booted { mut cluster, .. } = boot(workers)?;
    cluster.run_for(Duration::from_secs(60));
    let span = Duration::from_secs(300);
    let begun = Begun::now();
    cluster.run_for(span);
    Ok(100.0 * begun.took().cpu.as_secs_f64() / (span.as_secs_f64() / 100.0))
}

/// Looks at the cluster as the page does: by frames of changes.
#[derive(Default)]
struct Watcher {
    observer: Observer,
    ready: std::collections::BTreeSet<u32>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    nodes_ready: usize,
    pods_ready: u32,
}

impl Watcher {
    fn wait(
        &mut self,
        cluster: &mut Cluster,
        what: &str,
        interval: Duration,
        done: impl Fn(&Seen) -> bool,
    ) -> Result<(), String> {
        let limit: SimTime = cluster.now() + PATIENCE;
        while cluster.now() < limit {
            cluster.run_for(interval);
            self.look(cluster);
            if done(&self.seen) {
                return Ok(());
            }
        }
        Err(format!(
            "waited {} virtual seconds for {what}: {} nodes and {} pods are Ready",
            PATIENCE.as_secs(),
            self.seen.nodes_ready,
            self.seen.pods_ready
        ))
    }

    fn look(&mut self, cluster: &Cluster) {
        let frame = cluster.observe(&mut self.observer);
        for node in &frame.nodes {
            match node.health {
                NodeHealth::Ready => self.ready.insert(node.id),
                _ => self.ready.remove(&node.id),
            };
        }
        self.seen.nodes_ready = self.ready.len();
        if let Some(workload) = frame.workloads.iter().find(|workload| workload.name == WORKLOAD) {
            self.seen.pods_ready = workload.ready;
        }
    }
}
