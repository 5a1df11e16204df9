//! What the reader does, turned into a view, a window and marks. Knows no browser.

use std::rc::Rc;

use domain::{Command, HeatMap, HipBox, Tool, ViewerState};
use imaging::{
    DataPresentation, DisplayLut, EdgeLetters, Frame, KeptView, KeptVoi, Measurement, PixelSpacingSource, Presentation,
    ResolvedView, Sizes, Spacing, ViewState, Voi,
};

use crate::gesture::{Button, Gesture};
use crate::history::{History, Step};
use crate::marks::{self, Draft, Kind, Marks, Pressed};

/// The share of all pixels that the percentile window leaves out at each end.
const PERCENTILE_TAIL: f64 = 0.005;
/// A drag over this many CSS pixels changes the window by the width in which the picture opened.
const WINDOW_TRAVEL: f64 = 400.0;
/// A drag over this many CSS pixels, or this much of the wheel, doubles the zoom.
const ZOOM_TRAVEL: f64 = 200.0;
/// One step of the zoom buttons.
const ZOOM_STEP: f64 = 1.25;
/// Room around a rectangle that is zoomed to, as a share of it.
const MARGIN: f64 = 0.15;
/// One press of an arrow key drags so many CSS pixels, for the window and the zoom.
const ARROW_DRAG: f64 = 20.0;
/// One press of an arrow key moves the keyboard's cursor by so many CSS pixels, with Control by one.
const ARROW_CURSOR: f64 = 10.0;
/// One press of an arrow key moves the picture by this share of the canvas.
const ARROW_PAN: f64 = 0.1;
/// The lens shows at least this much more than the picture round it.
const LENS_FACTOR: f64 = 2.0;

/// A window to choose.
struct Preset {
    name: String,
    voi: Voi,
}

/// A picture as it is looked at now.
struct Opened {
    frame: Rc<Frame>,
    presets: Vec<Preset>,
    levels: Rc<DisplayLut>,
}

/// What undo takes back.
#[derive(Clone)]
struct Snapshot {
    view: ViewState,
    presentation: Presentation,
    marks: Vec<Measurement>,
}

/// What pictures on one page have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Display pixels for a millimetre, or for a pixel where there are no millimetres.
    scale: f64,
    millimetres: bool,
    /// Only for the same picture.
    presentation: Presentation,
    marks: Vec<Measurement>,
}

/// View, window, marks and tool of one viewer.
pub struct Controller {
    opened: Option<Opened>,
    /// Display pixels.
    canvas: [u32; 2],
    /// Display pixels for one CSS pixel.
    density: f64,
    view: ViewState,
    /// Its VOI is set whenever a picture is open.
    presentation: Presentation,
    over: DataPresentation,
    marks: Marks,
    tool: Tool,
    history: History<Snapshot>,
    gesture: u32,
    /// Where the pointer is, or the keyboard's cursor, in display pixels.
    pointer: Option<[f64; 2]>,
    /// The keyboard moves the pointer: a cross shows where it is.
    by_keyboard: bool,
    /// What the reader left, until the picture is there.
    waiting: Option<KeptView>,
    /// What the reader left is in.
    merged: bool,
    restored: bool,
    zoom_to: Option<[f32; 4]>,
    /// Its place was taken from another picture on the page.
    follows: bool,
    linked: bool,
    pub boxes: Vec<HipBox>,
    pub heat_maps: Vec<HeatMap>,
}

/// All that a renderer needs.
pub struct Resolved {
    pub frame: Rc<Frame>,
    /// Changes its address when it changes its content.
    pub levels: Rc<DisplayLut>,
    pub view: ResolvedView,
    pub lens: Option<Lens>,
}

/// A square of the canvas in which the picture is larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lens {
    /// Its middle, in display pixels.
    pub at: [f64; 2],
    pub view: ResolvedView,
}

/// All that the overlay needs beside [`Resolved`].
pub struct Over<'a> {
    pub shown: DataPresentation,
    pub boxes: &'a [HipBox],
    pub heat_maps: &'a [HeatMap],
    pub marks: &'a [Measurement],
    pub chosen: Option<usize>,
    pub draft: Option<&'a Draft>,
    pub spacing: Option<Spacing>,
    pub letters: EdgeLetters,
    /// Display pixels for a millimetre, or for a pixel.
    pub scale: f64,
    /// The keyboard's cursor, in display pixels.
    pub cursor: Option<[f64; 2]>,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            opened: None,
            canvas: [1, 1],
            density: 1.0,
            view: ViewState::default(),
            presentation: Presentation::default(),
            over: DataPresentation::default(),
            marks: Marks::default(),
            tool: Tool::default(),
            history: History::default(),
            gesture: 0,
            pointer: None,
            by_keyboard: false,
            waiting: None,
            merged: false,
            restored: false,
            zoom_to: None,
            follows: false,
            linked: true,
            boxes: Vec::new(),
            heat_maps: Vec::new(),
        }
    }
}

/// The windows of the file in its order, then those made from the pixels held.
fn presets(frame: &Frame) -> Vec<Preset> {
    let of_file = frame.voi.iter().enumerate().map(|(index, voi)| {
        let name = match voi.explanation().map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None if index == 0 => "as sent".to_owned(),
            None => format!("as sent {}", index + 1),
        };
        Preset { name, voi: voi.clone() }
    });
    let mut all: Vec<Preset> = of_file.collect();
    let histogram = frame.histogram();
    for (name, tail) in [("percentile", PERCENTILE_TAIL), ("full range", 0.0)] {
        all.push(Preset {
            name: name.to_owned(),
            voi: histogram.window(tail),
        });
    }
    // Two of one name could not be told apart.
    for index in 1..all.len() {
        let same = all[..index]
            .iter()
            .filter(|earlier| earlier.name == all[index].name)
            .count();
        if same > 0 {
            all[index].name = format!("{} ({})", all[index].name, same + 1);
        }
    }
    all
}

/// Centre and width of a VOI; of a table, the inputs that it tells apart.
fn window_of(voi: &Voi) -> (f64, f64) {
    match voi {
        Voi::Window { center, width, .. } => (*center, *width),
        Voi::Table(lut) => {
            let width = lut.data.len().max(1) as f64;
            (f64::from(lut.first_value) + width / 2.0, width)
        }
    }
}

/// Where distances come from, in words.
pub fn spacing_label(spacing: Option<Spacing>) -> String {
    let Some(Spacing { row, column, source }) = spacing else {
        return "pixels".to_owned();
    };
    let source = match source {
        PixelSpacingSource::Calibrated => "calibrated",
        PixelSpacingSource::MagnificationCorrected => "magnification-corrected",
        PixelSpacingSource::Detector => "detector plane",
    };
    if (row - column).abs() <= 0.001 * row.abs() {
        format!("{source} {row:.2} mm/px")
    } else {
        format!("{source} {row:.2} × {column:.2} mm/px")
    }
}

impl Controller {
    /// `zoom_to`: where the picture opens, where it does not open whole.
    pub fn new(boxes: Vec<HipBox>, tool: Tool, zoom_to: Option<[f32; 4]>) -> Self {
        Self {
            boxes,
            tool,
            zoom_to,
            ..Self::default()
        }
    }

    /// Shows a frame as its file says, or as the reader left it.
    pub fn open(&mut self, frame: Rc<Frame>) {
        let presets = presets(&frame);
        self.presentation = Presentation {
            voi: presets.first().map(|preset| preset.voi.clone()),
            invert: false,
        };
        self.view = ViewState::default();
        let levels = Rc::new(self.presentation.resolve(&frame));
        self.opened = Some(Opened { frame, presets, levels });
        if let Some(kept) = self.waiting.take() {
            self.restore(kept);
        }
        if let (Some(rect), Some(sizes)) = (self.zoom_to, self.sizes()) {
            self.view = self.view.zoom_to(rect.map(f64::from), MARGIN, sizes);
        }
    }

    /// The same picture, better than before: view and window stay. A window that was made from the pixels is made
    /// anew from these, also where undo would go back to it.
    pub fn refine(&mut self, frame: Rc<Frame>) {
        let Some(opened) = &self.opened else {
            self.open(frame);
            return;
        };
        let presets = presets(&frame);
        let renew = |presentation: &mut Presentation| {
            let mut old = opened.presets.iter();
            let chosen = old.position(|preset| Some(&preset.voi) == presentation.voi.as_ref());
            if let Some(preset) = chosen.and_then(|index| presets.get(index)) {
                presentation.voi = Some(preset.voi.clone());
            }
        };
        renew(&mut self.presentation);
        self.history.each(|snapshot| renew(&mut snapshot.presentation));
        let levels = Rc::new(self.presentation.resolve(&frame));
        self.opened = Some(Opened { frame, presets, levels });
    }

    pub fn frame(&self) -> Option<Rc<Frame>> {
        self.opened.as_ref().map(|opened| Rc::clone(&opened.frame))
    }

    /// Takes what the reader left on the picture, once. Where the hands were quicker, what they changed stays, and the
    /// rest comes back: the measurements in any case, in front of the new ones; place and grey levels where they are as
    /// the picture opened, now or where undo leads. A rectangle to open at, or a picture to stand beside, goes before
    /// the kept place.
    pub fn restore(&mut self, kept: KeptView) {
        if self.merged {
            return;
        }
        let Some(opened) = &self.opened else {
            self.waiting = Some(kept);
            return;
        };
        self.merged = true;
        let as_opened = Presentation {
            voi: opened.presets.first().map(|preset| preset.voi.clone()),
            invert: false,
        };
        let voi = kept.voi.and_then(|voi| voi.restore(&opened.frame));
        let as_left = Presentation {
            voi: voi.or_else(|| as_opened.voi.clone()),
            invert: kept.invert,
        };
        // The picture does not jump under a measurement in the making.
        let measuring = self.marks.draft.is_some();
        let takes_place = self.zoom_to.is_none() && !self.follows && !measuring;
        self.restored = kept != KeptView::default() && !self.history.can_undo() && !measuring;
        let merge = |view: &mut ViewState, presentation: &mut Presentation| {
            if takes_place && *view == ViewState::default() {
                *view = kept.view;
            }
            if *presentation == as_opened {
                presentation.clone_from(&as_left);
            }
        };
        let mut presentation = self.presentation.clone();
        merge(&mut self.view, &mut presentation);
        self.present(presentation);
        self.marks.put_first(&kept.measurements);
        self.history.each(|snapshot| {
            merge(&mut snapshot.view, &mut snapshot.presentation);
            marks::put_first(&mut snapshot.marks, &kept.measurements);
        });
    }

    /// What to keep for the reader; `None` while there is no picture.
    pub fn kept(&self) -> Option<KeptView> {
        let opened = self.opened.as_ref()?;
        let first = opened.presets.first().map(|preset| &preset.voi);
        let voi = self.presentation.voi.as_ref().filter(|voi| Some(*voi) != first);
        Some(KeptView {
            view: self.view,
            voi: voi.and_then(|voi| KeptVoi::of(voi, &opened.frame)),
            invert: self.presentation.invert,
            measurements: self.marks.all.clone(),
        })
    }

    /// Width and height of the canvas in display pixels, and how many of them a CSS pixel is.
    pub fn set_canvas(&mut self, canvas: [u32; 2], density: f64) {
        self.canvas = canvas;
        self.density = density;
    }

    fn sizes(&self) -> Option<Sizes> {
        let opened = self.opened.as_ref()?;
        Some(Sizes::of(&opened.frame, self.canvas[0], self.canvas[1]))
    }

    fn spacing(&self) -> Option<Spacing> {
        self.opened.as_ref()?.frame.spacing
    }

    /// What to draw; `None` while there is no picture.
    pub fn resolved(&self) -> Option<Resolved> {
        let opened = self.opened.as_ref()?;
        let view = self.view.resolve(self.sizes()?);
        let lens = self.pointer.filter(|_| self.tool == Tool::Magnifier).map(|at| Lens {
            at,
            // Where the whole picture is small, the lens shows its own pixels.
            view: view.magnified(at, (1.0 / view.zoom).max(LENS_FACTOR)),
        });
        Some(Resolved {
            frame: Rc::clone(&opened.frame),
            levels: Rc::clone(&opened.levels),
            view,
            lens,
        })
    }

    /// What lies over the picture; `None` while there is none.
    pub fn over(&self) -> Option<Over<'_>> {
        let sizes = self.sizes()?;
        let shown = self.over.shown();
        Some(Over {
            shown,
            boxes: if_on(shown.boxes, &self.boxes),
            heat_maps: if_on(shown.heat_map_opacity > 0.0, &self.heat_maps),
            marks: if_on(shown.measurements, &self.marks.all),
            chosen: self.marks.chosen,
            draft: self.marks.draft.as_ref(),
            spacing: self.spacing(),
            letters: self.letters(sizes),
            scale: self.view.scale(sizes, self.spacing()),
            cursor: self.pointer.filter(|_| self.by_keyboard),
        })
    }

    /// The patient's directions of rows and columns, and where they are from.
    fn directions(&self) -> ([String; 2], &'static str) {
        let of_file = self.opened.as_ref().and_then(|opened| opened.frame.orientation.clone());
        match of_file {
            Some(letters) => (letters, "from the file"),
            // Only a frontal view has hip boxes, and only there a row leads to the patient's left.
            None if !self.boxes.is_empty() => (["L".to_owned(), String::new()], "assumed: frontal view"),
            None => ([String::new(), String::new()], "not stated"),
        }
    }

    fn letters(&self, sizes: Sizes) -> EdgeLetters {
        let ([row, column], _) = self.directions();
        self.view.resolve(sizes).edge_letters(&row, &column)
    }

    pub fn state(&self) -> ViewerState {
        let mut state = ViewerState {
            tool: self.tool,
            inverted: self.presentation.invert,
            boxes_visible: self.over.shown().boxes,
            overlays_hidden: !self.over.overlays,
            heat_opacity: self.over.heat_map_opacity,
            linked: self.linked,
            can_undo: self.history.can_undo(),
            can_redo: self.history.can_redo(),
            restored: self.restored,
            ..ViewerState::default()
        };
        if let (Some(opened), Some(sizes)) = (&self.opened, self.sizes()) {
            state.loaded = true;
            state.zoom = self.view.zoom(sizes);
            (state.window_center, state.window_width) = self.presentation.voi.as_ref().map_or((0.0, 0.0), window_of);
            state.spacing = spacing_label(opened.frame.spacing);
            state.presets = opened.presets.iter().map(|preset| preset.name.clone()).collect();
            state.preset = self.preset();
            state.changed = self.presentation.invert || state.preset != Some(0) || self.view != ViewState::default();
            state.orientation = self.view.orientation_words();
            let (_, source) = self.directions();
            state.sides = match opened.frame.laterality.as_str() {
                "R" => format!("right side, letters {source}"),
                "L" => format!("left side, letters {source}"),
                "B" => format!("both sides, letters {source}"),
                _ => format!("letters {source}"),
            };
            let marks = self.marks.all.iter();
            state.measurements = marks.map(|mark| mark.words(opened.frame.spacing)).collect();
        }
        state
    }

    /// The preset that is on; of two alike the first.
    fn preset(&self) -> Option<usize> {
        let now = self.presentation.voi.as_ref()?;
        let same = |preset: &Preset| window_of(&preset.voi) == window_of(now) && alike(&preset.voi, now);
        self.opened.as_ref()?.presets.iter().position(same)
    }

    fn present(&mut self, presentation: Presentation) {
        self.presentation = presentation;
        if let Some(opened) = &mut self.opened {
            opened.levels = Rc::new(self.presentation.resolve(&opened.frame));
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            view: self.view,
            presentation: self.presentation.clone(),
            marks: self.marks.all.clone(),
        }
    }

    fn begin(&mut self, step: Step) {
        let Self {
            view,
            presentation,
            marks,
            ..
        } = self;
        self.history.begin(step, || Snapshot {
            view: *view,
            presentation: presentation.clone(),
            marks: marks.all.clone(),
        });
        self.restored = false;
    }

    fn take(&mut self, snapshot: Snapshot) {
        self.view = snapshot.view;
        self.marks.all = snapshot.marks;
        self.marks.chosen = None;
        self.marks.interrupt();
        self.present(snapshot.presentation);
    }

    /// What other pictures on the page follow; `None` while there is no picture.
    pub fn link(&self) -> Option<Link> {
        let sizes = self.sizes().filter(|_| self.linked)?;
        Some(Link {
            scale: self.view.scale(sizes, self.spacing()),
            millimetres: self.spacing().is_some(),
            presentation: self.presentation.clone(),
            marks: self.marks.all.clone(),
        })
    }

    /// Opens beside another picture on the page.
    pub fn follow(&mut self, link: &Link, same_picture: bool) {
        self.follows = true;
        self.adopt(link, same_picture);
    }

    /// Follows another picture on the page: its scale, and where it is the same picture its grey levels and marks.
    pub fn adopt(&mut self, link: &Link, same_picture: bool) {
        let Some(sizes) = self.sizes().filter(|_| self.linked) else {
            return;
        };
        let spacing = self.spacing();
        if link.millimetres == spacing.is_some() {
            let mine = self.view.scale(sizes, spacing);
            // Nearly the same is the same: a picture that fits stays one that fits.
            if (link.scale / mine - 1.0).abs() > 1e-6 {
                self.view = self.view.with_scale(link.scale, sizes, spacing);
            }
        }
        if same_picture {
            self.marks.all.clone_from(&link.marks);
            if self.presentation != link.presentation {
                self.present(link.presentation.clone());
            }
        }
    }

    /// Drags the window by CSS pixels: right widens it, up makes the picture brighter.
    fn drag_window(&mut self, [right, down]: [f64; 2]) {
        let Some(opened) = &self.opened else { return };
        let opening_width = opened.presets.first().map_or(1.0, |preset| window_of(&preset.voi).1);
        let unit = opening_width.abs().max(1e-6) / WINDOW_TRAVEL;
        // Where white stands for low values, a higher centre is brighter.
        let turned = opened.frame.inverted() != self.presentation.invert;
        let sign = if turned { -1.0 } else { 1.0 };
        let presentation = self
            .presentation
            .adjusted(&opened.frame, sign * down * unit, right * unit);
        self.present(presentation);
    }

    fn kind(&self) -> Option<Kind> {
        match self.tool {
            Tool::Length => Some(Kind::Length),
            Tool::Angle => Some(Kind::Angle),
            _ => None,
        }
    }

    /// Pixels of the picture for one CSS pixel.
    fn near(&self, sizes: Sizes) -> f64 {
        self.density / self.view.zoom(sizes).max(1e-9)
    }

    fn in_picture(&self, at: [f64; 2], sizes: Sizes) -> [f64; 2] {
        let [x, y] = self.view.resolve(sizes).to_image.apply(at);
        // A mark stays on its picture.
        [x.clamp(0.0, sizes.image[0]), y.clamp(0.0, sizes.image[1])]
    }

    /// A button or finger went down, the first one of a gesture.
    pub fn press(&mut self, button: Button, at: [f64; 2]) {
        self.gesture = self.gesture.wrapping_add(1);
        self.point(at, false);
        if button == Button::Main {
            self.press_mark(at);
        }
    }

    fn press_mark(&mut self, at: [f64; 2]) {
        let (Some(kind), Some(sizes)) = (self.kind(), self.sizes()) else {
            return;
        };
        // What is measured is seen.
        self.over.overlays = true;
        self.over.measurements = true;
        let (at, near) = (self.in_picture(at, sizes), self.near(sizes));
        let before = self.snapshot();
        if self.marks.press(kind, at, near) == Pressed::Took {
            self.history.begin(Step::Gesture(self.gesture), || before);
        }
    }

    /// The last button or finger came up.
    pub fn release(&mut self) {
        let Some(sizes) = self.sizes() else { return };
        let near = self.near(sizes);
        if let Some(done) = self.marks.released(near) {
            self.begin(Step::Command);
            self.marks.all.push(done);
            self.marks.chosen = Some(self.marks.all.len() - 1);
        }
    }

    /// A second finger came down, or the system took the first one away.
    pub fn interrupt(&mut self) {
        self.marks.interrupt();
    }

    /// Whether something on the screen moves with the pointer when no button is down.
    pub fn follows_pointer(&self) -> bool {
        self.tool == Tool::Magnifier || self.kind().is_some()
    }

    /// The pointer is here, or gone.
    pub fn hover(&mut self, at: Option<[f64; 2]>) {
        match at {
            Some(at) => self.point(at, false),
            None => {
                self.pointer = None;
                self.by_keyboard = false;
            }
        }
    }

    fn point(&mut self, at: [f64; 2], by_keyboard: bool) {
        self.pointer = Some(at);
        self.by_keyboard = by_keyboard;
        if let (Some(_), Some(sizes)) = (self.kind(), self.sizes()) {
            let at = self.in_picture(at, sizes);
            self.marks.moved(at);
        }
    }

    /// Follows a pointer.
    pub fn gesture(&mut self, gesture: Gesture) {
        let Some(sizes) = self.sizes() else { return };
        match gesture {
            Gesture::Drag { button, from, by } => {
                let tool = match button {
                    Button::Main => self.tool,
                    Button::Middle => Tool::Pan,
                    Button::Right if self.tool == Tool::Zoom => Tool::Window,
                    Button::Right => Tool::Zoom,
                };
                self.point([from[0] + by[0], from[1] + by[1]], false);
                self.drag(
                    tool,
                    Step::Gesture(self.gesture),
                    from,
                    by.map(|v| v / self.density),
                    sizes,
                );
            }
            Gesture::Pinch { centre, by, factor } => {
                self.begin(Step::Gesture(self.gesture));
                self.view = self.view.pan(by, sizes).zoom_about(centre, factor, sizes);
            }
            // Two quick points of a measurement are no wish to see the whole picture.
            Gesture::Double { .. } if self.kind().is_some() => {}
            Gesture::Double { .. } => self.command(Command::Fit),
        }
    }

    /// A drag by CSS pixels.
    fn drag(&mut self, tool: Tool, step: Step, from: [f64; 2], by: [f64; 2], sizes: Sizes) {
        match tool {
            Tool::Window => {
                self.begin(step);
                self.drag_window(by);
            }
            Tool::Pan => {
                self.begin(step);
                self.view = self.view.pan(by.map(|v| v * self.density), sizes);
            }
            Tool::Zoom => {
                self.begin(step);
                self.view = self.view.zoom_about(from, (-by[1] / ZOOM_TRAVEL).exp2(), sizes);
            }
            Tool::Magnifier | Tool::Length | Tool::Angle => {}
        }
    }

    /// Zooms about a place in display pixels; `delta` in pixels of scrolling, down is away.
    pub fn wheel(&mut self, about: [f64; 2], delta: f64) {
        if let Some(sizes) = self.sizes() {
            self.begin(Step::Wheel);
            // One notch of a mouse is some 100 pixels; a runaway device does not jump to the limit.
            let factor = (-delta.clamp(-400.0, 400.0) / ZOOM_TRAVEL / 2.0).exp2();
            self.view = self.view.zoom_about(about, factor, sizes);
        }
    }

    /// An arrow key: `[right, down]`, one of them -1 or 1. It does what a drag of the active tool does, or moves the
    /// keyboard's cursor; `pan` (Shift) moves the picture whatever the tool; `fine` (Control) is the smallest step.
    pub fn arrow(&mut self, direction: [f64; 2], pan: bool, fine: bool) {
        let Some(sizes) = self.sizes() else { return };
        let middle = sizes.canvas.map(|v| v / 2.0);
        if pan || self.tool == Tool::Pan {
            self.begin(Step::Arrows(Tool::Pan));
            let by = [0, 1].map(|axis| -direction[axis] * ARROW_PAN * sizes.canvas[axis]);
            self.view = self.view.pan(by, sizes);
        } else if matches!(self.tool, Tool::Window | Tool::Zoom) {
            let step = if fine { 1.0 } else { ARROW_DRAG };
            self.drag(
                self.tool,
                Step::Arrows(self.tool),
                middle,
                direction.map(|v| v * step),
                sizes,
            );
        } else {
            let step = self.density * if fine { 1.0 } else { ARROW_CURSOR };
            let at = self.pointer.unwrap_or(middle);
            let moved = [0, 1].map(|axis| (at[axis] + direction[axis] * step).clamp(0.0, sizes.canvas[axis]));
            self.point(moved, true);
        }
    }

    /// Enter or the space bar: sets a point at the keyboard's cursor. False where the tool sets none.
    pub fn set_point(&mut self) -> bool {
        let (Some(kind), Some(sizes)) = (self.kind(), self.sizes()) else {
            return false;
        };
        let at = self.pointer.unwrap_or(sizes.canvas.map(|v| v / 2.0));
        self.point(at, true);
        self.over.overlays = true;
        self.over.measurements = true;
        // A point under the cursor is not taken up: without a button held it could not be let go.
        let place = self.in_picture(at, sizes);
        self.marks.set(kind, place);
        self.release();
        true
    }

    /// Escape: gives up what is being measured. False where there is nothing to give up.
    pub fn escape(&mut self) -> bool {
        self.marks.interrupt()
    }

    pub fn command(&mut self, command: Command) {
        // What needs no picture.
        match command {
            Command::Tool(tool) => {
                self.tool = tool;
                self.marks.interrupt();
                return;
            }
            Command::ToggleBoxes => {
                // After everything was switched off, this key means: show them.
                self.over.boxes = !self.over.shown().boxes;
                self.over.overlays = true;
                return;
            }
            Command::ToggleOverlays => {
                self.over.overlays = !self.over.overlays;
                return;
            }
            Command::HeatMap(opacity) => {
                self.over.heat_map_opacity = if opacity.is_finite() {
                    opacity.clamp(0.0, 1.0)
                } else {
                    0.0
                };
                self.over.overlays |= opacity > 0.0;
                return;
            }
            Command::Link(linked) => {
                self.linked = linked;
                return;
            }
            Command::Undo => {
                if !self.marks.interrupt()
                    && let Some(before) = self.history.undo(self.snapshot())
                {
                    self.take(before);
                }
                return;
            }
            Command::Redo => {
                if let Some(after) = self.history.redo(self.snapshot()) {
                    self.take(after);
                }
                return;
            }
            Command::DeleteMeasurement if self.marks.interrupt() => return,
            _ => {}
        }
        let Some(sizes) = self.sizes() else { return };
        let middle = sizes.canvas.map(|v| v / 2.0);
        let (view, before) = (self.view, self.snapshot());
        match command {
            Command::Fit => self.view = view.fit(),
            Command::OneToOne => self.view = view.one_to_one(sizes),
            Command::RotateRight => self.view = view.rotate(90.0),
            Command::RotateLeft => self.view = view.rotate(-90.0),
            Command::FlipHorizontal => self.view = view.flip_horizontal(),
            Command::FlipVertical => self.view = view.flip_vertical(),
            Command::ZoomTo(rect) => self.view = view.zoom_to(rect.map(f64::from), MARGIN, sizes),
            Command::ZoomIn => self.view = view.zoom_about(middle, ZOOM_STEP, sizes),
            Command::ZoomOut => self.view = view.zoom_about(middle, 1.0 / ZOOM_STEP, sizes),
            Command::Invert => {
                let invert = !self.presentation.invert;
                self.present(Presentation {
                    invert,
                    ..self.presentation.clone()
                });
            }
            Command::Preset(index) => self.take_preset(index),
            Command::NextPreset => {
                let count = self.opened.as_ref().map_or(1, |opened| opened.presets.len().max(1));
                self.take_preset(self.preset().map_or(0, |index| (index + 1) % count));
            }
            Command::Reset => {
                self.view = ViewState::default();
                self.presentation.invert = false;
                self.take_preset(0);
            }
            Command::DeleteMeasurement => {
                if let Some(index) = self.marks.deletable() {
                    self.marks.all.remove(index);
                    self.marks.chosen = None;
                }
            }
            Command::ClearMeasurements => {
                self.marks.all.clear();
                self.marks.chosen = None;
            }
            Command::Tool(_)
            | Command::ToggleBoxes
            | Command::ToggleOverlays
            | Command::HeatMap(_)
            | Command::Link(_)
            | Command::Undo
            | Command::Redo => return,
        }
        let changed = before.view != self.view
            || before.presentation != self.presentation
            || before.marks.len() != self.marks.all.len();
        if changed {
            self.history.begin(Step::Command, || before);
            self.restored = false;
        }
    }

    fn take_preset(&mut self, index: usize) {
        let preset = self.opened.as_ref().and_then(|opened| opened.presets.get(index));
        if let Some(voi) = preset.map(|preset| preset.voi.clone()) {
            self.present(Presentation {
                voi: Some(voi),
                ..self.presentation
            });
        }
    }
}

fn if_on<T>(on: bool, all: &[T]) -> &[T] {
    if on { all } else { &[] }
}

/// Whether two VOIs draw the same.
fn alike(a: &Voi, b: &Voi) -> bool {
    match (a, b) {
        (Voi::Window { function: a, .. }, Voi::Window { function: b, .. }) => a == b,
        (Voi::Table(a), Voi::Table(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
