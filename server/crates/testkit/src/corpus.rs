//! The folder of real files, which is no part of the project.

use crate::DicomBuilder;
use imaging::Frame;
use std::path::{Path, PathBuf};

/// The corpus: `SHENTON_CORPUS`, or `../shared/corpus` from the workspace's root.
///
/// Where neither is there it prints that the test skips and gives `None`.
pub fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus");
    let folder = std::env::var_os("SHENTON_CORPUS").map_or(beside, PathBuf::from);
    if folder.join("dicom").is_dir() {
        return Some(folder);
    }
    println!(
        "skipped: no corpus in {} (SHENTON_CORPUS names another folder)",
        folder.display()
    );
    None
}

/// A real pelvic radiograph and where its hips are.
#[derive(Clone, Debug, PartialEq)]
pub struct PelvisCase {
    pub path: PathBuf,
    /// Columns and rows.
    pub size: [u32; 2],
    /// `[x0, y0, x1, y1]` in pixels, of the hip on the left of the picture: the patient's right one.
    pub right: [f32; 4],
    /// Of the patient's left hip.
    pub left: [f32; 4],
}

/// The radiographs of `radiographs/pelvis.csv`.
///
/// # Panics
/// Where the corpus is not as its README says.
pub fn pelvis_cases(corpus: &Path) -> Vec<PelvisCase> {
    let folder = corpus.join("radiographs");
    let table = std::fs::read_to_string(folder.join("pelvis.csv")).expect("the corpus holds pelvis.csv");
    let case = |line: &str| {
        let (file, numbers) = line.split_once(',').expect("a line begins with a file name");
        let numbers: Vec<f32> = numbers
            .split(',')
            .map(|n| n.trim().parse().expect("a number"))
            .collect();
        let corners = |from: usize| [numbers[from], numbers[from + 1], numbers[from + 2], numbers[from + 3]];
        PelvisCase {
            path: folder.join("pelvis").join(file),
            size: [numbers[0] as u32, numbers[1] as u32],
            right: corners(2),
            left: corners(6),
        }
    };
    table
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(case)
        .collect()
}

/// A radiograph as a frame of `bits` stored bits, 8 to 16: the picture's own 8, shifted up.
///
/// # Panics
/// Where the file is not a picture.
pub fn radiograph(path: &Path, bits: u8) -> Frame {
    let picture = image::open(path).expect("the radiograph is a picture").into_luma8();
    let (columns, rows) = picture.dimensions();
    let shift = bits - 8;
    Frame::new(
        rows,
        columns,
        bits,
        picture.into_raw().into_iter().map(|v| u16::from(v) << shift).collect(),
    )
}

/// A radiograph as the bytes of a DICOM file, `number` choosing its UIDs; 12 bits stored, no spacing.
///
/// # Panics
/// As [`radiograph`].
pub fn radiograph_dicom(path: &Path, number: u32) -> Vec<u8> {
    DicomBuilder::new(number).frame(radiograph(path, 12)).build()
}
