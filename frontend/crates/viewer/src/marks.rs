//! Setting and moving the points of measurements. Knows no browser.

use imaging::{MAXIMUM_MEASUREMENTS, Measurement};

/// A point this near, in CSS pixels, is taken up instead of a new one being set.
const GRIP: f64 = 12.0;
/// A press that moves no further than this, in CSS pixels, is a click.
const CLICK: f64 = 4.0;

/// What a press makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Length,
    Angle,
}

impl Kind {
    fn points(self) -> usize {
        match self {
            Kind::Length => 2,
            Kind::Angle => 3,
        }
    }
}

/// A measurement in the making: its fixed points, and the one that still follows the pointer.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub kind: Kind,
    pub fixed: Vec<[f64; 2]>,
    pub floating: [f64; 2],
}

impl Draft {
    /// All points, the floating one last.
    pub fn points(&self) -> Vec<[f64; 2]> {
        let mut all = self.fixed.clone();
        all.push(self.floating);
        all
    }

    fn finished(&self) -> Option<Measurement> {
        match (self.kind, self.fixed.as_slice()) {
            (Kind::Length, &[a, b]) => Some(Measurement::Length([a, b])),
            (Kind::Angle, &[a, vertex, b]) => Some(Measurement::Angle([a, vertex, b])),
            _ => None,
        }
    }
}

/// What a press did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// A point of an existing measurement is held: a step begins.
    Took,
    /// A new point.
    Set,
    /// There are too many measurements already.
    Refused,
}

/// The measurements of a picture and the hand at work on them. Points are in pixels of the picture; `near` is how
/// many of them a CSS pixel is.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub all: Vec<Measurement>,
    pub draft: Option<Draft>,
    /// The measurement touched last.
    pub chosen: Option<usize>,
    held: Option<(usize, usize)>,
    pressed_at: Option<[f64; 2]>,
}

/// Puts measurements of before in front of those made since, as many as a picture holds; how many they were.
pub fn put_first(all: &mut Vec<Measurement>, earlier: &[Measurement]) -> usize {
    let count = MAXIMUM_MEASUREMENTS.saturating_sub(all.len()).min(earlier.len());
    let since = std::mem::replace(all, earlier[..count].to_vec());
    all.extend(since);
    count
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl Marks {
    /// The button or finger went down.
    pub fn press(&mut self, kind: Kind, at: [f64; 2], near: f64) -> Pressed {
        let goes_on = self.draft.as_ref().is_some_and(|draft| draft.kind == kind);
        if !goes_on && let Some(point) = self.grip(at, near) {
            self.draft = None;
            self.pressed_at = Some(at);
            self.held = Some(point);
            self.chosen = Some(point.0);
            return Pressed::Took;
        }
        self.set(kind, at)
    }

    /// Sets a point, whatever lies there already.
    pub fn set(&mut self, kind: Kind, at: [f64; 2]) -> Pressed {
        self.pressed_at = Some(at);
        if let Some(draft) = self.draft.as_mut().filter(|draft| draft.kind == kind) {
            draft.floating = at;
            return Pressed::Set;
        }
        self.draft = None;
        if self.all.len() >= MAXIMUM_MEASUREMENTS {
            return Pressed::Refused;
        }
        self.chosen = None;
        self.draft = Some(Draft {
            kind,
            fixed: vec![at],
            floating: at,
        });
        Pressed::Set
    }

    /// The point under a place, the newest first.
    fn grip(&self, at: [f64; 2], near: f64) -> Option<(usize, usize)> {
        let points = self.all.iter().enumerate().rev();
        points
            .flat_map(|(mark, one)| {
                one.points()
                    .iter()
                    .enumerate()
                    .map(move |(point, place)| (mark, point, *place))
            })
            .find(|(.., place)| distance(*place, at) <= GRIP * near)
            .map(|(mark, point, _)| (mark, point))
    }

    /// The pointer moved, with the button down or without. True where something changed.
    pub fn moved(&mut self, at: [f64; 2]) -> bool {
        if let Some((mark, point)) = self.held
            && let Some(place) = self.all.get_mut(mark).and_then(|one| one.points_mut().get_mut(point))
        {
            *place = at;
            return true;
        }
        match &mut self.draft {
            Some(draft) => {
                draft.floating = at;
                true
            }
            None => false,
        }
    }

    /// The button or finger came up. The measurement that is complete now, not yet in `all`.
    pub fn released(&mut self, near: f64) -> Option<Measurement> {
        self.held = None;
        let pressed_at = self.pressed_at.take()?;
        let draft = self.draft.as_mut()?;
        let last = *draft.fixed.last()?;
        // A click sets the point where it went down; the first point of all is set already.
        let dragged = distance(pressed_at, draft.floating) > CLICK * near;
        let again = distance(last, draft.floating) <= CLICK * near;
        if again && !dragged {
            return None;
        }
        draft.fixed.push(draft.floating);
        if draft.fixed.len() < draft.kind.points() {
            return None;
        }
        let finished = draft.finished();
        self.draft = None;
        finished
    }

    /// A second finger, another tool or Escape: what is not complete is gone. True where there was something.
    pub fn interrupt(&mut self) -> bool {
        self.held = None;
        self.pressed_at = None;
        self.draft.take().is_some()
    }

    /// Puts measurements of before in front; what the hand is at stays in it.
    pub fn put_first(&mut self, earlier: &[Measurement]) {
        let count = put_first(&mut self.all, earlier);
        self.chosen = self.chosen.map(|index| index + count);
        self.held = self.held.map(|(mark, point)| (mark + count, point));
    }

    /// Which one Delete takes.
    pub fn deletable(&self) -> Option<usize> {
        self.chosen
            .filter(|index| *index < self.all.len())
            .or(self.all.len().checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press_and_release(marks: &mut Marks, kind: Kind, from: [f64; 2], to: [f64; 2]) -> Option<Measurement> {
        marks.press(kind, from, 1.0);
        marks.moved(to);
        let done = marks.released(1.0);
        marks.all.extend(done);
        done
    }

    #[test]
    fn a_drag_is_a_length() {
        let mut marks = Marks::default();
        let done = press_and_release(&mut marks, Kind::Length, [0.0, 0.0], [30.0, 40.0]);
        assert_eq!(done, Some(Measurement::Length([[0.0, 0.0], [30.0, 40.0]])));
        assert_eq!(marks.draft, None);
    }

    #[test]
    fn two_clicks_are_a_length_too() {
        let mut marks = Marks::default();
        assert_eq!(
            press_and_release(&mut marks, Kind::Length, [0.0, 0.0], [1.0, 0.0]),
            None
        );
        assert!(marks.moved([50.0, 0.0]), "it follows the pointer");
        assert_eq!(
            press_and_release(&mut marks, Kind::Length, [80.0, 0.0], [80.0, 0.0]),
            Some(Measurement::Length([[0.0, 0.0], [80.0, 0.0]]))
        );
    }

    #[test]
    fn a_drag_and_a_click_are_an_angle_and_so_are_three_clicks() {
        let expect = Some(Measurement::Angle([[0.0, 0.0], [50.0, 0.0], [50.0, 50.0]]));
        let mut marks = Marks::default();
        assert_eq!(
            press_and_release(&mut marks, Kind::Angle, [0.0, 0.0], [50.0, 0.0]),
            None
        );
        assert_eq!(
            press_and_release(&mut marks, Kind::Angle, [50.0, 50.0], [50.0, 50.0]),
            expect
        );

        let mut marks = Marks::default();
        for at in [[0.0, 0.0], [50.0, 0.0]] {
            assert_eq!(press_and_release(&mut marks, Kind::Angle, at, at), None);
        }
        assert_eq!(
            press_and_release(&mut marks, Kind::Angle, [50.0, 50.0], [50.0, 50.0]),
            expect
        );
        // By two fingers' drags: the second one begins anywhere.
        let mut marks = Marks::default();
        press_and_release(&mut marks, Kind::Angle, [0.0, 0.0], [50.0, 0.0]);
        assert_eq!(
            press_and_release(&mut marks, Kind::Angle, [90.0, 20.0], [50.0, 50.0]),
            expect
        );
    }

    #[test]
    fn a_point_can_be_moved() {
        let mut marks = Marks::default();
        press_and_release(&mut marks, Kind::Length, [0.0, 0.0], [100.0, 0.0]);
        assert_eq!(marks.press(Kind::Angle, [95.0, 3.0], 1.0), Pressed::Took);
        marks.moved([100.0, 60.0]);
        assert_eq!(marks.released(1.0), None);
        assert_eq!(marks.all, [Measurement::Length([[0.0, 0.0], [100.0, 60.0]])]);
        assert_eq!(marks.deletable(), Some(0));
        assert!(!marks.moved([5.0, 5.0]), "let go");
    }

    #[test]
    fn measurements_of_before_come_in_front_and_leave_the_hand_its_own() {
        let before = [Measurement::Length([[1.0, 1.0], [2.0, 2.0]])];
        let mut marks = Marks::default();
        press_and_release(&mut marks, Kind::Length, [0.0, 0.0], [100.0, 0.0]);
        assert_eq!(marks.press(Kind::Length, [100.0, 0.0], 1.0), Pressed::Took);
        marks.put_first(&before);
        marks.moved([100.0, 50.0]);
        assert_eq!(marks.all, [before[0], Measurement::Length([[0.0, 0.0], [100.0, 50.0]])]);
        assert_eq!(marks.deletable(), Some(1));
        // No picture holds more than the server takes.
        marks.put_first(&[before[0]; MAXIMUM_MEASUREMENTS]);
        assert_eq!(marks.all.len(), MAXIMUM_MEASUREMENTS);
    }

    #[test]
    fn a_second_finger_takes_no_point() {
        let mut marks = Marks::default();
        marks.press(Kind::Length, [0.0, 0.0], 1.0);
        assert!(marks.interrupt());
        assert_eq!(marks.released(1.0), None);
        assert!(marks.all.is_empty() && marks.draft.is_none());
    }
}
