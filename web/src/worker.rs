//! The worker: holds the cluster, gives it time in small portions, and answers the page.

pub mod port;
pub mod pump;

use pump::{Next, Work};

use crate::protocol::{ToPage, ToWorker};

/// Listens to the page from now on.
pub fn start() {
    port::report_panics();
    pump::start(Tank::default());
    port::send(&ToPage::Ready);
}

/// What the worker holds.
#[derive(Default)]
struct Tank {}

impl Work for Tank {
    fn receive(&mut self, message: ToWorker) {
        match message {
            ToWorker::Ping(number) => port::send(&ToPage::Pong(number)),
            _ => {}
        }
    }

    fn advance(&mut self, _now_ms: f64, _budget_ms: f64) -> Next {
        Next::WhenAsked
    }
}
