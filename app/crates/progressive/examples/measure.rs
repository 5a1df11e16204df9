//! Sizes and times over files of a corpus: `measure FILE...`, DICOM or PNG. One line each; the last sums up.

use std::path::PathBuf;
use std::time::Instant;

use imaging::Frame;
use progressive::{Decoder, FIRST_PICTURE, Step, encode};

fn read(path: &PathBuf) -> Option<Frame> {
    let bytes = std::fs::read(path).ok()?;
    if path.extension().is_some_and(|e| e == "png" || e == "pgm") {
        let picture = image::load_from_memory(&bytes).ok()?;
        return Some(
            match picture.color().bytes_per_pixel() / picture.color().channel_count() {
                1 => {
                    let grey = picture.to_luma8();
                    Frame::new(
                        grey.height(),
                        grey.width(),
                        8,
                        grey.pixels().map(|p| u16::from(p.0[0])).collect(),
                    )
                }
                _ => {
                    let grey = picture.to_luma16();
                    Frame::new(grey.height(), grey.width(), 16, grey.pixels().map(|p| p.0[0]).collect())
                }
            },
        );
    }
    dicom_io::decode(&bytes, &dicom_io::Limits::default())
        .ok()
        .map(|(_, frame)| frame)
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

fn main() {
    let mut sums = [0.0; 5];
    println!("file,columns,rows,bits,raw,bytes,bits_a_pixel,encode_ms,first_picture_ms,decode_ms,first_rms");
    for path in std::env::args().skip(1).map(PathBuf::from) {
        let Some(frame) = read(&path) else { continue };
        let began = Instant::now();
        let Ok(bytes) = encode(&frame) else { continue };
        let encoding = milliseconds(began);

        let began = Instant::now();
        let mut decoder = Decoder::new(u64::MAX);
        decoder.push(&bytes[..bytes.len().min(FIRST_PICTURE)]);
        while matches!(decoder.step(), Ok(Step::Head | Step::Better)) {}
        let first = decoder.frame();
        let first_picture = milliseconds(began);
        // At the pixels that it holds.
        let rms = first.map_or(f64::NAN, |first| {
            let (grid, columns, [held, _]) = (first.grid as usize, frame.columns as usize, first.held());
            let squares = first.pixels.iter().enumerate().map(|(index, value)| {
                let there = frame.pixels[index / held * grid * columns + index % held * grid];
                (f64::from(*value) - f64::from(there)).powi(2)
            });
            (squares.sum::<f64>() / first.pixels.len() as f64).sqrt()
        });

        let began = Instant::now();
        let mut decoder = Decoder::new(u64::MAX);
        decoder.push(&bytes);
        let same = decoder.finish().is_ok_and(|back| back == frame);
        let decoding = milliseconds(began);
        assert!(same, "{} does not come back", path.display());

        let raw = frame.pixels.len() * usize::from(frame.bits_stored).div_ceil(8);
        for (sum, value) in sums
            .iter_mut()
            .zip([raw as f64, bytes.len() as f64, encoding, first_picture, decoding])
        {
            *sum += value;
        }
        println!(
            "{},{},{},{},{raw},{},{:.3},{encoding:.1},{first_picture:.1},{decoding:.1},{rms:.1}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            frame.columns,
            frame.rows,
            frame.bits_stored,
            bytes.len(),
            bytes.len() as f64 * 8.0 / frame.pixels.len() as f64,
        );
    }
    println!(
        "all,,,,{},{},,{:.1},{:.1},{:.1},",
        sums[0], sums[1], sums[2], sums[3], sums[4]
    );
}
