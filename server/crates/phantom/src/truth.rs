//! What is true of a simulated picture.

use serde::{Deserialize, Serialize};

use crate::fracture::{FractureKind, FractureLocation, Side};
use crate::metal::MetalKind;

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
    pub healed_fracture: bool,
    pub paget: bool,
    /// Kellgren-Lawrence grade.
    pub arthritis: u8,
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
