//! The page's end of the line to the worker.

use js_sys::{Array, ArrayBuffer, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker};

use crate::protocol::{self, ToPage, ToWorker};

/// `static/boot.js` starts the worker before this code has arrived, and leaves it here.
const GLOBAL: &str = "podariumWorker";

/// The line to the worker. Dropping it stops listening.
pub struct Link {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Link {
    /// Takes over the worker that the page's boot script started; `None` outside that page.
    pub fn open(mut on_message: impl FnMut(ToPage) + 'static) -> Option<Link> {
        let worker = Reflect::get(&js_sys::global(), &GLOBAL.into()).ok()?.dyn_into::<Worker>().ok()?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let Ok(buffer) = event.data().dyn_into::<ArrayBuffer>() else {
                return;
            };
            let Some(message) = protocol::decode(&Uint8Array::new(&buffer).to_vec()) else {
                web_sys::console::error_1(&"a message of the worker cannot be read".into());
                return;
            };
            if let ToPage::Panicked(why) = &message {
                web_sys::console::error_1(&why.into());
            }
            on_message(message);
        });
        // What was said before anybody listened was kept by the boot script; it comes when this task is over.
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Link { worker, _on_message: on_message })
    }

    /// Sends a message; its bytes are moved, not copied.
    pub fn send(&self, message: &ToWorker) {
        let buffer = Uint8Array::from(&protocol::encode(message)[..]).buffer();
        // It fails for what cannot be cloned or transferred, and a fresh buffer can.
        let _ = self.worker.post_message_with_transfer(&buffer, &Array::of1(&buffer));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
    }
}
