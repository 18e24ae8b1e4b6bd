//! The command line of `podarium`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use lexopt::ValueExt as _;

use crate::pace::Speed;

/// What `--help` prints.
pub const HELP: &str = "\
podarium: a whole Kubernetes cluster in one process, behind a real Kubernetes API

Usage: podarium [OPTIONS]

  --listen ADDR:PORT       where to serve the API (127.0.0.1:6443; port 0 takes a free one)
  --http                   serve plain HTTP; without it TLS with a certificate authority made at the start
  --kubeconfig FILE        where to write the kubeconfig (podarium.kubeconfig)
  --token-auth-file FILE   bearer tokens, a line each: token,user,uid,\"group1,group2\"
  --nodes N                worker nodes, besides the control plane's (3)
  --seed S                 the seed of all randomness (1)
  --speed X|max            how fast simulated time passes: 1 is as fast as yours, 60 a minute a second; max does
                           not wait while anything is going on, and keeps to your clock while nothing is (1)
  --apply DIR              apply the manifests of a folder, in the order of their names, before the API opens
  --session FILE           start from a recorded session; its cluster keeps its own shape, seed and clock
  -h, --help               print this
  -V, --version            print the version

Over plain HTTP kubectl sends no credentials, so the kubeconfig's server address carries its token in the path.
Interrupt (Ctrl-C) ends the server. Nothing is stored: the next start is a new cluster.
";

/// The most worker nodes: upstream's documented limit.
const NODES_MAX: u32 = 5_000;

/// What the server is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Plain HTTP rather than TLS.
    pub http: bool,
    /// Where the kubeconfig goes.
    pub kubeconfig: PathBuf,
    /// Bearer tokens.
    pub token_auth_file: Option<PathBuf>,
    /// Worker nodes.
    pub nodes: u32,
    /// The seed.
    pub seed: u64,
    /// How fast virtual time passes.
    pub speed: Speed,
    /// Manifests to apply first.
    pub apply: Option<PathBuf>,
    /// A recording to start from.
    pub session: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6443),
            http: false,
            kubeconfig: "podarium.kubeconfig".into(),
            token_auth_file: None,
            nodes: 3,
            seed: 1,
            speed: Speed::Times(1.0),
            apply: None,
            session: None,
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// To serve.
    Serve(Box<Options>),
    /// For help.
    Help,
    /// For the version.
    Version,
}

impl Options {
    /// Reads a command line, without the program's name; says what is wrong with it.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
        let mut o = Options::default();
        let mut cluster_flag = None;
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
            let name = match &arg {
                Long(name) => (*name).to_owned(),
                Short(c) => c.to_string(),
                lexopt::Arg::Value(v) => return Err(format!("unexpected argument {v:?}")),
            };
            match name.as_str() {
                "h" | "help" => return Ok(Asked::Help),
                "V" | "version" => return Ok(Asked::Version),
                "http" => o.http = true,
                "listen" => o.listen = listen(&text(&mut parser, "listen")?)?,
                "kubeconfig" => o.kubeconfig = path(&mut parser, "kubeconfig")?,
                "token-auth-file" => o.token_auth_file = Some(path(&mut parser, "token-auth-file")?),
                "nodes" => {
                    o.nodes = number(&text(&mut parser, "nodes")?, "nodes", u64::from(NODES_MAX))? as u32;
                    cluster_flag = Some("nodes");
                }
                "seed" => {
                    o.seed = number(&text(&mut parser, "seed")?, "seed", u64::MAX)?;
                    cluster_flag = Some("seed");
                }
                "speed" => o.speed = Speed::parse(&text(&mut parser, "speed")?)?,
                "apply" => o.apply = Some(path(&mut parser, "apply")?),
                "session" => o.session = Some(path(&mut parser, "session")?),
                _ => return Err(arg.unexpected().to_string()),
            }
        }
        if let (Some(flag), Some(_)) = (cluster_flag, &o.session) {
            return Err(format!("--{flag} cannot be given with --session: the recording says what its cluster is"));
        }
        Ok(Asked::Serve(Box::new(o)))
    }
}

fn value(parser: &mut lexopt::Parser, flag: &str) -> Result<OsString, String> {
    parser.value().map_err(|_| format!("--{flag} needs a value"))
}

fn text(parser: &mut lexopt::Parser, flag: &str) -> Result<String, String> {
    value(parser, flag)?.string().map_err(|e| format!("--{flag}: {e}"))
}

fn path(parser: &mut lexopt::Parser, flag: &str) -> Result<PathBuf, String> {
    let value = value(parser, flag)?;
    if value.is_empty() { Err(format!("--{flag} needs a path")) } else { Ok(value.into()) }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let unspecific = text.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
    let address = named.or(unspecific).unwrap_or_else(|| text.to_owned());
    address.parse().map_err(|_| format!("--listen {text}: not an address and port such as 127.0.0.1:6443"))
}

fn number(text: &str, flag: &str, most: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(n) if n <= most => Ok(n),
        Ok(_) => Err(format!("--{flag} {text}: at most {most}")),
        Err(_) => Err(format!("--{flag} {text}: not a whole number from 0 to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_is_asked_for() {
        let check = |line: &str, change: fn(&mut Options)| {
            let mut expected = Options::default();
            change(&mut expected);
            assert_eq!(parsed(line), Ok(Asked::Serve(Box::new(expected))), "{line}");
        };
        check("", |_| {});
        check("--http --listen 0.0.0.0:0", |o| {
            o.http = true;
            o.listen = SocketAddr::from(([0, 0, 0, 0], 0));
        });
        check("--listen localhost:7070", |o| o.listen = SocketAddr::from(([127, 0, 0, 1], 7070)));
        check("--listen=:7070", |o| o.listen = SocketAddr::from(([0, 0, 0, 0], 7070)));
        check("--listen [::1]:7070", |o| o.listen = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7070)));
        check("--nodes 5000 --seed 18446744073709551615", |o| (o.nodes, o.seed) = (5_000, u64::MAX));
        check("--speed max --apply here", |o| (o.speed, o.apply) = (Speed::Max, Some("here".into())));
        check("--speed 2.5 --session s.json", |o| {
            (o.speed, o.session) = (Speed::Times(2.5), Some("s.json".into()));
        });
        check("--kubeconfig k --token-auth-file t", |o| {
            (o.kubeconfig, o.token_auth_file) = ("k".into(), Some("t".into()));
        });
        assert_eq!(parsed("--http --help --nope"), Ok(Asked::Help));
        assert_eq!(parsed("-V"), Ok(Asked::Version));
    }

    #[test]
    fn what_is_refused() {
        let check = |line: &str, why: &str| assert_eq!(parsed(line), Err(why.to_owned()), "{line}");
        check("--nope", "invalid option '--nope'");
        check("serve", "unexpected argument \"serve\"");
        check("--nodes", "--nodes needs a value");
        check("--nodes many", "--nodes many: not a whole number from 0 to 5000");
        check("--nodes 5001", "--nodes 5001: at most 5000");
        check("--nodes -1", "--nodes -1: not a whole number from 0 to 5000");
        check("--listen 6443", "--listen 6443: not an address and port such as 127.0.0.1:6443");
        check("--listen nowhere:6443", "--listen nowhere:6443: not an address and port such as 127.0.0.1:6443");
        check("--speed fast", "--speed fast: neither a number above 0 nor max");
        check("--speed 0", "--speed 0: neither a number above 0 nor max");
        check("--speed NaN", "--speed NaN: neither a number above 0 nor max");
        check("--kubeconfig=", "--kubeconfig needs a path");
        check(
            "--session s --nodes 3",
            "--nodes cannot be given with --session: the recording says what its cluster is",
        );
    }
}
