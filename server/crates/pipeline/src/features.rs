//! What the fracture network makes of a hip before its heads: for a head of one's own over a hospital's labels.

use domain::Side;
use imaging::Frame;

use crate::analyse::{LEAST_INSIDE, SMALLEST_SIDE};
use crate::models::Models;
use crate::nn::Network;
use crate::preprocess;

impl Models {
    /// The features of the right and of the left hip: the last map's mean over its places, a number a channel, then the
    /// network's outputs. None of either where the picture is no frontal pelvis or its hips are not found; none of a hip
    /// that is cut off or has metal in it, as such hips are left out of training.
    ///
    /// # Errors
    /// The network gives no numbers, or is none with features.
    pub fn hip_features(&self, frame: &Frame) -> Result<[Option<Vec<f32>>; 2], String> {
        if frame.rows.min(frame.columns) < SMALLEST_SIDE
            || frame.pixels.len() != frame.rows as usize * frame.columns as usize
        {
            return Ok([None, None]);
        }
        let image = imaging::present(frame, None);
        if self.frontal_score(&image)? < self.gates().0 {
            return Ok([None, None]);
        }
        let hips = self.locate(&image)?;
        if !hips.plausible(image.width, image.height) {
            return Ok([None, None]);
        }
        let spacing = frame.detector_spacing.map(|(_, column)| column as f32);
        let crops = Side::BOTH.map(|side| (side, hips.crop(side, spacing, 1.0)));
        let metal = self.metal_scores(&image, &crops)?;
        let Network::DenseNet(network) = &self.fracture.network else {
            return Err("the fracture network has no features to hand out".to_owned());
        };
        let numbers: Vec<f32> = network
            .pooled(self.crops(&image, &crops, self.fracture.input))
            .try_into_data()
            .map_err(|e| e.to_string())?
            .convert::<f32>()
            .try_into_vec()
            .map_err(|e| format!("{e:?}"))?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err("a network gave no number".to_owned());
        }
        let of = |at: usize| {
            let seen = preprocess::inside(crops[at].1, image.width, image.height) >= LEAST_INSIDE;
            let half = numbers.len() / 2;
            (seen && metal[at] < self.gates().1).then(|| numbers[at * half..(at + 1) * half].to_vec())
        };
        Ok([of(0), of(1)])
    }
}
