//! A frame to a file. It happens once for each frame, on the server.

use imaging::Frame;

use crate::ans::{Counts, Model};
use crate::bytes::{check, put_number};
use crate::layout::{Entry, Head, ROWS, Values};
use crate::plane::{CONTEXTS, Draft, History};
use crate::wavelet::{Details, Plane, forward};
use crate::{Error, FIRST_PICTURE};

/// A list of values is worth its bytes where it leaves out at least this share of them.
const UNUSED_SHARE: f64 = 0.1;

/// The file of a frame: its first [`FIRST_PICTURE`] bytes hold a picture of all of it, the whole is lossless.
///
/// # Errors
/// [`Error::Empty`], [`Error::Length`] and [`Error::Attributes`].
pub fn encode(frame: &Frame) -> Result<Vec<u8>, Error> {
    let (rows, columns) = (frame.rows, frame.columns);
    if rows == 0 || columns == 0 {
        return Err(Error::Empty { rows, columns });
    }
    if frame.pixels.len() as u64 != u64::from(rows) * u64::from(columns) {
        return Err(Error::Length {
            pixels: frame.pixels.len(),
            rows,
            columns,
        });
    }
    let flip = sign_bit(frame);
    let (values, mut picture) = numbers(frame, flip);
    let mut bare = frame.clone();
    bare.pixels = Vec::new();
    let mut head = Head::new(bare, values);

    let mut details = Vec::new();
    for _ in 0..head.steps {
        let (half, detail) = forward(&picture);
        details.push(detail);
        picture = half;
    }
    details.reverse();
    let low = smallest(&picture);
    let (first, rest) = details.split_at(head.first);

    // The smallest divisor with which the first picture fits. A larger one never needs much more.
    let parts = head.parts().len();
    let fits = |head: &Head, coarse: &[Vec<u8>]| -> Result<bool, Error> {
        // Lengths are not known yet; none takes more than five bytes.
        let about = Entry {
            length: u32::MAX as usize,
            check: 0,
        };
        let lead = head.write(&vec![about; parts + head.first])?.len();
        Ok(lead + low.len() + coarse.iter().map(Vec::len).sum::<usize>() <= FIRST_PICTURE)
    };
    let mut coarse = coarse_parts(&head, first);
    if !fits(&head, &coarse)? {
        let (mut too_small, mut enough) = (1, 1 << 16);
        while enough - too_small > (too_small / 16).max(1) {
            // Rates fall with the logarithm.
            let next = (f64::from(too_small) * f64::from(enough)).sqrt() as i32;
            head.divisor = next.clamp(too_small + 1, enough - 1);
            if fits(&head, &coarse_parts(&head, first))? {
                enough = head.divisor;
            } else {
                too_small = head.divisor;
            }
        }
        head.divisor = enough;
        coarse = coarse_parts(&head, first);
    }

    let mut parts = vec![low];
    parts.extend(coarse);
    for (step, detail) in (1..).zip(first) {
        let divisor = head.divisor_of(step);
        if divisor > 1 {
            parts.push(alone(detail, |value| value - divided(value, divisor) * divisor));
        }
    }
    for detail in rest {
        parts.extend(rows_of(detail));
    }

    let entries: Vec<Entry> = parts
        .iter()
        .map(|part| Entry {
            length: part.len(),
            check: check(part),
        })
        .collect();
    let mut file = head.write(&entries)?;
    file.reserve(parts.iter().map(Vec::len).sum());
    for part in parts {
        file.extend(part);
    }
    Ok(file)
}

/// What turns stored values into numbers in the order of brightness: the sign's bit, where there is one.
pub fn sign_bit(frame: &Frame) -> u16 {
    if frame.signed {
        1 << (frame.bits_stored.clamp(1, 16) - 1)
    } else {
        0
    }
}

/// The frame as numbers from zero up, and what they stand for.
fn numbers(frame: &Frame, flip: u16) -> (Values, Plane) {
    let mut used = vec![false; 1 << 16];
    for value in &frame.pixels {
        used[usize::from(value ^ flip)] = true;
    }
    let listed: Vec<u16> = (0..=u16::MAX).filter(|value| used[usize::from(*value)]).collect();
    let lowest = listed.first().copied().unwrap_or(0);
    let range = listed.last().map_or(1, |highest| usize::from(highest - lowest) + 1);
    let sparse = (listed.len() as f64) < (1.0 - UNUSED_SHARE) * range as f64 && listed.len() <= FIRST_PICTURE / 8;
    let values: Vec<i32> = if sparse {
        let mut places = vec![0; 1 << 16];
        for (place, value) in (0..).zip(&listed) {
            places[usize::from(*value)] = place;
        }
        frame
            .pixels
            .iter()
            .map(|value| places[usize::from(value ^ flip)])
            .collect()
    } else {
        frame
            .pixels
            .iter()
            .map(|value| i32::from(value ^ flip) - i32::from(lowest))
            .collect()
    };
    let plane = Plane {
        width: frame.columns as usize,
        height: frame.rows as usize,
        values,
    };
    (
        if sparse {
            Values::Listed(listed)
        } else {
            Values::From(lowest)
        },
        plane,
    )
}

/// The smallest picture, each value as its distance from the one before.
fn smallest(picture: &Plane) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0_i32;
    for value in &picture.values {
        let distance = value - before;
        put_number(&mut bytes, (distance << 1 ^ distance >> 31) as u32);
        before = *value;
    }
    bytes
}

/// Division that leaves a little more for zero, which is the cheapest.
fn divided(value: i32, divisor: i32) -> i32 {
    value.signum() * ((value.abs() + divisor * 3 / 8) / divisor)
}

fn coarse_parts(head: &Head, details: &[Details]) -> Vec<Vec<u8>> {
    (1..)
        .zip(details)
        .map(|(step, detail)| {
            let divisor = head.divisor_of(step);
            alone(detail, |value| divided(value, divisor))
        })
        .collect()
}

/// The three bands of a step in one stream.
fn alone(details: &Details, number: impl Fn(i32) -> i32) -> Vec<u8> {
    let mut draft = Draft::default();
    for band in &details.bands {
        let values: Vec<i32> = band.values.iter().map(|value| number(*value)).collect();
        draft.add(&mut History::new(band.width), &values);
    }
    let mut bytes = Vec::new();
    draft.write_alone(&mut bytes);
    bytes
}

/// A step's tables, then its bands some rows at a time.
fn rows_of(details: &Details) -> Vec<Vec<u8>> {
    let mut histories = [0, 1, 2].map(|band| History::new(details.bands[band].width));
    let height = details.bands[0].height;
    let mut counts = Counts::new(CONTEXTS);
    let drafts: Vec<Draft> = (0..height.div_ceil(ROWS))
        .map(|k| {
            let mut draft = Draft::default();
            for (band, history) in details.bands.iter().zip(&mut histories) {
                let of = |y: usize| band.width * y.min(band.height);
                draft.add(history, &band.values[of(k * ROWS)..of((k + 1) * ROWS)]);
            }
            draft.count(&mut counts);
            draft
        })
        .collect();
    let model = Model::new(&counts);
    let mut tables = Vec::new();
    model.write(&mut tables);
    let rows = drafts.into_iter().map(|draft| {
        let mut bytes = Vec::new();
        draft.write(&model, &mut bytes);
        bytes
    });
    std::iter::once(tables).chain(rows).collect()
}
