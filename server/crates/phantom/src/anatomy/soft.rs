//! The body's outline: fat outside, muscle inside. Frame: origin midway between the hips.

use serde::{Deserialize, Serialize};

use crate::math::v;
use crate::solid::{Cone, Group, Matter};

/// Outline of trunk and thighs, mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Half the width at the hips.
    pub half_width: f32,
    /// Half the thickness from front to back at the hips.
    pub half_depth: f32,
    /// Half the width at the waist.
    pub waist: f32,
    pub fat: f32,
    pub thigh_radius: f32,
    /// Hip centre to midline.
    pub half: f32,
    /// Thighs apart (+) in degrees.
    pub spread: f32,
    /// How much further the leg of the picture's left and right is abducted than legs usually are, degrees: the thigh's
    /// flesh follows its bone.
    pub lean: [f32; 2],
    pub male: bool,
    /// A hanging belly, mm deep; 0 none.
    pub pannus: f32,
    /// Size against a grown body.
    pub size: f32,
}

impl Body {
    pub fn group(&self) -> Group {
        let k = self.size;
        let f = self.fat;
        let mut g = Group::new(Matter::Body);
        let front = v(0.0, 0.0, 1.0);
        let depth = self.half_depth;
        let cone =
            |a, b, ra: f32, rb: f32, fat: f32| Cone::new(a, b, ra, rb).shell(fat, fat).fill(0.97).blend(26.0 * k);
        // Trunk: wide at the hips, narrower at the waist.
        let flat = depth / self.half_width;
        g.push(
            cone(
                v(0.0, 20.0 * k, 0.0),
                v(0.0, 130.0 * k, 6.0),
                self.half_width * 0.97,
                self.waist,
                f,
            )
            .flat(front, flat * 1.03),
        );
        g.push(
            cone(
                v(0.0, 130.0 * k, 6.0),
                v(0.0, 420.0 * k, 6.0),
                self.waist,
                self.waist * 1.06,
                f * 0.9,
            )
            .flat(front, flat * 1.12),
        );
        for (side, lean) in [-1.0_f32, 1.0].into_iter().zip(self.lean) {
            let slope = (self.spread.to_radians().sin() * 330.0 - 8.0 + lean.to_radians().sin() * 400.0) * k;
            let top = v(side * (self.half_width - self.thigh_radius * 1.02), 12.0 * k, -2.0);
            let low = v(top.x + side * slope, -400.0 * k, 2.0);
            g.push(
                cone(top, low, self.thigh_radius * 1.04, self.thigh_radius * 0.80, f * 0.75)
                    .blend(34.0 * k)
                    .flat(front, (depth / self.thigh_radius).min(1.18) * 0.93),
            );
            // Buttock.
            g.push(
                cone(
                    v(side * self.half * 0.85, -8.0 * k, -depth * 0.35),
                    v(side * self.half * 0.85, -32.0 * k, -depth * 0.42),
                    70.0 * k,
                    58.0 * k,
                    f * 1.3,
                )
                .blend(14.0 * k),
            );
        }
        if self.male {
            g.push(
                cone(
                    v(0.0, -62.0 * k, depth * 0.35),
                    v(4.0 * k, -112.0 * k, depth * 0.4),
                    21.0 * k,
                    27.0 * k,
                    3.0,
                )
                .blend(8.0 * k),
            );
            g.push(
                cone(
                    v(2.0, -60.0 * k, depth * 0.7),
                    v(6.0 * k, -120.0 * k, depth * 0.75),
                    13.0 * k,
                    14.0 * k,
                    2.0,
                )
                .blend(5.0 * k),
            );
        }
        if self.pannus > 0.0 {
            let low = 60.0 * k - self.pannus * 0.6;
            let r = 46.0 + self.pannus * 0.25;
            let out = self.half_width * 0.52;
            g.push(
                cone(
                    v(-out, low + 40.0, depth * 0.75),
                    v(out, low + 40.0, depth * 0.75),
                    r,
                    r,
                    f,
                )
                .flat(front, 0.8)
                .blend(24.0 * k),
            );
        }
        g
    }
}
