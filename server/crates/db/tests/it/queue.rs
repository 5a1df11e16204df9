use db::{Claim, Db, Error, NewAnswer};
use domain::{AnswerValue, ResultSummary, Side, SopUid, StudyRow, StudyState, Timestamp};

use crate::util::{at, done, excluded, instance, memory, reader, reading, uid};

async fn row(db: &Db, study: &str) -> StudyRow {
    db.study(&uid(study)).await.unwrap().unwrap().row
}

async fn claimed(db: &Db, now: i64) -> Claim {
    db.claim_study(at(now), 1000).await.unwrap().expect("a study to claim")
}

#[tokio::test]
async fn a_study_walks_from_receiving_to_done() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 1000)).await.unwrap();
    assert_eq!(db.next_due().await.unwrap(), Some(at(1000)));
    assert!(db.complete_quiet_studies(at(5999), 5000).await.unwrap().is_empty());
    assert_eq!(
        db.claim_study(at(5999), 1000).await.unwrap(),
        None,
        "a study still arriving is nobody's"
    );
    assert_eq!(db.complete_quiet_studies(at(6000), 5000).await.unwrap(), [uid("1")]);
    assert_eq!(row(&db, "1").await.state, StudyState::Waiting);

    let claim = claimed(&db, 6000).await;
    assert_eq!((claim.study_uid.as_str(), claim.attempt), ("1", 1));
    assert_eq!(row(&db, "1").await.state, StudyState::Analysing);
    assert_eq!(db.claim_study(at(6001), 1000).await.unwrap(), None, "claimed once");

    let result = reading("1.1", Some(0.35), Some(0.875));
    assert!(
        db.finish_study(&claim, std::slice::from_ref(&result), at(6500))
            .await
            .unwrap()
    );
    let detail = db.study(&uid("1")).await.unwrap().unwrap();
    assert_eq!(detail.row.state, StudyState::Done);
    assert_eq!(detail.row.result, ResultSummary::Definite);
    assert_eq!(detail.row.top_score, Some(0.875));
    assert_eq!(detail.row.top_side, Some(Side::Left));
    assert_eq!(detail.images[0].reading.as_ref(), Some(&result));
    assert_eq!(detail.images[0].read_at, Some(at(6500)));
    assert_eq!(db.next_due().await.unwrap(), None);
    assert!(
        !db.finish_study(&claim, &[result], at(6600)).await.unwrap(),
        "a claim is good once"
    );
}

#[tokio::test]
async fn an_instance_during_analysis_voids_the_claim() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.complete_quiet_studies(at(10), 5).await.unwrap();
    let claim = claimed(&db, 10).await;
    db.record_instance(instance("1", "1.2", 20)).await.unwrap();
    assert_eq!(row(&db, "1").await.state, StudyState::Receiving);
    assert!(!db.extend_lease(&claim, at(9999)).await.unwrap());
    assert!(
        !db.finish_study(&claim, &[reading("1.1", Some(0.9), Some(0.9))], at(30))
            .await
            .unwrap()
    );
    db.fail_study(&claim, "late", None).await.unwrap();
    let detail = db.study(&uid("1")).await.unwrap().unwrap();
    assert_eq!(detail.row.state, StudyState::Receiving);
    assert_eq!(detail.row.failure, None);
    assert!(
        detail.images.iter().all(|image| image.reading.is_none()),
        "nothing of the void claim is stored"
    );

    db.complete_quiet_studies(at(30), 5).await.unwrap();
    let again = claimed(&db, 30).await;
    assert!(again.generation > claim.generation);
    assert_eq!(again.attempt, 1);
    let readings = [reading("1.1", Some(0.1), Some(0.2)), excluded("1.2")];
    assert!(db.finish_study(&again, &readings, at(40)).await.unwrap());
    assert_eq!(row(&db, "1").await.result, ResultSummary::Negative);
}

#[tokio::test]
async fn a_hip_that_was_set_aside_keeps_its_study_from_being_negative() {
    let db = memory().await;
    for (number, readings, result) in [
        (1, reading("1.1", Some(0.1), None), ResultSummary::Partial),
        (2, reading("2.1", None, None), ResultSummary::Excluded),
        (3, reading("3.1", Some(0.1), Some(0.2)), ResultSummary::Negative),
        (4, reading("4.1", Some(0.4), None), ResultSummary::Doubtful),
    ] {
        let study = number.to_string();
        db.record_instance(instance(&study, &format!("{study}.1"), 0))
            .await
            .unwrap();
        db.complete_quiet_studies(at(0), 0).await.unwrap();
        let claim = claimed(&db, 0).await;
        assert!(db.finish_study(&claim, &[readings], at(10)).await.unwrap());
        assert_eq!(row(&db, &study).await.result, result);
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_claimed_by_the_next() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.complete_quiet_studies(at(0), 0).await.unwrap();
    let first = claimed(&db, 0).await;
    assert!(db.extend_lease(&first, at(2000)).await.unwrap());
    assert_eq!(
        db.claim_study(at(1999), 1000).await.unwrap(),
        None,
        "the lease was prolonged"
    );
    let second = claimed(&db, 2000).await;
    assert_eq!(second.attempt, 2);
    assert!(
        !db.finish_study(&first, &[reading("1.1", Some(0.9), None)], at(2100))
            .await
            .unwrap()
    );
    assert!(
        db.finish_study(&second, &[reading("1.1", Some(0.4), None)], at(2200))
            .await
            .unwrap()
    );
    assert_eq!(row(&db, "1").await.result, ResultSummary::Doubtful);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_then_shown() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.complete_quiet_studies(at(0), 0).await.unwrap();
    let first = claimed(&db, 0).await;
    db.fail_study(&first, "decoder died", Some(at(500))).await.unwrap();
    assert_eq!(row(&db, "1").await.state, StudyState::Waiting);
    assert_eq!(row(&db, "1").await.failure.as_deref(), Some("decoder died"));
    assert_eq!(db.claim_study(at(499), 1000).await.unwrap(), None);
    let second = claimed(&db, 500).await;
    assert_eq!((second.attempt, second.failures), (2, 1));
    // A server that was stopped is no failure.
    db.release_claims().await.unwrap();
    let second = claimed(&db, 500).await;
    assert_eq!((second.attempt, second.failures), (3, 1));
    db.fail_study(&second, "decoder died again", None).await.unwrap();
    let failed = row(&db, "1").await;
    assert_eq!(
        (failed.state, failed.result),
        (StudyState::Failed, ResultSummary::Pending)
    );
    assert_eq!(failed.failure.as_deref(), Some("decoder died again"));
    assert_eq!(db.claim_study(Timestamp(i64::MAX), 0).await.unwrap(), None);

    assert!(db.restart_study(&uid("1"), at(600)).await.unwrap());
    assert!(!db.restart_study(&uid("1"), at(600)).await.unwrap(), "it waits already");
    assert!(!db.restart_study(&uid("none"), at(600)).await.unwrap());
    assert_eq!(row(&db, "1").await.failure, None);
    let third = claimed(&db, 600).await;
    assert_eq!((third.attempt, third.failures), (1, 0));
    // The very first claim looks like the third but for its generation.
    assert!(!db.finish_study(&first, &[], at(700)).await.unwrap());
    assert!(db.finish_study(&third, &[excluded("1.1")], at(700)).await.unwrap());
    assert_eq!(row(&db, "1").await.result, ResultSummary::Excluded);
}

#[tokio::test]
async fn claims_of_a_dead_worker_are_released() {
    let db = memory().await;
    for study in ["1", "2", "3"] {
        db.record_instance(instance(study, &format!("{study}.1"), 0))
            .await
            .unwrap();
    }
    db.complete_quiet_studies(at(0), 0).await.unwrap();
    let held = claimed(&db, 0).await;
    claimed(&db, 0).await;
    assert_eq!(db.release_claims().await.unwrap(), 2);
    assert_eq!(db.release_claims().await.unwrap(), 0);
    assert!(!db.extend_lease(&held, at(10)).await.unwrap());
    for _ in 0..3 {
        claimed(&db, 1).await;
    }
    assert_eq!(db.claim_study(at(1), 1000).await.unwrap(), None);
}

#[tokio::test]
async fn readings_keep_their_history() {
    let db = memory().await;
    done(&db, instance("1", "1.1", 0), reading("1.1", Some(0.9), Some(0.1))).await;
    db.restart_study(&uid("1"), at(10)).await.unwrap();
    let claim = claimed(&db, 10).await;
    assert!(
        db.finish_study(&claim, &[reading("1.1", Some(0.2), Some(0.1))], at(20))
            .await
            .unwrap()
    );
    let history = db.readings_of(&SopUid::from("1.1")).await.unwrap();
    let scores: Vec<f32> = history.iter().map(|(r, _)| r.hips[0].fracture.unwrap().score).collect();
    assert_eq!(scores, [0.2, 0.9]);
    let shown = row(&db, "1").await;
    assert_eq!((shown.result, shown.top_score), (ResultSummary::Negative, Some(0.2)));
}

#[tokio::test]
async fn a_new_image_of_a_finished_study_keeps_the_result_on_show() {
    let db = memory().await;
    done(&db, instance("1", "1.1", 0), reading("1.1", Some(0.9), Some(0.1))).await;
    db.record_instance(instance("1", "1.2", 10)).await.unwrap();
    let arriving = row(&db, "1").await;
    assert_eq!(
        (arriving.state, arriving.result),
        (StudyState::Receiving, ResultSummary::Definite)
    );
    db.complete_quiet_studies(at(10), 0).await.unwrap();
    let claim = claimed(&db, 10).await;
    // Only the new image was read: the first one's reading still counts.
    assert!(
        db.finish_study(&claim, &[reading("1.2", Some(0.1), Some(0.1))], at(20))
            .await
            .unwrap()
    );
    assert_eq!(row(&db, "1").await.result, ResultSummary::Definite);
}

#[tokio::test]
async fn a_reading_of_another_study_is_refused_whole() {
    let db = memory().await;
    db.record_instance(instance("2", "2.1", 5)).await.unwrap();
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.complete_quiet_studies(at(4), 0).await.unwrap();
    let claim = claimed(&db, 4).await;
    let readings = [reading("1.1", Some(0.9), None), reading("2.1", Some(0.9), None)];
    assert!(matches!(
        db.finish_study(&claim, &readings, at(6)).await,
        Err(Error::ReadingOfOtherStudy(Some(_)))
    ));
    assert_eq!(row(&db, "1").await.state, StudyState::Analysing);
    assert!(db.readings_of(&SopUid::from("1.1")).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_oldest_due_study_is_claimed_first() {
    let db = memory().await;
    for (study, received) in [("1", 30), ("2", 10), ("3", 20)] {
        db.record_instance(instance(study, &format!("{study}.1"), received))
            .await
            .unwrap();
        db.complete_quiet_studies(at(received), 0).await.unwrap();
    }
    let mut order = Vec::new();
    while let Some(claim) = db.claim_study(at(100), 1000).await.unwrap() {
        order.push(claim.study_uid.0);
    }
    assert_eq!(order, ["2", "3", "1"]);
}

fn answer(by: &domain::User, side: Side, value: AnswerValue, ms: i64) -> NewAnswer {
    NewAnswer {
        study_uid: uid("1"),
        sop_uid: SopUid::from("1.1"),
        side,
        value,
        agrees: value == AnswerValue::None,
        comment: "seen".into(),
        by: by.id,
        at: at(ms),
        given_at: None,
    }
}

#[tokio::test]
async fn a_study_is_answered_once_each_read_hip_is() {
    let db = memory().await;
    let by = reader(&db).await;
    done(&db, instance("1", "1.1", 0), reading("1.1", Some(0.9), Some(0.1))).await;
    let first = db
        .add_answer(answer(&by, Side::Right, AnswerValue::Intracapsular, 10))
        .await
        .unwrap();
    assert_eq!(first.by_name, "reader");
    assert!(!row(&db, "1").await.answered);
    let second = db
        .add_answer(answer(&by, Side::Left, AnswerValue::None, 20))
        .await
        .unwrap();
    assert!(row(&db, "1").await.answered);
    let third = db
        .add_answer(answer(&by, Side::Right, AnswerValue::CannotTell, 30))
        .await
        .unwrap();
    let kept = db.study(&uid("1")).await.unwrap().unwrap().answers;
    assert_eq!(kept, [third, second, first], "every answer is kept, newest first");

    // A further image with hips of its own opens the study again.
    db.record_instance(instance("1", "1.2", 40)).await.unwrap();
    db.complete_quiet_studies(at(40), 0).await.unwrap();
    let claim = claimed(&db, 40).await;
    let readings = [reading("1.1", Some(0.9), Some(0.1)), reading("1.2", Some(0.8), None)];
    db.finish_study(&claim, &readings, at(50)).await.unwrap();
    assert!(!row(&db, "1").await.answered);
}

#[tokio::test]
async fn a_hip_set_aside_needs_no_answer_but_an_unread_study_needs_one() {
    let db = memory().await;
    let by = reader(&db).await;
    done(&db, instance("1", "1.1", 0), reading("1.1", None, Some(0.5))).await;
    db.add_answer(answer(&by, Side::Left, AnswerValue::None, 10))
        .await
        .unwrap();
    assert!(row(&db, "1").await.answered);

    let db = memory().await;
    let by = reader(&db).await;
    done(&db, instance("1", "1.1", 0), excluded("1.1")).await;
    assert!(!row(&db, "1").await.answered);
    db.add_answer(answer(&by, Side::Left, AnswerValue::None, 10))
        .await
        .unwrap();
    assert!(row(&db, "1").await.answered);
}

#[tokio::test]
async fn an_answer_that_arrives_twice_is_kept_once() {
    let db = memory().await;
    let by = reader(&db).await;
    done(&db, instance("1", "1.1", 0), reading("1.1", Some(0.9), Some(0.1))).await;
    let key = || Some("k1".to_owned());
    let new = answer(&by, Side::Right, AnswerValue::Intracapsular, 10);
    let (first, is_new) = db.add_answer_once(new.clone(), key()).await.unwrap();
    assert!(is_new);
    let later = NewAnswer {
        at: at(99),
        ..new.clone()
    };
    assert_eq!(db.add_answer_once(later, key()).await.unwrap(), (first.clone(), false));
    // Without a key, or under another one, the same words are another answer.
    let (second, _) = db.add_answer_once(new.clone(), Some("k2".to_owned())).await.unwrap();
    let third = db.add_answer(new.clone()).await.unwrap();
    // The key of one account says nothing about another's.
    let other = db
        .create_user("other", domain::Role::Reader, &domain::SiteId::from("main"), "x", at(0))
        .await
        .unwrap();
    let theirs = NewAnswer {
        by: other.id,
        given_at: Some(at(4)),
        ..new
    };
    let (fourth, is_new) = db.add_answer_once(theirs, key()).await.unwrap();
    assert!(is_new);
    assert_eq!(fourth.given_at, Some(at(4)));
    let kept = db.study(&uid("1")).await.unwrap().unwrap().answers;
    assert_eq!(kept, [fourth, third, second, first]);
}

#[tokio::test]
async fn an_answer_to_nothing_is_refused() {
    let db = memory().await;
    let by = reader(&db).await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.record_instance(instance("2", "2.1", 0)).await.unwrap();
    let good = answer(&by, Side::Left, AnswerValue::None, 10);
    let study = NewAnswer {
        study_uid: uid("x"),
        ..good.clone()
    };
    assert!(matches!(db.add_answer(study).await, Err(Error::UnknownStudy(_))));
    let image = NewAnswer {
        sop_uid: SopUid::from("2.1"),
        ..good.clone()
    };
    assert!(matches!(db.add_answer(image).await, Err(Error::UnknownInstance(_))));
    let account = NewAnswer {
        by: domain::AccountId(99),
        ..good
    };
    assert!(matches!(db.add_answer(account).await, Err(Error::UnknownAccount(_))));
    assert!(db.study(&uid("1")).await.unwrap().unwrap().answers.is_empty());
}
