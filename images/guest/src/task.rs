//! Tasks: a tiny executor whose every round is one call of the engine's.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::sys;

/// In the list of ready descriptors: a signal arrived.
pub(crate) const SIGNAL: u32 = u32::MAX;
/// Likewise: the answer to a look-up, whose number is in the low bits.
pub(crate) const LOOKUP: u32 = 1 << 30;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A task's place.
enum Slot {
    Free,
    /// It is being polled.
    Running,
    Waiting(Task),
}

#[derive(Default)]
struct Executor {
    tasks: Vec<Slot>,
    /// Tasks to poll in this round.
    ready: VecDeque<usize>,
    /// Tasks that gave way: they are polled in the next round.
    yielded: Vec<usize>,
    current: usize,
    /// What tasks wait for: a descriptor, a look-up, a signal.
    waits: Vec<(u32, usize)>,
    timers: Vec<(u64, usize)>,
    /// The deadline that the host was told.
    told: u64,
    exit: Option<i32>,
}

struct Global(RefCell<Option<Executor>>);

// There is one thread.
unsafe impl Sync for Global {}

static EXECUTOR: Global = Global(RefCell::new(None));

fn with<T>(f: impl FnOnce(&mut Executor) -> T) -> T {
    f(EXECUTOR.0.borrow_mut().get_or_insert_default())
}

/// Starts a task beside the others.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    with(|executor| {
        let task: Task = Box::pin(future);
        let free = executor.tasks.iter().position(|slot| matches!(slot, Slot::Free));
        let id = free.unwrap_or(executor.tasks.len());
        match executor.tasks.get_mut(id) {
            Some(slot) => *slot = Slot::Waiting(task),
            None => executor.tasks.push(Slot::Waiting(task)),
        }
        executor.ready.push_back(id);
    });
}

/// Runs the module's main task until it waits, and ends the process when it has ended.
pub fn start(main: impl Future<Output = i32> + 'static) {
    spawn(async {
        let code = main.await;
        with(|executor| executor.exit = Some(code));
    });
    run();
}

/// Goes on after an event.
pub fn poll() {
    let mut events = [0u32; 64];
    loop {
        let count = unsafe { sys::events(events.as_mut_ptr(), 64) }.max(0) as usize;
        with(|executor| {
            for event in events.iter().take(count) {
                let ready = &mut executor.ready;
                executor.waits.retain(|(what, task)| {
                    if what == event {
                        ready.push_back(*task);
                    }
                    what != event
                });
            }
        });
        if count < 64 {
            break;
        }
    }
    with(|executor| {
        let yielded = std::mem::take(&mut executor.yielded);
        executor.ready.extend(yielded);
        if !executor.timers.is_empty() {
            let now = crate::time::now();
            let ready = &mut executor.ready;
            executor.timers.retain(|(at, task)| {
                if *at <= now {
                    ready.push_back(*task);
                }
                *at > now
            });
            // The host forgets a deadline that has passed.
            if executor.told <= now {
                executor.told = 0;
            }
        }
    });
    run();
}

fn run() {
    while let Some(id) = with(|executor| executor.ready.pop_front()) {
        let task = with(|executor| {
            executor.current = id;
            executor.tasks.get_mut(id).map(|slot| std::mem::replace(slot, Slot::Running))
        });
        let mut task = match task {
            Some(Slot::Waiting(task)) => task,
            // Woken after its end, or more than once.
            Some(Slot::Free) => {
                with(|executor| executor.tasks[id] = Slot::Free);
                continue;
            }
            _ => continue,
        };
        let waker = waker(id);
        let done = task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if done {
            drop(task);
            with(|executor| {
                executor.waits.retain(|(_, waiter)| *waiter != id);
                executor.timers.retain(|(_, waiter)| *waiter != id);
                executor.tasks[id] = Slot::Free;
            });
        } else {
            with(|executor| executor.tasks[id] = Slot::Waiting(task));
        }
        if let Some(code) = with(|executor| executor.exit) {
            crate::process::exit(code);
        }
    }
    let (deadline, told, yielded) = with(|executor| {
        let deadline = executor.timers.iter().map(|(at, _)| *at).min().unwrap_or(0);
        let told = std::mem::replace(&mut executor.told, deadline);
        // Idle tables hold nothing: containers that wait alike are alike.
        if executor.ready.is_empty() {
            executor.ready = VecDeque::new();
        }
        (deadline, told, !executor.yielded.is_empty())
    });
    unsafe {
        if deadline != told {
            sys::timer(deadline);
        }
        if yielded {
            sys::yield_now();
        }
    }
}

fn waker(id: usize) -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &TABLE),
        |data| with(|executor| executor.ready.push_back(data.addr())),
        |data| with(|executor| executor.ready.push_back(data.addr())),
        |_| {},
    );
    // The data is the task's number; nothing is ever read through it.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::without_provenance(id), &TABLE)) }
}

/// Waits once, in the way that `register` arranges.
fn wait(register: impl Fn(&mut Executor, usize) + Unpin) -> impl Future<Output = ()> {
    let mut waited = false;
    std::future::poll_fn(move |_| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        with(|executor| {
            let current = executor.current;
            register(executor, current);
        });
        Poll::Pending
    })
}

/// Waits until something may be ready. It may also wake for nothing: ask again.
pub(crate) fn ready(what: u32) -> impl Future<Output = ()> {
    wait(move |executor, task| {
        if !executor.waits.contains(&(what, task)) {
            executor.waits.push((what, task));
        }
    })
}

/// Waits until a moment, in nanoseconds since 1970, or for less if something else wakes the task.
pub(crate) fn timer(at: u64) -> impl Future<Output = ()> {
    wait(move |executor, task| executor.timers.push((at, task)))
}

/// Lets others go first, in this process and outside.
pub fn yield_now() -> impl Future<Output = ()> {
    wait(|executor, task| executor.yielded.push(task))
}

/// Both at once, until the first is done.
pub async fn first<A>(a: impl Future<Output = A>, b: impl Future<Output = A>) -> A {
    let mut a = std::pin::pin!(a);
    let mut b = std::pin::pin!(b);
    std::future::poll_fn(move |context| match a.as_mut().poll(context) {
        Poll::Pending => b.as_mut().poll(context),
        done => done,
    })
    .await
}

/// A task's result, for whoever waits for it.
pub struct Handle<T>(Rc<(RefCell<Option<T>>, Cell<Option<usize>>)>);

impl<T: 'static> Handle<T> {
    /// Starts a task that answers something.
    pub fn spawn(future: impl Future<Output = T> + 'static) -> Self {
        let shared = Rc::new((RefCell::new(None), Cell::new(None)));
        let theirs = shared.clone();
        spawn(async move {
            let value = future.await;
            *theirs.0.borrow_mut() = Some(value);
            if let Some(waiter) = theirs.1.take() {
                with(|executor| executor.ready.push_back(waiter));
            }
        });
        Handle(shared)
    }

    /// Waits for the result.
    pub async fn join(self) -> T {
        std::future::poll_fn(|_| match self.0.0.borrow_mut().take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.0.1.set(Some(with(|executor| executor.current)));
                Poll::Pending
            }
        })
        .await
    }
}
