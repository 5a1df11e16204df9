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

/// Ends of a uniform prior, or of a range that a severity of 0 to 1 runs through.
pub type Span = [f32; 2];

/// How the parts of one kind of fracture lie to each other: mm and degrees, first as little displaced as the kind
/// allows, then as much. All are priors, set so that pictures look like those of the kind's description; where a kind
/// has no such movement both ends are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Displacement {
    pub gap: Span,
    /// Of the head's fragment in the picture's plane, + valgus. Of Garden II and IV it does not go with severity.
    pub head_turn: Span,
    /// Backwards; does not go with severity.
    pub head_tilt: Span,
    /// Of the far fragment: lateral, up.
    pub lateral: Span,
    pub up: Span,
    /// Negative where it goes back; does not go with severity.
    pub forward: Span,
    /// External rotation of the far fragment.
    pub external: Span,
    /// Between the fragments. Of subtrochanteric fractures it does not go with severity.
    pub varus: Span,
    /// Crushed cancellous bone, thickness.
    pub impaction: Span,
}

/// Displacement of every kind, in the order of [`crate::FractureKind::ALL`], and what else is drawn of a fracture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FracturePriors {
    pub displacement: [Displacement; 9],
    /// Share of Garden III that are impacted.
    pub impacted_garden_iii: f32,
    /// Share of A3 with a lesser trochanter that broke off; of A2 all have it.
    pub lesser_a3: f32,
    /// Share of fractures of the neck that are subcapital, the others being transcervical (prior).
    pub subcapital: f32,
    /// Level of subcapital, transcervical and basicervical fractures along the neck, in head radii.
    pub subcapital_level: Span,
    pub transcervical_level: Span,
    pub basicervical_level: Span,
    /// Angle of Pauwels, degrees.
    pub pauwels: Normal,
    /// Height of the teeth of the fracture's plane, mm.
    pub jag: Span,
}

impl Default for FracturePriors {
    fn default() -> Self {
        let garden_i = Displacement {
            gap: [0.15, 0.15],
            head_turn: [5.0, 17.0],
            head_tilt: [0.0, 18.0],
            lateral: [-0.8, -3.2],
            up: [0.3, 1.5],
            external: [0.0, 18.0],
            impaction: [1.0, 3.5],
            ..Displacement::default()
        };
        let garden_ii = Displacement {
            gap: [0.4, 1.6],
            head_turn: [-2.0, 2.0],
            head_tilt: [0.0, 8.0],
            lateral: [0.0, 0.8],
            up: [0.0, 1.6],
            external: [0.0, 18.0],
            ..Displacement::default()
        };
        let garden_iii = Displacement {
            gap: [0.8, 4.0],
            head_turn: [-12.0, -32.0],
            head_tilt: [5.0, 30.0],
            lateral: [0.0, 5.0],
            up: [5.0, 13.0],
            forward: [0.0, -6.0],
            external: [15.0, 45.0],
            impaction: [1.5, 1.5],
            ..Displacement::default()
        };
        let garden_iv = Displacement {
            gap: [1.5, 6.0],
            // Mean and standard deviation of 5 each way.
            head_turn: [-8.0, 2.0],
            head_tilt: [0.0, 25.0],
            lateral: [2.0, 10.0],
            up: [11.0, 27.0],
            forward: [-2.0, -10.0],
            external: [25.0, 60.0],
            ..Displacement::default()
        };
        let basicervical = Displacement {
            gap: [0.6, 3.0],
            lateral: [0.0, 4.0],
            up: [0.5, 12.0],
            external: [5.0, 45.0],
            varus: [2.0, 25.0],
            ..Displacement::default()
        };
        let a1 = Displacement {
            gap: [0.5, 2.5],
            lateral: [0.0, 3.0],
            up: [0.5, 9.0],
            external: [5.0, 40.0],
            varus: [0.0, 16.0],
            ..Displacement::default()
        };
        let a2 = Displacement {
            gap: [1.0, 5.0],
            lateral: [-2.0, 6.0],
            up: [5.0, 28.0],
            forward: [0.0, -5.0],
            external: [25.0, 75.0],
            varus: [12.0, 38.0],
            ..Displacement::default()
        };
        let a3 = Displacement {
            gap: [1.0, 5.0],
            lateral: [-4.0, -24.0],
            up: [0.0, 18.0],
            external: [10.0, 50.0],
            varus: [0.0, 22.0],
            ..Displacement::default()
        };
        let subtrochanteric = Displacement {
            gap: [1.0, 5.0],
            lateral: [0.0, -22.0],
            up: [0.0, 26.0],
            forward: [0.0, -10.0],
            external: [10.0, 60.0],
            // Mean and standard deviation of 8 each way.
            varus: [-2.0, 14.0],
            ..Displacement::default()
        };
        Self {
            displacement: [
                garden_i,
                garden_ii,
                garden_iii,
                garden_iv,
                basicervical,
                a1,
                a2,
                a3,
                subtrochanteric,
            ],
            impacted_garden_iii: 0.3,
            lesser_a3: 0.4,
            subcapital: 0.83,
            subcapital_level: [0.75, 1.1],
            transcervical_level: [1.1, 1.65],
            basicervical_level: [1.8, 2.2],
            pauwels: normal(50.0, 10.0),
            jag: [0.5, 1.6],
        }
    }
}

/// Implants at a hip and screws in the spine: mm, with the femur's own measures beside them where an implant is fitted to
/// the bone. Makers' sizes, rounded; what is marked so is a prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetalPriors {
    /// Share of steel among stems, plates, nails and screws, the others being titanium (prior).
    pub steel: f32,
    /// Radii of the heads of total arthroplasties; that of a hemiarthroplasty is the patient's own.
    pub head_radii: [f32; 3],
    /// Length of a stem below the cut (115-160).
    pub stem_length: Span,
    /// Share of cemented stems (prior).
    pub cemented: f32,
    /// Density of cement against cortical bone (1.2-1.3 g/cm3 with its contrast agent).
    pub cement: f32,
    /// By how much a cup is wider than the socket, radius (prior), and its least radius.
    pub cup_over: Span,
    pub cup_least: f32,
    /// Share of titanium cups (prior).
    pub cup_titanium: f32,
    /// Of a cup, none to two (15-50 long).
    pub cup_screw: Span,
    /// From the tip of a lag screw to the head's surface (tip-apex distance 10-30, of which half is seen).
    pub lag_tip: Span,
    /// Thread and shank of a lag screw, and the barrel of a plate: radii.
    pub lag: [f32; 3],
    /// Length of a plate without holes, of each hole, half its thickness and half its width; two to four holes.
    pub plate: [f32; 4],
    /// Radius of screws through a plate.
    pub cortical_screw: f32,
    /// Share of short nails (prior), their length, and that of long ones.
    pub short_nails: f32,
    pub short_nail: Span,
    pub long_nail: Span,
    /// Radii of a nail at its top and its tip, of its lag screw and of its bolt.
    pub nail: [f32; 4],
    /// Radii of thread, shank and head of a cannulated screw; from its tip to the head's surface.
    pub cannulated: [f32; 3],
    pub cannulated_tip: Span,
    /// Share of titanium in the spine (prior); radii of a pedicle screw, of its head and of the rod.
    pub spine_titanium: f32,
    pub spine: [f32; 3],
}

impl Default for MetalPriors {
    fn default() -> Self {
        Self {
            steel: 0.55,
            head_radii: [14.0, 16.0, 18.0],
            stem_length: [115.0, 155.0],
            cemented: 0.6,
            cement: 0.55,
            cup_over: [0.0, 3.0],
            cup_least: 22.0,
            cup_titanium: 0.7,
            cup_screw: [15.0, 38.0],
            lag_tip: [7.0, 14.0],
            lag: [6.2, 4.0, 6.3],
            plate: [22.0, 17.0, 3.0, 9.5],
            cortical_screw: 2.25,
            short_nails: 0.6,
            short_nail: [170.0, 240.0],
            long_nail: [300.0, 300.0],
            nail: [8.0, 5.2, 5.3, 2.5],
            cannulated: [3.5, 2.4, 4.2],
            cannulated_tip: [8.0, 13.0],
            spine_titanium: 0.7,
            spine: [3.2, 6.5, 3.0],
        }
    }
}

/// What lies on and under the patient: radii, widths and lengths in mm, amounts in mm of the material. All are priors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClutterPriors {
    /// Share of buttons of metal; radius, distance between two of a row, and thickness of metal and plastic.
    pub metal_buttons: f32,
    pub button_radius: Span,
    pub button_distance: Span,
    pub button_metal: Span,
    pub button_plastic: Span,
    /// Share of sides on which the trolley's rail is in the picture, and where, as a share of its width from the middle.
    pub rail: f32,
    pub rail_at: Span,
    pub rail_half_width: Span,
    pub rail_amount: Span,
    /// From the rail to the mattress's seam.
    pub seam_distance: Span,
    pub seam_amount: Span,
    /// Share of trolleys whose handle lies across.
    pub handle: f32,
    pub handle_half_width: Span,
    pub handle_amount: Span,
    /// Share of tubes, the others being cables; half widths and amounts (bone for tubes, steel for cables).
    pub tubes: f32,
    pub tube_half_width: Span,
    pub tube_amount: Span,
    pub cable_half_width: Span,
    pub cable_amount: Span,
    /// Wires of an electrocardiogram and their electrodes, steel.
    pub wire_half_width: Span,
    pub wire_amount: Span,
    pub electrode_radius: f32,
    pub electrode_amount: f32,
}

impl Default for ClutterPriors {
    fn default() -> Self {
        Self {
            metal_buttons: 0.4,
            button_radius: [4.5, 10.0],
            button_distance: [40.0, 110.0],
            button_metal: [0.3, 0.7],
            button_plastic: [3.0, 6.0],
            rail: 0.8,
            rail_at: [0.36, 0.47],
            rail_half_width: [5.0, 12.0],
            rail_amount: [3.0, 9.0],
            seam_distance: [12.0, 30.0],
            seam_amount: [0.5, 1.4],
            handle: 0.3,
            handle_half_width: [4.0, 9.0],
            handle_amount: [2.0, 6.0],
            tubes: 0.6,
            tube_half_width: [1.6, 3.2],
            tube_amount: [0.3, 0.8],
            cable_half_width: [0.7, 1.5],
            cable_amount: [0.08, 0.3],
            wire_half_width: [0.7, 1.6],
            wire_amount: [0.1, 0.35],
            electrode_radius: 5.0,
            electrode_amount: 0.35,
        }
    }
}

/// How unevenly cancellous bone absorbs, as shares of its mean. Priors, set against the hips of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrabecularPriors {
    /// Of pelvis and spine, at three sizes of 0.7, 1.3 and 3.1 mm.
    pub sponge: [f32; 3],
    /// Of the proximal femur, streaks and mesh together, and what a bone that has lost all it can adds.
    pub grain: f32,
    pub grain_loss: f32,
}

impl Default for TrabecularPriors {
    fn default() -> Self {
        Self {
            sponge: [0.30, 0.20, 0.06],
            grain: 0.28,
            grain_loss: 0.10,
        }
    }
}

/// Soft tissue, its folds and what lies in it: mm, and amounts in mm of muscle, negative where there is less. All are
/// priors but where said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftPriors {
    /// How unevenly muscle absorbs, as a share of its thickness, at three sizes of about 48, 19 and 6.5 mm.
    pub uneven: [f32; 3],
    pub groin_half_width: Span,
    pub groin_amount: Span,
    /// Share of sides with a buttock's fold in the picture.
    pub buttock: f32,
    pub buttock_half_width: Span,
    pub buttock_amount: Span,
    /// Loops of bowel with gas (3-15 pockets of 8-60), for a picture of the pelvis; an abdomen has `abdomen` times as many.
    pub loops: Span,
    pub filling: Span,
    pub abdomen: f32,
    pub pocket_radius: Span,
    pub pocket_depth: Span,
    /// Share of rectums with gas.
    pub rectum: f32,
    pub rectum_radius: Span,
    /// Groups of stool at most, and the radius of their pockets (mottled 3-8).
    pub stool_groups: usize,
    pub stool_radius: Span,
    /// Calcified walls of an artery (tram lines 6-10 apart) and a catheter (5-6 wide), amounts in mm of bone.
    pub artery_half_width: f32,
    pub artery_amount: Span,
    pub catheter_half_width: f32,
    pub catheter_amount: f32,
}

impl Default for SoftPriors {
    fn default() -> Self {
        Self {
            uneven: [0.040, 0.026, 0.010],
            groin_half_width: [1.2, 9.0],
            groin_amount: [-1.5, -9.0],
            buttock: 0.7,
            buttock_half_width: [1.5, 9.0],
            buttock_amount: [-1.5, -11.0],
            loops: [3.0, 11.0],
            filling: [0.4, 1.5],
            abdomen: 2.2,
            pocket_radius: [6.0, 22.0],
            pocket_depth: [0.7, 1.7],
            rectum: 0.75,
            rectum_radius: [5.0, 22.0],
            stool_groups: 5,
            stool_radius: [1.2, 4.2],
            artery_half_width: 3.6,
            artery_amount: [0.2, 0.9],
            catheter_half_width: 2.8,
            catheter_amount: 0.7,
        }
    }
}

/// How one kind of station shows its pictures, see [`crate::Processing`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    pub weight: f32,
    pub base_gain: Span,
    pub detail_gain: Span,
    /// mm.
    pub base_sigma: Span,
    pub edge_gain: Span,
    /// mm.
    pub edge_sigma: Span,
}

/// Of a room: its processing, dose and tube. Priors but where said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StationPriors {
    /// Plain film-like, MUSICA-like, harmonised, equalised, old CR with one unsharp mask. How far the large scale is
    /// held back and detail brought out was set against the hips of the corpus, see the README.
    pub looks: [Look; 5],
    /// Weights of the tubes' spectra, from soft to hard.
    pub spectra: [f32; 4],
    /// Grey of the thinnest anatomy, of pelvis and knee and of the other views.
    pub black: Span,
    pub black_bright: Span,
    /// Share of rooms whose densest anatomy is dark, and its grey there and elsewhere.
    pub dark: f32,
    pub white_dark: Span,
    pub white: Span,
    /// Share without an S-curve, and its steepness elsewhere.
    pub straight: f32,
    pub curve: Span,
    /// Share of pelvis and knee with the gamma of the other views, and both.
    pub low_gamma: f32,
    pub gamma_low: Span,
    pub gamma: Span,
    /// Share whose window spans the whole stored range, and its share of it elsewhere.
    pub full_window: f32,
    pub window: Span,
    pub sigmoid: f32,
    /// Share of chests at the wall, and the distances of tube and detector, mm.
    pub wall_chest: f32,
    pub distance_wall: Span,
    pub distance: Span,
    /// Detective quantum efficiency, share of scatter behind the grid, spread of the heel effect.
    pub dqe: Span,
    pub scatter: Span,
    pub heel: f32,
}

impl Default for StationPriors {
    fn default() -> Self {
        let look = |weight, base_gain, detail_gain, base_sigma, edge_gain, edge_sigma| Look {
            weight,
            base_gain,
            detail_gain,
            base_sigma,
            edge_gain,
            edge_sigma,
        };
        let (soft, film, mask) = ([0.0, 0.6], [0.0, 0.4], [0.3, 0.8]);
        Self {
            looks: [
                look(0.16, [0.75, 1.0], [1.0, 1.2], [10.0, 20.0], film, [0.3, 0.8]),
                look(0.26, [0.45, 0.80], [0.80, 1.2], [8.0, 16.0], soft, [0.3, 1.2]),
                look(0.26, [0.45, 0.75], [0.80, 1.2], [10.0, 20.0], soft, [0.3, 1.2]),
                look(0.20, [0.45, 0.75], [0.75, 1.1], [12.0, 20.0], soft, [0.3, 1.2]),
                look(0.12, [0.70, 1.0], [1.0, 1.2], [8.0, 14.0], mask, [0.8, 2.0]),
            ],
            spectra: [0.2, 0.4, 0.25, 0.15],
            black: [0.0, 0.10],
            black_bright: [0.0, 0.28],
            dark: 0.68,
            white_dark: [0.46, 0.68],
            white: [0.60, 0.92],
            straight: 0.58,
            curve: [0.15, 0.6],
            low_gamma: 0.22,
            gamma_low: [0.75, 1.5],
            gamma: [1.3, 2.9],
            full_window: 0.6,
            window: [0.55, 0.95],
            sigmoid: 0.08,
            wall_chest: 0.45,
            distance_wall: [1500.0, 1850.0],
            distance: [1000.0, 1160.0],
            dqe: [0.28, 0.68],
            scatter: [0.15, 0.7],
            heel: 0.03,
        }
    }
}

/// How often what is seen. Shares of 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub women: SexPriors,
    pub men: SexPriors,
    /// What a fracture looks like.
    pub fractures: FracturePriors,
    pub stations: StationPriors,
    pub metal_shapes: MetalPriors,
    pub clutter_shapes: ClutterPriors,
    pub soft: SoftPriors,
    pub trabeculae: TrabecularPriors,
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
    /// Buttons, edges of the trolley, cables and tubes across the picture (prior); they have a stream of random numbers of
    /// their own.
    pub buttons: f32,
    pub trolley: f32,
    pub lines: f32,
    /// Healed fractures with a mass of callus around the bone, of all healed ones (prior).
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
            fractures: FracturePriors::default(),
            stations: StationPriors::default(),
            metal_shapes: MetalPriors::default(),
            clutter_shapes: ClutterPriors::default(),
            soft: SoftPriors::default(),
            trabeculae: TrabecularPriors::default(),
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
            buttons: 0.05,
            trolley: 0.10,
            lines: 0.08,
            frank_callus: 0.35,
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
