//! The few argument shapes that commands share.

use crate::report::Result;

/// Reads the value of an option as a list of names, each one of `known`.
pub fn name_list(parser: &mut lexopt::Parser, known: &[&str]) -> Result<Vec<String>> {
    let value = parser.value()?.to_string_lossy().into_owned();
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    for name in &names {
        if !known.contains(&name.as_str()) {
            return Err(format!("'{name}' is none of {}", known.join(", ")).into());
        }
    }
    Ok(names)
}

/// The error for an argument that the command does not take.
pub fn unexpected<T>(command: &str, arg: &lexopt::Arg<'_>) -> Result<T> {
    let shown = match arg {
        lexopt::Arg::Short(c) => format!("-{c}"),
        lexopt::Arg::Long(name) => format!("--{name}"),
        lexopt::Arg::Value(value) => value.to_string_lossy().into_owned(),
    };
    Err(format!("'{command}' does not take '{shown}'; 'cargo xtask --help' lists what there is").into())
}
