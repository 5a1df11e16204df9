//! The bytes of `GET /frames/{sop}/progressive` as they arrive, and when it is worth drawing what they are so far.

use imaging::Frame;
use progressive::{Decoder, Error, Step};

/// No radiograph has more; a header that lies gets no memory.
const MAX_PIXELS: u64 = 1 << 26;
/// The last step, by far the longest, is drawn in so many pieces.
const PIECES: usize = 4;

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// More bytes are needed.
    Wait,
    /// There is more to decode already.
    GoOn,
    /// The picture became clearly better and is worth drawing.
    Show(Frame),
    /// The picture is lossless.
    Done(Frame),
}

/// A picture on its way.
pub struct Arrival {
    decoder: Decoder,
    /// How good the picture was that was drawn last.
    shown: Option<Clarity>,
}

/// Columns of the finest complete picture, then pieces of the last step.
type Clarity = (usize, usize);

impl Default for Arrival {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(MAX_PIXELS),
            shown: None,
        }
    }
}

impl Arrival {
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// Bytes received, and bytes expected where that is known already.
    pub fn progress(&self) -> (usize, Option<usize>) {
        self.decoder.progress()
    }

    /// Decodes one part, a few milliseconds of work at most for a radiograph.
    ///
    /// # Errors
    /// The bytes are damaged or no picture.
    pub fn work(&mut self) -> Result<Next, Error> {
        match self.decoder.step()? {
            Step::Hungry => Ok(Next::Wait),
            Step::Head => Ok(Next::GoOn),
            Step::Lossless => Ok(self.decoder.frame().map_or(Next::Wait, Next::Done)),
            // What the next part replaces at once is not worth drawing, unless nothing is on the screen yet.
            Step::Better if self.decoder.is_ready() && (self.shown.is_some() || !self.decoder.has_first_picture()) => {
                Ok(Next::GoOn)
            }
            Step::Better => {
                let clarity = self.clarity();
                if !self.decoder.has_glimpse() || self.shown.is_some_and(|shown| shown >= clarity) {
                    return Ok(Next::GoOn);
                }
                self.shown = Some(clarity);
                Ok(self.decoder.frame().map_or(Next::GoOn, Next::Show))
            }
        }
    }

    fn clarity(&self) -> Clarity {
        let (received, expected) = self.decoder.progress();
        let columns = self.decoder.resolution().map_or(0, |(columns, _)| columns);
        (
            columns,
            expected.map_or(0, |expected| received * PIECES / expected.max(1)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Frame {
        let mut state = 1_u32;
        let pixels = (0..2600 * 1400_u32).map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (i / 1400 + i % 1400 + (state >> 25)) as u16 & 0xfff
        });
        Frame::new(2600, 1400, 12, pixels.collect())
    }

    /// What is drawn where the line brings `piece` bytes at a time; every `first_grid`-th column and row at first.
    fn drawn(bytes: &[u8], piece: usize, first_grid: u32) -> (usize, Option<Frame>) {
        let mut arrival = Arrival::default();
        let mut shown = 0;
        let mut last_grid = u32::MAX;
        for piece in bytes.chunks(piece) {
            arrival.push(piece);
            loop {
                match arrival.work().unwrap() {
                    Next::Wait => break,
                    Next::GoOn => {}
                    Next::Show(frame) => {
                        let grid = frame.grid;
                        assert_eq!(frame.pixels.len(), frame.held().iter().product::<usize>());
                        assert!(
                            grid <= last_grid && (shown > 0 || grid == first_grid),
                            "{grid} after {last_grid}"
                        );
                        last_grid = grid;
                        shown += 1;
                    }
                    Next::Done(frame) => return (shown, Some(frame)),
                }
            }
        }
        (shown, None)
    }

    #[test]
    fn a_slow_line_brings_a_few_pictures_and_a_fast_one_the_last() {
        let frame = picture();
        let bytes = progressive::encode(&frame).unwrap();
        let (shown, last) = drawn(&bytes, 30_000, 8);
        assert!((4..=9).contains(&shown), "{shown} pictures");
        assert!(last.as_ref() == Some(&frame));
        let (shown, last) = drawn(&bytes, bytes.len(), 4);
        assert!(shown <= 1, "{shown} pictures");
        assert!(last == Some(frame));
        let first = &bytes[..progressive::FIRST_PICTURE];
        assert_eq!(
            drawn(first, 10_000, 8).0,
            2,
            "64 KiB are a picture, and a part of them a coarser one"
        );
        assert_eq!(
            drawn(first, first.len(), 4).0,
            1,
            "what is replaced at once is not drawn"
        );
    }
}
