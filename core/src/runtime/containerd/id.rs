//! Ids of sandboxes and containers: 64 hexadecimal digits.

use std::fmt;

use crate::sim::Sim;

/// A sandbox's or container's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id([u64; 4]);

impl Id {
    /// A new one.
    pub fn random(sim: &Sim) -> Self {
        Id([sim.random_u64(), sim.random_u64(), sim.random_u64(), sim.random_u64()])
    }

    /// The first 13 digits, as crictl shows it.
    pub fn short(&self) -> String {
        self.to_string().chars().take(13).collect()
    }

    /// As statuses name it.
    pub fn reference(&self) -> String {
        use fmt::Write as _;
        const SCHEME: &str = "containerd://";
        let mut text = String::with_capacity(SCHEME.len() + 64);
        text.push_str(SCHEME);
        // Writing to a string can't fail.
        let _ = write!(text, "{self}");
        text
    }

    /// Reads an id in full.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut words = [0; 4];
        for (i, w) in words.iter_mut().enumerate() {
            *w = u64::from_str_radix(text.get(i * 16..i * 16 + 16)?, 16).ok()?;
        }
        Some(Id(words))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a:016x}{b:016x}{c:016x}{d:016x}")
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0[0])
    }
}
