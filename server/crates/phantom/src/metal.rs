//! Implants near the hip, in the femur's own frame, and hardware of the spine.

use serde::{Deserialize, Serialize};

use crate::anatomy::femur::Femur;
use crate::config::MetalPriors;
use crate::math::{Draw, V3, v};
use crate::solid::{Block, Clip, Cone, Dish, Group, Matter};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetalKind {
    Hemiarthroplasty,
    TotalArthroplasty,
    DynamicHipScrew,
    Nail,
    CannulatedScrews,
}

impl MetalKind {
    pub const ALL: [MetalKind; 5] = [
        MetalKind::Hemiarthroplasty,
        MetalKind::TotalArthroplasty,
        MetalKind::DynamicHipScrew,
        MetalKind::Nail,
        MetalKind::CannulatedScrews,
    ];
    pub fn replaces_head(self) -> bool {
        matches!(self, MetalKind::Hemiarthroplasty | MetalKind::TotalArthroplasty)
    }
}

fn solid(a: V3, b: V3, ra: f32, rb: f32) -> Cone {
    Cone::new(a, b, ra, rb).shell(0.0, 0.0).fill(1.0).blend(0.6)
}

/// Implant of one hip. Returns groups in the femur's frame that move with the femur, and groups that stay with the
/// pelvis; clips the bone where it was resected.
pub fn implant(
    shapes: &MetalPriors,
    kind: MetalKind,
    femur: &Femur,
    bone: &mut [Group],
    socket: f32,
    draw: &mut Draw,
) -> (Vec<Group>, Vec<Group>) {
    let j = femur.junction();
    let axis = femur.neck_axis();
    let r = femur.head_radius;
    let s = femur.shaft_radius;
    let alloy = if draw.chance(shapes.steel) {
        Matter::Steel
    } else {
        Matter::Titanium
    };
    let mut metal = Group::new(alloy);
    let mut moving = Vec::new();
    let mut fixed = Vec::new();
    let front = v(0.0, 0.0, 1.0);
    match kind {
        MetalKind::Hemiarthroplasty | MetalKind::TotalArthroplasty => {
            for group in bone.iter_mut() {
                group
                    .clips
                    .push(Clip::new(v(j.x * 0.72, j.y * 0.62, 0.0), v(-0.93, 0.36, 0.0)));
            }
            let total = kind == MetalKind::TotalArthroplasty;
            let head = if total { shapes.head_radii[draw.below(3)] } else { r };
            let mut ball = Group::new(Matter::Steel);
            ball.push(solid(v(0.0, 0.0, 0.0), v(0.0, 0.0, 0.0), head, head));
            moving.push(ball);
            let shoulder = v(j.x - 3.0, j.y + 6.0, 0.0);
            let length = draw.within(shapes.stem_length);
            let knee = v(j.x, j.y - 22.0, 0.0);
            let tip = v(j.x, j.y - length, 2.0);
            metal.push(solid(axis * (head * 0.6), shoulder, 6.0, 7.0).flat(front, 0.95));
            metal.push(solid(shoulder, knee, 12.0, 8.5).flat(front, 0.62).blend(4.0));
            metal.push(
                solid(knee, tip, 8.5, (s - 7.0).clamp(3.5, 6.0))
                    .flat(front, 0.85)
                    .blend(4.0),
            );
            if draw.chance(shapes.cemented) {
                // Cement with a contrast agent: a little denser than cancellous bone.
                let mut cement = Group::new(Matter::Bone);
                cement.push(
                    Cone::new(shoulder + v(0.0, -6.0, 0.0), knee, 14.0, 11.5)
                        .flat(front, 0.7)
                        .shell(0.0, 0.0)
                        .fill(shapes.cement),
                );
                cement.push(
                    Cone::new(knee, tip + v(0.0, -14.0, 0.0), 11.0, s - 5.0)
                        .shell(0.0, 0.0)
                        .fill(shapes.cement),
                );
                moving.push(cement);
            }
            if total {
                let opening = v(0.66, -0.70, 0.25).unit();
                let outer = (socket + draw.within(shapes.cup_over)).max(shapes.cup_least);
                let mut cup = Group::new(if draw.chance(shapes.cup_titanium) {
                    Matter::Titanium
                } else {
                    Matter::Steel
                });
                cup.push(Dish {
                    centre: v(0.0, 0.0, 0.0),
                    radius: outer - 2.0,
                    half_thickness: 2.0,
                    inside: None,
                    plane: Some((opening, 0.0)),
                    shell: 0.0,
                    fill: 1.0,
                    blend: 0.5,
                });
                for _ in 0..draw.below(3) {
                    let d = v(draw.uniform(-0.7, 0.1), draw.uniform(0.6, 1.0), draw.uniform(-0.3, 0.3)).unit();
                    cup.push(solid(d * outer, d * (outer + draw.within(shapes.cup_screw)), 3.0, 2.6));
                }
                fixed.push(cup);
            }
        }
        MetalKind::DynamicHipScrew => {
            let deep = axis * -(r - draw.within(shapes.lag_tip));
            let entry = j + axis * (s * 1.25);
            let [thread, shank, barrel] = shapes.lag;
            metal.push(solid(deep, deep + axis * 22.0, thread, thread));
            metal.push(solid(deep + axis * 22.0, j, shank, shank));
            metal.push(solid(entry - axis * 38.0, entry, barrel, barrel));
            let [plate, apart, thick, wide] = shapes.plate;
            let holes = 2 + draw.below(3);
            let long = plate + apart * holes as f32;
            let x = j.x + s * 1.35 + 2.0;
            metal.push(Block {
                centre: v(x, entry.y - long * 0.5 + 6.0, 0.0),
                axes: [v(1.0, 0.0, 0.0), v(0.0, 1.0, 0.0), front],
                half: [thick, long * 0.5, wide],
                round: 1.0,
                shell: 0.0,
                fill: 1.0,
                blend: 0.6,
            });
            for hole in 0..holes {
                let y = entry.y - 20.0 - apart * hole as f32;
                let r = shapes.cortical_screw;
                metal.push(solid(v(x + 1.0, y, 0.0), v(j.x - s * 1.15, y, 0.0), r, r));
            }
        }
        MetalKind::Nail => {
            let top = v(j.x + 2.0, femur.greater_tip().y + 2.0, -3.0);
            let short = draw.chance(shapes.short_nails);
            let long = draw.within(if short { shapes.short_nail } else { shapes.long_nail });
            let bend = v(j.x, j.y - 18.0, 0.0);
            let [wide, narrow, lag, bolt] = shapes.nail;
            metal.push(solid(top, bend, wide, wide - 0.2));
            metal.push(solid(bend, v(j.x, top.y - long, 5.0), wide - 0.2, narrow));
            let deep = axis * -(r - draw.within(shapes.lag_tip));
            metal.push(solid(deep, j + axis * (s * 1.3), lag, lag));
            if short {
                let y = top.y - long + 25.0;
                metal.push(solid(v(j.x + s * 1.3, y, 4.0), v(j.x - s * 1.2, y, 4.0), bolt, bolt));
            }
        }
        MetalKind::CannulatedScrews => {
            let below = v(axis.y, -axis.x, 0.0);
            let [thread, shank, cap] = shapes.cannulated;
            let count = 2 + draw.below(2);
            for (across, depth) in [(6.0, 3.0), (-6.5, 5.0), (-5.5, -6.0)].into_iter().take(count) {
                let shift = below * across + v(0.0, 0.0, depth);
                let deep = shift - axis * (r - draw.within(shapes.cannulated_tip));
                let head = shift + j + axis * (s * 1.25);
                metal.push(solid(deep, deep + axis * 18.0, thread, thread));
                metal.push(solid(deep + axis * 18.0, head, shank, shank));
                metal.push(solid(head, head + axis * 4.0, cap, cap));
            }
        }
    }
    if !metal.prims.is_empty() {
        moving.push(metal);
    }
    (moving, fixed)
}

/// Screws and rods between vertebrae at these centres.
pub fn spinal(shapes: &MetalPriors, centres: &[V3], draw: &mut Draw) -> Group {
    let [screw, cap, rod] = shapes.spine;
    let mut g = Group::new(if draw.chance(shapes.spine_titanium) {
        Matter::Titanium
    } else {
        Matter::Steel
    });
    for side in [-1.0_f32, 1.0] {
        let mut heads = Vec::new();
        for c in centres {
            let head = *c + v(side * 21.0, 4.0, -44.0);
            g.push(solid(head, *c + v(side * 10.0, 2.0, 4.0), screw, screw - 0.2));
            g.push(solid(head, head + v(0.0, 0.0, -10.0), cap, cap));
            heads.push(head + v(0.0, 0.0, -10.0));
        }
        if let (Some(first), Some(last)) = (heads.first(), heads.last()) {
            g.push(solid(*first + v(0.0, -8.0, 0.0), *last + v(0.0, 8.0, 0.0), rod, rod));
        }
    }
    g
}
