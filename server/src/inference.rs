//! From a decoded frame to a reading. The only file of the server that names the pipeline.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use app::backend::ModelCard;
use domain::{Exclusion, HeatMap, ImageReading, Milliseconds, ModelName, ReadingStatus, Side, SopUid, StudyUid};
use imaging::Frame;
use pipeline::Analysis;

use crate::decoder::{DecodeError, Decoder};

/// What reads a frame: the networks, or in tests something quicker.
pub trait Analyser: Send + Sync + 'static {
    /// Blocks for seconds; call it where that may be.
    fn analyse(&self, frame: &Frame) -> Analysis;
    fn model(&self) -> ModelName;
    /// The device that the networks run on, in words.
    fn device(&self) -> String;
    /// What each place of these hips adds to their fracture scores; nothing where the network has no such map.
    /// Blocks like [`Analyser::analyse`].
    ///
    /// # Errors
    /// The network failed, in words.
    fn heat_maps(&self, _frame: &Frame, _hips: &[(Side, [f32; 4])]) -> Result<Vec<HeatMap>, String> {
        Ok(Vec::new())
    }

    /// Features of the right and the left hip, for a cohort's own head; `None` where there is nothing to read. Blocks.
    ///
    /// # Errors
    /// The networks failed.
    fn hip_features(&self, _: &Frame) -> Result<[Option<Vec<f32>>; 2], String> {
        Ok([None, None])
    }
}

impl Analyser for pipeline::Models {
    fn analyse(&self, frame: &Frame) -> Analysis {
        pipeline::Models::analyse(self, frame)
    }

    fn model(&self) -> ModelName {
        self.name()
    }

    fn device(&self) -> String {
        pipeline::Models::device(self).to_owned()
    }

    fn heat_maps(&self, frame: &Frame, hips: &[(Side, [f32; 4])]) -> Result<Vec<HeatMap>, String> {
        let image = imaging::present(frame, None);
        let mut maps = Vec::new();
        for &(side, rect) in hips {
            if let Some(map) = self.activation(&image, (side, rect))? {
                maps.push(HeatMap {
                    side,
                    rect,
                    width: map.width,
                    height: map.height,
                    values: map.data,
                });
            }
        }
        Ok(maps)
    }

    fn hip_features(&self, frame: &Frame) -> Result<[Option<Vec<f32>>; 2], String> {
        pipeline::Models::hip_features(self, frame)
    }
}

/// Loads the networks in `folder` onto `device` (`auto`, `cpu`, `wgpu` or `cuda`). Blocks.
///
/// # Errors
/// The device's name is unknown, or a network's files are missing, altered or do not fit.
pub fn load(folder: &Path, device: &str) -> anyhow::Result<Box<dyn Analyser>> {
    let choice: pipeline::DeviceChoice = device.parse()?;
    let models = pipeline::Models::load(folder, choice)?;
    if let Some(reason) = models.fallback() {
        tracing::warn!(
            reason,
            device = models.device(),
            "the networks run on another device than asked for"
        );
    }
    Ok(Box::new(models))
}

/// One card for each network in `folder`. Blocks.
///
/// # Errors
/// A network's files are missing or unreadable.
pub fn model_cards(folder: &Path) -> anyhow::Result<Vec<ModelCard>> {
    let summaries = pipeline::summaries(folder)?;
    Ok(summaries
        .into_iter()
        .map(|summary| ModelCard {
            network: summary.network.to_string(),
            name: summary.name,
            parameters: summary.parameters as u64,
            sha256: summary.sha256,
            training: summary.training,
        })
        .collect())
}

/// A reading of a file that is not in the store, for `shenton analyse`.
pub async fn read_file(decoder: &Decoder, analyser: &Arc<dyn Analyser>, file: &Path) -> ImageReading {
    let began = Instant::now();
    let decoded = decoder.decode(file).await;
    let decode = milliseconds(began);
    let metadata = match &decoded {
        Ok((metadata, _)) => Some(metadata.clone()),
        // A file without a readable picture may still say which one it is.
        Err(DecodeError::Refused(_) | DecodeError::Crashed) => decoder.metadata(file).await.ok(),
        Err(_) => None,
    };
    let ids = metadata.map(|metadata| (StudyUid(metadata.study_uid), SopUid(metadata.sop_uid)));
    let decoded = decoded.map(|(_, frame)| frame);
    let analyser_here = analyser.clone();
    let ids_here = ids.clone();
    let read = tokio::task::spawn_blocking(move || read(&*analyser_here, ids_here, decoded, decode)).await;
    read.unwrap_or_else(|_| {
        blank(
            &**analyser,
            ids,
            ReadingStatus::Error,
            "the analysis failed".to_owned(),
            decode,
        )
    })
}

/// A reading of one image, or of why it could not be decoded. Blocks.
pub fn read(
    analyser: &dyn Analyser,
    ids: Option<(StudyUid, SopUid)>,
    decoded: Result<Frame, DecodeError>,
    decode: f32,
) -> ImageReading {
    let frame = match decoded {
        Ok(frame) => frame,
        Err(error) => {
            let (status, reason) = undecoded(&error);
            return blank(analyser, ids, status, reason, decode);
        }
    };
    let began = Instant::now();
    let analysis = analyser.analyse(&frame);
    let total = analysis.milliseconds.total.unwrap_or_else(|| milliseconds(began)) + decode;
    let (study_uid, sop_uid) = ids.unzip();
    ImageReading {
        study_uid,
        sop_uid,
        status: analysis.status,
        reason: analysis.reason.map(snake_case).or(analysis.error),
        frontal: analysis.frontal,
        hips: analysis.hips,
        model: analyser.model(),
        device: analyser.device(),
        milliseconds: Milliseconds {
            decode: Some(decode),
            total: Some(total),
            ..analysis.milliseconds
        },
    }
}

/// Milliseconds since `began`.
pub fn milliseconds(began: Instant) -> f32 {
    began.elapsed().as_secs_f32() * 1000.0
}

/// A reading without a picture.
fn blank(
    analyser: &dyn Analyser,
    ids: Option<(StudyUid, SopUid)>,
    status: ReadingStatus,
    reason: String,
    decode: f32,
) -> ImageReading {
    let (study_uid, sop_uid) = ids.unzip();
    ImageReading {
        study_uid,
        sop_uid,
        status,
        reason: Some(reason),
        frontal: None,
        hips: Vec::new(),
        model: analyser.model(),
        device: analyser.device(),
        milliseconds: Milliseconds {
            decode: Some(decode),
            total: Some(decode),
            ..Milliseconds::default()
        },
    }
}

/// Sound DICOM that is no single monochrome picture is set aside; everything else is an error.
fn undecoded(error: &DecodeError) -> (ReadingStatus, String) {
    let exclusion = match error {
        DecodeError::Refused(dicom_io::Error::Colour) => Exclusion::ColourImage,
        DecodeError::Refused(dicom_io::Error::MultiFrame { .. }) => Exclusion::MultiFrame,
        DecodeError::Refused(dicom_io::Error::NoPixels) | DecodeError::Directory => Exclusion::NoPixels,
        error => return (ReadingStatus::Error, error.to_string()),
    };
    (ReadingStatus::Excluded, snake_case(exclusion))
}

/// The exclusion as JSON names it.
fn snake_case(exclusion: Exclusion) -> String {
    match exclusion {
        Exclusion::NotFrontalPelvis => "not_frontal_pelvis",
        Exclusion::HipsNotFound => "hips_not_found",
        Exclusion::ColourImage => "colour_image",
        Exclusion::MultiFrame => "multi_frame",
        Exclusion::NoPixels => "no_pixels",
        Exclusion::TooSmall => "too_small",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Analyser for Fixed {
        fn analyse(&self, _: &Frame) -> Analysis {
            Analysis {
                status: ReadingStatus::Excluded,
                reason: Some(Exclusion::TooSmall),
                error: None,
                frontal: None,
                hips: Vec::new(),
                milliseconds: Milliseconds {
                    total: Some(5.0),
                    ..Milliseconds::default()
                },
            }
        }

        fn model(&self) -> ModelName {
            ModelName {
                name: "fixed".to_owned(),
                sha256: String::new(),
            }
        }

        fn device(&self) -> String {
            "none".to_owned()
        }
    }

    #[test]
    fn exclusions_are_named_as_in_json() {
        for exclusion in [
            Exclusion::NotFrontalPelvis,
            Exclusion::HipsNotFound,
            Exclusion::ColourImage,
            Exclusion::MultiFrame,
            Exclusion::NoPixels,
            Exclusion::TooSmall,
        ] {
            assert_eq!(serde_json::to_value(exclusion).unwrap(), snake_case(exclusion));
        }
    }

    #[test]
    fn a_file_without_a_picture_is_set_aside_and_a_broken_one_is_an_error() {
        let check = |error: DecodeError, status, reason: &str| {
            let reading = read(&Fixed, None, Err(error), 1.0);
            assert_eq!((reading.status, reading.reason.as_deref()), (status, Some(reason)));
        };
        check(dicom_io::Error::Colour.into(), ReadingStatus::Excluded, "colour_image");
        check(
            dicom_io::Error::MultiFrame { frames: 3 }.into(),
            ReadingStatus::Excluded,
            "multi_frame",
        );
        check(dicom_io::Error::NoPixels.into(), ReadingStatus::Excluded, "no_pixels");
        check(
            dicom_io::Error::Truncated.into(),
            ReadingStatus::Error,
            "the file is cut short",
        );
        check(
            DecodeError::Crashed,
            ReadingStatus::Error,
            "reading the file crashed its reader",
        );
    }

    #[test]
    fn the_total_counts_decoding() {
        let frame = Frame::new(1, 1, 8, vec![0]);
        let reading = read(
            &Fixed,
            Some((StudyUid::from("1.2"), SopUid::from("1.3"))),
            Ok(frame),
            2.0,
        );
        assert_eq!(reading.milliseconds.total, Some(7.0));
        assert_eq!(reading.milliseconds.decode, Some(2.0));
        assert_eq!(reading.study_uid, Some(StudyUid::from("1.2")));
        assert_eq!(reading.reason.as_deref(), Some("too_small"));
    }
}
