//! What lies on and under the patient: buttons, the trolley, cables and tubes. It has a stream of random numbers of its
//! own, so that the rest of a picture is the same with it and without.

use serde::{Deserialize, Serialize};

use crate::config::{ClutterPriors, Config};
use crate::math::Draw;
use crate::render::{BONE, MUSCLE, STEEL, Stroke};

/// What a picture shows of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clutter {
    /// Electrodes with their wires.
    pub leads: bool,
    pub buttons: bool,
    pub trolley: bool,
    pub lines: bool,
}

/// Draws what the configuration asks for onto a detector of this width and height, mm.
pub fn clutter(config: &Config, draw: &mut Draw, width: f32, height: f32, out: &mut Vec<Stroke>) -> Clutter {
    let mut told = Clutter::default();
    let shapes = &config.clutter_shapes;
    if draw.chance(config.buttons) {
        told.buttons = true;
        buttons(shapes, draw, width, height, out);
    }
    if draw.chance(config.trolley) {
        told.trolley = true;
        trolley(shapes, draw, width, height, out);
    }
    if draw.chance(config.lines) {
        told.lines = true;
        for _ in 0..1 + draw.below(3) {
            line(shapes, draw, width, height, out);
        }
    }
    told
}

fn dot(at: [f32; 2], half_width: f32, material: usize, amount: f32) -> Stroke {
    Stroke {
        points: vec![at, [at[0] + 0.02, at[1]]],
        half_width,
        material,
        amount,
        hollow: false,
    }
}

/// A row of buttons of a gown or of trousers, or press studs.
fn buttons(shapes: &ClutterPriors, draw: &mut Draw, width: f32, height: f32, out: &mut Vec<Stroke>) {
    let metal = draw.chance(shapes.metal_buttons);
    let radius = draw.within(shapes.button_radius);
    let mut at = [draw.gauss(0.0, 0.16) * width, draw.uniform(-0.3, 0.4) * height];
    let apart = draw.within(shapes.button_distance);
    for _ in 0..1 + draw.below(4) {
        if metal {
            // A ring of brass with a stud.
            out.push(Stroke {
                hollow: true,
                ..dot(at, radius, STEEL, draw.within(shapes.button_metal))
            });
            out.push(dot(at, radius * 0.35, STEEL, 0.5));
        } else {
            // Plastic, thicker at the rim, with two or four holes.
            out.push(dot(at, radius, MUSCLE, draw.within(shapes.button_plastic)));
            out.push(Stroke {
                hollow: true,
                ..dot(at, radius, MUSCLE, 1.5)
            });
            let turn = draw.uniform(0.0, std::f32::consts::TAU);
            let holes = 2 + 2 * draw.below(2);
            for hole in 0..holes {
                let (s, c) = (turn + std::f32::consts::TAU * hole as f32 / holes as f32).sin_cos();
                let place = [at[0] + c * radius * 0.32, at[1] + s * radius * 0.32];
                out.push(dot(place, radius * 0.14, MUSCLE, -5.0));
            }
        }
        at = [at[0] + draw.gauss(0.0, 5.0), at[1] - apart + draw.gauss(0.0, 4.0)];
    }
}

/// The long edges of trolley and mattress beside the patient, and now and then a handle's bar across.
fn trolley(shapes: &ClutterPriors, draw: &mut Draw, width: f32, height: f32, out: &mut Vec<Stroke>) {
    let lean = draw.gauss(0.0, 0.02);
    for side in [-1.0_f32, 1.0] {
        if !draw.chance(shapes.rail) {
            continue;
        }
        let x = side * width * draw.within(shapes.rail_at);
        let mut rail = |x: f32, half_width: f32, amount: f32, hollow: bool| {
            out.push(Stroke {
                points: vec![[x + lean * height, height * 0.7], [x - lean * height, -height * 0.7]],
                half_width,
                material: BONE,
                amount,
                hollow,
            });
        };
        rail(
            x,
            draw.within(shapes.rail_half_width),
            draw.within(shapes.rail_amount),
            true,
        );
        // The seam of the mattress.
        rail(
            x - side * draw.within(shapes.seam_distance),
            draw.uniform(0.6, 1.5),
            draw.within(shapes.seam_amount),
            false,
        );
    }
    if draw.chance(shapes.handle) {
        let y = height * draw.uniform(-0.48, 0.48);
        out.push(Stroke {
            points: vec![[-width * 0.7, y - lean * width], [width * 0.7, y + lean * width]],
            half_width: draw.within(shapes.handle_half_width),
            material: BONE,
            amount: draw.within(shapes.handle_amount),
            hollow: true,
        });
    }
}

/// An infusion's tube, a drain or a cable: in at one edge, across and out again.
fn line(shapes: &ClutterPriors, draw: &mut Draw, width: f32, height: f32, out: &mut Vec<Stroke>) {
    let side = draw.sign();
    let mut points = vec![[side * width * 0.55, draw.uniform(-0.4, 0.5) * height]];
    let mut heading = if side > 0.0 { std::f32::consts::PI } else { 0.0 } + draw.gauss(0.0, 0.4);
    let stride = width * 0.14;
    for _ in 0..4 + draw.below(5) {
        let last = points[points.len() - 1];
        heading += draw.gauss(0.0, 0.35);
        points.push([last[0] + heading.cos() * stride, last[1] + heading.sin() * stride]);
    }
    let tube = draw.chance(shapes.tubes);
    out.push(Stroke {
        points: crate::case::curve(&points),
        half_width: if tube {
            draw.within(shapes.tube_half_width)
        } else {
            draw.within(shapes.cable_half_width)
        },
        material: if tube { BONE } else { STEEL },
        amount: if tube {
            draw.within(shapes.tube_amount)
        } else {
            draw.within(shapes.cable_amount)
        },
        hollow: tube,
    });
}

/// Wires of an electrocardiogram, each from its electrode.
pub fn leads(shapes: &ClutterPriors, draw: &mut Draw, out: &mut Vec<Stroke>) {
    for _ in 0..1 + draw.below(5) {
        let mut points = vec![[draw.gauss(0.0, 90.0), draw.gauss(0.0, 90.0)]];
        let mut heading: f32 = draw.uniform(0.0, std::f32::consts::TAU);
        for _ in 0..5 {
            let last = points[points.len() - 1];
            heading += draw.gauss(0.0, 0.5);
            points.push([last[0] + heading.cos() * 60.0, last[1] + heading.sin() * 60.0]);
        }
        let end = points[0];
        out.push(Stroke {
            points: crate::case::curve(&points),
            half_width: draw.within(shapes.wire_half_width),
            material: STEEL,
            amount: draw.within(shapes.wire_amount),
            hollow: false,
        });
        out.push(Stroke {
            points: vec![end, [end[0] + 4.0, end[1] + 1.0]],
            half_width: shapes.electrode_radius,
            material: STEEL,
            amount: shapes.electrode_amount,
            hollow: true,
        });
    }
}
