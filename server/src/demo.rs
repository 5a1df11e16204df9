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
            let fracture = |kind| Request {
                fracture: Some(FractureRequest {
                    present: Some(true),
                    kind: Some(kind),
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
                0 => vec![fracture(FractureKind::GardenIV), lateral(), chest()],
                1 => vec![fracture(FractureKind::GardenI)],
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

/// Simulates `count` studies into a database that has none; otherwise does nothing.
pub async fn fill(db: db::Db, ingest: Arc<Ingest>, count: u32) {
    match db.counts().await {
        Ok(counts) if counts.iter().all(|(_, studies)| *studies == 0) => {}
        Ok(_) => return,
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
                let case = Case::draw(
                    &Config::default(),
                    &request,
                    study.seed * 16 + u64::from(study.instance),
                );
                simulate::dicom(&case, &study)
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
}
