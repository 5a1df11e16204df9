//! The chest. Frame: origin at the middle of the ribcage (about T7), y up, z forward.

use crate::anatomy::spine::{ColumnPlan, column};
use crate::math::{Draw, V3, v};
use crate::solid::{Cone, Group, Matter};
use crate::truth::LimbTruth;

/// All solids of a chest.
pub fn chest(draw: &mut Draw, scale: f32, cortex: f32, cancellous: f32, arms_up: bool) -> (Vec<Group>, LimbTruth) {
    let mut groups = Vec::new();
    let wide = draw.gauss(132.0, 9.0);
    let deep = draw.gauss(98.0, 10.0);
    let fat = draw.uniform(8.0, 32.0);
    let front = v(0.0, 0.0, 1.0);
    let mut body = Group::new(Matter::Body);
    let c = |a: V3, b: V3, ra: f32, rb: f32| Cone::new(a, b, ra, rb).shell(fat, fat).fill(0.96).blend(30.0);
    let outer = wide + 18.0 + fat;
    body.push(c(v(0.0, -330.0, 0.0), v(0.0, 90.0, 0.0), outer, outer * 0.95).flat(front, (deep + 15.0 + fat) / outer));
    body.push(c(v(0.0, 100.0, -10.0), v(0.0, 320.0, -10.0), 62.0, 58.0));
    for side in [-1.0_f32, 1.0] {
        body.push(c(
            v(side * 60.0, 125.0, -15.0),
            v(side * (wide + 35.0), 105.0, -15.0),
            55.0,
            50.0,
        ));
        let hand = if arms_up {
            v(side * (wide + 140.0), 220.0, -10.0)
        } else {
            v(side * (wide + 75.0), -220.0, -20.0)
        };
        body.push(c(v(side * (wide + 40.0), 100.0, -15.0), hand, 48.0, 40.0).blend(12.0));
        body.push(
            c(
                v(side * 70.0, -30.0, deep + fat * 0.6),
                v(side * 75.0, -60.0, deep + fat * 0.6),
                45.0 + fat * 0.8,
                48.0 + fat,
            )
            .blend(18.0),
        );
    }
    groups.push(body);
    // Lungs, with the diaphragm's domes cut from below.
    let mut lungs = Group::new(Matter::Air);
    let inspiration = draw.gauss(0.0, 14.0);
    for side in [-1.0_f32, 1.0] {
        lungs.push(
            Cone::new(
                v(side * 48.0, 112.0, -15.0),
                v(side * (wide * 0.54), -70.0, -5.0),
                34.0,
                wide * 0.50,
            )
            .shell(0.0, 0.0)
            .fill(draw.uniform(0.66, 0.76))
            .flat(front, 1.45 * deep / 98.0)
            .blend(1.0),
        );
        let dome = if side < 0.0 { -88.0 } else { -100.0 } + inspiration;
        lungs.carves.push(
            Cone::new(
                v(side * 62.0, dome - 95.0, 10.0),
                v(side * 95.0, dome - 110.0, -20.0),
                92.0,
                92.0,
            )
            .flat(front, 1.3),
        );
    }
    groups.push(lungs);
    let mut airway = Group::new(Matter::Air);
    let shift = draw.gauss(2.0, 4.0);
    for (a, b, r) in [
        (v(shift, 230.0, -5.0), v(shift, 62.0, -30.0), 8.5),
        (v(shift, 62.0, -30.0), v(-42.0, 25.0, -35.0), 6.5),
        (v(shift, 62.0, -30.0), v(45.0, 22.0, -35.0), 6.0),
    ] {
        airway.push(Cone::new(a, b, r, r).shell(0.0, 0.0).fill(0.9).blend(1.0));
    }
    groups.push(airway);
    // Heart and great vessels put tissue back where the lungs took it away.
    let mut heart = Group::new(Matter::Tissue);
    let size = draw.gauss(1.0, 0.12);
    let t = |a: V3, b: V3, ra: f32, rb: f32| Cone::new(a, b, ra, rb).shell(0.0, 0.0).fill(0.72).blend(14.0);
    heart.push(t(
        v(-8.0, -10.0, 15.0),
        v(36.0 * size, -68.0, 35.0),
        44.0 * size,
        40.0 * size,
    ));
    heart.push(t(v(0.0, 40.0, 0.0), v(2.0, 140.0, -8.0), 27.0, 30.0));
    heart.push(t(v(12.0, 48.0, -10.0), v(22.0, 52.0, -30.0), 22.0, 18.0));
    heart.push(t(v(14.0, 40.0, -45.0), v(8.0, -120.0, -55.0), 16.0, 14.0));
    for side in [-1.0_f32, 1.0] {
        for _ in 0..9 {
            let root = v(
                side * draw.uniform(22.0, 34.0),
                draw.uniform(-6.0, 28.0),
                draw.uniform(-35.0, 0.0),
            );
            let angle: f32 = draw.uniform(-1.25, 1.15);
            let long = draw.uniform(35.0, 85.0);
            let tip = root + v(side * angle.cos() * long, angle.sin() * long, draw.uniform(-25.0, 25.0));
            let r = draw.uniform(2.5, 5.5);
            heart.push(t(root, root.lerp(tip, 0.45), r * 1.4, r * 0.8).blend(3.0));
            heart.push(
                t(
                    root.lerp(tip, 0.45),
                    tip + v(0.0, draw.uniform(-12.0, 12.0), 0.0),
                    r * 0.8,
                    0.8,
                )
                .blend(1.5),
            );
        }
    }
    groups.push(heart);
    // Spine.
    let plan = ColumnPlan {
        base: v(0.0, -215.0, -62.0),
        count: 16,
        width: 44.0,
        cortex,
        cancellous,
        wear: draw.uniform(0.0, 0.6),
        scoliosis: draw.gauss(0.0, 4.0),
        lordosis: 2.0,
        lumbar: 3,
    };
    groups.extend(column(&plan, draw).groups);
    // Ribs: from the spine back and out, then down and forward.
    let mut ribs = Group::new(Matter::Bone);
    let fill = cancellous * 0.7;
    for index in 0..11 {
        let i = index as f32;
        let y = 128.0 - 24.5 * i;
        let out = (wide + 6.0) * [0.42, 0.62, 0.76, 0.86, 0.93, 0.98, 1.0, 1.0, 0.98, 0.93, 0.84][index];
        // The first ribs run down steeply, the lower ones less so.
        let drop = (14.0 + 5.0 * i.min(7.0)).max(29.0 - 3.0 * i);
        for side in [-1.0_f32, 1.0] {
            let course = [
                v(18.0, y + 6.0, -66.0),
                v(out * 0.48, y + 2.0, -deep * 0.92),
                v(out * 0.82, y - drop * 0.45, -deep * 0.68),
                v(out, y - drop * 1.1, -deep * 0.10),
                v(out * 0.93, y - drop * 1.75, deep * 0.45),
                v(out * 0.62, y - drop * 2.2, deep * 0.88),
            ];
            let last = if index > 8 { 4 } else { 6 };
            for pair in course[..last].windows(2) {
                let radius = 3.7 + if index == 0 { 0.8 } else { 0.0 };
                ribs.push(
                    Cone::new(pair[0].mirrored(side), pair[1].mirrored(side), radius, radius)
                        .flat(v(0.0, 1.0, 0.0), 1.55)
                        .shell(0.9 * cortex, 0.9 * cortex)
                        .fill(fill)
                        .blend(2.0),
                );
            }
        }
    }
    groups.push(ribs);
    let mut girdle = Group::new(Matter::Bone);
    let b = |a: V3, e: V3, ra: f32, rb: f32| {
        Cone::new(a, e, ra, rb)
            .shell(1.6 * cortex, 1.6 * cortex)
            .fill(fill)
            .blend(4.0)
    };
    let lift = if arms_up { 26.0 } else { 8.0 };
    for side in [-1.0_f32, 1.0] {
        let p = |x: f32, y: f32, z: f32| v(side * x, y, z);
        let tip = p(wide + 28.0, 128.0 + lift, -10.0);
        girdle.push(b(p(22.0, 116.0, 50.0), p(75.0, 124.0 + lift * 0.5, 30.0), 8.0, 6.0));
        girdle.push(b(p(75.0, 124.0 + lift * 0.5, 30.0), tip, 6.0, 7.0));
        // Shoulder blade.
        let socket = p(wide + 22.0, 100.0, -25.0);
        girdle.push(b(p(88.0, 110.0, -80.0), p(105.0, -10.0, -95.0), 3.0, 3.5).shell(1.0, 1.0));
        girdle.push(b(p(105.0, -10.0, -95.0), socket, 5.0, 8.0));
        girdle.push(b(p(88.0, 108.0, -78.0), tip, 5.0, 7.0));
        girdle.push(
            b(p(100.0, 60.0, -85.0), p(118.0, 70.0, -70.0), 26.0, 24.0)
                .flat(v(0.3 * side, 0.0, 1.0), 0.07)
                .shell(0.8, 0.8),
        );
        // Humerus.
        let head = p(wide + 40.0, 104.0, -20.0);
        let elbow = if arms_up {
            p(wide + 140.0, 220.0, -10.0)
        } else {
            p(wide + 72.0, -200.0, -20.0)
        };
        girdle.push(b(head, head, 23.0, 23.0).shell(1.0, 1.0));
        girdle.push(b(head, head.lerp(elbow, 0.25), 18.0, 12.0));
        girdle.push(b(head.lerp(elbow, 0.25), elbow, 11.5, 11.0).shell(3.5, 3.5).fill(0.02));
    }
    girdle.push(
        b(v(0.0, 100.0, 62.0), v(0.0, -20.0, 92.0), 16.0, 14.0)
            .flat(front, 0.4)
            .shell(0.8, 0.8),
    );
    groups.push(girdle);
    let told = LimbTruth::Chest {
        half_width_mm: wide,
        half_depth_mm: deep,
        fat_mm: fat,
        inspiration_mm: inspiration,
        heart: size,
        arms_up,
    };
    let scale = crate::math::Pose::scale(scale);
    (groups.into_iter().map(|g| g.posed(&scale)).collect(), told)
}
