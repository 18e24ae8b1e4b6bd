//! What a container image is written with.
//!
//! A guest is one WebAssembly module without threads: the engine calls it when something happened, and it
//! runs until all its tasks wait again. So everything that takes time is `async`, and an image is
//!
//! ```ignore
//! podarium_guest::main!(async {
//!     let listener = podarium_guest::net::listen(80)?;
//!     loop {
//!         let (mut stream, peer) = listener.accept().await?;
//!         podarium_guest::spawn(async move { /* .. */ });
//!     }
//! });
//! ```
//!
//! where the block answers the exit code. Nothing that lies below the stack pointer survives a
//! call, and freed memory is zeroed: containers that wait alike are alike to the byte, and cost nothing.

mod allocator;
pub mod fs;
pub mod http;
pub mod io;
pub mod net;
pub mod process;
pub mod sys;
pub mod task;
pub mod time;

pub use task::{spawn, yield_now};
pub use time::sleep;

/// An error number of WASI's, as the host calls answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// What calls of the host answer.
pub type Result<T> = core::result::Result<T, Errno>;

impl Errno {
    pub const AGAIN: Errno = Errno(6);
    pub const NOENT: Errno = Errno(44);

    /// What `strerror` would say.
    pub fn message(self) -> &'static str {
        match self.0 {
            3 => "Address in use",
            8 => "Bad file descriptor",
            14 => "Connection refused",
            15 => "Connection reset by peer",
            20 => "File exists",
            23 => "Host is unreachable",
            28 => "Invalid argument",
            31 => "Is a directory",
            33 => "Too many open files",
            44 => "No such file or directory",
            51 => "No space left on device",
            54 => "Not a directory",
            55 => "Directory not empty",
            64 => "Broken pipe",
            69 => "Read-only file system",
            73 => "Connection timed out",
            _ => "Input/output error",
        }
    }
}

/// A host call's answer as a result.
pub(crate) fn check(answer: i32) -> Result<u32> {
    if answer < 0 { Err(Errno(-answer)) } else { Ok(answer as u32) }
}

/// Makes a module of an async block that answers the exit code.
#[macro_export]
macro_rules! main {
    ($body:expr) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn _start() {
            $crate::task::start($body);
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn podarium_poll() {
            $crate::task::poll();
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn podarium_stack_first() {}
    };
}
