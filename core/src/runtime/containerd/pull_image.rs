//! PullImage: resolves a name, fetches the layers that aren't there, unpacks.
//!
//! Simulated time: a registry's answer takes 350 ms, data comes at 40 MB/s, unpacking goes at 200 MB/s, each with up to 40%
//! more at random.

use std::rc::Rc;
use std::time::Duration;

use super::{Containerd, CriError, StoredImage};
use crate::runtime::image_source::ResolveError;
use crate::sim::SimTime;

const RESOLVE: Duration = Duration::from_millis(350);
const DOWNLOAD_BYTES_PER_S: u64 = 40_000_000;
const UNPACK_BYTES_PER_S: u64 = 200_000_000;
/// How long a registry that doesn't answer is waited for.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// How far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// When it began.
    pub begun: SimTime,
    /// What is to be fetched; 0 while the registry hasn't answered.
    pub total_bytes: u64,
    /// When it will end.
    pub ends: SimTime,
}

/// A name in full as its repository and its tag (`:tag`) or digest (`@sha256:..`).
pub fn split_name(name: &str) -> (&str, &str) {
    if let Some(at) = name.find('@') {
        return name.split_at(at);
    }
    match name.rfind(':') {
        Some(at) if !name.get(at..).unwrap_or_default().contains('/') => name.split_at(at),
        _ => (name, ""),
    }
}

fn work(bytes: u64) -> Duration {
    Duration::from_nanos(bytes * (1_000_000_000 / DOWNLOAD_BYTES_PER_S) + bytes * (1_000_000_000 / UNPACK_BYTES_PER_S))
}

impl Containerd {
    /// Pulls an image.
    pub async fn pull_image(&self, name: &str) -> Result<Rc<StoredImage>, CriError> {
        self.enter(RESOLVE).await?;
        let full = self.sources.normalize(name).map_err(|e| self.refusal(name, e))?;
        let key: Rc<str> = full.as_str().into();
        self.trace("PullImage", &key, "");
        let image = match self.sources.resolve(&full) {
            Ok(i) => i,
            Err(e) => {
                if matches!(e, ResolveError::Unreachable(_)) {
                    self.sim.sleep(DIAL_TIMEOUT).await;
                }
                return Err(self.refusal(&full, e));
            }
        };
        if let Some(have) = self.find_image(&full)
            && have.image.digest == image.digest
        {
            return Ok(have);
        }
        let missing: u64 = image.layers.iter().filter(|l| !self.has_layer(&l.digest)).map(|l| l.bytes).sum();
        let took = self.sim.jitter(work(missing), 0.4);
        let begun = self.sim.now();
        let progress = PullProgress { begun, total_bytes: missing, ends: begun + took };
        self.state.borrow_mut().pulls.insert(key.clone(), progress);
        self.sim.sleep(took).await;
        self.state.borrow_mut().pulls.remove(&key);
        self.check_up()?;
        self.store_image(&image)
    }

    /// The pulls going on, by image.
    pub fn pulls(&self) -> Vec<(Rc<str>, PullProgress)> {
        let now = self.sim.now();
        let s = self.state.borrow();
        // A kubelet that died in the middle of a pull leaves its entry behind.
        s.pulls.iter().filter(|(_, p)| p.ends >= now).map(|(n, p)| (n.clone(), *p)).collect()
    }

    fn refusal(&self, name: &str, e: ResolveError) -> CriError {
        let head = format!("failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\"");
        match e {
            ResolveError::InvalidName(why) => {
                CriError::Unknown(format!("failed to parse image reference \"{name}\": {why}"))
            }
            ResolveError::Denied => CriError::Unknown(format!(
                "{head}: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
            )),
            ResolveError::NotFound => CriError::NotFound(format!("{head}: {name}: not found")),
            ResolveError::Unreachable(host) => CriError::Unknown(format!(
                "{head}: failed to do request: Head \"https://{host}/v2/\": dial tcp: lookup {host}: no such host"
            )),
        }
    }
}
