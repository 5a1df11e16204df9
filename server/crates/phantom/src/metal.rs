//! Implants near the hip, in the femur's own frame, and hardware of the spine.

use serde::{Deserialize, Serialize};

use crate::anatomy::femur::Femur;
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
    let alloy = if draw.chance(0.55) {
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
            let head = if total { [14.0, 16.0, 18.0][draw.below(3)] } else { r };
            let mut ball = Group::new(Matter::Steel);
            ball.push(solid(v(0.0, 0.0, 0.0), v(0.0, 0.0, 0.0), head, head));
            moving.push(ball);
            let shoulder = v(j.x - 3.0, j.y + 6.0, 0.0);
            let length = draw.uniform(115.0, 155.0);
            let knee = v(j.x, j.y - 22.0, 0.0);
            let tip = v(j.x, j.y - length, 2.0);
            metal.push(solid(axis * (head * 0.6), shoulder, 6.0, 7.0).flat(front, 0.95));
            metal.push(solid(shoulder, knee, 12.0, 8.5).flat(front, 0.62).blend(4.0));
            metal.push(
                solid(knee, tip, 8.5, (s - 7.0).clamp(3.5, 6.0))
                    .flat(front, 0.85)
                    .blend(4.0),
            );
            if draw.chance(0.6) {
                // Cement with a contrast agent: a little denser than cancellous bone.
                let mut cement = Group::new(Matter::Bone);
                cement.push(
                    Cone::new(shoulder + v(0.0, -6.0, 0.0), knee, 14.0, 11.5)
                        .flat(front, 0.7)
                        .shell(0.0, 0.0)
                        .fill(0.55),
                );
                cement.push(
                    Cone::new(knee, tip + v(0.0, -14.0, 0.0), 11.0, s - 5.0)
                        .shell(0.0, 0.0)
                        .fill(0.55),
                );
                moving.push(cement);
            }
            if total {
                let opening = v(0.66, -0.70, 0.25).unit();
                let outer = (socket + draw.uniform(0.0, 3.0)).max(22.0);
                let mut cup = Group::new(if draw.chance(0.7) {
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
                    cup.push(solid(d * outer, d * (outer + draw.uniform(15.0, 38.0)), 3.0, 2.6));
                }
                fixed.push(cup);
            }
        }
        MetalKind::DynamicHipScrew => {
            let deep = axis * -(r - draw.uniform(7.0, 14.0));
            let entry = j + axis * (s * 1.25);
            metal.push(solid(deep, deep + axis * 22.0, 6.2, 6.2));
            metal.push(solid(deep + axis * 22.0, j, 4.0, 4.0));
            metal.push(solid(entry - axis * 38.0, entry, 6.3, 6.3));
            let holes = 2 + draw.below(3);
            let long = 22.0 + 17.0 * holes as f32;
            let x = j.x + s * 1.35 + 2.0;
            metal.push(Block {
                centre: v(x, entry.y - long * 0.5 + 6.0, 0.0),
                axes: [v(1.0, 0.0, 0.0), v(0.0, 1.0, 0.0), front],
                half: [3.0, long * 0.5, 9.5],
                round: 1.0,
                shell: 0.0,
                fill: 1.0,
                blend: 0.6,
            });
            for hole in 0..holes {
                let y = entry.y - 20.0 - 17.0 * hole as f32;
                metal.push(solid(v(x + 1.0, y, 0.0), v(j.x - s * 1.15, y, 0.0), 2.25, 2.25));
            }
        }
        MetalKind::Nail => {
            let top = v(j.x + 2.0, femur.greater_tip().y + 2.0, -3.0);
            let long = if draw.chance(0.6) {
                draw.uniform(170.0, 240.0)
            } else {
                300.0
            };
            let bend = v(j.x, j.y - 18.0, 0.0);
            metal.push(solid(top, bend, 8.0, 7.8));
            metal.push(solid(bend, v(j.x, top.y - long, 5.0), 7.8, 5.2));
            let deep = axis * -(r - draw.uniform(7.0, 14.0));
            metal.push(solid(deep, j + axis * (s * 1.3), 5.3, 5.3));
            if long < 260.0 {
                let y = top.y - long + 25.0;
                metal.push(solid(v(j.x + s * 1.3, y, 4.0), v(j.x - s * 1.2, y, 4.0), 2.5, 2.5));
            }
        }
        MetalKind::CannulatedScrews => {
            let below = v(axis.y, -axis.x, 0.0);
            let count = 2 + draw.below(2);
            for (across, depth) in [(6.0, 3.0), (-6.5, 5.0), (-5.5, -6.0)].into_iter().take(count) {
                let shift = below * across + v(0.0, 0.0, depth);
                let deep = shift - axis * (r - draw.uniform(8.0, 13.0));
                let head = shift + j + axis * (s * 1.25);
                metal.push(solid(deep, deep + axis * 18.0, 3.5, 3.5));
                metal.push(solid(deep + axis * 18.0, head, 2.4, 2.4));
                metal.push(solid(head, head + axis * 4.0, 4.2, 4.2));
            }
        }
    }
    if !metal.prims.is_empty() {
        moving.push(metal);
    }
    (moving, fixed)
}

/// Screws and rods between vertebrae at these centres.
pub fn spinal(centres: &[V3], draw: &mut Draw) -> Group {
    let mut g = Group::new(if draw.chance(0.7) {
        Matter::Titanium
    } else {
        Matter::Steel
    });
    for side in [-1.0_f32, 1.0] {
        let mut heads = Vec::new();
        for c in centres {
            let head = *c + v(side * 21.0, 4.0, -44.0);
            g.push(solid(head, *c + v(side * 10.0, 2.0, 4.0), 3.2, 3.0));
            g.push(solid(head, head + v(0.0, 0.0, -10.0), 6.5, 6.5));
            heads.push(head + v(0.0, 0.0, -10.0));
        }
        if let (Some(first), Some(last)) = (heads.first(), heads.last()) {
            g.push(solid(*first + v(0.0, -8.0, 0.0), *last + v(0.0, 8.0, 0.0), 3.0, 3.0));
        }
    }
    g
}
