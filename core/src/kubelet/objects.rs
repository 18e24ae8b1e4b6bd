//! ConfigMaps and Secrets that pods use: fetched when needed and kept for a minute. Models `pkg/kubelet/util/manager/cache_based_manager.go`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::Kubelet;
use crate::client::ClientError;
use crate::sim::SimTime;

const TTL: Duration = Duration::from_secs(60);

type Kept<K> = RefCell<BTreeMap<(String, String), (SimTime, Rc<K>)>>;

#[derive(Default)]
pub(super) struct ObjectCache {
    config_maps: Kept<ConfigMap>,
    secrets: Kept<Secret>,
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
