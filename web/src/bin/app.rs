//! The page's main thread.

fn main() {
    podarium_web::page::start();
}
