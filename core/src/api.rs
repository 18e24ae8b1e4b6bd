//! The object model: kinds and their scope, labels and fields, quantities, patches, Status.

pub mod field;
pub mod object;
pub mod quantity;
pub mod status;
