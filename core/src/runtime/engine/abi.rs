//! The host functions that a module may import, with their types: WASI preview 1 whole, and `podarium`.

use wasm_runtime_layer::{FuncType, ValType};

/// The namespace of WASI preview 1.
pub(super) const WASI: &str = "wasi_snapshot_preview1";
/// The namespace of sockets, timers, names, signals and files.
pub(super) const PODARIUM: &str = "podarium";

/// A host function: its namespace, its name, and its parameters, `i` for i32 and `I` for i64. All answer
/// one i32 unless the name is in [`NO_RESULT`].
///
/// Results and host-to-guest values are i32 alone: the browser's back end can't pass an i64 that way.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    (WASI, "args_get", "ii"),
    (WASI, "args_sizes_get", "ii"),
    (WASI, "environ_get", "ii"),
    (WASI, "environ_sizes_get", "ii"),
    (WASI, "clock_res_get", "ii"),
    (WASI, "clock_time_get", "iIi"),
    (WASI, "fd_advise", "iIIi"),
    (WASI, "fd_allocate", "iII"),
    (WASI, "fd_close", "i"),
    (WASI, "fd_datasync", "i"),
    (WASI, "fd_fdstat_get", "ii"),
    (WASI, "fd_fdstat_set_flags", "ii"),
    (WASI, "fd_fdstat_set_rights", "iII"),
    (WASI, "fd_filestat_get", "ii"),
    (WASI, "fd_filestat_set_size", "iI"),
    (WASI, "fd_filestat_set_times", "iIIi"),
    (WASI, "fd_pread", "iiiIi"),
    (WASI, "fd_prestat_get", "ii"),
    (WASI, "fd_prestat_dir_name", "iii"),
    (WASI, "fd_pwrite", "iiiIi"),
    (WASI, "fd_read", "iiii"),
    (WASI, "fd_readdir", "iiiIi"),
    (WASI, "fd_renumber", "ii"),
    (WASI, "fd_seek", "iIii"),
    (WASI, "fd_sync", "i"),
    (WASI, "fd_tell", "ii"),
    (WASI, "fd_write", "iiii"),
    (WASI, "path_create_directory", "iii"),
    (WASI, "path_filestat_get", "iiiii"),
    (WASI, "path_filestat_set_times", "iiiiIIi"),
    (WASI, "path_link", "iiiiiii"),
    (WASI, "path_open", "iiiiiIIii"),
    (WASI, "path_readlink", "iiiiii"),
    (WASI, "path_remove_directory", "iii"),
    (WASI, "path_rename", "iiiiii"),
    (WASI, "path_symlink", "iiiii"),
    (WASI, "path_unlink_file", "iii"),
    (WASI, "poll_oneoff", "iiii"),
    (WASI, "proc_exit", "i"),
    (WASI, "proc_raise", "i"),
    (WASI, "random_get", "ii"),
    (WASI, "sched_yield", ""),
    (WASI, "sock_accept", "iii"),
    (WASI, "sock_recv", "iiiiii"),
    (WASI, "sock_send", "iiiii"),
    (WASI, "sock_shutdown", "ii"),
    (PODARIUM, "now", "i"),
    (PODARIUM, "timer", "I"),
    (PODARIUM, "yield", ""),
    (PODARIUM, "events", "ii"),
    (PODARIUM, "signals", "i"),
    (PODARIUM, "signal", ""),
    (PODARIUM, "hostname", "ii"),
    (PODARIUM, "cwd", "ii"),
    (PODARIUM, "listen", "i"),
    (PODARIUM, "accept", "ii"),
    (PODARIUM, "connect", "ii"),
    (PODARIUM, "status", "i"),
    (PODARIUM, "resolve", "ii"),
    (PODARIUM, "resolved", "iii"),
    (PODARIUM, "read", "iii"),
    (PODARIUM, "write", "iii"),
    (PODARIUM, "shutdown", "i"),
    (PODARIUM, "close", "i"),
    (PODARIUM, "open", "iii"),
    (PODARIUM, "stat", "iii"),
    (PODARIUM, "list", "iiii"),
    (PODARIUM, "make_dir", "ii"),
    (PODARIUM, "remove", "iii"),
    (PODARIUM, "kill", "ii"),
    (PODARIUM, "exec", "ii"),
];

/// Functions without a result.
const NO_RESULT: &[&str] = &["proc_exit"];

/// The browser's back end can't make host functions of more parameters than this.
pub(super) const PARAMS_MAX: usize = 8;

/// Which parameter is left out on the way to the host where a function has more than [`PARAMS_MAX`]:
/// `path_open`'s inheriting rights, which nobody minds.
pub(super) const PARAM_DROPPED: usize = 6;

/// One function of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostFn {
    pub(super) module: &'static str,
    pub(super) name: &'static str,
    params: &'static str,
}

impl HostFn {
    /// The function of that name, if there is one.
    pub(super) fn find(module: &str, name: &str) -> Option<HostFn> {
        // Old toolchains import the same functions from the namespace before the snapshot's.
        let module = if module == "wasi_unstable" { WASI } else { module };
        FUNCTIONS.iter().find(|(m, n, _)| *m == module && *n == name).map(|&(module, name, params)| HostFn {
            module,
            name,
            params,
        })
    }

    pub(super) fn ends_process(self) -> bool {
        self.name == "proc_exit"
    }

    /// Parameter types in the binary format's bytes.
    pub(super) fn params(self) -> Vec<u8> {
        self.params.bytes().map(|p| if p == b'I' { 0x7e } else { 0x7f }).collect()
    }

    /// Result types likewise.
    pub(super) fn results(self) -> Vec<u8> {
        if NO_RESULT.contains(&self.name) { Vec::new() } else { vec![0x7f] }
    }

    /// The type that the engine links, at most [`PARAMS_MAX`] parameters.
    pub(super) fn linked_type(self) -> FuncType {
        let mut params = self.params();
        if params.len() > PARAMS_MAX {
            params.remove(PARAM_DROPPED);
        }
        let params = params.into_iter().map(|p| if p == 0x7e { ValType::I64 } else { ValType::I32 });
        let results = self.results().into_iter().map(|_| ValType::I32);
        FuncType::new(params.collect::<Vec<_>>(), results.collect::<Vec<_>>())
    }
}

/// Error numbers of WASI preview 1; `podarium` functions answer them negated.
pub(super) mod errno {
    pub(in super::super) const SUCCESS: i32 = 0;
    pub(in super::super) const ADDRINUSE: i32 = 3;
    pub(in super::super) const AGAIN: i32 = 6;
    pub(in super::super) const BADF: i32 = 8;
    pub(in super::super) const CONNREFUSED: i32 = 14;
    pub(in super::super) const CONNRESET: i32 = 15;
    pub(in super::super) const EXIST: i32 = 20;
    pub(in super::super) const FAULT: i32 = 21;
    pub(in super::super) const HOSTUNREACH: i32 = 23;
    pub(in super::super) const INVAL: i32 = 28;
    pub(in super::super) const ISDIR: i32 = 31;
    pub(in super::super) const MFILE: i32 = 33;
    pub(in super::super) const NAMETOOLONG: i32 = 37;
    pub(in super::super) const NOENT: i32 = 44;
    pub(in super::super) const NOSPC: i32 = 51;
    pub(in super::super) const NOSYS: i32 = 52;
    pub(in super::super) const NOTDIR: i32 = 54;
    pub(in super::super) const NOTEMPTY: i32 = 55;
    pub(in super::super) const NOTSOCK: i32 = 57;
    pub(in super::super) const PIPE: i32 = 64;
    pub(in super::super) const ROFS: i32 = 69;
    pub(in super::super) const SPIPE: i32 = 70;
    pub(in super::super) const SRCH: i32 = 71;
    pub(in super::super) const TIMEDOUT: i32 = 73;
}

/// What instrumented modules export, by name.
pub(super) mod export {
    /// The linear memory.
    pub(in super::super) const MEMORY: &str = "memory";
    /// Fuel left; below zero it ran out.
    pub(in super::super) const FUEL: &str = "fuel";
    /// Bytes of stack in use, as estimated.
    pub(in super::super) const DEPTH: &str = "depth";
    /// 1 once a growth beyond the limit was refused.
    pub(in super::super) const OOM: &str = "oom";
    /// `(fuel, pages_max)`: runs the module from its start.
    pub(in super::super) const START: &str = "start";
    /// `(fuel, pages_max)`: lets it go on.
    pub(in super::super) const POLL: &str = "poll";
    /// The memory's size in pages as the guest sees it, a global.
    pub(in super::super) const PAGES: &str = "pages";
    /// Grows the memory itself, for the host.
    pub(in super::super) const GROW: &str = "grow";
}

/// The guest's export that goes on after an event.
pub(super) const GUEST_POLL: &str = "podarium_poll";
/// Present in guests that keep nothing below their stack pointer between calls, and whose stack begins at
/// address 0: what the guest crate and `--stack-first` give.
pub(super) const GUEST_STACK_FIRST: &str = "podarium_stack_first";
