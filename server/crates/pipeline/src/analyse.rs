//! One image through the four networks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use burn::prelude::*;
use burn::tensor::TensorData;
use domain::{
    Call, Exclusion, HipExclusion, HipFinding, HipStatus, LocationScores, Milliseconds, PixelBox, ReadingStatus, Score,
    Side,
};
use imaging::{Frame, GreyImage};

use crate::models::{Models, panic_words};
use crate::preprocess::{self, Hips};

/// A picture with fewer pixels than this on its shorter side is not read.
pub const SMALLEST_SIDE: u32 = 200;
/// A crop with less of its area than this inside the picture counts as cut off.
pub const LEAST_INSIDE: f32 = 0.6;

/// What the networks say of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    pub status: ReadingStatus,
    /// Why the whole image was set aside.
    pub reason: Option<Exclusion>,
    /// What went wrong, where the status is `Error`.
    pub error: Option<String>,
    pub frontal: Option<Score>,
    pub hips: Vec<HipFinding>,
    pub milliseconds: Milliseconds,
}

impl Analysis {
    fn new() -> Self {
        Self {
            status: ReadingStatus::Analysed,
            reason: None,
            error: None,
            frontal: None,
            hips: Vec::new(),
            milliseconds: Milliseconds::default(),
        }
    }

    fn exclude(&mut self, reason: Exclusion) {
        self.status = ReadingStatus::Excluded;
        self.reason = Some(reason);
    }
}

impl Models {
    /// Reads one image. Never panics: what goes wrong inside comes back with status `Error`.
    pub fn analyse(&self, frame: &Frame) -> Analysis {
        let begun = Instant::now();
        let mut analysis = catch_unwind(AssertUnwindSafe(|| {
            let mut analysis = Analysis::new();
            if let Err(reason) = self.read(frame, &mut analysis) {
                analysis.status = ReadingStatus::Error;
                analysis.error = Some(reason);
            }
            analysis
        }))
        .unwrap_or_else(|cause| {
            let mut analysis = Analysis::new();
            analysis.status = ReadingStatus::Error;
            analysis.error = Some(panic_words(&*cause));
            analysis
        });
        analysis.milliseconds.total = Some(elapsed(begun));
        analysis
    }

    fn read(&self, frame: &Frame, analysis: &mut Analysis) -> Result<(), String> {
        if frame.rows.min(frame.columns) < SMALLEST_SIDE {
            analysis.exclude(Exclusion::TooSmall);
            return Ok(());
        }
        if frame.pixels.len() != frame.rows as usize * frame.columns as usize {
            return Err(format!(
                "{} pixels in a frame of {} rows and {} columns",
                frame.pixels.len(),
                frame.rows,
                frame.columns
            ));
        }
        let begun = Instant::now();
        let image = imaging::present(frame, None);
        let score = self.frontal_score(&image)?;
        analysis.frontal = Some(Score { score });
        analysis.milliseconds.frontal = Some(elapsed(begun));
        if score < self.gates().0 {
            analysis.exclude(Exclusion::NotFrontalPelvis);
            return Ok(());
        }

        let begun = Instant::now();
        let hips = self.locate(&image)?;
        analysis.milliseconds.bounding = Some(elapsed(begun));
        if !hips.plausible(image.width, image.height) {
            analysis.exclude(Exclusion::HipsNotFound);
            return Ok(());
        }
        let spacing = frame.detector_spacing.map(|(_, column)| column as f32);
        let squares = Side::BOTH.map(|side| (side, hips.crop(side, spacing, 1.0)));
        analysis.hips = squares
            .iter()
            .map(|&(side, square)| HipFinding {
                side,
                region: PixelBox(square),
                status: HipStatus::Analysed,
                reason: None,
                metal: None,
                fracture: None,
                location: None,
                call: None,
            })
            .collect();
        let set_aside = |hip: &mut HipFinding, reason| {
            hip.status = HipStatus::Excluded;
            hip.reason = Some(reason);
        };
        for hip in &mut analysis.hips {
            if preprocess::inside(hip.region.0, image.width, image.height) < LEAST_INSIDE {
                set_aside(hip, HipExclusion::CutOff);
            }
        }

        let begun = Instant::now();
        let open = |hips: &[HipFinding]| -> Vec<usize> {
            (0..hips.len())
                .filter(|&i| hips[i].status == HipStatus::Analysed)
                .collect()
        };
        let left = open(&analysis.hips);
        if !left.is_empty() {
            let crops: Vec<_> = left
                .iter()
                .map(|&i| (analysis.hips[i].side, analysis.hips[i].region.0))
                .collect();
            let threshold = self.gates().1;
            for (&i, score) in left.iter().zip(self.metal_scores(&image, &crops)?) {
                let hip = &mut analysis.hips[i];
                hip.metal = Some(Score { score });
                if score >= threshold {
                    set_aside(hip, HipExclusion::Metal);
                }
            }
            analysis.milliseconds.metal = Some(elapsed(begun));
        }

        let begun = Instant::now();
        let left = open(&analysis.hips);
        if !left.is_empty() {
            let crops: Vec<_> = left
                .iter()
                .map(|&i| (analysis.hips[i].side, analysis.hips[i].region.0))
                .collect();
            for (&i, (score, location)) in left.iter().zip(self.fracture_scores(&image, &crops)?) {
                let hip = &mut analysis.hips[i];
                hip.fracture = Some(Score { score });
                hip.location = location;
                hip.call = Some(self.call(score));
            }
            analysis.milliseconds.fracture = Some(elapsed(begun));
        }
        if analysis.hips.iter().any(|hip| hip.status == HipStatus::Analysed) {
            analysis.status = ReadingStatus::Analysed;
        } else {
            // Both hips hold their own reasons; the image has none of its own.
            analysis.status = ReadingStatus::Excluded;
        }
        Ok(())
    }

    /// Thresholds of the frontal and of the metal gate.
    pub(crate) fn gates(&self) -> (f32, f32) {
        let of = |loaded: &crate::models::Loaded| loaded.metadata.operating_points.threshold.unwrap_or(0.5);
        (of(&self.frontal), of(&self.metal))
    }

    /// Probability that the picture is a frontal pelvis.
    pub(crate) fn frontal_score(&self, image: &GreyImage) -> Result<f32, String> {
        let side = self.frontal.input;
        let outputs = self
            .frontal
            .run(self.batch(vec![preprocess::whole(image, side)], side))?;
        finite(sigmoid(*outputs.first().ok_or("no output")?))
    }

    /// Where the two hips are.
    pub(crate) fn locate(&self, image: &GreyImage) -> Result<Hips, String> {
        let side = self.bounding.input;
        preprocess::locate(image, side, |inputs| self.bounding.run(self.batch(inputs, side)))
    }

    /// Probability of metal, a crop each.
    pub(crate) fn metal_scores(&self, image: &GreyImage, crops: &[(Side, [f32; 4])]) -> Result<Vec<f32>, String> {
        let outputs = self.metal.run(self.crops(image, crops, self.metal.input))?;
        outputs.chunks_exact(2).map(|o| finite(sigmoid(o[1] - o[0]))).collect()
    }

    /// Probability of a fracture and, where the network has a location head, of each location; a crop each.
    pub(crate) fn fracture_scores(
        &self,
        image: &GreyImage,
        crops: &[(Side, [f32; 4])],
    ) -> Result<Vec<(f32, Option<LocationScores>)>, String> {
        let outputs = self.fracture.run(self.crops(image, crops, self.fracture.input))?;
        outputs
            .chunks_exact((outputs.len() / crops.len().max(1)).max(2))
            .map(|o| {
                let location = o.get(2..5).map(|o| {
                    let [none, intracapsular, extracapsular] = softmax([o[0], o[1], o[2]]);
                    LocationScores {
                        none,
                        intracapsular,
                        extracapsular,
                    }
                });
                Ok((finite(sigmoid(o[1] - o[0]))?, location))
            })
            .collect()
    }

    /// What each place of a crop adds to its fracture score: a square map of logits, row by row, on the crop as the
    /// picture shows it. `None` where the network has no such map.
    pub fn activation(&self, image: &GreyImage, (side, square): (Side, [f32; 4])) -> Result<Option<GreyImage>, String> {
        let input = self.crops(image, &[(side, square)], self.fracture.input);
        let Some(map) = self.fracture.network.activation(input) else {
            return Ok(None);
        };
        let [.., height, width] = map.dims();
        let data = map.try_into_data().map_err(|e| e.to_string())?;
        let data = data.convert::<f32>().try_into_vec().map_err(|e| format!("{e:?}"))?;
        let map = GreyImage { width, height, data };
        Ok(Some(if side == Side::Left { map.mirrored() } else { map }))
    }

    /// What a fracture score means at the two operating points.
    pub(crate) fn call(&self, score: f32) -> Call {
        let points = self.fracture.metadata.operating_points;
        if score >= points.high_precision.unwrap_or(1.0) {
            Call::Definite
        } else if score >= points.high_sensitivity.unwrap_or(0.5) {
            Call::Doubtful
        } else {
            Call::Negative
        }
    }

    pub(crate) fn crops(&self, image: &GreyImage, crops: &[(Side, [f32; 4])], side: usize) -> Tensor<4> {
        let pictures = crops
            .iter()
            .map(|&(name, square)| preprocess::crop(image, square, side, name == Side::Left))
            .collect();
        self.batch(pictures, side)
    }

    fn batch(&self, pictures: Vec<Vec<f32>>, side: usize) -> Tensor<4> {
        let n = pictures.len();
        Tensor::from_data(TensorData::new(pictures.concat(), [n, 1, side, side]), &self.device)
    }
}

fn elapsed(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1000.0
}

pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(x: [f32; 3]) -> [f32; 3] {
    let top = x.iter().copied().fold(f32::MIN, f32::max);
    let e = x.map(|v| (v - top).exp());
    let sum: f32 = e.iter().sum();
    e.map(|v| v / sum)
}

fn finite(score: f32) -> Result<f32, String> {
    if score.is_finite() {
        Ok(score)
    } else {
        Err("a network gave no number".to_owned())
    }
}
