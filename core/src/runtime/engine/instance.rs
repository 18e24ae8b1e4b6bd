//! A live instance of a module, which one process after another inhabits.

use std::rc::Rc;

use wasm_runtime_layer::backend::WasmEngine as Backend;
use wasm_runtime_layer::{
    AsContextMut, Engine, Extern, Func, Global, Imports, Instance, Memory, Module, Store, StoreContextMut, Val,
};

use super::abi::{HostFn, export};
use super::host::{self, Fault, GuestMemory};
use super::instrument::{GlobalAccess, Metered, STACK_BYTES_MAX};
use super::process::{Process, TurnState};
use super::snapshot::{CHUNK, Image, PAGE, Pool, Template, ZERO, same, transition};
use super::{CreateError, FUEL_PER_CALL, KillReason, State, Trap};

/// An instance larger than this isn't given to the next inhabitant, unless that one needs it.
const PAGES_KEPT: u32 = 64;

/// What host functions find in the store during a call.
#[derive(Default)]
struct Host {
    guest: Option<Box<Guest>>,
}

/// One call's process and the handles into its instance.
struct Guest {
    process: Box<Process>,
    turn: TurnState,
    memory: Option<Memory>,
    pages: Global,
    fuel: Global,
    /// The size of the memory when it was last asked for: it only grows.
    bytes: u64,
}

/// How a process's global is read and written.
enum GuestGlobal {
    Direct(Global),
    Halves { low: Func, high: Func, set: Func },
}

/// An instance and what it holds.
pub(super) struct Slot<E: Backend> {
    store: Store<Host, E>,
    memory: Option<Memory>,
    start: Func,
    poll: Func,
    pages_global: Global,
    grow_fn: Option<Func>,
    fuel: Global,
    depth: Global,
    oom: Global,
    globals: Vec<GuestGlobal>,
    /// The memory's size as its inhabitant sees it. Beyond it all is zero.
    pages: u32,
    /// Its size in truth, at least.
    pub(super) capacity: u32,
    /// Pieces of the memory that differ from the template, when `clean`.
    differing: Vec<u32>,
    clean: bool,
}

/// Memory as a host call reaches it.
struct View<'a, 'b, E: Backend> {
    store: &'a mut StoreContextMut<'b, Host, E>,
    memory: Option<&'a Memory>,
    pages: &'a Global,
    bytes: &'a mut u64,
}

impl<E: Backend> View<'_, '_, E> {
    /// Back ends differ in what they do beyond the end, so nothing gets there.
    fn check(&mut self, address: u32, len: usize) -> Result<&Memory, Fault> {
        let memory = self.memory.ok_or(Fault)?;
        let end = u64::from(address) + len as u64;
        if end > *self.bytes {
            *self.bytes = u64::from(get(&mut *self.store, self.pages) as u32) * PAGE as u64;
        }
        if end > *self.bytes { Err(Fault) } else { Ok(memory) }
    }
}

impl<E: Backend> GuestMemory for View<'_, '_, E> {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        let memory = self.check(address, bytes.len())?.clone();
        memory.read(&*self.store, address as usize, bytes).map_err(|_| Fault)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        let memory = self.check(address, bytes.len())?.clone();
        memory.write(&mut *self.store, address as usize, bytes).map_err(|_| Fault)
    }
}

fn call_i32(store: impl AsContextMut, function: &Func, args: &[i32]) -> Option<i32> {
    let args: Vec<Val> = args.iter().map(|arg| Val::I32(*arg)).collect();
    let mut result = [Val::I32(0)];
    function.call(store, &args, &mut result).ok()?;
    if let [Val::I32(value)] = result { Some(value) } else { None }
}

fn get(store: impl AsContextMut, global: &Global) -> i32 {
    if let Val::I32(value) = global.get(store) { value } else { 0 }
}

/// Runs a host call. Errors and ends are never raised as errors of the engine: not all of them can
/// raise one through a guest. Instead the meter is set so that the guest traps at its next step.
fn dispatch<E: Backend>(
    code: fn(&mut host::Call<'_>, host::Args<'_>) -> i32,
    mut store: StoreContextMut<'_, Host, E>,
    args: &[Val],
) -> i32 {
    let Some(mut guest) = store.data_mut().guest.take() else { return 0 };
    let mut bits = [0u64; 9];
    for (place, arg) in bits.iter_mut().zip(args) {
        *place = match arg {
            Val::I32(value) => u64::from(*value as u32),
            Val::I64(value) => *value as u64,
            _ => 0,
        };
    }
    let mut answer = 0;
    if guest.turn.ended.is_none() && guest.turn.exec.is_none() {
        let mut view =
            View { store: &mut store, memory: guest.memory.as_ref(), pages: &guest.pages, bytes: &mut guest.bytes };
        let mut call = host::Call { process: &mut guest.process, turn: &mut guest.turn, memory: &mut view };
        answer = code(&mut call, &bits);
    }
    if guest.turn.ended.is_some() || guest.turn.exec.is_some() {
        // A global that is there and mutable can be set.
        let _ = guest.fuel.set(&mut store, Val::I32(i32::MIN / 2));
    }
    store.data_mut().guest = Some(guest);
    answer
}

impl<E: Backend> Slot<E> {
    /// Makes an instance.
    pub(super) fn new(engine: &Engine<E>, module: &Module, metered: &Metered) -> Result<Self, CreateError> {
        let fail = |why: &str| CreateError::Instantiate(why.to_owned());
        let mut store = Store::new(engine, Host::default());
        let mut imports = Imports::new();
        for function in &metered.imports {
            imports.define(function.module, function.name, Extern::Func(link(&mut store, *function)));
        }
        // The engine's own words differ from one to the next, and so may not reach a status.
        let instance = Instance::new(&mut store, module, &imports).map_err(|_| fail("the engine refuses"))?;
        let function = |name: &str| instance.get_export(&store, name).and_then(|e| e.into_func());
        let global = |name: &str| instance.get_export(&store, name).and_then(|e| e.into_global());
        let missing = || fail("an export is gone");
        let globals = metered
            .globals
            .iter()
            .map(|access| {
                Some(match access {
                    GlobalAccess::Direct(name) => GuestGlobal::Direct(global(name)?),
                    GlobalAccess::Halves { low, high, set } => {
                        GuestGlobal::Halves { low: function(low)?, high: function(high)?, set: function(set)? }
                    }
                })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(missing)?;
        let memory = instance.get_export(&store, export::MEMORY).and_then(|e| e.into_memory());
        Ok(Slot {
            start: function(export::START).ok_or_else(missing)?,
            poll: function(export::POLL).ok_or_else(missing)?,
            pages_global: global(export::PAGES).ok_or_else(missing)?,
            grow_fn: function(export::GROW),
            fuel: global(export::FUEL).ok_or_else(missing)?,
            depth: global(export::DEPTH).ok_or_else(missing)?,
            oom: global(export::OOM).ok_or_else(missing)?,
            globals,
            memory,
            store,
            pages: metered.pages_min,
            capacity: metered.pages_min,
            differing: Vec::new(),
            clean: true,
        })
    }

    /// What a fresh instance holds.
    pub(super) fn template(&mut self) -> Template {
        let mut memory = Vec::new();
        self.read_memory(&mut memory);
        Template { memory, globals: self.read_globals() }
    }

    /// Reads all memory into `bytes`, whatever that held.
    fn read_memory(&mut self, bytes: &mut Vec<u8>) {
        bytes.resize(self.pages as usize * PAGE, 0);
        if let Some(memory) = &self.memory
            && !bytes.is_empty()
        {
            // The size was asked for after the last call.
            let _ = memory.read(&self.store, 0, bytes);
        }
    }

    fn read_globals(&mut self) -> Vec<u64> {
        let store = &mut self.store;
        self.globals
            .iter()
            .map(|access| match access {
                GuestGlobal::Direct(global) => u64::from(get(&mut *store, global) as u32),
                GuestGlobal::Halves { low, high, .. } => {
                    let low = call_i32(&mut *store, low, &[]).unwrap_or_default() as u32;
                    let high = call_i32(&mut *store, high, &[]).unwrap_or_default() as u32;
                    u64::from(high) << 32 | u64::from(low)
                }
            })
            .collect()
    }

    /// The state of the process that lives here, in order to park it.
    pub(super) fn park(&mut self, template: &Template, stack_top: u32, pool: &mut Pool) -> Rc<Image> {
        let mut memory = std::mem::take(&mut pool.buffer);
        self.read_memory(&mut memory);
        // Nothing below the stack pointer is alive between calls, so it isn't kept, nor left to the next.
        let top = (stack_top as usize).min(memory.len());
        let stack = memory.get_mut(..top).unwrap_or_default();
        let pieces = stack.as_chunks::<CHUNK>().0;
        let zeros = CHUNK * pieces.iter().position(|piece| !same(piece, &ZERO)).unwrap_or(pieces.len());
        let rest = stack.get(zeros..).unwrap_or_default();
        if let Some(first) = rest.iter().position(|byte| *byte != 0).map(|first| zeros + first) {
            let stale = stack.get_mut(first..).unwrap_or_default();
            stale.fill(0);
            if let Some(memory) = &self.memory {
                let _ = memory.write(&mut self.store, first, stale);
            }
        }
        let globals = self.read_globals();
        let image = pool.image(template, &memory, globals);
        pool.give_back(memory);
        self.differing = image.chunks.iter().map(|(index, _)| *index).collect();
        self.clean = true;
        image
    }

    /// Notes that what lives here will not be parked: the next inhabitant must find out what to clear.
    fn survey(&mut self, template: &Template) {
        let mut memory = Vec::new();
        self.read_memory(&mut memory);
        let chunks = memory.as_chunks::<CHUNK>().0.iter().enumerate();
        self.differing =
            chunks.filter(|(index, bytes)| *bytes != template.chunk(*index)).map(|(index, _)| index as u32).collect();
        self.clean = true;
    }

    /// Gives the instance a process's state; `None` is a fresh instance's. False if it can't.
    pub(super) fn settle(&mut self, template: &Template, image: Option<&Image>) -> bool {
        let pages = image.map_or(template.memory.len() / PAGE, |image| image.pages as usize) as u32;
        // Whoever needed much memory leaves an instance that isn't worth keeping.
        if self.capacity > pages.max(PAGES_KEPT) {
            return false;
        }
        if !self.clean {
            self.survey(template);
        }
        if pages > self.capacity {
            let more = (pages - self.capacity) as i32;
            let grown = self.grow_fn.as_ref().and_then(|grow| call_i32(&mut self.store, grow, &[more]));
            if grown.is_none_or(|before| before < 0) {
                return false;
            }
            self.capacity = pages;
        }
        if pages != self.pages {
            self.pages = pages;
            if self.pages_global.set(&mut self.store, Val::I32(pages as i32)).is_err() {
                return false;
            }
        }
        let fresh = Image { pages, chunks: Vec::new(), globals: Vec::new() };
        let image = image.unwrap_or(&fresh);
        for (offset, bytes) in transition(template, &self.differing, image) {
            if let Some(memory) = &self.memory
                && memory.write(&mut self.store, offset, &bytes).is_err()
            {
                return false;
            }
        }
        self.differing = image.chunks.iter().map(|(index, _)| *index).collect();
        let globals = if image.globals.is_empty() { &template.globals } else { &image.globals };
        for (access, value) in self.globals.iter().zip(globals) {
            let set = match access {
                GuestGlobal::Direct(global) => global.set(&mut self.store, Val::I32(*value as u32 as i32)).is_ok(),
                GuestGlobal::Halves { set, .. } => {
                    let halves = [Val::I32(*value as u32 as i32), Val::I32((*value >> 32) as u32 as i32)];
                    set.call(&mut self.store, &halves, &mut []).is_ok()
                }
            };
            if !set {
                return false;
            }
        }
        true
    }

    /// Runs the process that lives here until it waits or ends. Answers the fuel that it burned.
    pub(super) fn run(
        &mut self,
        process: Box<Process>,
        turn: TurnState,
        start: bool,
        pages_max: u32,
    ) -> (Box<Process>, TurnState, u64) {
        self.clean = false;
        self.store.data_mut().guest = Some(Box::new(Guest {
            process,
            turn,
            memory: self.memory.clone(),
            pages: self.pages_global.clone(),
            fuel: self.fuel.clone(),
            bytes: u64::from(self.pages) * PAGE as u64,
        }));
        let entry = if start { &self.start } else { &self.poll };
        let args = [Val::I32(FUEL_PER_CALL as i32), Val::I32(pages_max as i32)];
        let result = entry.call(&mut self.store, &args, &mut []);
        let guest = self.store.data_mut().guest.take();
        let Guest { mut process, mut turn, .. } = *guest.unwrap_or_else(|| unreachable!("put there above"));
        let fuel = get(&mut self.store, &self.fuel);
        self.pages = get(&mut self.store, &self.pages_global) as u32;
        self.capacity = self.capacity.max(self.pages);
        process.pages = self.pages;
        if turn.ended.is_none()
            && turn.exec.is_none()
            && let Err(error) = result
        {
            let reason = if get(&mut self.store, &self.oom) != 0 {
                KillReason::OutOfMemory
            } else if fuel < 0 {
                KillReason::CpuBudget
            } else if get(&mut self.store, &self.depth) > STACK_BYTES_MAX {
                KillReason::StackOverflow
            } else {
                trap(&format!("{error:#}"))
            };
            turn.ended = Some(State::Killed { reason });
        }
        // Where the host cut a call short the meter doesn't tell, and little had been burned since.
        let burned = if fuel < -(1 << 28) { 0 } else { (i64::from(FUEL_PER_CALL) - i64::from(fuel)).max(0) as u64 };
        let burned = burned.min(u64::from(FUEL_PER_CALL)) + turn.host_fuel;
        (process, turn, burned)
    }
}

/// What kind of trap an engine's words mean: wasmtime's, V8's, SpiderMonkey's and JavaScriptCore's.
fn trap(words: &str) -> KillReason {
    const KINDS: &[(&str, KillReason)] = &[
        ("stack exhausted", KillReason::StackOverflow),
        ("call stack size", KillReason::StackOverflow),
        ("too much recursion", KillReason::StackOverflow),
        ("unreachable", KillReason::Trap(Trap::Unreachable)),
        ("table", KillReason::Trap(Trap::IndirectCall)),
        ("indirect call", KillReason::Trap(Trap::IndirectCall)),
        ("call_indirect", KillReason::Trap(Trap::IndirectCall)),
        ("uninitialized element", KillReason::Trap(Trap::IndirectCall)),
        ("null function", KillReason::Trap(Trap::IndirectCall)),
        ("bounds", KillReason::Trap(Trap::OutOfBounds)),
        ("zero", KillReason::Trap(Trap::Arithmetic)),
        ("overflow", KillReason::Trap(Trap::Arithmetic)),
        ("integer", KillReason::Trap(Trap::Arithmetic)),
        ("unrepresentable", KillReason::Trap(Trap::Arithmetic)),
        ("trunc", KillReason::Trap(Trap::Arithmetic)),
    ];
    let words = words.to_ascii_lowercase();
    KINDS
        .iter()
        .find(|(part, _)| words.contains(part))
        .map_or(KillReason::Trap(Trap::Other), |(_, reason)| reason.clone())
}

fn link<E: Backend>(store: &mut Store<Host, E>, function: HostFn) -> Func {
    let code = host::handler(function);
    Func::new(store, function.linked_type(), move |store, args, results| {
        let answer = dispatch(code, store, args);
        if let Some(result) = results.first_mut() {
            *result = Val::I32(answer);
        }
        Ok(())
    })
}
