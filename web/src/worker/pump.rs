//! The worker's heart: runs the work in portions short enough that the page's messages never wait for long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessageEvent, MessagePort};

use super::port;
use crate::protocol::{self, ToWorker};

/// How long one portion of work may take; half of a display frame.
const BUDGET_MS: f64 = 8.0;

/// What is pumped.
pub trait Work: 'static {
    /// Takes a message of the page. It is followed by [`Work::advance`].
    fn receive(&mut self, message: ToWorker);

    /// Works for at most about `budget_ms`, and says when to go on. `now_ms` is a clock
    /// that never goes back, on an arbitrary zero.
    fn advance(&mut self, now_ms: f64, budget_ms: f64) -> Next;
}

/// When the next portion is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// There is more to do: at once, after waiting messages.
    Now,
    /// After this many milliseconds, or a message.
    After(f64),
    /// After a message.
    WhenAsked,
}

/// A hold on the work from outside a message.
pub struct Handle<W>(Rc<Pump<W>>);

impl<W: Work> Handle<W> {
    /// Does something to the work; it is followed by [`Work::advance`].
    pub fn with(&self, f: impl FnOnce(&mut W)) {
        f(&mut self.0.work.borrow_mut());
        self.0.queue();
    }
}

/// Pumps the work for as long as the worker lives.
pub fn start<W: Work>(work: W) -> Handle<W> {
    let Ok(channel) = MessageChannel::new() else {
        wasm_bindgen::throw_str("this browser has no MessageChannel");
    };
    let pump = Rc::new(Pump {
        work: RefCell::new(work),
        again: channel.port1(),
        queued: Cell::new(false),
        timer: Cell::new(None),
    });

    let on_turn = {
        let pump = pump.clone();
        Closure::<dyn FnMut()>::new(move || pump.turn())
    };
    // setTimeout would wait 4 ms between portions; a message to oneself comes at once, after what already waits.
    channel.port2().set_onmessage(Some(on_turn.as_ref().unchecked_ref()));

    let handle = Handle(pump.clone());
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| pump.receive(&event));
    port::scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The worker ends with its global scope, and these with it.
    on_turn.forget();
    on_message.forget();
    handle
}

struct Pump<W> {
    work: RefCell<W>,
    /// What is posted here comes back as a turn.
    again: MessagePort,
    /// Whether a turn is on its way.
    queued: Cell<bool>,
    timer: Cell<Option<Timer>>,
}

impl<W: Work> Pump<W> {
    fn receive(self: &Rc<Self>, event: &MessageEvent) {
        let Ok(buffer) = event.data().dyn_into::<ArrayBuffer>() else {
            return;
        };
        let Some(message) = protocol::decode(&Uint8Array::new(&buffer).to_vec()) else {
            web_sys::console::error_1(&"a message of the page cannot be read".into());
            return;
        };
        self.work.borrow_mut().receive(message);
        self.queue();
    }

    /// One portion of work.
    fn turn(self: &Rc<Self>) {
        self.queued.set(false);
        self.timer.set(None);
        let now_ms = port::now_ms();
        match self.work.borrow_mut().advance(now_ms, BUDGET_MS) {
            Next::Now => self.queue(),
            Next::After(delay_ms) => {
                let pump = self.clone();
                self.timer.set(Some(Timer::set(delay_ms, move || pump.queue())));
            }
            Next::WhenAsked => {}
        }
    }

    fn queue(&self) {
        if !self.queued.replace(true) {
            // It fails for what cannot be cloned, and null can.
            let _ = self.again.post_message(&JsValue::NULL);
        }
    }
}

/// A timer of the worker; dropped, it is cancelled.
struct Timer {
    id: i32,
    _on_time: Closure<dyn FnMut()>,
}

impl Timer {
    fn set(delay_ms: f64, then: impl FnOnce() + 'static) -> Timer {
        let on_time = Closure::once(then);
        let delay_ms = delay_ms.clamp(0.0, f64::from(i32::MAX)) as i32;
        let function = on_time.as_ref().unchecked_ref();
        let id =
            port::scope().set_timeout_with_callback_and_timeout_and_arguments_0(function, delay_ms).unwrap_or_default();
        Timer { id, _on_time: on_time }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        port::scope().clear_timeout_with_handle(self.id);
    }
}
