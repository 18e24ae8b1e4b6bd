//! Watches carried from the api-server to their clients.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use podarium_core::apiserver::WatchBody;
use podarium_core::sim::{Select, select};
use tokio::time::{Sleep, sleep};

use crate::pipe::{Sink, Source};

/// How much is gathered before it is handed on.
const CHUNK_BYTES: usize = 16 << 10;

/// A watch gets a last bookmark so long before its time is up.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// Carries a watch's events to a client, for as long as both are there. While the client does not read, the events stay with the
/// api-server, which cuts off who falls too far behind.
pub async fn carry(mut watch: Box<WatchBody>, sink: Sink) {
    while sink.room().await {
        let mut chunk = match select(watch.next(), select(sink.nudged(), sink.abandoned())).await {
            Select::First(Some(chunk)) => chunk,
            Select::Second(Select::First(())) => {
                watch.ends_soon();
                continue;
            }
            Select::First(None) | Select::Second(Select::Second(())) => return,
        };
        while chunk.len() < CHUNK_BYTES
            && let Some(piece) = watch.try_next()
        {
            chunk.extend_from_slice(&piece);
        }
        sink.push(chunk);
    }
}

/// A watch on its way to a client, which ends after a while of real time.
pub struct Watch {
    source: Source,
    /// When its writer is told that it ends soon.
    soon: Option<Pin<Box<Sleep>>>,
    end: Pin<Box<Sleep>>,
}

impl Watch {
    /// A watch that ends after `timeout`.
    pub fn new(source: Source, timeout: Duration) -> Self {
        let soon = timeout.checked_sub(BOOKMARK_BEFORE_END).map(|d| Box::pin(sleep(d)));
        Watch { source, soon, end: Box::pin(sleep(timeout)) }
    }
}

impl Stream for Watch {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(soon) = &mut self.soon
            && soon.as_mut().poll(cx).is_ready()
        {
            self.soon = None;
            self.source.nudge();
        }
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.source).poll_next(cx)
    }
}
