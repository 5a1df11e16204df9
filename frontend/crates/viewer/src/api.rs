//! What a page gives to the viewer and hears from it.

use std::rc::Rc;

/// What [`Viewer::mount`](crate::Viewer::mount) needs to know.
#[derive(Clone)]
pub struct Options {
    /// Address of the frame, `/frames/{sop_instance_uid}`.
    pub frame_url: String,
    /// Boxes to draw over the picture at the start. A picture with boxes is a frontal view, where the left of the
    /// picture as stored is the patient's right: only then R and L stand at the screen's edges.
    pub boxes: Vec<HipBox>,
    /// Called after each change of the state, never while the viewer itself is borrowed.
    pub on_state: Rc<dyn Fn(State)>,
}

/// A rectangle of the picture with a label.
#[derive(Clone, Debug, PartialEq)]
pub struct HipBox {
    /// x0, y0, x1, y1 in the image's own pixels, x to the right and y down, at pixel edges.
    pub rect: [f32; 4],
    /// Shown beside the box, for example `R · doubtful 0.63`.
    pub label: String,
    pub style: BoxStyle,
}

/// How a box is drawn; each style differs in shape as well as in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxStyle {
    /// Thin grey line.
    Negative,
    /// Dashed amber line.
    Doubtful,
    /// Solid red line.
    Definite,
    /// Hatched grey area.
    Excluded,
}

/// What a drag with the main button or one finger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tool {
    /// Right and left change the width of the window, up and down its centre.
    #[default]
    Window,
    Pan,
    Zoom,
}

/// One step that a button or a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// The whole picture in the canvas.
    Fit,
    /// One pixel of the image on one pixel of the display.
    OneToOne,
    Invert,
    /// A quarter turn clockwise.
    RotateRight,
    /// A quarter turn anticlockwise.
    RotateLeft,
    /// Left and right change places on the screen.
    FlipHorizontal,
    /// Back to the view and the window in which the picture opened.
    Reset,
    ToggleBoxes,
    /// Fits this rectangle of the image (x0, y0, x1, y1 in its pixels) with a margin.
    ZoomTo([f32; 4]),
    /// Takes the preset at this index of [`State::presets`].
    WindowPreset(usize),
    ZoomIn,
    ZoomOut,
}

/// What the viewer shows now.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct State {
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
    pub boxes_visible: bool,
    /// Where distances come from: `calibrated 0.14 mm/px`, `detector plane 0.14 mm/px`,
    /// `magnification-corrected 0.14 mm/px` or `pixels`.
    pub spacing_label: String,
    /// Names of the windows to choose from: the file's own in their order, then `percentile`.
    pub presets: Vec<String>,
    /// `WebGL2` or `CPU`: who draws the pixels.
    pub renderer: &'static str,
}
