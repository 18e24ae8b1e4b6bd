//! The browser's storage and address bar. Whatever is wrong with them costs a memory, never the page.

use gloo::storage::{LocalStorage, Storage};

/// The stored session's key.
pub const SESSION: &str = "podarium.session";
/// The editor's draft.
pub const DRAFT: &str = "podarium.draft";
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

/// The session in the page's address, if somebody shared one.
pub fn shared() -> Option<String> {
    let hash = gloo::utils::window().location().hash().ok()?;
    let encoded = hash.strip_prefix("#session=")?;
    js_sys::decode_uri_component(encoded).ok().map(String::from)
}

/// The page's address with a session in it.
pub fn share_link(session: &str) -> String {
    let location = gloo::utils::window().location();
    let base = format!("{}{}", location.origin().unwrap_or_default(), location.pathname().unwrap_or_default());
    format!("{base}#session={}", String::from(js_sys::encode_uri_component(session)))
}
