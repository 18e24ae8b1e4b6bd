//! An engine without WebAssembly: its programs are `nginx`, `sleep`, `true`, `false`.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::runtime::engine::{
    ContainerConfig, ContainerId, CreateError, Effect, Engine, Event, ExecConfig, ImageError, KillReason, ModuleId,
    Pid, State, Turn, Usage, Wake,
};
use crate::runtime::images::ModuleSource;

/// The catalogue's modules: their name is all that there is to them.
pub fn modules() -> ModuleSource {
    let names = ["busybox", "httpd", "nginx", "pause", "redis", "stress"];
    Rc::new(names.iter().map(|n| ((*n).to_owned(), Rc::from(n.as_bytes()))).collect())
}

#[derive(Default)]
pub struct FakeEngine {
    modules: Vec<Vec<u8>>,
    containers: BTreeMap<ContainerId, (ContainerConfig, Option<u64>)>,
    next: u64,
}

fn turn(state: State, effects: Vec<Effect>) -> Turn {
    Turn { state, effects, cpu_ns: 1_000, output_dropped: 0, slept_ns: 0 }
}

const WAITS: State = State::Running { wake: Wake::Never };

impl Engine for FakeEngine {
    fn compile(&mut self, wasm: &Rc<[u8]>) -> Result<ModuleId, ImageError> {
        let at = self.modules.iter().position(|m| **m == **wasm).unwrap_or_else(|| {
            self.modules.push(wasm.to_vec());
            self.modules.len() - 1
        });
        Ok(ModuleId(at as u32))
    }

    fn create(&mut self, config: ContainerConfig) -> Result<ContainerId, CreateError> {
        let program = config.args.first().cloned().unwrap_or_default();
        config.programs.find(&program).ok_or(CreateError::NotFound(program))?;
        self.next += 1;
        let id = ContainerId(self.next);
        self.containers.insert(id, (config, None));
        Ok(id)
    }

    fn start(&mut self, container: ContainerId, now_ns: u64) -> Turn {
        let Some((config, until)) = self.containers.get_mut(&container) else {
            return turn(State::Exited { code: 1 }, vec![]);
        };
        let args: Vec<&str> = config.args.iter().map(String::as_str).collect();
        match args.as_slice() {
            ["sleep", s, ..] => {
                let at = now_ns + s.parse::<u64>().unwrap_or(0) * 1_000_000_000;
                *until = Some(at);
                turn(State::Running { wake: Wake::At(at) }, vec![])
            }
            ["true", ..] => turn(State::Exited { code: 0 }, vec![]),
            ["false", ..] => turn(State::Exited { code: 1 }, vec![Effect::Stderr(Rc::from(&b"no\n"[..]))]),
            _ => turn(WAITS, vec![Effect::Listen { port: 80 }, Effect::Stdout(Rc::from(&b"ready\n"[..]))]),
        }
    }

    fn exec(&mut self, _: ContainerId, config: ExecConfig, _: u64) -> Result<(Pid, Turn), CreateError> {
        self.next += 1;
        let said = Effect::Stdout(config.args.join(" ").into_bytes().into());
        Ok((Pid(self.next as u32 + 1), turn(State::Exited { code: 0 }, vec![said])))
    }

    fn poll(&mut self, container: ContainerId, _: Pid, now_ns: u64, events: &[Event]) -> Turn {
        let Some((_, until)) = self.containers.get(&container) else {
            return turn(State::Exited { code: 1 }, vec![]);
        };
        let mut effects = Vec::new();
        for e in events {
            match e {
                Event::Signal(9) => return turn(State::Killed { reason: KillReason::Signal(9) }, vec![]),
                Event::Signal(_) => return turn(State::Exited { code: 0 }, vec![]),
                Event::Data { conn, .. } => {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                    effects.push(Effect::Send { conn: *conn, bytes: Rc::from(&answer[..]) });
                    effects.push(Effect::Close { conn: *conn });
                }
                _ => {}
            }
        }
        match *until {
            Some(at) if now_ns >= at => turn(State::Exited { code: 0 }, effects),
            Some(at) => turn(State::Running { wake: Wake::At(at) }, effects),
            None => turn(WAITS, effects),
        }
    }

    fn remove(&mut self, container: ContainerId) {
        self.containers.remove(&container);
    }

    fn usage(&self, _: ContainerId) -> Usage {
        Usage::default()
    }

    fn read_file(&self, _: ContainerId, _: &str) -> Option<Rc<[u8]>> {
        None
    }
}
