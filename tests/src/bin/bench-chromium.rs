//! The bench in headless Chromium. Run by `cargo xtask bench --only chromium`.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use podarium_core::session::{ClusterConfig, Session};
use podarium_tests::bench::{SCALES, Scale, manifest, tell};
use podarium_tests::browser::{Page, Result, Theme, Viewport};
use serde::Deserialize;

const PLACE: &str = "chromium";

/// The best of so many runs counts: what is measured is the program, not what else the machine does.
const RUNS: usize = 3;

/// How long processor time is watched.
const IDLE_SPAN: Duration = Duration::from_secs(10);

/// Ticks of processor time a second, as Linux counts them in /proc.
const TICKS: f64 = 100.0;

/// What the bench's page leaves.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    error: String,
    boot_ms: f64,
    took_ms: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result {
    let booted = visits("workers=3").await?;
    tell("boot_ms", best(&booted, |o| o.boot_ms), "ms", PLACE);
    for scale in &SCALES {
        let hash = format!(
            "workers={}&replicas={}&manifest={}",
            scale.nodes,
            scale.replicas,
            escape(&manifest(scale.replicas))
        );
        let applied = visits(&hash).await?;
        tell(scale.figure, best(&applied, |o| o.took_ms), "ms", PLACE);
    }
    idle(1_000).await?;
    tell("page_brotli_kb", transfer_kb().await?, "kB", PLACE);
    let mut ready_ms = f64::INFINITY;
    let mut blocked_ms: f64 = 0.0;
    for _ in 0..RUNS {
        let (ready, blocked) = first_ready().await?;
        ready_ms = ready_ms.min(ready);
        blocked_ms = blocked_ms.max(blocked);
    }
    tell("first_ready_ms", ready_ms, "ms", PLACE);
    for scale in &SCALES {
        let blocked = blocked_while_applying(scale).await?;
        blocked_ms = blocked_ms.max(blocked);
    }
    let blocked = blocked_while_idle(1_000).await?;
    tell("main_thread_block_ms_max", blocked_ms.max(blocked), "ms", PLACE);
    Ok(())
}

/// Runs in every page before its own scripts: notes the longest task of the main thread, how long at most a task that
/// the user waits for had to wait for its turn, and when the summary first said what the address of the bench asks for.
const PROBE: &str = r#"
globalThis.podariumBlocked = { task_ms: 0, wait_ms: 0 };
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) {
    podariumBlocked.task_ms = Math.max(podariumBlocked.task_ms, task.duration);
  }
}).observe({ entryTypes: ["longtask"] });
let turn = performance.now();
const next = () => {
  const now = performance.now();
  podariumBlocked.wait_ms = Math.max(podariumBlocked.wait_ms, now - turn - 4);
  turn = now;
  scheduler.postTask(next, { priority: "user-blocking", delay: 4 });
};
next();
globalThis.podariumReadyMs = null;
const look = () => {
  const text = document.querySelector("[data-testid=summary]")?.textContent ?? "";
  if (text.startsWith("3 nodes, 0 pods, all well")) podariumReadyMs = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"#;

async fn open_probed(session: &ClusterConfig) -> Result<Page> {
    let page = Page::open_at("bench.html#workers=0", Viewport::DESKTOP, Theme::Light).await?;
    outcome(&page).await?;
    page.devtools("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": PROBE })).await?;
    let session = escape(&Session::new(session.clone()).to_json());
    page.goto(&format!("index.html#session={session}")).await?;
    Ok(page)
}

/// What the probe saw of the main thread.
#[derive(Deserialize)]
struct Blocked {
    /// The longest task, 0 if none took the 50 ms from which on the browser calls a task long.
    task_ms: f64,
    /// How long a task that the user waits for had to wait: also for the processor, which the machine's other work has.
    wait_ms: f64,
}

/// Tasks of the browser's Long Tasks API are longer than this.
const LONG_TASK_MS: f64 = 50.0;

/// How long the main thread stood at most. A wait that no long task explains is many short ones, or a thread that
/// was ready and did not get a processor.
async fn blocked_ms(page: &Page, what: &str) -> Result<f64> {
    let seen: Blocked = page.evaluate("podariumBlocked").await?;
    eprintln!("    {what}: longest task {:.0} ms (0: none over 50), longest wait {:.0} ms", seen.task_ms, seen.wait_ms);
    Ok(if seen.task_ms > 0.0 { seen.task_ms } else { seen.wait_ms.min(LONG_TASK_MS) })
}

/// The summary of a cluster in which everything runs.
fn all_well(nodes: u32, pods: u32) -> String {
    let thousands = |n: u32| if n < 1_000 { n.to_string() } else { format!("{},{:03}", n / 1_000, n % 1_000) };
    format!("{} nodes, {} pods, all well", thousands(nodes), thousands(pods))
}

async fn wait_for_summary(page: &Page, begins: &str) -> Result {
    page.until_within(Duration::from_secs(300), begins, async || {
        Ok(page.text("summary").await.unwrap_or_default().starts_with(begins).then_some(()))
    })
    .await
}

/// From the load of a page that the browser has cached to the summary's word that all is well, and how long the main
/// thread stood meanwhile.
async fn first_ready() -> Result<(f64, f64)> {
    let page = Page::open(Viewport::DESKTOP, Theme::Light).await?;
    wait_for_summary(&page, "3 nodes, 0 pods, all well").await?;
    page.devtools("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": PROBE })).await?;
    page.reload().await?;
    let ready = page.until("the summary to say that all is well", async || {
        page.evaluate::<Option<f64>>("globalThis.podariumReadyMs ?? null").await
    });
    let ready_ms = ready.await?;
    let blocked = blocked_ms(&page, "load of the page").await?;
    page.close().await?;
    Ok((ready_ms, blocked))
}

/// What a browser that has nothing of the page yet is sent until the first screen is there, in thousands of bytes.
async fn transfer_kb() -> Result<f64> {
    const SENT: &str = "fetch('/.sent').then((r) => r.text())";
    let page = open("workers=0").await?;
    outcome(&page).await?;
    page.evaluate::<String>(SENT).await?;
    page.close().await?;
    let page = Page::open(Viewport::DESKTOP, Theme::Light).await?;
    wait_for_summary(&page, "3 nodes, 0 pods, all well").await?;
    let sent: String = page.evaluate(SENT).await?;
    page.close().await?;
    eprint!("    until the first screen was there the server sent:\n{sent}");
    Ok(sent.lines().filter_map(|line| line.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e3)
}

/// The bench's workload applied by the page's own controls, at full speed: how long its main thread stood.
async fn blocked_while_applying(scale: &Scale) -> Result<f64> {
    let page = open_probed(&ClusterConfig { workers: scale.nodes, ..ClusterConfig::default() }).await?;
    page.click("speed-max").await?;
    wait_for_summary(&page, &all_well(scale.nodes, 0)).await?;
    if page.find_all("editor").await?.is_empty() {
        page.click("toggle-editor").await?;
    }
    page.paste("editor", &manifest(scale.replicas)).await?;
    page.click("editor-apply").await?;
    wait_for_summary(&page, &all_well(scale.nodes, scale.replicas)).await?;
    let blocked = blocked_ms(&page, &format!("{} replicas on the page", scale.replicas)).await?;
    page.close().await?;
    Ok(blocked)
}

/// A quiet cluster on the page at 100x.
async fn blocked_while_idle(workers: u32) -> Result<f64> {
    let page = open_probed(&ClusterConfig { workers, ..ClusterConfig::default() }).await?;
    page.click("speed-max").await?;
    wait_for_summary(&page, &all_well(workers, 0)).await?;
    page.click("speed-100x").await?;
    tokio::time::sleep(IDLE_SPAN).await;
    let blocked = blocked_ms(&page, &format!("{workers} quiet nodes on the page at 100x")).await?;
    page.close().await?;
    Ok(blocked)
}

/// Runs one scenario again and again in one browser, which has the page cached after the first time.
async fn visits(hash: &str) -> Result<Vec<Outcome>> {
    let page = open(hash).await?;
    let mut outcomes = vec![outcome(&page).await?];
    for _ in 0..RUNS {
        // The browser stores what it has compiled when it has had nothing to compile for a while.
        tokio::time::sleep(Duration::from_secs(3)).await;
        page.goto("icon.svg").await?;
        page.goto(&format!("bench.html#{hash}")).await?;
        outcomes.push(outcome(&page).await?);
    }
    page.close().await?;
    Ok(outcomes)
}

/// The least of a figure.
fn best(outcomes: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(figure).fold(f64::INFINITY, f64::min)
}

async fn open(hash: &str) -> Result<Page> {
    Page::open_at(&format!("bench.html#{hash}"), Viewport::DESKTOP, Theme::Light).await
}

async fn outcome(page: &Page) -> Result<Outcome> {
    let text = page.until_within(Duration::from_secs(300), "the bench's page to finish", async || {
        page.evaluate::<Option<String>>("globalThis.podariumBench ?? null").await
    });
    let outcome: Outcome = serde_json::from_str(&text.await?)?;
    if outcome.error.is_empty() { Ok(outcome) } else { Err(outcome.error.into()) }
}

/// Processor time of a quiet cluster at 100x, of all the browser's processes together.
async fn idle(workers: u32) -> Result {
    let page = open(&format!("workers={workers}&idle")).await?;
    let measured = match outcome(&page).await {
        Ok(_) => watch_processor().await,
        Err(failure) => Err(failure),
    };
    page.close().await?;
    let name = format!("idle_{workers}_nodes_100x_cpu_pct");
    tell(&name, measured?, "%", PLACE);
    Ok(())
}

async fn watch_processor() -> Result<f64> {
    let (started, before) = (Instant::now(), browser_ticks()?);
    tokio::time::sleep(IDLE_SPAN).await;
    let spent_s = browser_ticks()?.saturating_sub(before) as f64 / TICKS;
    Ok(100.0 * spent_s / started.elapsed().as_secs_f64())
}

/// Processor time so far of the driver and all processes that descend from it.
fn browser_ticks() -> Result<u64> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while the list is read.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(process) = Process::parse(pid, &stat) {
            processes.push(process);
        }
    }
    let driver: u32 = std::env::var("PODARIUM_WEBDRIVER_PID")?.parse()?;
    let mut family = BTreeSet::from([driver]);
    loop {
        let children = processes.iter().filter(|process| family.contains(&process.parent)).map(|process| process.pid);
        let grown: BTreeSet<u32> = children.chain(family.iter().copied()).collect();
        if grown.len() == family.len() {
            break;
        }
        family = grown;
    }
    Ok(processes.iter().filter(|process| family.contains(&process.pid)).map(|process| process.ticks).sum())
}

struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Process {
    /// Reads a line of /proc/PID/stat; the name in parentheses may hold anything.
    fn parse(pid: u32, stat: &str) -> Option<Process> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Process { pid, parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
    }
}

/// Escapes what an address cannot hold.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
