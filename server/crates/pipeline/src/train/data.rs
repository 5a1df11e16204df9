//! Simulated training sets: made once, kept as 8-bit pictures a little larger than the networks' inputs.

use std::path::Path;

use imaging::GreyImage;
use phantom::{Case, FractureLocation, FractureRequest, HipTruth, Request, Side, Truth, View};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{TrainConfig, patterns};
use crate::preprocess::{Hips, LOWERED, SIDE_OVER_DISTANCE, everything};
use crate::{Error, NetworkName};

/// A hip picture is kept this much wider than its crop, so that augmentation has something to move in.
pub(crate) const MARGIN: f32 = 1.16;

/// Share of children and adolescents in training, above a hospital's: their growth plates are the hardest of what is
/// no fracture.
const IMMATURE: f32 = 0.25;

/// Share of pictures that are no x-ray among what is no frontal pelvis.
const PATTERNS: f64 = 0.2;

/// Share of patients with a fracture in the metal gate's training.
const BROKEN: f64 = 0.5;

/// Grey levels, 0 black to 255 white.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// What is true of a sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// A frontal pelvis, a hip with metal, a hip with a fracture.
    pub positive: bool,
    /// 0 none, 1 intracapsular, 2 extracapsular, [`Label::SOMEWHERE`] where a fracture's place is not known.
    pub location: u8,
    /// Centres of both hips (right x, right y, left x, left y) from 0 to 1.
    pub hips: Option<[f32; 4]>,
    /// Of the fracture, 0 unseen to 1 plain.
    pub visibility: f32,
    pub seed: u64,
}

impl Label {
    /// A fracture whose place nobody recorded; the location loss leaves it out.
    pub const SOMEWHERE: u8 = 3;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub picture: Picture,
    pub label: Label,
}

impl Picture {
    /// The same with grey levels from 0 to 1.
    pub(crate) fn grey(&self) -> GreyImage {
        let data = self.pixels.iter().map(|v| f32::from(*v) / 255.0).collect();
        GreyImage::from_data(self.width, self.height, data)
    }
}

impl Sample {
    /// Both hips in pixels of the picture.
    pub(crate) fn hips(&self) -> Option<Hips> {
        let h = self.label.hips?;
        let (width, height) = (self.picture.width as f32, self.picture.height as f32);
        Some(Hips {
            right: [h[0] * width, h[1] * height],
            left: [h[2] * width, h[3] * height],
        })
    }
}

/// Samples to train on and samples to validate on.
#[derive(Clone, Debug, Default)]
pub struct SampleSet {
    pub train: Vec<Sample>,
    pub validation: Vec<Sample>,
}

/// Both hips of a frontal pelvis as preprocessing sees them: the centres of the boxes around head, neck and both
/// trochanters. `None` where the picture does not show both.
pub(crate) fn true_hips(truth: &Truth) -> Option<Hips> {
    let centre = |hip: &HipTruth| {
        let b = hip.femur_box;
        [(b[0] + b[2]) / 2.0, (b[1] + b[3]) / 2.0]
    };
    Some(Hips {
        right: centre(truth.hip(Side::Right)?),
        left: centre(truth.hip(Side::Left)?),
    })
}

pub(super) fn kept(image: &GreyImage) -> Picture {
    let levels = image.percentile(&[0.001, 0.999]);
    let range = (levels[1] - levels[0]).max(1e-6);
    let pixels = image
        .data
        .iter()
        .map(|v| ((v - levels[0]) / range * 255.0).round().clamp(0.0, 255.0) as u8)
        .collect();
    Picture {
        width: image.width,
        height: image.height,
        pixels,
    }
}

/// The whole picture of a case in its own proportions, with as many pixels as a square of `side`.
fn whole(case: &Case, side: usize) -> Picture {
    // A third finer than kept, so that the squeeze averages as it does on a full-size picture.
    whole_of(&imaging::present(&case.render_scaled(side * 4 / 3), None), side)
}

/// A picture in its own proportions, with as many pixels as a square of `side`.
pub(super) fn whole_of(image: &GreyImage, side: usize) -> Picture {
    let ratio = (image.width as f32 / image.height as f32).sqrt();
    let pixels = |by: f32| ((side as f32 * by).round() as usize).max(1);
    kept(&image.resample(everything(image), pixels(ratio), pixels(1.0 / ratio)))
}

fn hip_picture(case: &Case, hips: &Hips, side: Side, pixels: usize) -> Picture {
    let of = match side {
        Side::Right => domain::Side::Right,
        Side::Left => domain::Side::Left,
    };
    let region = hips.crop(of, Some(case.truth().pitch_mm), MARGIN);
    let image = imaging::present(&case.render_region(region, pixels, pixels), None);
    kept(&if side == Side::Left { image.mirrored() } else { image })
}

/// The samples of one seed: one whole picture, or up to two hips.
fn draw(network: NetworkName, config: &TrainConfig, seed: u64) -> Vec<Sample> {
    let simulator = phantom::Config {
        immature: IMMATURE,
        ..phantom::Config::default()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x005E_ED0F_DA7A);
    let positive = rng.random_bool(config.data.positives);
    let side = config.data.side;
    let frontal = Request {
        view: Some(View::FrontalPelvis),
        ..Request::default()
    };
    match network {
        NetworkName::Frontal => {
            const OTHERS: [(View, f64); 6] = [
                (View::Chest, 0.3),
                (View::SingleHip, 0.2),
                (View::LateralHip, 0.15),
                (View::LumbarSpine, 0.15),
                (View::Abdomen, 0.1),
                (View::Knee, 0.1),
            ];
            let mut at = rng.random::<f64>();
            let other = OTHERS
                .iter()
                .find(|(_, part)| {
                    at -= part;
                    at < 0.0
                })
                .map_or(View::Chest, |(view, _)| *view);
            let label = Label {
                positive,
                seed,
                ..Label::default()
            };
            if !positive && rng.random_bool(PATTERNS) {
                let picture = patterns::draw(&mut rng, side);
                return vec![Sample { picture, label }];
            }
            let view = if positive { View::FrontalPelvis } else { other };
            let case = Case::draw(
                &simulator,
                &Request {
                    view: Some(view),
                    ..Request::default()
                },
                seed,
            );
            vec![Sample {
                picture: whole(&case, side),
                label,
            }]
        }
        NetworkName::Bounding => {
            let case = Case::draw(&simulator, &frontal, seed);
            let truth = case.truth();
            let Some(hips) = true_hips(truth) else {
                return Vec::new();
            };
            let (w, h) = (truth.columns as f32, truth.rows as f32);
            let hips = [hips.right[0] / w, hips.right[1] / h, hips.left[0] / w, hips.left[1] / h];
            if hips.iter().any(|v| !(0.02..0.98).contains(v)) {
                return Vec::new();
            }
            let label = Label {
                positive: true,
                hips: Some(hips),
                seed,
                ..Label::default()
            };
            vec![Sample {
                picture: whole(&case, side),
                label,
            }]
        }
        NetworkName::Metal | NetworkName::Fracture => {
            let present = match network {
                // A comminuted fracture is what the metal gate mistakes for metal most, and a hospital has few of them.
                NetworkName::Metal => rng.random_bool(BROKEN),
                _ => positive,
            };
            let request = Request {
                metal: Some(network == NetworkName::Metal && positive),
                fracture: Some(FractureRequest {
                    present: Some(present),
                    ..FractureRequest::default()
                }),
                ..frontal
            };
            let case = Case::draw(&simulator, &request, seed);
            let truth = case.truth();
            let Some(hips) = true_hips(truth) else {
                return Vec::new();
            };
            truth
                .hips
                .iter()
                .filter(|hip| network == NetworkName::Metal || hip.metal.is_none())
                .map(|hip| Sample {
                    picture: hip_picture(&case, &hips, hip.side, side),
                    label: hip_label(network, hip, seed),
                })
                .collect()
        }
    }
}

fn hip_label(network: NetworkName, hip: &HipTruth, seed: u64) -> Label {
    if network == NetworkName::Metal {
        return Label {
            positive: hip.metal.is_some(),
            seed,
            ..Label::default()
        };
    }
    let fracture = hip.fracture.as_ref();
    Label {
        positive: fracture.is_some(),
        location: match fracture.map(|f| f.location) {
            None => 0,
            Some(FractureLocation::Intracapsular) => 1,
            Some(FractureLocation::Extracapsular) => 2,
        },
        hips: None,
        visibility: fracture.map_or(0.0, |f| f.visibility),
        seed,
    }
}

/// Seeds whose samples are kept in one cache file.
const CHUNK: u64 = 128;
/// Seeds that are drawn at once where nothing is kept.
const LOOSE: u64 = 16;

/// Simulates the sets of a run. Where `cache` is given, samples are kept there as they are made, so that a later run
/// with the same data, or with more of it, goes on from them.
///
/// The same configuration gives the same samples, on any number of threads. `progress` hears samples done and
/// wanted.
///
/// # Errors
/// Where the cache cannot be read or written.
pub fn simulate(
    network: NetworkName,
    config: &TrainConfig,
    cache: Option<&Path>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SampleSet, Error> {
    let data = &config.data;
    let key = serde_json::json!({
        "network": network, "seed": data.seed, "side": data.side, "positives": data.positives, "margin": MARGIN, "crop": [SIDE_OVER_DISTANCE, LOWERED],
        "simulator": phantom::REVISION, "immature": IMMATURE,
        "patterns": (network == NetworkName::Frontal).then_some(PATTERNS),
        "broken": (network == NetworkName::Metal).then_some(BROKEN),
    });
    let key = &crate::models::sha256(key.to_string().as_bytes())[..16];
    let wanted = data.train + data.validation;
    let mut collect = |count: usize, before: usize, part: &str, offset: u64| {
        let mut samples = Vec::with_capacity(count);
        let size = if cache.is_some() { CHUNK } else { LOOSE };
        for chunk in 0.. {
            if samples.len() >= count {
                break;
            }
            let file = cache.map(|dir| dir.join(format!("{network}-{key}-{part}-{chunk}.set")));
            let made = match file.as_deref().filter(|file| file.is_file()) {
                Some(file) => read(file)?,
                None => {
                    let first = data.seed.wrapping_add(offset + chunk * size);
                    let drawn: Vec<Vec<Sample>> = (0..size)
                        .into_par_iter()
                        .map(|i| draw(network, config, first.wrapping_add(i)))
                        .collect();
                    let made: Vec<Sample> = drawn.into_iter().flatten().collect();
                    if let Some(file) = &file {
                        write(file, &made)?;
                    }
                    made
                }
            };
            samples.extend(made);
            samples.truncate(count);
            progress(before + samples.len(), wanted);
        }
        Ok::<_, Error>(samples)
    };
    let validation = collect(data.validation, 0, "validation", 1 << 40)?;
    let train = collect(data.train, data.validation, "train", 0)?;
    Ok(SampleSet { train, validation })
}

#[derive(Serialize, Deserialize)]
struct Entry {
    width: usize,
    height: usize,
    label: Label,
}

/// A line of JSON with the labels, then the pixels.
pub(super) fn write(path: &Path, samples: &[Sample]) -> Result<(), Error> {
    let entries: Vec<Entry> = samples
        .iter()
        .map(|s| Entry {
            width: s.picture.width,
            height: s.picture.height,
            label: s.label.clone(),
        })
        .collect();
    let mut bytes = serde_json::to_vec(&entries).map_err(|e| Error::format(path, "sample cache", e))?;
    bytes.push(b'\n');
    for sample in samples {
        bytes.extend_from_slice(&sample.picture.pixels);
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::file(dir))?;
    }
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).map_err(Error::file(&beside))?;
    std::fs::rename(&beside, path).map_err(Error::file(path))
}

pub(super) fn read(path: &Path) -> Result<Vec<Sample>, Error> {
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    let line = bytes
        .iter()
        .position(|b| *b == b'\n')
        .ok_or_else(|| Error::format(path, "sample cache", "no labels"))?;
    let entries: Vec<Entry> =
        serde_json::from_slice(&bytes[..line]).map_err(|e| Error::format(path, "sample cache", e))?;
    let mut rest = &bytes[line + 1..];
    entries
        .into_iter()
        .map(|entry| {
            let len = entry.width * entry.height;
            if rest.len() < len {
                return Err(Error::format(path, "sample cache", "it is cut short"));
            }
            let (pixels, after) = rest.split_at(len);
            rest = after;
            let picture = Picture {
                width: entry.width,
                height: entry.height,
                pixels: pixels.to_vec(),
            };
            Ok(Sample {
                picture,
                label: entry.label,
            })
        })
        .collect()
}
