//! Every frame comes back, every prefix is a picture, and no damage passes or panics.

use imaging::{Frame, PhotometricInterpretation};
use progressive::{Decoder, Error, FIRST_PICTURE, Step, encode};
use proptest::prelude::*;

const MAX_PIXELS: u64 = 10_000_000;

fn decode(bytes: &[u8]) -> Result<Frame, Error> {
    let mut decoder = Decoder::new(MAX_PIXELS);
    decoder.push(bytes);
    decoder.finish()
}

/// A smooth body with an edge and noise, in `bits` bits.
fn body(rows: u32, columns: u32, bits: u8, noise: u32, seed: u32) -> Frame {
    let most = ((1_u32 << bits) - 1) as f64;
    let mut state = seed | 1;
    let pixels = (0..rows * columns).map(|i| {
        let (y, x) = (
            f64::from(i / columns) / f64::from(rows),
            f64::from(i % columns) / f64::from(columns),
        );
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = f64::from((state >> 16) % (2 * noise + 1)) - f64::from(noise);
        let value = if x > 0.8 {
            0.0
        } else {
            most * (0.5 + 0.4 * (5.0 * x).sin() * (4.0 * y).cos()) + grain
        };
        value.clamp(0.0, most) as u16
    });
    Frame::new(rows, columns, bits, pixels.collect())
}

fn any_frame() -> impl Strategy<Value = Frame> {
    (
        1_u32..90,
        1_u32..90,
        8_u8..=16,
        any::<bool>(),
        any::<bool>(),
        0_u32..3,
        any::<u32>(),
    )
        .prop_flat_map(|(rows, columns, bits, signed, inverse, kind, seed)| {
            let most = ((1_u32 << bits) - 1) as u16;
            let count = (rows * columns) as usize;
            let pixels = match kind {
                0 => proptest::collection::vec(0..=most, count).boxed(),
                1 => Just(body(rows, columns, bits, u32::from(most >> 6), seed).pixels).boxed(),
                _ => proptest::collection::vec(proptest::sample::select(vec![0, 1, most / 2, most]), count).boxed(),
            };
            pixels.prop_map(move |pixels| Frame {
                signed,
                photometric: if inverse {
                    PhotometricInterpretation::Monochrome1
                } else {
                    PhotometricInterpretation::Monochrome2
                },
                ..Frame::new(rows, columns, bits, pixels)
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lossless_whatever_the_size_and_depth(frame in any_frame()) {
        let bytes = encode(&frame).unwrap();
        prop_assert_eq!(decode(&bytes).unwrap(), frame);
    }

    #[test]
    fn any_prefix_is_a_picture(frame in any_frame(), share in 0.0..1.0_f64) {
        let bytes = encode(&frame).unwrap();
        let cut = (bytes.len() as f64 * share) as usize;
        let mut decoder = Decoder::new(MAX_PIXELS);
        decoder.push(&bytes[..cut]);
        while decoder.step().unwrap() != Step::Hungry {}
        prop_assert!(!decoder.is_lossless());
        if let Some(picture) = decoder.frame() {
            prop_assert_eq!(picture.pixels.len(), picture.held().iter().product::<usize>());
            prop_assert_eq!((picture.rows, picture.columns), (frame.rows, frame.columns));
        }
        let (received, expected) = decoder.progress();
        prop_assert_eq!(received, cut);
        prop_assert!(expected.is_none_or(|expected| expected == bytes.len()));
        prop_assert!(decoder.finish().is_err());
    }

    #[test]
    fn damage_is_noticed(frame in any_frame(), place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = encode(&frame).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn nonsense_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), honest in any::<bool>()) {
        let mut all = if honest { b"SHPX\x01".to_vec() } else { Vec::new() };
        all.extend(bytes);
        prop_assert!(decode(&all).is_err());
    }
}

#[test]
fn pieces_of_any_length_make_the_same_frame() {
    let frame = body(1500, 1301, 12, 20, 5);
    let bytes = encode(&frame).unwrap();
    for piece in [977, 65_536] {
        let mut decoder = Decoder::new(MAX_PIXELS);
        for piece in bytes.chunks(piece) {
            decoder.push(piece);
            while decoder.is_ready() && !decoder.is_lossless() {
                assert_ne!(decoder.step().unwrap(), Step::Hungry);
            }
        }
        assert!(decoder.is_lossless());
        assert!(decoder.frame().as_ref() == Some(&frame), "pieces of {piece}");
    }
}

/// Root mean square distance from the whole, of which `known` may hold fewer pixels, as a share of the range.
fn distance(whole: &Frame, known: &Frame) -> f64 {
    let (columns, [held, rows]) = (whole.columns as usize, known.held());
    let nearest = |place: usize, held: usize| ((place + known.grid as usize / 2) / known.grid as usize).min(held - 1);
    let squares = whole.pixels.iter().enumerate().map(|(index, value)| {
        let at = nearest(index / columns, rows) * held + nearest(index % columns, held);
        (f64::from(*value) - f64::from(known.pixels[at])).powi(2)
    });
    let mean = squares.sum::<f64>() / whole.pixels.len() as f64;
    mean.sqrt() / f64::from((1_u32 << whole.bits_stored) - 1)
}

#[test]
fn the_first_picture_needs_64_kibibytes_and_gets_better_from_there() {
    // Noise of some percent on 16 bits: the worst that a detector sends.
    let frame = body(2021, 3001, 16, 900, 9);
    let bytes = encode(&frame).unwrap();
    assert!(bytes.len() > 20 * FIRST_PICTURE);
    let mut decoder = Decoder::new(MAX_PIXELS);
    decoder.push(&bytes[..FIRST_PICTURE]);
    while decoder.step().unwrap() != Step::Hungry {}
    assert!(decoder.has_first_picture());
    assert_eq!(decoder.resolution(), Some((751, 506)));
    let first = decoder.frame().unwrap();
    assert_eq!(first.grid, 4);
    let mut before = distance(&frame, &first);
    assert!(before < 0.02, "{before}");
    for piece in bytes[FIRST_PICTURE..].chunks(400_000) {
        decoder.push(piece);
        while !matches!(decoder.step().unwrap(), Step::Hungry | Step::Lossless) {}
        let now = distance(&frame, &decoder.frame().unwrap());
        assert!(now <= before, "{now} after {before}");
        before = now;
    }
    assert_eq!(before, 0.0);
    assert_eq!(decoder.frame().unwrap().grid, 1);
}

/// A preview that goes beyond the picture's bits would come out black where it is brightest.
#[test]
fn a_preview_keeps_to_the_bits_of_the_picture() {
    for (bits, signed) in [(8, false), (10, true), (12, false), (12, true)] {
        let most = ((1_u32 << bits) - 1) as u16;
        let sign = if signed { 1 << (bits - 1) } else { 0 };
        // Letters as they are burned in, as white as can be, over a body; a ramp uses every value.
        let pixels = body(200, 300, bits, u32::from(most >> 5), 5).pixels;
        let pixels = pixels.iter().zip(0_u32..).map(|(value, i)| {
            let (x, y) = (i % 300, i / 300);
            let value = match y {
                0..20 => (i % (u32::from(most) + 1)) as u16,
                _ if x / 13 % 3 == 1 && y / 11 % 2 == 0 => most,
                _ => *value,
            };
            value ^ sign
        });
        let frame = Frame {
            signed,
            ..Frame::new(200, 300, bits, pixels.collect())
        };
        let bytes = encode(&frame).unwrap();
        let mut decoder = Decoder::new(MAX_PIXELS);
        let mut previews = 0;
        for piece in bytes.chunks(500) {
            decoder.push(piece);
            while !matches!(decoder.step().unwrap(), Step::Hungry | Step::Lossless) {}
            if let Some(known) = decoder.frame().filter(|_| !decoder.is_lossless()) {
                previews += 1;
                assert!(known.pixels.iter().all(|value| *value <= most), "{bits} bits");
            }
        }
        assert!(previews > 5, "{previews} previews");
        assert!(decoder.finish().unwrap() == frame);
    }
}

#[test]
fn colours_come_back() {
    let colours: Vec<[u8; 3]> = (0..120_u32 * 90)
        .map(|i| [(i % 120 * 2) as u8, (i / 120) as u8, (i * 7 / 40) as u8])
        .collect();
    let frame = Frame::of_colours(90, 120, &colours);
    let bytes = encode(&frame).unwrap();
    assert!(decode(&bytes).unwrap() == frame);
    assert!(bytes.len() < colours.len() * 3 * 3 / 2, "{} bytes", bytes.len());
}

#[test]
fn what_is_too_large_or_empty_is_refused() {
    let bytes = encode(&Frame::new(40, 50, 8, vec![7; 2000])).unwrap();
    let mut decoder = Decoder::new(1999);
    decoder.push(&bytes);
    assert_eq!(
        decoder.finish(),
        Err(Error::TooLarge {
            pixels: 2000,
            allowed: 1999
        })
    );
    assert!(matches!(encode(&Frame::new(0, 5, 8, vec![])), Err(Error::Empty { .. })));
    assert!(matches!(
        encode(&Frame::new(2, 5, 8, vec![1])),
        Err(Error::Length { .. })
    ));
    let mut other = bytes.clone();
    other[4] = 99;
    assert_eq!(decode(&other), Err(Error::Version(99)));
    assert_eq!(decode(b"DICM"), Err(Error::Foreign));
}

#[test]
fn a_flat_picture_costs_nearly_nothing() {
    let bytes = encode(&Frame::new(2000, 2000, 12, vec![3000; 4_000_000])).unwrap();
    assert!(bytes.len() < 2000, "{} bytes", bytes.len());
}

#[test]
fn unused_values_cost_little() {
    let dense = body(300, 300, 10, 9, 3);
    let sparse = Frame {
        pixels: dense.pixels.iter().map(|v| v * 64).collect(),
        bits_stored: 16,
        ..dense.clone()
    };
    let [dense, sparse] = [dense, sparse].map(|frame| encode(&frame).unwrap().len());
    assert!(sparse < dense + 2000, "{sparse} bytes, {dense} without gaps");
}
