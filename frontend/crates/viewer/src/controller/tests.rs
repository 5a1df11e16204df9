use imaging::{Lut, Measurement, PhotometricInterpretation, VoiLutFunction};

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
    controller.set_canvas([800, 800], 2.0);
    controller.open(Rc::new(frame));
    controller
}

fn drag(controller: &mut Controller, button: Button, by: [f64; 2]) {
    let from = [400.0, 400.0];
    controller.press(button, from);
    controller.gesture(Gesture::Drag { button, from, by });
    controller.release();
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
    controller.command(Command::Preset(1));
    assert_eq!(controller.state().window_width, 300.0);
    controller.command(Command::Preset(99));
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
    controller.gesture(Gesture::Double { at: [0.0, 0.0] });
    assert_eq!(place(&controller), start);
    controller.command(Command::Tool(Tool::Pan));
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

#[test]
fn every_step_can_be_taken_back() {
    let mut controller = opened(vec![window(2000.0, 1000.0, None)]);
    let start = controller.state();
    drag(&mut controller, Button::Main, [40.0, -40.0]);
    drag(&mut controller, Button::Middle, [40.0, -40.0]);
    controller.command(Command::FlipHorizontal);
    controller.wheel([10.0, 10.0], -100.0);
    controller.wheel([10.0, 10.0], -100.0);
    controller.command(Command::Tool(Tool::Length));
    drag(&mut controller, Button::Main, [100.0, 0.0]);
    assert_eq!(controller.state().measurements.len(), 1);
    let end = controller.state();
    let mut steps = 0;
    while controller.state().can_undo {
        controller.command(Command::Undo);
        steps += 1;
    }
    assert_eq!(steps, 5, "two drags, a flip, the wheel, a length");
    let back = ViewerState {
        can_redo: false,
        tool: Tool::Window,
        ..controller.state()
    };
    assert_eq!(back, start);
    while controller.state().can_redo {
        controller.command(Command::Redo);
    }
    assert_eq!(controller.state(), end);
    // What changes nothing is no step.
    let mut controller = opened(vec![]);
    controller.command(Command::Fit);
    controller.command(Command::DeleteMeasurement);
    assert!(!controller.state().can_undo);
}

#[test]
fn lengths_are_measured_on_the_picture_and_labelled() {
    let mut controller = opened(vec![]);
    controller.command(Command::Tool(Tool::Length));
    // The picture is 400 wide on 800 display pixels.
    drag(&mut controller, Button::Main, [200.0, 0.0]);
    assert_eq!(controller.state().measurements, ["100 px"]);
    // It turns with the picture.
    controller.command(Command::RotateRight);
    controller.command(Command::FlipVertical);
    assert_eq!(controller.state().measurements, ["100 px"]);
    controller.command(Command::Reset);
    assert_eq!(controller.state().measurements.len(), 1, "a reset is of the view");
    controller.command(Command::DeleteMeasurement);
    assert!(controller.state().measurements.is_empty());
    controller.command(Command::Undo);
    assert_eq!(controller.state().measurements, ["100 px"]);
}

#[test]
fn the_keyboard_measures_too() {
    let mut controller = opened(vec![]);
    controller.command(Command::Tool(Tool::Angle));
    for direction in [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]] {
        for _ in 0..5 {
            controller.arrow(direction, false, false);
        }
        assert!(controller.set_point());
    }
    assert_eq!(controller.state().measurements, ["90.0°"]);
    assert!(controller.over().unwrap().cursor.is_some());
    // A new measurement begins at a point of an old one, and Escape gives it up.
    controller.set_point();
    assert!(controller.escape());
    controller.hover(Some([3.0, 3.0]));
    assert!(controller.over().unwrap().cursor.is_none());
    // Escape gives up a draft and nothing else.
    assert!(!controller.escape());
    controller.set_point();
    assert!(controller.escape());
    assert_eq!(controller.state().measurements.len(), 1);
    controller.command(Command::Tool(Tool::Window));
    assert!(!controller.set_point());
}

#[test]
fn arrow_keys_do_what_the_tool_does() {
    let mut controller = opened(vec![window(2000.0, 1000.0, None)]);
    controller.arrow([1.0, 0.0], false, false);
    controller.arrow([0.0, -1.0], false, false);
    let state = controller.state();
    assert_eq!((state.window_center, state.window_width), (1950.0, 1050.0));
    let place = |controller: &Controller| controller.resolved().unwrap().view.to_canvas.apply([200.0, 100.0]);
    controller.arrow([1.0, 0.0], true, false);
    assert_eq!(place(&controller), [320.0, 400.0]);
    controller.command(Command::Tool(Tool::Zoom));
    controller.arrow([0.0, -1.0], false, false);
    assert!(controller.state().zoom > 2.1);
    controller.command(Command::Undo);
    assert_eq!(
        (controller.state().zoom, controller.state().window_width),
        (2.0, 1050.0)
    );
    controller.command(Command::Undo);
    controller.command(Command::Undo);
    assert_eq!(
        controller.state().window_width,
        1000.0,
        "two keys of one tool are one step"
    );
}

#[test]
fn the_lens_shows_at_least_the_pictures_own_pixels() {
    let mut controller = opened(vec![]);
    controller.command(Command::Tool(Tool::Magnifier));
    assert!(controller.resolved().unwrap().lens.is_none());
    controller.hover(Some([100.0, 100.0]));
    let lens = controller.resolved().unwrap().lens.unwrap();
    assert_eq!((lens.at, lens.view.zoom), ([100.0, 100.0], 4.0));
    controller.command(Command::ZoomTo([0.0, 0.0, 16000.0, 16000.0]));
    assert!(controller.resolved().unwrap().lens.unwrap().view.zoom > 0.999);
    controller.hover(None);
    assert!(controller.resolved().unwrap().lens.is_none());
}

#[test]
fn a_picture_comes_back_as_it_was_left() {
    let file = vec![window(100.0, 50.0, None), window(900.0, 300.0, None)];
    let mut controller = opened(file.clone());
    assert_eq!(
        controller.kept(),
        Some(imaging::KeptView::default()),
        "untouched, there is nothing to keep"
    );
    controller.command(Command::Preset(1));
    controller.command(Command::Invert);
    controller.command(Command::RotateLeft);
    controller.command(Command::Tool(Tool::Length));
    drag(&mut controller, Button::Main, [100.0, 0.0]);
    let kept = controller.kept().unwrap();

    // Whether it arrives before the picture or after it.
    for early in [true, false] {
        let mut frame = Frame::new(200, 400, 12, vec![7; 80_000]);
        frame.voi = file.clone();
        let mut again = Controller::default();
        again.set_canvas([800, 800], 2.0);
        if early {
            again.restore(kept.clone());
        }
        again.open(Rc::new(frame));
        again.restore(kept.clone());
        let state = again.state();
        assert_eq!((state.window_center, state.window_width), (900.0, 300.0));
        assert!(state.inverted && state.restored && state.changed);
        assert_eq!(state.orientation, "turned 270°");
        assert_eq!(state.measurements, ["50 px"]);
        assert_eq!(again.kept(), Some(kept.clone()));
        again.command(Command::Reset);
        assert!(!again.state().restored && !again.state().changed);
    }
}

#[test]
fn what_was_left_comes_back_under_hands_that_were_quicker() {
    let file = vec![window(100.0, 50.0, None), window(900.0, 300.0, None)];
    let mut before = opened(file.clone());
    before.command(Command::Preset(1));
    before.command(Command::RotateLeft);
    before.command(Command::Tool(Tool::Length));
    drag(&mut before, Button::Main, [100.0, 0.0]);
    let kept = before.kept().unwrap();

    // A measurement drawn meanwhile is kept with the others, and all else comes back.
    let mut busy = opened(file.clone());
    busy.command(Command::Tool(Tool::Length));
    drag(&mut busy, Button::Main, [200.0, 0.0]);
    busy.restore(kept.clone());
    let state = busy.state();
    assert_eq!(state.measurements, ["50 px", "100 px"]);
    assert_eq!((state.window_width, state.orientation.as_str()), (300.0, "turned 270°"));
    assert!(!state.restored, "it is not as it was left");
    // Undo takes the new one back and not those of before.
    busy.command(Command::Undo);
    assert_eq!(busy.kept().unwrap(), kept);
    busy.command(Command::Redo);
    assert_eq!(busy.state().measurements.len(), 2);
    // It comes back once.
    busy.restore(kept.clone());
    assert_eq!(busy.state().measurements.len(), 2);

    // What the hands changed stays; undo leads to what was left.
    let mut busy = opened(file.clone());
    busy.command(Command::Invert);
    busy.restore(kept.clone());
    let state = busy.state();
    assert!(state.inverted);
    assert_eq!((state.window_width, state.measurements.len()), (50.0, 1));
    busy.command(Command::Undo);
    assert_eq!(busy.kept().unwrap(), kept);

    // The picture does not jump under a measurement in the making.
    let mut busy = opened(file);
    busy.command(Command::Tool(Tool::Length));
    busy.press(Button::Main, [400.0, 400.0]);
    busy.restore(kept);
    assert_eq!(busy.state().orientation, "as stored");
    busy.gesture(Gesture::Drag {
        button: Button::Main,
        from: [400.0, 400.0],
        by: [200.0, 0.0],
    });
    busy.release();
    assert_eq!(busy.state().measurements, ["50 px", "100 px"]);
}

#[test]
fn undo_leads_to_the_window_of_the_better_picture() {
    let mut controller = opened(vec![]);
    controller.command(Command::Invert);
    controller.refine(Rc::new(Frame::new(200, 400, 12, vec![77; 80_000])));
    let better = controller.state().window_center;
    controller.command(Command::Undo);
    assert_eq!(controller.state().window_center, better);
    assert_eq!(controller.state().preset, Some(0));
}

#[test]
fn one_key_hides_everything_and_brings_it_back() {
    let mut controller = opened(vec![]);
    controller.boxes = vec![HipBox {
        rect: [1.0, 2.0, 3.0, 4.0],
        label: String::new(),
        style: domain::BoxStyle::Doubtful,
    }];
    controller.heat_maps = vec![HeatMap {
        side: domain::Side::Left,
        rect: [0.0; 4],
        width: 1,
        height: 1,
        values: vec![1.0],
    }];
    let counts = |controller: &Controller| {
        let over = controller.over().unwrap();
        (over.boxes.len(), over.heat_maps.len(), over.marks.len())
    };
    assert_eq!(counts(&controller), (1, 0, 0), "no picture opens under a heat map");
    controller.command(Command::HeatMap(0.5));
    controller.command(Command::Tool(Tool::Length));
    drag(&mut controller, Button::Main, [100.0, 0.0]);
    assert_eq!(counts(&controller), (1, 1, 1));
    controller.command(Command::ToggleOverlays);
    assert_eq!(counts(&controller), (0, 0, 0));
    assert_eq!(controller.over().unwrap().letters.left, "R", "the sides stay");
    controller.command(Command::ToggleOverlays);
    assert_eq!(counts(&controller), (1, 1, 1));
    controller.command(Command::ToggleOverlays);
    controller.command(Command::ToggleBoxes);
    assert!(controller.state().boxes_visible);
}

#[test]
fn the_side_letters_say_where_they_come_from() {
    let mut controller = opened(vec![]);
    assert_eq!(controller.state().sides, "letters not stated");
    assert_eq!(controller.over().unwrap().letters, EdgeLetters::default());
    // Only a frontal view has boxes.
    controller.boxes = vec![HipBox {
        rect: [1.0, 2.0, 3.0, 4.0],
        label: String::new(),
        style: domain::BoxStyle::Negative,
    }];
    assert_eq!(controller.state().sides, "letters assumed: frontal view");
    assert_eq!(controller.over().unwrap().letters.left, "R");
    let mut frame = Frame::new(2, 2, 8, vec![0; 4]);
    frame.orientation = Some(["R".to_owned(), "F".to_owned()]);
    frame.laterality = "L".to_owned();
    controller.open(Rc::new(frame));
    assert_eq!(controller.state().sides, "left side, letters from the file");
    let letters = controller.over().unwrap().letters;
    assert_eq!((letters.left.as_str(), letters.top.as_str()), ("L", "H"));
    controller.command(Command::FlipHorizontal);
    assert_eq!(controller.over().unwrap().letters.left, "R");
}

#[test]
fn pictures_on_one_page_keep_one_scale() {
    let (mut right, mut left) = (opened(vec![]), opened(vec![]));
    right.command(Command::ZoomTo([0.0, 0.0, 50.0, 50.0]));
    right.command(Command::Invert);
    left.adopt(&right.link().unwrap(), true);
    assert_eq!(left.state().zoom, right.state().zoom);
    assert!(left.state().inverted);
    // Another picture takes the scale alone, and in millimetres.
    let mut frame = Frame::new(400, 400, 12, vec![0; 160_000]);
    let spacing = |column| Spacing {
        row: column,
        column,
        source: PixelSpacingSource::Detector,
    };
    frame.spacing = Some(spacing(0.2));
    let mut earlier = Controller::default();
    earlier.set_canvas([800, 800], 1.0);
    earlier.open(Rc::new(frame.clone()));
    let alone = earlier.state();
    earlier.adopt(&right.link().unwrap(), false);
    assert_eq!(earlier.state(), alone, "pixels and millimetres have no common scale");
    frame.spacing = Some(spacing(0.1));
    let mut new = Controller::default();
    new.set_canvas([800, 800], 1.0);
    new.open(Rc::new(frame));
    new.command(Command::OneToOne);
    new.command(Command::Invert);
    earlier.adopt(&new.link().unwrap(), false);
    assert_eq!(earlier.state().zoom, 2.0);
    assert!(!earlier.state().inverted);
    // What was kept of it comes back, but not its place.
    let mut beside = Controller::default();
    beside.set_canvas([800, 800], 1.0);
    let mut coarse = Frame::new(400, 400, 12, vec![0; 160_000]);
    coarse.spacing = Some(spacing(0.2));
    beside.open(Rc::new(coarse));
    beside.follow(&new.link().unwrap(), false);
    beside.restore(KeptView {
        invert: true,
        ..KeptView::default()
    });
    assert!(beside.state().inverted && beside.state().zoom == 2.0);
    earlier.command(Command::Link(false));
    new.command(Command::Fit);
    earlier.adopt(&new.link().unwrap(), false);
    assert_eq!(earlier.state().zoom, 2.0);
}

#[test]
fn a_mark_stays_on_its_picture() {
    let mut controller = opened(vec![]);
    controller.command(Command::Tool(Tool::Length));
    drag(&mut controller, Button::Main, [9000.0, 0.0]);
    let kept = controller.kept().unwrap().measurements;
    assert_eq!(kept, [Measurement::Length([[200.0, 100.0], [400.0, 100.0]])]);
}
