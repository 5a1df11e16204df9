//! One half of the pelvis. Frame: origin at the hip's centre, x lateral, y up, z forward; the midline at x = -half.

use serde::{Deserialize, Serialize};

use crate::math::{V3, v};
use crate::solid::{Cone, Cut, Dish, Group, Matter};

/// One hemipelvis's measures, mm and degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hemipelvis {
    /// Hip centre to midline.
    pub half: f32,
    /// Radius of the socket (head and joint space).
    pub socket: f32,
    /// Size against a grown pelvis 210 mm tall.
    pub size: f32,
    /// Width of the inlet and the arch: 1 a woman's, 0 a man's.
    pub female: f32,
    pub sharp_angle: f32,
    pub anteversion: f32,
    /// How far the roof covers the head, mm beyond a half sphere.
    pub cover: f32,
    pub symphysis_gap: f32,
    pub cortex: f32,
    pub cancellous: f32,
    /// Sclerosis of the roof in arthritis, mm.
    pub sclerosis: f32,
    /// Open triradiate and ischiopubic cartilage (children), mm; 0 closed.
    pub cartilage: f32,
    pub seed: u32,
}

impl Hemipelvis {
    pub fn group(&self) -> Group {
        let k = self.size;
        let f = self.female;
        let c = self.cortex * k;
        let fill = self.cancellous;
        let r = self.socket;
        let half = self.half;
        let mid = -half;
        let mut g = Group::new(Matter::Bone);
        let cone = |a: V3, b: V3, ra: f32, rb: f32| {
            Cone::new(a, b, ra * k, rb * k)
                .shell(0.95 * c, 0.95 * c)
                .fill(fill)
                .blend(8.0 * k)
        };
        let p = |x: f32, y: f32, z: f32| v(x * k, y * k, z * k);
        // Points of the midline keep their distance from it, whatever the hips' distance.
        let q = |from_mid: f32, y: f32, z: f32| v(mid + from_mid * k, y * k, z * k);

        // The wing: a piece of a sphere, hollow forward and inward, thin in its middle.
        let normal = v(0.68, -0.26, -0.68).unit();
        let centre = p(1.0, 80.0, -12.0);
        let along = v(0.70, 0.02, 0.71);
        let along = (along - normal * along.dot(normal)).unit();
        let up = normal.cross(along).unit();
        let up = if up.y < 0.0 { -up } else { up };
        let radius = 118.0 * k;
        let ball = centre - normal * (radius - 5.0 * k);
        let (long, tall) = (74.0 * k, 58.0 * k);
        let outline = Cone::new(
            centre - along * (long - tall),
            centre + along * (long - tall) * 0.9,
            tall,
            tall * 0.93,
        );
        g.push(Dish {
            centre: ball,
            radius,
            half_thickness: 3.7 * k,
            inside: Some(outline),
            plane: None,
            shell: 0.9 * c,
            fill: fill * 0.8,
            blend: 5.0 * k,
        });
        // Thicker towards the socket.
        g.push(
            Cone::new(p(-8.0, 36.0, -8.0), p(0.0, 80.0, -12.0), 25.0 * k, 42.0 * k)
                .flat(normal, 0.17)
                .shell(0.9 * c, 0.7 * c)
                .fill(fill * 0.9)
                .blend(5.0 * k),
        );
        // The crest: along the outline's upper edge on that sphere.
        let on_ball = |q: V3| ball + (q - ball).unit() * radius;
        let mut before: Option<(V3, f32)> = None;
        for step in 0..=10 {
            let angle = (4.0 + 17.6 * step as f32).to_radians();
            let edge = on_ball(centre + along * (angle.cos() * long * 1.0) + up * (angle.sin() * tall * 0.97));
            let bulge = (1.0 - ((step as f32 - 3.0) / 3.0).powi(2)).max(0.0);
            let width = 3.7 + 1.6 * bulge + if step == 0 || step == 10 { 1.5 } else { 0.0 };
            if let Some((last, w)) = before {
                g.push(cone(last, edge, w, width).shell(0.8 * c, 0.8 * c).blend(5.0 * k));
            }
            before = Some((edge, width));
        }
        let front_spine = on_ball(centre + along * (long * 0.99));
        let back_spine = before.map_or(centre, |b| b.0);
        // Body of the ilium.
        let roof = v(-k, r + 9.0 * k, 2.0 * k);
        g.push(cone(roof, p(-12.0, 50.0, -10.0), 11.0, 9.0).flat(normal, 0.8));
        g.push(cone(roof, p(4.0, 62.0, 6.0), 10.0, 5.0).flat(normal, 0.6));
        g.push(cone(p(-12.0, 46.0, -12.0), p(-31.0, 62.0, -42.0), 11.0, 9.0).flat(normal, 0.8));
        g.push(cone(p(-31.0, 62.0, -42.0), p(-36.0, 82.0, -54.0), 9.0, 8.0).flat(normal, 0.7));
        g.push(cone(p(-36.0, 82.0, -54.0), back_spine, 7.0, 5.5));
        g.push(cone(p(-31.0, 58.0, -45.0), p(-36.0, 44.0, -58.0), 8.0, 5.0));
        // Front edge: lower front spine, then up to the upper one.
        let lower_spine = p(10.0, 40.0, 30.0);
        g.push(cone(v(2.0 * k, r + 8.0 * k, 14.0 * k), lower_spine, 9.0, 6.0));
        g.push(cone(lower_spine, front_spine, 5.0, 4.5));
        // Inner brim, in one curve into the upper ramus and the body of the pubis.
        let wide = 62.5 - 2.5 * (1.0 - f);
        let brim = [
            (p(-29.0, 53.0, -40.0), 6.5, 2.2),
            (q(wide + 1.5, 26.0, -12.0), 7.0, 2.3),
            (q(wide - 4.0, 6.0, 10.0), 8.5, 2.0),
            (q(wide - 17.0, -11.0, 27.0), 8.0, 1.7),
            (q(wide - 34.0, -22.0, 37.0), 7.0, 1.4),
            (q(10.0, -32.0, 42.0), 8.5, 1.2),
        ];
        for pair in brim.windows(2) {
            let ((a, ra, ca), (b, rb, cb)) = (pair[0], pair[1]);
            g.push(cone(a, b, ra, rb).shell(ca * 0.8 * c, cb * 0.8 * c).blend(5.0 * k));
        }
        let pubic = brim[5].0;
        let arch = q(11.0 + 2.0 * f, -55.0 - 4.0 * (1.0 - f), 34.0);
        g.push(cone(pubic, arch, 8.5, 7.0).flat(v(0.0, 0.0, 1.0), 0.75));
        // Back column and ischium.
        g.push(cone(p(-20.0, 30.0, -26.0), p(-18.0, -8.0, -30.0), 9.0, 10.5));
        g.push(cone(p(-18.0, -8.0, -30.0), p(-20.0, -38.0, -33.0), 11.0, 10.5));
        let seat = p(-22.0 + 4.0 * f, -53.0, -31.0);
        g.push(cone(p(-20.0, -38.0, -33.0), seat, 11.5, 13.5));
        // From below the socket to the ischium: the outer border of the foramen.
        g.push(cone(v(-13.0 * k, -r * 0.70, 2.0 * k), p(-25.0, -38.0, -20.0), 8.5, 9.0));
        let spine = p(-36.0 - 2.0 * (1.0 - f), -10.0, -40.0);
        g.push(cone(p(-23.0, -2.0, -32.0), spine, 6.0, 2.5).blend(5.0 * k));
        // Lower ramus.
        let turn = v((seat.x + arch.x) * 0.5 + 2.0 * k, -64.0 * k, -2.0 * k);
        g.push(cone(seat + v(-3.0, -4.0, 6.0) * k, turn, 10.5, 6.2));
        g.push(cone(turn, arch, 6.2, 6.8));
        // The socket's wall.
        let (sa, ca) = self.sharp_angle.to_radians().sin_cos();
        let (sv, cv) = self.anteversion.to_radians().sin_cos();
        let opening = v(sa * cv, -ca * cv, sv).unit();
        g.push(Dish {
            centre: v(0.0, 0.0, 0.0),
            radius: r + 2.6 * k,
            half_thickness: 2.6 * k,
            inside: None,
            plane: Some((opening, self.cover)),
            shell: 0.8 * c,
            fill,
            blend: 6.0 * k,
        });
        // The bone over the roof, denser under load.
        let lateral = (v(0.60, 0.80, 0.05) * (r + 4.0 * k)) + v(-3.0, 1.0, 0.0) * k;
        g.push(
            cone(v(-12.0 * k, r + 4.0 * k, 0.0), lateral, 5.5, 4.0)
                .flat(v(0.0, 0.0, 1.0), 2.0)
                .shell(2.2 * c + self.sclerosis, 2.2 * c + self.sclerosis),
        );
        // The hollow itself, open towards the rim.
        g.carves
            .push(Cone::new(v(0.0, 0.0, 0.0), opening * (r * 1.5), r, r * 1.35));
        g.cuts.push(Cut {
            point: v(mid + self.symphysis_gap * 0.5, 0.0, 0.0),
            normal: v(-1.0, 0.0, 0.0),
        });
        if self.cartilage > 0.0 {
            let w = self.cartilage * 0.5;
            // Through the socket, between ilium, ischium and pubis; and in the lower ramus.
            g.carves
                .push(Cone::new(v(-6.0, 3.0, -45.0) * k, v(-32.0, 6.0, 40.0) * k, w, w).flat(v(1.0, 0.0, 0.0), 9.0));
            let joint = turn.lerp(arch, 0.35);
            g.carves.push(
                Cone::new(joint + v(0.0, 12.0, 0.0) * k, joint - v(0.0, 12.0, 0.0) * k, w, w)
                    .flat(v(0.0, 0.0, 1.0), 8.0),
            );
        }
        g
    }
}
