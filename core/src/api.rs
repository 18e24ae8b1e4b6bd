//! The object model: kinds and their scope, labels and fields, quantities, patches, Status.

pub(crate) mod at_rest;
pub mod cel;
pub mod decode;
pub(crate) mod duration;
pub mod dynamic;
pub mod field;
pub mod fields;
pub(crate) mod formats;
pub(crate) mod go_regex;
pub mod jsonpath;
pub mod labels;
pub mod managed_fields;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod quantity;
pub mod schema;
pub mod status;
pub mod tell;
pub mod validation;
pub(crate) mod yaml;
pub(crate) mod zone;

#[cfg(test)]
mod golden_tests;
