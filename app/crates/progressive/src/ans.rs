//! Range asymmetric numeral systems (Duda 2013) over a few contexts with fixed tables.
//!
//! A state of 32 bits, words of 16. The encoder runs backwards, so that the decoder runs forwards.

use crate::Error;
use crate::bytes::{Reader, put_number};

/// Probabilities are multiples of 1 / 2^PRECISION.
const PRECISION: u32 = 11;
const WHOLE: u32 = 1 << PRECISION;
const LOW: u32 = 1 << 16;
/// Different symbols at most.
pub const SYMBOLS: usize = 48;

/// How often each symbol comes, context by context.
#[derive(Clone)]
pub struct Counts(pub Vec<[u32; SYMBOLS]>);

impl Counts {
    pub fn new(contexts: usize) -> Self {
        Self(vec![[0; SYMBOLS]; contexts])
    }
}

/// What the encoder needs: frequencies that add up to [`WHOLE`] in every context that is used.
pub struct Model(Vec<[u32; SYMBOLS]>);

impl Model {
    pub fn new(counts: &Counts) -> Self {
        Self(counts.0.iter().map(scaled).collect())
    }

    pub fn write(&self, to: &mut Vec<u8>) {
        for frequencies in &self.0 {
            let used = frequencies.iter().rposition(|f| *f > 0).map_or(0, |last| last + 1);
            to.push(used as u8);
            for frequency in &frequencies[..used] {
                put_number(to, *frequency);
            }
        }
    }

    /// Codes symbols, given with their contexts in the decoder's order.
    pub fn encode(&self, symbols: &[(u8, u8)], to: &mut Vec<u8>) {
        let starts: Vec<[u32; SYMBOLS]> = self
            .0
            .iter()
            .map(|frequencies| {
                let mut sum = 0;
                frequencies.map(|f| {
                    sum += f;
                    sum - f
                })
            })
            .collect();
        let mut words: Vec<u16> = Vec::with_capacity(symbols.len() / 2 + 2);
        let mut state = LOW;
        for &(context, symbol) in symbols.iter().rev() {
            let frequency = self.0[context as usize][symbol as usize];
            let start = starts[context as usize][symbol as usize];
            // Where a symbol would push the state past 32 bits, a word goes out first.
            if u64::from(state) >= u64::from(frequency) << (32 - PRECISION) {
                words.push(state as u16);
                state >>= 16;
            }
            state = ((state / frequency) << PRECISION) + state % frequency + start;
        }
        words.push(state as u16);
        words.push((state >> 16) as u16);
        put_number(to, words.len() as u32);
        to.extend(words.iter().rev().flat_map(|word| word.to_le_bytes()));
    }
}

/// Scales counts so that they add up to [`WHOLE`] and none that is there vanishes.
fn scaled(counts: &[u32; SYMBOLS]) -> [u32; SYMBOLS] {
    let total: u64 = counts.iter().map(|c| u64::from(*c)).sum();
    if total == 0 {
        return [0; SYMBOLS];
    }
    let mut frequencies = counts.map(|c| {
        if c == 0 {
            0
        } else {
            ((u64::from(c) * u64::from(WHOLE) + total / 2) / total).max(1) as u32
        }
    });
    let mut sum: u32 = frequencies.iter().sum();
    while sum != WHOLE {
        // The most frequent symbol bears the rounding at the least cost.
        let largest = (0..SYMBOLS).max_by_key(|i| frequencies[*i]).unwrap_or(0);
        if sum < WHOLE {
            frequencies[largest] += WHOLE - sum;
            sum = WHOLE;
        } else {
            let cut = (sum - WHOLE).min((frequencies[largest] / 2).max(1));
            frequencies[largest] -= cut;
            sum -= cut;
        }
    }
    frequencies
}

/// What the decoder needs: for each context and each slot of the range, symbol, frequency and offset.
pub struct Tables(Vec<u32>);

impl Tables {
    /// # Errors
    /// The frequencies of a context do not add up.
    pub fn read(from: &mut Reader, contexts: usize) -> Result<Self, Error> {
        let damaged = Error::Damaged("a table of frequencies");
        let mut slots = vec![0; contexts << PRECISION];
        for table in slots.chunks_exact_mut(WHOLE as usize) {
            let used = from.byte()?;
            if usize::from(used) > SYMBOLS {
                return Err(damaged);
            }
            let mut start = 0;
            for symbol in 0..used {
                let frequency = from.number()?;
                if frequency > WHOLE - start {
                    return Err(damaged);
                }
                for (offset, slot) in table[start as usize..(start + frequency) as usize]
                    .iter_mut()
                    .enumerate()
                {
                    *slot = u32::from(symbol) << 24 | frequency << PRECISION | offset as u32;
                }
                start += frequency;
            }
            if used > 0 && start != WHOLE {
                return Err(damaged);
            }
            if used == 0 {
                // A damaged stream may lead here; then it reads zeros and ends by its own length.
                for (offset, slot) in table.iter_mut().enumerate() {
                    *slot = WHOLE << PRECISION | offset as u32;
                }
            }
        }
        Ok(Self(slots))
    }
}

/// Decodes one stream.
pub struct Symbols<'a> {
    words: &'a [u8],
    state: u32,
}

impl<'a> Symbols<'a> {
    /// # Errors
    /// The stream is cut short.
    pub fn new(from: &mut Reader<'a>) -> Result<Self, Error> {
        let words = from.number()? as usize;
        let words = from.take(words.saturating_mul(2))?;
        let (head, words) = words
            .split_at_checked(4)
            .ok_or(Error::Damaged("a stream without a start"))?;
        Ok(Self {
            words,
            state: u32::from(u16::from_le_bytes([head[0], head[1]])) << 16
                | u32::from(u16::from_le_bytes([head[2], head[3]])),
        })
    }

    #[inline(always)]
    pub fn next(&mut self, tables: &Tables, context: usize) -> u32 {
        let slot = tables.0[(context << PRECISION) | (self.state & (WHOLE - 1)) as usize];
        let frequency = (slot >> PRECISION) & (2 * WHOLE - 1);
        self.state = frequency
            .wrapping_mul(self.state >> PRECISION)
            .wrapping_add(slot & (WHOLE - 1));
        if self.state < LOW
            && let Some((word, rest)) = self.words.split_first_chunk::<2>()
        {
            self.state = self.state << 16 | u32::from(u16::from_le_bytes(*word));
            self.words = rest;
        }
        slot >> 24
    }

    /// A sound stream ends in the state it was begun with, all words read.
    pub fn is_at_end(&self) -> bool {
        self.words.is_empty() && self.state == LOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_several_contexts_come_back() {
        let symbols: Vec<(u8, u8)> = (0..5000_u32)
            .map(|i| {
                let noise = i.wrapping_mul(2_654_435_761) >> 20;
                ((i % 3) as u8, (noise.trailing_zeros().min(20) + i % 3) as u8)
            })
            .collect();
        let mut counts = Counts::new(4);
        for &(context, symbol) in &symbols {
            counts.0[context as usize][symbol as usize] += 1;
        }
        let model = Model::new(&counts);
        let mut bytes = Vec::new();
        model.write(&mut bytes);
        model.encode(&symbols, &mut bytes);
        let mut reader = Reader(&bytes);
        let tables = Tables::read(&mut reader, 4).unwrap();
        let mut stream = Symbols::new(&mut reader).unwrap();
        for &(context, symbol) in &symbols {
            assert_eq!(stream.next(&tables, context as usize), u32::from(symbol));
        }
        assert!(stream.is_at_end());
    }

    #[test]
    fn a_context_with_one_symbol_costs_nothing() {
        let symbols = vec![(0, 7); 10_000];
        let mut counts = Counts::new(1);
        counts.0[0][7] = 10_000;
        let mut bytes = Vec::new();
        Model::new(&counts).encode(&symbols, &mut bytes);
        assert!(bytes.len() < 10);
    }
}
