//! Objects that are kept and hardly ever looked at, packed: a tenth of what they take to be looked at. What says more than is
//! usual stays as it is.

pub(crate) mod event;
pub(crate) mod pod_status;

use serde::Serialize;

/// Room for most of what is packed.
const ROOM: usize = 1024;

/// The bytes of some parts, with no room for more.
fn packed(parts: &impl Serialize) -> Option<Box<[u8]>> {
    let mut room = [0; ROOM];
    match postcard::to_slice(parts, &mut room) {
        Ok(bytes) => Some((&*bytes).into()),
        Err(_) => postcard::to_stdvec(parts).ok().map(Vec::into_boxed_slice),
    }
}
