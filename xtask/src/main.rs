//! The commands of this repository: `cargo xtask COMMAND`.

mod codegen;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((command, rest)) if command == "codegen" => codegen::run(rest),
        _ => Err("commands: codegen".to_owned()),
    };
    if let Err(message) = result {
        eprintln!("{message}");
        std::process::exit(1);
    }
}
