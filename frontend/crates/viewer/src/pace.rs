//! Whether the device keeps up with the hand; where it does not, shrunken pictures are drawn in a hurry while the hand moves,
//! and in full as soon as it rests.
//!
//! Times are milliseconds of one clock.

/// A device that takes longer to draw a picture is late: two frames at 60 a second.
pub const LATE: f64 = 2.0 * 1000.0 / 60.0;
/// So many pictures in a row must be late; one may be, for reasons that are not the picture's.
const LATE_PICTURES: u32 = 3;
/// The hand rests after so long without a movement.
pub const REST: f64 = 150.0;

/// One picture on one canvas.
#[derive(Debug, Default)]
pub struct Pace {
    /// The hand's last movement.
    moved: Option<f64>,
    /// It has not been drawn yet.
    undrawn: bool,
    /// Late ones in a row, while the hand moved.
    late: u32,
}

impl Pace {
    /// The hand moved the picture.
    pub fn moved(&mut self, now: f64) {
        self.moved = Some(now);
        self.undrawn = true;
    }

    /// The picture is handed to the device as it is now.
    pub fn shown(&mut self) {
        self.undrawn = false;
    }

    /// The device drew a picture that is [watched](Pace::watches) in time, or has not, and is late.
    pub fn drew(&mut self, late: bool) {
        self.late = if late { self.late + 1 } else { 0 };
    }

    /// Whether it matters how long the device takes for the next picture. What was found to be slow stays so: from
    /// pictures drawn in a hurry it cannot be seen whether others would do.
    pub fn watches(&self, now: f64) -> bool {
        self.moves(now) && !self.is_slow()
    }

    /// Whether the next picture is to be drawn in a hurry.
    pub fn hurries(&self, now: f64) -> bool {
        self.is_slow() && self.moves(now)
    }

    /// Whether the hand is on its way.
    pub fn moves(&self, now: f64) -> bool {
        self.undrawn || self.moved.is_some_and(|moved| now - moved < REST)
    }

    fn is_slow(&self) -> bool {
        self.late >= LATE_PICTURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hand that moves for 40 pictures, `late` or not; the clock goes on from `from`.
    fn drag(pace: &mut Pace, from: f64, late: impl Fn(u32) -> bool) -> f64 {
        (0..40).fold(from, |now, picture| {
            pace.moved(now);
            if pace.watches(now) {
                pace.drew(late(picture));
            }
            pace.shown();
            now + 50.0
        })
    }

    #[test]
    fn a_device_that_keeps_up_draws_in_full() {
        let mut pace = Pace::default();
        let end = drag(&mut pace, 0.0, |picture| picture % 5 == 0);
        assert!(!pace.hurries(end) && pace.watches(end));
    }

    #[test]
    fn a_slow_device_hurries_while_the_hand_moves() {
        let mut pace = Pace::default();
        let end = drag(&mut pace, 0.0, |_| true);
        assert!(pace.hurries(end) && !pace.watches(end));
        assert!(!pace.hurries(end + REST), "the hand rests");
        // The next movement begins in a hurry, however long it waits for its picture, and stays so although they come in time.
        pace.moved(end + 5000.0);
        assert!(pace.hurries(end + 5001.0 + REST));
        let end = drag(&mut pace, end + 5000.0, |_| false);
        assert!(pace.hurries(end));
    }

    #[test]
    fn what_is_drawn_without_a_hand_is_not_watched() {
        let mut pace = Pace::default();
        assert!(!pace.watches(0.0));
        pace.moved(100.0);
        assert!(pace.watches(100.0 + REST), "not drawn yet");
        pace.shown();
        assert!(pace.watches(100.0) && !pace.watches(100.0 + REST));
    }
}
