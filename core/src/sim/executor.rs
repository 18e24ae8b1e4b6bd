//! Deterministic single-threaded tasks that belong to processes.
//!
//! Leaf futures register the running task by its id, so wakers carry nothing; whoever makes a task ready calls `wake`.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::link::MachineId;
use super::trace::TraceSeq;
use super::{Sim, SimTime};

/// One running program on a machine, as the operating system knows it. Ids are never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ProcessId(pub u32);

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Its tasks run.
    Running,
    /// Stopped as by SIGSTOP: it keeps its memory and does nothing.
    Stopped,
    /// Gone.
    Dead,
}

/// What the kernel knows of a process.
#[derive(Clone, Debug)]
pub struct ProcessInfo {
    /// The program's name, such as `kube-scheduler`.
    pub name: Rc<str>,
    /// Where it runs.
    pub machine: MachineId,
    /// Whether it runs.
    pub state: ProcessState,
}

/// A task: a slot and how often that slot was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskId {
    slot: u32,
    generation: u32,
}

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    generation: u32,
    process: ProcessId,
    cause: TraceSeq,
    /// In the ready queue already.
    queued: bool,
    live: bool,
    future: Option<TaskFuture>,
}

struct Process {
    info: ProcessInfo,
    tasks: Vec<u32>,
    /// Woken while stopped.
    deferred: Vec<TaskId>,
}

struct Timer {
    at: SimTime,
    seq: u64,
    task: TaskId,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed: the heap's greatest is the earliest.
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

#[derive(Default)]
pub(super) struct Executor {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    processes: RefCell<Vec<Process>>,
    ready: RefCell<VecDeque<TaskId>>,
    timers: RefCell<BinaryHeap<Timer>>,
    timer_seq: Cell<u64>,
    current: Cell<Option<TaskId>>,
    /// The cause while no task runs: an input from outside.
    outer_cause: Cell<TraceSeq>,
    polls: Cell<u64>,
    steps: Cell<u64>,
    /// Processes that ended themselves, and who wants to hear of it.
    exits: RefCell<VecDeque<(ProcessId, i32)>>,
    exit_waiter: Cell<Option<TaskId>>,
    /// How often a process began, ended, was stopped or continued.
    process_changes: Cell<u64>,
}

impl Executor {
    fn process_changed(&self) {
        self.process_changes.set(self.process_changes.get() + 1);
    }
}

impl Sim {
    /// A new process; it has no tasks yet.
    pub fn start_process(&self, name: &str, machine: MachineId) -> ProcessId {
        let mut processes = self.0.executor.processes.borrow_mut();
        let id = ProcessId(processes.len() as u32);
        let info = ProcessInfo { name: name.into(), machine, state: ProcessState::Running };
        processes.push(Process { info, tasks: Vec::new(), deferred: Vec::new() });
        self.0.executor.process_changed();
        id
    }

    /// A number that is another one whenever a process began, ended, was stopped or continued.
    pub fn process_changes(&self) -> u64 {
        self.0.executor.process_changes.get()
    }

    /// What is known of `process`.
    pub fn process(&self, process: ProcessId) -> Option<ProcessInfo> {
        self.0.executor.processes.borrow().get(process.0 as usize).map(|p| p.info.clone())
    }

    /// Whether `process` is there and not stopped.
    pub fn process_runs(&self, process: ProcessId) -> bool {
        self.process_state(process) == ProcessState::Running
    }

    /// Whether `process` runs, is stopped, or is gone.
    pub fn process_state(&self, process: ProcessId) -> ProcessState {
        self.0.executor.processes.borrow().get(process.0 as usize).map_or(ProcessState::Dead, |p| p.info.state)
    }

    /// Whether a process of this name runs on `machine`. Looks at all processes: for questions that are asked rarely.
    pub fn runs_on(&self, machine: MachineId, name: &str) -> bool {
        let processes = self.0.executor.processes.borrow();
        processes
            .iter()
            .rev()
            .any(|p| p.info.machine == machine && p.info.state == ProcessState::Running && &*p.info.name == name)
    }

    /// The machine that `process` runs on.
    pub fn machine_of(&self, process: ProcessId) -> MachineId {
        self.0.executor.processes.borrow().get(process.0 as usize).map_or(MachineId::OUTSIDE, |p| p.info.machine)
    }

    /// Ends `process` as SIGKILL does: its tasks are dropped where they stand.
    pub fn kill_process(&self, process: ProcessId) {
        let ex = &self.0.executor;
        let tasks = {
            let mut processes = ex.processes.borrow_mut();
            let Some(p) = processes.get_mut(process.0 as usize) else {
                return;
            };
            p.info.state = ProcessState::Dead;
            ex.process_changed();
            p.deferred.clear();
            std::mem::take(&mut p.tasks)
        };
        let mut dropped = Vec::new();
        for slot in tasks {
            let mut slots = ex.slots.borrow_mut();
            let s = &mut slots[slot as usize];
            if s.live && s.process == process {
                s.live = false;
                s.generation = s.generation.wrapping_add(1);
                // A task that kills its own process has its future out of the slot: it is dropped when its poll returns.
                if let Some(f) = s.future.take() {
                    dropped.push(f);
                    ex.free.borrow_mut().push(slot);
                }
            }
        }
        // Dropping a future may call back into the kernel, so no borrow is held here.
        drop(dropped);
    }

    /// Ends everything: every process is killed, and nothing is due any more. Tasks hold the kernel and each other, so a
    /// simulation that is merely dropped would stay in memory.
    pub fn end(&self) {
        let ex = &self.0.executor;
        let count = ex.processes.borrow().len() as u32;
        for id in 0..count {
            self.kill_process(ProcessId(id));
        }
        ex.timers.borrow_mut().clear();
        ex.ready.borrow_mut().clear();
    }

    /// Ends `process` of its own accord, with an exit code that its parent gets to know.
    pub fn exit_process(&self, process: ProcessId, code: i32) {
        self.kill_process(process);
        let ex = &self.0.executor;
        ex.exits.borrow_mut().push_back((process, code));
        if let Some(parent) = ex.exit_waiter.take() {
            self.wake(parent);
        }
    }

    /// Waits for the next process that ends itself: which, and its exit code. For one waiting task.
    pub async fn next_exit(&self) -> (ProcessId, i32) {
        std::future::poll_fn(|_| {
            let ex = &self.0.executor;
            if let Some(exit) = ex.exits.borrow_mut().pop_front() {
                return Poll::Ready(exit);
            }
            ex.exit_waiter.set(ex.current.get());
            Poll::Pending
        })
        .await
    }

    /// Stops `process` as SIGSTOP does.
    pub fn stop_process(&self, process: ProcessId) {
        if let Some(p) = self.0.executor.processes.borrow_mut().get_mut(process.0 as usize)
            && p.info.state == ProcessState::Running
        {
            p.info.state = ProcessState::Stopped;
            self.0.executor.process_changed();
        }
    }

    /// Lets a stopped process go on: what should have woken it wakes it now.
    pub fn continue_process(&self, process: ProcessId) {
        let woken = {
            let mut processes = self.0.executor.processes.borrow_mut();
            let Some(p) = processes.get_mut(process.0 as usize) else {
                return;
            };
            if p.info.state != ProcessState::Stopped {
                return;
            }
            p.info.state = ProcessState::Running;
            self.0.executor.process_changed();
            std::mem::take(&mut p.deferred)
        };
        for task in woken {
            self.wake(task);
        }
    }

    /// Starts a task of `process`; it runs first when the kernel next turns to ready tasks. Nothing for a dead process.
    pub fn spawn(&self, process: ProcessId, future: impl Future<Output = ()> + 'static) {
        let ex = &self.0.executor;
        let cause = self.cause();
        let task = {
            let mut processes = ex.processes.borrow_mut();
            let Some(p) = processes.get_mut(process.0 as usize) else {
                return;
            };
            if p.info.state == ProcessState::Dead {
                return;
            }
            let mut slots = ex.slots.borrow_mut();
            let future: Option<TaskFuture> = Some(Box::pin(future));
            let slot = match ex.free.borrow_mut().pop() {
                Some(slot) => {
                    let s = &mut slots[slot as usize];
                    *s = Slot { generation: s.generation, process, cause, queued: false, live: true, future };
                    slot
                }
                None => {
                    slots.push(Slot { generation: 0, process, cause, queued: false, live: true, future });
                    (slots.len() - 1) as u32
                }
            };
            p.tasks.push(slot);
            if p.tasks.len() > 64 && p.tasks.len().is_power_of_two() {
                // Ended tasks leave their slot's number behind; the list is swept as it doubles.
                p.tasks.retain(|&t| slots[t as usize].live && slots[t as usize].process == process);
                p.tasks.sort_unstable();
                p.tasks.dedup();
            }
            TaskId { slot, generation: slots[slot as usize].generation }
        };
        self.wake(task);
    }

    /// The task that runs now.
    pub fn current_task(&self) -> Option<TaskId> {
        self.0.executor.current.get()
    }

    /// The process whose task runs now.
    pub fn current_process(&self) -> Option<ProcessId> {
        let t = self.current_task()?;
        self.0.executor.slots.borrow().get(t.slot as usize).map(|s| s.process)
    }

    /// Makes a task ready; nothing if it has ended or is ready already.
    pub fn wake(&self, task: TaskId) {
        let ex = &self.0.executor;
        let mut slots = ex.slots.borrow_mut();
        let Some(s) = slots.get_mut(task.slot as usize) else {
            return;
        };
        if !s.live || s.generation != task.generation || s.queued {
            return;
        }
        let mut processes = ex.processes.borrow_mut();
        let p = &mut processes[s.process.0 as usize];
        match p.info.state {
            ProcessState::Running => {
                s.queued = true;
                ex.ready.borrow_mut().push_back(task);
            }
            ProcessState::Stopped => p.deferred.push(task),
            ProcessState::Dead => {}
        }
    }

    /// Wakes the running task at `at`.
    pub(super) fn wake_current_at(&self, at: SimTime) {
        if let Some(task) = self.current_task() {
            self.wake_at(task, at);
        }
    }

    /// Wakes `task` at `at`.
    pub fn wake_at(&self, task: TaskId, at: SimTime) {
        let ex = &self.0.executor;
        let seq = ex.timer_seq.get();
        ex.timer_seq.set(seq + 1);
        ex.timers.borrow_mut().push(Timer { at: at.max(self.now()), seq, task });
    }

    /// What the running task is working because of.
    pub fn cause(&self) -> TraceSeq {
        let ex = &self.0.executor;
        match ex.current.get() {
            Some(t) => ex.slots.borrow()[t.slot as usize].cause,
            None => ex.outer_cause.get(),
        }
    }

    /// Says what the running task works because of from now on.
    pub fn set_cause(&self, cause: TraceSeq) {
        let ex = &self.0.executor;
        match ex.current.get() {
            Some(t) => ex.slots.borrow_mut()[t.slot as usize].cause = cause,
            None => ex.outer_cause.set(cause),
        }
    }

    /// When the next timer is due; `None` when nothing will ever happen by itself.
    pub fn next_event_at(&self) -> Option<SimTime> {
        self.0.executor.timers.borrow().peek().map(|t| t.at)
    }

    /// Runs all that is ready at this instant, without moving time.
    pub fn run_ready(&self) {
        let ex = &self.0.executor;
        loop {
            let Some(task) = ex.ready.borrow_mut().pop_front() else {
                break;
            };
            let future = {
                let mut slots = ex.slots.borrow_mut();
                let s = &mut slots[task.slot as usize];
                if !s.live || s.generation != task.generation {
                    continue;
                }
                let mut processes = ex.processes.borrow_mut();
                let p = &mut processes[s.process.0 as usize];
                s.queued = false;
                if p.info.state == ProcessState::Stopped {
                    p.deferred.push(task);
                    continue;
                }
                s.future.take()
            };
            let Some(mut future) = future else { continue };
            ex.current.set(Some(task));
            ex.polls.set(ex.polls.get() + 1);
            let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            ex.current.set(None);
            let mut slots = ex.slots.borrow_mut();
            let s = &mut slots[task.slot as usize];
            let alive = s.live && s.generation == task.generation;
            if alive && poll.is_pending() {
                s.future = Some(future);
                continue;
            }
            if alive {
                s.live = false;
                s.generation = s.generation.wrapping_add(1);
            }
            ex.free.borrow_mut().push(task.slot);
            drop(slots);
            drop(future);
        }
    }

    /// Moves to the next timer and runs what it wakes; false when there is none up to `limit`.
    pub fn step(&self, limit: SimTime) -> bool {
        self.run_ready();
        let ex = &self.0.executor;
        let task = {
            let mut timers = ex.timers.borrow_mut();
            match timers.peek() {
                Some(t) if t.at <= limit => {
                    self.0.now.set(t.at.max(self.now()));
                    timers.pop().map(|t| t.task)
                }
                _ => None,
            }
        };
        let Some(task) = task else { return false };
        ex.steps.set(ex.steps.get() + 1);
        self.wake(task);
        self.run_ready();
        true
    }

    /// Runs every event due up to `t`, then sets the clock to `t`.
    pub fn run_until(&self, t: SimTime) {
        while self.step(t) {}
        if t > self.now() && t != SimTime::MAX {
            self.0.now.set(t);
        }
    }

    /// How many events have run since the beginning.
    pub fn steps(&self) -> u64 {
        self.0.executor.steps.get()
    }

    /// Moves the clock forward to `t` without running anything: for replay, which knows that nothing was due.
    pub fn advance_to(&self, t: SimTime) {
        if t > self.now() {
            self.0.now.set(t);
        }
    }

    /// How many times a task was polled since the beginning: a measure of work that doesn't depend on the machine.
    pub fn polls(&self) -> u64 {
        self.0.executor.polls.get()
    }
}
