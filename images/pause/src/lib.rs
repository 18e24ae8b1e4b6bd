//! `pause`: holds a pod's namespaces until it is told to end.

use podarium_guest::{io, main, process};

main!(async {
    process::handle_signals(&[process::SIGINT, process::SIGTERM]);
    process::signal().await;
    io::eprint("Shutting down, got signal: Terminated\n");
    0
});
