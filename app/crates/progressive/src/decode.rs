//! A file to a frame, as its bytes arrive.

use imaging::Frame;

use crate::Error;
use crate::ans::Tables;
use crate::bytes::{Reader, check};
use crate::encode::sign_bit;
use crate::layout::{Entry, Head, Part, ROWS, Values};
use crate::plane::{CONTEXTS, History, Stream};
use crate::wavelet::{Details, Joiner, Plane, double, inverse};

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing more can be decoded before more bytes come.
    Hungry,
    /// The attributes are known; there is no picture yet.
    Head,
    /// More is known of the picture than [`Decoder::frame`] gave last.
    Better,
    /// The picture is lossless.
    Lossless,
}

/// Decodes a part at a time, so that its caller may do other things between them.
///
/// A part of the largest pictures takes a few milliseconds. No memory is taken that the bytes received do not
/// announce, and none beyond what the pixels allowed need.
pub struct Decoder {
    max_pixels: u64,
    bytes: Vec<u8>,
    /// Of `bytes`, decoded already and dropped.
    dropped: usize,
    open: Option<Open>,
}

struct Open {
    head: Head,
    parts: Vec<(Part, Entry)>,
    /// The next part.
    next: usize,
    /// Where it begins in the file.
    place: usize,
    expected: usize,
    /// The best complete picture, and its step. Up to the first picture it is `low` with `details`.
    best: Plane,
    step: usize,
    details: Vec<Details>,
    /// The step that arrives by rows.
    growing: Option<Growing>,
    /// All of the frame's, from where the last step begins; none before.
    pixels: Vec<u16>,
    numbers: Numbers,
}

struct Growing {
    tables: Tables,
    histories: [History; 3],
    joiner: Joiner,
    picture: Plane,
}

/// Numbers as coded to stored values.
struct Numbers {
    values: Values,
    flip: u16,
    /// The most that the frame's bits stored can hold.
    most: u16,
}

impl Numbers {
    /// Pixels as they are in the file.
    fn store(&self, row: &[i32], to: &mut [u16]) {
        self.store_up_to(u16::MAX, row, to);
    }

    /// Pixels that are not known in full: at a hard edge they can go beyond what the picture can hold.
    fn store_guess(&self, row: &[i32], to: &mut [u16]) {
        self.store_up_to(self.most, row, to);
    }

    fn store_up_to(&self, most: u16, row: &[i32], to: &mut [u16]) {
        match &self.values {
            Values::From(lowest) => {
                let most = i32::from(most.saturating_sub(*lowest));
                for (pixel, number) in to.iter_mut().zip(row) {
                    *pixel = ((*number).clamp(0, most) as u16 + lowest) ^ self.flip;
                }
            }
            Values::Listed(values) => {
                let most = values.len() as i32 - 1;
                for (pixel, number) in to.iter_mut().zip(row) {
                    *pixel = values[(*number).clamp(0, most) as usize] ^ self.flip;
                }
            }
        }
    }
}

impl Decoder {
    /// For pictures of at most so many pixels.
    pub fn new(max_pixels: u64) -> Self {
        Self {
            max_pixels,
            bytes: Vec::new(),
            dropped: 0,
            open: None,
        }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes received, and bytes of the whole file where that is known already.
    pub fn progress(&self) -> (usize, Option<usize>) {
        (
            self.dropped + self.bytes.len(),
            self.open.as_ref().map(|open| open.expected),
        )
    }

    /// Whether the next part has arrived.
    pub fn is_ready(&self) -> bool {
        match &self.open {
            Some(open) => open
                .parts
                .get(open.next)
                .is_some_and(|(_, entry)| self.dropped + self.bytes.len() >= open.place + entry.length),
            None => !matches!(Head::length(&self.bytes), Ok(length) if length.is_none_or(|l| l > self.bytes.len())),
        }
    }

    /// Decodes the next part where it has arrived.
    ///
    /// # Errors
    /// The bytes are no progressive picture, or this part is damaged; what was decoded before stays.
    pub fn step(&mut self) -> Result<Step, Error> {
        let Some(open) = &mut self.open else {
            return self.open();
        };
        let Some(&(part, entry)) = open.parts.get(open.next) else {
            return Ok(Step::Lossless);
        };
        let start = open.place - self.dropped;
        let Some(bytes) = self.bytes.get(start..start.saturating_add(entry.length)) else {
            return Ok(Step::Hungry);
        };
        if check(bytes) != entry.check {
            return Err(Error::Damaged("a part does not fit its check"));
        }
        open.take(part, bytes)?;
        open.next += 1;
        open.place += entry.length;
        // Bytes that were decoded are let go, now and then.
        let done = open.place - self.dropped;
        if done > 1 << 20 || open.next == open.parts.len() {
            self.bytes.drain(..done);
            self.dropped += done;
        }
        Ok(match open.parts.get(open.next) {
            None => Step::Lossless,
            // Nothing of the first picture can be seen before it is known how bright it is.
            Some(_) => Step::Better,
        })
    }

    fn open(&mut self) -> Result<Step, Error> {
        let length = Head::length(&self.bytes)?;
        let Some(bytes) = length.and_then(|length| self.bytes.get(..length)) else {
            return Ok(Step::Hungry);
        };
        let (head, entries) = Head::read(bytes, self.max_pixels)?;
        let place = bytes.len();
        let lengths = entries
            .iter()
            .try_fold(place, |sum, entry| sum.checked_add(entry.length));
        let expected = lengths.ok_or(Error::Damaged("the parts' lengths"))?;
        self.open = Some(Open {
            parts: head.parts().into_iter().zip(entries).collect(),
            next: 0,
            place,
            expected,
            best: Plane::default(),
            step: 0,
            details: Vec::new(),
            growing: None,
            pixels: Vec::new(),
            numbers: Numbers {
                values: head.values.clone(),
                flip: sign_bit(&head.frame),
                most: (head.frame.stored_values() - 1) as u16,
            },
            head,
        });
        Ok(Step::Head)
    }

    /// Whether the first picture has arrived: all of the frame, in about a screen's resolution.
    pub fn has_first_picture(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.next > open.head.first)
    }

    /// Whether all of the frame has arrived at half the resolution of the first picture, or better.
    pub fn has_glimpse(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.next >= open.head.first.max(1))
    }

    pub fn is_lossless(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.next == open.parts.len())
    }

    /// Columns and rows of the picture that is complete; the frame's own where it is lossless.
    pub fn resolution(&self) -> Option<(usize, usize)> {
        let open = self.open.as_ref().filter(|open| open.next > 0)?;
        Some(open.head.size(open.step.max((open.next - 1).min(open.head.first))))
    }

    /// The frame as far as it is known, `None` before anything of it is known. It holds the pixels that are known, those of
    /// every [`Frame::grid`]-th column and row. From where the last step begins it holds every pixel; those that have not
    /// come are interpolated.
    pub fn frame(&self) -> Option<Frame> {
        let open = self.open.as_ref().filter(|open| open.next > 0)?;
        Some(open.frame(open.pixels.clone()))
    }

    /// The frame, once it is lossless.
    ///
    /// # Errors
    /// [`Error::Incomplete`], and what [`Decoder::step`] says of bytes that were not decoded yet.
    pub fn finish(mut self) -> Result<Frame, Error> {
        while matches!(self.step()?, Step::Head | Step::Better) {}
        let (received, expected) = self.progress();
        match self.open {
            Some(mut open) if open.next == open.parts.len() => {
                let pixels = std::mem::take(&mut open.pixels);
                Ok(open.frame(pixels))
            }
            _ => Err(Error::Incomplete {
                received,
                expected: expected.unwrap_or(received + 1),
            }),
        }
    }
}

impl Open {
    fn take(&mut self, part: Part, bytes: &[u8]) -> Result<(), Error> {
        let mut reader = Reader(bytes);
        match part {
            Part::Low => {
                let (width, height) = self.head.size(0);
                let mut value = 0_i32;
                let values = (0..width * height).map(|_| {
                    let coded = reader.number()?;
                    value = value.wrapping_add((coded >> 1) as i32 ^ -((coded & 1) as i32));
                    Ok(value)
                });
                let values = values.collect::<Result<_, Error>>()?;
                self.best = Plane { width, height, values };
            }
            Part::Coarse(step) => {
                let divisor = self.head.divisor_of(step);
                let mut details = self.read_all(step, &mut reader)?;
                for value in details.bands.iter_mut().flat_map(|band| &mut band.values) {
                    *value = value.wrapping_mul(divisor);
                }
                self.details.push(details);
            }
            Part::Fine(step) => {
                let rest = self.read_all(step, &mut reader)?;
                let Some(details) = self.details.get_mut(step - 1) else {
                    return Err(Error::Damaged("the order of parts"));
                };
                for (band, rest) in details.bands.iter_mut().zip(&rest.bands) {
                    for (value, rest) in band.values.iter_mut().zip(&rest.values) {
                        *value = value.wrapping_add(*rest);
                    }
                }
            }
            Part::Tables(step) => {
                self.settle();
                let (width, height) = self.head.size(step);
                self.growing = Some(Growing {
                    tables: Tables::read(&mut reader, CONTEXTS)?,
                    histories: self.head.bands(step).map(|(width, _)| History::new(width)),
                    joiner: Joiner::new(width, height),
                    // The last step writes into the pixels themselves.
                    picture: if step == self.head.steps {
                        Plane::default()
                    } else {
                        Plane::zero(width, height)
                    },
                });
                if step == self.head.steps {
                    self.widen();
                }
            }
            Part::Rows(step, k) => self.take_rows(step, k, &mut reader)?,
        }
        if reader.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Damaged("a part has bytes left over"))
        }
    }

    /// All details of a step from one stream.
    fn read_all(&self, step: usize, reader: &mut Reader) -> Result<Details, Error> {
        let tables = Tables::read(reader, CONTEXTS)?;
        let mut stream = Stream::new(reader)?;
        let bands = self.head.bands(step).map(|(width, height)| {
            let mut band = Plane::zero(width, height);
            stream.read(&tables, &mut History::new(width), &mut band.values);
            band
        });
        stream.finish()?;
        Ok(Details { bands })
    }

    fn take_rows(&mut self, step: usize, k: usize, reader: &mut Reader) -> Result<(), Error> {
        let Some(growing) = &mut self.growing else {
            return Err(Error::Damaged("the order of parts"));
        };
        let mut stream = Stream::new(reader)?;
        let mut next = 0;
        let bands = self.head.bands(step).map(|(width, height)| {
            let rows = height.min((k + 1) * ROWS).saturating_sub(k * ROWS);
            let mut band = Plane::zero(width, rows);
            stream.read(&growing.tables, &mut growing.histories[next], &mut band.values);
            next += 1;
            band
        });
        stream.finish()?;
        let last = step == self.head.steps;
        let (width, _) = self.head.size(step);
        for y in 0..ROWS {
            let low = growing.joiner.taken();
            if low == self.best.height {
                break;
            }
            let details = [0, 1, 2].map(|band| bands[band].row(y));
            growing.joiner.push(self.best.row(low), details, |y, row| {
                let place = y * width..(y + 1) * width;
                if last {
                    self.numbers.store(row, &mut self.pixels[place]);
                } else {
                    growing.picture.values[place].copy_from_slice(row);
                }
            });
        }
        if growing.joiner.taken() == self.best.height && !last {
            self.best = std::mem::take(&mut growing.picture);
            self.step = step;
            self.growing = None;
        }
        Ok(())
    }

    /// Joins the details of the first picture for good.
    fn settle(&mut self) {
        if self.step < self.head.first {
            self.best = self.first_picture();
            self.step = self.head.first;
            self.details = Vec::new();
        }
    }

    /// The picture of the details so far.
    fn first_picture(&self) -> Plane {
        let mut picture = self.best.clone();
        for (step, details) in (1..).zip(&self.details) {
            let (width, height) = self.head.size(step);
            picture = inverse(&picture, details, width, height);
        }
        picture
    }

    /// The frame as it is known, with `pixels` where the last step has begun.
    fn frame(&self, pixels: Vec<u16>) -> Frame {
        let mut frame = self.head.frame.clone();
        if !pixels.is_empty() {
            frame.pixels = pixels;
            return frame;
        }
        let made;
        let (picture, step) = if self.step < self.head.first {
            made = self.first_picture();
            (&made, self.details.len())
        } else {
            (&self.best, self.step)
        };
        frame.grid = 1 << (self.head.steps - step);
        frame.pixels = vec![0; picture.width * picture.height];
        self.numbers.store_guess(&picture.values, &mut frame.pixels);
        frame
    }

    /// Brings the last picture but one to the full size, for the rows of the last step to be written over it.
    fn widen(&mut self) {
        let (columns, rows) = (self.head.frame.columns as usize, self.head.frame.rows as usize);
        let (numbers, pixels) = (&self.numbers, &mut self.pixels);
        pixels.resize(columns * rows, 0);
        double(&self.best, columns, rows, |y, row| {
            numbers.store_guess(row, &mut pixels[y * columns..(y + 1) * columns]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    /// Damage that fits its check, as a forger would make it: nonsense, but no panic.
    #[test]
    fn forged_parts_never_panic() {
        let mut state = 5_u32;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below.max(1)
        };
        for (rows, columns) in [(1300, 1250), (70, 33), (1, 9)] {
            let pixels = (0..rows * columns)
                .map(|i| (random(300) as u32 + i % columns) as u16)
                .collect();
            let bytes = encode(&Frame::new(rows, columns, 16, pixels)).unwrap();
            for _ in 0..40 {
                let mut decoder = Decoder::new(1 << 22);
                decoder.push(&bytes);
                assert_eq!(decoder.step(), Ok(Step::Head));
                let open = decoder.open.as_mut().unwrap();
                let mut place = open.place;
                for (_, entry) in &mut open.parts {
                    let part = &mut decoder.bytes[place..place + entry.length];
                    for _ in 0..random(4) {
                        let at = random(part.len());
                        if let Some(byte) = part.get_mut(at) {
                            *byte = random(256) as u8;
                        }
                    }
                    entry.check = check(part);
                    place += entry.length;
                }
                while matches!(decoder.step(), Ok(Step::Better)) {}
                if let Some(frame) = decoder.frame() {
                    assert_eq!(frame.pixels.len(), frame.held().iter().product::<usize>());
                }
            }
        }
    }
}
