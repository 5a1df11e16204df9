//! What the study page and the viewer say to each other. They are two WebAssembly modules, so it travels as JSON.

use serde::{Deserialize, Serialize};

use crate::{Side, StudyRow, StudyUid, Timestamp};

/// What a drag with the main button or one finger does; the arrow keys on the picture do the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Right and left change the width of the window, up and down its centre.
    #[default]
    Window,
    Pan,
    Zoom,
    /// A lens under the pointer.
    Magnifier,
    /// Two points.
    Length,
    /// Three points, the vertex second.
    Angle,
}

/// One step that a button or a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Tool(Tool),
    /// The whole picture in the canvas.
    Fit,
    /// One pixel of the image on one pixel of the display.
    OneToOne,
    ZoomIn,
    ZoomOut,
    Invert,
    /// A quarter turn anticlockwise.
    RotateLeft,
    /// A quarter turn clockwise.
    RotateRight,
    /// Left and right change places on the screen.
    FlipHorizontal,
    /// Top and bottom change places on the screen.
    FlipVertical,
    /// Back to the view and the window in which the file says the picture opens. Measurements stay.
    Reset,
    Undo,
    Redo,
    ToggleBoxes,
    /// Everything that lies over the picture, off or on again as it was.
    ToggleOverlays,
    /// Fits this rectangle of the image (x0, y0, x1, y1 in its pixels) with a margin.
    ZoomTo([f32; 4]),
    /// Takes the preset at this index of [`ViewerState::presets`].
    Preset(usize),
    /// Takes the preset after the one that is on.
    NextPreset,
    /// The one touched last, else the newest.
    DeleteMeasurement,
    ClearMeasurements,
    /// 0 is off, 1 covers the picture where the network looked most.
    HeatMap(f32),
    /// Whether this picture keeps the scale of the others on the page.
    Link(bool),
}

/// How a box is drawn; each style differs in shape as well as in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxStyle {
    /// Thin line.
    Negative,
    /// Dashed line.
    Doubtful,
    /// Thick line.
    Definite,
    /// Dotted line and hatching.
    Excluded,
}

/// A rectangle of the picture with a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HipBox {
    /// x0, y0, x1, y1 in the image's own pixels, x to the right and y down, at pixel edges.
    pub rect: [f32; 4],
    /// Shown beside the box, for example `R doubtful 0.63`.
    pub label: String,
    pub style: BoxStyle,
}

/// What each place of a hip adds to its fracture score: a class activation map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    pub side: Side,
    /// The hip's box, which the map covers: x0, y0, x1, y1 in the image's own pixels.
    pub rect: [f32; 4],
    pub width: usize,
    pub height: usize,
    /// `width * height` values in logits, row by row as the picture shows them. Their mean and the network's bias
    /// make the score.
    pub values: Vec<f32>,
}

/// What a viewer needs to begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewerOptions {
    /// Address of the frame, `/frames/{sop_instance_uid}`.
    pub frame_url: String,
    /// Boxes to draw over the picture. A picture with boxes is a frontal view, where the left of the picture as
    /// stored is the patient's right.
    pub boxes: Vec<HipBox>,
    /// The rectangle to open at; the whole picture without one.
    pub zoom_to: Option<[f32; 4]>,
    pub tool: Tool,
    /// What the reader changes is handed back for keeping.
    pub keep: bool,
}

/// What the viewer shows now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewerState {
    /// The picture is on the screen.
    pub loaded: bool,
    /// Share of the frame's bytes received, 0 to 1.
    pub progress: f32,
    /// Why there is no picture, in words for the reader.
    pub error: Option<String>,
    pub tool: Tool,
    /// Display pixels for one pixel of the image.
    pub zoom: f64,
    /// Window centre in modality values (PS3.3 C.11.2.1.2).
    pub window_center: f64,
    /// Window width in modality values.
    pub window_width: f64,
    pub inverted: bool,
    /// The view or the grey levels are not as the picture opened.
    pub changed: bool,
    pub boxes_visible: bool,
    /// Everything that can lie over the picture is off.
    pub overlays_hidden: bool,
    pub heat_opacity: f32,
    pub linked: bool,
    pub can_undo: bool,
    pub can_redo: bool,
    /// `as stored`, or how the picture was turned and mirrored since.
    pub orientation: String,
    /// Where the side letters come from, in words.
    pub sides: String,
    /// Where distances come from: `calibrated 0.14 mm/px`, `detector plane 0.14 mm/px`,
    /// `magnification-corrected 0.14 mm/px` or `pixels`.
    pub spacing: String,
    /// Names of the windows to choose from: the file's own in their order, then `percentile`.
    pub presets: Vec<String>,
    /// The one that is on.
    pub preset: Option<usize>,
    /// Each with its unit and the source of its scale.
    pub measurements: Vec<String>,
    /// The reader left the picture like this before.
    pub restored: bool,
    /// `WebGL2` or `CPU`: who draws the pixels.
    pub renderer: String,
}

/// A study of the same patient that was made before another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlierStudy {
    pub study_uid: StudyUid,
    /// DICOM DA or empty.
    pub study_date: String,
    /// DICOM TM or empty.
    pub study_time: String,
    pub description: String,
    pub images: u32,
    pub received_at: Timestamp,
    pub result: crate::ResultSummary,
}

impl From<StudyRow> for EarlierStudy {
    fn from(row: StudyRow) -> Self {
        Self {
            study_uid: row.study_uid,
            study_date: row.study_date,
            study_time: row.study_time,
            description: row.description,
            images: row.images,
            received_at: row.received_at,
            result: row.result,
        }
    }
}
