//! What tasks wait for: time, notification, messages, each other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Sim, SimTime, TaskId};

/// Ends when virtual time reaches its deadline.
pub struct Sleep {
    sim: Sim,
    deadline: SimTime,
    registered: bool,
}

impl Sleep {
    pub(super) fn new(sim: Sim, deadline: SimTime) -> Self {
        Sleep { sim, deadline, registered: false }
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.sim.now() >= self.deadline {
            return Poll::Ready(());
        }
        if !self.registered {
            self.registered = true;
            self.sim.wake_current_at(self.deadline);
        }
        Poll::Pending
    }
}

/// Wakes waiting tasks; a notification while nobody waits is kept, once.
#[derive(Clone)]
pub struct Notify {
    sim: Sim,
    state: Rc<RefCell<NotifyState>>,
}

#[derive(Default)]
struct NotifyState {
    pending: bool,
    waiters: Vec<TaskId>,
}

impl Notify {
    /// A notifier that nobody has notified.
    pub fn new(sim: &Sim) -> Self {
        Notify { sim: sim.clone(), state: Rc::default() }
    }

    /// Wakes all that wait, or the next one that will.
    pub fn notify(&self) {
        let waiters = {
            let mut s = self.state.borrow_mut();
            s.pending = true;
            std::mem::take(&mut s.waiters)
        };
        for w in waiters {
            self.sim.wake(w);
        }
    }

    /// Waits for a notification and takes it.
    pub async fn notified(&self) {
        std::future::poll_fn(|_| {
            let mut s = self.state.borrow_mut();
            if s.pending {
                s.pending = false;
                return Poll::Ready(());
            }
            if let Some(t) = self.sim.current_task()
                && !s.waiters.contains(&t)
            {
                s.waiters.push(t);
            }
            Poll::Pending
        })
        .await;
    }
}

/// An unbounded queue of messages between tasks; clones share it.
pub struct Channel<T> {
    sim: Sim,
    state: Rc<RefCell<ChannelState<T>>>,
}

struct ChannelState<T> {
    items: VecDeque<T>,
    closed: bool,
    waiters: Vec<TaskId>,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Channel { sim: self.sim.clone(), state: self.state.clone() }
    }
}

impl<T> Channel<T> {
    /// An empty queue.
    pub fn new(sim: &Sim) -> Self {
        let state = ChannelState { items: VecDeque::new(), closed: false, waiters: Vec::new() };
        Channel { sim: sim.clone(), state: Rc::new(RefCell::new(state)) }
    }

    fn wake_all(&self) {
        let waiters = std::mem::take(&mut self.state.borrow_mut().waiters);
        for w in waiters {
            self.sim.wake(w);
        }
    }

    /// Adds a message; dropped when the queue is closed.
    pub fn send(&self, item: T) {
        {
            let mut s = self.state.borrow_mut();
            if s.closed {
                return;
            }
            s.items.push_back(item);
        }
        self.wake_all();
    }

    /// No more messages: receivers get what is left, then `None`.
    pub fn close(&self) {
        self.state.borrow_mut().closed = true;
        self.wake_all();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    /// The next message if there is one now.
    pub fn try_recv(&self) -> Option<T> {
        self.state.borrow_mut().items.pop_front()
    }

    /// Waits for the next message; `None` once closed and empty.
    pub async fn recv(&self) -> Option<T> {
        std::future::poll_fn(|_| {
            let mut s = self.state.borrow_mut();
            if let Some(item) = s.items.pop_front() {
                return Poll::Ready(Some(item));
            }
            if s.closed {
                return Poll::Ready(None);
            }
            if let Some(t) = self.sim.current_task()
                && !s.waiters.contains(&t)
            {
                s.waiters.push(t);
            }
            Poll::Pending
        })
        .await
    }
}

/// Waits for a number of spawned tasks: upstream's `sync.WaitGroup`.
#[derive(Clone)]
pub struct WaitGroup {
    left: Rc<RefCell<usize>>,
    notify: Notify,
}

impl WaitGroup {
    /// Waits for nobody yet.
    pub fn new(sim: &Sim) -> Self {
        WaitGroup { left: Rc::default(), notify: Notify::new(sim) }
    }
    /// One more to wait for.
    pub fn add(&self, n: usize) {
        *self.left.borrow_mut() += n;
    }
    /// One is done.
    pub fn done(&self) {
        let mut left = self.left.borrow_mut();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.notify.notify();
        }
    }
    /// Waits until all are done.
    pub async fn wait(&self) {
        while *self.left.borrow() > 0 {
            self.notify.notified().await;
        }
    }
}

/// Which of two futures ended first.
pub enum Select<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Runs two futures in one task until one ends; the first is asked first.
pub async fn select<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> Select<A, B> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(v) = a.as_mut().poll(cx) {
            return Poll::Ready(Select::First(v));
        }
        b.as_mut().poll(cx).map(Select::Second)
    })
    .await
}
