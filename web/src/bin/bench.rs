//! The page of the bench in Chromium.

fn main() {
    podarium_web::bench::start();
}
