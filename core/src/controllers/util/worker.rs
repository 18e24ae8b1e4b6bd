//! Workers that take keys from a queue and sync them.

use std::pin::Pin;
use std::rc::Rc;

use crate::client::{ClientError, WorkQueue};

use super::super::ControllerContext;

/// Why a sync didn't reach its end; it is tried again.
#[derive(Clone, Debug)]
pub enum SyncError {
    /// The api-server refused, or couldn't be reached.
    Client(ClientError),
    /// Something else, in upstream's words.
    Message(String),
}

impl std::fmt::Display for SyncError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SyncError::Client(e) => write!(f, "{e}"),
            SyncError::Message(m) => f.write_str(m),
        }
    }
}

impl From<ClientError> for SyncError {
    fn from(e: ClientError) -> Self {
        SyncError::Client(e)
    }
}

impl SyncError {
    /// An error in words.
    pub fn message(m: impl Into<String>) -> Self {
        SyncError::Message(m.into())
    }

    /// Whether the object wasn't there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, SyncError::Client(e) if e.is_not_found())
    }
}

/// What a sync ends with.
pub type SyncResult = Result<(), SyncError>;

/// One error of several, as upstream's NewAggregate prints them: each once.
pub fn aggregate(errors: Vec<SyncError>) -> SyncResult {
    if errors.len() < 2 {
        return errors.into_iter().next().map_or(Ok(()), Err);
    }
    let mut texts: Vec<String> = Vec::new();
    for e in &errors {
        let text = e.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Err(SyncError::Message(if texts.len() == 1 { texts.remove(0) } else { format!("[{}]", texts.join(", ")) }))
}

/// A sync under way.
type Syncing = Pin<Box<dyn Future<Output = SyncResult>>>;

/// Runs `n` workers: each takes a key, syncs it, and queues it again with back-off if that failed.
pub fn run_workers<F, Fut>(ctx: &ControllerContext, queue: &WorkQueue<Rc<str>>, n: usize, sync: F)
where
    F: Fn(Rc<str>) -> Fut + 'static,
    Fut: Future<Output = SyncResult> + 'static,
{
    // One loop serves all controllers; what a controller's sync does is code of its own, which one that is idle does without.
    let sync: Rc<dyn Fn(Rc<str>) -> Syncing> = Rc::new(move |key| Box::pin(sync(key)));
    for _ in 0..n {
        ctx.spawn(work(queue.clone(), sync.clone()));
    }
}

async fn work(queue: WorkQueue<Rc<str>>, sync: Rc<dyn Fn(Rc<str>) -> Syncing>) {
    loop {
        let key = queue.get().await;
        match sync(key.clone()).await {
            Ok(()) => queue.forget(&key),
            Err(_) => queue.add_rate_limited(key.clone()),
        }
        queue.done(&key);
    }
}
