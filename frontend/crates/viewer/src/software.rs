//! Draws on the processor where the browser has no WebGL2: the same pixels, fewer of them a second.

use imaging::ResolvedView;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use crate::controller::Resolved;
use crate::mount::{lay_over, sibling};

/// A picture in a 2-D context.
pub struct SoftwareRenderer {
    context: Option<CanvasRenderingContext2d>,
    /// A canvas that has given out a WebGL2 context gives no other: then this one is laid over it.
    replacement: Option<HtmlCanvasElement>,
}

impl SoftwareRenderer {
    pub fn new(canvas: &HtmlCanvasElement) -> Self {
        let context_of =
            |canvas: &HtmlCanvasElement| canvas.get_context("2d").ok().flatten().and_then(|c| c.dyn_into().ok());
        if let Some(context) = context_of(canvas) {
            return Self {
                context: Some(context),
                replacement: None,
            };
        }
        let replacement = sibling(canvas);
        let style = replacement.style();
        let _ = style.set_property("position", "absolute");
        let _ = style.set_property("pointer-events", "none");
        let _ = replacement.set_attribute("aria-hidden", "true");
        Self {
            context: context_of(&replacement),
            replacement: Some(replacement),
        }
    }

    pub fn resize(&self, canvas: &HtmlCanvasElement, width: u32, height: u32) {
        if let Some(replacement) = &self.replacement {
            replacement.set_width(width);
            replacement.set_height(height);
            lay_over(replacement, canvas);
        }
    }

    pub fn remove_replacement(&self) {
        if let Some(replacement) = &self.replacement {
            replacement.remove();
        }
    }

    /// Draws the picture, and in it the lens: its view, and the left, top and side of its square.
    pub fn draw(&mut self, width: u32, height: u32, resolved: &Resolved, lens: Option<(&ResolvedView, [i32; 3])>) {
        self.draw_part(resolved, &resolved.view, [0, 0], [width, height]);
        if let Some((view, [left, top, side])) = lens {
            let side = side.unsigned_abs();
            self.draw_part(
                resolved,
                &view.part([f64::from(left), f64::from(top)]),
                [left, top],
                [side, side],
            );
        }
    }

    fn draw_part(&self, resolved: &Resolved, view: &ResolvedView, [left, top]: [i32; 2], [width, height]: [u32; 2]) {
        let Some(context) = &self.context else { return };
        let mut rgba = vec![0; width as usize * height as usize * 4];
        imaging::render(&resolved.frame, &resolved.levels, view, width as usize, &mut rgba);
        if let Ok(image) = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), width, height) {
            // It fails only for an image without pixels.
            let _ = context.put_image_data(&image, f64::from(left), f64::from(top));
        }
    }
}
