//! The worker's thread.

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: podarium_web::worker::alloc::Allocator = podarium_web::worker::alloc::Allocator::new();

fn main() {
    podarium_web::worker::start();
}
