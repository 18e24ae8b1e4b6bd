//! Servers for tests: in this process, on a free port of loopback.

use std::path::PathBuf;

use podarium_server::options::Options;
use podarium_server::server::Server;

use crate::client::{Client, Failure};

/// The administrator's bearer token.
pub const TOKEN: &str = "admin-token";

/// A server, the files that it was started with, and a way to it.
pub struct Running {
    pub server: Server,
    folder: PathBuf,
}

/// Starts a server that speaks plain HTTP, with the golden recordings' users.
pub async fn start(change: impl FnOnce(&mut Options)) -> Result<Running, Failure> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("podarium-test-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        http: true,
        kubeconfig: folder.join("kubeconfig"),
        token_auth_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/tokens.csv").into()),
        ..Options::default()
    };
    change(&mut options);
    let server = Server::start(&options).await.map_err(Failure)?;
    Ok(Running { server, folder })
}

impl Running {
    /// A connection of its own, as the administrator.
    pub async fn client(&self) -> Result<Client, Failure> {
        Client::connect(&self.server.address.to_string(), TOKEN).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What is left behind in the system's folder for such things harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
