//! A knee. Frame: origin in the joint, x lateral, y up, z forward.

use crate::math::{Draw, V3, v};
use crate::solid::{Cone, Group, Matter};

/// What was drawn of a knee: size against the usual one, worn joint space, fat and girth.
#[derive(Clone, Copy, Debug)]
pub struct KneeMeasures {
    pub size: f32,
    pub narrowing: f32,
    pub fat: f32,
    pub girth: f32,
}

/// Bones and soft tissue of one knee; `side` mirrors it, `flexion` bends it (degrees).
pub fn knee(draw: &mut Draw, side: f32, flexion: f32, cortex: f32, cancellous: f32) -> (Vec<Group>, KneeMeasures) {
    let k = draw.gauss(1.0, 0.06);
    let narrow = draw.uniform(0.0, 3.5);
    let p = |x: f32, y: f32, z: f32| v(side * x * k, y * k, z * k);
    let b = |a: V3, e: V3, ra: f32, rb: f32| {
        Cone::new(a, e, ra * k, rb * k)
            .shell(1.5 * cortex, 1.5 * cortex)
            .fill(cancellous)
            .blend(9.0 * k)
    };
    let tilt = crate::math::Pose::turn_x(-flexion);
    let mut femur = Group::new(Matter::Bone);
    femur.push(
        b(p(0.0, 330.0, 8.0), p(0.0, 90.0, 4.0), 13.5, 15.0)
            .shell(5.5 * cortex, 4.0 * cortex)
            .fill(0.02),
    );
    femur.push(b(p(0.0, 90.0, 4.0), p(0.0, 42.0, 2.0), 16.0, 27.0).flat(v(0.0, 0.0, 1.0), 0.8));
    for x in [-21.0, 21.0] {
        femur.push(b(p(x, 24.0, -2.0), p(x, 20.0 - narrow * 0.2, -14.0), 19.5, 19.0).flat(v(1.0, 0.0, 0.0), 0.95));
    }
    let mut tibia = Group::new(Matter::Bone);
    for x in [-20.0, 20.0] {
        tibia.push(
            b(p(x, -16.0 + narrow * 0.3, -2.0), p(x * 0.6, -30.0, -2.0), 18.0, 18.0).flat(v(0.0, 1.0, 0.0), 0.75),
        );
    }
    tibia.push(b(p(-20.0, -15.0, -2.0), p(20.0, -15.0, -2.0), 17.0, 17.0).flat(v(0.0, 1.0, 0.0), 0.65));
    tibia.push(b(p(-5.0, -8.0, 0.0), p(-5.0, 0.5, -2.0), 4.0, 1.5));
    tibia.push(b(p(5.0, -8.0, 0.0), p(5.0, 0.5, -2.0), 4.0, 1.5));
    tibia.push(b(p(0.0, -34.0, 2.0), p(-2.0, -90.0, 6.0), 24.0, 15.0));
    tibia.push(
        b(p(-2.0, -90.0, 6.0), p(-2.0, -330.0, 2.0), 14.0, 11.5)
            .shell(4.0 * cortex, 5.0 * cortex)
            .fill(0.02),
    );
    let mut fibula = Group::new(Matter::Bone);
    fibula.push(b(p(34.0, -34.0, -18.0), p(33.0, -60.0, -18.0), 9.0, 6.0));
    fibula.push(
        b(p(33.0, -60.0, -18.0), p(28.0, -330.0, -14.0), 6.0, 6.5)
            .shell(2.4 * cortex, 2.6 * cortex)
            .fill(0.02),
    );
    let mut patella = Group::new(Matter::Bone);
    patella.push(b(p(0.0, 40.0, 34.0), p(0.0, 30.0, 34.0), 21.0, 17.0).flat(v(0.0, 0.0, 1.0), 0.5));
    let fat = draw.uniform(5.0, 18.0);
    let mut body = Group::new(Matter::Body);
    let s = |a: V3, e: V3, ra: f32, rb: f32| Cone::new(a, e, ra * k, rb * k).shell(fat, fat).fill(0.95).blend(30.0);
    let girth = draw.uniform(0.9, 1.25);
    body.push(s(p(0.0, 360.0, 0.0), p(0.0, 30.0, 2.0), 78.0 * girth, 57.0 * girth));
    let mut lower = Group::new(Matter::Body);
    lower.push(s(p(0.0, 10.0, 2.0), p(0.0, -90.0, -12.0), 55.0 * girth, 58.0 * girth));
    lower.push(s(
        p(0.0, -90.0, -12.0),
        p(0.0, -360.0, -8.0),
        58.0 * girth,
        40.0 * girth,
    ));
    let lower = lower.posed(&tilt);
    body.prims.extend(lower.prims);
    let mut groups = vec![body, femur, patella];
    groups.push(tibia.posed(&tilt));
    groups.push(fibula.posed(&tilt));
    let told = KneeMeasures {
        size: k,
        narrowing: narrow,
        fat,
        girth,
    };
    (groups, told)
}
