//! The worker: holds the cluster, gives it time in small portions, and answers the page.

pub mod alloc;
mod guests;
pub mod port;
pub mod pump;
mod rehearsal;
mod tank;

use crate::protocol::ToPage;

/// Listens to the page from now on.
pub fn start() {
    port::report_panics();
    let (ask, asked) = guests::request();
    let pump = pump::start(tank::Tank::new(ask));
    wasm_bindgen_futures::spawn_local(async move {
        // The first screen does without container images and half of the code; what comes before it would delay it.
        asked.await;
        let modules = guests::fetch().await;
        pump.with(|tank| tank.modules(modules));
        crate::halves::prefetch().await;
        pump.with(tank::Tank::complete);
    });
    port::send(&ToPage::Ready);
}
