//! What the page's WebAssembly module calls in this one: JSON in, JSON out, so that neither needs the other's code.

use std::rc::Rc;

use imaging::KeptView;
use js_sys::Function;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::HtmlCanvasElement;

use crate::ahead;
use crate::mount::{Callbacks, Handle, mounted};

/// Shows the picture of `options` (a [`domain::ViewerOptions`]) in `canvas` until the result is freed.
///
/// The canvas takes the size that the page's style gives it. An overlay is laid over it as its next sibling.
/// `on_state` hears every change as a [`domain::ViewerState`]; `on_keep` hears what to keep for the reader, some time
/// after the last change. Neither is called while the viewer itself is busy.
///
/// # Errors
/// `options` are no options.
#[wasm_bindgen]
pub fn mount(
    canvas: HtmlCanvasElement,
    options: &str,
    on_state: Function,
    on_keep: Function,
) -> Result<Mounted, JsValue> {
    let tell = |function: Function| -> Rc<dyn Fn(String)> {
        Rc::new(move |json| {
            // What the page does with it is the page's own affair.
            let _ = function.call1(&JsValue::NULL, &JsValue::from_str(&json));
        })
    };
    let callbacks = Callbacks {
        on_state: tell(on_state),
        on_keep: tell(on_keep),
    };
    Ok(Mounted(mounted(canvas, parse(options)?, callbacks)))
}

/// Fetches pictures behind those on the screen, in place of what was wanted before. `addresses` is a list, the next one
/// first; `/frames/of/{study_instance_uid}` stands for the picture that the study opens with.
///
/// # Errors
/// It is no list of addresses.
#[wasm_bindgen]
pub fn fetch_ahead(addresses: &str) -> Result<(), JsValue> {
    ahead::want(parse(addresses)?);
    Ok(())
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T, JsValue> {
    serde_json::from_str(json).map_err(|error| JsValue::from_str(&error.to_string()))
}

/// A viewer on the page; freeing it removes its listeners and its overlay and stops its download.
#[wasm_bindgen]
pub struct Mounted(Handle);

#[wasm_bindgen]
impl Mounted {
    /// Carries out a [`domain::Command`].
    ///
    /// # Errors
    /// It is none.
    pub fn command(&self, json: &str) -> Result<(), JsValue> {
        let command = parse(json)?;
        self.0.change(|controller| controller.command(command));
        Ok(())
    }

    /// Replaces the boxes, a list of [`domain::HipBox`].
    ///
    /// # Errors
    /// They are none.
    pub fn set_boxes(&self, json: &str) -> Result<(), JsValue> {
        let boxes = parse(json)?;
        self.0.change(|controller| controller.boxes = boxes);
        Ok(())
    }

    /// Replaces the heat maps, a list of [`domain::HeatMap`].
    ///
    /// # Errors
    /// They are none.
    pub fn set_heat_maps(&self, json: &str) -> Result<(), JsValue> {
        let maps = parse(json)?;
        self.0.change(|controller| controller.heat_maps = maps);
        Ok(())
    }

    /// Shows the picture as its reader left it, as far as it was not touched already; `json` is empty where nothing is
    /// kept. Nothing is handed to `on_keep` before this.
    ///
    /// # Errors
    /// It is not what `on_keep` gave; it then counts as nothing.
    pub fn restore(&self, json: &str) -> Result<(), JsValue> {
        let kept = (!json.is_empty()).then(|| KeptView::parse(json)).transpose();
        let (kept, result) = match kept {
            Ok(kept) => (kept, Ok(())),
            Err(error) => (None, Err(JsValue::from_str(&error.to_string()))),
        };
        self.0.restore(kept);
        result
    }
}
