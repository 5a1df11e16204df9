//! Rounds of the review loop: what is drawn and mixed in, how they end, a rehearsal, and a server that is killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cohort::crossfit::HeadSettings;
use cohort::repair::{LoopSettings, Order};
use domain::cohort::{Basis, DecisionInput, HipKey, Label, Purpose, ReviewDesk, ReviewSettings, Set};
use domain::{AccountId, Role, Side, SiteId, Timestamp};
use phantom::archive::{Archive, ArchiveConfig};
use rand::Rng;
use serde_json::json;
use server::cohort::{detail, rehearse, rounds};
use server::inference::Analyser;

use crate::util::http::Client;
use crate::util::process::{PASSWORD, Process, data_folder};
use crate::util::{Quick, rng};

const NAME: &str = "hips";

async fn memory() -> db::Db {
    let db = db::Db::connect("sqlite::memory:").await.unwrap();
    db.migrate().await.unwrap();
    db
}

fn key(number: usize, side: Side) -> HipKey {
    HipKey {
        accession: format!("A{number:04}"),
        side,
    }
}

/// So many studies for training and two for the test set, all of their hips labelled none. The later a study, the lower
/// its score.
async fn hospital(db: &db::Db, studies: usize, seed: u64, known_percent: u8) {
    let hip = |number: usize, side| db::NewHip {
        key: key(number, side),
        patient_id: format!("P{number}"),
        study_uid: None,
        sop_uid: None,
        time: "2024-03-02T10:00:00".to_owned(),
        emergency: true,
        description: String::new(),
        set: if number < studies { Set::Training } else { Set::Test },
        label: Label::None,
        basis: Basis::Default,
        reason: "no report, no operation".to_owned(),
        doubtful: false,
        conflict: false,
        sources: Vec::new(),
    };
    let imported = db::Imported {
        hips: (0..studies + 2)
            .flat_map(|number| Side::BOTH.map(|side| hip(number, side)))
            .collect(),
        ..db::Imported::default()
    };
    let new = db::NewCohort {
        name: NAME.to_owned(),
        seed,
        review: ReviewSettings {
            known_percent,
            ..ReviewSettings::default()
        },
        import: "{}".to_owned(),
        at: Timestamp(1),
    };
    db.create_cohort(new, imported).await.unwrap();
}

/// Gives every hip of the loop a score.
async fn score(db: &db::Db) {
    let hips = db.cohort_hips(NAME).await.unwrap();
    let training = hips.iter().filter(|hip| hip.set == Set::Training);
    let scores: Vec<(i64, usize, f32)> = training
        .enumerate()
        .map(|(at, hip)| (hip.id, 0, 0.9 - 0.001 * at as f32))
        .collect();
    db.set_cohort_scores(&scores).await.unwrap();
}

async fn expert(db: &db::Db) -> AccountId {
    let site = SiteId::from("main");
    let made = db.create_user("expert", Role::Reader, &site, "hash", Timestamp(2));
    made.await.unwrap().id
}

/// Answers what waits until a round ends or nothing waits; gives how the round ended.
async fn answer(db: &db::Db, by: AccountId, settings: &LoopSettings, label: Label) -> Option<String> {
    while let (Some(queued), ..) = db.next_of_cohort(NAME, by, Timestamp(10)).await.unwrap() {
        let decision = db::NewDecision {
            item: queued.item,
            version: queued.hip.version,
            label,
            comment: String::new(),
            by,
            at: Timestamp(20),
        };
        db.decide_in_cohort(NAME, decision).await.unwrap();
        let ended = rounds::after_decision(db, NAME, settings, Timestamp(30)).await.unwrap();
        if ended.is_some() {
            return ended;
        }
    }
    None
}

fn settings() -> LoopSettings {
    LoopSettings {
        threshold: 0.0,
        window: 4,
        least_yield: 0.5,
        most_per_round: 0.5,
        budget: 1.0,
        reserve: 0.0,
        ..LoopSettings::default()
    }
}

async fn begin(db: &db::Db, order: Order, settings: &LoopSettings) -> anyhow::Result<(u32, usize)> {
    rounds::begin(db, NAME, order, settings, Timestamp(5)).await
}

/// The audited sample of a cohort of 80 hips, 20 of them set aside, and 4 of the test set.
async fn audited(seed: u64, size: usize) -> BTreeSet<HipKey> {
    let db = memory().await;
    hospital(&db, 40, seed, 5).await;
    let aside: Vec<(HipKey, Label)> = (0..10)
        .flat_map(|number| Side::BOTH.map(|side| (key(number, side), Label::Excluded)))
        .collect();
    db.import_cohort_labels(NAME, &aside, "x", "metal", Timestamp(2))
        .await
        .unwrap();
    rounds::draw_audit(&db, NAME, size).await.unwrap();
    let refused = rounds::draw_audit(&db, NAME, size).await.unwrap_err().to_string();
    assert!(refused.contains("drawn once"), "{refused}");
    let waiting = db.cohort_open(NAME).await.unwrap();
    let hips = db.cohort_hips(NAME).await.unwrap();
    let drawn: BTreeSet<HipKey> = hips.into_iter().filter(|hip| hip.audited).map(|hip| hip.key).collect();
    assert_eq!(waiting, [(Purpose::Audit, drawn.len() as u64)]);
    drawn
}

#[tokio::test]
async fn the_audited_sample_is_drawn_once_at_random_from_the_loops_hips() {
    let one = audited(1, 30).await;
    assert_eq!(one.len(), 30);
    assert_eq!(one, audited(1, 30).await, "the same for a seed");
    assert_ne!(one, audited(2, 30).await);
    // Neither what is set aside nor the test set, however many are asked for.
    let all: BTreeSet<HipKey> = (10..40)
        .flat_map(|number| Side::BOTH.map(|side| key(number, side)))
        .collect();
    assert_eq!(audited(3, 1000).await, all);
}

#[tokio::test]
async fn known_cases_are_mixed_in_and_count_for_the_reviewer_alone() {
    let broken = Label::FractureIntracapsular;
    let mut known_answers = 0;
    for seed in 0..6 {
        let db = memory().await;
        hospital(&db, 20, seed, 50).await;
        score(&db).await;
        let expert = expert(&db).await;
        let settings = LoopSettings {
            most_per_round: 0.1,
            window: 100,
            ..settings()
        };
        // Nothing is settled before the first round.
        assert_eq!(begin(&db, Order::FalsePositives, &settings).await.unwrap(), (1, 4));
        assert_eq!(db.cohort_open(NAME).await.unwrap(), [(Purpose::FalsePositive, 4)]);
        let ended = answer(&db, expert, &settings, broken).await.expect("an end");
        assert_eq!(ended, "all looked at; score anew and begin another round");

        // Two for four others; those of the first round are asked again as if they were new, and answered otherwise.
        assert_eq!(begin(&db, Order::FalsePositives, &settings).await.unwrap(), (2, 4));
        let mut open = db.cohort_open(NAME).await.unwrap();
        open.sort_by_key(|(_, count)| *count);
        assert_eq!(open, [(Purpose::Known, 2), (Purpose::FalsePositive, 4)]);
        answer(&db, expert, &settings, Label::None).await.expect("an end");
        let hips = db.cohort_hips(NAME).await.unwrap();
        let settled = hips.iter().filter(|hip| hip.label == broken);
        let settled: Vec<&HipKey> = settled.map(|hip| &hip.key).collect();
        let first: Vec<HipKey> = (0..2)
            .flat_map(|number| Side::BOTH.map(|side| key(number, side)))
            .collect();
        assert_eq!(
            settled,
            first.iter().collect::<Vec<_>>(),
            "no known case changes a label"
        );
        let now = detail(&db, NAME).await.unwrap();
        let round = now.rounds.last().expect("a round");
        assert_eq!((round.queued, round.reviewed, round.changed), (4, 4, 0));
        assert_eq!((now.row.reviewed, now.row.open), (8, 0));
        let pairs = db.cohort_reviewers(NAME).await.unwrap();
        assert!(pairs[0].known.iter().all(|pair| *pair == (broken, Label::None)));
        if let Some(agreement) = now.reviewers[0].agreement {
            assert!(agreement.value < 0.01, "{agreement:?}");
        }
        known_answers += pairs[0].known.len();
    }
    // The round ends with the last of the others: what is not always at the end is asked.
    assert!(known_answers >= 6, "{known_answers} of 12 were asked");
}

#[tokio::test]
async fn a_round_ends_when_the_answers_change_too_little() {
    let db = memory().await;
    hospital(&db, 20, 1, 0).await;
    let expert = expert(&db).await;
    let settings = settings();
    let refused = begin(&db, Order::FalsePositives, &settings).await.unwrap_err();
    assert!(refused.to_string().contains("no hip has a score yet"), "{refused}");
    score(&db).await;
    assert_eq!(begin(&db, Order::FalsePositives, &settings).await.unwrap(), (1, 20));
    let refused = begin(&db, Order::FalsePositives, &settings).await.unwrap_err();
    assert!(refused.to_string().contains("still open"), "{refused}");

    let ended = answer(&db, expert, &settings, Label::None).await.expect("an end");
    let words = "only 0 of the last 4 answers changed a label; a whole round found little: the false negatives next";
    assert_eq!(ended, words);
    let now = detail(&db, NAME).await.unwrap();
    let round = now.rounds.last().expect("a round");
    assert_eq!(
        (round.queued, round.reviewed, round.changed, round.ended),
        (20, 4, 0, true)
    );
    assert_eq!(round.outcome, words);
    assert_eq!((now.row.reviewed, now.row.open), (4, 0), "the rest is asked no more");

    // Nothing is labelled as a fracture: the last pass has nothing to ask, and says that it was the last.
    assert_eq!(begin(&db, Order::FalseNegatives, &settings).await.unwrap(), (2, 0));
    let last = db.cohort_rounds(NAME).await.unwrap().pop().expect("a round");
    assert_eq!(last.outcome, "the queue is empty; the loop is over");
}

#[tokio::test]
async fn a_round_that_finds_much_goes_on_until_the_budget_is_spent() {
    let db = memory().await;
    hospital(&db, 20, 1, 0).await;
    score(&db).await;
    let expert = expert(&db).await;
    let settings = LoopSettings {
        budget: 0.75,
        ..settings()
    };
    let order = Order::FalsePositives;
    let broken = Label::FractureIntracapsular;
    assert_eq!(begin(&db, order, &settings).await.unwrap(), (1, 20));
    let ended = answer(&db, expert, &settings, broken).await.expect("an end");
    assert_eq!(ended, "all looked at; score anew and begin another round");
    // 30 of 40 hips may be reviewed, 20 are.
    assert_eq!(begin(&db, order, &settings).await.unwrap(), (2, 10));
    let ended = answer(&db, expert, &settings, broken).await.expect("an end");
    assert_eq!(ended, "all looked at; the budget is spent: the false negatives next");
    let refused = begin(&db, order, &settings).await.unwrap_err().to_string();
    assert!(refused.contains("the budget is spent: 30 of 40 hips"), "{refused}");
    // The highest scores were asked first.
    let hips = db.cohort_hips(NAME).await.unwrap();
    for hip in hips.iter().filter(|hip| hip.set == Set::Training) {
        let asked = hip.key < key(15, Side::Right);
        assert_eq!(hip.label == broken, asked, "{:?}", hip.key);
    }
}

/// Features of a simulated hospital's hips as a cache of `cohort rehearse`: the truth with noise, nothing for metal.
fn cache(path: &Path, hips: usize, of: &str) {
    let archive = Archive::new(ArchiveConfig::default(), 1_000_000, 3).unwrap();
    let mut rng = rng(3);
    let mut table = csv::WriterBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(path)
        .unwrap();
    table.write_record([of, "features"]).unwrap();
    let (mut drawn, mut number) = (0, 0);
    while drawn < hips {
        let patient = archive.patient(number);
        number += 1;
        for study in patient.studies.iter().filter(|study| study.frontal().is_some()) {
            drawn += 2;
            for (side, state) in Side::BOTH.into_iter().zip(&study.hips) {
                let mut row = vec![study.accession.clone(), side.as_str().to_owned()];
                if state.metal.is_none() {
                    let shown = if state.injury.is_some() { 1.0 } else { -1.0 };
                    row.extend((0..2).map(|_| (shown + rng.random_range(-0.9..0.9_f32)).to_string()));
                }
                table.write_record(row).unwrap();
            }
        }
    }
    table.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_repairs_a_small_hospital() {
    let folder = tempfile::tempdir().unwrap();
    let analyser: Arc<dyn Analyser> = Arc::new(Quick);
    let options = rehearse::Options {
        hips: 800,
        seed: 3,
        columns: 64,
        settings: LoopSettings {
            audit: 40,
            ..LoopSettings::default()
        },
        head: HeadSettings::default(),
        cache: Some(folder.path().join("features.csv")),
    };
    let of = format!("{} {} {}", options.seed, options.columns, analyser.model().sha256);
    cache(&folder.path().join("features.csv"), options.hips, &of);
    let found = rehearse::rehearse(&analyser, &options, |_, _, _| {}).await.unwrap();

    assert!(found.hips >= 800 && found.test > 0, "{found:?}");
    assert!(found.scored > found.repairable / 2, "the cache was read: {found:?}");
    let wrong_at_first = found.missed_at_first + found.invented_at_first;
    let wrong_at_last = found.missed_at_last + found.invented_at_last;
    assert!(wrong_at_first > 3 && wrong_at_last * 2 < wrong_at_first, "{found:?}");
    let [before, .., last] = &found.rounds[..] else {
        panic!("{found:?}")
    };
    assert_eq!((before.number, before.reviewed_total), (0, 0));
    assert!(
        last.accuracy > before.accuracy && last.reviewed_share <= 0.074,
        "{found:?}"
    );
    assert_eq!(last.purpose, Some(Purpose::FalseNegative));
    assert!(before.estimate.is_some() && last.estimate.is_some());
    // Every answer is a step of the curve, and none makes the labels worse.
    assert_eq!(
        found.curve.last().map(|(reviewed, _)| *reviewed),
        Some(last.reviewed_total)
    );
    assert!(found.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1 + 1e-12));
    let figure = found.figure();
    assert!(figure.starts_with("<svg") && figure.contains("99.9 %"), "{figure}");
}

/// Reviews over HTTP until the server is gone or nothing waits; gives the comments of the answers that the server
/// acknowledged, and whether it was gone.
fn review(client: &Client, round: usize) -> (Vec<String>, bool) {
    let kind = "Content-Type: application/json\r\n";
    let ask = |function: &str, body: serde_json::Value| {
        let answer = client.send("POST", &format!("/api/{function}"), kind, body.to_string().as_bytes())?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Some(answer.body)
    };
    let mut acknowledged = Vec::new();
    let Some(body) = ask("review_desk", json!({ "name": NAME })) else {
        return (acknowledged, true);
    };
    let Ok(mut desk) = serde_json::from_slice::<ReviewDesk>(&body) else {
        return (acknowledged, true);
    };
    while let Some(item) = desk.item {
        let comment = format!("answer {round}-{}", acknowledged.len());
        let decision = DecisionInput {
            item: item.item,
            version: item.version,
            label: Label::FractureIntracapsular,
            comment: comment.clone(),
        };
        let Some(body) = ask("review_decide", json!({ "name": NAME, "decision": decision })) else {
            return (acknowledged, true);
        };
        acknowledged.push(comment);
        // Acknowledged, and cut off within the next hip.
        let Ok(next) = serde_json::from_slice(&body) else {
            return (acknowledged, true);
        };
        desk = next;
    }
    (acknowledged, false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_every_answer_that_it_acknowledged() {
    const STUDIES: usize = 600;
    let folder = data_folder();
    let data = folder.path();
    let url = format!("sqlite://{}?mode=rw", data.join("shenton.sqlite").display());
    let mut rng = rng(7);
    let (mut acknowledged, mut cut_off) = (Vec::new(), 0);
    for round in 0..4 {
        let process = Process::start(data, &["--no-worker"]);
        if round == 0 {
            let db = db::Db::connect(&url).await.unwrap();
            hospital(&db, STUDIES, 1, 0).await;
            let hips = db.cohort_hips(NAME).await.unwrap();
            let training = hips.iter().filter(|hip| hip.set == Set::Training);
            let new = db::NewRound {
                purpose: Purpose::FalsePositive,
                hips: training.map(|hip| (hip.id, None)).collect(),
                at: Timestamp(5),
            };
            db.begin_cohort_round(NAME, new).await.unwrap();
        }
        let client = Client::browser(process.web, "admin", PASSWORD);
        let reviewing = std::thread::spawn(move || review(&client, round));
        tokio::time::sleep(Duration::from_millis(rng.random_range(150..500))).await;
        process.kill();
        let (said, gone) = reviewing.join().unwrap();
        cut_off += u32::from(gone);
        acknowledged.extend(said);
    }
    println!(
        "{} answers acknowledged before 4 kills, {cut_off} in the midst",
        acknowledged.len()
    );
    assert!(
        acknowledged.len() > 20 && cut_off >= 3,
        "{} {cut_off}",
        acknowledged.len()
    );

    let db = db::Db::connect(&url).await.unwrap();
    let events = db.all_cohort_events(NAME).await.unwrap();
    let hips = db.cohort_hips(NAME).await.unwrap();
    for comment in &acknowledged {
        let why = format!("false positives: {comment}");
        let of: Vec<_> = events.iter().filter(|event| event.why == why).collect();
        let [event] = &of[..] else {
            panic!("\"{comment}\" was acknowledged and stands {} times", of.len())
        };
        let hip = hips.iter().find(|hip| hip.key == event.key).unwrap();
        assert_eq!((hip.label, hip.basis), (Label::FractureIntracapsular, Basis::Review));
        assert!(hip.reason.ends_with(comment.as_str()), "{}", hip.reason);
    }
    // What was stored and not acknowledged is whole too.
    let reviewed = hips.iter().filter(|hip| hip.basis == Basis::Review).count();
    assert_eq!(events.len(), reviewed);
    assert!(reviewed >= acknowledged.len() && reviewed <= acknowledged.len() + 4);
    let (row, ..) = db.cohort(NAME).await.unwrap();
    assert_eq!(
        (row.reviewed + row.open, row.reviewed as usize),
        (2 * STUDIES as u64, reviewed)
    );
}
