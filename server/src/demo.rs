//! Fills an empty database with simulated studies that go through the real doors and the real pipeline.

use std::sync::Arc;

use domain::SiteId;
use phantom::{Case, Config, FractureKind, FractureRequest, Request, View};

use crate::ingest::{Door, Ingest, Source};
use crate::simulate::{self, Study};

/// One study of the demonstration: its images, in the order of the file.
struct Plan {
    seed: u64,
    requests: Vec<Request>,
}

/// The first studies show what a reader should meet; the others are drawn from the priors.
fn plans(count: u32) -> Vec<Plan> {
    let pelvis = || Request {
        view: Some(View::FrontalPelvis),
        ..Request::default()
    };
    let lateral = || Request {
        view: Some(View::LateralHip),
        ..Request::default()
    };
    let chest = || Request {
        view: Some(View::Chest),
        ..Request::default()
    };
    (0..u64::from(count))
        .map(|index| {
            let fracture = |kind, severity| Request {
                fracture: Some(FractureRequest {
                    present: Some(true),
                    kind: Some(kind),
                    severity: Some(severity),
                    ..FractureRequest::default()
                }),
                metal: Some(false),
                ..pelvis()
            };
            let none = FractureRequest {
                present: Some(false),
                ..FractureRequest::default()
            };
            let requests = match index {
                0 => vec![fracture(FractureKind::GardenIV, 0.9), lateral(), chest()],
                1 => vec![fracture(FractureKind::GardenI, 0.1)],
                2 => vec![Request {
                    metal: Some(true),
                    ..pelvis()
                }],
                3 => vec![chest()],
                4 => vec![
                    Request {
                        fracture: Some(none),
                        metal: Some(false),
                        ..pelvis()
                    },
                    lateral(),
                ],
                _ => vec![pelvis()],
            };
            Plan {
                seed: 20_260_000 + index,
                requests,
            }
        })
        .collect()
}

/// The picture of an image, numbered from 1, of a study.
fn case(study: u64, instance: u32, request: &Request) -> Case {
    Case::draw(&Config::default(), request, study * 16 + u64::from(instance))
}

/// The setting that says that demonstration studies are being made.
const UNDER_WAY: &str = "demonstration_under_way";

/// Whether the database has no study, or those of a server that was stopped while it made them. Notes that they are
/// under way.
async fn wanted(db: &db::Db) -> Result<bool, db::Error> {
    let empty = db.counts().await?.iter().all(|(_, studies)| *studies == 0);
    let wanted = empty || db.setting(UNDER_WAY).await?.as_deref() == Some("true");
    if wanted {
        db.set_setting(UNDER_WAY, "true").await?;
    }
    Ok(wanted)
}

/// Simulates `count` studies into a database that has none; otherwise does nothing. Goes on where it was stopped: what
/// is there already is the same instance again.
pub async fn fill(db: db::Db, ingest: Arc<Ingest>, count: u32) {
    match wanted(&db).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::error!(error = %error, "cannot count the studies; no demonstration studies made");
            return;
        }
    }
    tracing::info!(studies = count, "simulating demonstration studies");
    for (number, plan) in plans(count).into_iter().enumerate() {
        for (instance, request) in plan.requests.into_iter().enumerate() {
            let study = Study {
                seed: plan.seed,
                instance: u32::try_from(instance).unwrap_or(0) + 1,
                patient: plan.seed,
                date: format!("202611{:02}", 10 + number % 14),
                time: format!("{:02}{:02}00", (7 + 5 * number) % 24, (13 * number) % 60),
            };
            let made = tokio::task::spawn_blocking(move || {
                simulate::dicom(&case(study.seed, study.instance, &request), &study)
            })
            .await;
            let bytes = match made {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => {
                    tracing::error!(error = %error, "a demonstration study could not be written");
                    continue;
                }
                Err(error) => {
                    tracing::error!(error = %error, "a demonstration study could not be simulated");
                    continue;
                }
            };
            let source = Source {
                door: Door::Import,
                from: String::new(),
                actor: "demonstration".to_owned(),
                site: SiteId::from("main"),
                restrict_to_site: false,
                file_name: format!("simulated-{}-{}.dcm", plan.seed, instance + 1),
            };
            if let Err(refused) = ingest.accept(source, bytes.into()).await {
                tracing::error!(reason = refused.reason, "a demonstration study was refused");
            }
        }
    }
    if let Err(error) = db.set_setting(UNDER_WAY, "false").await {
        tracing::error!(%error, "cannot note that the demonstration studies are made");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_studies_show_what_a_reader_should_meet() {
        let plans = plans(12);
        assert_eq!(plans.len(), 12);
        let truth = |study: usize, image: usize| {
            let plan = &plans[study];
            case(plan.seed, image as u32 + 1, &plan.requests[image]).truth().clone()
        };
        let visibility = |study: usize| {
            let truth = truth(study, 0);
            assert!(!truth.any_hip_metal());
            let fractures: Vec<f32> = truth
                .hips
                .iter()
                .filter_map(|hip| hip.fracture.as_ref().map(|fracture| fracture.visibility))
                .collect();
            assert_eq!(fractures.len(), 1, "one broken hip");
            fractures[0]
        };
        // A displaced fracture beside images that are no frontal pelvis, and a subtle one.
        let (displaced, subtle) = (visibility(0), visibility(1));
        assert!(displaced > 0.95 && subtle < 0.75, "{displaced} {subtle}");
        assert_eq!([truth(0, 1).view, truth(0, 2).view], [View::LateralHip, View::Chest]);
        assert!(truth(2, 0).any_hip_metal());
        // A study without any pelvis, and sound hips.
        assert_eq!(truth(3, 0).view, View::Chest);
        assert!(!truth(4, 0).any_fracture() && !truth(4, 0).any_hip_metal());
    }
}
