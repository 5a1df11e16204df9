#![doc = include_str!("../README.md")]

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

/// Between two tries to fetch a part, in milliseconds.
const PAUSE: i32 = 2000;

/// Makes the page that the server rendered interactive, once the part of the bundle that holds it is there. Until then it
/// can be read.
#[wasm_bindgen]
pub async fn hydrate() {
    console_error_panic_hook::set_once();
    let window = leptos::prelude::window();
    let path = window.location().pathname().unwrap_or_default();
    while app::pages::fetch(&path).await.is_err() {
        let pause = Promise::new(&mut |done, _| {
            // A browser refuses no timer.
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&done, PAUSE);
        });
        let _ = JsFuture::from(pause).await;
    }
    leptos::mount::hydrate_body(app::App);
}
