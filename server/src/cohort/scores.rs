//! Cross-fitted scores of a cohort's hips.
//!
//! The features are those of the fracture network of the models folder, which never saw a label of this cohort; the
//! head over them is fitted on the cohort's labels as they are, fold by fold and by patient. So no hip is judged by
//! numbers that its own label went into. A network of its own for each fold would follow the hospital's pictures more
//! closely; its scores may be written into the same column.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use cohort::crossfit::{HeadSettings, cross_fit};
use cohort::split::folds;
use domain::cohort::Set;
use domain::{Side, SopUid};

use crate::decoder::Decoder;
use crate::inference::Analyser;
use crate::storage::Storage;

/// What came of scoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    pub scored: usize,
    /// Hips whose picture the networks could not use.
    pub without: usize,
}

/// Draws the features of every hip that has none yet. `progress` hears pictures done and in all.
///
/// # Errors
/// The networks or the database fail. A picture that cannot be decoded is passed over.
pub async fn features(
    db: &db::Db,
    storage: &Storage,
    decoder: &Decoder,
    analyser: &Arc<dyn Analyser>,
    name: &str,
    mut progress: impl FnMut(usize, usize),
) -> anyhow::Result<()> {
    let model = analyser.model().sha256;
    let have = db.cohort_features(name, &model).await?;
    let mut pictures: BTreeMap<SopUid, Vec<(Side, i64)>> = BTreeMap::new();
    for hip in db.cohort_hips(name).await? {
        let wanted = matches!(hip.set, Set::Training | Set::Validation) && !have.contains_key(&hip.id);
        if let (true, Some(sop)) = (wanted, hip.sop_uid) {
            pictures.entry(sop).or_default().push((hip.key.side, hip.id));
        }
    }
    let total = pictures.len();
    for (done, (sop, hips)) in pictures.into_iter().enumerate() {
        progress(done, total);
        let Some(instance) = db.instance(&sop).await? else {
            continue;
        };
        let Ok((_, frame)) = decoder.decode(&storage.instance_path(&instance.sha256)).await else {
            continue;
        };
        let analyser = analyser.clone();
        let found = tokio::task::spawn_blocking(move || analyser.hip_features(&frame)).await?;
        let [right, left] = found.map_err(|words| anyhow::anyhow!("{sop}: {words}"))?;
        // Picture by picture: what was drawn survives a stop.
        let rows: Vec<(i64, Vec<f32>)> = hips
            .into_iter()
            .filter_map(|(side, hip)| {
                let vector = match side {
                    Side::Right => right.clone(),
                    Side::Left => left.clone(),
                };
                Some((hip, vector?))
            })
            .collect();
        db.set_cohort_features(&model, &rows).await?;
    }
    progress(total, total);
    Ok(())
}

/// Fits the heads on the labels as they are, and writes every hip's score.
///
/// # Errors
/// There are no features, or the labels outside a fold are all the same.
pub async fn score(
    db: &db::Db,
    model: &str,
    name: &str,
    count: usize,
    settings: &HeadSettings,
) -> anyhow::Result<Scored> {
    let (_, seed, _) = db.cohort(name).await?;
    let mut features = db.cohort_features(name, model).await?;
    let hips: Vec<db::StoredHip> = db
        .cohort_hips(name)
        .await?
        .into_iter()
        .filter(|hip| matches!(hip.set, Set::Training | Set::Validation))
        .collect();
    let all = hips.len();
    let of_patient = folds(hips.iter().map(|hip| hip.patient_id.as_str()), count, seed);
    let (mut ids, mut vectors, mut labels, mut own) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for hip in hips {
        if let Some(vector) = features.remove(&hip.id) {
            ids.push(hip.id);
            vectors.push(vector);
            labels.push(hip.label.fracture());
            own.push(of_patient.get(&hip.patient_id).copied().unwrap_or(0));
        }
    }
    if ids.is_empty() {
        bail!("no hip of the cohort has a picture that the networks can use");
    }
    let settings = *settings;
    let (scores, own) =
        tokio::task::spawn_blocking(move || cross_fit(&vectors, &labels, &own, &settings).map(|scores| (scores, own)))
            .await?
            .context("cannot fit on these labels")?;
    let rows: Vec<(i64, usize, f32)> = ids
        .iter()
        .zip(own)
        .zip(scores)
        .map(|((id, fold), score)| (*id, fold, score))
        .collect();
    db.set_cohort_scores(&rows).await?;
    Ok(Scored {
        scored: rows.len(),
        without: all - rows.len(),
    })
}
