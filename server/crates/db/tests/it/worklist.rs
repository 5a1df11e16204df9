use std::collections::HashSet;

use db::{Db, NewAnswer};
use domain::{
    AnswerValue, PersonName, ResultSummary, Side, SiteId, SopUid, SortDirection, StudyQuery, StudySort, StudyState,
};

use crate::util::{at, done, excluded, instance, memory, reader, reading, uid};

fn query(sort: StudySort) -> StudyQuery {
    StudyQuery {
        sort,
        per_page: 50,
        ..StudyQuery::default()
    }
}

async fn list(db: &Db, query: &StudyQuery) -> Vec<String> {
    let page = db.worklist(query, None).await.unwrap();
    assert_eq!(page.total as usize, page.rows.len(), "all on one page");
    page.rows.into_iter().map(|row| row.study_uid.0).collect()
}

/// One study of each kind; the ids say what they are.
async fn one_of_each() -> Db {
    let db = memory().await;
    let by = reader(&db).await;
    let single = |study: &str, ms: i64| instance(study, &format!("{study}.1"), ms);
    for (study, ms, result) in [
        ("negative", 10, reading("negative.1", Some(0.2), Some(0.1))),
        ("doubtful", 20, reading("doubtful.1", Some(0.5), Some(0.1))),
        ("definite-low", 30, reading("definite-low.1", Some(0.85), None)),
        ("definite-high", 40, reading("definite-high.1", Some(0.1), Some(0.95))),
        (
            "definite-high-newer",
            50,
            reading("definite-high-newer.1", Some(0.95), Some(0.1)),
        ),
        ("excluded", 60, excluded("excluded.1")),
        ("answered", 70, reading("answered.1", Some(0.99), None)),
    ] {
        done(&db, single(study, ms), result).await;
    }
    let answer = NewAnswer {
        study_uid: uid("answered"),
        sop_uid: SopUid::from("answered.1"),
        side: Side::Right,
        value: AnswerValue::Intracapsular,
        agrees: true,
        comment: String::new(),
        by: by.id,
        at: at(80),
        given_at: None,
    };
    db.add_answer(answer).await.unwrap();
    db.record_instance(single("failed", 90)).await.unwrap();
    db.complete_quiet_studies(at(90), 0).await.unwrap();
    let claim = db.claim_study(at(90), 10).await.unwrap().unwrap();
    db.fail_study(&claim, "broken", None).await.unwrap();
    let mut south = single("arriving", 100);
    south.site = SiteId::from("south");
    db.record_instance(south).await.unwrap();
    db
}

#[tokio::test]
async fn the_most_suspicious_come_first() {
    let db = one_of_each().await;
    let mut expected = [
        "definite-high-newer",
        "definite-high",
        "definite-low",
        "doubtful",
        "failed",
        "arriving",
        "excluded",
        "negative",
        "answered",
    ];
    assert_eq!(list(&db, &query(StudySort::Suspicion)).await, expected);
    expected.reverse();
    let reversed = StudyQuery {
        direction: SortDirection::Reversed,
        ..query(StudySort::Suspicion)
    };
    assert_eq!(list(&db, &reversed).await, expected);
}

#[tokio::test]
async fn filters() {
    let db = one_of_each().await;
    let all = query(StudySort::Received);
    let definite = StudyQuery {
        result: Some(ResultSummary::Definite),
        ..all.clone()
    };
    assert_eq!(
        list(&db, &definite).await,
        ["answered", "definite-high-newer", "definite-high", "definite-low"]
    );
    let open = StudyQuery {
        unanswered_only: true,
        ..definite
    };
    assert_eq!(
        list(&db, &open).await,
        ["definite-high-newer", "definite-high", "definite-low"]
    );
    let failed = StudyQuery {
        state: Some(StudyState::Failed),
        ..all.clone()
    };
    assert_eq!(list(&db, &failed).await, ["failed"]);
    let south = StudyQuery {
        site: Some(SiteId::from("south")),
        ..all.clone()
    };
    assert_eq!(list(&db, &south).await, ["arriving"]);
    // What the caller may see holds whatever the query asks for.
    let page = db.worklist(&south, Some(&SiteId::from("main"))).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (0, 0));
    let page = db.worklist(&all, Some(&SiteId::from("south"))).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 1));

    assert_eq!(db.sites().await.unwrap(), [SiteId::from("main"), SiteId::from("south")]);
    let counts = db.counts().await.unwrap();
    let expected = [
        (StudyState::Receiving, 1),
        (StudyState::Waiting, 0),
        (StudyState::Analysing, 0),
        (StudyState::Done, 7),
        (StudyState::Failed, 1),
    ];
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn each_sort() {
    let db = memory().await;
    for (study, name, date, time, site, ms) in [
        ("a", "young^ann", "20260101", "080000", "north", 30),
        ("b", "Adams^Zoe", "20260102", "070000", "south", 10),
        ("c", "ADAMS^BEN", "20260101", "230000", "north", 20),
        ("d", "Öztürk^Can", "", "", "middle", 40),
    ] {
        let mut new = instance(study, &format!("{study}.1"), ms);
        new.patient_name = PersonName(name.into());
        (new.study_date, new.study_time) = (date.into(), time.into());
        new.site = SiteId::from(site);
        if study == "b" {
            done(&db, new, reading("b.1", Some(0.9), None)).await;
        } else {
            db.record_instance(new).await.unwrap();
        }
    }
    for (sort, natural, reversed) in [
        (StudySort::Received, "dacb", "bcad"),
        (StudySort::StudyTime, "bcad", "dacb"),
        (StudySort::Patient, "cbad", "dabc"),
        // The column turns round; within it the most suspicious, then the newest, stay first.
        (StudySort::Site, "dacb", "bacd"),
        (StudySort::State, "dacb", "bdac"),
        (StudySort::Suspicion, "bdac", "cadb"),
    ] {
        assert_eq!(list(&db, &query(sort)).await.concat(), natural, "{sort:?}");
        let turned = StudyQuery {
            direction: SortDirection::Reversed,
            ..query(sort)
        };
        assert_eq!(list(&db, &turned).await.concat(), reversed, "{sort:?} reversed");
    }
}

#[tokio::test]
async fn search_finds_words_anywhere_and_takes_wildcards_for_themselves() {
    let db = memory().await;
    for (study, name, id, accession, description) in [
        ("1", "MÜLLER^ANNA", "P-100", "ACC_1", "Becken a.p."),
        ("2", "SMITH^JOHN^A", "P-200", "ACCX1", "Pelvis 100%"),
        ("3", "SMITHSON^JO", "P-300", "ACC\\3", "Hip left"),
    ] {
        let mut new = instance(study, &format!("{study}.1"), 0);
        new.patient_name = PersonName(name.into());
        new.patient_id = id.into();
        new.accession_number = accession.into();
        new.description = description.into();
        db.record_instance(new).await.unwrap();
    }
    for (search, expected) in [
        ("", "123"),
        ("   ", "123"),
        ("müller", "1"),
        ("MÜLLER", "1"),
        ("smith", "23"),
        ("Smith, John", "2"),
        ("smith^john", "2"),
        ("john smith", "2"),
        ("p-3", "3"),
        ("acc_1", "1"),
        ("accx1", "2"),
        ("%", "2"),
        ("_", "1"),
        ("\\", "3"),
        ("hip left", "3"),
        ("pelvis smith 200", "2"),
        ("' OR 1=1 --", ""),
        ("nobody", ""),
    ] {
        let asked = StudyQuery {
            search: search.into(),
            ..query(StudySort::Patient)
        };
        let mut found = list(&db, &asked).await;
        found.sort();
        assert_eq!(found.concat(), expected, "search {search:?}");
    }
}

#[tokio::test]
async fn pages_hold_every_study_once() {
    let db = memory().await;
    for n in 0..23 {
        // Many ties: two moments, two names.
        let mut new = instance(&format!("{n}"), &format!("{n}.1"), n % 2);
        new.patient_name = PersonName(format!("N{}", n % 2));
        db.record_instance(new).await.unwrap();
    }
    for sort in [
        StudySort::Suspicion,
        StudySort::Received,
        StudySort::StudyTime,
        StudySort::Patient,
        StudySort::Site,
        StudySort::State,
    ] {
        for direction in [SortDirection::Natural, SortDirection::Reversed] {
            let mut seen = HashSet::new();
            let mut sizes = Vec::new();
            for page in 0..6 {
                let asked = StudyQuery {
                    sort,
                    direction,
                    page,
                    per_page: 5,
                    ..StudyQuery::default()
                };
                let page = db.worklist(&asked, None).await.unwrap();
                assert_eq!(page.total, 23);
                sizes.push(page.rows.len());
                seen.extend(page.rows.into_iter().map(|row| row.study_uid));
            }
            assert_eq!(sizes, [5, 5, 5, 5, 3, 0]);
            assert_eq!(seen.len(), 23, "{sort:?} {direction:?}");
        }
    }
    // Absurd pages are held to bounds.
    let none = StudyQuery {
        per_page: 0,
        ..StudyQuery::default()
    };
    assert_eq!(db.worklist(&none, None).await.unwrap().rows.len(), 1);
    let far = StudyQuery {
        page: u32::MAX,
        per_page: u32::MAX,
        ..StudyQuery::default()
    };
    assert_eq!(db.worklist(&far, None).await.unwrap().rows.len(), 0);
}

#[tokio::test]
async fn a_search_with_very_many_matches_pages_like_one_with_few() {
    const STUDIES: u32 = 2_100;
    let db = memory().await;
    for n in 0..STUDIES {
        let mut new = instance(&format!("{n}"), &format!("{n}.1"), i64::from(n));
        new.patient_name = PersonName(format!("{}^{n:05}", if n % 100 == 0 { "RARE" } else { "COMMON" }));
        new.site = SiteId::from(if n % 2 == 0 { "even" } else { "odd" });
        db.record_instance(new).await.unwrap();
    }
    let asked = |search: &str, page| StudyQuery {
        search: search.into(),
        page,
        ..query(StudySort::Received)
    };
    // More than are fetched by their ids.
    let many = db.worklist(&asked("common", 41), None).await.unwrap();
    assert_eq!((many.total, many.rows.len()), (2_079, 29));
    assert_eq!(many.rows[28].study_uid, uid("1"));
    let newest = db.worklist(&asked("common", 0), None).await.unwrap();
    assert_eq!(newest.rows[0].study_uid, uid("2099"));
    // Fewer.
    let few = db.worklist(&asked("rare", 0), None).await.unwrap();
    assert_eq!((few.total, few.rows.len()), (21, 21));
    assert_eq!(few.rows[0].study_uid, uid("2000"));
    let odd = SiteId::from("odd");
    assert_eq!(db.worklist(&asked("rare", 0), Some(&odd)).await.unwrap().total, 0);
    assert_eq!(db.worklist(&asked("common", 0), Some(&odd)).await.unwrap().total, 1_050);
}
