//! What the page and the worker say to each other: postcard bytes in a transferred buffer, one message each.

use podarium_core::cluster::Output;
use podarium_core::observe::{Answer, Frame, Question};
use podarium_core::session::{ClusterConfig, Input};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// How fast virtual time goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Speed {
    /// It stands.
    Paused,
    /// So many virtual seconds a second.
    Times(f64),
    /// As fast as the machine can.
    Max,
}

/// From the page to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Asks for a [`ToPage::Pong`] with the same number.
    Ping(u32),
    /// Begins: with a stored session, or with a new cluster.
    Start {
        /// A session as [`ToPage::Saved`] gave it; replayed to its end.
        session: Option<String>,
        /// The cluster to make when there is no session.
        config: ClusterConfig,
    },
    /// Sets the speed.
    Speed(Speed),
    /// Runs one event, then stands.
    StepEvent,
    /// Runs until something changes that is not a mere renewal, then goes on at the speed set.
    SkipToChange,
    /// Does something to the cluster.
    Submit(Input),
    /// Asks something that changes nothing.
    Ask {
        /// Number of the [`ToPage::Answer`].
        id: u32,
        /// What.
        question: Question,
    },
    /// Asks for a [`ToPage::Exported`]. What is due at this moment happens first.
    Export,
    /// The last frame is on the screen: the next may come.
    FrameShown,
    /// The person touched the page, which has work to do now that must not wait.
    Touched,
}

/// The clock's state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// What was asked for.
    pub speed: Speed,
    /// What was reached over the last second.
    pub real_speed: f64,
    /// Whether the machine can't keep up with what was asked for.
    pub behind: bool,
    /// Whether a new cluster still boots, or a stored session is being replayed.
    pub booting: bool,
}

/// From the worker to the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToPage {
    /// The first message: the worker listens from now on.
    Ready,
    /// Answers [`ToWorker::Ping`].
    Pong(u32),
    /// What changed.
    Frame(Box<Frame>),
    /// How time goes; with every frame.
    Clock(Clock),
    /// What commands printed, and other answers to inputs.
    Output(Vec<Output>),
    /// Answers [`ToWorker::Ask`].
    Answer {
        /// The question's number.
        id: u32,
        /// The answer.
        answer: Answer,
    },
    /// The session so far, for the browser's storage: after every input, and now and then. The time that it ends at can be
    /// moved on by the page, which knows it from frames.
    Saved(String),
    /// Answers [`ToWorker::Export`].
    Exported {
        /// The session up to this moment.
        session: String,
        /// What the cluster's trace still holds, a line for each entry.
        trace: String,
    },
    /// Something could not be done; why.
    Problem(String),
    /// The worker is broken beyond repair, for this reason.
    Panicked(String),
}

/// Encodes a message.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Our own messages hold nothing that postcard cannot encode.
    postcard::to_allocvec(message).unwrap_or_default()
}

/// Decodes a message; `None` if these bytes are none.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_journey() {
        let message = ToPage::Panicked("index out of bounds".to_owned());
        assert_eq!(decode::<ToPage>(&encode(&message)), Some(message));
        assert_eq!(decode::<ToPage>(&[250]), None);
    }
}
