//! The images' programs over wasmtime: what a person would type, and what it prints.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use podarium_core::runtime::engine::{
    ConnId, ContainerConfig, ContainerId, Effect, Engine, Event, ExecConfig, FileTree, KillReason, Mount, NetError,
    Pid, State, Turn, Wake,
};
use podarium_core::runtime::images::{ModuleSource, Reference, Registry};
use podarium_tests::wasm;

const SECOND: u64 = 1_000_000_000;
/// 2026-11-23 04:46:42 UTC.
const EPOCH: u64 = 1_795_409_202 * SECOND;

/// A process of the world.
type Id = (ContainerId, Pid);

#[derive(Default)]
struct Process {
    out: String,
    err: String,
    wake: Option<u64>,
    state: Option<State>,
}

/// Containers, a clock, and a network in which everything arrives at once.
struct World {
    engine: Box<dyn Engine>,
    registry: Registry,
    modules: ModuleSource,
    now: u64,
    processes: BTreeMap<Id, Process>,
    listening: BTreeMap<(IpAddr, u16), Id>,
    addresses: BTreeMap<ContainerId, IpAddr>,
    names: BTreeMap<String, IpAddr>,
    /// Each end of each connection, and the other.
    peers: BTreeMap<(Id, ConnId), (Id, ConnId)>,
    next_conn: u64,
}

impl World {
    fn new() -> Self {
        World {
            engine: Box::new(wasm::engine()),
            registry: Registry::standard(),
            modules: wasm::modules(),
            now: EPOCH,
            processes: BTreeMap::new(),
            listening: BTreeMap::new(),
            addresses: BTreeMap::new(),
            names: BTreeMap::new(),
            peers: BTreeMap::new(),
            next_conn: 1,
        }
    }

    /// Makes a container and starts it.
    fn run(&mut self, image: &str, command: &[&str], more: impl FnOnce(&mut ContainerConfig)) -> ContainerId {
        let reference = Reference::parse(image).unwrap();
        let image = self.registry.resolve(&reference).unwrap_or_else(|e| panic!("{}", e.message(&reference)));
        let programs = image.programs(&mut *self.engine, &self.modules).unwrap();
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let mut config = ContainerConfig {
            args: image.command_line(&command, &[]).into(),
            env: image.env.clone(),
            working_dir: image.working_dir.clone(),
            hostname: Rc::from("web-0"),
            files: image.files.clone(),
            programs: Rc::new(programs),
            ..ContainerConfig::default()
        };
        more(&mut config);
        let id = self.engine.create(config).unwrap_or_else(|error| panic!("{error}"));
        self.addresses.insert(id, Ipv4Addr::new(10, 244, 0, 2 + self.addresses.len() as u8).into());
        let turn = self.engine.start(id, self.now);
        self.take((id, Pid::MAIN), turn);
        id
    }

    /// Runs a command in a container to its end.
    fn exec(&mut self, id: ContainerId, args: &[&str]) -> (i32, String) {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        match self.engine.exec(id, ExecConfig { args, ..ExecConfig::default() }, self.now) {
            Err(error) => (-1, error.to_string()),
            Ok((pid, turn)) => {
                self.take((id, pid), turn);
                self.until_end((id, pid));
                let process = &self.processes[&(id, pid)];
                let code = process.state.as_ref().and_then(State::exit_code).unwrap_or(-2);
                (code, format!("{}{}", process.out, process.err))
            }
        }
    }

    fn poll(&mut self, id: Id, event: Event) {
        if self.processes.get(&id).is_some_and(|process| process.state.is_none()) {
            let turn = self.engine.poll(id.0, id.1, self.now, &[event]);
            self.take(id, turn);
        }
    }

    fn take(&mut self, id: Id, turn: Turn) {
        let process = self.processes.entry(id).or_default();
        process.wake = match &turn.state {
            State::Running { wake: Wake::Now } => Some(self.now + turn.cpu_ns + 1),
            State::Running { wake: Wake::At(at) } => Some(*at),
            State::Running { wake: Wake::Never } => None,
            ended => {
                process.state = Some(ended.clone());
                None
            }
        };
        for effect in turn.effects {
            self.effect(id, effect);
        }
        if self.processes[&id].state.is_some() {
            let ends: Vec<_> = self.peers.keys().filter(|(owner, _)| *owner == id).copied().collect();
            for end in ends {
                if let Some((peer, conn)) = self.peers.remove(&end) {
                    self.poll(peer, Event::Eof { conn });
                }
            }
            self.listening.retain(|_, owner| *owner != id);
        }
    }

    fn effect(&mut self, id: Id, effect: Effect) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match effect {
            Effect::Stdout(bytes) => self.processes.entry(id).or_default().out.push_str(&text(&bytes)),
            Effect::Stderr(bytes) => self.processes.entry(id).or_default().err.push_str(&text(&bytes)),
            Effect::Listen { port } => _ = self.listening.insert((self.addresses[&id.0], port), id),
            Effect::Unlisten { port } => _ = self.listening.remove(&(self.addresses[&id.0], port)),
            Effect::Connect { conn, address, port } => {
                let local = self.addresses[&id.0];
                let address = if address.is_loopback() { local } else { address };
                match self.listening.get(&(address, port)).copied() {
                    Some(server) => {
                        let inbound = ConnId(self.next_conn);
                        self.next_conn += 1;
                        self.peers.insert((id, conn), (server, inbound));
                        self.peers.insert((server, inbound), (id, conn));
                        self.poll(server, Event::Connection { port, conn: inbound, peer: (local, 40_000) });
                        self.poll(id, Event::Connected { conn });
                    }
                    None => self.poll(id, Event::ConnectFailed { conn, error: NetError::Refused }),
                }
            }
            Effect::Send { conn, bytes } => {
                if let Some((peer, conn)) = self.peers.get(&(id, conn)).copied() {
                    self.poll(peer, Event::Data { conn, bytes });
                }
            }
            Effect::Shutdown { conn } | Effect::Close { conn } => {
                if let Some((peer, conn)) = self.peers.get(&(id, conn)).copied() {
                    self.poll(peer, Event::Eof { conn });
                }
            }
            Effect::Resolve { lookup, name } => {
                let addresses = self.names.get(&name).copied().into_iter().collect();
                self.poll(id, Event::Resolved { lookup, addresses });
            }
            Effect::Signal { pid, signal } => self.poll((id.0, pid), Event::Signal(signal)),
        }
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, until: u64) {
        loop {
            let next = self.processes.iter().filter_map(|(id, process)| Some((process.wake?, *id))).min();
            let Some((at, id)) = next.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            let turn = self.engine.poll(id.0, id.1, self.now, &[]);
            self.take(id, turn);
        }
        self.now = until;
    }

    fn until_end(&mut self, id: Id) {
        for _ in 0..100_000 {
            if self.processes[&id].state.is_some() {
                return;
            }
            let Some(at) = self.processes.values().filter_map(|process| process.wake).min() else { return };
            self.pass(at.max(self.now));
        }
    }

    fn main(&self, id: ContainerId) -> &Process {
        &self.processes[&(id, Pid::MAIN)]
    }
}

/// A busybox container's shell command: its exit code and all that it prints.
fn shell(script: &str) -> (i32, String) {
    let mut world = World::new();
    let id = world.run("busybox", &["sleep", "3600"], |_| {});
    world.exec(id, &["sh", "-c", script])
}

#[test]
fn the_shell_does_what_scripts_need() {
    let cases: &[(&str, i32, &str)] = &[
        ("echo hello; exit 3", 3, "hello\n"),
        ("true && echo a || echo b; false && echo c || echo d", 0, "a\nd\n"),
        ("x=1; y=\"$x 2\"; echo $x '$x' \"$y\" ${z:-none}", 0, "1 $x 1 2 none\n"),
        ("for i in 1 2 3; do echo -n \"$i \"; done; echo", 0, "1 2 3 \n"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done", 0, "1\n2\n3\n"),
        ("i=0; until test $i = 2; do i=`expr $i + 1`; done; echo $i", 0, "2\n"),
        ("if [ -f /etc/hostname ]; then cat /etc/hostname; else echo no; fi", 0, "web-0\n"),
        ("case nginx-1 in web*) echo w;; nginx*|x) echo n;; *) echo o;; esac", 0, "n\n"),
        ("f() { echo \"$1-$#\"; return 4; }; f a b; echo $?", 0, "a-2\n4\n"),
        ("echo one two three | cut -d' ' -f2 | tr a-z A-Z", 0, "TWO\n"),
        ("seq 1 5 | grep -v 3 | wc -l", 0, "4\n"),
        ("printf '%s=%03d\\n' a 7 b 12", 0, "a=007\nb=012\n"),
        ("echo gone > /dev/null; echo err >&2; nosuch 2>/dev/null; echo $?", 0, "127\nerr\n"),
        ("nosuch", 127, "sh: nosuch: not found\n"),
        ("(exit 5); echo $?; { echo g; }", 0, "5\ng\n"),
        ("set -e; false; echo never", 1, ""),
        ("x=$(echo a; echo b); echo \"$x\" | tail -n 1", 0, "b\n"),
        ("mkdir -p /tmp/d && cd /tmp/d && echo x > f && ls && pwd && cat f && rm f && ls", 0, "f\n/tmp/d\nx\n"),
        ("echo a > /tmp/f; echo b >> /tmp/f; cat < /tmp/f; wc -c < /tmp/f", 0, "a\nb\n4\n"),
        ("cat /nosuch", 1, "cat: can't open '/nosuch': No such file or directory\n"),
        ("cat <<EOF\nv=$HOSTNAME\nEOF", 0, "v=web-0\n"),
        ("yes | head -n 2", 0, "y\ny\n"),
        ("trap 'echo bye' EXIT; echo work", 0, "work\nbye\n"),
        ("echo ${#HOSTNAME} ${HOSTNAME%-*} ${HOSTNAME#*-}; echo /etc/host*", 0, "5 web 0\n/etc/hostname\n"),
        ("sleep 1 & sleep 2 & wait; echo done", 0, "done\n"),
        ("if", 2, "sh: syntax error: unexpected end of file (expecting \"then\")\n"),
        ("echo 'open", 2, "sh: syntax error: unterminated quoted string\n"),
        ("f() { f; }; f", 2, "sh: nested too deep\n"),
        ("echo $((2+3*4)) $((7%4)) $(( (1<2) && 1 ))", 0, "14 3 1\n"),
        ("echo $((1/0))", 2, "sh: arithmetic divide by zero\n"),
        ("! true; echo $?; [ 1 -eq 1 -a a != b ] && echo yes", 0, "1\nyes\n"),
        ("date +%Y-%m-%dT%H:%M", 0, "2026-11-23T04:46\n"),
        ("echo hello | sed 's/l\\+/L/;s/h/H/' | sed -n '/H/p'", 0, "Hello\n"),
        ("wget -qO- http://nosuch", 1, "wget: bad address 'nosuch'\n"),
        ("echo aGk= | base64 -d; echo; echo -n hi | base64", 0, "hi\naGk=\n"),
        ("while read a b; do echo \"$b $a\"; done <<EOF\n1 2\n3 4\nEOF", 0, "2 1\n4 3\n"),
        ("kill -0 1 && echo alive; kill 99", 1, "alive\nsh: can't kill pid 99: No such process\n"),
    ];
    for (script, code, output) in cases {
        let (found_code, found) = shell(script);
        assert_eq!((found_code, found.as_str()), (*code, *output), "{script}");
    }
}

#[test]
fn the_documented_liveness_example_works() {
    let mut world = World::new();
    let script = "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600";
    let id = world.run("registry.k8s.io/busybox:1.27.2", &["/bin/sh", "-c", script], |_| {});
    world.pass(EPOCH + 5 * SECOND);
    assert_eq!(world.exec(id, &["cat", "/tmp/healthy"]), (0, String::new()));
    world.pass(EPOCH + 29 * SECOND);
    assert_eq!(world.exec(id, &["cat", "/tmp/healthy"]).0, 0);
    world.pass(EPOCH + 31 * SECOND);
    let (code, text) = world.exec(id, &["cat", "/tmp/healthy"]);
    assert_eq!((code, text.as_str()), (1, "cat: can't open '/tmp/healthy': No such file or directory\n"));
    world.pass(EPOCH + 631 * SECOND);
    assert_eq!(world.main(id).state, Some(State::Exited { code: 0 }));
}

#[test]
fn signals_reach_handlers_and_spare_the_first_process() {
    let mut world = World::new();
    let deaf = world.run("busybox", &["sleep", "3600"], |_| {});
    world.poll((deaf, Pid::MAIN), Event::Signal(15));
    assert_eq!(world.main(deaf).state, None);
    world.poll((deaf, Pid::MAIN), Event::Signal(9));
    assert_eq!(world.main(deaf).state, Some(State::Killed { reason: KillReason::Signal(9) }));

    let script = "trap 'echo caught; exit 7' TERM; while true; do sleep 1; done";
    let trapping = world.run("busybox", &["sh", "-c", script], |_| {});
    world.pass(EPOCH + 3 * SECOND / 2);
    world.poll((trapping, Pid::MAIN), Event::Signal(15));
    world.pass(EPOCH + 3 * SECOND);
    assert_eq!(world.main(trapping).state, Some(State::Exited { code: 7 }));
    assert_eq!(world.main(trapping).out, "caught\n");

    let pause = world.run("registry.k8s.io/pause:3.10", &[], |_| {});
    world.poll((pause, Pid::MAIN), Event::Signal(15));
    assert_eq!(world.main(pause).state, Some(State::Exited { code: 0 }));

    // From within: exec'd processes die of what the first is spared.
    let other = world.run("busybox", &["sleep", "9"], |_| {});
    assert_eq!(world.exec(other, &["sh", "-c", "kill -9 1; kill 1"]).0, 0);
    assert_eq!(world.main(other).state, None);
}

#[test]
fn nginx_serves_logs_and_ends() {
    let mut world = World::new();
    let nginx = world.run("nginx:1.27", &[], |_| {});
    let client = world.run("busybox", &["sleep", "3600"], |_| {});
    world.names.insert("web".to_owned(), world.addresses[&nginx]);
    assert!(
        world.main(nginx).err.contains("2026/11/23 04:46:42 [notice] 1#1: nginx/1.27.5\n"),
        "{}",
        world.main(nginx).err
    );
    assert!(world.main(nginx).out.ends_with("Configuration complete; ready for start up\n"));

    let (code, page) = world.exec(client, &["wget", "-qO-", "http://web/"]);
    assert_eq!(code, 0, "{page}");
    assert!(page.contains("<h1>Welcome to nginx!</h1>") && page.contains("nginx/1.27.5"));
    let log = format!(
        "10.244.0.3 - - [23/Nov/2026:04:46:42 +0000] \"GET / HTTP/1.1\" 200 {} \"-\" \"Wget\" \"-\"\n",
        page.len()
    );
    assert!(world.main(nginx).out.ends_with(&log), "{}", world.main(nginx).out);

    let (code, text) = world.exec(client, &["wget", "-qO-", "http://web/nosuch"]);
    assert_eq!((code, text.as_str()), (1, "wget: server returned error: HTTP/1.1 404 Not Found\n"));
    assert!(
        world.main(nginx).err.contains("open() \"/usr/share/nginx/html/nosuch\" failed (2: No such file or directory)")
    );

    // Several requests on one connection, a HEAD, and rubbish.
    let ask = "printf 'GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\nHEAD / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\nBAD\\r\\n\\r\\n' | nc web 80";
    let (_, text) = world.exec(client, &["sh", "-c", ask]);
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\nServer: nginx/1.27.5\r\n").count(), 2, "{text}");
    assert_eq!(text.matches("HTTP/1.1 400 Bad Request\r\n").count(), 1, "{text}");
    assert_eq!(text.matches("<h1>Welcome to nginx!</h1>").count(), 1);

    // What is written in the container is served.
    world.exec(nginx, &["sh", "-c", "echo mine > /usr/share/nginx/html/index.html"]);
    assert_eq!(world.exec(client, &["wget", "-qO-", "http://web"]), (0, "mine\n".to_owned()));
    assert_eq!(world.exec(nginx, &["nginx", "-v"]), (0, "nginx version: nginx/1.27.5\n".to_owned()));
    assert_eq!(world.exec(nginx, &["nginx", "-t"]).0, 0);
    assert!(world.exec(nginx, &["nosuch"]).1.contains("exec: \"nosuch\": executable file not found in $PATH"));

    world.poll((nginx, Pid::MAIN), Event::Signal(3));
    world.until_end((nginx, Pid::MAIN));
    assert_eq!(world.main(nginx).state, Some(State::Exited { code: 0 }));
    let (code, text) = world.exec(client, &["wget", "-qO-", "http://web/"]);
    assert_eq!((code, text.as_str()), (1, "wget: can't connect to remote host (10.244.0.2): Connection refused\n"));
}

#[test]
fn nginx_reads_its_configuration() {
    let mut world = World::new();
    let conf = b"server { listen 8080; location / { return 200 \"hi $hostname\\n\"; } location /up/ { proxy_pass http://back/; } }";
    let mount = |bytes: &[u8]| {
        let files = Rc::new(FileTree::default().with("/default.conf", bytes));
        Mount { path: "/etc/nginx/conf.d".to_owned(), files, read_only: true }
    };
    let back = world.run("httpd:2.4", &[], |_| {});
    world.names.insert("back".to_owned(), world.addresses[&back]);
    let front = world.run("nginx:alpine", &[], |config| config.mounts = [mount(conf)].into());
    assert_eq!(world.exec(front, &["curl", "-s", "localhost:8080/x"]).0, 6);
    world.names.insert("localhost".to_owned(), world.addresses[&front]);
    assert_eq!(world.exec(front, &["curl", "-s", "localhost:8080/x"]), (0, "hi web-0\n".to_owned()));
    assert!(world.exec(front, &["curl", "-s", "localhost:8080/up/"]).1.contains("It works!"));
    assert!(world.main(back).out.contains("\"GET / HTTP/1.1\" 200"), "{}", world.main(back).out);

    let bad = world.run("nginx", &[], |config| config.mounts = [mount(b"server { lisen 80; }")].into());
    assert_eq!(world.main(bad).state, Some(State::Exited { code: 1 }));
    assert!(
        world.main(bad).err.contains("[emerg] 1#1: unknown directive \"lisen\" in /etc/nginx/conf.d/default.conf:1")
    );
    let handed_over = world.run("nginx", &["/docker-entrypoint.sh", "sh", "-c", "echo $0 $NGINX_VERSION"], |_| {});
    assert_eq!(world.main(handed_over).out, "sh 1.29.3\n");
}

#[test]
fn redis_keeps_what_it_is_told() {
    let mut world = World::new();
    let redis = world.run("redis:7", &[], |_| {});
    world.names.insert("localhost".to_owned(), world.addresses[&redis]);
    let mut cli = |words: &[&str]| world.exec(redis, &[&["redis-cli"], words].concat()).1;
    assert_eq!(cli(&["ping"]), "PONG\n");
    assert_eq!(cli(&["set", "a", "1"]), "OK\n");
    assert_eq!(cli(&["incr", "a"]), "2\n");
    assert_eq!(cli(&["get", "a"]), "2\n");
    assert_eq!(cli(&["get", "b"]), "\n");
}

#[test]
fn misbehaving_programs_end_as_they_would() {
    let mut world = World::new();
    let limit = |bytes: u64| move |config: &mut ContainerConfig| config.memory_limit_bytes = bytes;
    let cases: &[(&[&str], u64, State)] = &[
        (&["stress", "--spin"], 0, State::Killed { reason: KillReason::CpuBudget }),
        (&["stress", "--exit", "1"], 0, State::Exited { code: 1 }),
        (
            &["stress", "--vm", "1", "--vm-bytes", "250M", "--vm-hang", "1"],
            100 << 20,
            State::Killed { reason: KillReason::OutOfMemory },
        ),
    ];
    for (command, bytes, state) in cases {
        let begun = Instant::now();
        let id = world.run("polinux/stress", command, limit(*bytes));
        world.until_end((id, Pid::MAIN));
        assert_eq!(world.main(id).state.as_ref(), Some(state), "{command:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{command:?} took {:?}", begun.elapsed());
    }
    for command in [["stress", "--recurse"], ["stress", "--abort"]] {
        let id = world.run("polinux/stress", &command, limit(0));
        assert!(matches!(world.main(id).state, Some(State::Killed { .. })), "{command:?}");
    }
    // A flood comes in turns, each of which is bounded.
    let id = world.run("polinux/stress", &["stress", "--flood", "20000"], limit(0));
    world.until_end((id, Pid::MAIN));
    assert_eq!(world.main(id).out.lines().count(), 20_000);
}

#[test]
fn a_loop_without_end_shares_the_machine() {
    let mut world = World::new();
    let id = world.run("busybox", &["sh", "-c", "while true; do :; done"], |_| {});
    let begun = Instant::now();
    let mut turns = 0;
    while turns < 50 && begun.elapsed() < Duration::from_secs(5) {
        let at = world.main(id).wake.expect("it goes on");
        world.pass(at);
        turns += 1;
    }
    assert_eq!(turns, 50);
    assert!(world.engine.usage(id).cpu_ns > 1_000_000);
}

#[test]
fn hostile_requests_are_answered() {
    let mut world = World::new();
    let nginx = world.run("nginx", &[], |_| {});
    let client = world.run("busybox", &["sleep", "3600"], |_| {});
    world.names.insert("web".to_owned(), world.addresses[&nginx]);
    let statuses: &[(&str, &str)] = &[
        ("GET /../../etc/hostname HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", "400"),
        ("GET /%zz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", "400"),
        ("GET / HTTP/1.1\\r\\n\\r\\n", "400"),
        ("POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 99999999\\r\\n\\r\\n", "413"),
        ("POST / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n", "405"),
        ("GET / HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n", "400"),
    ];
    for (request, status) in statuses {
        let (_, text) = world.exec(client, &["sh", "-c", &format!("printf '{request}' | nc web 80")]);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {text}");
    }
    assert_eq!(world.main(nginx).state, None);
}
