//! Pointers on the picture, mouse and fingers alike, told apart into drags, pinches and double taps.

/// What a pointer's movement asks for; lengths and places in display pixels of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gesture {
    /// The active tool, or the one that the button chose.
    Drag {
        button: Button,
        from: [f64; 2],
        by: [f64; 2],
    },
    /// Two fingers: their middle moved by `by`, their distance grew by `factor`.
    Pinch {
        centre: [f64; 2],
        by: [f64; 2],
        factor: f64,
    },
    /// Two taps or clicks on nearly the same place in a short time.
    Double { at: [f64; 2] },
}

/// The button that began a drag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Left button, or one finger, or a pen.
    Main,
    /// Middle button, or the main one with Shift.
    Middle,
    Right,
}

#[derive(Clone, Copy, Debug)]
struct Pointer {
    id: i32,
    at: [f64; 2],
    began: [f64; 2],
    button: Button,
}

/// Follows up to two pointers.
#[derive(Debug, Default)]
pub struct Pointers {
    held: Vec<Pointer>,
    /// When and where the last tap ended; milliseconds.
    last_tap: Option<(f64, [f64; 2])>,
    /// A second finger was down since the first came: the end of it is no tap.
    pinched: bool,
}

/// A tap moves no further than this, in CSS pixels.
const TAP_DISTANCE: f64 = 6.0;
/// The second tap of two comes no later than this, in milliseconds.
const TAP_INTERVAL: f64 = 350.0;
/// The second tap of two lands no further from the first than this, in CSS pixels.
const TAP_SPREAD: f64 = 24.0;

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl Pointers {
    /// A button or finger went down.
    pub fn down(&mut self, id: i32, at: [f64; 2], button: Button) {
        self.held.retain(|p| p.id != id);
        if self.held.len() < 2 {
            self.held.push(Pointer {
                id,
                at,
                began: at,
                button,
            });
        }
        self.pinched |= self.held.len() > 1;
    }

    /// How many are down.
    pub fn count(&self) -> usize {
        self.held.len()
    }

    /// A pointer moved.
    pub fn moved(&mut self, id: i32, at: [f64; 2]) -> Option<Gesture> {
        let index = self.held.iter().position(|p| p.id == id)?;
        let from = self.held[index].at;
        self.held[index].at = at;
        let by = [at[0] - from[0], at[1] - from[1]];
        match self.held.as_slice() {
            [one] => Some(Gesture::Drag {
                button: one.button,
                from,
                by,
            }),
            [a, b] => {
                let still = if index == 0 { b.at } else { a.at };
                let before = distance(from, still);
                // Fingers on one spot have no ratio.
                let factor = if before < 1.0 {
                    1.0
                } else {
                    distance(at, still).max(1.0) / before
                };
                Some(Gesture::Pinch {
                    centre: [(a.at[0] + b.at[0]) / 2.0, (a.at[1] + b.at[1]) / 2.0],
                    by: [by[0] / 2.0, by[1] / 2.0],
                    factor,
                })
            }
            _ => None,
        }
    }

    /// A button or finger came up; `time` in milliseconds, `density` display pixels for one CSS pixel.
    pub fn up(&mut self, id: i32, at: [f64; 2], time: f64, density: f64) -> Option<Gesture> {
        let index = self.held.iter().position(|p| p.id == id)?;
        let pointer = self.held.remove(index);
        let pinched = self.pinched;
        if self.held.is_empty() {
            self.pinched = false;
        }
        if pinched || pointer.button != Button::Main || distance(pointer.began, at) > TAP_DISTANCE * density {
            self.last_tap = None;
            return None;
        }
        match self.last_tap.take() {
            Some((before, place)) if time - before <= TAP_INTERVAL && distance(place, at) <= TAP_SPREAD * density => {
                Some(Gesture::Double { at })
            }
            _ => {
                self.last_tap = Some((time, at));
                None
            }
        }
    }

    /// The system took a pointer away.
    pub fn cancel(&mut self, id: i32) {
        self.held.retain(|p| p.id != id);
        self.last_tap = None;
        self.pinched &= !self.held.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pointer_drags_with_its_button() {
        let mut pointers = Pointers::default();
        assert_eq!(pointers.moved(1, [5.0, 5.0]), None);
        pointers.down(1, [10.0, 10.0], Button::Middle);
        let drag = pointers.moved(1, [13.0, 6.0]);
        assert_eq!(
            drag,
            Some(Gesture::Drag {
                button: Button::Middle,
                from: [10.0, 10.0],
                by: [3.0, -4.0]
            })
        );
        assert_eq!(pointers.up(1, [13.0, 6.0], 0.0, 1.0), None);
        assert_eq!(pointers.moved(1, [20.0, 6.0]), None);
    }

    #[test]
    fn two_fingers_pinch() {
        let mut pointers = Pointers::default();
        pointers.down(1, [0.0, 0.0], Button::Main);
        pointers.down(2, [10.0, 0.0], Button::Main);
        pointers.down(3, [99.0, 99.0], Button::Main);
        assert_eq!(pointers.moved(3, [90.0, 90.0]), None);
        let pinch = pointers.moved(2, [20.0, 0.0]);
        assert_eq!(
            pinch,
            Some(Gesture::Pinch {
                centre: [10.0, 0.0],
                by: [5.0, 0.0],
                factor: 2.0
            })
        );
        // Lifting one finger leaves a drag, and no tap.
        assert_eq!(pointers.up(2, [20.0, 0.0], 10.0, 1.0), None);
        assert!(matches!(pointers.moved(1, [1.0, 0.0]), Some(Gesture::Drag { .. })));
        assert_eq!(pointers.up(1, [1.0, 0.0], 20.0, 1.0), None);
        pointers.down(1, [1.0, 0.0], Button::Main);
        assert_eq!(pointers.up(1, [1.0, 0.0], 30.0, 1.0), None);
    }

    #[test]
    fn fingers_on_one_spot_do_not_blow_up() {
        let mut pointers = Pointers::default();
        pointers.down(1, [5.0, 5.0], Button::Main);
        pointers.down(2, [5.0, 5.0], Button::Main);
        assert!(matches!(pointers.moved(2, [50.0, 5.0]), Some(Gesture::Pinch { factor, .. }) if factor == 1.0));
        assert!(matches!(pointers.moved(2, [5.0, 5.0]), Some(Gesture::Pinch { factor, .. }) if factor > 0.0));
    }

    #[test]
    fn two_quick_taps_are_a_double() {
        let mut pointers = Pointers::default();
        let mut tap = |x: f64, time: f64| {
            pointers.down(1, [x, 0.0], Button::Main);
            pointers.up(1, [x, 0.0], time, 1.0)
        };
        assert_eq!(tap(0.0, 0.0), None);
        assert_eq!(tap(3.0, 200.0), Some(Gesture::Double { at: [3.0, 0.0] }));
        assert_eq!(tap(3.0, 300.0), None);
        assert_eq!(tap(3.0, 900.0), None);
        assert_eq!(tap(90.0, 1000.0), None);
    }

    #[test]
    fn a_drag_is_no_tap() {
        let mut pointers = Pointers::default();
        for time in [0.0, 100.0] {
            pointers.down(1, [0.0, 0.0], Button::Main);
            pointers.moved(1, [40.0, 0.0]);
            assert_eq!(pointers.up(1, [40.0, 0.0], time, 1.0), None);
        }
    }
}
