//! The bytes of `GET /frames/{sop}`: a length, the frame's attributes as JSON, the stored values.

use imaging::Frame;

/// No attributes of a sound frame come near this.
const MAXIMUM_HEADER: usize = 4 << 20;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WireError {
    #[error("the picture arrived incomplete ({received} of {expected} bytes)")]
    Incomplete { received: usize, expected: usize },
    #[error("the picture's attributes are not readable: {0}")]
    Header(String),
    #[error("the picture has no pixels ({rows} × {columns})")]
    Empty { rows: u32, columns: u32 },
    #[error("the picture is larger than announced")]
    Surplus,
}

/// Collects the bytes as they arrive and knows how many are to come.
///
/// Content-Length does not serve: it counts compressed bytes.
#[derive(Debug, Default)]
pub struct Assembly {
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The low byte of a value whose high byte comes with the next piece.
    half: Option<u8>,
}

impl Assembly {
    /// Takes the next piece.
    ///
    /// # Errors
    /// The header is not a frame's, or there are more bytes than its rows and columns say.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), WireError> {
        if self.frame.is_none() {
            // First the length, then as many bytes as it says, wherever the pieces break.
            while let Some(missing) = self.head_length()?.checked_sub(self.head.len()).filter(|n| *n > 0) {
                if piece.is_empty() {
                    return Ok(());
                }
                let (now, rest) = piece.split_at(missing.min(piece.len()));
                self.head.extend_from_slice(now);
                piece = rest;
            }
            self.frame = Some(Self::parse(&self.head[4..])?);
        }
        if let Some(frame) = &mut self.frame {
            if let (Some(low), Some((&high, rest))) = (self.half, piece.split_first()) {
                frame.pixels.push(u16::from_le_bytes([low, high]));
                self.half = None;
                piece = rest;
            }
            let pairs = piece.chunks_exact(2);
            if let [low] = pairs.remainder() {
                self.half = Some(*low);
            }
            let expected = frame.rows as usize * frame.columns as usize;
            if frame.pixels.len() + pairs.len() > expected {
                return Err(WireError::Surplus);
            }
            frame
                .pixels
                .extend(pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
        }
        Ok(())
    }

    /// How many bytes of the head are wanted: the length's four, then all.
    fn head_length(&self) -> Result<usize, WireError> {
        let Some(length) = self.head.first_chunk::<4>() else {
            return Ok(4);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAXIMUM_HEADER {
            return Err(WireError::Header(format!("{length} bytes of them")));
        }
        Ok(4 + length)
    }

    fn parse(json: &[u8]) -> Result<Frame, WireError> {
        let mut frame: Frame = serde_json::from_slice(json).map_err(|error| WireError::Header(error.to_string()))?;
        if frame.rows == 0 || frame.columns == 0 {
            return Err(WireError::Empty {
                rows: frame.rows,
                columns: frame.columns,
            });
        }
        // A header that lies about its size gets no memory before its pixels come.
        frame
            .pixels
            .reserve(((frame.rows as usize).saturating_mul(frame.columns as usize)).min(1 << 25));
        Ok(frame)
    }

    /// Bytes received, and bytes expected where that is known already.
    pub fn progress(&self) -> (usize, Option<usize>) {
        match &self.frame {
            Some(frame) => (
                self.head.len() + 2 * frame.pixels.len() + usize::from(self.half.is_some()),
                Some(self.head.len() + 2 * frame.rows as usize * frame.columns as usize),
            ),
            None => (self.head.len(), None),
        }
    }

    /// The frame, once the last byte was pushed.
    ///
    /// # Errors
    /// Bytes are missing.
    pub fn finish(self) -> Result<Frame, WireError> {
        let (received, expected) = self.progress();
        match self.frame {
            Some(frame) if Some(received) == expected => Ok(frame),
            _ => Err(WireError::Incomplete {
                received,
                expected: expected.unwrap_or(received + 1),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(frame: &Frame) -> Vec<u8> {
        let json = serde_json::to_vec(frame).unwrap();
        let mut bytes = (json.len() as u32).to_le_bytes().to_vec();
        bytes.extend(json);
        bytes.extend(frame.pixels.iter().flat_map(|p| p.to_le_bytes()));
        bytes
    }

    fn assemble(bytes: &[u8], piece: usize) -> Result<Frame, WireError> {
        let mut assembly = Assembly::default();
        for piece in bytes.chunks(piece) {
            assembly.push(piece)?;
        }
        assembly.finish()
    }

    #[test]
    fn pieces_of_any_length_make_the_same_frame() {
        let frame = Frame::new(3, 5, 12, (0..15).map(|v| v * 273).collect());
        let bytes = bytes(&frame);
        for piece in [1, 2, 3, 7, 64, bytes.len()] {
            assert_eq!(assemble(&bytes, piece).as_ref(), Ok(&frame), "pieces of {piece}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = bytes(&Frame::new(2, 2, 8, vec![1, 2, 3, 4]));
        for length in 0..bytes.len() {
            assert!(
                matches!(assemble(&bytes[..length], 16), Err(WireError::Incomplete { received, .. }) if received == length),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let sound = bytes(&Frame::new(1, 2, 8, vec![1, 2]));
        let mut longer = sound.clone();
        longer.extend([0, 0]);
        assert_eq!(assemble(&longer, 1000), Err(WireError::Surplus));
        assert!(matches!(assemble(&[255; 64], 8), Err(WireError::Header(_))));
        assert!(matches!(
            assemble(&[4, 0, 0, 0, b'n', b'o', b'n', b'e'], 8),
            Err(WireError::Header(_))
        ));
        let empty = bytes(&Frame::new(0, 7, 8, vec![]));
        assert_eq!(assemble(&empty, 1000), Err(WireError::Empty { rows: 0, columns: 7 }));
    }

    #[test]
    fn progress_counts_bytes_and_knows_the_end() {
        let bytes = bytes(&Frame::new(4, 4, 8, vec![9; 16]));
        let mut assembly = Assembly::default();
        assembly.push(&bytes[..3]).unwrap();
        assert_eq!(assembly.progress(), (3, None));
        assembly.push(&bytes[3..bytes.len() - 1]).unwrap();
        assert_eq!(assembly.progress(), (bytes.len() - 1, Some(bytes.len())));
    }
}
