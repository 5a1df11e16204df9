//! What is true of a simulated picture.

use serde::{Deserialize, Serialize};

use crate::anatomy::femur::Femur;
use crate::anatomy::pelvis::Hemipelvis;
use crate::anatomy::soft::Body;
use crate::clutter::Clutter;
use crate::fracture::{Fracture, FractureKind, FractureLocation, Side};
use crate::math::V3;
use crate::metal::MetalKind;
use crate::process::Processing;

/// What kind of picture it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    FrontalPelvis,
    LateralHip,
    SingleHip,
    Chest,
    LumbarSpine,
    Knee,
    Abdomen,
}

impl View {
    pub const ALL: [View; 7] = [
        View::FrontalPelvis,
        View::LateralHip,
        View::SingleHip,
        View::Chest,
        View::LumbarSpine,
        View::Knee,
        View::Abdomen,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    Female,
    Male,
}

/// A fracture as it lies in the picture. Boxes are x0, y0, x1, y1 in full-size pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FractureTruth {
    pub kind: FractureKind,
    pub location: FractureLocation,
    pub displacement_mm: f32,
    /// 0 unseen (occult) .. 1 plain.
    pub visibility: f32,
    /// Holds the fracture's line.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// Points along the fracture's line.
    pub line: Vec<[f32; 2]>,
    pub shortening_mm: f32,
    pub external_rotation_deg: f32,
    pub varus_deg: f32,
    /// Every parameter of it, in the femur's own frame.
    pub drawn: Fracture,
}

/// One hip. Points are x, y in full-size pixels from the left and top edge of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HipTruth {
    pub side: Side,
    pub head_centre: [f32; 2],
    pub neck_centre: [f32; 2],
    pub greater_trochanter: [f32; 2],
    pub lesser_trochanter: [f32; 2],
    pub shaft: [f32; 2],
    pub head_diameter_mm: f32,
    pub neck_shaft_deg: f32,
    pub internal_rotation_deg: f32,
    pub head_box: [f32; 4],
    /// Bounds head, neck and both trochanters.
    pub femur_box: [f32; 4],
    pub fracture: Option<FractureTruth>,
    pub metal: Option<MetalKind>,
    /// Holds the metal, as far as it may reach.
    pub metal_box: Option<[f32; 4]>,
    pub healed_fracture: bool,
    pub frank_callus: bool,
    pub paget: bool,
    /// Kellgren-Lawrence grade.
    pub arthritis: u8,
    /// The measures that this hip was built from, in millimetres of a grown-up (the body's size is in `drawn`).
    pub femur: Femur,
    pub hemipelvis: Hemipelvis,
    pub abduction_deg: f32,
    pub flexion_deg: f32,
    pub anteversion_deg: f32,
}

/// The spine of a picture of the trunk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnTruth {
    /// Of the largest vertebra, mm.
    pub width_mm: f32,
    /// 0 none .. 1 much.
    pub wear: f32,
    pub scoliosis_deg: f32,
    pub lordosis_deg: f32,
}

/// A chest or a knee: what was drawn of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimbTruth {
    Chest {
        half_width_mm: f32,
        half_depth_mm: f32,
        fat_mm: f32,
        inspiration_mm: f32,
        heart: f32,
        arms_up: bool,
    },
    Knee {
        size: f32,
        narrowing_mm: f32,
        fat_mm: f32,
        girth: f32,
        flexion_deg: f32,
        turn_deg: f32,
        both: bool,
    },
}

/// Every parameter drawn that the rest of the truth does not name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Size against a grown body; cortex against that at 50 years; cancellous bone as a share of cortex.
    pub size: f32,
    pub cortex: f32,
    pub cancellous: f32,
    pub body: Option<Body>,
    pub column: Option<ColumnTruth>,
    pub limb: Option<LimbTruth>,
    /// The focal spot over the detector's middle, mm; its z is the distance between source and image.
    pub source: V3,
    pub scatter_ratio: f32,
    pub detective_efficiency: f32,
    /// Change of the beam from the middle to the upper edge.
    pub heel: f32,
    pub processing: Processing,
    pub collimated: bool,
    /// Letters in the picture.
    pub letters: Vec<String>,
    pub gas_pockets: u32,
    pub calcified_arteries: bool,
    pub catheter: bool,
    pub clutter: Clutter,
}

/// Truth of a whole picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub seed: u64,
    pub view: View,
    pub columns: u32,
    pub rows: u32,
    /// Millimetres a pixel at the detector.
    pub pitch_mm: f32,
    /// Enlargement of things at the hips' height.
    pub magnification: f32,
    /// Right hip first; only those that the view shows.
    pub hips: Vec<HipTruth>,
    pub age: u32,
    pub sex: Sex,
    pub immature: bool,
    /// 0 dense .. 1 osteoporotic.
    pub bone_loss: f32,
    pub spinal_metal: bool,
    pub ramus_fracture: Option<Side>,
    pub skin_folds: bool,
    pub tilt_deg: f32,
    pub axial_rotation_deg: f32,
    pub roll_deg: f32,
    pub half_width_mm: f32,
    pub half_depth_mm: f32,
    pub kvp: f32,
    pub detector_dose_ugy: f32,
    pub bits: u8,
    pub monochrome1: bool,
    pub corner_blocks: bool,
    pub drawn: Drawn,
}

impl Truth {
    pub fn hip(&self, side: Side) -> Option<&HipTruth> {
        self.hips.iter().find(|h| h.side == side)
    }
    pub fn any_fracture(&self) -> bool {
        self.hips.iter().any(|h| h.fracture.is_some())
    }
    pub fn any_hip_metal(&self) -> bool {
        self.hips.iter().any(|h| h.metal.is_some())
    }
}
