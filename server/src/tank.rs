//! The cluster on a thread of its own, and the way to it from others.
//!
//! A cluster cannot leave its thread, so work comes to it: closures over a channel, run between events. The thread sleeps until
//! the next event is due or work comes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use podarium_core::cluster::Cluster;
use podarium_core::sim::SimTime;
use tokio::sync::oneshot;

use crate::pace::{Pace, Speed};

/// Work for the cluster's thread.
enum Job {
    Do(Box<dyn FnOnce(&mut Cluster) + Send>),
    Stop,
}

/// How long events run before waiting work is looked for, and work before events.
const TURN: Duration = Duration::from_millis(1);

/// How many events run between looks at the real clock.
const EVENTS_A_LOOK: usize = 16;

/// Room for guests' calls and for documents that nest as deep as they may.
const STACK_BYTES: usize = 16 << 20;

/// The way to the cluster. Clones are the same.
#[derive(Clone)]
pub struct Tank {
    jobs: Sender<Job>,
}

/// The cluster's thread is gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the cluster has ended")
    }
}

impl Tank {
    /// Starts a thread with the cluster that `make` makes there; virtual time passes at `speed` once it is made.
    pub async fn start(
        speed: Speed,
        make: impl FnOnce() -> Result<Cluster, String> + Send + 'static,
    ) -> Result<(Self, JoinHandle<()>), String> {
        let (jobs, inbox) = channel();
        let (made, is_made) = oneshot::channel();
        let thread = std::thread::Builder::new().name("cluster".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            let cluster = make();
            // Whoever waits for it may have given up.
            let _ = made.send(cluster.as_ref().map(|_| ()).map_err(String::clone));
            if let Ok(cluster) = cluster {
                let (pace, seen) = (Pace::new(speed, cluster.now()), revision(&cluster));
                Run { cluster, pace, inbox, seen }.run();
            }
        });
        let thread = thread.map_err(|e| format!("cannot start a thread: {e}"))?;
        is_made.await.map_err(|_| "the cluster could not be made".to_owned())??;
        Ok((Tank { jobs }, thread))
    }

    /// Has work done on the cluster's thread, and waits for what comes of it.
    pub async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Cluster) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, answered) = oneshot::channel();
        let job = move |cluster: &mut Cluster| {
            // Nobody waits for it if the client went away.
            let _ = answer.send(job(cluster));
        };
        self.jobs.send(Job::Do(Box::new(job))).map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }

    /// Has work done on the cluster's thread.
    pub fn tell(&self, job: impl FnOnce(&mut Cluster) + Send + 'static) {
        // If the thread is gone there is nothing left to be told.
        let _ = self.jobs.send(Job::Do(Box::new(job)));
    }

    /// Ends the cluster.
    pub fn stop(&self) {
        // If the thread is gone it has stopped.
        let _ = self.jobs.send(Job::Stop);
    }
}

/// What the thread holds.
struct Run {
    cluster: Cluster,
    pace: Pace,
    inbox: Receiver<Job>,
    /// The revision up to which etcd's changes were looked at.
    seen: u64,
}

impl Run {
    fn run(mut self) {
        loop {
            let target = self.pace.target(self.cluster.now());
            let reached = self.run_events(target);
            self.notice_changes();
            match self.work() {
                Ok(true) => {}
                // Events are left that are due already.
                Ok(false) if !reached => {}
                Ok(false) => {
                    if !self.rest() {
                        return;
                    }
                }
                Err(Gone) => return,
            }
        }
    }

    /// Runs events up to `target`, for one turn at most; whether all of them ran.
    fn run_events(&mut self, target: SimTime) -> bool {
        let began = Instant::now();
        loop {
            for _ in 0..EVENTS_A_LOOK {
                if !self.cluster.step(target) {
                    self.cluster.advance_to(target);
                    return true;
                }
            }
            if began.elapsed() >= TURN {
                return false;
            }
        }
    }

    /// Does the work that waits, for one turn at most; whether there was any.
    fn work(&mut self) -> Result<bool, Gone> {
        let began = Instant::now();
        let mut worked = false;
        loop {
            match self.inbox.try_recv() {
                Ok(Job::Do(job)) => job(&mut self.cluster),
                Err(TryRecvError::Empty) => break,
                Ok(Job::Stop) | Err(TryRecvError::Disconnected) => return Err(Gone),
            }
            worked = true;
            if began.elapsed() >= TURN {
                break;
            }
        }
        if worked {
            self.cluster.sim().run_ready();
        }
        Ok(worked)
    }

    /// Sleeps until the next event is due or work comes, which is done; false when there will be no more.
    fn rest(&mut self) -> bool {
        let next = self.cluster.sim().next_event_at();
        // What happened meanwhile may have let time race on.
        let target = self.pace.target(self.cluster.now());
        if next.is_some_and(|at| at <= target) {
            return true;
        }
        let job = match next {
            Some(at) => self.inbox.recv_timeout(self.pace.wait(at)),
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let job = match job {
            Ok(Job::Do(job)) => job,
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        };
        // What was due while it slept comes first.
        let target = self.pace.target(self.cluster.now());
        self.run_events(target);
        job(&mut self.cluster);
        self.cluster.sim().run_ready();
        true
    }

    /// Looks whether anything but heartbeats happened.
    fn notice_changes(&mut self) {
        let now = revision(&self.cluster);
        if now == self.seen {
            return;
        }
        let etcd = self.cluster.etcd();
        let etcd = etcd.borrow();
        // Changes that are compacted away already happened long ago.
        let busy = etcd.events_since(self.seen).is_ok_and(|mut changes| changes.any(|c| !is_heartbeat(&c.key)));
        self.seen = now;
        if busy {
            self.pace.busy(self.cluster.now());
        }
    }
}

fn revision(cluster: &Cluster) -> u64 {
    cluster.etcd().borrow().revision()
}

/// Whether a change of this key says nothing but that somebody lives.
fn is_heartbeat(key: &str) -> bool {
    ["/registry/leases/", "/registry/events/", "/registry/minions/", "/registry/masterleases/"]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}
