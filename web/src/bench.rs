//! The bench's page: drives a worker of its own through one scenario, named by the address, and leaves what it measured
//! in `globalThis.podariumBench` for whoever drives the browser. Nothing is drawn.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::Reflect;
use podarium_core::observe::{Frame, NodeHealth};
use podarium_core::session::{ClusterConfig, Input};

use crate::page::app::FIRST_SEED;
use crate::page::link::Link;
use crate::protocol::{Speed, ToPage, ToWorker};

/// The worker is complete after so long, in milliseconds.
const COMPLETE_WITHIN_MS: u32 = 6_000;

/// Where the result appears.
const RESULT: &str = "podariumBench";

/// Runs what the address asks for: `#workers=10` boots, `#workers=10&replicas=1000&manifest=...` applies as well, and
/// `#workers=1000&idle` then lets time go at 100x.
pub fn start() {
    wasm_bindgen_futures::spawn_local(async {
        let told = match run(&Scenario::of_address()).await {
            Ok(json) => json,
            Err(why) => serde_json::json!({ "error": why }).to_string(),
        };
        // The global object takes any property.
        let _ = Reflect::set(&js_sys::global(), &RESULT.into(), &told.into());
    });
}

#[derive(Default)]
struct Scenario {
    workers: u32,
    replicas: u32,
    manifest: String,
    idle: bool,
}

impl Scenario {
    fn of_address() -> Scenario {
        let hash = gloo::utils::window().location().hash().unwrap_or_default();
        let mut scenario = Scenario::default();
        for pair in hash.trim_start_matches('#').split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "workers" => scenario.workers = value.parse().unwrap_or_default(),
                "replicas" => scenario.replicas = value.parse().unwrap_or_default(),
                "manifest" => {
                    let text = js_sys::decode_uri_component(value);
                    scenario.manifest = text.map(String::from).unwrap_or_default();
                }
                "idle" => scenario.idle = true,
                _ => {}
            }
        }
        scenario
    }
}

async fn run(scenario: &Scenario) -> Result<String, String> {
    let mut line = Line::open()?;
    while !matches!(line.next().await?, ToPage::Ready) {}

    let started_ms = now_ms();
    // What boots is the cluster that a visitor meets.
    let config = ClusterConfig { seed: FIRST_SEED, workers: scenario.workers, ..ClusterConfig::default() };
    line.link.send(&ToWorker::Start { session: None, config });
    line.link.send(&ToWorker::Speed(Speed::Max));
    let mut ready = BTreeSet::new();
    while ready.len() <= scenario.workers as usize {
        let frame = line.frame().await?;
        for node in &frame.nodes {
            match node.health {
                NodeHealth::Ready => ready.insert(node.id),
                _ => ready.remove(&node.id),
            };
        }
    }
    let boot_ms = now_ms() - started_ms;

    let mut took_ms = 0.0;
    if scenario.replicas > 0 || scenario.idle {
        // Whoever does something has seen the first screen; by then the rest of the worker's code is there, and rehearsed.
        line.link.send(&ToWorker::Speed(Speed::Paused));
        sleep(COMPLETE_WITHIN_MS).await;
        line.link.send(&ToWorker::Speed(Speed::Max));
    }
    if scenario.replicas > 0 {
        let files = vec![("bench.yaml".to_owned(), scenario.manifest.clone())];
        let line_of_command = "kubectl apply -f bench.yaml".to_owned();
        let started_ms = now_ms();
        line.link.send(&ToWorker::Submit(Input::Command { id: 1, line: line_of_command, files }));
        loop {
            let frame = line.frame().await?;
            if frame.workloads.iter().any(|workload| workload.ready >= scenario.replicas) {
                break;
            }
        }
        took_ms = now_ms() - started_ms;
    }
    if scenario.idle {
        line.link.send(&ToWorker::Speed(Speed::Times(100.0)));
        // Frames are to be asked for on and on, as by a page that draws.
        wasm_bindgen_futures::spawn_local(async move { while line.frame().await.is_ok() {} });
    } else {
        line.link.send(&ToWorker::Speed(Speed::Paused));
    }
    Ok(serde_json::json!({ "boot_ms": boot_ms, "took_ms": took_ms }).to_string())
}

async fn sleep(ms: u32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let resolve = move || drop(resolve.call0(&wasm_bindgen::JsValue::UNDEFINED));
        gloo::timers::callback::Timeout::new(ms, resolve).forget();
    });
    // It is never rejected.
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

fn now_ms() -> f64 {
    gloo::utils::window().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
}

/// The line to the worker, read one message after the other.
struct Line {
    link: Link,
    inbox: Rc<RefCell<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    messages: VecDeque<ToPage>,
    reader: Option<Waker>,
}

impl Line {
    fn open() -> Result<Line, String> {
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let delivered = inbox.clone();
        let link = Link::open(move |message| {
            let mut inbox = delivered.borrow_mut();
            inbox.messages.push_back(message);
            if let Some(reader) = inbox.reader.take() {
                reader.wake();
            }
        });
        Ok(Line { link: link.ok_or("the page started no worker")?, inbox })
    }

    async fn next(&mut self) -> Result<ToPage, String> {
        let message = poll_fn(|context| {
            let mut inbox = self.inbox.borrow_mut();
            match inbox.messages.pop_front() {
                Some(message) => Poll::Ready(message),
                None => {
                    inbox.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        match message.await {
            ToPage::Panicked(why) | ToPage::Problem(why) => Err(why),
            other => Ok(other),
        }
    }

    /// The next frame; the one after it may come at once.
    async fn frame(&mut self) -> Result<Box<Frame>, String> {
        loop {
            match self.next().await? {
                ToPage::Frame(frame) => {
                    self.link.send(&ToWorker::FrameShown);
                    return Ok(frame);
                }
                ToPage::Output(outputs) => {
                    for output in outputs {
                        failed(&output)?;
                    }
                }
                _ => {}
            }
        }
    }
}

/// A command that ended badly ends the bench.
fn failed(output: &podarium_core::cluster::Output) -> Result<(), String> {
    match output {
        podarium_core::cluster::Output::Exit { code, .. } if *code != 0 => Err(format!("kubectl exited with {code}")),
        podarium_core::cluster::Output::Text { stderr: true, text, .. } => Err(text.clone()),
        _ => Ok(()),
    }
}
