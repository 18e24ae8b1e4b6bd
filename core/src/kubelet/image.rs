//! Making sure that an image is there. Models `pkg/kubelet/images/image_manager.go`; pulls go one after another.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::Kubelet;
use super::backoff::go_duration;
use crate::client::EventType;
use crate::runtime::containerd::CriError;

/// Why there is no image.
pub(super) enum ImageFailure {
    /// As the container's waiting state says it.
    Failed { reason: &'static str, message: String },
    /// The pod shall end.
    Cancelled,
}

fn failed(reason: &'static str, message: String) -> ImageFailure {
    ImageFailure::Failed { reason, message }
}

impl Kubelet {
    /// Makes sure that a container's image is there, by its pull policy.
    pub(super) async fn ensure_image(&self, uid: &Rc<str>, p: &Rc<Pod>, c: &Container) -> Result<(), ImageFailure> {
        let image = c.image.as_deref().unwrap_or_default();
        let event = |kind, reason: &str, message: &str| self.container_event(p, &c.name, kind, reason, message);
        if !valid_reference(image) {
            let message = format!(
                "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
            );
            event(EventType::Warning, "InspectFailed", &message);
            return Err(failed("InvalidImageName", message));
        }
        let present = match self.0.runtime.image_status(image) {
            Ok(i) => i.is_some(),
            Err(e) => {
                let message = format!("Failed to inspect image \"{image}\": {e}");
                event(EventType::Warning, "InspectFailed", &message);
                return Err(failed("ImageInspectError", message));
            }
        };
        let policy = c.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
        if policy == "Never" && !present {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            event(EventType::Warning, "ErrImageNeverPull", &message);
            return Err(failed("ErrImageNeverPull", message));
        }
        if present && policy != "Always" {
            let message =
                format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
            event(EventType::Normal, "Pulled", &message);
            return Ok(());
        }
        let key = format!("{uid}_{image}");
        if self.0.image_backoff.borrow().backs_off_since_update(&key, self.now()) {
            let mut message = format!("Back-off pulling image \"{image}\"");
            event(EventType::Normal, "BackOff", &message);
            if let Some(why) = self.0.pull_errors.borrow().get(&key) {
                message = format!("{message}: {why}");
            }
            return Err(failed("ImagePullBackOff", message));
        }
        event(EventType::Normal, "Pulling", &format!("Pulling image \"{image}\""));
        let asked = self.now();
        let pull = async {
            while self.0.pulling.get() {
                self.0.pull_done.notified().await;
            }
            self.0.pulling.set(true);
            let turn = PullTurn(self.clone());
            let began = self.now();
            let outcome = self.0.runtime.pull_image(image).await;
            drop(turn);
            (outcome, began)
        };
        let Some((outcome, began)) = self.unless_cancelled(uid, pull).await else {
            return Err(ImageFailure::Cancelled);
        };
        match outcome {
            Ok(stored) => {
                let (took, waited) = (self.now().since(began), self.now().since(asked));
                let message = format!(
                    "Successfully pulled image \"{image}\" in {} ({} including waiting). Image size: {} bytes.",
                    go_duration(took),
                    go_duration(waited),
                    stored.image.size()
                );
                event(EventType::Normal, "Pulled", &message);
                self.0.pull_errors.borrow_mut().remove(&key);
                self.0.node_changed.notify();
                Ok(())
            }
            Err(e) => {
                // The code of an unknown error says nothing; others stand before the text.
                let why = match &e {
                    CriError::Unknown(text) => text.clone(),
                    other => other.to_string(),
                };
                event(EventType::Warning, "Failed", &format!("Failed to pull image \"{image}\": {why}"));
                let now = self.now();
                self.0.image_backoff.borrow_mut().next(&key, now, now);
                self.0.pull_errors.borrow_mut().insert(key, format!("ErrImagePull: {why}"));
                Err(failed("ErrImagePull", why))
            }
        }
    }
}

/// One pull's turn: the next begins when it is over, however it ends.
struct PullTurn(Kubelet);

impl Drop for PullTurn {
    fn drop(&mut self) {
        self.0.0.pulling.set(false);
        self.0.0.pull_done.notify();
    }
}

/// Whether a name can be an image's: the shape alone, containerd reads it in full.
fn valid_reference(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, None), |(n, d)| (n, Some(d)));
    let slash = name.rfind('/').map_or(0, |i| i + 1);
    let last = name.get(slash..).unwrap_or_default();
    let (path_end, tag) = last.split_once(':').map_or((last, None), |(n, t)| (n, Some(t)));
    let tag_ok = tag.is_none_or(|t| {
        let head = t.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        head && t.len() <= 128 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    });
    let component = |part: &str| {
        let edges = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edges(part.bytes().next())
            && edges(part.bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let mut parts: Vec<&str> = name.get(..slash).unwrap_or_default().split('/').filter(|p| !p.is_empty()).collect();
    if parts.first().is_some_and(|h| h.contains('.') || h.contains(':') || *h == "localhost") {
        parts.remove(0);
    }
    component(path_end)
        && parts.iter().all(|p| component(p))
        && !name.contains("//")
        && !name.starts_with('/')
        && tag_ok
        && digest.is_none_or(|d| {
            d.split_once(':').is_some_and(|(_, h)| h.len() >= 32 && h.bytes().all(|b| b.is_ascii_hexdigit()))
        })
}

#[cfg(test)]
mod tests {
    use super::valid_reference;

    #[test]
    fn references() {
        for good in ["nginx", "nginx:1.27", "a/b:c_D", "registry.k8s.io/pause:3.10", "localhost:5000/x", "my-app.v1"] {
            assert!(valid_reference(good), "{good}");
        }
        for bad in ["", "Nginx", "nginx:", "a//b", "nginx:-x", "/nginx", "nginx@sha256:12", "ngi nx", "-a"] {
            assert!(!valid_reference(bad), "{bad}");
        }
    }
}
