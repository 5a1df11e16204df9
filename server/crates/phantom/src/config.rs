//! Every prior in one place.

use serde::{Deserialize, Serialize};

/// Mean and standard deviation of a normal prior, cut at 2.5 deviations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    pub mean: f32,
    pub sd: f32,
}

const fn normal(mean: f32, sd: f32) -> Normal {
    Normal { mean, sd }
}

/// Bone measures that differ between the sexes, mm and degrees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SexPriors {
    /// 43.0 ± 2.3 women, 48.5 ± 2.6 men (prior).
    pub head_diameter: Normal,
    /// Narrowest neck from top to bottom (women 29.9 ± 2.4: J Bone Miner Metab 2007; else prior).
    pub neck_width: Normal,
    /// 124.7 ± 6.2 over all, women more valgus (Carmona 2022).
    pub neck_shaft: Normal,
    /// 14.5 ± 8.1 (Carmona 2022), women higher.
    pub anteversion: Normal,
    /// Head centre to shaft axis along the neck, from offsets of Preininger 2012.
    pub neck_length: Normal,
    /// Outer shaft at the isthmus (prior).
    pub shaft_width: Normal,
    /// Hip centre to hip centre (prior).
    pub hip_distance: Normal,
    /// Acetabular index of Sharp (Fowkes 2011).
    pub sharp_angle: Normal,
    /// 23 ± 5 (Stem 2006).
    pub socket_anteversion: Normal,
    /// Joint space (Lanyon 2003; Lequesne 2004).
    pub joint_space: Normal,
    /// Hip breadth, seated 370 ± 38 women, 360 ± 29 men (anthropometric tables); lying it is a little less.
    pub hip_breadth: Normal,
}

impl Default for SexPriors {
    fn default() -> Self {
        SexPriors::women()
    }
}

impl SexPriors {
    fn women() -> Self {
        Self {
            head_diameter: normal(43.0, 2.3),
            neck_width: normal(30.5, 2.3),
            neck_shaft: normal(126.0, 6.0),
            anteversion: normal(16.0, 9.0),
            neck_length: normal(49.0, 5.0),
            shaft_width: normal(25.5, 2.0),
            hip_distance: normal(177.0, 9.0),
            sharp_angle: normal(39.6, 3.5),
            socket_anteversion: normal(24.0, 5.0),
            joint_space: normal(3.85, 0.8),
            hip_breadth: normal(352.0, 36.0),
        }
    }
    fn men() -> Self {
        Self {
            head_diameter: normal(48.5, 2.6),
            neck_width: normal(35.5, 2.6),
            neck_shaft: normal(124.0, 6.0),
            anteversion: normal(12.0, 8.0),
            neck_length: normal(53.0, 6.0),
            shaft_width: normal(28.5, 2.0),
            hip_distance: normal(176.0, 9.0),
            sharp_angle: normal(38.0, 3.5),
            socket_anteversion: normal(21.0, 5.0),
            joint_space: normal(4.19, 0.8),
            hip_breadth: normal(345.0, 30.0),
        }
    }
}

/// How often what is seen. Shares of 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub women: SexPriors,
    pub men: SexPriors,
    /// Share of women among films of the pelvis (prior 0.60-0.65).
    pub female: f32,
    /// Share of children and adolescents (2-17 years).
    pub immature: f32,
    /// Share of the grown up who are 18-55; the others are 55-98.
    pub young_adult: f32,
    /// Weights of the views, in the order of `View`.
    pub views: [f32; 7],
    /// Share of pelves of the grown up with a fracture of a hip (prior; lower in an archive).
    pub fracture: f32,
    /// Fracture kinds: Garden I, II, III, IV, basicervical, A1, A2, A3, subtrochanteric
    /// (Swedish register in J Orthop Surg Res 2021; Mattisson 2018; neck to trochanteric 52:39:9 is a prior).
    pub fracture_kinds: [f32; 9],
    /// Share of fractures that leave no mark on the film (Deleanu 2015: 4.8 %).
    pub occult: f32,
    /// Share of hips of the grown up over 55 with metal (15-25 % of films; prior).
    pub metal: f32,
    /// Hemiarthroplasty, total arthroplasty, dynamic hip screw, nail, cannulated screws (prior).
    pub metal_kinds: [f32; 5],
    /// Spinal hardware away from the hips.
    pub spinal_metal: f32,
    /// Arthritis visible at 85 (Scott 1999: 10 % severe; KL >= 2 in 17-23 %: Nelson 2010).
    pub arthritis: f32,
    pub ramus_fracture: f32,
    pub paget: f32,
    pub healed_fracture: f32,
    /// Skin folds across neck or shaft, a mimic (prior 0.3-0.5).
    pub folds: f32,
    pub catheter: f32,
    pub calcified_arteries: f32,
    /// Opaque black or white blocks that hide text at the corners; drawn alike for every view.
    pub corner_blocks: f32,
    pub marker: f32,
    pub burned_text: f32,
    /// Visible collimation.
    pub collimated: f32,
    pub monochrome1: f32,
    /// Stations that give a VOI LUT Sequence instead of a window (prior).
    pub lut_sequence: f32,
    /// Electrocardiogram leads over a chest, and over any other picture (prior).
    pub leads_chest: f32,
    pub leads: f32,
    /// Buttons, edges of the trolley, cables and tubes across the picture: off, since the networks of today were
    /// trained without; have a stream of random numbers of their own.
    pub buttons: f32,
    pub trolley: f32,
    pub lines: f32,
    /// Healed fractures with a mass of callus around the bone, of all healed ones: off, as those before.
    pub frank_callus: f32,
    /// Head-centre distance over picture width, grown up and immature (measured on 19 real films).
    pub framing_adult: Normal,
    pub framing_immature: Normal,
    /// Hip midpoint in the picture, x and y as shares of width and height.
    pub middle_x: Normal,
    pub middle_y: Normal,
    /// Slope of the line between the hips, degrees.
    pub roll: Normal,
    pub axial_rotation: Normal,
    pub tilt: Normal,
    /// Internal rotation of a sound leg, degrees.
    pub leg_rotation: Normal,
    pub abduction: Normal,
    /// Dose at the detector against the nominal 3 uGy: standard deviation of its natural logarithm.
    pub dose_spread: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            women: SexPriors::women(),
            men: SexPriors::men(),
            female: 0.62,
            immature: 0.14,
            young_adult: 0.30,
            views: [0.60, 0.10, 0.06, 0.10, 0.05, 0.05, 0.04],
            fracture: 0.30,
            fracture_kinds: [7.0, 4.5, 16.0, 20.0, 6.0, 12.0, 19.0, 8.0, 7.5],
            occult: 0.03,
            metal: 0.14,
            metal_kinds: [0.22, 0.48, 0.15, 0.10, 0.05],
            spinal_metal: 0.04,
            arthritis: 0.35,
            ramus_fracture: 0.04,
            paget: 0.01,
            healed_fracture: 0.03,
            folds: 0.45,
            catheter: 0.12,
            calcified_arteries: 0.25,
            corner_blocks: 0.40,
            marker: 0.75,
            burned_text: 0.35,
            collimated: 0.35,
            monochrome1: 0.35,
            lut_sequence: 0.08,
            leads_chest: 0.5,
            leads: 0.06,
            buttons: 0.0,
            trolley: 0.0,
            lines: 0.0,
            frank_callus: 0.0,
            framing_adult: normal(0.470, 0.050),
            framing_immature: normal(0.405, 0.055),
            middle_x: normal(0.495, 0.028),
            middle_y: normal(0.520, 0.095),
            roll: normal(0.5, 3.3),
            axial_rotation: normal(0.0, 4.0),
            tilt: normal(6.0, 7.0),
            leg_rotation: normal(4.0, 11.0),
            abduction: normal(-3.0, 5.0),
            dose_spread: 0.6,
        }
    }
}
