//! Fractures of the proximal femur: where the bone parts, and how the parts move.

use serde::{Deserialize, Serialize};

use crate::anatomy::femur::Femur;
use crate::config::{FracturePriors, Span};
use crate::math::{Draw, Pose, V3, v};
use crate::solid::{Clip, Cone, Group};

/// The kinds told apart in the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FractureKind {
    GardenI,
    #[serde(rename = "garden_ii")]
    GardenII,
    #[serde(rename = "garden_iii")]
    GardenIII,
    #[serde(rename = "garden_iv")]
    GardenIV,
    Basicervical,
    TrochantericA1,
    TrochantericA2,
    TrochantericA3,
    Subtrochanteric,
}

impl FractureKind {
    pub const ALL: [FractureKind; 9] = [
        FractureKind::GardenI,
        FractureKind::GardenII,
        FractureKind::GardenIII,
        FractureKind::GardenIV,
        FractureKind::Basicervical,
        FractureKind::TrochantericA1,
        FractureKind::TrochantericA2,
        FractureKind::TrochantericA3,
        FractureKind::Subtrochanteric,
    ];

    /// As a reader writes it.
    pub fn name(self) -> &'static str {
        match self {
            FractureKind::GardenI => "Garden I",
            FractureKind::GardenII => "Garden II",
            FractureKind::GardenIII => "Garden III",
            FractureKind::GardenIV => "Garden IV",
            FractureKind::Basicervical => "basicervical",
            FractureKind::TrochantericA1 => "AO 31-A1",
            FractureKind::TrochantericA2 => "AO 31-A2",
            FractureKind::TrochantericA3 => "AO 31-A3",
            FractureKind::Subtrochanteric => "subtrochanteric",
        }
    }

    pub fn location(self) -> FractureLocation {
        match self {
            FractureKind::GardenI
            | FractureKind::GardenII
            | FractureKind::GardenIII
            | FractureKind::GardenIV
            | FractureKind::Basicervical => FractureLocation::Intracapsular,
            _ => FractureLocation::Extracapsular,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FractureLocation {
    Intracapsular,
    Extracapsular,
}

/// What a caller wants of a fracture; `None` is drawn from the priors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FractureRequest {
    /// False: no fracture at all. True or absent in a request: a fracture.
    pub present: Option<bool>,
    pub kind: Option<FractureKind>,
    pub location: Option<FractureLocation>,
    pub side: Option<Side>,
    /// 0 as little displaced as the kind allows .. 1 as much.
    pub severity: Option<f32>,
}

/// The patient's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Right,
    Left,
}

impl Side {
    /// -1 right (at the left of a frontal picture), 1 left.
    pub fn sign(self) -> f32 {
        match self {
            Side::Right => -1.0,
            Side::Left => 1.0,
        }
    }
    pub const BOTH: [Side; 2] = [Side::Right, Side::Left];
}

/// A drawn fracture in the femur's own frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fracture {
    pub kind: FractureKind,
    pub occult: bool,
    pub point: V3,
    pub normal: V3,
    pub jag: f32,
    pub phase: f32,
    pub gap: f32,
    /// Turn of the head fragment in the picture's plane: + valgus, degrees.
    pub head_turn: f32,
    pub head_tilt: f32,
    /// Shift of the far fragment: up, lateral, back, mm.
    pub shift: V3,
    /// External rotation of the far fragment, degrees.
    pub external: f32,
    /// Varus between the fragments, degrees (far fragment turns).
    pub varus: f32,
    pub lesser_fragment: Option<(V3, f32)>,
    pub pieces: Vec<(V3, f32)>,
    pub impaction: f32,
    pub displacement: f32,
}

impl Fracture {
    /// `much` of a displacement's spans is the severity: 0 as little displaced as the kind allows, 1 as much.
    pub fn draw(
        priors: &FracturePriors,
        kind: FractureKind,
        femur: &Femur,
        severity: Option<f32>,
        occult: bool,
        draw: &mut Draw,
    ) -> Fracture {
        let r = femur.head_radius;
        let axis = femur.neck_axis();
        let j = femur.junction();
        let much = severity.unwrap_or_else(|| draw.uniform(0.0, 1.0)).clamp(0.0, 1.0);
        let between = |[low, high]: Span| low + (high - low) * much;
        let k = r / 22.5;
        let s = femur.shaft_radius;
        let lesser = femur.lesser_tip();
        let p = &priors.displacement[kind as usize];
        let mut f = Fracture {
            kind,
            occult,
            point: V3::default(),
            normal: axis,
            jag: draw.within(priors.jag),
            phase: draw.uniform(0.0, 10.0),
            gap: between(p.gap),
            head_turn: between(p.head_turn),
            head_tilt: 0.0,
            shift: v(between(p.lateral), between(p.up), 0.0),
            external: between(p.external),
            varus: between(p.varus),
            lesser_fragment: None,
            pieces: Vec::new(),
            impaction: between(p.impaction),
            displacement: 0.0,
        };
        // Level along the neck in head radii: subcapital, transcervical or basicervical.
        let level = if kind == FractureKind::Basicervical {
            draw.within(priors.basicervical_level)
        } else if draw.chance(priors.subcapital) {
            draw.within(priors.subcapital_level)
        } else {
            draw.within(priors.transcervical_level)
        };
        let pauwels = draw.gauss(priors.pauwels.mean, priors.pauwels.sd).to_radians();
        let back = draw.gauss(0.0, 0.18);
        // What does not go with severity. The order of these draws is part of a seed's picture.
        match kind {
            FractureKind::GardenI => f.head_tilt = draw.within(p.head_tilt),
            FractureKind::GardenII => {
                f.head_tilt = draw.within(p.head_tilt);
                f.head_turn = draw.within(p.head_turn);
            }
            FractureKind::GardenIII => {
                f.head_tilt = draw.within(p.head_tilt);
                f.shift.z = draw.within(p.forward);
                if !draw.chance(priors.impacted_garden_iii) {
                    f.impaction = 0.0;
                }
            }
            FractureKind::GardenIV => {
                f.head_turn = draw.about(p.head_turn);
                f.head_tilt = draw.within(p.head_tilt);
                f.shift.z = draw.within(p.forward);
            }
            FractureKind::Basicervical | FractureKind::TrochantericA1 => {}
            FractureKind::TrochantericA2 => {
                f.shift.z = draw.within(p.forward);
                f.lesser_fragment = Some((
                    v(-draw.uniform(2.0, 13.0), draw.uniform(2.0, 16.0), 2.0),
                    draw.uniform(-25.0, 25.0),
                ));
            }
            FractureKind::TrochantericA3 => {
                if draw.chance(priors.lesser_a3) {
                    f.lesser_fragment = Some((
                        v(-draw.uniform(1.0, 9.0), draw.uniform(1.0, 9.0), 1.0),
                        draw.uniform(-15.0, 15.0),
                    ));
                }
            }
            FractureKind::Subtrochanteric => {
                f.shift.z = draw.within(p.forward);
                f.varus = draw.about(p.varus);
            }
        }
        match kind.location() {
            FractureLocation::Intracapsular => {
                f.point = axis * (r * level).min(femur.neck_length * 0.85);
                // The usual angle of this neck, bent by the drawn one.
                let usual = v(axis.x, axis.y, 0.0);
                let drawn = v(pauwels.sin(), -pauwels.cos(), back);
                f.normal = (usual * 0.5 + drawn * 0.5).unit();
            }
            FractureLocation::Extracapsular => match kind {
                FractureKind::TrochantericA1 | FractureKind::TrochantericA2 => {
                    let high = v(j.x + 12.0 * k, j.y + draw.uniform(2.0, 16.0) * k, 0.0);
                    let low = v(j.x - s * 1.2, lesser.y + draw.uniform(2.0, 12.0) * k, 0.0);
                    let line = low - high;
                    f.point = high.lerp(low, 0.5);
                    f.normal = v(-line.y, line.x, draw.gauss(0.0, 9.0)).unit();
                    if f.normal.y > 0.0 {
                        f.normal = -f.normal;
                    }
                }
                FractureKind::TrochantericA3 => {
                    let medial = v(j.x - s * 1.2, lesser.y + draw.uniform(6.0, 20.0) * k, 0.0);
                    let lateral = v(j.x + s * 1.3, medial.y - draw.uniform(2.0, 30.0) * k, 0.0);
                    let line = lateral - medial;
                    f.point = medial.lerp(lateral, 0.5);
                    f.normal = v(line.y, -line.x, draw.gauss(0.0, 6.0)).unit();
                }
                _ => {
                    let below = draw.uniform(8.0, 45.0) * k;
                    f.point = femur.shaft_point(below);
                    f.normal = v(draw.gauss(0.0, 0.45), -1.0, draw.gauss(0.0, 0.3)).unit();
                    f.jag *= 1.6;
                }
            },
        }
        if matches!(
            kind,
            FractureKind::GardenIII
                | FractureKind::GardenIV
                | FractureKind::TrochantericA2
                | FractureKind::TrochantericA3
        ) {
            for _ in 0..draw.below(4) {
                let side = f.normal.cross(v(0.0, 0.0, 1.0)).unit();
                let at =
                    f.point + side * draw.uniform(-16.0, 16.0) + v(0.0, 0.0, -draw.uniform(4.0, 16.0)) + f.shift * 0.5;
                f.pieces.push((at, draw.uniform(1.5, 4.5)));
            }
        }
        if occult {
            f.gap = 0.0;
            f.head_turn = 0.0;
            f.head_tilt = 0.0;
            f.shift = V3::default();
            f.external = 0.0;
            f.varus = 0.0;
            f.impaction = 0.0;
            f.lesser_fragment = None;
            f.pieces.clear();
        }
        f.displacement = (f.shift.dot(f.shift)).sqrt() + f.gap;
        f
    }

    /// What happens to the far fragment, before the leg's own pose: it follows the upper piece's end, turns out and
    /// is pulled up.
    pub fn far_pose(&self) -> Pose {
        let follow = self.head_pose().point(self.point) - self.point;
        let follow = if self.kind.location() == FractureLocation::Extracapsular || self.varus != 0.0 {
            follow * 0.85
        } else {
            V3::default()
        };
        Pose::about(self.point, Pose::turn_y(self.external))
            .then(&Pose::shift(self.shift + follow + self.normal * (self.gap * 0.5)))
    }

    /// What happens to the head's fragment: it turns in its socket.
    pub fn head_pose(&self) -> Pose {
        // Muscles pull a short upper piece into flexion and abduction.
        let pull = if self.kind == FractureKind::Subtrochanteric {
            (self.displacement / 30.0).min(1.0)
        } else {
            0.0
        };
        Pose::turn_z(self.varus - self.head_turn - 14.0 * pull).then(&Pose::turn_x(-self.head_tilt * 0.6 - 28.0 * pull))
    }

    /// What happens to a lesser trochanter that broke off; `None` where it did not.
    pub fn lesser_pose(&self, femur: &Femur) -> Option<Pose> {
        let (by, turn) = self.lesser_fragment?;
        let own = Pose::about(femur.lesser_tip(), Pose::turn_z(turn)).then(&Pose::shift(by));
        Some(own.then(&self.far_pose()))
    }

    /// The bone's parts, moved, in the femur's frame.
    pub fn parts(&self, femur: &Femur, whole: &Group) -> Vec<Group> {
        if self.occult {
            return vec![whole.clone()];
        }
        let mut clip = Clip::new(self.point, self.normal);
        clip.jag = self.jag;
        clip.phase = self.phase;
        let mut head = whole.clone();
        head.clips.push(clip.clone());
        let mut far = whole.clone();
        far.clips.push(clip.flipped());
        let mut parts = Vec::new();
        if self.lesser_fragment.is_some() {
            let lesser = femur.lesser_tip();
            let root = lesser.lerp(v(femur.junction().x, lesser.y, 0.0), 0.55);
            // Oblique, so that it leaves the medial cortex below the trochanter.
            let mut split = Clip::new(root, v(0.80, -0.48, 0.36));
            split.jag = self.jag;
            split.phase = self.phase + 3.0;
            let mut piece = far.clone();
            piece.clips.push(split.clone());
            far.clips.push(split.flipped());
            parts.push(piece.posed(&self.lesser_pose(femur).unwrap_or(Pose::IDENTITY)));
        }
        if self.impaction > 0.0 {
            // Crushed cancellous bone in front of the far fragment.
            let mut band = Group::new(whole.matter);
            band.push(
                Cone::new(
                    self.point,
                    self.point,
                    femur.neck_radius * 0.95,
                    femur.neck_radius * 0.95,
                )
                .flat(self.normal, self.impaction / femur.neck_radius)
                .shell(0.3, 0.3)
                .fill(0.22),
            );
            parts.push(band.posed(&Pose::shift(self.shift * 0.5)));
        }
        if !self.pieces.is_empty() {
            let mut rubble = Group::new(whole.matter);
            for (index, (at, size)) in self.pieces.iter().enumerate() {
                let lean = v((index as f32 * 2.1).sin(), (index as f32 * 1.3).cos(), 0.4).unit();
                rubble.push(
                    Cone::new(*at, *at + lean * (size * 1.6), *size, size * 0.5)
                        .shell(0.9, 0.9)
                        .fill(0.15)
                        .blend(0.5),
                );
            }
            parts.push(rubble);
        }
        parts.push(head.posed(&self.head_pose()));
        parts.push(far.posed(&self.far_pose()));
        parts
    }

    /// 0 unseen .. 1 plain: from displacement, gap along the beam, turn and crushed bone.
    pub fn visibility(&self) -> f32 {
        if self.occult {
            return 0.0;
        }
        // A gap shows where the beam runs along it.
        let edge_on = (1.0 - self.normal.z * self.normal.z).sqrt().powi(4);
        let step = (self.shift.x.powi(2) + self.shift.y.powi(2)).sqrt();
        let evidence = step / 4.0
            + self.gap * edge_on / 1.6
            + self.head_turn.abs() / 14.0
            + self.varus.abs() / 12.0
            + self.impaction / 6.0
            + self.external / 60.0
            + if self.lesser_fragment.is_some() { 0.8 } else { 0.0 };
        1.0 - (-evidence).exp()
    }
}
