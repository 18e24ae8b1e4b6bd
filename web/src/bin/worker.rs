//! The worker's thread.

fn main() {
    podarium_web::worker::start();
}
