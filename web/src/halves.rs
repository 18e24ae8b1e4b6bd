//! The second half of this module, where the build has cut it (`xtask/src/split.rs`).

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Fetches the second half unless it is there, and waits for it.
    #[wasm_bindgen(js_name = podariumFetchRest, catch)]
    fn fetch_rest(first: &JsValue) -> Result<(), JsValue>;

    /// Fetches the second half while other things go on.
    #[wasm_bindgen(js_name = podariumAwaitRest)]
    async fn await_rest(first: &JsValue);
}

/// What a stand-in for a function of the second half calls before it calls the function. The build finds it by this name.
#[unsafe(no_mangle)]
pub extern "C" fn podarium_fetch_rest() {
    if let Err(why) = fetch_rest(&wasm_bindgen::exports()) {
        // Nothing can go on without its code; the page says why.
        wasm_bindgen::throw_val(why);
    }
}

/// Fetches the second half while other things go on, once however often it is called. Ends when it is here, or can't be had now.
pub async fn prefetch() {
    await_rest(&wasm_bindgen::exports()).await;
}
