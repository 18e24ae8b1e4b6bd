//! `podarium`: the cluster as a server.

use std::process::ExitCode;

use podarium_server::containers;
use podarium_server::options::{Asked, HELP, Options};
use podarium_server::server::Server;

#[global_allocator]
static ALLOCATOR: podarium_server::allocator::Allocator = podarium_server::allocator::Allocator;

fn main() -> ExitCode {
    podarium_server::allocator::set_up();
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Serve(options)) => options,
        Ok(Asked::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Version) => {
            println!("podarium {} (Kubernetes v1.36.2)", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("podarium: {why}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return fail(&why.to_string()),
    };
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("podarium: {why}");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> Result<(), String> {
    if !containers::have_modules() {
        eprintln!(
            "podarium: no container images are built in, so pods will not start: run `cargo xtask guests` and build again"
        );
    }
    let server = Server::start(options).await?;
    println!("Serving Kubernetes v1.36.2 on {}", server.url);
    println!("kubeconfig: {}", server.kubeconfig.display());
    println!("Try: kubectl --kubeconfig {} get nodes", server.kubeconfig.display());
    tokio::select! {
        () = interrupted() => Ok(()),
        () = server.ended() => Err("the cluster has ended unexpectedly".to_owned()),
    }
}

/// Waits for Ctrl-C, or for whoever started us to end us.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a handler the signal ends us all the same.
    let _ = tokio::signal::ctrl_c().await;
}
