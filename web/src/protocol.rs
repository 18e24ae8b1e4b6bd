//! What the page and the worker say to each other: postcard bytes in a transferred buffer, one message each.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// From the page to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Asks for a [`ToPage::Pong`] with the same number.
    Ping(u32),
}

/// From the worker to the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToPage {
    /// The first message: the worker listens from now on.
    Ready,
    /// Answers [`ToWorker::Ping`].
    Pong(u32),
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
