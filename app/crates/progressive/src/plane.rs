//! A band of wavelet coefficients as symbols and bits.
//!
//! A coefficient's size is a symbol whose probabilities depend on the sizes around it; its sign and the low bits of
//! a large one are noise and stand in a bit stream of their own, uncoded.

use crate::Error;
use crate::ans::{Counts, Model, SYMBOLS, Symbols, Tables};
use crate::bytes::{BitReader, BitWriter, Reader, put_number};

/// Classes of surroundings, two an octave.
pub const CONTEXTS: usize = 42;

/// Sizes below this have a symbol each; from here on there are two symbols an octave.
const EXACT: u32 = 4;

/// The smallest size of each symbol.
const BASE: [u32; SYMBOLS] = {
    let mut base = [0; SYMBOLS];
    let mut symbol = 0;
    while symbol < SYMBOLS as u32 {
        base[symbol as usize] = if symbol < EXACT {
            symbol
        } else {
            let octave = 2 + (symbol - EXACT) / 2;
            (2 | ((symbol - EXACT) & 1)) << (octave - 1)
        };
        symbol += 1;
    }
    base
};

/// The bits that follow each symbol: a sign, and what the size is above its base.
const BITS: [u32; SYMBOLS] = {
    let mut bits = [0; SYMBOLS];
    let mut symbol = 1;
    while symbol < SYMBOLS as u32 {
        bits[symbol as usize] = if symbol < EXACT { 1 } else { 2 + (symbol - EXACT) / 2 };
        symbol += 1;
    }
    bits
};

fn symbol_of(size: u32) -> u32 {
    if size < EXACT {
        return size;
    }
    let octave = size.ilog2();
    EXACT + 2 * (octave - 2) + ((size >> (octave - 1)) & 1)
}

/// The class of a weighted sum of sizes.
#[inline(always)]
fn context_of(energy: u32) -> usize {
    let octave = (energy | 1).ilog2();
    let half = (energy >> octave.saturating_sub(1)) & 1;
    (2 * octave as usize + half as usize).min(CONTEXTS - 1)
}

/// The sizes in the last two rows of a band, from which the next row takes its contexts.
pub struct History {
    width: usize,
    /// One place more at the left and at the right.
    above: Vec<u32>,
    above_that: Vec<u32>,
    row: Vec<u32>,
}

impl History {
    pub fn new(width: usize) -> Self {
        Self {
            width,
            above: vec![0; width + 2],
            above_that: vec![0; width + 2],
            row: vec![0; width + 2],
        }
    }

    fn next_row(&mut self) {
        std::mem::swap(&mut self.above, &mut self.above_that);
        std::mem::swap(&mut self.above, &mut self.row);
    }
}

#[inline(always)]
fn energy(left: u32, further_left: u32, above: &[u32], above_that: u32) -> u32 {
    3 * (left + above[1]) + 2 * (above[0] + above[2]) + further_left + above_that
}

/// Symbols and bits of one stream, before they are coded.
#[derive(Default)]
pub struct Draft {
    symbols: Vec<(u8, u8)>,
    bits: BitWriter,
}

impl Draft {
    /// Adds rows of a band.
    pub fn add(&mut self, history: &mut History, values: &[i32]) {
        if history.width == 0 {
            return;
        }
        for row in values.chunks_exact(history.width) {
            let (mut left, mut further_left) = (0, 0);
            for (x, value) in row.iter().enumerate() {
                let size = value.unsigned_abs();
                let context = context_of(energy(
                    left,
                    further_left,
                    &history.above[x..x + 3],
                    history.above_that[x + 1],
                ));
                let symbol = symbol_of(size);
                self.symbols.push((context as u8, symbol as u8));
                let above_base = size - BASE[symbol as usize];
                self.bits
                    .put(above_base << 1 | u32::from(*value < 0), BITS[symbol as usize]);
                history.row[x + 1] = size;
                (further_left, left) = (left, size);
            }
            history.next_row();
        }
    }

    pub fn count(&self, counts: &mut Counts) {
        for &(context, symbol) in &self.symbols {
            counts.0[context as usize][symbol as usize] += 1;
        }
    }

    /// Writes the stream, without its tables.
    pub fn write(self, model: &Model, to: &mut Vec<u8>) {
        model.encode(&self.symbols, to);
        let bits = self.bits.finish();
        put_number(to, bits.len() as u32);
        to.extend(bits);
    }

    /// Writes the stream with tables of its own.
    pub fn write_alone(self, to: &mut Vec<u8>) {
        let mut counts = Counts::new(CONTEXTS);
        self.count(&mut counts);
        let model = Model::new(&counts);
        model.write(to);
        self.write(&model, to);
    }
}

/// Reads one stream.
pub struct Stream<'a> {
    symbols: Symbols<'a>,
    bits: BitReader<'a>,
}

impl<'a> Stream<'a> {
    /// # Errors
    /// The stream is cut short.
    pub fn new(from: &mut Reader<'a>) -> Result<Self, Error> {
        let symbols = Symbols::new(from)?;
        let bits = from.number()? as usize;
        Ok(Self {
            symbols,
            bits: BitReader::new(from.take(bits)?),
        })
    }

    /// Reads as many rows of a band as `values` holds.
    pub fn read(&mut self, tables: &Tables, history: &mut History, values: &mut [i32]) {
        if history.width == 0 {
            return;
        }
        for row in values.chunks_exact_mut(history.width) {
            let (mut left, mut further_left) = (0, 0);
            let around = history.above.windows(3).zip(&history.above_that[1..]);
            for ((value, size_here), (above, above_that)) in row.iter_mut().zip(&mut history.row[1..]).zip(around) {
                let context = context_of(energy(left, further_left, above, *above_that));
                let symbol = self.symbols.next(tables, context) as usize;
                // Tables hold no larger symbol.
                let symbol = symbol.min(SYMBOLS - 1);
                let bits = self.bits.take(BITS[symbol]);
                let size = BASE[symbol] + (bits >> 1);
                let sign = -((bits & 1) as i32);
                *value = (size as i32 ^ sign) - sign;
                *size_here = size;
                (further_left, left) = (left, size);
            }
            history.next_row();
        }
    }

    /// # Errors
    /// Something was read that was not written.
    pub fn finish(self) -> Result<(), Error> {
        if self.symbols.is_at_end() && self.bits.was_enough() {
            Ok(())
        } else {
            Err(Error::Damaged("a stream of coefficients"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_its_symbol() {
        for size in (0..5000).chain((12..23).flat_map(|octave| [(1 << octave) - 1, 1 << octave, (3 << octave) / 2])) {
            let symbol = symbol_of(size) as usize;
            assert!(symbol < SYMBOLS);
            let above_base = size - BASE[symbol];
            assert!(above_base < 1 << (BITS[symbol].max(1) - 1), "size {size}");
        }
    }

    #[test]
    fn contexts_grow_with_the_energy() {
        let mut before = 0;
        for energy in 0..100_000 {
            let context = context_of(energy);
            assert!(context >= before && context < CONTEXTS);
            before = context;
        }
    }

    #[test]
    fn rows_in_pieces_are_the_rows_in_one() {
        let (width, height) = (13, 9);
        let values: Vec<i32> = (0..width * height).map(|i| ((i * 7919) % 1001) as i32 - 500).collect();
        let mut draft = Draft::default();
        let mut history = History::new(width);
        draft.add(&mut history, &values[..4 * width]);
        draft.add(&mut history, &values[4 * width..]);
        let mut bytes = Vec::new();
        draft.write_alone(&mut bytes);
        let mut reader = Reader(&bytes);
        let tables = Tables::read(&mut reader, CONTEXTS).unwrap();
        let mut stream = Stream::new(&mut reader).unwrap();
        let mut read = vec![0; width * height];
        let mut history = History::new(width);
        for rows in read.chunks_mut(2 * width) {
            stream.read(&tables, &mut history, rows);
        }
        stream.finish().unwrap();
        assert_eq!(read, values);
    }
}
