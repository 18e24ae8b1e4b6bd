//! Pipes between tasks of the simulation and clients: bounded, with a writer held back while its reader does not read.
//!
//! One end lives on the cluster's thread, whose tasks have no wakers but their ids; the other anywhere else.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;
use podarium_core::sim::{Sim, TaskId};

use crate::tank::Tank;

/// More than this is not written before the reader has read.
const BYTES_MAX: usize = 256 << 10;

/// What goes through a pipe.
pub trait Item: Send + 'static {
    /// How many bytes it counts for.
    fn weight(&self) -> usize;
}

impl Item for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// Somebody who waits, on either side.
enum Waiter {
    Task(TaskId),
    Waker(Waker),
}

impl Waiter {
    fn wake(self, tank: &Tank) {
        match self {
            Waiter::Task(task) => tank.tell(move |cluster| cluster.sim().wake(task)),
            Waiter::Waker(waker) => waker.wake(),
        }
    }
}

struct State<T> {
    items: VecDeque<T>,
    bytes: usize,
    /// The writer is done.
    finished: bool,
    /// The reader went away.
    abandoned: bool,
    /// The reader wants the writer's attention.
    nudged: bool,
    /// Waits for room.
    held_back: Option<Waiter>,
    /// Wants to know when the reader goes away.
    watchful: Option<Waiter>,
    /// Waits for something to read.
    hungry: Option<Waiter>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    tank: Tank,
}

impl<T: Item> Shared<T> {
    fn new(tank: &Tank) -> Arc<Self> {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            finished: false,
            abandoned: false,
            nudged: false,
            held_back: None,
            watchful: None,
            hungry: None,
        };
        Arc::new(Shared { state: Mutex::new(state), tank: tank.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, waiter: Option<Waiter>) {
        if let Some(waiter) = waiter {
            waiter.wake(&self.tank);
        }
    }

    /// Whether there is room; an error when nobody reads.
    fn poll_room(&self, waiter: impl FnOnce() -> Option<Waiter>) -> Poll<bool> {
        let mut state = self.lock();
        if state.abandoned {
            return Poll::Ready(false);
        }
        if state.bytes < BYTES_MAX {
            return Poll::Ready(true);
        }
        state.held_back = waiter();
        Poll::Pending
    }

    fn push(&self, item: T) {
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        state.bytes += item.weight();
        state.items.push_back(item);
        let hungry = state.hungry.take();
        drop(state);
        self.wake(hungry);
    }

    fn finish(&self) {
        let mut state = self.lock();
        state.finished = true;
        let hungry = state.hungry.take();
        drop(state);
        self.wake(hungry);
    }

    fn poll_next(&self, waiter: impl FnOnce() -> Option<Waiter>) -> Poll<Option<T>> {
        let mut state = self.lock();
        let Some(item) = state.items.pop_front() else {
            if state.finished {
                return Poll::Ready(None);
            }
            state.hungry = waiter();
            return Poll::Pending;
        };
        state.bytes -= item.weight();
        // Woken at half, so that reader and writer do not take turns for every item.
        let writer = if state.bytes <= BYTES_MAX / 2 { state.held_back.take() } else { None };
        drop(state);
        self.wake(writer);
        Poll::Ready(Some(item))
    }

    fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.items.clear();
        let waiters = [state.held_back.take(), state.watchful.take()];
        drop(state);
        for waiter in waiters {
            self.wake(waiter);
        }
    }
}

/// The writing end of a way out, on the cluster's thread. Dropping it ends the stream.
pub struct Sink<T: Item = Bytes> {
    sim: Sim,
    shared: Arc<Shared<T>>,
}

/// The reading end of a way out.
pub struct Source<T: Item = Bytes>(Arc<Shared<T>>);

/// A way out of `sim`, on the thread that `tank` leads to.
pub fn way_out<T: Item>(sim: &Sim, tank: &Tank) -> (Sink<T>, Source<T>) {
    let shared = Shared::new(tank);
    (Sink { sim: sim.clone(), shared: shared.clone() }, Source(shared))
}

impl<T: Item> Sink<T> {
    /// Waits until there is room; false when nobody reads any more.
    pub async fn room(&self) -> bool {
        std::future::poll_fn(|_| self.shared.poll_room(|| self.sim.current_task().map(Waiter::Task))).await
    }

    /// Waits until nobody reads any more.
    pub async fn abandoned(&self) {
        std::future::poll_fn(|_| {
            let mut state = self.shared.lock();
            if state.abandoned {
                return Poll::Ready(());
            }
            state.watchful = self.sim.current_task().map(Waiter::Task);
            Poll::Pending
        })
        .await
    }

    /// Waits until the reader wants attention.
    pub async fn nudged(&self) {
        std::future::poll_fn(|_| {
            let mut state = self.shared.lock();
            if std::mem::take(&mut state.nudged) {
                return Poll::Ready(());
            }
            state.watchful = self.sim.current_task().map(Waiter::Task);
            Poll::Pending
        })
        .await
    }

    /// Writes.
    pub fn push(&self, item: impl Into<T>) {
        self.shared.push(item.into());
    }
}

impl<T: Item> Drop for Sink<T> {
    fn drop(&mut self) {
        self.shared.finish();
    }
}

impl<T: Item> Source<T> {
    /// The next item; `None` at the end.
    pub async fn next(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Asks for the writer's attention.
    pub fn nudge(&self) {
        let mut state = self.0.lock();
        state.nudged = true;
        let watchful = state.watchful.take();
        drop(state);
        self.0.wake(watchful);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        self.0.poll_next(|| Some(Waiter::Waker(cx.waker().clone())))
    }
}

impl<T: Item> Stream for Source<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx)
    }
}

impl<T: Item> Drop for Source<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The writing end of a way in. Dropping it ends the stream.
pub struct Inlet<T: Item>(Arc<Shared<T>>);

/// The reading end of a way in, on the cluster's thread.
pub struct Intake<T: Item> {
    sim: Sim,
    shared: Arc<Shared<T>>,
}

/// A way into `sim`, on the thread that `tank` leads to.
pub fn way_in<T: Item>(sim: &Sim, tank: &Tank) -> (Inlet<T>, Intake<T>) {
    let shared = Shared::new(tank);
    (Inlet(shared.clone()), Intake { sim: sim.clone(), shared })
}

impl<T: Item> Inlet<T> {
    /// Writes once there is room; false when nobody reads any more.
    pub async fn push(&self, item: T) -> bool {
        let room = std::future::poll_fn(|cx| self.0.poll_room(|| Some(Waiter::Waker(cx.waker().clone())))).await;
        if room {
            self.0.push(item);
        }
        room
    }
}

impl<T: Item> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl<T: Item> Intake<T> {
    /// The next item; `None` at the end.
    pub async fn next(&mut self) -> Option<T> {
        std::future::poll_fn(|_| self.shared.poll_next(|| self.sim.current_task().map(Waiter::Task))).await
    }
}

impl<T: Item> Drop for Intake<T> {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}
