//! What is drawn over the picture: heat maps, hip boxes with labels, measurements, a ruler, and the letters of the
//! patient's sides.

use domain::{BoxStyle, HeatMap, HipBox};
use imaging::{Affine, Measurement, heat_colour, scale_bar};
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use crate::controller::Over;
use crate::marks::Kind;

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
        // As visible as a result: a hip that nobody read must not look like one without a finding.
        BoxStyle::Excluded => Stroke {
            colour: "#c9b6ea",
            width: 2.5,
            dashes: &[2.5, 4.0],
        },
    }
}

/// Draws into a context whose unit is the CSS pixel; `density` display pixels are one.
///
/// `to_screen` leads from pixels of the picture to CSS pixels. `lens`: left, top and side of the square that shows the
/// picture larger, where nothing is drawn.
pub fn draw(
    context: &CanvasRenderingContext2d,
    size: [f64; 2],
    density: f64,
    to_screen: &Affine,
    over: &Over<'_>,
    lens: Option<[f64; 3]>,
) {
    context.clear_rect(0.0, 0.0, size[0], size[1]);
    for map in over.heat_maps {
        // A canvas that cannot be made costs the heat map alone.
        let _ = draw_heat_map(context, to_screen, map, over.shown.heat_map_opacity);
    }
    for one in over.boxes {
        draw_box(context, size, to_screen, one);
    }
    for (index, mark) in over.marks.iter().enumerate() {
        let points: Vec<_> = mark.points().iter().map(|point| to_screen.apply(*point)).collect();
        draw_mark(
            context,
            size,
            &points,
            &mark.words(over.spacing),
            over.chosen == Some(index),
        );
    }
    if let Some(draft) = over.draft {
        let points = draft.points();
        let words = match (draft.kind, points.as_slice()) {
            (Kind::Length, &[a, b]) => Measurement::Length([a, b]).words(over.spacing),
            (Kind::Angle, &[a, vertex, b]) => Measurement::Angle([a, vertex, b]).words(over.spacing),
            _ => String::new(),
        };
        let points: Vec<_> = points.into_iter().map(|point| to_screen.apply(point)).collect();
        draw_mark(context, size, &points, &words, true);
    }
    draw_scale(context, size, density, over);
    if let Some([left, top, side]) = lens {
        context.clear_rect(left, top, side, side);
        context.set_line_width(1.5);
        context.set_stroke_style_str("#c3ccd2");
        context.stroke_rect(left, top, side, side);
    }
    if let Some(at) = over.cursor {
        let [x, y] = at.map(|v| v / density);
        line(context, &[[x - 12.0, y], [x + 12.0, y]], "#ffffff", 1.5);
        line(context, &[[x, y - 12.0], [x, y + 12.0]], "#ffffff", 1.5);
    }
    context.set_font("600 20px system-ui, sans-serif");
    context.set_text_align("center");
    context.set_text_baseline("middle");
    let inset = 18.0;
    let [width, height] = size;
    let letters = &over.letters;
    for (letter, x, y) in [
        (&letters.left, inset, height / 2.0),
        (&letters.right, width - inset, height / 2.0),
        (&letters.top, width / 2.0, inset),
        (&letters.bottom, width / 2.0, height - inset),
    ] {
        text(context, letter, x, y, "#ffffff");
    }
}

/// A line with a dark rim.
fn line(context: &CanvasRenderingContext2d, points: &[[f64; 2]], colour: &str, width: f64) {
    for (colour, width) in [("rgba(0, 0, 0, 0.6)", width + 2.0), (colour, width)] {
        context.begin_path();
        for (index, [x, y]) in points.iter().enumerate() {
            if index == 0 {
                context.move_to(*x, *y)
            } else {
                context.line_to(*x, *y)
            }
        }
        context.set_line_width(width);
        context.set_stroke_style_str(colour);
        context.stroke();
    }
}

/// A measurement: its line, its points, and its value at the last point.
fn draw_mark(context: &CanvasRenderingContext2d, size: [f64; 2], points: &[[f64; 2]], words: &str, chosen: bool) {
    let colour = if chosen { "#ffffff" } else { "#7fd6e8" };
    context.set_line_join("round");
    line(context, points, colour, 1.75);
    for [x, y] in points {
        context.begin_path();
        // It fails only for a negative radius.
        let _ = context.arc(*x, *y, 3.5, 0.0, std::f64::consts::TAU);
        context.set_fill_style_str("rgba(0, 0, 0, 0.5)");
        context.fill();
        context.set_line_width(1.5);
        context.set_stroke_style_str(colour);
        context.stroke();
    }
    if let (Some([x, y]), false) = (points.last(), words.is_empty()) {
        context.set_font("600 14px system-ui, sans-serif");
        context.set_text_align("left");
        context.set_text_baseline("top");
        let measured = context.measure_text(words).map_or(0.0, |m| m.width());
        let place = [
            (x + 10.0).clamp(0.0, (size[0] - measured - 4.0).max(0.0)),
            (y + 6.0).clamp(0.0, (size[1] - 20.0).max(0.0)),
        ];
        text(context, words, place[0], place[1], colour);
    }
}

/// A ruler at the lower edge, with its unit and where the unit comes from.
fn draw_scale(context: &CanvasRenderingContext2d, size: [f64; 2], density: f64, over: &Over<'_>) {
    let Some((units, length)) = scale_bar(over.scale / density, (size[0] * 0.25).min(240.0)) else {
        return;
    };
    let words = match over.spacing {
        Some(spacing) => format!("{units} mm {}", spacing.source.label()),
        None => format!("{units} px"),
    };
    let (left, bottom) = (14.0, size[1] - 14.0);
    let corner = [
        [left, bottom - 6.0],
        [left, bottom],
        [left + length, bottom],
        [left + length, bottom - 6.0],
    ];
    line(context, &corner, "#c3ccd2", 1.5);
    context.set_font("500 12px system-ui, sans-serif");
    context.set_text_align("left");
    context.set_text_baseline("bottom");
    text(context, &words, left, bottom - 8.0, "#c3ccd2");
}

/// What each place adds, as a picture of as many pixels as the map has places, stretched over its box.
fn draw_heat_map(
    context: &CanvasRenderingContext2d,
    to_screen: &Affine,
    map: &HeatMap,
    opacity: f32,
) -> Result<(), JsValue> {
    let count = map.width * map.height;
    if count == 0 || map.values.len() != count || map.width > 1024 || map.height > 1024 {
        return Ok(());
    }
    let rgba: Vec<u8> = map
        .values
        .iter()
        .flat_map(|value| heat_colour(*value, opacity))
        .collect();
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), map.width as u32, map.height as u32)?;
    let small = web_sys::window()
        .and_then(|window| window.document())
        .ok_or(JsValue::NULL)?
        .create_element("canvas")?
        .dyn_into::<HtmlCanvasElement>()?;
    small.set_width(map.width as u32);
    small.set_height(map.height as u32);
    let pixels: CanvasRenderingContext2d = small.get_context("2d")?.ok_or(JsValue::NULL)?.dyn_into()?;
    pixels.put_image_data(&image, 0.0, 0.0)?;
    let [x0, y0, x1, y1] = map.rect.map(f64::from);
    let [a, b, c, d, e, f] = to_screen.0;
    context.save();
    let drawn = context.transform(a, b, c, d, e, f).and_then(|()| {
        context.set_image_smoothing_enabled(true);
        context.draw_image_with_html_canvas_element_and_dw_and_dh(&small, x0, y0, x1 - x0, y1 - y0)
    });
    context.restore();
    drawn
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
        context.set_stroke_style_str("rgba(201, 182, 234, 0.4)");
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
        let [negative, doubtful, definite, excluded] = [
            BoxStyle::Negative,
            BoxStyle::Doubtful,
            BoxStyle::Definite,
            BoxStyle::Excluded,
        ]
        .map(stroke);
        assert_eq!((negative.dashes, definite.dashes), (&[][..], &[][..]), "both are solid");
        assert!(definite.width >= 2.0 * negative.width);
        // Dashes against dots: their parts differ at a glance.
        assert!(doubtful.dashes[0] >= 3.0 * excluded.dashes[0]);
        assert!(
            excluded.width >= 2.0 * negative.width,
            "a hip that is not read is no less visible"
        );
    }
}
