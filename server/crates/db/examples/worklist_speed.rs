//! How fast the worklist answers with 100,000 studies.
//!
//! Takes some studies through the real functions, copies their rows with other names and moments until there are
//! enough, and prints the median and the 95th percentile of several queries:
//! `cargo run --release -p db --example worklist_speed -- [studies]`

use std::time::{Duration, Instant};

use db::{Db, NewAnswer, NewInstance};
use domain::{
    AnswerValue, Call, HipFinding, HipStatus, ImageReading, Milliseconds, ModelName, PersonName, PixelBox,
    ReadingStatus, ResultSummary, Role, Score, SeriesUid, Side, SiteId, SopUid, SortDirection, StudyQuery, StudySort,
    StudyState, StudyUid, Timestamp,
};
use sea_orm::{ConnectionTrait, Database};

const ORIGINALS: usize = 500;
const DAY: i64 = 86_400_000;
const FAMILIES: [&str; 12] = [
    "SMITH", "NGUYEN", "MUELLER", "ROSSI", "SILVA", "KOWALSKI", "JONES", "BROWN", "TAYLOR", "WILSON", "ANDERSON", "LEE",
];
const GIVEN: [&str; 8] = ["ANNA", "JOHN", "MARIA", "PETER", "ZOE", "OLGA", "IVAN", "GRACE"];

fn instance(n: usize) -> NewInstance {
    let study = format!("1.2.826.0.1.3680043.10.{n}");
    NewInstance {
        study_uid: StudyUid(study.clone()),
        series_uid: SeriesUid(format!("{study}.1")),
        sop_uid: SopUid(format!("{study}.1.1")),
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".into(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".into(),
        patient_name: PersonName(format!("{}^{}", FAMILIES[n % 12], GIVEN[(n / 12) % 8])),
        patient_id: format!("MRN{:07}", n * 7919),
        patient_sex: "F".into(),
        patient_birth_date: "19400102".into(),
        study_date: format!("2026{:02}{:02}", 1 + n % 12, 1 + n % 28),
        study_time: format!("{:02}{:02}00", n % 24, n % 60),
        accession_number: format!("ACC{n:08}"),
        description: "XR pelvis AP and lateral hip".into(),
        modality: "DX".into(),
        body_part: "PELVIS".into(),
        view_position: "AP".into(),
        technique: domain::Technique::default(),
        instance_number: "1".into(),
        rows: 2500,
        columns: 3000,
        sha256: format!("{n:064x}"),
        bytes: 15_000_000,
        site: SiteId::from(["main", "main", "north", "south"][n % 4]),
        door: "import".into(),
        received_at: Timestamp(1_790_000_000_000 + n as i64 * 60_000),
        restrict_to_site: false,
    }
}

/// About one in fifteen definite, as many doubtful, some excluded.
fn reading(n: usize, sop: &SopUid) -> ImageReading {
    let score = ((n * 2_654_435_761) % 1000) as f32 / 1000.0;
    let score = score * score * score;
    let call = match score {
        s if s >= 0.8 => Call::Definite,
        s if s >= 0.65 => Call::Doubtful,
        _ => Call::Negative,
    };
    let hip = |side| HipFinding {
        side,
        region: PixelBox([0.0, 0.0, 1024.0, 1024.0]),
        status: HipStatus::Analysed,
        reason: None,
        metal: Some(Score { score: 0.01 }),
        fracture: Some(Score { score }),
        location: None,
        call: Some(call),
    };
    ImageReading {
        study_uid: None,
        sop_uid: Some(sop.clone()),
        status: ReadingStatus::Analysed,
        reason: None,
        frontal: Some(Score { score: 0.99 }),
        hips: if n % 20 == 7 {
            Vec::new()
        } else {
            vec![hip(Side::Right), hip(Side::Left)]
        },
        model: ModelName {
            name: "speed".into(),
            sha256: "00".repeat(32),
        },
        device: "none".into(),
        milliseconds: Milliseconds::default(),
    }
}

async fn fill(db: &Db) -> Result<(), Box<dyn std::error::Error>> {
    let reader = db
        .create_user("reader", Role::Reader, &SiteId::from("main"), "-", Timestamp(0))
        .await?;
    for n in 0..ORIGINALS {
        let new = instance(n);
        let (study, sop, at) = (new.study_uid.clone(), new.sop_uid.clone(), new.received_at);
        db.record_instance(new).await?;
        if n % 100 == 3 {
            continue;
        }
        db.complete_quiet_studies(at, 0).await?;
        // Received one minute apart, so a later study is never due before.
        while let Some(claim) = db.claim_study(at, 1000).await? {
            if claim.study_uid != study || n % 250 == 9 {
                db.fail_study(&claim, "decoder stopped", None).await?;
                continue;
            }
            db.finish_study(&claim, &[reading(n, &sop)], at).await?;
        }
        if n % 10 != 0 {
            for side in Side::BOTH {
                let (study_uid, sop_uid) = (study.clone(), sop.clone());
                let value = AnswerValue::None;
                let answer = NewAnswer {
                    study_uid,
                    sop_uid,
                    side,
                    value,
                    agrees: true,
                    comment: String::new(),
                    by: reader.id,
                    at,
                    given_at: None,
                };
                db.add_answer(answer).await?;
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let studies: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/speed.db?mode=rwc", folder.path().display());
    let db = Db::connect(&url).await?;
    db.migrate().await?;
    let started = Instant::now();
    fill(&db).await?;
    println!(
        "{ORIGINALS} studies through ingest, queue and answers: {:.1?}",
        started.elapsed()
    );

    let raw = Database::connect(&url).await?;
    let copies = studies.div_ceil(ORIGINALS);
    let shift = DAY / 2;
    raw.execute_unprepared(&format!(
        "WITH RECURSIVE copy(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n + 1 < {copies})
         INSERT INTO study (study_uid, site, patient_name, patient_id, patient_sex, patient_birth_date, study_date,
             study_time, accession_number, description, images, received_at, last_received_at, state, due_at, attempt,
             generation, failure, result, top_score, top_side, answered, suspicion_key, state_rank, patient_key,
             search_text)
         SELECT study_uid || '.' || n, site, patient_name || n, patient_id || '-' || n, patient_sex,
             patient_birth_date, CAST(CAST(study_date AS INTEGER) - 10000 * (n % 10) AS TEXT), study_time,
             accession_number || '-' || n, description, images, received_at - n * {shift},
             last_received_at - n * {shift}, state, due_at - n * {shift}, attempt, generation, failure, result,
             top_score, top_side, answered, suspicion_key, state_rank, patient_key || n,
             search_text || char(10) || patient_key || n || char(10) || accession_number || '-' || n
         FROM copy, study"
    ))
    .await?;
    raw.close().await?;
    db.optimize().await?;
    let total: u64 = db.counts().await?.iter().map(|(_, n)| n).sum();
    let size = std::fs::metadata(folder.path().join("speed.db"))?.len() / 1_000_000;
    println!("{total} studies in all, {size} MB\n");

    let page = |sort| StudyQuery {
        sort,
        per_page: 50,
        ..StudyQuery::default()
    };
    let default = page(StudySort::Suspicion);
    let search = |text: &str| StudyQuery {
        search: text.into(),
        ..default.clone()
    };
    let mut queries: Vec<(String, StudyQuery, Option<SiteId>)> = vec![
        ("first page".into(), default.clone(), None),
        (
            "200 rows".into(),
            StudyQuery {
                per_page: 200,
                ..default.clone()
            },
            None,
        ),
        (
            "page 1000".into(),
            StudyQuery {
                page: 1000,
                ..default.clone()
            },
            None,
        ),
        (
            "last page".into(),
            StudyQuery {
                page: 1999,
                ..default.clone()
            },
            None,
        ),
        (
            "unanswered".into(),
            StudyQuery {
                unanswered_only: true,
                ..default.clone()
            },
            None,
        ),
        ("site user".into(), default.clone(), Some(SiteId::from("south"))),
        (
            "site user, by time".into(),
            page(StudySort::StudyTime),
            Some(SiteId::from("south")),
        ),
        (
            "failed".into(),
            StudyQuery {
                state: Some(StudyState::Failed),
                ..default.clone()
            },
            None,
        ),
        (
            "definite and unanswered, by patient".into(),
            StudyQuery {
                result: Some(ResultSummary::Definite),
                unanswered_only: true,
                ..page(StudySort::Patient)
            },
            None,
        ),
        (
            "failed, by patient".into(),
            StudyQuery {
                state: Some(StudyState::Failed),
                ..page(StudySort::Patient)
            },
            None,
        ),
        ("search: common name".into(), search("smith"), None),
        ("search: two words".into(), search("smith anna"), None),
        ("search: one study".into(), search("ACC00000123-77"), None),
        ("search: none".into(), search("nobody at all"), None),
        ("search: one letter".into(), search("x"), None),
        (
            "search, site user, by patient".into(),
            StudyQuery {
                search: "rossi".into(),
                ..page(StudySort::Patient)
            },
            Some(SiteId::from("south")),
        ),
    ];
    for sort in [
        StudySort::Received,
        StudySort::StudyTime,
        StudySort::Patient,
        StudySort::Site,
        StudySort::State,
    ] {
        for direction in [SortDirection::Natural, SortDirection::Reversed] {
            queries.push((
                format!("{sort:?}, {direction:?}"),
                StudyQuery {
                    direction,
                    ..page(sort)
                },
                None,
            ));
        }
    }
    println!("{:<40}{:>9}{:>12}{:>12}", "query", "matches", "p50", "p95");
    let mut every = Vec::new();
    for (name, query, site) in queries {
        let mut times = Vec::new();
        let mut matches = 0;
        for _ in 0..20 {
            let started = Instant::now();
            matches = db.worklist(&query, site.as_ref()).await?.total;
            times.push(started.elapsed());
        }
        println!(
            "{name:<40}{matches:>9}{:>12.1?}{:>12.1?}",
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.95)
        );
        every.extend(times);
    }
    println!(
        "{:<40}{:>9}{:>12.1?}{:>12.1?}",
        "all",
        "",
        percentile(&mut every, 0.5),
        percentile(&mut every, 0.95)
    );
    Ok(())
}

fn percentile(times: &mut [Duration], fraction: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * fraction).ceil() as usize]
}
