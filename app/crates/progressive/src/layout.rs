//! What stands where in a file.
//!
//! ```text
//! "SHPX", version, u32 length of the head, u32 check of the head
//! head     size, steps, attributes, values, and for each part its length and check
//! parts    Low        the smallest picture, raw
//!          Coarse(r)  details of step r, divided: the first picture ends with the last of these
//!          Fine(r)    what the division left
//!          Tables(r)  frequencies for the rows of step r
//!          Rows(r, k) details of step r in full, some rows a part, from the upper edge down
//! ```
//!
//! Step 0 is the smallest picture; each further step doubles it; the last one is the frame.

use imaging::Frame;

use crate::bytes::{Reader, check, put_number};
use crate::wavelet::sizes;
use crate::{Error, VERSION, attributes};

const MAGIC: [u8; 4] = *b"SHPX";
/// Bytes before the head.
pub const LEAD: usize = 13;
/// No sound head comes near it.
const MAXIMUM_HEAD: usize = 16 << 20;
/// The smallest picture has no more pixels than this along a side.
const SMALLEST: u32 = 16;
/// The first picture has at most about so many pixels along a side, which fills most screens.
const FIRST_PICTURE_SIDE: u32 = 1200;
/// Rows of details in a part.
pub const ROWS: usize = 64;

/// Which stored values stand for the numbers that are coded.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// All from this one upwards.
    From(u16),
    /// These, in rising order: many detectors and look-up tables leave most values unused.
    Listed(Vec<u16>),
}

/// A file's geometry and attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Without pixels.
    pub frame: Frame,
    pub values: Values,
    /// Doublings from the smallest picture to the frame.
    pub steps: usize,
    /// The step of the first picture.
    pub first: usize,
    /// What details of the step `first` are divided by; of each step before it, by half of that.
    pub divisor: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Low,
    Coarse(usize),
    Fine(usize),
    Tables(usize),
    Rows(usize, usize),
}

/// Length and check of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub length: usize,
    pub check: u32,
}

impl Head {
    /// The geometry that fits a frame.
    pub fn new(frame: Frame, values: Values) -> Self {
        let side = frame.rows.max(frame.columns);
        let mut steps = 0;
        while side.div_ceil(1 << steps) > SMALLEST {
            steps += 1;
        }
        let mut above = 0;
        while side.div_ceil(1 << above) > FIRST_PICTURE_SIDE {
            above += 1;
        }
        Self {
            frame,
            values,
            steps,
            first: steps - above,
            divisor: 1,
        }
    }

    /// Columns and rows of the picture of a step.
    pub fn size(&self, step: usize) -> (usize, usize) {
        let of = |length: u32| (length as usize).div_ceil(1 << (self.steps - step));
        (of(self.frame.columns), of(self.frame.rows))
    }

    /// Sizes of the bands that lead to a step.
    pub fn bands(&self, step: usize) -> [(usize, usize); 3] {
        let (width, height) = self.size(step);
        let [_, bands @ ..] = sizes(width, height);
        bands
    }

    /// What details of a step up to `first` are divided by.
    pub fn divisor_of(&self, step: usize) -> i32 {
        (self.divisor >> (self.first - step.min(self.first)).min(30)).max(1)
    }

    /// The parts in their order.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Low];
        parts.extend((1..=self.first).map(Part::Coarse));
        parts.extend(
            (1..=self.first)
                .filter(|step| self.divisor_of(*step) > 1)
                .map(Part::Fine),
        );
        for step in self.first + 1..=self.steps {
            parts.push(Part::Tables(step));
            let rows = self.size(step - 1).1;
            parts.extend((0..rows.div_ceil(ROWS)).map(|k| Part::Rows(step, k)));
        }
        parts
    }

    pub fn write(&self, entries: &[Entry]) -> Result<Vec<u8>, Error> {
        let mut head = Vec::new();
        head.push(self.steps as u8);
        head.push(self.first as u8);
        put_number(&mut head, self.divisor as u32);
        attributes::write(&self.frame, &mut head)?;
        match &self.values {
            Values::From(lowest) => {
                head.push(0);
                put_number(&mut head, u32::from(*lowest));
            }
            Values::Listed(values) => {
                head.push(1);
                put_number(&mut head, values.len() as u32);
                let mut before = 0;
                for value in values {
                    put_number(&mut head, u32::from(value - before));
                    before = *value;
                }
            }
        }
        for entry in entries {
            put_number(&mut head, entry.length as u32);
            head.extend(entry.check.to_le_bytes());
        }
        let mut all = MAGIC.to_vec();
        all.push(VERSION);
        all.extend((head.len() as u32).to_le_bytes());
        all.extend(check(&head).to_le_bytes());
        all.extend(head);
        Ok(all)
    }

    /// The length of the head with its lead, once [`LEAD`] bytes are there.
    pub fn length(bytes: &[u8]) -> Result<Option<usize>, Error> {
        if !MAGIC.starts_with(&bytes[..bytes.len().min(4)]) {
            return Err(Error::Foreign);
        }
        match bytes.get(4) {
            Some(&version) if version != VERSION => return Err(Error::Version(version)),
            _ => {}
        }
        let Some(lead) = bytes.get(..LEAD) else { return Ok(None) };
        let length = u32::from_le_bytes([lead[5], lead[6], lead[7], lead[8]]) as usize;
        if length > MAXIMUM_HEAD {
            return Err(Error::Damaged("the head's length"));
        }
        Ok(Some(LEAD + length))
    }

    /// The head and its parts, of as many bytes as [`Head::length`] says.
    pub fn read(bytes: &[u8], max_pixels: u64) -> Result<(Self, Vec<Entry>), Error> {
        let mut reader = Reader(bytes);
        reader.take(LEAD - 4)?;
        if reader.u32()? != check(reader.0) {
            return Err(Error::Damaged("the head"));
        }
        let steps = usize::from(reader.byte()?);
        let first = usize::from(reader.byte()?);
        let divisor = reader.number()?;
        let frame = attributes::read(&mut reader)?;
        let (rows, columns) = (frame.rows, frame.columns);
        if rows == 0 || columns == 0 {
            return Err(Error::Empty { rows, columns });
        }
        let pixels = u64::from(rows) * u64::from(columns);
        if pixels > max_pixels {
            return Err(Error::TooLarge {
                pixels,
                allowed: max_pixels,
            });
        }
        if steps > 31 || first > steps || !(1..=1 << 16).contains(&divisor) {
            return Err(Error::Damaged("the head's steps"));
        }
        let values = match reader.byte()? {
            0 => Values::From(u16::try_from(reader.number()?).map_err(|_| Error::Damaged("the lowest value"))?),
            _ => {
                let count = reader.number()?;
                if !(1..=1 << 16).contains(&count) {
                    return Err(Error::Damaged("the list of values"));
                }
                let mut value = 0_u16;
                let values = (0..count).map(|_| {
                    let gap = u16::try_from(reader.number()?).map_err(|_| Error::Damaged("the list of values"))?;
                    value = value.checked_add(gap).ok_or(Error::Damaged("the list of values"))?;
                    Ok(value)
                });
                Values::Listed(values.collect::<Result<_, Error>>()?)
            }
        };
        let head = Self {
            frame,
            values,
            steps,
            first,
            divisor: divisor as i32,
        };
        let entries = head.parts().into_iter().map(|_| {
            Ok(Entry {
                length: reader.number()? as usize,
                check: reader.u32()?,
            })
        });
        let entries = entries.collect::<Result<_, Error>>()?;
        Ok((head, entries))
    }
}
