//! The viewer's WebAssembly module: loaded once, when the first picture is to be shown.
//!
//! The two modules share no memory. Strings of JSON go over the border, as `domain` defines them.

use domain::{Command, HeatMap, HipBox, ViewerOptions, ViewerState};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

#[wasm_bindgen(inline_js = "
    let module;
    export function viewer_module() {
        module ??= import('/pkg/viewer.js').then(async (loaded) => { await loaded.default(); return loaded; });
        // A broken line must not keep the viewer away for good.
        module.catch(() => { module = undefined; });
        return module;
    }
")]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn viewer_module() -> Result<JsValue, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    type Module;
    type Mounted;

    #[wasm_bindgen(method, catch)]
    fn fetch_ahead(this: &Module, addresses: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn mount(
        this: &Module,
        canvas: HtmlCanvasElement,
        options: &str,
        on_state: &JsValue,
        on_keep: &JsValue,
    ) -> Result<Mounted, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn command(this: &Mounted, json: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn set_boxes(this: &Mounted, json: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn set_heat_maps(this: &Mounted, json: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn restore(this: &Mounted, json: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn free(this: &Mounted) -> Result<(), JsValue>;
}

/// A viewer in a canvas; dropping it takes it away.
pub struct Viewer {
    mounted: Mounted,
    /// It calls these as long as it lives.
    _on_state: Closure<dyn FnMut(String)>,
    _on_keep: Closure<dyn FnMut(String)>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        told(self.mounted.free());
    }
}

fn json(value: &impl Serialize) -> String {
    // Strings, numbers and lists of them always are JSON.
    serde_json::to_string(value).unwrap_or_default()
}

/// The two modules are built together, so a call that is refused is a mistake of ours, not of the reader.
fn told(result: Result<(), JsValue>) {
    if let Err(error) = result {
        web_sys::console::warn_1(&error);
    }
}

impl Viewer {
    pub fn command(&self, command: Command) {
        told(self.mounted.command(&json(&command)));
    }

    pub fn set_boxes(&self, boxes: &[HipBox]) {
        told(self.mounted.set_boxes(&json(&boxes)));
    }

    pub fn set_heat_maps(&self, maps: &[HeatMap]) {
        told(self.mounted.set_heat_maps(&json(&maps)));
    }

    /// Gives what the server keeps for the reader, or nothing; the viewer keeps nothing new before.
    pub fn restore(&self, kept: &str) {
        told(self.mounted.restore(kept));
    }
}

/// Fetches pictures before they are asked for, behind those on the screen: those of an address, or those that studies
/// open with (`/frames/of/` and the study's UID).
pub fn fetch_ahead(addresses: Vec<String>) {
    leptos::task::spawn_local(async move {
        // Without the viewer there is no picture to fetch for.
        if let Ok(module) = viewer_module().await {
            let module: Module = module.unchecked_into();
            told(module.fetch_ahead(&json(&addresses)));
        }
    });
}

/// Loads the module where it is not there yet, and shows a picture. The error is for the reader.
pub async fn mount(
    canvas: HtmlCanvasElement,
    options: ViewerOptions,
    on_state: impl Fn(ViewerState) + 'static,
    on_keep: impl Fn(String) + 'static,
) -> Result<Viewer, String> {
    let failed = |error: JsValue| {
        web_sys::console::warn_1(&error);
        "the viewer could not be loaded: check the connection and load the page again".to_owned()
    };
    let module: Module = viewer_module().await.map_err(failed)?.unchecked_into();
    let on_state = Closure::<dyn FnMut(String)>::new(move |json: String| {
        if let Ok(state) = serde_json::from_str(&json) {
            on_state(state);
        }
    });
    let on_keep = Closure::<dyn FnMut(String)>::new(on_keep);
    let mounted = module
        .mount(canvas, &json(&options), on_state.as_ref(), on_keep.as_ref())
        .map_err(failed)?;
    Ok(Viewer {
        mounted,
        _on_state: on_state,
        _on_keep: on_keep,
    })
}
