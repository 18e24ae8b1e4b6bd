//! `cargo xtask`: serve, test, bench, dist. Builds the guests and the page, and runs every check.

mod args;
mod bench;
mod browser;
mod build;
mod clients;
mod codegen;
mod compress;
mod dist;
mod first_screen;
mod guests;
mod lean;
mod paths;
mod process;
mod report;
mod screenshot;
mod serve;
mod split;
mod test;
mod toolchain;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <command>

  serve       build the page and serve it on this machine
                --port N          port to listen on (default 8080; 0 picks a free one)
                --fast            quick build, bigger and slower page: for working on the code
                --no-open         do not open a browser
  test        every check: format, lints, guests, native tests, real clients, browser tests
                --only LIST       of fmt,clippy,guests,native,clients,browser (comma-separated)
                --fast            quick build of the page
                -- ARGS           handed to the tests (a name to filter by, for one)
  bench       measure speed, natively and in headless Chromium
                --json FILE       also write the figures as JSON
                --only LIST       of native,server,chromium
  dist        build everything that a static host needs into dist/
                --fast            quick build
  guests      build the container images alone
  first-screen  record in Chromium which functions the first screen runs: they are what visitors fetch first
  codegen     write the schema tables of core again
  screenshot  pictures of the running page into docs/screenshots/
                --help            its options
";

fn main() -> ExitCode {
    let mut parser = lexopt::Parser::from_env();
    match dispatch(&mut parser) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(parser: &mut lexopt::Parser) -> report::Result<()> {
    use lexopt::Arg::{Long, Short, Value};
    let command = match parser.next()? {
        None | Some(Short('h') | Long("help")) => {
            print!("{USAGE}");
            return Ok(());
        }
        Some(Value(value)) => value.to_string_lossy().into_owned(),
        Some(other) => return Err(format!("{}\n\n{USAGE}", other.unexpected()).into()),
    };
    match command.as_str() {
        "serve" => serve::command(parser),
        "test" => test::command(parser),
        "bench" => bench::command(parser),
        "dist" => dist::command(parser),
        "guests" => guests::command(parser),
        "codegen" => {
            let rest: Vec<String> = parser.raw_args()?.map(|arg| arg.to_string_lossy().into_owned()).collect();
            codegen::run(&rest).map_err(Into::into)
        }
        "first-screen" => first_screen::command(parser),
        "screenshot" => screenshot::command(parser),
        "help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no command '{other}'\n\n{USAGE}").into()),
    }
}
