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

/// Puts the app into the document.
pub fn start() {
    yew::Renderer::<app::App>::new().render();
}
