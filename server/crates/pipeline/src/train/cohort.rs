//! Training sets from a hospital's own pictures: hips cropped by the localiser as inference crops them, split by
//! patient.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cohort::label::{Basis, Hip, HipKey};
pub use cohort::label::{Label as HipLabel, Set};
use cohort::split::Shares;
use domain::Side;
use imaging::{Frame, GreyImage};
use rayon::prelude::*;

use super::data::{MARGIN, kept, read, whole_of, write};
use super::{Label, Progress, Sample, SampleSet, Source, TrainConfig};
use crate::analyse::LEAST_INSIDE;
use crate::preprocess::{LOWERED, SIDE_OVER_DISTANCE, inside};
use crate::{Error, Models, NetworkName};

/// A hip of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortHip {
    pub side: Side,
    pub label: HipLabel,
    /// It holds metal, so that the metal gate learns from it and the fracture network does not.
    pub metal: bool,
    /// Head, neck and both trochanters `[x0, y0, x1, y1]` in the file's own pixels, where known; the localiser learns
    /// from it.
    pub femur_box: Option<[f32; 4]>,
    /// The call of the report's reader, where known: an evaluation sets it beside the network's.
    pub human: Option<bool>,
}

/// A picture of a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortImage {
    pub file: PathBuf,
    /// Only compared with others, never written anywhere.
    pub patient: String,
    /// The emergency department asked for it; the test set holds no other.
    pub emergency: bool,
    /// A frontal pelvis, where known; the frontal gate learns from it.
    pub frontal: Option<bool>,
    pub hips: Vec<CohortHip>,
    pub set: Option<Set>,
}

/// A hospital's labelled pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cohort {
    pub images: Vec<CohortImage>,
    /// For the card, for example "cohort hips.csv".
    pub name: String,
    pub simulated: bool,
}

/// What became of a cohort.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    pub source: Source,
    /// Pictures of the test set; they are not opened here.
    pub test: usize,
    /// Pictures or hips that were left out, by reason.
    pub skipped: BTreeMap<String, usize>,
}

/// Decodes a file; the error is for people.
pub type ReadFrame<'a> = dyn Fn(&Path) -> Result<Frame, String> + Sync + 'a;

/// Gives every picture a set by its patient, keeping what is given, with the paper's shares; the test set is of the
/// emergency department alone, and other pictures of its patients are left out.
///
/// # Errors
/// Where the given sets put a patient's pictures into two of them.
pub fn split(images: &mut [CohortImage], seed: u64) -> Result<(), Error> {
    let mut given: BTreeMap<String, Set> = BTreeMap::new();
    for image in images.iter() {
        let Some(set) = image.set else { continue };
        let before = *given.entry(image.patient.clone()).or_insert(set);
        let left_out = |set: Set| matches!(set, Set::Test | Set::LeftOut);
        if before != set && !(left_out(before) && left_out(set)) {
            return Err(Error::Config(format!(
                "{} and another picture of its patient are in two sets",
                image.file.display()
            )));
        }
        if set == Set::Test {
            given.insert(image.patient.clone(), set);
        }
    }
    if images.iter().all(|image| image.set.is_some()) {
        return Ok(());
    }
    // A picture counts as two hips, as in the paper.
    let mut hips: Vec<Hip> = images
        .iter()
        .enumerate()
        .flat_map(|(i, image)| Side::BOTH.map(|side| as_hip(i, image, side)))
        .collect();
    let sets = cohort::split::split(&hips, Shares::PAPER, seed, &given).map_err(|e| Error::Config(e.to_string()))?;
    cohort::split::assign(&mut hips, &sets);
    for (image, hips) in images.iter_mut().zip(hips.chunks_exact(2)) {
        image.set = image.set.or(hips[0].set);
    }
    Ok(())
}

fn as_hip(index: usize, image: &CohortImage, side: Side) -> Hip {
    Hip {
        key: HipKey {
            accession: index.to_string(),
            side,
        },
        patient_id: image.patient.clone(),
        time: time::PrimitiveDateTime::MIN,
        emergency: image.emergency,
        label: HipLabel::None,
        basis: Basis::Default,
        reason: String::new(),
        doubtful: false,
        conflict: false,
        set: None,
        sources: Vec::new(),
        kept: None,
    }
}

/// The label that a network learns from a hip; `None` where it learns nothing.
fn hip_label(network: NetworkName, hip: &CohortHip) -> Option<Label> {
    match network {
        NetworkName::Metal if hip.metal || hip.label.fracture().is_some() => Some(Label {
            positive: hip.metal,
            ..Label::default()
        }),
        NetworkName::Fracture if !hip.metal => hip.label.fracture().map(|positive| Label {
            positive,
            location: match hip.label {
                HipLabel::FractureIntracapsular => 1,
                HipLabel::FractureExtracapsular => 2,
                HipLabel::Fracture => Label::SOMEWHERE,
                _ => 0,
            },
            ..Label::default()
        }),
        _ => None,
    }
}

/// Whether a network learns anything from a picture.
fn wanted(network: NetworkName, image: &CohortImage) -> bool {
    match network {
        NetworkName::Frontal => image.frontal.is_some(),
        NetworkName::Bounding => boxes(image).is_some(),
        NetworkName::Metal | NetworkName::Fracture => {
            image.frontal != Some(false) && image.hips.iter().any(|hip| hip_label(network, hip).is_some())
        }
    }
}

/// Centres of both hips (right x, right y, left x, left y) in the file's pixels.
fn boxes(image: &CohortImage) -> Option<[f32; 4]> {
    let centre = |side| {
        let of = image.hips.iter().find(|hip| hip.side == side)?;
        let [x0, y0, x1, y1] = of.femur_box?;
        Some([(x0 + x1) / 2.0, (y0 + y1) / 2.0])
    };
    let (right, left) = (centre(Side::Right)?, centre(Side::Left)?);
    (image.frontal != Some(false)).then_some([right[0], right[1], left[0], left[1]])
}

/// Makes a training set of a cohort whose pictures have sets, see [`split`]. Crops are kept in `cache` by file,
/// localiser and size, without labels, so that a corrected label costs nothing; whole pictures need no localiser.
/// `data.train` and `data.validation` of the configuration are the most that is taken; `data.side` is the size.
///
/// # Errors
/// Where the cohort has nothing for this network, or the cache cannot be written.
pub fn prepare(
    network: NetworkName,
    config: &TrainConfig,
    cohort: &Cohort,
    localiser: Option<&Models>,
    cache: Option<&Path>,
    frame: &ReadFrame<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Prepared, Error> {
    let mut out = Prepared::default();
    let pick = |set: Set, most: usize| -> Vec<&CohortImage> {
        let of = |image: &&CohortImage| image.set == Some(set) && wanted(network, image);
        // A picture gives at least one sample, so no more of them are read than can be needed.
        cohort.images.iter().filter(of).take(most).collect()
    };
    let train = pick(Set::Training, config.data.train);
    let validation = pick(Set::Validation, config.data.validation);
    out.test = cohort
        .images
        .iter()
        .filter(|image| image.set == Some(Set::Test))
        .count();
    if train.is_empty() || validation.is_empty() {
        let needs = match network {
            NetworkName::Frontal => "pictures known to be frontal pelves or something else",
            NetworkName::Bounding => "pictures with the boxes of both femora (columns x0, y0, x1, y1)",
            NetworkName::Metal => "hips labelled metal and others",
            NetworkName::Fracture => "hips labelled with a fracture or none",
        };
        return Err(Error::Config(format!(
            "{}: {} pictures to train and {} to validate the {network} network on; it needs {needs} in both sets",
            cohort.name,
            train.len(),
            validation.len()
        )));
    }
    let wanted = train.len() + validation.len();
    let mut done = 0;
    let mut collect = |images: &[&CohortImage], most: usize| -> Result<Vec<Sample>, Error> {
        let mut samples = Vec::new();
        for part in images.chunks(CHUNK) {
            let made: Vec<Result<Made, Error>> = part
                .par_iter()
                .map(|image| samples_of(network, config.data.side, image, localiser, cache, frame))
                .collect();
            for made in made {
                let made = made?;
                samples.extend(made.samples);
                for reason in made.skipped {
                    *out.skipped.entry(reason).or_default() += 1;
                }
            }
            done += part.len();
            progress(Progress::Preparing { done, wanted });
            if samples.len() >= most {
                break;
            }
        }
        samples.truncate(most);
        Ok(samples)
    };
    let set = SampleSet {
        train: collect(&train, config.data.train)?,
        validation: collect(&validation, config.data.validation)?,
    };
    for (name, samples) in [("training", &set.train), ("validation", &set.validation)] {
        let positive = samples.iter().filter(|s| s.label.positive).count();
        if network != NetworkName::Bounding && (positive == 0 || positive == samples.len()) {
            return Err(Error::Config(format!(
                "{}: all {} {name} samples of the {network} network have one label",
                cohort.name,
                samples.len()
            )));
        }
    }
    out.source = Source {
        set,
        origin: cohort.name.clone(),
        simulated: cohort.simulated,
    };
    Ok(out)
}

/// Pictures that are read at once.
const CHUNK: usize = 32;

struct Made {
    samples: Vec<Sample>,
    skipped: Vec<String>,
}

fn samples_of(
    network: NetworkName,
    side: usize,
    image: &CohortImage,
    localiser: Option<&Models>,
    cache: Option<&Path>,
    frame: &ReadFrame<'_>,
) -> Result<Made, Error> {
    let whole = matches!(network, NetworkName::Frontal | NetworkName::Bounding);
    let file = cache.and_then(|dir| cache_file(dir, image, side, whole, localiser));
    let pictures = match file.as_deref().filter(|file| file.is_file()) {
        Some(file) => read(file)?,
        None => {
            let made = frame(&image.file).and_then(|frame| {
                if whole {
                    Ok(vec![whole_picture(&frame, side)])
                } else {
                    hip_pictures(&frame, side, localiser.ok_or("no localiser was given")?)
                }
            });
            match made {
                Ok(made) => {
                    if let Some(file) = &file {
                        write(file, &made)?;
                    }
                    made
                }
                Err(reason) => {
                    return Ok(Made {
                        samples: Vec::new(),
                        skipped: vec![reason],
                    });
                }
            }
        }
    };
    let mut made = Made {
        samples: Vec::new(),
        skipped: Vec::new(),
    };
    if whole {
        for mut sample in pictures {
            // As kept: columns and rows of the file in the place of the hips.
            let [columns, rows, ..] = sample.label.hips.unwrap_or([1.0; 4]);
            let hips = boxes(image).map(|[rx, ry, lx, ly]| [rx / columns, ry / rows, lx / columns, ly / rows]);
            let inside = |hips: &[f32; 4]| hips.iter().all(|v| (0.02..0.98).contains(v));
            if network == NetworkName::Bounding && !hips.as_ref().is_some_and(inside) {
                made.skipped
                    .push("the boxes of the femora leave the picture".to_owned());
                continue;
            }
            sample.label = Label {
                positive: image.frontal.unwrap_or(true),
                hips: hips.filter(|_| network == NetworkName::Bounding),
                ..Label::default()
            };
            made.samples.push(sample);
        }
        return Ok(made);
    }
    for hip in &image.hips {
        let Some(label) = hip_label(network, hip) else { continue };
        match pictures.iter().find(|sample| sample.label.seed == index(hip.side)) {
            Some(sample) => made.samples.push(Sample {
                picture: sample.picture.clone(),
                label,
            }),
            None => made.skipped.push("the hip is cut off".to_owned()),
        }
    }
    Ok(made)
}

fn index(side: Side) -> u64 {
    match side {
        Side::Right => 0,
        Side::Left => 1,
    }
}

fn whole_picture(frame: &Frame, side: usize) -> Sample {
    let image = imaging::present(frame, None);
    Sample {
        picture: whole_of(&image, side),
        label: Label {
            hips: Some([image.width as f32, image.height as f32, 0.0, 0.0]),
            ..Label::default()
        },
    }
}

/// The crops of both hips as the localiser finds them, told apart by their labels' seed; without those cut off.
fn hip_pictures(frame: &Frame, side: usize, localiser: &Models) -> Result<Vec<Sample>, String> {
    let image: GreyImage = imaging::present(frame, None);
    let hips = localiser.locate(&image)?;
    if !hips.plausible(image.width, image.height) {
        return Err("the localiser finds no hips".to_owned());
    }
    let spacing = frame.detector_spacing.map(|(_, column)| column as f32);
    let crop = |of: Side| {
        let narrow = hips.crop(of, spacing, 1.0);
        let picture = image.resample(hips.crop(of, spacing, MARGIN), side, side);
        let picture = if of == Side::Left { picture.mirrored() } else { picture };
        (inside(narrow, image.width, image.height) >= LEAST_INSIDE).then(|| Sample {
            picture: kept(&picture),
            label: Label {
                seed: index(of),
                ..Label::default()
            },
        })
    };
    Ok(Side::BOTH.into_iter().filter_map(crop).collect())
}

/// Where a picture's crops are kept: named after all that they follow from.
fn cache_file(
    dir: &Path,
    image: &CohortImage,
    side: usize,
    whole: bool,
    localiser: Option<&Models>,
) -> Option<PathBuf> {
    let about = std::fs::metadata(&image.file).ok()?;
    let changed = about.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let path = std::fs::canonicalize(&image.file).ok()?;
    let crop = localiser.filter(|_| !whole).map(|localiser| {
        let [_, bounding, ..] = localiser.metadata();
        (MARGIN, SIDE_OVER_DISTANCE, LOWERED, bounding.sha256.clone())
    });
    let key = serde_json::json!([path, about.len(), changed.as_nanos().to_string(), side, crop]);
    let key = &crate::models::sha256(key.to_string().as_bytes())[..32];
    Some(dir.join(format!("cohort-{key}.set")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(patient: usize, emergency: bool) -> CohortImage {
        CohortImage {
            file: PathBuf::from(format!("{patient}.dcm")),
            patient: patient.to_string(),
            emergency,
            frontal: Some(true),
            hips: Vec::new(),
            set: None,
        }
    }

    #[test]
    fn sets_are_by_patient_and_the_test_set_is_of_the_emergency_department() {
        let mut images: Vec<CohortImage> = (0..600).map(|i| image(i % 250, i % 3 == 0)).collect();
        split(&mut images, 5).unwrap();
        let mut of: BTreeMap<&str, std::collections::BTreeSet<Set>> = BTreeMap::new();
        for image in &images {
            of.entry(&image.patient).or_default().insert(image.set.unwrap());
            assert!(image.set != Some(Set::Test) || image.emergency);
        }
        let tested =
            |sets: &std::collections::BTreeSet<Set>| sets.iter().all(|s| [Set::Test, Set::LeftOut].contains(s));
        assert!(of.values().all(|sets| sets.len() == 1 || tested(sets)));
        let count = |set| images.iter().filter(|i| i.set == Some(set)).count();
        assert!((20..60).contains(&count(Set::Test)), "{}", count(Set::Test));
        assert!((30..80).contains(&count(Set::Validation)), "{}", count(Set::Validation));
        let first = images.clone();
        images.iter_mut().for_each(|i| i.set = None);
        split(&mut images, 5).unwrap();
        assert_eq!(images, first);
    }

    #[test]
    fn given_sets_are_kept_and_no_patient_is_in_two() {
        let mut images: Vec<CohortImage> = (0..40).map(|i| image(i / 2, true)).collect();
        images[0].set = Some(Set::Validation);
        split(&mut images, 1).unwrap();
        assert_eq!(
            (images[0].set, images[1].set),
            (Some(Set::Validation), Some(Set::Validation))
        );
        images[1].set = Some(Set::Training);
        assert!(split(&mut images, 1).is_err());
    }

    #[test]
    fn a_hip_teaches_what_its_label_says() {
        let hip = |label, metal| CohortHip {
            side: Side::Left,
            label,
            metal,
            femur_box: None,
            human: None,
        };
        let fracture = |label| hip_label(NetworkName::Fracture, &hip(label, false)).map(|l| (l.positive, l.location));
        assert_eq!(fracture(HipLabel::None), Some((false, 0)));
        assert_eq!(fracture(HipLabel::FractureIntracapsular), Some((true, 1)));
        assert_eq!(fracture(HipLabel::FractureExtracapsular), Some((true, 2)));
        assert_eq!(fracture(HipLabel::Fracture), Some((true, Label::SOMEWHERE)));
        assert_eq!(fracture(HipLabel::Unknown), None);
        assert_eq!(fracture(HipLabel::Excluded), None);
        assert!(hip_label(NetworkName::Fracture, &hip(HipLabel::None, true)).is_none());
        let metal = |label, metal| hip_label(NetworkName::Metal, &hip(label, metal)).map(|l| l.positive);
        assert_eq!(metal(HipLabel::Excluded, true), Some(true));
        assert_eq!(metal(HipLabel::None, false), Some(false));
        assert_eq!(metal(HipLabel::Excluded, false), None);
    }
}
