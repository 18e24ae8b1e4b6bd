//! busybox: a shell and the small programs that commands and probes are made of.

use podarium_guest::{main, process};

mod applets;
mod network;
mod ps;
mod sh;
mod stream;
mod text;

use stream::Streams;

main!(async {
    let mut args = process::args();
    let mut name = base_name(args.first().map_or("", String::as_str)).to_owned();
    let mut streams = Streams::standard();
    if name == "busybox" {
        args.remove(0);
        match args.first() {
            Some(applet) => name = base_name(applet).to_owned(),
            None => {
                streams
                    .out
                    .print("BusyBox v1.37.0 multi-call binary.\n\nUsage: busybox [function [arguments]...]\n")
                    .await;
                return 0;
            }
        }
    }
    if name == "sh" || name == "ash" {
        return sh::run(&args, streams).await;
    }
    let variables = process::environ();
    match applets::run(&name, &args, &mut streams, &variables).await {
        Some(code) => code,
        None => {
            streams.err.print(&format!("{name}: applet not found\n")).await;
            127
        }
    }
});

/// The last part of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
