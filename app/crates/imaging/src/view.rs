//! The state of a viewport, and who owns which part of it.
//!
//! | struct | owner | says |
//! |---|---|---|
//! | [`ViewState`] | the reader's hands | where the picture is: pan, zoom, rotation, flip |
//! | [`Presentation`] | the reader's hands | how grey levels are shown: VOI and inversion |
//! | [`DataPresentation`] | the reader's hands | what lies over the picture |
//! | [`KeptView`] | the reader's account | all of it that comes back, and the measurements |
//! | [`ResolvedView`] | nobody: computed | the map between canvas and picture for one canvas size |
//!
//! All are plain values. A renderer, on the CPU or the GPU, reads [`ResolvedView`] and
//! [`crate::DisplayLut`] and keeps no state of its own.
//!
//! Picture coordinates count from pixel edges: (0, 0) is the upper left corner of the first pixel, (0.5, 0.5)
//! its centre. Canvas coordinates are device pixels, also from their edges, y down.

use crate::{DisplayLut, Frame, Measurement, Spacing, Voi, VoiLutFunction};
use serde::{Deserialize, Serialize};

/// The smallest and the largest zoom: a thumbnail, and a pixel as large as a thumb.
const ZOOM_LIMITS: [f64; 2] = [0.02, 64.0];
/// The most samples a side that one canvas pixel averages.
const MAXIMUM_SAMPLES: u32 = 6;

/// A map of the plane: `[a, b, c, d, e, f]` takes (x, y) to (a·x + c·y + e, b·x + d·y + f).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    pub const IDENTITY: Affine = Affine([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// Where a point goes.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f] = self.0;
        [a * x + c * y + e, b * x + d * y + f]
    }

    /// Where a direction points: the map without its translation.
    pub fn direction(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, ..] = self.0;
        [a * x + c * y, b * x + d * y]
    }

    /// The map back; `None` where all points fall on a line.
    pub fn inverse(&self) -> Option<Affine> {
        let [a, b, c, d, e, f] = self.0;
        let determinant = a * d - b * c;
        if !determinant.is_finite() || determinant.abs() < 1e-300 {
            return None;
        }
        let [a, b, c, d] = [d, -b, -c, a].map(|v| v / determinant);
        Some(Affine([a, b, c, d, -(a * e + c * f), -(b * e + d * f)]))
    }
}

/// Width and height of picture and canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Columns and rows.
    pub image: [f64; 2],
    /// Device pixels.
    pub canvas: [f64; 2],
    /// The height of a pixel over its width: 1 but for pictures with oblong pixels.
    pub pixel_aspect: f64,
}

impl Sizes {
    /// The sizes of a frame on a canvas of `width` x `height` device pixels.
    pub fn of(frame: &Frame, width: u32, height: u32) -> Self {
        let aspect = frame.spacing.map_or(1.0, |s| s.row / s.column);
        Self {
            image: [f64::from(frame.columns), f64::from(frame.rows)],
            canvas: [f64::from(width.max(1)), f64::from(height.max(1))],
            pixel_aspect: if aspect.is_finite() && aspect > 0.0 {
                aspect
            } else {
                1.0
            },
        }
    }
}

/// Where the picture is, whatever the size of the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewState {
    /// `None`: the whole picture fits, also after the canvas changed its size.
    pub placement: Option<Placement>,
    /// Degrees clockwise, after the flip.
    pub rotation: f64,
    /// Left and right of the picture change places.
    pub flipped: bool,
}

/// A picture that was panned or zoomed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The point of the picture in the middle of the canvas.
    pub centre: [f64; 2],
    /// Device pixels for the width of one pixel of the picture.
    pub zoom: f64,
}

impl ViewState {
    /// The zoom at which a rectangle of the picture just fits the canvas.
    fn fitting(&self, width: f64, height: f64, sizes: Sizes) -> f64 {
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        let (sin, cos) = (clean(sin).abs(), clean(cos).abs());
        let height = height * sizes.pixel_aspect;
        let across = (width * cos + height * sin).max(1e-9);
        let down = (width * sin + height * cos).max(1e-9);
        (sizes.canvas[0] / across).min(sizes.canvas[1] / down)
    }

    fn placed(&self, sizes: Sizes) -> Placement {
        self.placement.unwrap_or_else(|| Placement {
            centre: sizes.image.map(|v| v / 2.0),
            zoom: self.fitting(sizes.image[0], sizes.image[1], sizes),
        })
    }

    /// Device pixels for the width of one pixel of the picture.
    pub fn zoom(&self, sizes: Sizes) -> f64 {
        self.placed(sizes).zoom
    }

    /// The maps between picture and canvas.
    pub fn resolve(&self, sizes: Sizes) -> ResolvedView {
        let Placement { centre: [x, y], zoom } = self.placed(sizes);
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        let (sin, cos) = (clean(sin), clean(cos));
        let mirror = if self.flipped { -zoom } else { zoom };
        let down = zoom * sizes.pixel_aspect;
        // Columns of the matrix: where the picture's right and its down go.
        let [a, b, c, d] = [cos * mirror, sin * mirror, -sin * down, cos * down];
        let middle = sizes.canvas.map(|v| v / 2.0);
        let to_canvas = Affine([a, b, c, d, middle[0] - a * x - c * y, middle[1] - b * x - d * y]);
        ResolvedView {
            to_canvas,
            // A zoom of 0 or beyond all numbers cannot come from `placed` with sizes above 0.
            to_image: to_canvas.inverse().unwrap_or(Affine::IDENTITY),
            zoom,
            hurried: false,
        }
    }

    /// Device pixels for a millimetre across, or for a pixel where the file gives no spacing.
    pub fn scale(&self, sizes: Sizes, spacing: Option<Spacing>) -> f64 {
        self.zoom(sizes) / spacing.map_or(1.0, |s| s.column)
    }

    /// The same middle at another scale, as [`ViewState::scale`] counts it.
    pub fn with_scale(self, scale: f64, sizes: Sizes, spacing: Option<Spacing>) -> Self {
        let zoom = scale * spacing.map_or(1.0, |s| s.column);
        if !(zoom.is_finite() && zoom > 0.0) {
            return self;
        }
        self.with(Placement {
            zoom: zoom.clamp(ZOOM_LIMITS[0], ZOOM_LIMITS[1]),
            ..self.placed(sizes)
        })
    }

    /// The whole picture.
    pub fn fit(self) -> Self {
        Self {
            placement: None,
            ..self
        }
    }

    /// One pixel of the picture on one of the device, about the middle of the canvas.
    pub fn one_to_one(self, sizes: Sizes) -> Self {
        self.with(Placement {
            zoom: 1.0,
            ..self.placed(sizes)
        })
    }

    /// Moves the picture by device pixels; the middle of the canvas stays within the picture.
    pub fn pan(self, by: [f64; 2], sizes: Sizes) -> Self {
        let by = self.resolve(sizes).to_image.direction(by);
        let mut placed = self.placed(sizes);
        for (axis, by) in by.into_iter().enumerate() {
            let moved = placed.centre[axis] - by;
            placed.centre[axis] = if moved.is_finite() {
                moved.clamp(0.0, sizes.image[axis])
            } else {
                placed.centre[axis]
            };
        }
        self.with(placed)
    }

    /// Magnifies by a factor; the point of the picture under `about` (device pixels) stays there, as far as
    /// [`ViewState::pan`] allows.
    pub fn zoom_about(self, about: [f64; 2], factor: f64, sizes: Sizes) -> Self {
        if !(factor.is_finite() && factor > 0.0) {
            return self;
        }
        let point = self.resolve(sizes).to_image.apply(about);
        let placed = self.placed(sizes);
        let zoomed = self.with(Placement {
            zoom: (placed.zoom * factor).clamp(ZOOM_LIMITS[0], ZOOM_LIMITS[1]),
            ..placed
        });
        let now = zoomed.resolve(sizes).to_canvas.apply(point);
        zoomed.pan([about[0] - now[0], about[1] - now[1]], sizes)
    }

    /// Shows a rectangle of the picture, `[x0, y0, x1, y1]`, with `margin` of its size around it in all.
    pub fn zoom_to(self, rect: [f64; 4], margin: f64, sizes: Sizes) -> Self {
        let [x0, y0, x1, y1] = rect;
        let grown = 1.0 + margin;
        let zoom = self.fitting((x1 - x0).abs() * grown, (y1 - y0).abs() * grown, sizes);
        if !zoom.is_finite() {
            return self;
        }
        let zoom = zoom.clamp(ZOOM_LIMITS[0], ZOOM_LIMITS[1]);
        self.with(Placement {
            centre: [(x0 + x1) / 2.0, (y0 + y1) / 2.0],
            zoom,
        })
    }

    /// Turns what is on the screen clockwise.
    pub fn rotate(self, degrees: f64) -> Self {
        if !degrees.is_finite() {
            return self;
        }
        Self {
            rotation: (self.rotation + degrees).rem_euclid(360.0),
            ..self
        }
    }

    /// How the picture lies, in words: `as stored`, `mirrored, turned 90°`.
    pub fn orientation_words(&self) -> String {
        let turn = self.rotation.rem_euclid(360.0);
        match (self.flipped, turn == 0.0) {
            (false, true) => "as stored".to_owned(),
            (true, true) => "mirrored".to_owned(),
            (false, false) => format!("turned {turn:.0}°"),
            (true, false) => format!("mirrored, turned {turn:.0}°"),
        }
    }

    /// Exchanges left and right of the screen.
    pub fn flip_horizontal(self) -> Self {
        // The mirror is before the rotation, and mirrored, a rotation goes the other way.
        Self {
            rotation: (-self.rotation).rem_euclid(360.0),
            flipped: !self.flipped,
            ..self
        }
    }

    /// Exchanges top and bottom of the screen.
    pub fn flip_vertical(self) -> Self {
        self.flip_horizontal().rotate(180.0)
    }

    fn with(self, placement: Placement) -> Self {
        Self {
            placement: Some(placement),
            ..self
        }
    }
}

/// The sine of a quarter turn is 0 or 1, not nearly so.
fn clean(value: f64) -> f64 {
    let whole = value.round();
    if (value - whole).abs() < 1e-12 { whole } else { value }
}

/// How grey levels are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Presentation {
    /// `None`: as the file says, [`Frame::default_voi`].
    pub voi: Option<Voi>,
    /// Once more, after everything that the file says.
    pub invert: bool,
}

impl Presentation {
    /// The table of levels of a frame.
    pub fn resolve(&self, frame: &Frame) -> DisplayLut {
        DisplayLut::new(frame, self.voi.as_ref(), self.invert)
    }

    /// Moves center and width of the window, as a drag does.
    ///
    /// A table of the file gives way to the window that spans its inputs. The width stays above 0, and above
    /// 1 where its function needs that.
    pub fn adjusted(&self, frame: &Frame, center_by: f64, width_by: f64) -> Self {
        use VoiLutFunction::{Linear, LinearExact};
        let current = self.voi.clone().unwrap_or_else(|| frame.default_voi());
        let (center, width, function) = match current {
            Voi::Window {
                center,
                width,
                function,
                ..
            } => (center, width, function),
            Voi::Table(lut) => {
                let entries = lut.data.len().max(1) as f64;
                (f64::from(lut.first_value) + entries / 2.0, entries, LinearExact)
            }
        };
        let least = if function == Linear { 1.0 } else { 1e-3 };
        let width = (width + width_by).max(least);
        Self {
            voi: Some(Voi::Window {
                center: center + center_by,
                width,
                function,
                explanation: None,
            }),
            ..self.clone()
        }
    }
}

/// What lies over the picture. Everything off shows the original.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPresentation {
    /// False hides all the others, which keep their own state. The patient's sides stay.
    pub overlays: bool,
    pub boxes: bool,
    pub measurements: bool,
    /// 0 (off, as a picture opens) to 1.
    pub heat_map_opacity: f32,
}

impl Default for DataPresentation {
    fn default() -> Self {
        Self {
            overlays: true,
            boxes: true,
            measurements: true,
            heat_map_opacity: 0.0,
        }
    }
}

impl DataPresentation {
    /// What is drawn.
    pub fn shown(self) -> Self {
        if self.overlays {
            self
        } else {
            Self {
                overlays: false,
                boxes: false,
                measurements: false,
                heat_map_opacity: 0.0,
            }
        }
    }
}

/// The grey levels that a reader left a picture with, without the file's tables.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptVoi {
    /// The file's own, at this place of [`Frame::voi`].
    OfFile(usize),
    Window {
        center: f64,
        width: f64,
        function: VoiLutFunction,
    },
}

impl KeptVoi {
    /// What to keep of a VOI; `None` of a table that the file does not hold.
    pub fn of(voi: &Voi, frame: &Frame) -> Option<Self> {
        if let Some(place) = frame.voi.iter().position(|own| own == voi) {
            return Some(KeptVoi::OfFile(place));
        }
        match *voi {
            Voi::Window {
                center,
                width,
                function,
                ..
            } => Some(KeptVoi::Window {
                center,
                width,
                function,
            }),
            Voi::Table(_) => None,
        }
    }

    /// The VOI again; `None` where the file has no such one.
    pub fn restore(&self, frame: &Frame) -> Option<Voi> {
        match *self {
            KeptVoi::OfFile(place) => frame.voi.get(place).cloned(),
            KeptVoi::Window {
                center,
                width,
                function,
            } => Some(Voi::Window {
                center,
                width,
                function,
                explanation: None,
            }),
        }
    }
}

/// What a reader left on a picture: small, and the same whatever the size of the screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeptView {
    pub view: ViewState,
    /// `None`: as the file says.
    pub voi: Option<KeptVoi>,
    pub invert: bool,
    pub measurements: Vec<Measurement>,
}

/// Why something is not a [`KeptView`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KeptViewError {
    #[error("{0} measurements, where a picture holds at most {MAXIMUM_MEASUREMENTS}")]
    TooMany(usize),
    #[error("a number lies outside every picture")]
    Wild,
    #[error("not readable: {0}")]
    Malformed(String),
}

/// More marks than this are no reading of a hip.
pub const MAXIMUM_MEASUREMENTS: usize = 100;

impl KeptView {
    /// Reads JSON that somebody sent.
    ///
    /// # Errors
    /// It is not a view, holds too much, or numbers that no picture has.
    pub fn parse(json: &str) -> Result<Self, KeptViewError> {
        let kept: Self = serde_json::from_str(json).map_err(|error| KeptViewError::Malformed(error.to_string()))?;
        if kept.measurements.len() > MAXIMUM_MEASUREMENTS {
            return Err(KeptViewError::TooMany(kept.measurements.len()));
        }
        let mut numbers: Vec<f64> = vec![kept.view.rotation];
        if let Some(Placement { centre, zoom }) = kept.view.placement {
            if !(ZOOM_LIMITS[0]..=ZOOM_LIMITS[1]).contains(&zoom) {
                return Err(KeptViewError::Wild);
            }
            numbers.extend(centre);
        }
        if let Some(KeptVoi::Window { center, width, .. }) = kept.voi {
            numbers.extend([center, width]);
        }
        numbers.extend(kept.measurements.iter().flat_map(Measurement::points).flatten());
        if numbers.iter().all(|v| v.is_finite() && v.abs() < 1e9) {
            Ok(kept)
        } else {
            Err(KeptViewError::Wild)
        }
    }

    /// As JSON, for [`KeptView::parse`].
    pub fn to_json(&self) -> String {
        // Numbers and lists of them always are JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The map between picture and canvas for one size of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResolvedView {
    pub to_canvas: Affine,
    pub to_image: Affine,
    /// Device pixels for the width of one pixel of the picture.
    pub zoom: f64,
    /// Drawn in a hurry: with more grain than the picture has, and sooner.
    pub hurried: bool,
}

impl ResolvedView {
    /// Samples a side that a renderer averages for each canvas pixel; 0 where it takes the one pixel under the middle as it is.
    ///
    /// A bilinear sample spans two pixels, so these leave none out where the picture is shrunk. In a hurry all but one are
    /// left out there.
    pub fn samples(&self) -> u32 {
        let needed = (0.5 / self.zoom).ceil().clamp(1.0, f64::from(MAXIMUM_SAMPLES)) as u32;
        if self.hurried && needed > 1 { 0 } else { needed }
    }

    /// What a lens about a point of the canvas shows: that point stays, all round it is `factor` times larger.
    pub fn magnified(&self, about: [f64; 2], factor: f64) -> Self {
        let [a, b, c, d, e, f] = self.to_canvas.0;
        let [x, y] = about;
        let to_canvas = Affine([
            a * factor,
            b * factor,
            c * factor,
            d * factor,
            x + (e - x) * factor,
            y + (f - y) * factor,
        ]);
        Self {
            to_canvas,
            to_image: to_canvas.inverse().unwrap_or(self.to_image),
            zoom: self.zoom * factor,
            ..*self
        }
    }

    /// The same view of a picture that holds only every `grid`-th column and row of this one.
    pub fn thinned(&self, grid: u32) -> Self {
        let grid = f64::from(grid);
        // The centre of its first pixel is where it was.
        let shift = 0.5 - 0.5 / grid;
        let [a, b, c, d, e, f] = self.to_canvas.0;
        let [u, v] = self.to_canvas.direction([grid * shift, grid * shift]);
        let back = self.to_image.0.map(|value| value / grid);
        Self {
            to_canvas: Affine([a * grid, b * grid, c * grid, d * grid, e - u, f - v]),
            to_image: Affine([back[0], back[1], back[2], back[3], back[4] + shift, back[5] + shift]),
            zoom: self.zoom * grid,
            ..*self
        }
    }

    /// The same view for a canvas that is only the part of this one right of and below `origin`.
    pub fn part(&self, origin: [f64; 2]) -> Self {
        let shift = |Affine([a, b, c, d, e, f]): Affine, by: [f64; 2]| Affine([a, b, c, d, e + by[0], f + by[1]]);
        let [u, v] = self.to_image.direction(origin);
        Self {
            to_canvas: shift(self.to_canvas, origin.map(|v| -v)),
            to_image: shift(self.to_image, [u, v]),
            ..*self
        }
    }

    /// The letters at the edges of the canvas: where the patient's sides are as the picture lies now.
    ///
    /// `row` and `column` are the two values of Patient Orientation (PS3.3 C.7.6.1.1.1): the directions of a
    /// row to the right and of a column down, such as `L` and `F`.
    pub fn edge_letters(&self, row: &str, column: &str) -> EdgeLetters {
        let directions = [
            (self.to_canvas.direction([1.0, 0.0]), row),
            (self.to_canvas.direction([0.0, 1.0]), column),
        ];
        let mut out = EdgeLetters::default();
        for ([x, y], letters) in directions {
            let opposite = opposite(letters);
            let (first, second) = (letters.to_owned(), opposite);
            if x.abs() >= y.abs() {
                (out.right, out.left) = if x > 0.0 { (first, second) } else { (second, first) };
            } else {
                (out.bottom, out.top) = if y > 0.0 { (first, second) } else { (second, first) };
            }
        }
        out
    }
}

/// Letters of the patient's directions at the edges of the canvas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeLetters {
    pub left: String,
    pub right: String,
    pub top: String,
    pub bottom: String,
}

/// The opposite of a direction of PS3.3 C.7.6.1.1.1; of an unknown letter nothing.
fn opposite(letters: &str) -> String {
    letters
        .chars()
        .filter_map(|letter| match letter {
            'L' => Some('R'),
            'R' => Some('L'),
            'A' => Some('P'),
            'P' => Some('A'),
            'H' => Some('F'),
            'F' => Some('H'),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZES: Sizes = Sizes {
        image: [300.0, 200.0],
        canvas: [600.0, 600.0],
        pixel_aspect: 1.0,
    };

    fn near(a: [f64; 2], b: [f64; 2]) {
        assert!(
            (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6,
            "{a:?}, not {b:?}"
        );
    }

    #[test]
    fn a_thinned_picture_lies_where_the_whole_one_does() {
        let view = ViewState::default().rotate(90.0).resolve(SIZES);
        let thinned = view.thinned(4);
        for (kept, pixel) in [([0.0, 0.0], [0.0, 0.0]), ([3.0, 7.0], [12.0, 28.0])] {
            let centre = |at: [f64; 2]| at.map(|v: f64| v + 0.5);
            near(
                thinned.to_canvas.apply(centre(kept)),
                view.to_canvas.apply(centre(pixel)),
            );
            let canvas = view.to_canvas.apply(centre(pixel));
            near(thinned.to_image.apply(canvas), centre(kept));
        }
        assert_eq!(thinned.zoom, 4.0 * view.zoom);
        assert_eq!(view.thinned(1), view);
    }

    #[test]
    fn fit_shows_the_whole_picture() {
        let view = ViewState::default().resolve(SIZES);
        near(view.to_canvas.apply([0.0, 0.0]), [0.0, 100.0]);
        near(view.to_canvas.apply([300.0, 200.0]), [600.0, 500.0]);
        // A quarter turn clockwise: the upper left corner goes to the upper right.
        let view = ViewState::default().rotate(90.0).resolve(SIZES);
        near(view.to_canvas.apply([0.0, 0.0]), [500.0, 0.0]);
        assert_eq!(view.to_canvas.0[0], 0.0);
        // Pixels twice as high as wide.
        let view = ViewState::default().resolve(Sizes {
            pixel_aspect: 2.0,
            ..SIZES
        });
        near(view.to_canvas.apply([300.0, 200.0]), [300.0 + 150.0 * 1.5, 600.0]);
    }

    #[test]
    fn one_to_one_and_a_rectangle() {
        let view = ViewState::default().one_to_one(SIZES);
        assert_eq!(view.zoom(SIZES), 1.0);
        near(view.resolve(SIZES).to_canvas.apply([150.0, 100.0]), [300.0, 300.0]);
        let view = view.zoom_to([10.0, 20.0, 40.0, 80.0], 0.0, SIZES).resolve(SIZES);
        near(view.to_canvas.apply([25.0, 20.0]), [300.0, 0.0]);
        near(view.to_canvas.apply([25.0, 80.0]), [300.0, 600.0]);
    }

    #[test]
    fn side_letters_follow_the_picture() {
        let letters = |view: ViewState| {
            let l = view.resolve(SIZES).edge_letters("L", "F");
            [l.left, l.right, l.top, l.bottom].join("")
        };
        let view = ViewState::default();
        // A frontal radiograph: the patient's right is on the left.
        assert_eq!(letters(view), "RLHF");
        assert_eq!(letters(view.flip_horizontal()), "LRHF");
        assert_eq!(letters(view.flip_vertical()), "RLFH");
        assert_eq!(letters(view.rotate(90.0)), "FHRL");
        assert_eq!(letters(view.rotate(90.0).flip_horizontal()), "HFRL");
        assert_eq!(view.resolve(SIZES).edge_letters("PR", "").left, "AL");
    }

    #[test]
    fn the_words_follow_the_picture() {
        let view = ViewState::default();
        assert_eq!(view.orientation_words(), "as stored");
        assert_eq!(view.flip_horizontal().orientation_words(), "mirrored");
        assert_eq!(view.rotate(-90.0).orientation_words(), "turned 270°");
        assert_eq!(view.flip_vertical().orientation_words(), "mirrored, turned 180°");
        assert_eq!(view.flip_vertical().flip_vertical().orientation_words(), "as stored");
    }

    #[test]
    fn everything_off_is_the_original_and_everything_on_is_as_before() {
        let mine = DataPresentation {
            boxes: false,
            heat_map_opacity: 0.4,
            ..DataPresentation::default()
        };
        assert_eq!(mine.shown(), mine);
        let off = DataPresentation {
            overlays: false,
            ..mine
        }
        .shown();
        assert!(!off.boxes && !off.measurements && off.heat_map_opacity == 0.0);
        assert_eq!(
            DataPresentation::default().heat_map_opacity,
            0.0,
            "no picture opens under a heat map"
        );
    }

    #[test]
    fn a_kept_view_comes_back() {
        let mut frame = Frame::new(1, 2, 12, vec![0, 4095]);
        let own = Voi::Table(crate::Lut {
            first_value: 0,
            bits: 8,
            data: vec![0; 50_000],
            explanation: None,
        });
        let dragged = Presentation::default().adjusted(&frame, 5.0, 7.0).voi.unwrap();
        frame.voi = vec![own.clone()];
        for voi in [own, dragged] {
            let kept = KeptView {
                view: ViewState::default()
                    .flip_horizontal()
                    .zoom_to([0.0, 0.0, 1.0, 1.0], 0.0, SIZES),
                voi: KeptVoi::of(&voi, &frame),
                invert: true,
                measurements: vec![Measurement::Length([[0.0, 0.5], [1.0, 0.5]])],
            };
            let json = kept.to_json();
            assert!(json.len() < 400, "{json}");
            let again = KeptView::parse(&json).unwrap();
            assert_eq!(again, kept);
            assert_eq!(again.voi.and_then(|v| v.restore(&frame)), Some(voi));
        }
        assert_eq!(KeptView::parse("{}"), Ok(KeptView::default()));
        assert_eq!(KeptVoi::OfFile(3).restore(&frame), None);
    }

    #[test]
    fn a_kept_view_of_a_stranger_is_checked() {
        let wild = [
            r#"{"view":{"placement":{"centre":[1,2],"zoom":1e9},"rotation":0,"flipped":false}}"#,
            r#"{"view":{"placement":null,"rotation":1e300,"flipped":false}}"#,
            r#"{"measurements":[{"length":[[1,2],[3,1e12]]}]}"#,
        ];
        for json in wild {
            assert_eq!(KeptView::parse(json), Err(KeptViewError::Wild), "{json}");
        }
        for json in ["", r#"{"note":"a text"}"#, r#"{"measurements":[{"length":[[1,2]]}]}"#] {
            assert!(
                matches!(KeptView::parse(json), Err(KeptViewError::Malformed(_))),
                "{json}"
            );
        }
        let many = KeptView {
            measurements: vec![Measurement::Length([[0.0; 2]; 2]); MAXIMUM_MEASUREMENTS + 1],
            ..KeptView::default()
        };
        assert_eq!(KeptView::parse(&many.to_json()), Err(KeptViewError::TooMany(101)));
    }

    #[test]
    fn one_scale_for_two_pictures() {
        let spacing = |column| {
            Some(Spacing {
                row: column,
                column,
                source: crate::PixelSpacingSource::Detector,
            })
        };
        let fine = ViewState::default().one_to_one(SIZES);
        let scale = fine.scale(SIZES, spacing(0.1));
        let coarse = ViewState::default().with_scale(scale, SIZES, spacing(0.2));
        assert_eq!(coarse.zoom(SIZES), 2.0);
        assert!((coarse.scale(SIZES, spacing(0.2)) - scale).abs() < 1e-9);
        assert_eq!(
            ViewState::default().with_scale(f64::NAN, SIZES, None),
            ViewState::default()
        );
    }

    #[test]
    fn shrunken_pictures_are_averaged() {
        for (zoom, expect) in [
            (4.0, 1),
            (1.0, 1),
            (0.5, 1),
            (0.3, 2),
            (0.25, 2),
            (0.001, MAXIMUM_SAMPLES),
        ] {
            let view = ResolvedView {
                to_canvas: Affine::IDENTITY,
                to_image: Affine::IDENTITY,
                zoom,
                hurried: false,
            };
            assert_eq!(view.samples(), expect, "{zoom}");
            let hurried = ResolvedView { hurried: true, ..view };
            assert_eq!(hurried.samples(), if expect > 1 { 0 } else { 1 }, "{zoom}");
        }
    }

    #[test]
    fn a_drag_moves_the_window() {
        let mut frame = Frame::new(1, 2, 12, vec![0, 4095]);
        let drag = |presentation: &Presentation, frame: &Frame| {
            presentation
                .adjusted(frame, 10.0, -1e9)
                .voi
                .and_then(|v| v.center_width())
        };
        let presentation = Presentation::default();
        assert_eq!(drag(&presentation, &frame), Some((2057.5, 1e-3)));
        frame.voi = vec![Voi::Table(crate::Lut {
            first_value: 100,
            bits: 8,
            data: vec![0; 50],
            explanation: None,
        })];
        assert_eq!(
            presentation
                .adjusted(&frame, 0.0, 0.0)
                .voi
                .and_then(|v| v.center_width()),
            Some((125.0, 50.0))
        );
        let linear = Voi::Window {
            center: 5.0,
            width: 9.0,
            function: crate::VoiLutFunction::Linear,
            explanation: None,
        };
        assert_eq!(
            drag(
                &Presentation {
                    voi: Some(linear),
                    invert: true
                },
                &frame
            ),
            Some((15.0, 1.0))
        );
    }

    fn any_view() -> impl Strategy<Value = ViewState> {
        (
            0.0f64..300.0,
            0.0f64..200.0,
            0.1f64..20.0,
            -400.0f64..400.0,
            any::<bool>(),
        )
            .prop_map(|(x, y, zoom, turn, flipped)| ViewState {
                placement: Some(Placement { centre: [x, y], zoom }),
                rotation: turn,
                flipped,
            })
    }

    proptest! {
        #[test]
        fn the_two_maps_are_inverse(view in any_view(), x in -1e3f64..1e3, y in -1e3f64..1e3) {
            let resolved = view.resolve(SIZES);
            let [u, v] = resolved.to_image.apply(resolved.to_canvas.apply([x, y]));
            prop_assert!((u - x).abs() < 1e-6 && (v - y).abs() < 1e-6);
        }

        #[test]
        fn the_point_under_the_cursor_stays(view in any_view(), x in 200.0f64..400.0, y in 200.0f64..400.0, factor in 1.0f64..2.0) {
            let before = view.resolve(SIZES).to_image.apply([x, y]);
            // Where it does not, the picture's border stopped it.
            prop_assume!((0.0..300.0).contains(&before[0]) && (0.0..200.0).contains(&before[1]));
            let after = view.zoom_about([x, y], factor, SIZES).resolve(SIZES).to_image.apply([x, y]);
            prop_assert!((after[0] - before[0]).abs() < 1e-6 && (after[1] - before[1]).abs() < 1e-6);
        }

        #[test]
        fn a_lens_keeps_its_middle_and_magnifies(view in any_view(), x in 0.0f64..600.0, y in 0.0f64..600.0, dx in -9.0f64..9.0, factor in 1.0f64..8.0) {
            let resolved = view.resolve(SIZES);
            let lens = resolved.magnified([x, y], factor);
            let [u, v] = lens.to_canvas.apply(resolved.to_image.apply([x, y]));
            prop_assert!((u - x).abs() < 1e-6 && (v - y).abs() < 1e-6);
            let [u, _] = lens.to_canvas.apply(resolved.to_image.apply([x + dx, y]));
            prop_assert!((u - x - factor * dx).abs() < 1e-6);
            let [u, v] = lens.to_image.apply(lens.to_canvas.apply([dx, y]));
            prop_assert!((u - dx).abs() < 1e-6 && (v - y).abs() < 1e-6);
        }

        #[test]
        fn a_part_of_the_canvas_shows_the_same(view in any_view(), x in 0.0f64..600.0, y in 0.0f64..600.0, ox in 0.0f64..300.0, oy in 0.0f64..300.0) {
            let resolved = view.resolve(SIZES);
            let part = resolved.part([ox, oy]);
            let (whole, of_part) = (resolved.to_image.apply([x, y]), part.to_image.apply([x - ox, y - oy]));
            prop_assert!((whole[0] - of_part[0]).abs() < 1e-6 && (whole[1] - of_part[1]).abs() < 1e-6);
            let back = part.to_canvas.apply(whole);
            prop_assert!((back[0] - x + ox).abs() < 1e-6 && (back[1] - y + oy).abs() < 1e-6);
        }

        #[test]
        fn a_flip_mirrors_the_screen(view in any_view(), x in 0.0f64..300.0, y in 0.0f64..200.0) {
            let [u, v] = view.resolve(SIZES).to_canvas.apply([x, y]);
            let [mirrored, same] = view.flip_horizontal().resolve(SIZES).to_canvas.apply([x, y]);
            prop_assert!((mirrored - (600.0 - u)).abs() < 1e-6 && (same - v).abs() < 1e-6);
            let [same, mirrored] = view.flip_vertical().resolve(SIZES).to_canvas.apply([x, y]);
            prop_assert!((mirrored - (600.0 - v)).abs() < 1e-6 && (same - u).abs() < 1e-6);
        }

        #[test]
        fn a_pan_moves_by_what_was_dragged(view in any_view(), dx in -5.0f64..5.0, dy in -5.0f64..5.0) {
            let moved = view.pan([dx, dy], SIZES);
            let centre = moved.placement.unwrap().centre;
            prop_assume!(centre[0] > 0.0 && centre[0] < 300.0 && centre[1] > 0.0 && centre[1] < 200.0);
            let before = view.resolve(SIZES).to_canvas.apply([7.0, 9.0]);
            let after = moved.resolve(SIZES).to_canvas.apply([7.0, 9.0]);
            prop_assert!((after[0] - before[0] - dx).abs() < 1e-6 && (after[1] - before[1] - dy).abs() < 1e-6);
        }
    }
}
