//! Bytes and bits of a file, and the check sum that tells damage.

use crate::Error;

/// Reads bytes from the front.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Error::Damaged("a part is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A number in groups of seven bits, the lowest first.
    pub fn number(&mut self) -> Result<u32, Error> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::Damaged("a number has no end"))
    }
}

/// The counterpart of [`Reader::number`].
pub fn put_number(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Bits in front of which nothing is coded: signs and the low bits of large values.
#[derive(Default)]
pub struct BitWriter {
    pub bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the low `count` bits, 32 at most.
    pub fn put(&mut self, value: u32, count: u32) {
        self.held |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.held as u8);
        }
        self.bytes
    }
}

/// The counterpart of [`BitWriter`]; past the end it reads zeros and says so in the end.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    place: usize,
    held: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            place: 0,
            held: 0,
            count: 0,
        }
    }

    /// The next `count` bits, 24 at most.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        if self.count < count {
            self.fill();
        }
        let value = self.held as u32 & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        value
    }

    #[inline(always)]
    fn fill(&mut self) {
        if let Some(four) = self.bytes.get(self.place..self.place + 4) {
            let word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            self.held |= u64::from(word) << self.count;
            self.place += 4;
            self.count += 32;
        } else {
            self.fill_at_the_end();
        }
    }

    #[cold]
    fn fill_at_the_end(&mut self) {
        for _ in 0..4 {
            let byte = self.bytes.get(self.place).copied().unwrap_or(0);
            self.held |= u64::from(byte) << self.count;
            self.place += 1;
            self.count += 8;
        }
    }

    /// Whether no bit was read that was not there.
    pub fn was_enough(&self) -> bool {
        (self.place * 8).saturating_sub(self.count as usize) <= self.bytes.len() * 8
    }
}

/// A sum over a part of a file. It tells accidents, not forgery.
pub fn check(bytes: &[u8]) -> u32 {
    let mut sums = [0x9e37_79b1_u32, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f];
    let mut pieces = bytes.chunks_exact(16);
    for piece in &mut pieces {
        for (sum, word) in sums.iter_mut().zip(piece.chunks_exact(4)) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            *sum = (*sum ^ word).wrapping_mul(0x9e37_79b1).rotate_left(13);
        }
    }
    let mut all = bytes.len() as u32;
    for byte in pieces.remainder() {
        all = (all ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    for sum in sums {
        all = (all ^ sum).wrapping_mul(0x85eb_ca77).rotate_left(15);
    }
    all ^ (all >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back() {
        let mut writer = BitWriter::default();
        let values = [(1, 1), (0, 3), (0xffff, 16), (5, 7), (0x00ab_cdef, 24), (2, 2)];
        for (value, count) in values {
            writer.put(value, count);
        }
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        for (value, count) in values {
            assert_eq!(reader.take(count), value);
        }
        assert!(reader.was_enough());
        reader.take(24);
        assert!(!reader.was_enough());
    }

    #[test]
    fn every_flipped_bit_changes_the_check() {
        let mut bytes: Vec<u8> = (0..77_u8).collect();
        let sound = check(&bytes);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(check(&bytes), sound, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
