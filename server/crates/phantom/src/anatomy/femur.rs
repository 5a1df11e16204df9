//! The proximal femur. Frame: origin at the head's centre, x lateral, y up along the shaft, z forward.

use serde::{Deserialize, Serialize};

use crate::math::{V3, v};
use crate::solid::{Cone, Group, Matter};

/// One proximal femur's measures, mm and degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Femur {
    pub head_radius: f32,
    /// Head centre to shaft axis along the neck.
    pub neck_length: f32,
    pub neck_shaft: f32,
    pub neck_radius: f32,
    /// Outer radius of the shaft at the isthmus.
    pub shaft_radius: f32,
    /// Trochanter tip above the head's centre.
    pub trochanter_height: f32,
    /// Size of the trochanters, 1 grown up.
    pub trochanter_size: f32,
    /// Cortical thickness, 1 at 50 years.
    pub cortex: f32,
    /// Density of cancellous bone as a share of cortex.
    pub cancellous: f32,
    /// Flattening of the head, 0 round .. 0.2 worn.
    pub flattening: f32,
    /// Osteophytes at the head's edge, mm.
    pub osteophyte: f32,
}

impl Femur {
    /// From the head's centre along the neck, unit length.
    pub fn neck_axis(&self) -> V3 {
        let (s, c) = self.neck_shaft.to_radians().sin_cos();
        v(s, c, 0.0)
    }
    /// Where neck axis and shaft axis meet.
    pub fn junction(&self) -> V3 {
        self.neck_axis() * self.neck_length
    }
    pub fn along_neck(&self, share: f32) -> V3 {
        self.neck_axis() * (self.neck_length * share)
    }
    pub fn neck_centre(&self) -> V3 {
        let l = self.neck_length;
        self.along_neck((self.head_radius * 1.25).min(0.62 * l) / l)
    }
    pub fn lesser_y(&self) -> f32 {
        // Head centre to lesser trochanter over head diameter 1.16 +- 0.08 (BMC Musculoskelet Disord 2021), in 3-D.
        -1.16 * 2.0 * self.head_radius * 1.04
    }
    pub fn greater_tip(&self) -> V3 {
        let j = self.junction();
        v(
            j.x + 8.0 * self.k(),
            self.trochanter_height * self.trochanter_size - 12.0 * (1.0 - self.trochanter_size),
            -6.0 * self.k(),
        )
    }
    pub fn lesser_tip(&self) -> V3 {
        let j = self.junction();
        // 38 +- 10 degrees behind the neck (Schroder 2015).
        let out = (self.shaft_radius * 1.22 + 8.0 * self.k() * self.trochanter_size) * 1.0;
        v(j.x - out * 0.80, self.lesser_y(), -out * 0.62)
    }
    pub fn shaft_point(&self, below_lesser: f32) -> V3 {
        let y = self.lesser_y() - below_lesser;
        // The shaft bows forward a little.
        v(
            self.junction().x,
            y,
            6.0 * ((below_lesser / 150.0).clamp(0.0, 1.6)).powi(2).min(1.5) - 0.0,
        )
    }
    /// Size against a grown head of 22 mm radius.
    fn k(&self) -> f32 {
        self.head_radius / 22.5
    }

    /// The whole bone as one smooth union.
    pub fn group(&self) -> Group {
        let k = self.k();
        let r = self.head_radius;
        let n = self.neck_radius;
        let t = self.trochanter_size;
        let j = self.junction();
        let axis = self.neck_axis();
        let below = v(axis.y, -axis.x, 0.0);
        let c = self.cortex;
        let fill = self.cancellous;
        let mut g = Group::new(Matter::Bone);
        let front = v(0.0, 0.0, 1.0);
        // Shaft first: marrow inside.
        let top = v(j.x, j.y - 6.0 * k, -1.0);
        let y_lesser = self.lesser_y();
        let at_lesser = v(j.x, y_lesser - 4.0 * k, 0.0);
        let p60 = self.shaft_point(55.0 * k);
        let p130 = self.shaft_point(130.0 * k);
        let end = self.shaft_point(420.0 * k);
        let s = self.shaft_radius;
        let medial = v(-1.0, 0.0, 0.0);
        g.push(
            Cone::new(at_lesser, p60, s * 1.17, s * 1.02)
                .shell(4.0 * c * k, 6.4 * c * k)
                .fill(0.02)
                .blend(5.0 * k),
        );
        g.push(
            Cone::new(p60, p130, s * 1.02, s)
                .shell(6.4 * c * k, 7.0 * c * k)
                .fill(0.015)
                .blend(1.5 * k),
        );
        g.push(
            Cone::new(p130, end, s, s * 1.03)
                .shell(7.0 * c * k, 6.5 * c * k)
                .fill(0.015)
                .blend(1.5 * k),
        );
        // Between the trochanters.
        g.push(
            Cone::new(top, at_lesser, s * 1.42, s * 1.18)
                .shell(2.4 * c * k, 4.0 * c * k)
                .thick(medial, 0.35)
                .fill(fill * 0.7)
                .blend(6.0 * k),
        );
        // The lateral wall narrows from the greater trochanter into the shaft over some 45 mm.
        if t > 0.25 {
            g.push(
                Cone::new(
                    v(j.x + 10.0 * k * t, j.y - 14.0 * k, 0.0),
                    v(j.x, y_lesser - 24.0 * k, 0.0),
                    10.5 * k,
                    s * 1.06,
                )
                .shell(2.2 * c * k, 5.0 * c * k)
                .fill(fill * 0.4)
                .blend(7.0 * k),
            );
        }
        // Neck: the narrowest place near its middle; the lower cortex three times the upper (Poole 2010).
        let (near, mid, far) = (self.along_neck(0.32), self.along_neck(0.62), self.along_neck(1.0));
        let neck = |a: V3, b: V3, ra: f32, rb: f32| {
            Cone::new(a, b, ra, rb)
                .flat(front, 0.92)
                .shell(2.0 * c * k, 2.2 * c * k)
                .thick(below, 0.75)
                .fill(fill * 0.8)
                .blend(7.0 * k)
        };
        g.push(neck(near, mid, n * 1.12, n));
        g.push(neck(mid, far, n, n * 1.16));
        // The calcar: from the lower neck into the medial shaft.
        g.push(
            Cone::new(
                mid + below * (n * 0.55),
                v(j.x - s * 0.80, y_lesser + 8.0 * k, -1.0),
                n * 0.44,
                s * 0.5,
            )
            .shell(3.2 * c * k, 4.4 * c * k)
            .thick(v(-0.8, -0.6, 0.0), 0.4)
            .fill(fill * 0.8)
            .blend(7.0 * k),
        );
        // Greater trochanter: 40-45 wide from front to back.
        let tip = self.greater_tip();
        if t > 0.25 {
            let size = k * t.max(0.5);
            g.push(
                Cone::new(
                    v(j.x + 12.0 * k, j.y - 2.0 * k, -2.0),
                    tip + v(0.0, -8.0 * size, 0.0),
                    13.5 * k,
                    8.0 * size,
                )
                .flat(front, 1.35)
                .shell(1.1 * c * k, 1.0 * c * k)
                .fill(fill * 0.55)
                .blend(6.0 * k),
            );
            g.push(
                Cone::new(
                    v(j.x + 15.0 * k, j.y + 5.0 * k, 2.0),
                    v(j.x + 13.5 * k, j.y - 16.0 * k, 1.0),
                    11.0 * size,
                    9.0 * k,
                )
                .flat(front, 1.4)
                .shell(1.2 * c * k, 2.4 * c * k)
                .fill(fill * 0.55)
                .blend(5.0 * k),
            );
        } else {
            g.push(
                Cone::sphere(v(j.x + 7.0 * k, j.y + 2.0 * k, -2.0), 15.0 * k)
                    .shell(1.0 * c * k, 1.0 * c * k)
                    .fill(fill * 0.6)
                    .blend(6.0 * k),
            );
        }
        // Lesser trochanter.
        let lesser = self.lesser_tip();
        if t > 0.3 {
            let root = v(j.x - s * 0.45, lesser.y + 3.0 * k, -s * 0.4);
            g.push(
                Cone::new(root, lesser + v(3.5, 1.0, 2.5) * k, 10.5 * k, 5.2 * k * t)
                    .flat(v(0.0, 1.0, 0.0), 1.25)
                    .shell(1.6 * c * k, 1.1 * c * k)
                    .fill(fill * 0.6)
                    .blend(6.0 * k),
            );
        }
        // Crest between the trochanters, behind.
        if t > 0.6 {
            g.push(
                Cone::new(
                    tip + v(-3.0, -10.0, -3.0) * k,
                    lesser + v(7.0, 12.0, 0.0) * k,
                    6.0 * k,
                    5.5 * k,
                )
                .shell(1.5 * c * k, 1.5 * c * k)
                .fill(fill * 0.6)
                .blend(7.0 * k),
            );
        }
        // Head last, with its thin shell.
        let head = Cone::sphere(v(0.0, 0.0, 0.0), r)
            .flat(v(-0.3, 1.0, 0.0), 1.0 - self.flattening)
            .shell(0.65 * c.max(0.7) * k, 0.65 * c.max(0.7) * k)
            .fill(fill * 1.15)
            .blend(4.0 * k);
        g.push(head);
        if self.osteophyte > 0.5 {
            let o = self.osteophyte;
            for (direction, size) in [
                (v(0.35, -0.93, 0.1), 1.0),
                (v(0.80, 0.55, 0.1), 0.8),
                (v(-0.5, -0.85, 0.0), 0.6),
            ] {
                let d = direction.unit();
                g.push(
                    Cone::new(d * (r - 3.0), d * (r + o * 0.35 * size), 4.0 + o * 0.3, 2.0)
                        .fill(fill)
                        .blend(3.0),
                );
            }
        }
        g
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn usual() -> Femur {
        Femur {
            head_radius: 23.0,
            neck_length: 50.0,
            neck_shaft: 126.0,
            neck_radius: 16.0,
            shaft_radius: 13.5,
            trochanter_height: 7.0,
            trochanter_size: 1.0,
            cortex: 1.0,
            cancellous: 0.15,
            flattening: 0.0,
            osteophyte: 0.0,
        }
    }

    #[test]
    fn the_landmarks_lie_on_the_bone() {
        for (neck_shaft, radius) in [(118.0, 21.0), (126.0, 23.0), (138.0, 26.0)] {
            let femur = Femur {
                neck_shaft,
                head_radius: radius,
                ..usual()
            };
            let g = femur.group();
            assert!(g.distance(v(0.0, 0.0, 0.0)) < -radius * 0.8);
            assert!(g.distance(femur.neck_centre()) < -8.0);
            assert!(
                g.distance(femur.greater_tip()).abs() < 4.0,
                "tip {}",
                g.distance(femur.greater_tip())
            );
            assert!(
                g.distance(femur.lesser_tip()).abs() < 4.0,
                "lesser {}",
                g.distance(femur.lesser_tip())
            );
            assert!(g.distance(femur.shaft_point(30.0)) < -8.0);
        }
    }
}
