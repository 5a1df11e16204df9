//! Cohorts: what is refused by the database itself, decisions of several reviewers, and what a stop leaves.

use std::sync::{Arc, Mutex};

use db::{Db, Error, History, Imported, NewAnswer, NewCohort, NewDecision, NewEvent, NewHip, NewRecord, NewRound};
use domain::cohort::{Basis, Evidence, HipKey, Label, Purpose, ReviewSettings, Set, Source, UnusedRow};
use domain::{AccountId, AnswerValue, Role, Side, SiteId, SopUid, StudyUid};
use sea_orm::{ConnectionTrait, Database};

use crate::util::{at, file, instance, memory, url};

const NAME: &str = "hips";
/// Those of a hip, without its number and its set.
const COLUMNS: &str = "cohort_id, accession, side, patient_id, time, emergency, description, label, initial_label, \
                       basis, reason, initial_reason, doubtful, conflict, evidence, version, audited";

fn hip(number: usize, side: Side, set: Set) -> NewHip {
    NewHip {
        key: HipKey {
            accession: format!("A{number}"),
            side,
        },
        patient_id: format!("P{number}"),
        study_uid: Some(StudyUid(format!("{number}"))),
        sop_uid: Some(SopUid(format!("{number}.9"))),
        time: "2024-03-02T10:00:00".to_owned(),
        emergency: set == Set::Test,
        description: "XR Pelvis".to_owned(),
        set,
        label: Label::None,
        basis: Basis::Report,
        reason: "the report states that there is no fracture".to_owned(),
        doubtful: false,
        conflict: false,
        sources: vec![Source {
            record: "reports.csv line 2".to_owned(),
            evidence: Evidence {
                rule: "fracture".to_owned(),
                start: 3,
                end: 11,
                words: "fracture".to_owned(),
            },
        }],
    }
}

/// Six studies for training, two for the test set; both hips of each.
async fn cohort(db: &Db, review: ReviewSettings) {
    let of = |number: usize, set| Side::BOTH.map(|side| hip(number, side, set));
    let mut hips: Vec<NewHip> = (0..6).flat_map(|number| of(number, Set::Training)).collect();
    hips.extend((6..8).flat_map(|number| of(number, Set::Test)));
    hips.extend(of(8, Set::LeftOut));
    let imported = Imported {
        hips,
        records: vec![
            NewRecord {
                kind: "report",
                record: "reports.csv line 2".to_owned(),
                accession: "A0".to_owned(),
                patient_id: "P0".to_owned(),
                time: "2024-03-02 11:00:00".to_owned(),
                text: "No fracture.".to_owned(),
            },
            NewRecord {
                kind: "operation",
                record: "theatre.csv line 2".to_owned(),
                accession: String::new(),
                patient_id: "P0".to_owned(),
                time: "2024-03-04".to_owned(),
                text: "DHS left".to_owned(),
            },
        ],
        unused: vec![UnusedRow {
            kind: "unlinked".to_owned(),
            record: "theatre.csv line 3".to_owned(),
            why: "no study of this patient".to_owned(),
        }],
    };
    let new = NewCohort {
        name: NAME.to_owned(),
        seed: u64::MAX - 3,
        review,
        import: "{}".to_owned(),
        at: at(1),
    };
    db.create_cohort(new, imported).await.unwrap();
}

async fn account(db: &Db, name: &str) -> AccountId {
    let site = SiteId::from("main");
    let made = db.create_user(name, Role::Reader, &site, "hash", at(1));
    made.await.unwrap().id
}

async fn ids(db: &Db, set: Set) -> Vec<i64> {
    let hips = db.cohort_hips(NAME).await.unwrap();
    hips.into_iter()
        .filter(|hip| hip.set == set)
        .map(|hip| hip.id)
        .collect()
}

fn round(hips: &[i64]) -> NewRound {
    NewRound {
        purpose: Purpose::FalsePositive,
        hips: hips.iter().map(|hip| (*hip, None)).collect(),
        at: at(5),
    }
}

async fn answer(db: &Db, by: AccountId, label: Label) -> db::Decided {
    let (queued, ..) = db.next_of_cohort(NAME, by, at(10)).await.unwrap();
    let queued = queued.expect("something waits");
    decide(db, &queued, by, label).await.unwrap()
}

async fn decide(db: &Db, queued: &db::Queued, by: AccountId, label: Label) -> Result<db::Decided, Error> {
    db.decide_in_cohort(
        NAME,
        NewDecision {
            item: queued.item,
            version: queued.hip.version,
            label,
            comment: String::new(),
            by,
            at: at(20),
        },
    )
    .await
}

#[tokio::test]
async fn a_cohort_comes_back_as_it_was_stored() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let (row, seed, _) = db.cohort(NAME).await.unwrap();
    assert_eq!((row.hips, row.repairable, row.test), (18, 12, 4));
    assert_eq!((row.reviewed, row.open, row.test_reviewed), (0, 0, 0));
    assert_eq!(seed, u64::MAX - 3);
    let hips = db.cohort_hips(NAME).await.unwrap();
    assert_eq!(hips[0].sources, hip(0, Side::Right, Set::Training).sources);
    assert_eq!(hips[0].sop_uid, Some(SopUid::from("0.9")));
    let records = db.cohort_records(NAME, &hips[0]).await.unwrap();
    assert_eq!(
        records.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(),
        ["No fracture.", "DHS left"]
    );
    assert_eq!(db.cohort_unused(NAME, 0, 10).await.unwrap().total, 1);
    let again = NewCohort {
        name: NAME.to_owned(),
        seed: 0,
        review: ReviewSettings::default(),
        import: String::new(),
        at: at(2),
    };
    assert!(matches!(
        db.create_cohort(again, Imported::default()).await,
        Err(Error::NameTaken(_))
    ));
    assert!(matches!(db.cohort("other").await, Err(Error::UnknownCohort(_))));
}

#[tokio::test]
async fn the_database_itself_refuses_to_touch_a_locked_test_set() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    cohort(&db, ReviewSettings::default()).await;
    let anna = account(&db, "anna").await;
    let test = ids(&db, Set::Test).await;

    // Before the lock the loop may not queue it either, and an unread one cannot be locked.
    let refused = db.begin_cohort_round(NAME, round(&test)).await.unwrap_err();
    assert!(refused.to_string().contains("does not touch the test set"), "{refused}");
    let refused = db.queue_cohort(NAME, Purpose::Audit, &test).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    let refused = db.lock_cohort_test(NAME, at(9)).await.unwrap_err();
    assert!(refused.to_string().contains("not been reviewed in full"), "{refused}");

    assert_eq!(db.queue_cohort(NAME, Purpose::Test, &test).await.unwrap(), 4);
    for _ in 0..4 {
        answer(&db, anna, Label::FractureIntracapsular).await;
    }
    db.lock_cohort_test(NAME, at(30)).await.unwrap();
    assert_eq!(db.cohort(NAME).await.unwrap().0.test_locked_at, Some(at(30)));
    assert!(matches!(
        db.lock_cohort_test(NAME, at(31)).await,
        Err(Error::Refused(_))
    ));

    // Through the doors of this crate.
    assert!(matches!(
        db.queue_cohort(NAME, Purpose::Test, &test).await,
        Err(Error::Refused(_))
    ));
    assert!(matches!(
        db.set_cohort_scores(&[(test[0], 0, 0.5)]).await,
        Err(Error::Refused(_))
    ));
    let key = hip(6, Side::Left, Set::Test).key;
    let refused = db
        .import_cohort_labels(NAME, &[(key, Label::None)], "x", "y", at(40))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("locked"), "{refused}");
    // Not even the reviewer's own answer can be taken back.
    let last = db.last_cohort_decision(NAME, anna).await.unwrap().expect("an answer");
    assert!(matches!(
        db.undo_in_cohort(NAME, last.item, anna, at(41)).await,
        Err(Error::Refused(_))
    ));

    // And behind its back.
    let raw = Database::connect(url(&folder)).await.unwrap();
    for sql in [
        "UPDATE cohort_hip SET label = 'none' WHERE set_name = 'test'",
        "UPDATE cohort_hip SET set_name = 'training' WHERE set_name = 'test'",
        "UPDATE cohort_hip SET set_name = 'test' WHERE set_name = 'training'",
        "DELETE FROM cohort_hip WHERE set_name = 'test'",
        "UPDATE cohort SET test_locked_at = NULL",
        "UPDATE cohort SET test_locked_at = 7",
        "INSERT INTO cohort_event (cohort_id, hip_id, at, who, from_label, to_label, why) \
         SELECT cohort_id, id, 1, 'x', label, 'none', '' FROM cohort_hip WHERE set_name = 'test'",
        "INSERT INTO cohort_hip (cohort_id, accession, side, patient_id, time, emergency, description, set_name, label, \
         initial_label, basis, reason, initial_reason, doubtful, conflict, evidence, version, audited) \
         SELECT cohort_id, 'new', side, patient_id, time, emergency, description, set_name, label, initial_label, basis, \
         reason, initial_reason, doubtful, conflict, evidence, version, audited FROM cohort_hip WHERE set_name = 'test'",
        "UPDATE cohort_event SET to_label = 'none'",
        "DELETE FROM cohort_event",
        "DELETE FROM cohort_decision",
        "UPDATE cohort_decision SET label = 'none'",
    ] {
        assert!(raw.execute_unprepared(sql).await.is_err(), "{sql}");
    }
    // REPLACE fires no DELETE trigger in a connection that does not ask for it.
    for (sql, words) in [
        (
            format!(
                "INSERT OR REPLACE INTO cohort_hip (id, {COLUMNS}, set_name) \
                 SELECT id, {COLUMNS}, 'training' FROM cohort_hip WHERE set_name = 'test'"
            ),
            "never replaced",
        ),
        (
            format!(
                "INSERT OR REPLACE INTO cohort_hip ({COLUMNS}, set_name) \
                 SELECT {COLUMNS}, 'training' FROM cohort_hip WHERE set_name = 'test'"
            ),
            "never replaced",
        ),
        (
            "UPDATE OR REPLACE cohort_hip SET id = (SELECT min(id) FROM cohort_hip WHERE set_name = 'test') \
             WHERE id = (SELECT min(id) FROM cohort_hip WHERE set_name = 'training')"
                .to_owned(),
            "never changes its study or side",
        ),
        (
            "INSERT OR REPLACE INTO cohort (id, name, seed, review, import, created_at) \
             SELECT id, name, seed, review, import, created_at FROM cohort"
                .to_owned(),
            "locked for good",
        ),
        (
            "INSERT OR REPLACE INTO cohort (name, seed, review, import, created_at) \
             SELECT name, seed, review, import, created_at FROM cohort"
                .to_owned(),
            "locked for good",
        ),
        ("DELETE FROM cohort".to_owned(), "locked for good"),
        (
            "INSERT OR REPLACE INTO cohort_event (id, cohort_id, hip_id, at, who, from_label, to_label, why) \
             SELECT id, cohort_id, (SELECT min(id) FROM cohort_hip), at, 'x', from_label, 'none', '' FROM cohort_event"
                .to_owned(),
            "append-only",
        ),
        (
            "INSERT OR REPLACE INTO cohort_decision (id, queue_id, account_id, label, comment, at) \
             SELECT id, queue_id, account_id, 'none', comment, at FROM cohort_decision"
                .to_owned(),
            "decisions are kept",
        ),
    ] {
        let refused = raw.execute_unprepared(&sql).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{sql}: {refused}");
    }
    assert_eq!(db.cohort(NAME).await.unwrap().0.test_locked_at, Some(at(30)));
    let hips = db.cohort_hips(NAME).await.unwrap();
    let labels = hips.iter().filter(|hip| hip.set == Set::Test).map(|hip| hip.label);
    assert!(labels.clone().count() == 4 && labels.clone().all(|label| label == Label::FractureIntracapsular));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_reviewers_at_once_never_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    cohort(&db, ReviewSettings::default()).await;
    let training = ids(&db, Set::Training).await;
    db.begin_cohort_round(NAME, round(&training)).await.unwrap();
    let (anna, ben) = (account(&db, "anna").await, account(&db, "ben").await);
    // A second handle stands for a second process.
    let other = Db::connect(&url(&folder)).await.unwrap();

    // Both look at the same hip, as after a claim that ran out, and both answer.
    let (first, ..) = db.next_of_cohort(NAME, anna, at(0)).await.unwrap();
    let first = first.expect("a hip");
    let (seen, ..) = other.next_of_cohort(NAME, ben, at(100_000_000)).await.unwrap();
    let seen = seen.expect("a hip");
    assert_eq!(seen.item, first.item);
    let (a, b) = tokio::join!(
        decide(&db, &first, anna, Label::FractureIntracapsular),
        decide(&other, &seen, ben, Label::FractureExtracapsular),
    );
    assert!(a.is_ok() != b.is_ok(), "one is taken, the other told: {a:?} {b:?}");
    let stale = a.as_ref().err().or(b.as_ref().err()).expect("one");
    assert!(matches!(stale, Error::Stale(_)), "{stale}");
    let events = db.all_cohort_events(NAME).await.unwrap();
    assert_eq!(events.len(), 1);
    let taken = a.ok().or(b.ok()).expect("one");
    assert_eq!(events[0].to, taken.label);

    // And through the rest of the queue, each hip is answered once.
    let mut tasks = Vec::new();
    for (handle, by) in [
        (db.clone(), anna),
        (other.clone(), ben),
        (db.clone(), anna),
        (other, ben),
    ] {
        tasks.push(tokio::spawn(async move {
            let mut taken = 0;
            while let (Some(queued), ..) = handle.next_of_cohort(NAME, by, at(10)).await.unwrap() {
                match decide(&handle, &queued, by, Label::FractureIntracapsular).await {
                    Ok(_) => taken += 1,
                    Err(Error::Stale(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            taken
        }));
    }
    let mut taken = 1;
    for task in tasks {
        taken += task.await.unwrap();
    }
    // Claims keep a hip that somebody was shown from the others; they run out.
    while let (Some(queued), ..) = db.next_of_cohort(NAME, anna, at(200_000_000)).await.unwrap() {
        decide(&db, &queued, anna, Label::FractureIntracapsular).await.unwrap();
        taken += 1;
    }
    assert_eq!(taken, training.len());
    let events = db.all_cohort_events(NAME).await.unwrap();
    assert_eq!(events.len(), training.len());
    let (row, ..) = db.cohort(NAME).await.unwrap();
    assert_eq!((row.reviewed, row.open), (12, 0));
}

#[tokio::test]
async fn an_answer_can_be_taken_back_and_everything_stays_in_the_history() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let training = ids(&db, Set::Training).await;
    db.begin_cohort_round(NAME, round(&training[..3])).await.unwrap();
    let anna = account(&db, "anna").await;
    assert_eq!(db.last_cohort_decision(NAME, anna).await.unwrap(), None);
    let (first, open, answered) = db.next_of_cohort(NAME, anna, at(1)).await.unwrap();
    let first = first.expect("a hip");
    assert_eq!((open, answered), (3, 0));
    assert_eq!(first.next_sop, Some(SopUid::from("0.9")), "the other hip of the study");
    decide(&db, &first, anna, Label::FractureExtracapsular).await.unwrap();
    answer(&db, anna, Label::None).await;

    // A repeated answer, and one for a hip as it no longer is.
    assert!(matches!(
        decide(&db, &first, anna, Label::None).await,
        Err(Error::Stale(_))
    ));
    let last = db.last_cohort_decision(NAME, anna).await.unwrap().expect("an answer");
    assert_eq!(last.label, Label::None);
    db.undo_in_cohort(NAME, last.item, anna, at(30)).await.unwrap();
    let last = db.last_cohort_decision(NAME, anna).await.unwrap().expect("an answer");
    assert_eq!(last.item, first.item);
    assert!(matches!(
        db.undo_in_cohort(NAME, last.item + 77, anna, at(30)).await,
        Err(Error::Stale(_))
    ));
    db.undo_in_cohort(NAME, last.item, anna, at(31)).await.unwrap();
    assert_eq!(db.last_cohort_decision(NAME, anna).await.unwrap(), None);

    let hips = db.cohort_hips(NAME).await.unwrap();
    assert!(
        hips.iter()
            .all(|hip| hip.label == Label::None && hip.basis == Basis::Report)
    );
    assert!(hips.iter().all(|hip| hip.reason == hip.initial_reason));
    let events: Vec<(Label, Label)> = db
        .all_cohort_events(NAME)
        .await
        .unwrap()
        .iter()
        .map(|event| (event.from, event.to))
        .collect();
    let (none, broken) = (Label::None, Label::FractureExtracapsular);
    assert_eq!(events, [(none, broken), (none, none), (none, none), (broken, none)]);
    // The hip waits again, at its place, for an answer to its new version.
    let (again, open, _) = db.next_of_cohort(NAME, anna, at(40)).await.unwrap();
    let again = again.expect("a hip");
    assert_eq!((again.item, open), (first.item, 3));
    assert!(matches!(
        decide(&db, &first, anna, Label::None).await,
        Err(Error::Stale(_))
    ));
    decide(&db, &again, anna, Label::None).await.unwrap();
}

#[tokio::test]
async fn an_answer_of_a_round_that_has_ended_stays() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let training = ids(&db, Set::Training).await;
    let anna = account(&db, "anna").await;
    db.begin_cohort_round(NAME, round(&training[..1])).await.unwrap();
    answer(&db, anna, Label::FractureIntracapsular).await;
    let last = db.last_cohort_decision(NAME, anna).await.unwrap().expect("an answer");
    assert!(db.end_cohort_round(NAME, "done", None, None, at(30)).await.unwrap());
    assert_eq!(db.last_cohort_decision(NAME, anna).await.unwrap(), None);
    let refused = db.undo_in_cohort(NAME, last.item, anna, at(31)).await.unwrap_err();
    assert!(
        matches!(refused, Error::Stale(words) if words.contains("has ended")),
        "{refused}"
    );
    assert_eq!(db.all_cohort_events(NAME).await.unwrap().len(), 1);
    let (row, ..) = db.cohort(NAME).await.unwrap();
    assert_eq!((row.reviewed, row.open), (1, 0));

    // One of the round that is open can be taken back as before.
    db.begin_cohort_round(NAME, round(&training[1..2])).await.unwrap();
    answer(&db, anna, Label::None).await;
    let last = db.last_cohort_decision(NAME, anna).await.unwrap().expect("an answer");
    db.undo_in_cohort(NAME, last.item, anna, at(40)).await.unwrap();
}

#[tokio::test]
async fn two_readings_that_differ_are_adjudicated_by_a_third() {
    let db = memory().await;
    let review = ReviewSettings {
        reviewers: 2,
        ..ReviewSettings::default()
    };
    cohort(&db, review).await;
    let training = ids(&db, Set::Training).await;
    db.begin_cohort_round(NAME, round(&training[..2])).await.unwrap();
    let (anna, ben, cleo) = (
        account(&db, "anna").await,
        account(&db, "ben").await,
        account(&db, "cleo").await,
    );
    let broken = Label::FractureIntracapsular;
    // They agree on the first and differ on the second.
    assert!(!answer(&db, anna, broken).await.settled);
    assert!(answer(&db, ben, broken).await.settled);
    assert!(!answer(&db, anna, Label::None).await.settled);
    assert!(!answer(&db, ben, broken).await.settled);
    assert!(db.next_of_cohort(NAME, anna, at(50)).await.unwrap().0.is_none());
    assert!(db.next_of_cohort(NAME, ben, at(50)).await.unwrap().0.is_none());
    assert_eq!(db.all_cohort_events(NAME).await.unwrap().len(), 1);
    // The first of two cannot be taken back once the other has answered.
    assert_eq!(db.last_cohort_decision(NAME, anna).await.unwrap(), None);

    let (queued, ..) = db.next_of_cohort(NAME, cleo, at(50)).await.unwrap();
    let queued = queued.expect("what they differ on");
    assert!(queued.adjudicates);
    let said: Vec<(&str, Label)> = queued.opinions.iter().map(|o| (o.who.as_str(), o.label)).collect();
    assert_eq!(said, [("anna", Label::None), ("ben", broken)]);
    assert!(decide(&db, &queued, cleo, broken).await.unwrap().settled);
    let events = db.all_cohort_events(NAME).await.unwrap();
    assert_eq!((events.len(), events[1].who.as_str()), (2, "cleo"));
    assert!(events[1].why.contains("adjudicated"), "{}", events[1].why);

    let pairs = db.cohort_reviewers(NAME).await.unwrap();
    let shared: Vec<usize> = pairs.iter().map(|pairs| pairs.shared.len()).collect();
    assert_eq!(shared, [2, 2, 0]);
    // The adjudicator takes it back: the two still differ.
    let last = db.last_cohort_decision(NAME, cleo).await.unwrap().expect("an answer");
    db.undo_in_cohort(NAME, last.item, cleo, at(60)).await.unwrap();
    let (queued, ..) = db.next_of_cohort(NAME, cleo, at(61)).await.unwrap();
    assert!(queued.expect("again").adjudicates);
}

#[tokio::test]
async fn known_cases_and_the_audited_sample_change_no_label() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let training = ids(&db, Set::Training).await;
    let anna = account(&db, "anna").await;
    db.begin_cohort_round(NAME, round(&training[..1])).await.unwrap();
    answer(&db, anna, Label::FractureIntracapsular).await;
    assert!(db.end_cohort_round(NAME, "done", None, None, at(30)).await.unwrap());
    assert!(!db.end_cohort_round(NAME, "done", None, None, at(30)).await.unwrap());
    let settled = db.settled_in_cohort(NAME).await.unwrap();
    assert_eq!(settled, [(training[0], Label::FractureIntracapsular)]);

    let new = NewRound {
        hips: vec![(training[0], Some(Label::FractureIntracapsular)), (training[1], None)],
        ..round(&[])
    };
    assert_eq!(db.begin_cohort_round(NAME, new).await.unwrap(), 2);
    assert_eq!(db.queue_cohort(NAME, Purpose::Audit, &training[2..4]).await.unwrap(), 2);
    // Known: answered wrongly; the label stays, the agreement tells.
    assert!(!answer(&db, anna, Label::None).await.changed);
    let round = db.cohort_rounds(NAME).await.unwrap().pop().expect("a round");
    assert_eq!((round.queued, round.reviewed, round.reviewed_total), (1, 0, 1));
    answer(&db, anna, Label::None).await;
    // Audit: the answer is kept beside the label.
    answer(&db, anna, Label::FractureExtracapsular).await;
    answer(&db, anna, Label::None).await;
    let hips = db.cohort_hips(NAME).await.unwrap();
    let label = |id: i64| hips.iter().find(|hip| hip.id == id).expect("a hip").label;
    assert_eq!(label(training[0]), Label::FractureIntracapsular);
    assert_eq!(label(training[2]), Label::None);
    let mut sample = db.cohort_audit(NAME).await.unwrap();
    sample.sort_by_key(|(_, answer)| *answer);
    assert_eq!(
        sample,
        [
            (Label::None, Some(Label::FractureExtracapsular)),
            (Label::None, Some(Label::None))
        ]
    );
    let pairs = db.cohort_reviewers(NAME).await.unwrap();
    assert_eq!(pairs[0].known, [(Label::FractureIntracapsular, Label::None)]);
    assert_eq!(
        db.cohort(NAME).await.unwrap().0.reviewed,
        2,
        "neither counts as reviewed"
    );
    // Applied once, after the loop: labels that are its answers cannot be estimated from them.
    assert_eq!(db.cohort_audits_applied(NAME).await.unwrap(), 0);
    let last = db.last_cohort_decision(NAME, anna).await.unwrap().expect("an answer");
    assert_eq!(db.apply_cohort_audit(NAME, "chief", at(70)).await.unwrap(), 1);
    assert!(db.cohort_audit(NAME).await.unwrap().is_empty());
    assert_eq!(db.cohort_audits_applied(NAME).await.unwrap(), 2);
    assert_eq!(db.last_cohort_decision(NAME, anna).await.unwrap(), None);
    let refused = db.undo_in_cohort(NAME, last.item, anna, at(71)).await.unwrap_err();
    assert!(refused.to_string().contains("sample"), "{refused}");
    let hips = db.cohort_hips(NAME).await.unwrap();
    assert_eq!(
        hips.iter().find(|hip| hip.id == training[2]).expect("a hip").label,
        Label::FractureExtracapsular
    );
}

#[tokio::test]
async fn a_correction_of_daily_work_enters_the_queue_in_front() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let anna = account(&db, "anna").await;
    for (study, sop) in [("2", "2.9"), ("6", "6.9")] {
        db.record_instance(instance(study, sop, 5)).await.unwrap();
    }
    let training = ids(&db, Set::Training).await;
    db.begin_cohort_round(NAME, round(&training[..1])).await.unwrap();
    let new = |study: &str, side, value, agrees| NewAnswer {
        study_uid: StudyUid::from(study),
        sop_uid: SopUid(format!("{study}.9")),
        side,
        value,
        agrees,
        comment: String::new(),
        by: anna,
        at: at(50),
        given_at: None,
    };
    let broken = AnswerValue::Intracapsular;
    // An answer that agrees, one of the test set, and one that says what the label says are no corrections.
    db.add_answer(new("2", Side::Right, broken, true)).await.unwrap();
    db.add_answer(new("6", Side::Right, broken, false)).await.unwrap();
    db.add_answer(new("2", Side::Right, AnswerValue::None, false))
        .await
        .unwrap();
    assert_eq!(db.cohort_open(NAME).await.unwrap(), [(Purpose::FalsePositive, 1)]);
    db.add_answer(new("2", Side::Left, broken, false)).await.unwrap();
    db.add_answer(new("2", Side::Left, broken, false)).await.unwrap();
    let (queued, open, _) = db.next_of_cohort(NAME, anna, at(60)).await.unwrap();
    let queued = queued.expect("the correction");
    assert_eq!((queued.purpose, open), (Purpose::Correction, 2));
    assert_eq!(queued.hip.key, hip(2, Side::Left, Set::Training).key);
    assert!(queued.note.contains("anna"), "{}", queued.note);
    decide(&db, &queued, anna, Label::FractureIntracapsular).await.unwrap();
    assert_eq!(db.cohort(NAME).await.unwrap().0.reviewed, 1);

    // Nobody could tell: a question for the reviewers too, and once.
    for _ in 0..2 {
        db.add_answer(new("2", Side::Right, AnswerValue::CannotTell, false))
            .await
            .unwrap();
    }
    let (queued, open, _) = db.next_of_cohort(NAME, anna, at(70)).await.unwrap();
    let queued = queued.expect("what nobody could tell");
    assert_eq!((queued.purpose, open), (Purpose::Correction, 2));
    assert_eq!(queued.hip.key, hip(2, Side::Right, Set::Training).key);
    assert!(queued.note.contains("anna"), "{}", queued.note);
    // Settled as "cannot tell", it is asked no more.
    decide(&db, &queued, anna, Label::Unknown).await.unwrap();
    db.add_answer(new("2", Side::Right, AnswerValue::CannotTell, false))
        .await
        .unwrap();
    assert_eq!(db.cohort_open(NAME).await.unwrap(), [(Purpose::FalsePositive, 1)]);
}

/// An answer to whatever waits for `by`; gives the hip once the database has said that it is stored.
async fn answer_any(db: &Db, by: AccountId, label: Label) -> Result<Option<HipKey>, Error> {
    let (queued, ..) = db.next_of_cohort(NAME, by, at(10)).await?;
    match queued {
        Some(queued) => Ok(Some(decide(db, &queued, by, label).await?.key)),
        None => Ok(None),
    }
}

#[tokio::test]
async fn a_stopped_server_loses_no_decision() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    cohort(&db, ReviewSettings::default()).await;
    let training = ids(&db, Set::Training).await;
    db.begin_cohort_round(NAME, round(&training)).await.unwrap();
    let anna = account(&db, "anna").await;
    let acknowledged: Arc<Mutex<Vec<(HipKey, Label)>>> = Arc::default();
    // Decisions broken off anywhere: each is whole or not there. The last ones are not broken off.
    for n in 0..40_u64 {
        let (handle, heard) = (db.clone(), acknowledged.clone());
        let label = if n % 2 == 0 {
            Label::FractureIntracapsular
        } else {
            Label::FractureExtracapsular
        };
        let task = tokio::spawn(async move {
            if let Ok(Some(key)) = answer_any(&handle, anna, label).await {
                heard.lock().unwrap().push((key, label));
            }
        });
        if n < 37 {
            tokio::time::sleep(std::time::Duration::from_micros(n * 100)).await;
            task.abort();
        }
        let _ = task.await;
    }
    // What a kill would leave of the files now: the log is not folded into the database, nobody has closed anything.
    let left = tempfile::tempdir().unwrap();
    for name in ["test.db", "test.db-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let db = file(&left).await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    let (row, ..) = db.cohort(NAME).await.unwrap();
    let events = db.all_cohort_events(NAME).await.unwrap();
    let hips = db.cohort_hips(NAME).await.unwrap();
    assert!(!acknowledged.is_empty());
    for (key, label) in &acknowledged {
        let of: Vec<_> = events.iter().filter(|event| event.key == *key).collect();
        assert_eq!(of.len(), 1, "{key:?} was acknowledged");
        assert_eq!((of[0].to, of[0].who.as_str()), (*label, "anna"));
        let hip = hips.iter().find(|hip| hip.key == *key).expect("a hip");
        assert_eq!((hip.label, hip.basis, hip.version), (*label, Basis::Review, 1));
    }
    // Nor is anything half there.
    let reviewed = hips.iter().filter(|hip| hip.basis == Basis::Review).count();
    assert_eq!(events.len(), reviewed);
    assert_eq!((row.reviewed as usize, row.reviewed + row.open), (reviewed, 12));
    assert!(
        hips.iter()
            .all(|hip| (hip.label == Label::None) == (hip.basis != Basis::Review))
    );
}

#[tokio::test]
async fn a_cohort_and_its_history_are_taken_over_whole_or_not_at_all() {
    let db = memory().await;
    let key = hip(0, Side::Left, Set::Training).key;
    let event = |key: &HipKey, from, to, ms| NewEvent {
        key: key.clone(),
        at: at(ms),
        who: "anna".to_owned(),
        from,
        to,
        why: "false positives".to_owned(),
    };
    let (none, broken) = (Label::None, Label::FractureIntracapsular);
    let new = |name: &str| NewCohort {
        name: name.to_owned(),
        seed: 9,
        review: ReviewSettings::default(),
        import: "{}".to_owned(),
        at: at(1),
    };
    let imported = || Imported {
        hips: Side::BOTH.map(|side| hip(0, side, Set::Training)).to_vec(),
        records: vec![NewRecord {
            kind: "operation",
            record: "theatre.csv line 2".to_owned(),
            accession: String::new(),
            patient_id: "P0".to_owned(),
            time: "2024-03-04".to_owned(),
            text: "DHS left".to_owned(),
        }],
        unused: Vec::new(),
    };
    let history = |last: &HipKey| History {
        events: vec![event(&key, none, broken, 5), event(last, broken, none, 6)],
        now: vec![(key.clone(), none, Basis::Review, "reviewed by anna".to_owned())],
    };
    let strange = hip(77, Side::Left, Set::Training).key;
    let refused = db.restore_cohort(new("other"), imported(), history(&strange)).await;
    assert!(refused.unwrap_err().to_string().contains("A77"));
    assert!(db.cohorts().await.unwrap().is_empty());

    db.restore_cohort(new(NAME), imported(), history(&key)).await.unwrap();
    let events = db.all_cohort_events(NAME).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.at, event.from, event.to)).collect();
    assert_eq!(told, [(at(5), none, broken), (at(6), broken, none)]);
    let hips = db.cohort_hips(NAME).await.unwrap();
    let [right, left] = &hips[..] else { panic!("{hips:?}") };
    assert_eq!((left.label, left.basis, left.version), (none, Basis::Review, 2));
    assert_eq!(left.reason, "reviewed by anna");
    assert_eq!(left.initial_reason, right.reason, "what stood at first stays known");
    assert_eq!((right.basis, right.version), (Basis::Report, 0));
    assert_eq!(db.all_cohort_records(NAME).await.unwrap(), imported().records);
    assert!(matches!(
        db.restore_cohort(new(NAME), imported(), History::default()).await,
        Err(Error::NameTaken(_))
    ));
}

#[tokio::test]
async fn labels_from_elsewhere_come_all_or_none() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let key = |number, side| hip(number, side, Set::Training).key;
    let sound = (key(0, Side::Left), Label::FractureExtracapsular);
    let strange = (key(77, Side::Left), Label::None);
    let refused = db
        .import_cohort_labels(NAME, &[sound.clone(), strange], "command line", "imported", at(5))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("A77"), "{refused}");
    assert!(db.all_cohort_events(NAME).await.unwrap().is_empty());
    let same = (key(1, Side::Left), Label::None);
    let changed = db
        .import_cohort_labels(NAME, &[sound, same], "command line", "imported", at(5))
        .await;
    assert_eq!(changed.unwrap(), 1);
    // The test set is read by eyes alone: a table that says the same passes, and reviews nothing.
    let other = (key(0, Side::Right), Label::FractureExtracapsular);
    let test = |label| (key(6, Side::Left), label);
    let refused = db
        .import_cohort_labels(NAME, &[other, test(Label::FractureIntracapsular)], "x", "y", at(6))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("reviewed in the browser"), "{refused}");
    let same = db
        .import_cohort_labels(NAME, &[test(Label::None)], "x", "y", at(6))
        .await;
    assert_eq!(same.unwrap(), 0);
    assert_eq!(db.cohort(NAME).await.unwrap().0.test_reviewed, 0);
    let events = db.cohort_events(NAME, 0, 10).await.unwrap();
    assert_eq!((events.total, events.rows[0].to), (1, Label::FractureExtracapsular));
}

#[tokio::test]
async fn scores_and_features_are_kept() {
    let db = memory().await;
    cohort(&db, ReviewSettings::default()).await;
    let training = ids(&db, Set::Training).await;
    db.set_cohort_features("m1", &[(training[0], vec![1.5, -2.0]), (training[1], vec![0.25, 3.0])])
        .await
        .unwrap();
    db.set_cohort_features("m2", &[(training[1], vec![7.0])]).await.unwrap();
    let found = db.cohort_features(NAME, "m1").await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(training[0], vec![1.5, -2.0])]);
    assert_eq!(db.cohort_features(NAME, "m2").await.unwrap()[&training[1]], [7.0]);
    db.set_cohort_scores(&[(training[0], 3, 0.75)]).await.unwrap();
    let hips = db.cohort_hips(NAME).await.unwrap();
    let scored = hips.iter().find(|hip| hip.id == training[0]).expect("a hip");
    assert_eq!((scored.score, scored.fold, scored.version), (Some(0.75), Some(3), 0));
}
