//! The host calls themselves. Negative answers are error numbers.

#[link(wasm_import_module = "podarium")]
unsafe extern "C" {
    pub fn now(out: *mut u64) -> i32;
    pub fn timer(deadline: u64) -> i32;
    #[link_name = "yield"]
    pub fn yield_now() -> i32;
    pub fn events(out: *mut u32, capacity: u32) -> i32;
    pub fn signals(mask: u32) -> i32;
    pub fn signal() -> i32;
    pub fn hostname(out: *mut u8, capacity: u32) -> i32;
    pub fn cwd(out: *mut u8, capacity: u32) -> i32;
    pub fn listen(port: u32) -> i32;
    pub fn accept(fd: u32, peer: *mut u8) -> i32;
    pub fn connect(address: *const u8, port: u32) -> i32;
    pub fn status(fd: u32) -> i32;
    pub fn resolve(name: *const u8, len: u32) -> i32;
    pub fn resolved(lookup: u32, out: *mut u8, capacity: u32) -> i32;
    pub fn read(fd: u32, out: *mut u8, capacity: u32) -> i32;
    pub fn write(fd: u32, bytes: *const u8, len: u32) -> i32;
    pub fn shutdown(fd: u32) -> i32;
    pub fn close(fd: u32) -> i32;
    pub fn open(path: *const u8, len: u32, flags: u32) -> i32;
    pub fn stat(path: *const u8, len: u32, size: *mut u64) -> i32;
    pub fn list(path: *const u8, len: u32, out: *mut u8, capacity: u32) -> i32;
    pub fn make_dir(path: *const u8, len: u32) -> i32;
    pub fn remove(path: *const u8, len: u32, directory: u32) -> i32;
    pub fn kill(pid: u32, signal: u32) -> i32;
    pub fn exec(arguments: *const u8, len: u32) -> i32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    pub fn args_sizes_get(count: *mut u32, bytes: *mut u32) -> i32;
    pub fn args_get(pointers: *mut u32, text: *mut u8) -> i32;
    pub fn environ_sizes_get(count: *mut u32, bytes: *mut u32) -> i32;
    pub fn environ_get(pointers: *mut u32, text: *mut u8) -> i32;
    pub fn fd_fdstat_get(fd: u32, out: *mut u8) -> i32;
    pub fn random_get(out: *mut u8, len: u32) -> i32;
    pub fn proc_exit(code: u32) -> !;
}
