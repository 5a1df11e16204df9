//! What is drawn over the picture: hip boxes with labels, and the letters of the patient's sides.

use imaging::{Affine, EdgeLetters};
use web_sys::CanvasRenderingContext2d;

use crate::{BoxStyle, HipBox};

/// The corners of a box on the screen, in order round it.
pub fn corners(rect: [f32; 4], to_screen: &Affine) -> [[f64; 2]; 4] {
    let [x0, y0, x1, y1] = rect.map(f64::from);
    [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(|corner| to_screen.apply(corner))
}

/// Left, top, right and bottom of points.
fn bounds(points: &[[f64; 2]; 4]) -> [f64; 4] {
    let fold = |axis: usize, pick: fn(f64, f64) -> f64| points.iter().map(|p| p[axis]).reduce(pick).unwrap_or(0.0);
    [
        fold(0, f64::min),
        fold(1, f64::min),
        fold(0, f64::max),
        fold(1, f64::max),
    ]
}

/// Where a label's upper left corner goes: above its box, or inside where there is no room, never off the screen.
pub fn label_place(box_bounds: [f64; 4], label: [f64; 2], screen: [f64; 2]) -> [f64; 2] {
    let gap = 3.0;
    let above = box_bounds[1] - label[1] - gap;
    let y = if above >= 0.0 { above } else { box_bounds[1] + gap };
    [
        box_bounds[0].clamp(0.0, (screen[0] - label[0]).max(0.0)),
        y.clamp(0.0, (screen[1] - label[1]).max(0.0)),
    ]
}

struct Stroke {
    colour: &'static str,
    width: f64,
    dashes: &'static [f64],
}

fn stroke(style: BoxStyle) -> Stroke {
    match style {
        BoxStyle::Negative => Stroke {
            colour: "#aab4be",
            width: 1.25,
            dashes: &[],
        },
        BoxStyle::Doubtful => Stroke {
            colour: "#ffb000",
            width: 2.5,
            dashes: &[9.0, 6.0],
        },
        BoxStyle::Definite => Stroke {
            colour: "#ff4d5a",
            width: 3.0,
            dashes: &[],
        },
        BoxStyle::Excluded => Stroke {
            colour: "#aab4be",
            width: 1.5,
            dashes: &[2.0, 4.0],
        },
    }
}

/// Draws boxes and side letters into a context whose unit is the CSS pixel.
///
/// `to_screen` leads from pixels of the picture to CSS pixels.
pub fn draw(
    context: &CanvasRenderingContext2d,
    size: [f64; 2],
    to_screen: &Affine,
    boxes: &[HipBox],
    letters: &EdgeLetters,
) {
    context.clear_rect(0.0, 0.0, size[0], size[1]);
    for one in boxes {
        draw_box(context, size, to_screen, one);
    }
    context.set_font("600 20px system-ui, sans-serif");
    context.set_text_align("center");
    context.set_text_baseline("middle");
    let inset = 18.0;
    let [width, height] = size;
    for (letter, x, y) in [
        (&letters.left, inset, height / 2.0),
        (&letters.right, width - inset, height / 2.0),
        (&letters.top, width / 2.0, inset),
        (&letters.bottom, width / 2.0, height - inset),
    ] {
        text(context, letter, x, y, "#ffffff");
    }
}

/// Text with a dark rim, readable on any grey. An error of the canvas costs the text alone.
fn text(context: &CanvasRenderingContext2d, text: &str, x: f64, y: f64, colour: &str) {
    context.set_line_width(4.0);
    context.set_line_join("round");
    context.set_stroke_style_str("rgba(0, 0, 0, 0.85)");
    let _ = context.stroke_text(text, x, y);
    context.set_fill_style_str(colour);
    let _ = context.fill_text(text, x, y);
}

fn draw_box(context: &CanvasRenderingContext2d, size: [f64; 2], to_screen: &Affine, one: &HipBox) {
    let points = corners(one.rect, to_screen);
    let [left, top, right, bottom] = bounds(&points);
    if right < 0.0 || bottom < 0.0 || left > size[0] || top > size[1] {
        return;
    }
    let path = || {
        context.begin_path();
        for (index, [x, y]) in points.iter().enumerate() {
            if index == 0 {
                context.move_to(*x, *y)
            } else {
                context.line_to(*x, *y)
            }
        }
        context.close_path();
    };
    let Stroke { colour, width, dashes } = stroke(one.style);
    context.save();
    if one.style == BoxStyle::Excluded {
        path();
        context.clip();
        context.set_stroke_style_str("rgba(170, 180, 190, 0.35)");
        context.set_line_width(1.0);
        context.begin_path();
        let height = bottom - top;
        let mut x = left - height;
        while x < right {
            context.move_to(x, bottom);
            context.line_to(x + height, top);
            x += 14.0;
        }
        context.stroke();
        context.restore();
        context.save();
    }
    // A dark line beneath keeps the box visible on bone.
    context.set_line_join("round");
    path();
    context.set_line_width(width + 2.0);
    context.set_stroke_style_str("rgba(0, 0, 0, 0.55)");
    context.stroke();
    path();
    context.set_line_width(width);
    context.set_stroke_style_str(colour);
    let pattern = js_sys::Array::new();
    for length in dashes {
        pattern.push(&wasm_bindgen::JsValue::from_f64(*length));
    }
    let _ = context.set_line_dash(&pattern);
    context.stroke();
    context.restore();

    if !one.label.is_empty() {
        context.set_font("600 14px system-ui, sans-serif");
        context.set_text_align("left");
        context.set_text_baseline("top");
        let measured = context.measure_text(&one.label).map_or(0.0, |m| m.width());
        let [x, y] = label_place([left, top, right, bottom], [measured + 4.0, 18.0], size);
        text(context, &one.label, x + 2.0, y + 2.0, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_transformed() {
        let twice = Affine([2.0, 0.0, 0.0, 2.0, 10.0, 0.0]);
        assert_eq!(
            corners([1.0, 2.0, 3.0, 4.0], &twice),
            [[12.0, 4.0], [16.0, 4.0], [16.0, 8.0], [12.0, 8.0]]
        );
        assert_eq!(
            bounds(&corners([1.0, 2.0, 3.0, 4.0], &Affine::IDENTITY)),
            [1.0, 2.0, 3.0, 4.0]
        );
    }

    #[test]
    fn labels_stay_on_the_screen() {
        let screen = [200.0, 100.0];
        assert_eq!(
            label_place([20.0, 50.0, 80.0, 90.0], [60.0, 18.0], screen),
            [20.0, 29.0]
        );
        assert_eq!(label_place([20.0, 5.0, 80.0, 90.0], [60.0, 18.0], screen), [20.0, 8.0]);
        assert_eq!(
            label_place([190.0, 400.0, 300.0, 500.0], [60.0, 18.0], screen),
            [140.0, 82.0]
        );
        assert_eq!(
            label_place([-50.0, -50.0, 300.0, 500.0], [900.0, 18.0], screen),
            [0.0, 0.0]
        );
    }

    #[test]
    fn the_styles_differ_in_shape() {
        let all = [
            BoxStyle::Negative,
            BoxStyle::Doubtful,
            BoxStyle::Definite,
            BoxStyle::Excluded,
        ]
        .map(stroke);
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                assert!(a.width != b.width || a.dashes != b.dashes);
            }
        }
    }
}
