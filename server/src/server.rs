//! One running server: what is made at its start, and in which order.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use podarium_core::api::decode::Numbers;
use podarium_core::api::schema::Descriptions;
use podarium_core::apiserver::Extras;
use podarium_core::cluster::Cluster;
use podarium_core::session::{ClusterConfig, Session};
use tokio::net::TcpListener;

use crate::apply::{self, Manifest};
use crate::containers;
use crate::http::{Door, TOKEN_PATH};
use crate::kubeconfig::{self, Credentials};
use crate::listen;
use crate::options::Options;
use crate::tank::Tank;
use crate::tls::Authority;

/// What types and fields are for, as OpenAPI documents tell it.
const DESCRIPTIONS: &str = include_str!("../../core/src/api/schema/v1_36_descriptions.txt");

/// The numbers of fields in protobuf, which typed clients send.
const NUMBERS: &str = include_str!("../../core/src/api/schema/v1_36_protobuf.txt");

/// A boot that takes longer than this, in virtual time, goes on while clients are served already.
const BOOT_MAX: Duration = Duration::from_secs(300);

/// A server that runs. Dropping it ends it.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The address that clients use.
    pub url: String,
    /// Where the kubeconfig is.
    pub kubeconfig: PathBuf,
    tank: Tank,
    thread: JoinHandle<()>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts a server: its cluster has booted when this returns.
    pub async fn start(options: &Options) -> Result<Self, String> {
        let tokens = token_file(options)?;
        let session = options.session.as_deref().map(read_session).transpose()?;
        let manifests = options.apply.as_deref().map(apply::read).transpose()?.unwrap_or_default();
        let listener =
            TcpListener::bind(options.listen).await.map_err(|e| format!("--listen {}: {e}", options.listen))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let authority = if options.http { None } else { Some(Arc::new(Authority::new(address.ip())?)) };
        let admin_token = secret()?;
        let base = format!("{}://{}", if options.http { "http" } else { "https" }, reachable(address));
        let (url, credentials) = match &authority {
            Some(authority) => (base, Credentials::Certificate(authority)),
            None => (format!("{base}{TOKEN_PATH}{admin_token}"), Credentials::Token(&admin_token)),
        };
        // The cluster's own token is one of the file's.
        let tokens = format!("{admin_token},kubernetes-admin,,\"system:masters\"\n{tokens}");
        let (tank, thread) = start_cluster(options, session, manifests, tokens).await?;
        kubeconfig::write(&options.kubeconfig, &kubeconfig::config(&url, &credentials))?;
        let door = Door { tank: tank.clone(), token_in_path: options.http };
        let accepting = tokio::spawn(listen::serve(listener, authority, door));
        let kubeconfig = fs::canonicalize(&options.kubeconfig).unwrap_or_else(|_| options.kubeconfig.clone());
        Ok(Server { address, url, kubeconfig, tank, thread, accepting })
    }

    /// Waits until the cluster has ended, which it does by itself only when something is wrong with it.
    pub async fn ended(&self) {
        while !self.thread.is_finished() {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.tank.stop();
    }
}

async fn start_cluster(
    options: &Options,
    session: Option<Session>,
    manifests: Vec<Manifest>,
    tokens: String,
) -> Result<(Tank, JoinHandle<()>), String> {
    let config = ClusterConfig { workers: options.nodes, seed: options.seed, ..ClusterConfig::default() };
    let (tank, thread) = Tank::start(options.speed, move || {
        let mut cluster = make(config, session)?;
        cluster.set_token_file(&tokens);
        cluster.set_extras(Extras {
            descriptions: Some(Descriptions::new(DESCRIPTIONS)),
            protobuf: Some(Numbers::parse(NUMBERS)),
            openapi_protobuf: Some(podarium_core::api::openapi::protobuf::encode),
        });
        boot(&mut cluster);
        apply::apply(&mut cluster, &manifests)?;
        catch_up(&mut cluster);
        Ok(cluster)
    })
    .await?;
    Ok((tank, thread))
}

fn make(config: ClusterConfig, session: Option<Session>) -> Result<Cluster, String> {
    let (engine, images) = (Box::new(containers::engine()?), std::rc::Rc::new(containers::registries()));
    Ok(match session {
        Some(session) => Cluster::replay(&session, engine, images),
        None => Cluster::new(ClusterConfig { epoch_unix_s: epoch(&config), ..config }, engine, images),
    })
}

/// What the cluster's clocks show at its beginning: a little before now, so that once it has booted they show now.
fn epoch(config: &ClusterConfig) -> i64 {
    let boot_s = 60 + i64::from(config.workers) / 10;
    jiff::Timestamp::now().as_second() - boot_s
}

/// Runs a cluster until all its nodes are Ready.
fn boot(cluster: &mut Cluster) {
    let nodes = cluster.machine_names().len();
    let limit = cluster.now() + BOOT_MAX;
    while cluster.nodes_ready() < nodes && cluster.now() < limit {
        cluster.run_for(Duration::from_millis(100));
    }
}

/// Runs a cluster until its clock shows what ours does, if that is not long.
fn catch_up(cluster: &mut Cluster) {
    let now = cluster.sim().time_of(jiff::Timestamp::now());
    if now.since(cluster.now()) < BOOT_MAX {
        cluster.run_until(now);
    }
}

fn read_session(file: &std::path::Path) -> Result<Session, String> {
    let text = fs::read_to_string(file).map_err(|e| format!("--session {}: {e}", file.display()))?;
    Session::from_json(&text).map_err(|e| format!("--session {}: {e}", file.display()))
}

fn token_file(options: &Options) -> Result<String, String> {
    let Some(file) = &options.token_auth_file else { return Ok(String::new()) };
    let text = fs::read_to_string(file).map_err(|e| format!("--token-auth-file {}: {e}", file.display()))?;
    check_tokens(&text).map_err(|why| format!("--token-auth-file {}: {why}", file.display()))?;
    Ok(text)
}

/// Says which line of a token file cannot be one.
fn check_tokens(text: &str) -> Result<(), String> {
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let columns = line.split(',').count();
        if columns < 3 {
            return Err(format!(
                "line {}: must have at least 3 columns (token, user name, user uid), found {columns}",
                i + 1
            ));
        }
    }
    Ok(())
}

/// The address under which clients on this machine reach the server.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// A token that nobody guesses.
fn secret() -> Result<String, String> {
    let mut bytes = [0; 16];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| "no randomness for a token".to_owned())?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_files() {
        assert_eq!(check_tokens("a,b,c\n\nd,e,f,\"g,h\"\n"), Ok(()));
        let why = "line 2: must have at least 3 columns (token, user name, user uid), found 2";
        assert_eq!(check_tokens("a,b,c\na,b\n"), Err(why.to_owned()));
    }

    #[test]
    fn where_clients_reach_the_server() {
        let check = |listen: &str, expected: &str| {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        };
        check("0.0.0.0:6443", "127.0.0.1:6443");
        check("[::]:6443", "[::1]:6443");
        check("10.0.0.1:80", "10.0.0.1:80");
    }
}
