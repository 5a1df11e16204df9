//! Vertebrae, sacrum and coccyx. Frame of the sacrum: as the pelvis, origin midway between the hips.

use crate::math::{Draw, Pose, V3, v};
use crate::solid::{Block, Cone, Group, Matter};

/// A vertebra's measures.
#[derive(Clone, Copy, Debug)]
pub struct Vertebra {
    pub width: f32,
    pub depth: f32,
    pub height: f32,
    pub cortex: f32,
    pub cancellous: f32,
    /// Side processes, 0 none (ribs take their place) .. 1 lumbar.
    pub processes: f32,
    /// Wear: spurs at the end plates, mm.
    pub spurs: f32,
}

impl Vertebra {
    /// Frame: origin at the body's middle, y along the spine.
    pub fn group(&self) -> Group {
        let (w, d, h) = (self.width * 0.5, self.depth * 0.5, self.height * 0.5);
        let k = self.width / 48.0;
        let fill = self.cancellous;
        let c = self.cortex;
        let mut g = Group::new(Matter::Bone);
        g.push(Block {
            centre: v(0.0, 0.0, 0.0),
            axes: [v(1.0, 0.0, 0.0), v(0.0, 1.0, 0.0), v(0.0, 0.0, 1.0)],
            half: [w * 0.94, h, d],
            round: (h * 0.45).min(d * 0.6),
            shell: 0.55 * c,
            fill: fill * 1.1,
            blend: 3.0,
        });
        let cone =
            |a: V3, b: V3, ra: f32, rb: f32| Cone::new(a, b, ra, rb).shell(0.55 * c, 0.55 * c).fill(fill).blend(3.0);
        // End plates reach further than the waist.
        for end in [-1.0, 1.0] {
            g.push(
                cone(
                    v(-w * 0.5, end * (h - 1.6), 0.0),
                    v(w * 0.5, end * (h - 1.6), 0.0),
                    d,
                    d,
                )
                .flat(v(0.0, 1.0, 0.0), 2.4 / d)
                .shell(0.7 * c, 0.7 * c),
            );
            for side in [-1.0, 1.0] {
                if self.spurs > 0.5 {
                    let at = v(side * w, end * (h - 1.0), 2.0);
                    g.push(cone(
                        at,
                        at + v(side * self.spurs, end * self.spurs * 0.4, 1.0),
                        3.0,
                        1.2,
                    ));
                }
            }
        }
        let back = -d;
        for side in [-1.0, 1.0] {
            g.push(
                cone(
                    v(side * w * 0.58, h * 0.3, back + 3.0),
                    v(side * w * 0.60, h * 0.25, back - 14.0 * k),
                    5.0 * k,
                    5.2 * k,
                )
                .flat(v(0.0, 1.0, 0.0), 1.35)
                .shell(0.8 * c, 0.8 * c),
            );
            g.push(
                cone(
                    v(side * w * 0.62, h * 0.9, back - 16.0 * k),
                    v(side * w * 0.72, -h * 1.25, back - 20.0 * k),
                    5.2 * k,
                    5.5 * k,
                )
                .shell(0.8 * c, 0.8 * c),
            );
            if self.processes > 0.0 {
                let out = w + 21.0 * self.processes * k;
                g.push(
                    cone(
                        v(side * w * 0.6, h * 0.2, back - 10.0 * k),
                        v(side * out, h * 0.35, back - 14.0 * k),
                        5.0 * k,
                        3.6 * k,
                    )
                    .flat(v(0.0, 0.0, 1.0), 0.7),
                );
            }
            g.push(
                cone(
                    v(side * w * 0.55, -h * 0.2, back - 18.0 * k),
                    v(side * 2.0, -h * 0.5, back - 26.0 * k),
                    4.0 * k,
                    4.0 * k,
                )
                .flat(v(0.0, 1.0, 0.0), 1.9),
            );
        }
        g.push(
            cone(
                v(0.0, -h * 0.3, back - 26.0 * k),
                v(0.0, -h * 1.1, back - 48.0 * k),
                3.4 * k,
                4.0 * k,
            )
            .flat(v(0.0, 1.0, 0.0), 2.2)
            .shell(0.75 * c, 0.75 * c),
        );
        g
    }
}

/// Sacrum and coccyx for a pelvis of this size.
pub fn sacrum(size: f32, width: f32, cortex: f32, cancellous: f32) -> Group {
    let k = size;
    let c = cortex;
    let mut g = Group::new(Matter::Bone);
    let front = v(0.0, -0.55, 0.83).unit();
    let p = |x: f32, y: f32, z: f32| v(x * k, y * k, z * k);
    let cone = |a: V3, b: V3, ra: f32, rb: f32| {
        Cone::new(a, b, ra * k, rb * k)
            .shell(0.6 * c, 0.6 * c)
            .fill(cancellous)
            .blend(6.0 * k)
    };
    g.push(cone(p(0.0, 86.0, -30.0), p(0.0, 66.0, -48.0), 24.0, 20.0).flat(front, 0.62));
    g.push(cone(p(0.0, 66.0, -48.0), p(0.0, 38.0, -66.0), 20.0, 15.0).flat(front, 0.55));
    g.push(cone(p(0.0, 38.0, -66.0), p(0.0, 14.0, -68.0), 15.0, 9.0).flat(v(0.0, 0.0, 1.0), 0.6));
    g.push(
        cone(p(0.0, 6.0, -66.0), p(0.0, -14.0, -54.0), 6.5, 3.5)
            .flat(v(0.0, 0.0, 1.0), 0.7)
            .blend(2.0),
    );
    let out = width * 0.5;
    // Both wings are one broad plate in front of the joints.
    g.push(
        cone(
            v(-out * 0.55, 76.0 * k, -46.0 * k),
            v(out * 0.55, 76.0 * k, -46.0 * k),
            19.0,
            19.0,
        )
        .flat(front, 0.62),
    );
    g.push(
        cone(
            v(-out * 0.42, 58.0 * k, -58.0 * k),
            v(out * 0.42, 58.0 * k, -58.0 * k),
            15.0,
            15.0,
        )
        .flat(front, 0.6),
    );
    for side in [-1.0_f32, 1.0] {
        let wing = v(side * (out - 11.0 * k), 78.0 * k, -50.0 * k);
        g.push(cone(v(side * 18.0 * k, 82.0 * k, -38.0 * k), wing, 13.0, 12.0).flat(front, 0.8));
        g.push(cone(wing, v(side * (out - 17.0 * k), 54.0 * k, -62.0 * k), 12.0, 9.0));
        g.push(
            cone(
                v(side * (out - 17.0 * k), 54.0 * k, -62.0 * k),
                p(side * 16.0, 22.0, -70.0),
                9.0,
                5.5,
            )
            .flat(front, 0.7),
        );
        g.push(cone(p(side * 14.0, 94.0, -52.0), p(side * 15.0, 78.0, -60.0), 5.0, 5.0));
        let hole_axis = v(0.0, -0.30, 0.95).unit();
        for (x, y, z, hole) in [
            (22.0, 66.0, -52.0, 3.6),
            (19.0, 51.0, -62.0, 3.3),
            (16.5, 37.0, -68.0, 2.8),
            (13.5, 25.0, -70.0, 2.4),
        ] {
            let at = p(side * x, y, z);
            g.carves.push(Cone::new(
                at + hole_axis * (16.0 * k),
                at - hole_axis * (6.0 * k),
                hole * k * 1.15,
                hole * k * 0.5,
            ));
        }
    }
    for y in [78.0_f32, 58.0, 42.0, 28.0] {
        g.push(cone(
            p(0.0, y, -64.0 - (78.0 - y) * 0.28),
            p(0.0, y - 9.0, -70.0 - (78.0 - y) * 0.24),
            3.5,
            3.5,
        ));
    }
    g
}

/// A chain of vertebrae upwards from a base point; each one's pose and body centre.
pub struct Column {
    pub groups: Vec<Group>,
    pub centres: Vec<V3>,
}

/// How the chain is built.
#[derive(Clone, Copy, Debug)]
pub struct ColumnPlan {
    pub base: V3,
    pub count: usize,
    pub width: f32,
    pub cortex: f32,
    pub cancellous: f32,
    pub wear: f32,
    /// Degrees of side bend over the chain.
    pub scoliosis: f32,
    /// Forward tilt of the lowest vertebra, degrees; it turns back upwards.
    pub lordosis: f32,
    /// How many of them have lumbar side processes; those above carry ribs.
    pub lumbar: usize,
}

pub fn column(plan: &ColumnPlan, draw: &mut Draw) -> Column {
    let mut out = Column {
        groups: Vec::new(),
        centres: Vec::new(),
    };
    let mut at = plan.base;
    for index in 0..plan.count {
        let up = index as f32;
        let shrink = 1.0 - 0.035 * up.min(12.0) - if index >= plan.lumbar { 0.06 } else { 0.0 };
        let width = plan.width * shrink.max(0.55);
        let height = plan.width * 0.56 * (1.0 - 0.018 * up);
        let vertebra = Vertebra {
            width,
            depth: width * 0.70,
            height,
            cortex: plan.cortex,
            cancellous: plan.cancellous,
            processes: if index < plan.lumbar {
                0.85 + 0.2 * draw.uniform(0.0, 1.0)
            } else {
                0.35
            },
            spurs: plan.wear * draw.uniform(0.0, 5.0),
        };
        let bend = plan.scoliosis * (up / plan.count.max(1) as f32 - 0.3);
        let tilt = plan.lordosis * (1.0 - up * 0.28).max(-0.4);
        let pose = Pose::turn_y(draw.gauss(0.0, 1.5) + plan.scoliosis * 0.4)
            .then(&Pose::turn_x(tilt))
            .then(&Pose::turn_z(bend))
            .then(&Pose::shift(at));
        out.groups.push(vertebra.group().posed(&pose));
        out.centres.push(at);
        let disc =
            plan.width * if index < plan.lumbar { 0.20 } else { 0.13 } * draw.uniform(1.0 - 0.35 * plan.wear, 1.0);
        let step = height + disc;
        at = at
            + v(
                -bend.to_radians().sin() * step,
                step * tilt.to_radians().cos(),
                step * tilt.to_radians().sin() * 0.9,
            );
    }
    out
}
