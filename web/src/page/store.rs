//! The browser's storage and address bar. Whatever is wrong with them costs a memory, never the page.

use gloo::storage::{LocalStorage, Storage};

/// The stored session's key.
pub const SESSION: &str = "podarium.session";
/// The editor's draft.
pub const DRAFT: &str = "podarium.draft";
/// Whether the clock stood.
pub const PAUSED: &str = "podarium.paused";
/// Open drawers and theme.
pub const UI: &str = "podarium.ui";

/// Reads a text.
pub fn get(key: &str) -> Option<String> {
    LocalStorage::raw().get_item(key).ok().flatten()
}

/// Keeps a text; a full or forbidden storage forgets it.
pub fn set(key: &str, text: &str) {
    let _ = LocalStorage::raw().set_item(key, text);
}

/// Forgets a text.
pub fn remove(key: &str) {
    LocalStorage::delete(key);
}

/// How a session begins in the page's address.
const SHARED: &str = "#session=";

/// Whether there is a session, shared or stored.
pub fn has_session() -> bool {
    gloo::utils::window().location().hash().is_ok_and(|hash| hash.starts_with(SHARED)) || get(SESSION).is_some()
}

/// Takes the session out of the page's address, if somebody shared one: from here on it is stored as any other.
pub fn take_shared() -> Option<String> {
    let location = gloo::utils::window().location();
    let hash = location.hash().ok()?;
    let encoded = hash.strip_prefix(SHARED)?;
    let session = js_sys::decode_uri_component(encoded).ok().map(String::from)?;
    let _ = location.set_hash("");
    set(SESSION, &session);
    Some(session)
}

/// The page's address with a session in it.
pub fn share_link(session: &str) -> String {
    let location = gloo::utils::window().location();
    let base = format!("{}{}", location.origin().unwrap_or_default(), location.pathname().unwrap_or_default());
    format!("{base}{SHARED}{}", String::from(js_sys::encode_uri_component(session)))
}
