//! The page's main thread: draws what the worker tells, and sends it commands.

pub(crate) mod app;
mod complete;
pub mod desk;
mod editor;
pub mod examples;
mod feed;
mod hint;
mod inspector;
mod keys;
pub mod link;
pub mod mend;
pub mod model;
pub mod palette;
mod signs;
pub mod store;
pub mod tank;
mod terminal;
#[cfg(test)]
mod testing;
mod timebar;
mod top;
pub mod ui;
pub mod words;

/// Puts the app into the document. A shared or stored cluster may be drawn and handled at once by code of the second half, which the main
/// thread must not wait for then: its page comes up when that code is there.
pub fn start() {
    let render = || drop(yew::Renderer::<app::App>::new().render());
    if !store::has_session() {
        return render();
    }
    wasm_bindgen_futures::spawn_local(async move {
        crate::halves::prefetch().await;
        render();
    });
}
