//! The worker's end of the line to the page.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::DedicatedWorkerGlobalScope;

use crate::protocol::{self, ToPage};

/// The worker's global scope.
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds since the worker began; never goes back.
pub fn now_ms() -> f64 {
    scope().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
}

/// Sends a message to the page; its bytes are moved, not copied.
pub fn send(message: &ToPage) {
    let buffer = Uint8Array::from(&protocol::encode(message)[..]).buffer();
    // It fails for what cannot be cloned or transferred, and a fresh buffer can.
    let _ = scope().post_message_with_transfer(&buffer, &Array::of1(&buffer));
}

/// Makes a panic reach the page before the worker traps.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info| send(&ToPage::Panicked(info.to_string()))));
}
