//! What the reader does, turned into a view and a window. Knows no browser.

use std::rc::Rc;

use imaging::{
    DataPresentation, DisplayLut, Frame, PixelSpacingSource, Presentation, ResolvedView, Sizes, Spacing, ViewState, Voi,
};

use crate::gesture::{Button, Gesture};
use crate::{Command, State, Tool};

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

/// View, window and tool of one viewer.
pub struct Controller {
    opened: Option<Opened>,
    /// Display pixels.
    canvas: [u32; 2],
    view: ViewState,
    /// Its VOI is set whenever a picture is open.
    presentation: Presentation,
    over: DataPresentation,
    tool: Tool,
}

/// All that a renderer needs.
pub struct Resolved {
    pub frame: Rc<Frame>,
    /// Changes its address when it changes its content.
    pub levels: Rc<DisplayLut>,
    pub view: ResolvedView,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            opened: None,
            canvas: [1, 1],
            view: ViewState::default(),
            presentation: Presentation::default(),
            over: DataPresentation::default(),
            tool: Tool::default(),
        }
    }
}

/// The windows of the file in its order, then those made from its pixels.
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
    for (name, tail) in [("percentile", PERCENTILE_TAIL), ("full range", 0.0)] {
        all.push(Preset {
            name: name.to_owned(),
            voi: frame.percentile_window(tail),
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
    /// Shows a frame as its file says, whole.
    pub fn open(&mut self, frame: Rc<Frame>) {
        let presets = presets(&frame);
        self.presentation.voi = presets.first().map(|preset| preset.voi.clone());
        self.view = ViewState::default();
        let levels = Rc::new(self.presentation.resolve(&frame));
        self.opened = Some(Opened { frame, presets, levels });
    }

    /// The same picture, better than before: view and window stay. A window that was made from the pixels is made
    /// anew from these.
    pub fn refine(&mut self, frame: Rc<Frame>) {
        let Some(opened) = &self.opened else {
            self.open(frame);
            return;
        };
        let presets = presets(&frame);
        let chosen = opened
            .presets
            .iter()
            .position(|preset| Some(&preset.voi) == self.presentation.voi.as_ref());
        if let Some(preset) = chosen.and_then(|index| presets.get(index)) {
            self.presentation.voi = Some(preset.voi.clone());
        }
        let levels = Rc::new(self.presentation.resolve(&frame));
        self.opened = Some(Opened { frame, presets, levels });
    }

    pub fn frame(&self) -> Option<Rc<Frame>> {
        self.opened.as_ref().map(|opened| Rc::clone(&opened.frame))
    }

    /// What lies over the picture.
    pub fn over(&self) -> DataPresentation {
        self.over
    }

    /// Width and height of the canvas in display pixels.
    pub fn set_canvas(&mut self, canvas: [u32; 2]) {
        self.canvas = canvas;
    }

    pub fn set_tool(&mut self, tool: Tool) {
        self.tool = tool;
    }

    fn sizes(&self) -> Option<Sizes> {
        let opened = self.opened.as_ref()?;
        Some(Sizes::of(&opened.frame, self.canvas[0], self.canvas[1]))
    }

    /// What to draw; `None` while there is no picture.
    pub fn resolved(&self) -> Option<Resolved> {
        let opened = self.opened.as_ref()?;
        Some(Resolved {
            frame: Rc::clone(&opened.frame),
            levels: Rc::clone(&opened.levels),
            view: self.view.resolve(self.sizes()?),
        })
    }

    pub fn state(&self) -> State {
        let mut state = State {
            tool: self.tool,
            inverted: self.presentation.invert,
            boxes_visible: self.over.boxes,
            ..State::default()
        };
        if let (Some(opened), Some(sizes)) = (&self.opened, self.sizes()) {
            state.loaded = true;
            state.zoom = self.view.zoom(sizes);
            (state.window_center, state.window_width) = self.presentation.voi.as_ref().map_or((0.0, 0.0), window_of);
            state.spacing_label = spacing_label(opened.frame.spacing);
            state.presets = opened.presets.iter().map(|preset| preset.name.clone()).collect();
        }
        state
    }

    fn present(&mut self, presentation: Presentation) {
        self.presentation = presentation;
        if let Some(opened) = &mut self.opened {
            opened.levels = Rc::new(self.presentation.resolve(&opened.frame));
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

    /// Follows a pointer; `density` is the number of display pixels for one CSS pixel.
    pub fn gesture(&mut self, gesture: Gesture, density: f64) {
        let Some(sizes) = self.sizes() else { return };
        match gesture {
            Gesture::Drag { button, from, by } => {
                let tool = match button {
                    Button::Main => self.tool,
                    Button::Middle => Tool::Pan,
                    Button::Right if self.tool == Tool::Zoom => Tool::Window,
                    Button::Right => Tool::Zoom,
                };
                match tool {
                    Tool::Window => self.drag_window(by.map(|v| v / density)),
                    Tool::Pan => self.view = self.view.pan(by, sizes),
                    Tool::Zoom => {
                        let factor = (-by[1] / density / ZOOM_TRAVEL).exp2();
                        self.view = self.view.zoom_about(from, factor, sizes);
                    }
                }
            }
            Gesture::Pinch { centre, by, factor } => {
                self.view = self.view.pan(by, sizes).zoom_about(centre, factor, sizes);
            }
            Gesture::Double { .. } => self.view = self.view.fit(),
        }
    }

    /// Zooms about a place in display pixels; `delta` in pixels of scrolling, down is away.
    pub fn wheel(&mut self, about: [f64; 2], delta: f64) {
        if let Some(sizes) = self.sizes() {
            // One notch of a mouse is some 100 pixels; a runaway device does not jump to the limit.
            let factor = (-delta.clamp(-400.0, 400.0) / ZOOM_TRAVEL / 2.0).exp2();
            self.view = self.view.zoom_about(about, factor, sizes);
        }
    }

    /// Moves the picture by a share of the canvas.
    pub fn pan_by_share(&mut self, share: [f64; 2]) {
        if let Some(sizes) = self.sizes() {
            self.view = self
                .view
                .pan([share[0] * sizes.canvas[0], share[1] * sizes.canvas[1]], sizes);
        }
    }

    pub fn command(&mut self, command: Command) {
        if command == Command::ToggleBoxes {
            self.over.boxes = !self.over.boxes;
            return;
        }
        let Some(sizes) = self.sizes() else { return };
        let middle = sizes.canvas.map(|v| v / 2.0);
        let view = self.view;
        match command {
            Command::Fit => self.view = view.fit(),
            Command::OneToOne => self.view = view.one_to_one(sizes),
            Command::RotateRight => self.view = view.rotate(90.0),
            Command::RotateLeft => self.view = view.rotate(-90.0),
            Command::FlipHorizontal => self.view = view.flip_horizontal(),
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
            Command::WindowPreset(index) => {
                let preset = self.opened.as_ref().and_then(|opened| opened.presets.get(index));
                if let Some(voi) = preset.map(|preset| preset.voi.clone()) {
                    self.present(Presentation {
                        voi: Some(voi),
                        ..self.presentation
                    });
                }
            }
            Command::Reset => {
                self.view = ViewState::default();
                self.presentation.invert = false;
                self.command(Command::WindowPreset(0));
            }
            Command::ToggleBoxes => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use imaging::{Lut, PhotometricInterpretation, VoiLutFunction};

    use super::*;

    fn window(center: f64, width: f64, explanation: Option<&str>) -> Voi {
        Voi::Window {
            center,
            width,
            function: VoiLutFunction::Linear,
            explanation: explanation.map(str::to_owned),
        }
    }

    fn opened(voi: Vec<Voi>) -> Controller {
        let mut frame = Frame::new(200, 400, 12, (0..80_000u32).map(|v| (v % 4096) as u16).collect());
        frame.voi = voi;
        let mut controller = Controller::default();
        controller.set_canvas([800, 800]);
        controller.open(Rc::new(frame));
        controller
    }

    fn drag(controller: &mut Controller, button: Button, by: [f64; 2]) {
        controller.gesture(
            Gesture::Drag {
                button,
                from: [400.0, 400.0],
                by,
            },
            2.0,
        );
    }

    #[test]
    fn the_files_own_windows_come_first() {
        let names = |voi| opened(voi).state().presets;
        assert_eq!(names(vec![]), ["percentile", "full range"]);
        assert_eq!(
            names(vec![
                window(1.0, 2.0, Some(" BONE ")),
                window(3.0, 4.0, None),
                window(5.0, 6.0, Some("BONE")),
                window(5.0, 6.0, Some("percentile")),
            ]),
            [
                "BONE",
                "as sent 2",
                "BONE (2)",
                "percentile",
                "percentile (2)",
                "full range"
            ]
        );
        let mut controller = opened(vec![window(100.0, 50.0, None), window(900.0, 300.0, None)]);
        assert_eq!(
            (controller.state().window_center, controller.state().window_width),
            (100.0, 50.0)
        );
        controller.command(Command::WindowPreset(1));
        assert_eq!(controller.state().window_width, 300.0);
        controller.command(Command::WindowPreset(99));
        assert_eq!(controller.state().window_width, 300.0);
    }

    #[test]
    fn a_better_picture_keeps_view_and_window() {
        let better = || Rc::new(Frame::new(200, 400, 12, vec![77; 80_000]));
        let mut controller = opened(vec![]);
        let made = controller.state().window_center;
        controller.command(Command::ZoomIn);
        let zoom = controller.state().zoom;
        controller.refine(better());
        assert_eq!(controller.state().zoom, zoom);
        assert_ne!(
            controller.state().window_center,
            made,
            "the percentiles are those of the better picture"
        );
        let mut controller = opened(vec![]);
        drag(&mut controller, Button::Main, [40.0, -40.0]);
        let chosen = (controller.state().window_center, controller.state().window_width);
        controller.refine(better());
        assert_eq!(
            (controller.state().window_center, controller.state().window_width),
            chosen
        );
    }

    #[test]
    fn dragging_changes_the_window() {
        let mut controller = opened(vec![window(2000.0, 1000.0, None)]);
        // 40 display pixels are 20 CSS pixels at density 2, a twentieth of the travel.
        drag(&mut controller, Button::Main, [40.0, -40.0]);
        let state = controller.state();
        assert_eq!((state.window_center, state.window_width), (1950.0, 1050.0));
        drag(&mut controller, Button::Main, [-1e9, 0.0]);
        assert!(controller.state().window_width >= 1.0);
        controller.command(Command::Reset);
        assert_eq!(controller.state().window_width, 1000.0);
    }

    #[test]
    fn up_is_brighter_in_inverted_pictures_too() {
        let brightness = |controller: &Controller| controller.resolved().unwrap().levels.level(2000);
        for (photometric, invert) in [
            (PhotometricInterpretation::Monochrome1, false),
            (PhotometricInterpretation::Monochrome1, true),
            (PhotometricInterpretation::Monochrome2, false),
            (PhotometricInterpretation::Monochrome2, true),
        ] {
            let mut frame = Frame::new(1, 1, 12, vec![2000]);
            frame.photometric = photometric;
            frame.voi = vec![window(2000.0, 1000.0, None)];
            let mut controller = Controller::default();
            controller.open(Rc::new(frame));
            if invert {
                controller.command(Command::Invert);
            }
            let before = brightness(&controller);
            drag(&mut controller, Button::Main, [0.0, -100.0]);
            assert!(brightness(&controller) > before, "{photometric:?} {invert}");
        }
    }

    #[test]
    fn a_table_becomes_a_window_when_dragged() {
        let lut = Lut {
            first_value: 100,
            bits: 8,
            data: (0..=200).collect(),
            explanation: None,
        };
        let mut controller = opened(vec![Voi::Table(lut)]);
        assert_eq!(
            (controller.state().window_center, controller.state().window_width),
            (200.5, 201.0)
        );
        drag(&mut controller, Button::Main, [0.0, 0.0]);
        assert_eq!(
            (controller.state().window_center, controller.state().window_width),
            (200.5, 201.0)
        );
    }

    #[test]
    fn every_button_has_its_tool() {
        let mut controller = opened(vec![]);
        let place = |controller: &Controller| controller.resolved().unwrap().view.to_canvas;
        let start = place(&controller);
        drag(&mut controller, Button::Middle, [30.0, 10.0]);
        let moved = place(&controller);
        assert_eq!(
            moved.apply([0.0, 0.0]),
            [start.apply([0.0, 0.0])[0] + 30.0, start.apply([0.0, 0.0])[1] + 10.0]
        );
        drag(&mut controller, Button::Right, [0.0, -400.0]);
        assert_eq!(controller.state().zoom, 4.0);
        controller.gesture(Gesture::Double { at: [0.0, 0.0] }, 2.0);
        assert_eq!(place(&controller), start);
        controller.set_tool(Tool::Pan);
        let window = controller.state().window_width;
        drag(&mut controller, Button::Main, [30.0, 10.0]);
        assert_eq!(place(&controller), moved);
        assert_eq!(controller.state().window_width, window);
    }

    #[test]
    fn without_a_picture_nothing_happens() {
        let mut controller = Controller::default();
        for command in [
            Command::Fit,
            Command::Invert,
            Command::Reset,
            Command::ZoomTo([0.0; 4]),
            Command::ZoomIn,
        ] {
            controller.command(command);
        }
        drag(&mut controller, Button::Main, [5.0, 5.0]);
        controller.wheel([0.0, 0.0], 100.0);
        assert!(controller.resolved().is_none() && !controller.state().loaded);
        controller.command(Command::ToggleBoxes);
        assert!(!controller.state().boxes_visible);
    }

    #[test]
    fn spacing_is_never_shown_in_silence() {
        let check = |spacing, expect: &str| assert_eq!(spacing_label(spacing), expect);
        let spacing = |source, column| {
            Some(Spacing {
                row: 0.139,
                column,
                source,
            })
        };
        check(None, "pixels");
        check(spacing(PixelSpacingSource::Calibrated, 0.139), "calibrated 0.14 mm/px");
        check(
            spacing(PixelSpacingSource::Detector, 0.139),
            "detector plane 0.14 mm/px",
        );
        check(
            spacing(PixelSpacingSource::MagnificationCorrected, 0.2),
            "magnification-corrected 0.14 × 0.20 mm/px",
        );
    }
}
