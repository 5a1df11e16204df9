//! The gates and the localiser, trained on simulation alone, on real radiographs. A check only: nothing here is
//! trained on, and nothing of the corpus is kept.

use std::path::{Path, PathBuf};

use domain::{Exclusion, ReadingStatus};
use evaluation::metrics::covers;
use imaging::Frame;
use pipeline::{DeviceChoice, Models};

/// The folder of real files, or `None` with a word on the way.
fn corpus() -> Option<PathBuf> {
    let found = std::env::var_os("SHENTON_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus"),
        PathBuf::from,
    );
    if found.join("radiographs").is_dir() {
        Some(found)
    } else {
        eprintln!("skipped: no corpus at {}", found.display());
        None
    }
}

fn frame(path: &Path) -> Frame {
    let picture = image::open(path).unwrap().to_luma8();
    let (columns, rows) = picture.dimensions();
    Frame::new(
        rows,
        columns,
        8,
        picture.into_raw().into_iter().map(u16::from).collect(),
    )
}

fn models() -> Models {
    Models::load(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models"),
        DeviceChoice::Cpu,
    )
    .unwrap()
}

/// A line of `pelvis.csv`: the file's name and the mask boxes of the hip on the left and on the right of the picture.
fn pelves(corpus: &Path) -> Vec<(String, [[f32; 4]; 2])> {
    let text = std::fs::read_to_string(corpus.join("radiographs/pelvis.csv")).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |i: usize| cells[i].parse::<f32>().unwrap();
            let hip = |at: usize| [number(at), number(at + 1), number(at + 2), number(at + 3)];
            (cells[0].to_owned(), [hip(3), hip(7)])
        })
        .collect()
}

#[test]
fn real_pelves_pass_the_gate_and_the_crops_hold_the_hips() {
    let Some(corpus) = corpus() else { return };
    let models = models();
    let (mut accepted, mut held, mut hips, mut seen) = (0, 0, 0, 0);
    for (file, boxes) in pelves(&corpus) {
        seen += 1;
        let analysis = models.analyse(&frame(&corpus.join("radiographs/pelvis").join(&file)));
        let score = analysis.frontal.unwrap().score;
        let passed = analysis.reason != Some(Exclusion::NotFrontalPelvis);
        accepted += usize::from(passed);
        hips += 2;
        let inside: Vec<bool> = analysis
            .hips
            .iter()
            .zip(boxes)
            .map(|(hip, mask)| covers(hip.region.0, mask))
            .collect();
        held += inside.iter().filter(|i| **i).count();
        let scores: Vec<_> = analysis
            .hips
            .iter()
            .map(|h| (h.metal.map(|m| m.score), h.fracture.map(|f| f.score)))
            .collect();
        println!(
            "{} frontal {score:.3} {:?} holds {inside:?} metal, fracture {scores:?}",
            &file[file.len() - 12..],
            analysis.reason
        );
        println!(
            "   all {:?}",
            analysis.hips.iter().map(|h| h.region.0).collect::<Vec<_>>()
        );
    }
    println!("{accepted} of {seen} pelves accepted, {held} of {hips} hips held");
    assert!(accepted >= PELVES_ACCEPTED, "{accepted} of {seen} pelves accepted");
    assert!(held >= HIPS_HELD, "{held} of {hips} hips held");
}

#[test]
fn real_chests_are_set_aside() {
    let Some(corpus) = corpus() else { return };
    let models = models();
    let (mut refused, mut seen) = (0, 0);
    let mut files: Vec<_> = std::fs::read_dir(corpus.join("radiographs/chest"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    for path in files.iter().filter(|p| p.extension().is_some_and(|e| e == "png")) {
        seen += 1;
        let analysis = models.analyse(&frame(path));
        let set_aside =
            analysis.status == ReadingStatus::Excluded && analysis.reason == Some(Exclusion::NotFrontalPelvis);
        refused += usize::from(set_aside);
        if !set_aside {
            println!(
                "{} frontal {:?} {:?}",
                path.display(),
                analysis.frontal,
                analysis.reason
            );
        }
    }
    println!("{refused} of {seen} chests refused");
    assert!(refused >= CHESTS_REFUSED, "{refused} of {seen} chests refused");
}

// Issue 3's bars are 18, 36 and 40; these are what the committed weights reach.
const PELVES_ACCEPTED: usize = 18;
const HIPS_HELD: usize = 36;
const CHESTS_REFUSED: usize = 40;
