//! Volumes as files: ConfigMaps, Secrets, the downward API, projections, empty directories, host paths.
//! Models `pkg/volume` and `pkg/kubelet/volumemanager`.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, PersistentVolume, PersistentVolumeClaim, Pod,
    ServiceAccountTokenProjection, Volume,
};

use super::Kubelet;
use super::objects::Contents;
use super::pod;
use crate::client::{ClientError, EventType};
use crate::network::dns::Resolv;
use crate::runtime::engine::{Content, FileTree, Mount};

/// What a pod's volumes hold, each with its name.
#[derive(Debug, Default)]
pub(super) struct Volumes(Vec<(String, Rc<FileTree>)>);

impl Volumes {
    fn get(&self, name: &str) -> Option<&Rc<FileTree>> {
        self.0.iter().find(|(there, _)| there == name).map(|(_, files)| files)
    }
}

/// The volume manager's loop, which mounts what is there to mount.
const MOUNT: Duration = Duration::from_millis(100);
/// After a mount that failed: doubling up to about two minutes.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(122);

/// The resolv.conf of so many namespaces is kept.
const RESOLV_MAX: usize = 32;

/// A resolv.conf as a file and as it is read.
#[derive(Clone)]
pub(super) struct ResolvConf {
    pub text: Rc<[u8]>,
    pub read: Rc<Resolv>,
}

/// A pod's hosts file: what it is made of when somebody reads it.
struct Hosts {
    ip: Option<IpAddr>,
    host: Rc<str>,
    /// The domain of the pod's subdomain, if it has one.
    subdomain: Option<Box<str>>,
    /// Addresses, each with its names.
    aliases: Vec<(String, String)>,
}

impl Hosts {
    fn text(&self) -> String {
        let mut hosts = String::from(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
        );
        let host = &self.host;
        if let Some(ip) = self.ip {
            match &self.subdomain {
                Some(domain) => hosts.push_str(&format!("{ip}\t{host}.{domain}\t{host}\n")),
                None => hosts.push_str(&format!("{ip}\t{host}\n")),
            }
        }
        if !self.aliases.is_empty() {
            hosts.push_str("\n# Entries added by HostAliases.\n");
            self.aliases.iter().for_each(|(ip, names)| hosts.push_str(&format!("{ip}\t{names}\n")));
        }
        hosts
    }
}

/// A service account's token: what it is made of when somebody reads it.
struct Token {
    domain: Rc<str>,
    audience: Option<Rc<str>>,
    account: Rc<str>,
    namespace: Rc<str>,
    pod: Rc<str>,
    uid: Rc<str>,
    node: Rc<str>,
    /// In seconds since 1970.
    from: i64,
    seconds: i64,
    signature: [u64; 4],
}

impl Token {
    /// In the shape of a JWT: its claims are the real ones, its signature is random, since no guest can check one.
    fn text(&self) -> String {
        use base64::Engine as _;
        let b64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let issuer = format!("https://kubernetes.default.svc.{}", self.domain);
        let claims = Claims {
            aud: [self.audience.as_deref().unwrap_or(&issuer)],
            exp: self.from + self.seconds,
            iat: self.from,
            iss: &issuer,
            kubernetes: Bound {
                namespace: &self.namespace,
                node: Named { name: &self.node, uid: None },
                pod: Named { name: &self.pod, uid: Some(&self.uid) },
                serviceaccount: Named { name: &self.account, uid: None },
            },
            nbf: self.from,
            sub: &format!("system:serviceaccount:{}:{}", self.namespace, self.account),
        };
        // Nothing of it can fail to be JSON.
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let signature: Vec<u8> = self.signature.iter().flat_map(|word| word.to_le_bytes()).collect();
        format!("{}.{}.{}", b64.encode(r#"{"alg":"RS256"}"#), b64.encode(claims), b64.encode(signature))
    }
}

/// What a service account's token says.
#[derive(serde::Serialize)]
struct Claims<'a> {
    aud: [&'a str; 1],
    exp: i64,
    iat: i64,
    iss: &'a str,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Bound<'a>,
    nbf: i64,
    sub: &'a str,
}

/// Which objects a token is bound to.
#[derive(serde::Serialize)]
struct Bound<'a> {
    namespace: &'a str,
    node: Named<'a>,
    pod: Named<'a>,
    serviceaccount: Named<'a>,
}

#[derive(serde::Serialize)]
struct Named<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
}

fn add(tree: &mut FileTree, path: &str, content: impl Into<Content>) {
    *tree = std::mem::take(tree).with_content(path, content);
}

/// Chosen keys, or all.
fn pick(tree: &mut FileTree, data: &Contents, items: Option<&[KeyToPath]>, optional: bool) -> Result<(), String> {
    match items.filter(|i| !i.is_empty()) {
        None => data.iter().for_each(|(k, v)| add(tree, k, v.clone())),
        Some(items) => {
            for i in items {
                match data.get(i.key.as_str()) {
                    Some(v) => add(tree, &i.path, v.clone()),
                    None if optional => {}
                    None => return Err("references non-existent config key: ".to_owned() + &i.key),
                }
            }
        }
    }
    Ok(())
}

fn why(kind: &str, name: &str, e: &ClientError) -> String {
    if e.is_not_found() { format!("{kind} \"{name}\" not found") } else { e.to_string() }
}

impl Kubelet {
    /// Sets a pod's volumes up, once. `Ok(false)`: the pod shall end; an error is when to try again.
    pub(super) async fn mount_volumes(&self, uid: &Rc<str>, p: &Rc<Pod>) -> Result<bool, Duration> {
        let volumes = pod::spec(p).volumes.as_deref().unwrap_or_default();
        if volumes.is_empty() || self.with_entry(uid, |e| e.volumes.is_some()) == Some(true) {
            return Ok(true);
        }
        if self.unless_cancelled(uid, self.0.sim.sleep(MOUNT)).await.is_none() {
            return Ok(false);
        }
        let mut mounted = Volumes(Vec::with_capacity(volumes.len()));
        for v in volumes {
            match self.volume(uid, p, v).await {
                Ok(tree) => {
                    mounted.0.push((v.name.clone(), Rc::new(tree)));
                }
                Err(why) => {
                    let message = format!("MountVolume.SetUp failed for volume \"{}\" : {why}", v.name);
                    self.0.recorder.event(&**p, EventType::Warning, "FailedMount", &message);
                    let failures = self.with_entry(uid, |e| {
                        e.mount_failures += 1;
                        e.mount_failures
                    });
                    let doublings = failures.unwrap_or(1).saturating_sub(1).min(16);
                    return Err((RETRY * 2u32.pow(doublings)).min(RETRY_MAX));
                }
            }
        }
        self.with_entry(uid, |e| {
            e.volumes = Some(Rc::new(mounted));
            e.mount_failures = 0;
        });
        Ok(true)
    }

    async fn volume(&self, uid: &Rc<str>, p: &Rc<Pod>, v: &Volume) -> Result<FileTree, String> {
        let ns = pod::namespace(p);
        let mut tree = FileTree::default();
        if let Some(c) = &v.config_map {
            self.add_config_map(&mut tree, ns, &c.name, c.items.as_deref(), c.optional == Some(true)).await?;
        } else if let Some(s) = &v.secret {
            let name = s.secret_name.as_deref().unwrap_or_default();
            self.add_secret(&mut tree, ns, name, s.items.as_deref(), s.optional == Some(true)).await?;
        } else if let Some(d) = &v.downward_api {
            self.add_downward(&mut tree, p, d.items.as_deref().unwrap_or_default())?;
        } else if let Some(projected) = &v.projected {
            for source in projected.sources.iter().flatten() {
                if let Some(c) = &source.config_map {
                    self.add_config_map(&mut tree, ns, &c.name, c.items.as_deref(), c.optional == Some(true)).await?;
                }
                if let Some(s) = &source.secret {
                    self.add_secret(&mut tree, ns, &s.name, s.items.as_deref(), s.optional == Some(true)).await?;
                }
                if let Some(d) = &source.downward_api {
                    self.add_downward(&mut tree, p, d.items.as_deref().unwrap_or_default())?;
                }
                if let Some(t) = &source.service_account_token {
                    let token = self.token(uid, p, t);
                    add(&mut tree, &t.path, Content::Made(Rc::new(move || token.text())));
                }
            }
        } else if let Some(h) = &v.host_path {
            self.add_files(&mut tree, &h.path);
        } else if let Some(c) = &v.persistent_volume_claim {
            self.add_claim(&mut tree, ns, &c.claim_name).await?;
        } else if v.ephemeral.is_some() {
            self.add_claim(&mut tree, ns, &format!("{}-{}", pod::name(p), v.name)).await?;
        }
        Ok(tree)
    }

    /// The machine's files at a path.
    fn add_files(&self, tree: &mut FileTree, root: &str) {
        for (path, text) in (self.0.config.files)(root) {
            let inner = path.strip_prefix(root).unwrap_or(&path);
            let inner = if inner.is_empty() { "/" } else { inner };
            add(tree, inner, text.as_bytes());
        }
    }

    /// What a claim's volume holds: a path of the machine, where the volume is one.
    async fn add_claim(&self, tree: &mut FileTree, ns: &str, claim: &str) -> Result<(), String> {
        let client = &self.0.client;
        let found = client.get::<PersistentVolumeClaim>(ns, claim).await;
        let found = found.map_err(|e| why("persistentvolumeclaim", claim, &e))?;
        let name = found.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default();
        if name.is_empty() || found.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Bound") {
            return Err(format!("PVC {claim} is not bound"));
        }
        let volume = client.get::<PersistentVolume>("", name).await;
        let volume = volume.map_err(|e| why("persistentvolume", name, &e))?;
        let Some(spec) = &volume.spec else { return Ok(()) };
        let path = spec.host_path.as_ref().map(|h| &h.path).or(spec.local.as_ref().map(|l| &l.path));
        if let Some(path) = path {
            self.add_files(tree, path);
        }
        Ok(())
    }

    async fn add_config_map(
        &self,
        tree: &mut FileTree,
        ns: &str,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: bool,
    ) -> Result<(), String> {
        match self.config_map(ns, name).await {
            Ok(m) => pick(tree, &self.0.objects.of_config_map(&m), items, optional),
            Err(e) if e.is_not_found() && optional => Ok(()),
            Err(e) => Err(why("configmap", name, &e)),
        }
    }

    async fn add_secret(
        &self,
        tree: &mut FileTree,
        ns: &str,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: bool,
    ) -> Result<(), String> {
        match self.secret(ns, name).await {
            Ok(s) => pick(tree, &self.0.objects.of_secret(&s), items, optional),
            Err(e) if e.is_not_found() && optional => Ok(()),
            Err(e) => Err(why("secret", name, &e)),
        }
    }

    fn add_downward(&self, tree: &mut FileTree, p: &Pod, items: &[DownwardAPIVolumeFile]) -> Result<(), String> {
        for i in items {
            let text = match (&i.field_ref, &i.resource_field_ref) {
                (Some(f), _) => self.field(p, f, None)?,
                (None, Some(r)) => self.resource(p, None, r)?,
                (None, None) => continue,
            };
            add(tree, &i.path, text.as_bytes());
        }
        Ok(())
    }

    /// A service account's token for a pod, from now on.
    fn token(&self, uid: &Rc<str>, p: &Pod, t: &ServiceAccountTokenProjection) -> Token {
        let sim = &self.0.sim;
        Token {
            domain: self.0.config.cluster_domain.clone(),
            audience: t.audience.as_deref().map(|audience| self.word(audience)),
            account: self.word(pod::spec(p).service_account_name.as_deref().unwrap_or("default")),
            namespace: self.word(pod::namespace(p)),
            pod: pod::name(p).into(),
            uid: uid.clone(),
            node: self.0.config.node_name.clone(),
            from: sim.timestamp().as_second(),
            seconds: t.expiration_seconds.unwrap_or(3600),
            signature: std::array::from_fn(|_| sim.random_u64()),
        }
    }

    /// What is mounted into a container: its volumes, and the files that every container gets.
    pub(super) fn mounts(&self, uid: &Rc<str>, p: &Pod, c: &Container, ip: Option<IpAddr>) -> Vec<Mount> {
        let volumes = self.with_entry(uid, |e| e.volumes.clone()).flatten();
        let mut mounts = vec![Mount { path: "/".into(), files: Rc::new(self.etc(p, ip)), read_only: false }];
        for m in c.volume_mounts.iter().flatten() {
            let Some(files) = volumes.as_ref().and_then(|v| v.get(&m.name)) else { continue };
            let files = match m.sub_path.as_deref().filter(|s| !s.is_empty()) {
                None => files.clone(),
                Some(sub) => {
                    let root = format!("/{}", sub.trim_matches('/'));
                    if let Some(content) = files.get(&root) {
                        // A single file: mounted by its name over whatever the directory holds.
                        let tree = FileTree::default().with_content(&m.mount_path, content.clone());
                        mounts.push(Mount { path: "/".into(), files: Rc::new(tree), read_only: false });
                        continue;
                    }
                    let inner = files.iter().filter_map(|(path, content)| {
                        Some((path.strip_prefix(&root).filter(|r| r.starts_with('/'))?, content.clone()))
                    });
                    Rc::new(inner.fold(FileTree::default(), |tree, (path, content)| tree.with_content(path, content)))
                }
            };
            let writable = pod::spec(p).volumes.iter().flatten().find(|v| v.name == m.name).is_some_and(|v| {
                v.config_map.is_none() && v.secret.is_none() && v.projected.is_none() && v.downward_api.is_none()
            });
            let read_only = m.read_only == Some(true) || !writable;
            mounts.push(Mount { path: m.mount_path.clone(), files, read_only });
        }
        mounts
    }

    /// `/etc/hosts` and `/etc/resolv.conf`. Models ensureHostsFile and `pkg/kubelet/network/dns`.
    fn etc(&self, p: &Pod, ip: Option<IpAddr>) -> FileTree {
        let spec = pod::spec(p);
        let aliases = spec.host_aliases.iter().flatten();
        let hosts = Hosts {
            ip,
            host: self.hostname(p),
            subdomain: spec
                .subdomain
                .as_deref()
                .filter(|s| !s.is_empty())
                .map(|sub| format!("{sub}.{}.svc.{}", pod::namespace(p), self.0.config.cluster_domain).into()),
            aliases: aliases.map(|a| (a.ip.clone(), a.hostnames.as_deref().unwrap_or_default().join("\t"))).collect(),
        };
        let hosts = Content::Made(Rc::new(move || hosts.text()));
        FileTree::default().with_content("/etc/hosts", hosts).with_content("/etc/resolv.conf", self.resolv_conf(p).text)
    }

    /// A pod's resolv.conf. Most pods of a namespace have one in common.
    pub(super) fn resolv_conf(&self, p: &Pod) -> ResolvConf {
        let spec = pod::spec(p);
        let common = spec.dns_config.is_none()
            && !pod::host_network(p)
            && spec.dns_policy.as_deref().is_none_or(|policy| policy == "ClusterFirst");
        let mut known = self.0.resolv.borrow_mut();
        if common && let Some(conf) = known.get(pod::namespace(p)) {
            return conf.clone();
        }
        let text = self.resolv(p);
        let conf = ResolvConf { read: Rc::new(Resolv::parse(&text)), text: text.into_bytes().into() };
        if common {
            if known.len() == RESOLV_MAX {
                known.pop_first();
            }
            known.insert(pod::namespace(p).to_owned(), conf.clone());
        }
        conf
    }

    fn resolv(&self, p: &Pod) -> String {
        let spec = pod::spec(p);
        let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
        let cluster = match policy {
            "ClusterFirst" => !pod::host_network(p),
            "ClusterFirstWithHostNet" => true,
            _ => false,
        };
        let domain = &self.0.config.cluster_domain;
        let (mut search, mut servers, mut options): (Vec<String>, Vec<String>, Vec<String>) = if cluster {
            let ns = pod::namespace(p);
            (
                vec![format!("{ns}.svc.{domain}"), format!("svc.{domain}"), domain.to_string()],
                self.0.config.cluster_dns.iter().map(ToString::to_string).collect(),
                vec!["ndots:5".to_owned()],
            )
        } else if policy == "None" {
            Default::default()
        } else {
            (Vec::new(), vec!["172.30.0.1".to_owned()], Vec::new())
        };
        if let Some(c) = &spec.dns_config {
            search.extend(c.searches.iter().flatten().cloned());
            servers.extend(c.nameservers.iter().flatten().cloned());
            for o in c.options.iter().flatten() {
                let name = o.name.clone().unwrap_or_default();
                let text = o.value.as_ref().map_or(name.clone(), |v| format!("{name}:{v}"));
                options.retain(|h| h.split(':').next() != Some(name.as_str()));
                options.push(text);
            }
        }
        let mut text = String::new();
        if !search.is_empty() {
            text.push_str(&format!("search {}\n", search.join(" ")));
        }
        for s in servers {
            text.push_str(&format!("nameserver {s}\n"));
        }
        if !options.is_empty() {
            text.push_str(&format!("options {}\n", options.join(" ")));
        }
        text
    }
}
