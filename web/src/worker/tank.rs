//! The tank: the cluster, the pace at which it is moved through time, and the frames that the page gets of it.

use std::time::Duration;

use podarium_core::cluster::Cluster;
use podarium_core::observe::Observer;
use podarium_core::runtime::images::ModuleSource;
use podarium_core::session::{ClusterConfig, Session};
use podarium_core::sim::SimTime;

use super::guests::{Ask, Guests};
use super::port;
use super::pump::{Next, Work};
use super::rehearsal::Rehearsal;
use crate::protocol::{Clock, Speed, ToPage, ToWorker};

/// A new cluster is shown booting, this many times faster than it does: a quarter of a minute in less than a second.
const BOOT_SPEED: f64 = 40.0;
/// How often a booting cluster is looked at, in virtual time.
const BOOT_LOOK: Duration = Duration::from_millis(100);
/// A boot that takes longer than this, in virtual seconds, is shown at the speed that was asked for.
const BOOT_SECONDS_MAX: u64 = 120;
/// A skip gives up after this much virtual time, in seconds.
const SKIP_SECONDS_MAX: u64 = 3_600;
/// Between frames, in milliseconds; and between those of a cluster in which nothing but heartbeats happens.
const FRAME_MS: f64 = 16.0;
const QUIET_FRAME_MS: f64 = 50.0;
/// How long a cluster that takes all the time it gets leaves the machine to the page when that is touched, in milliseconds: few machines have a
/// processor for each thread of a browser.
const HUSH_MS: f64 = 40.0;
/// A cluster is quiet when nothing has changed for so long, in real milliseconds.
const QUIET_AFTER_MS: f64 = 1_000.0;
/// How long the first screen is left in peace before the rest of this module is fetched, in milliseconds.
const REST_AFTER_MS: f64 = 300.0;
/// How many events run between looks at the real clock.
const EVENTS_A_LOOK: u32 = 32;

enum Skip {
    /// Until etcd has seen more changes than these, or virtual time is up.
    UntilChange { changes: u64, limit: SimTime },
}

/// What the worker holds.
pub struct Tank {
    guests: Guests,
    /// Whether the images' modules have come. Until then a new cluster boots, and nothing is done to it.
    stocked: bool,
    /// Makes them come.
    ask: Ask,
    /// What was asked for before that.
    early: Vec<ToWorker>,
    /// The speed that was asked for before there was anything to move.
    speed: Speed,
    run: Option<Run>,
    rest: Rest,
    rehearsal: Option<Rehearsal>,
}

/// The second half of this module, which the first screen does without.
#[derive(Clone, Copy)]
enum Rest {
    Unasked,
    /// The first screen is there since then, in real milliseconds.
    Due(f64),
    Asked,
}

struct Run {
    cluster: Cluster,
    observer: Observer,
    /// What is being replayed.
    replay: Option<Session>,
    booting: bool,
    speed: Speed,
    skip: Option<Skip>,
    last_ms: f64,
    last_frame_ms: f64,
    /// When a frame last told of more than heartbeats, in real milliseconds.
    lively_ms: f64,
    frame_pending: bool,
    /// A clock that goes as fast as it can stands until then, in real milliseconds.
    hushed_until_ms: f64,
    behind: bool,
    /// Where real speed is measured from: real milliseconds, virtual time.
    measured_from: (f64, SimTime),
    real_speed: f64,
    dirty: bool,
}

impl Tank {
    /// A tank without water.
    pub fn new(ask: Ask) -> Self {
        Tank {
            guests: Guests::awaited(),
            stocked: false,
            ask,
            early: Vec::new(),
            speed: Speed::Times(1.0),
            run: None,
            rest: Rest::Unasked,
            rehearsal: None,
        }
    }

    /// The images' modules have come.
    pub fn modules(&mut self, modules: ModuleSource) {
        self.guests.arrived(modules);
        self.stocked = true;
        for message in std::mem::take(&mut self.early) {
            self.receive(message);
        }
    }

    /// All that this worker may need is here.
    pub fn complete(&mut self) {
        // Who has begun to do something has rehearsed it, and so has a replay.
        if self.run.as_ref().is_some_and(|run| run.replay.is_none() && run.cluster.session().inputs.is_empty()) {
            self.rehearsal = Some(Rehearsal::new(&self.guests));
        }
    }

    fn begin(&mut self, session: Option<&str>, config: ClusterConfig) {
        let stored = match session.map(Session::from_json) {
            Some(Ok(s)) => Some(s),
            Some(Err(why)) => {
                port::send(&ToPage::Problem(format!(
                    "The stored session can't be used: {why}. Here is a new cluster."
                )));
                None
            }
            None => None,
        };
        let (engine, images) = self.guests.parts();
        let config = stored.as_ref().map_or(config, |s| s.config.clone());
        let cluster = Cluster::new(config, engine, images);
        if stored.is_none() {
            // From the first moment on a reload brings this cluster back, and no other.
            port::send(&ToPage::Saved(cluster.session().to_json()));
        }
        // A session that ends before anything was done may end in the middle of the boot.
        let booting = stored.as_ref().is_none_or(|s| s.inputs.is_empty());
        let now = port::now_ms();
        self.run = Some(Run {
            cluster,
            observer: Observer::new(),
            booting,
            replay: stored,
            speed: self.speed,
            skip: None,
            last_ms: now,
            last_frame_ms: 0.0,
            lively_ms: now,
            frame_pending: false,
            hushed_until_ms: 0.0,
            behind: false,
            measured_from: (now, SimTime::ZERO),
            real_speed: 0.0,
            dirty: true,
        });
    }
}

/// Whether a stored session does something to its cluster.
fn has_inputs(session: &str) -> bool {
    Session::from_json(session).is_ok_and(|s| !s.inputs.is_empty())
}

impl Work for Tank {
    fn receive(&mut self, message: ToWorker) {
        match message {
            ToWorker::Ping(number) => port::send(&ToPage::Pong(number)),
            // Both may need modules at once, the one to repeat what was done, the other to do it.
            ToWorker::Submit(_) if !self.stocked => {
                self.ask.now();
                self.early.push(message);
            }
            ToWorker::Start { session: Some(ref s), .. } if !self.stocked && has_inputs(s) => {
                self.ask.now();
                self.early.push(message);
            }
            ToWorker::Speed(_) if self.run.is_none() && !self.early.is_empty() => self.early.push(message),
            ToWorker::Start { session, config } => {
                // What was asked of an older cluster is void, and its memory is free before the new one needs any.
                self.early.clear();
                self.run = None;
                self.speed = Speed::Times(1.0);
                self.begin(session.as_deref(), config);
            }
            ToWorker::Speed(speed) if self.run.is_none() => self.speed = speed,
            other => {
                if matches!(other, ToWorker::Submit(_)) {
                    self.rehearsal = None;
                }
                if let Some(run) = &mut self.run {
                    run.receive(other);
                }
            }
        }
    }

    fn advance(&mut self, now_ms: f64, budget_ms: f64) -> Next {
        let Some(run) = &mut self.run else { return Next::WhenAsked };
        let next = run.advance(now_ms, budget_ms);
        match self.rest {
            Rest::Unasked if !run.booting && run.replay.is_none() => self.rest = Rest::Due(now_ms),
            Rest::Due(since_ms) if now_ms - since_ms >= REST_AFTER_MS => {
                self.rest = Rest::Asked;
                self.ask.now();
            }
            _ => {}
        }
        if let Some(rehearsal) = &mut self.rehearsal
            && next != Next::Now
        {
            if rehearsal.go_on(port::now_ms() + budget_ms) {
                return Next::After(0.0);
            }
            self.rehearsal = None;
        }
        match (next, self.rest) {
            // A clock that stands is no reason to be without it.
            (Next::WhenAsked, Rest::Due(_)) => Next::After(REST_AFTER_MS),
            _ => next,
        }
    }
}

impl Run {
    fn receive(&mut self, message: ToWorker) {
        match message {
            ToWorker::Speed(speed) => {
                self.speed = speed;
                self.skip = None;
                self.behind = false;
                // A clock that stands says so too, though nothing else has changed.
                self.dirty = true;
            }
            ToWorker::StepEvent => {
                self.speed = Speed::Paused;
                self.skip = None;
                self.cluster.step(SimTime::MAX);
                self.dirty = true;
            }
            ToWorker::SkipToChange => {
                let changes = self.cluster.etcd().borrow().changes();
                let limit = self.cluster.now() + Duration::from_secs(SKIP_SECONDS_MAX);
                self.skip = Some(Skip::UntilChange { changes, limit });
            }
            ToWorker::Submit(input) => {
                self.lively_ms = port::now_ms();
                if self.replay.is_some() {
                    port::send(&ToPage::Problem("The stored session is still being replayed.".to_owned()));
                    return;
                }
                self.cluster.submit(input);
                self.dirty = true;
                port::send(&ToPage::Saved(self.cluster.session().to_json()));
            }
            ToWorker::Ask { id, question } => {
                let answer = self.cluster.answer(&question);
                port::send(&ToPage::Answer { id, answer });
            }
            ToWorker::Export => {
                let now = self.cluster.now();
                while self.cluster.step(now) {}
                self.dirty = true;
                let (session, trace) = (self.cluster.session().to_json(), self.cluster.sim().trace().to_text());
                port::send(&ToPage::Exported { session, trace });
            }
            ToWorker::FrameShown => self.frame_pending = false,
            ToWorker::Touched => self.hushed_until_ms = port::now_ms() + HUSH_MS,
            ToWorker::Ping(_) | ToWorker::Start { .. } => {}
        }
    }

    fn advance(&mut self, now_ms: f64, budget_ms: f64) -> Next {
        let fills = self.speed == Speed::Max || self.skip.is_some() || self.replay.is_some();
        if fills && now_ms < self.hushed_until_ms {
            return Next::After(self.hushed_until_ms - now_ms);
        }
        let elapsed_ms = (now_ms - self.last_ms).clamp(0.0, 250.0);
        self.last_ms = now_ms;
        let deadline_ms = now_ms + budget_ms;
        let before = self.cluster.now();
        let more = self.move_time(elapsed_ms, deadline_ms);
        self.dirty |= self.cluster.now() != before;
        let outputs = self.cluster.take_outputs();
        if !outputs.is_empty() {
            port::send(&ToPage::Output(outputs));
            self.dirty = true;
        }
        self.send_frame(now_ms);
        if more {
            Next::Now
        } else if self.speed == Speed::Paused && self.skip.is_none() && !self.booting && !self.dirty {
            Next::WhenAsked
        } else {
            // Each turn costs something, whatever there is to do in it.
            Next::After(if self.is_quiet(now_ms) { FRAME_MS } else { FRAME_MS / 2.0 })
        }
    }

    /// Whether nothing but heartbeats has happened for a while.
    fn is_quiet(&self, now_ms: f64) -> bool {
        now_ms - self.lively_ms >= QUIET_AFTER_MS
    }

    /// Moves virtual time for one portion; whether there is more to do at once.
    fn move_time(&mut self, elapsed_ms: f64, deadline_ms: f64) -> bool {
        if let Some(session) = &self.replay {
            let session = session.clone();
            while port::now_ms() < deadline_ms {
                if !self.cluster.replay_some(&session, 512) {
                    self.replay = None;
                    return false;
                }
            }
            return true;
        }
        if let Some(Skip::UntilChange { changes, limit }) = self.skip {
            loop {
                let changed = self.cluster.etcd().borrow().changes() != changes;
                if changed || !self.cluster.step(limit) {
                    self.skip = None;
                    return false;
                }
                if port::now_ms() >= deadline_ms {
                    return true;
                }
            }
        }
        if self.booting {
            self.booting = !self.all_ready() && self.cluster.now() < SimTime::from_secs(BOOT_SECONDS_MAX);
        }
        let factor = match self.speed {
            Speed::Paused | Speed::Times(_) if self.booting => BOOT_SPEED,
            Speed::Paused => return false,
            Speed::Times(f) => f.clamp(0.0, 1e6),
            Speed::Max if self.booting => {
                self.boot_until(SimTime::MAX, deadline_ms);
                self.behind = false;
                return true;
            }
            Speed::Max => {
                run_events(&mut self.cluster, SimTime::MAX, deadline_ms);
                self.behind = false;
                return true;
            }
        };
        let ahead_ns = (elapsed_ms * factor * 1e6) as u64;
        let target = SimTime::from_nanos(self.cluster.now().as_nanos().saturating_add(ahead_ns));
        if self.booting {
            self.boot_until(target, deadline_ms);
            return false;
        }
        if run_events(&mut self.cluster, target, deadline_ms) {
            self.cluster.advance_to(target);
            self.behind = false;
        } else {
            self.behind = true;
        }
        false
    }

    /// Moves a booting cluster on, and stops at the moment at which all its nodes are Ready: from there on time goes as it was asked to.
    fn boot_until(&mut self, target: SimTime, deadline_ms: f64) {
        while self.booting && self.cluster.now() < target {
            let next = target.min(self.cluster.now() + BOOT_LOOK);
            self.behind = !run_events(&mut self.cluster, next, deadline_ms);
            if self.behind {
                return;
            }
            self.cluster.advance_to(next);
            self.booting = !self.all_ready();
        }
    }

    fn all_ready(&self) -> bool {
        self.cluster.nodes_ready() > self.cluster.session().config.workers as usize
    }

    fn send_frame(&mut self, now_ms: f64) {
        let pause_ms = if self.is_quiet(now_ms) { QUIET_FRAME_MS } else { FRAME_MS };
        if self.frame_pending || !self.dirty || now_ms - self.last_frame_ms < pause_ms {
            return;
        }
        let (from_ms, from) = self.measured_from;
        if now_ms - from_ms >= 1_000.0 {
            self.real_speed = self.cluster.now().since(from).as_secs_f64() * 1e3 / (now_ms - from_ms);
            self.measured_from = (now_ms, self.cluster.now());
        }
        self.last_frame_ms = now_ms;
        self.frame_pending = true;
        self.dirty = false;
        let frame = self.cluster.observe(&mut self.observer);
        if !frame.is_quiet() {
            self.lively_ms = now_ms;
        }
        port::send(&ToPage::Clock(Clock {
            speed: self.speed,
            real_speed: self.real_speed,
            behind: self.behind,
            booting: self.booting || self.replay.is_some(),
        }));
        port::send(&ToPage::Frame(Box::new(frame)));
    }
}

/// Runs events up to `target` or until the real clock says stop; whether the target was reached.
pub fn run_events(cluster: &mut Cluster, target: SimTime, deadline_ms: f64) -> bool {
    loop {
        for _ in 0..EVENTS_A_LOOK {
            if !cluster.step(target) {
                return true;
            }
        }
        if port::now_ms() >= deadline_ms {
            return false;
        }
    }
}
