//! The page's main thread: draws what the worker tells, and sends it commands.

mod app;
pub mod link;

/// Puts the app into the document.
pub fn start() {
    yew::Renderer::<app::App>::new().render();
}
