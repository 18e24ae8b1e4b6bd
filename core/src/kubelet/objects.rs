//! ConfigMaps and Secrets that pods use: fetched when needed and kept for a minute. Models `pkg/kubelet/util/manager/cache_based_manager.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Kubelet;
use crate::client::ClientError;
use crate::sim::SimTime;

const TTL: Duration = Duration::from_secs(60);

/// The bytes of so many objects are kept, for the pods that will mount the same.
const CONTENTS_MAX: usize = 32;

type Kept<K> = RefCell<BTreeMap<(String, String), (SimTime, Rc<K>)>>;

/// What an object holds, by key: every pod that mounts it shares the bytes.
pub(super) type Contents = Rc<BTreeMap<String, Rc<[u8]>>>;

#[derive(Default)]
pub(super) struct ObjectCache {
    config_maps: Kept<ConfigMap>,
    secrets: Kept<Secret>,
    /// By uid and revision, oldest first.
    contents: RefCell<VecDeque<((Option<String>, Option<String>), Contents)>>,
}

impl ObjectCache {
    /// The bytes of this version of an object.
    fn contents<'a>(&self, m: &ObjectMeta, data: impl Iterator<Item = (&'a String, &'a [u8])>) -> Contents {
        let version = (m.uid.clone(), m.resource_version.clone());
        let mut kept = self.contents.borrow_mut();
        if let Some((_, contents)) = kept.iter().find(|(have, _)| *have == version) {
            return contents.clone();
        }
        let contents: Contents = Rc::new(data.map(|(key, bytes)| (key.clone(), Rc::from(bytes))).collect());
        if kept.len() == CONTENTS_MAX {
            kept.pop_front();
        }
        kept.push_back((version, contents.clone()));
        contents
    }

    pub(super) fn of_config_map(&self, m: &ConfigMap) -> Contents {
        let text = m.data.iter().flatten().map(|(k, v)| (k, v.as_bytes()));
        let binary = m.binary_data.iter().flatten().map(|(k, v)| (k, v.0.as_slice()));
        self.contents(&m.metadata, text.chain(binary))
    }

    pub(super) fn of_secret(&self, s: &Secret) -> Contents {
        self.contents(&s.metadata, s.data.iter().flatten().map(|(k, v)| (k, v.0.as_slice())))
    }
}

impl Kubelet {
    pub(super) async fn config_map(&self, namespace: &str, name: &str) -> Result<Rc<ConfigMap>, ClientError> {
        self.object(&self.0.objects.config_maps, namespace, name).await
    }

    pub(super) async fn secret(&self, namespace: &str, name: &str) -> Result<Rc<Secret>, ClientError> {
        self.object(&self.0.objects.secrets, namespace, name).await
    }

    async fn object<K: crate::api::object::Kind>(
        &self,
        kept: &Kept<K>,
        namespace: &str,
        name: &str,
    ) -> Result<Rc<K>, ClientError> {
        let key = (namespace.to_owned(), name.to_owned());
        let now = self.now();
        let fresh = kept.borrow().get(&key).filter(|(at, _)| now.since(*at) < TTL).map(|(_, o)| o.clone());
        if let Some(o) = fresh {
            return Ok(o);
        }
        let o = self.0.client.get::<K>(namespace, name).await?;
        let mut kept = kept.borrow_mut();
        kept.retain(|_, (at, _)| now.since(*at) < TTL);
        kept.insert(key, (self.now(), o.clone()));
        Ok(o)
    }
}
