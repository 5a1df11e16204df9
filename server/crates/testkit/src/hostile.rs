//! Files that a server must survive.

use crate::DicomBuilder;

/// Content Sequence (0040,A730): it may hold itself.
const CONTENT_SEQUENCE: [u8; 4] = [0x40, 0x00, 0x30, 0xA7];
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
const ITEM_END: [u8; 8] = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0];
const SEQUENCE_END: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
const UNDEFINED: [u8; 4] = [0xFF; 4];

/// A file that is sound but for sequences nested `depth` deep, of undefined length: 36 bytes a level.
///
/// It overflows the stack of a reader that recurses.
pub fn nested_sequences(depth: usize) -> Vec<u8> {
    let mut nest = Vec::with_capacity(depth * 36);
    for _ in 0..depth {
        nest.extend(CONTENT_SEQUENCE);
        nest.extend(b"SQ\0\0");
        nest.extend(UNDEFINED);
        nest.extend(ITEM);
        nest.extend(UNDEFINED);
    }
    for _ in 0..depth {
        nest.extend(ITEM_END);
        nest.extend(SEQUENCE_END);
    }
    with_nest(&nest)
}

/// The same with lengths that are given and right: 20 bytes a level.
pub fn nested_sequences_of_defined_length(depth: usize) -> Vec<u8> {
    let mut nest = Vec::with_capacity(depth * 20);
    for level in 0..depth {
        // What lies inside the item of this level.
        let inside = 20 * (depth - level - 1) as u32;
        nest.extend(CONTENT_SEQUENCE);
        nest.extend(b"SQ\0\0");
        nest.extend((inside + 8).to_le_bytes());
        nest.extend(ITEM);
        nest.extend(inside.to_le_bytes());
    }
    with_nest(&nest)
}

fn with_nest(nest: &[u8]) -> Vec<u8> {
    let mut bytes = DicomBuilder::default().build();
    // Before Presentation LUT Shape (2050,0020), where its tag belongs.
    let at = find(&bytes, b"\x50\x20\x20\x00CS");
    bytes.splice(at..at, nest.iter().copied());
    bytes
}

/// A file of a few kilobytes that says it holds `rows` x `columns` pixels.
pub fn announcing_dimensions(rows: u16, columns: u16) -> Vec<u8> {
    let mut bytes = DicomBuilder::default().build();
    for (element, value) in [
        (b"\x28\x00\x10\x00US\x02\x00", rows),
        (b"\x28\x00\x11\x00US\x02\x00", columns),
    ] {
        let at = find(&bytes, element) + element.len();
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes
        .windows(pattern.len())
        .position(|w| w == pattern)
        .expect("the builder writes this element")
}

/// A damaged copy: a few bytes changed, taken out, doubled or put in, or the end missing.
///
/// The same seed does the same damage. Half of it strikes the first two kilobytes, where the attributes are.
pub fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed;
    // SplitMix64.
    let mut random = move |below: usize| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % below.max(1) as u64) as usize
    };
    let mut out = bytes.to_vec();
    for _ in 0..=random(6) {
        let span = if random(2) == 0 { out.len() } else { out.len().min(2048) };
        let at = random(span);
        let end = (at + 1 + random(24)).min(out.len());
        if at >= end {
            break;
        }
        match random(8) {
            0 => out.truncate(at),
            1 => {
                out.drain(at..end);
            }
            2 => {
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            3 => out[at..end].fill(0xFF),
            4 => out[at..end].fill(0),
            5 => out[at] ^= 1 << random(8),
            _ => out[at] = random(256) as u8,
        }
    }
    if out == bytes {
        // Nothing struck: take the last byte.
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_io::{Error, Limits, decode, read_metadata};

    #[test]
    fn nested_files_are_sound_but_for_their_depth() {
        let plain = decode(&DicomBuilder::default().build(), &Limits::default()).unwrap();
        for nested in [nested_sequences, nested_sequences_of_defined_length] {
            assert_eq!(decode(&nested(100), &Limits::default()).unwrap(), plain);
            let refused = decode(&nested(100_000), &Limits::default()).unwrap_err();
            assert!(matches!(refused, Error::TooDeep { .. }), "{refused}");
        }
        // Another reader agrees, at a depth that it bears.
        for bytes in [nested_sequences(20), nested_sequences_of_defined_length(20)] {
            let object = dicom_object::OpenFileOptions::new().from_reader(&bytes[..]).unwrap();
            let mut items = object
                .element(dicom_dictionary_std::tags::CONTENT_SEQUENCE)
                .unwrap()
                .items()
                .unwrap();
            let mut depth = 1;
            while let Some(inner) = items
                .first()
                .and_then(|i| i.get(dicom_dictionary_std::tags::CONTENT_SEQUENCE))
            {
                items = inner.items().unwrap();
                depth += 1;
            }
            assert_eq!(depth, 20);
        }
    }

    #[test]
    fn announced_pixels_take_no_memory() {
        let bytes = announcing_dimensions(65_535, 65_535);
        assert!(bytes.len() < 10_000);
        assert_eq!(read_metadata(&bytes).map(|m| (m.rows, m.columns)), Ok((65_535, 65_535)));
        let refused = decode(&bytes, &Limits::default());
        assert_eq!(
            refused.unwrap_err(),
            Error::TooLarge {
                rows: 65_535,
                columns: 65_535
            }
        );
        // Within the limits, but not in the file.
        assert_eq!(
            decode(&announcing_dimensions(9000, 9000), &Limits::default()).unwrap_err(),
            Error::Truncated
        );
    }

    #[test]
    fn damage_is_answered_and_repeatable() {
        let sound = DicomBuilder::default().build();
        let mut refused = 0;
        for seed in 0..3000 {
            let bytes = damaged(&sound, seed);
            assert_ne!(bytes, sound, "{seed}");
            if read_metadata(&bytes)
                .and_then(|_| decode(&bytes, &Limits::default()))
                .is_err()
            {
                refused += 1;
            }
        }
        assert_eq!(damaged(&sound, 5), damaged(&sound, 5));
        assert!((500..2900).contains(&refused), "{refused}");
    }

    #[test]
    fn radiographs_become_files() {
        let Some(corpus) = crate::corpus() else { return };
        let cases = crate::pelvis_cases(&corpus);
        assert_eq!(cases.len(), 19);
        let case = &cases[0];
        let (metadata, frame) = decode(&crate::radiograph_dicom(&case.path, 4), &Limits::default()).unwrap();
        assert_eq!([frame.columns, frame.rows], case.size);
        assert_eq!((metadata.body_part.as_str(), frame.bits_stored), ("PELVIS", 12));
        assert!(case.right[0] < case.left[0]);
    }
}
