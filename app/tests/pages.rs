//! Pages and server functions over a fake backend, through the same axum routes as the server's.
#![cfg(feature = "ssr")]

use std::sync::{Arc, LazyLock};

use app::AppError;
use app::backend::{AnswerInput, AuditCheck, Backend, Caller, ModelCard, NewAccount, async_trait};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::post;
use domain::cohort::{
    CohortDetail, CohortRow, DecisionInput, EventRow, Evidence, HipKey, Interval, Label, Opinion, Purpose, RecordText,
    Records, ReviewDesk, ReviewImage, ReviewItem, ReviewSettings, ReviewerRow, RoundRow, Set, UnusedRow,
};
use domain::{
    AccountId, Answer, AnswerValue, AuditAction, AuditEvent, AuditFilter, AuditOutcome, Call, EarlierStudy, HeatMap,
    HipExclusion, HipFinding, HipStatus, ImageReading, ImageRow, LocationScores, Milliseconds, ModelName, Page,
    PersonName, PixelBox, QuarantineItem, ReadingStatus, ResultSummary, Role, SavedView, Score, SeriesUid, Side,
    SiteId, SopUid, StudyDetail, StudyQuery, StudyRow, StudyState, StudyUid, Timestamp, User,
};
use http::StatusCode;
use http_body_util::BodyExt;
use leptos::prelude::{LeptosOptions, provide_context};
use leptos_axum::{AxumRouteListing, LeptosRoutes, generate_route_list, handle_server_fns_with_context};
use tower::ServiceExt;

/// A backend that holds what a test gives it and refuses a site what it may not.
#[derive(Default)]
struct Fake {
    studies: Vec<StudyDetail>,
    views: Vec<SavedView>,
}

impl Fake {
    fn administrator(caller: &Caller) -> Result<(), AppError> {
        if caller.user.is_administrator() {
            Ok(())
        } else {
            Err(AppError::Forbidden)
        }
    }
}

#[async_trait]
impl Backend for Fake {
    async fn worklist(&self, _: &Caller, query: StudyQuery) -> Result<Page<StudyRow>, AppError> {
        if query.search == "boom" {
            return Err(AppError::Internal);
        }
        let rows: Vec<StudyRow> = self
            .studies
            .iter()
            .map(|study| study.row.clone())
            .filter(|row| query.result.is_none_or(|result| row.result == result))
            .collect();
        let total = rows.len() as u64;
        let skipped = query.page as usize * query.per_page as usize;
        let rows = rows.into_iter().skip(skipped).take(query.per_page as usize).collect();
        Ok(Page { rows, total })
    }

    async fn study(&self, _: &Caller, study: StudyUid) -> Result<StudyDetail, AppError> {
        self.studies
            .iter()
            .find(|detail| detail.row.study_uid == study)
            .cloned()
            .ok_or(AppError::NotFound)
    }

    async fn answer(&self, caller: &Caller, answer: AnswerInput) -> Result<Answer, AppError> {
        if !caller.user.may_answer() {
            return Err(AppError::Forbidden);
        }
        Ok(Answer {
            id: 7,
            study_uid: answer.study_uid,
            sop_uid: answer.sop_uid,
            side: answer.side,
            value: answer.value,
            agrees: true,
            comment: answer.comment,
            by: caller.user.id,
            by_name: caller.user.name.clone(),
            at: Timestamp(0),
            given_at: None,
        })
    }

    async fn restart(&self, _: &Caller, _: StudyUid) -> Result<(), AppError> {
        Ok(())
    }

    async fn kept_view(&self, _: &Caller, _: SopUid) -> Result<Option<String>, AppError> {
        Ok(None)
    }

    async fn keep_view(&self, _: &Caller, _: SopUid, _: String) -> Result<(), AppError> {
        Ok(())
    }

    async fn heat_maps(&self, _: &Caller, _: SopUid) -> Result<Vec<HeatMap>, AppError> {
        Ok(Vec::new())
    }

    async fn earlier(&self, _: &Caller, study: StudyUid) -> Result<Vec<EarlierStudy>, AppError> {
        let others = self.studies.iter().map(|study| study.row.clone());
        let of_this = others.filter(|row| row.study_uid != study && row.study_uid.as_str().starts_with(study.as_str()));
        Ok(of_this.map(EarlierStudy::from).collect())
    }

    async fn sites(&self, _: &Caller) -> Result<Vec<SiteId>, AppError> {
        Ok(vec![SiteId::from("main"), SiteId::from("north")])
    }

    async fn views(&self, _: &Caller) -> Result<Vec<SavedView>, AppError> {
        Ok(self.views.clone())
    }

    async fn save_view(&self, _: &Caller, name: String, query: StudyQuery) -> Result<SavedView, AppError> {
        Ok(SavedView { id: 1, name, query })
    }

    async fn delete_view(&self, _: &Caller, _: i64) -> Result<(), AppError> {
        Ok(())
    }

    async fn audit(&self, caller: &Caller, filter: AuditFilter) -> Result<Page<AuditEvent>, AppError> {
        Self::administrator(caller)?;
        let row = AuditEvent {
            id: 12,
            at: Timestamp(1_795_475_613_000),
            actor: filter.actor.unwrap_or_else(|| "anna".to_owned()),
            action: AuditAction::Refusal,
            outcome: AuditOutcome::Failure,
            from: "192.0.2.7".to_owned(),
            object: "1.2.3".to_owned(),
            detail: "study of another site".to_owned(),
        };
        Ok(Page {
            rows: vec![row],
            total: 1,
        })
    }

    async fn audit_check(&self, caller: &Caller) -> Result<AuditCheck, AppError> {
        Self::administrator(caller)?;
        Ok(AuditCheck {
            rows: 12,
            first_broken: None,
        })
    }

    async fn quarantine(&self, caller: &Caller, _: u32, _: u32) -> Result<Page<QuarantineItem>, AppError> {
        Self::administrator(caller)?;
        let row = QuarantineItem {
            id: 1,
            at: Timestamp(0),
            file_name: "holiday.jpg".to_owned(),
            door: "browser".to_owned(),
            from: "192.0.2.7".to_owned(),
            bytes: 1234,
            sha256: "ab".repeat(32),
            reason: "not DICOM".to_owned(),
        };
        Ok(Page {
            rows: vec![row],
            total: 1,
        })
    }

    async fn accounts(&self, caller: &Caller) -> Result<Vec<User>, AppError> {
        Self::administrator(caller)?;
        Ok(vec![caller.user.clone(), user(Role::Site)])
    }

    async fn create_account(&self, caller: &Caller, new: NewAccount) -> Result<User, AppError> {
        Self::administrator(caller)?;
        if new.password.len() < 12 {
            return Err(AppError::Invalid("a password has at least 12 characters".to_owned()));
        }
        Ok(User {
            name: new.name,
            ..user(new.role)
        })
    }

    async fn set_password(&self, caller: &Caller, _: AccountId, _: String) -> Result<(), AppError> {
        Self::administrator(caller)
    }

    async fn set_disabled(&self, caller: &Caller, _: AccountId, _: bool) -> Result<(), AppError> {
        Self::administrator(caller)
    }

    async fn models(&self, _: &Caller) -> Result<Vec<ModelCard>, AppError> {
        Ok(vec![ModelCard {
            network: "fracture".to_owned(),
            name: "first".to_owned(),
            parameters: 1_434_176,
            sha256: "cd".repeat(32),
            training: "Trained on simulated x-rays.".to_owned(),
        }])
    }

    async fn cohorts(&self, caller: &Caller) -> Result<Vec<CohortRow>, AppError> {
        if !caller.user.may_answer() {
            return Err(AppError::Forbidden);
        }
        Ok(vec![cohort_row()])
    }

    async fn cohort(&self, _: &Caller, name: String) -> Result<CohortDetail, AppError> {
        if name != "hips" && name != "applied" {
            return Err(AppError::NotFound);
        }
        let applied = name == "applied";
        let estimate = Some(Interval {
            value: 0.993,
            low: 0.976,
            high: 0.999,
        });
        Ok(CohortDetail {
            row: cohort_row(),
            seed: 1,
            counts: vec![(Set::Training, Label::None, 4321), (Set::Test, Label::Excluded, 7)],
            open: vec![(Purpose::FalsePositive, 12), (Purpose::Known, 3)],
            rounds: vec![RoundRow {
                number: 1,
                purpose: Some(Purpose::FalsePositive),
                queued: 100,
                reviewed: 88,
                changed: 41,
                reviewed_total: 88,
                estimate,
                accuracy: None,
                began_at: Timestamp(0),
                outcome: "all looked at; score anew".to_owned(),
                ended: true,
            }],
            audit: if applied { (0, 0) } else { (290, 300) },
            estimate: estimate.filter(|_| !applied),
            sample_spent: applied,
            reviewers: vec![ReviewerRow {
                name: "anna".to_owned(),
                decisions: 91,
                known: 5,
                agreement: estimate,
                kappa: None,
                shared: 0,
                shared_agreement: None,
                shared_kappa: None,
            }],
            settings: ReviewSettings::default(),
            unused: vec![("unlinked".to_owned(), 2)],
        })
    }

    async fn cohort_events(&self, _: &Caller, _: String, _: u32) -> Result<Page<EventRow>, AppError> {
        let row = EventRow {
            id: 5,
            at: Timestamp(1_795_475_613_000),
            who: "anna".to_owned(),
            key: HipKey {
                accession: "A1".to_owned(),
                side: Side::Left,
            },
            from: Label::None,
            to: Label::FractureExtracapsular,
            why: "false positives".to_owned(),
        };
        Ok(Page {
            rows: vec![row],
            total: 1,
        })
    }

    async fn cohort_unused(&self, _: &Caller, _: String, _: u32) -> Result<Page<UnusedRow>, AppError> {
        let row = UnusedRow {
            kind: "unlinked".to_owned(),
            record: "theatre.csv line 3".to_owned(),
            why: "no study of this patient".to_owned(),
        };
        Ok(Page {
            rows: vec![row],
            total: 1,
        })
    }

    async fn review_desk(&self, caller: &Caller, name: String) -> Result<ReviewDesk, AppError> {
        if !caller.user.may_answer() {
            return Err(AppError::Forbidden);
        }
        let text = "There is a <b>fracture</b> of the left neck of femur.".to_owned();
        let records = Records {
            label: Label::FractureIntracapsular,
            reason: "the report states a fracture".to_owned(),
            conflict: true,
            note: String::new(),
            texts: vec![RecordText {
                kind: "report".to_owned(),
                record: "reports.csv line 2".to_owned(),
                time: "2024-03-02 11:00:00".to_owned(),
                marks: vec![Evidence {
                    rule: "fracture".to_owned(),
                    start: 14,
                    end: 22,
                    words: "fracture".to_owned(),
                }],
                text,
            }],
            opinions: vec![Opinion {
                who: "ben".to_owned(),
                label: Label::None,
                comment: "old".to_owned(),
            }],
        };
        Ok(ReviewDesk {
            item: (name != "empty").then(|| ReviewItem {
                item: 3,
                version: 0,
                side: Side::Left,
                study_uid: Some(StudyUid::from("1.2.3")),
                sop_uid: Some(SopUid::from("1.2.3.0")),
                images: [("1.2.3.0", "DX PELVIS AP"), ("1.2.3.1", "DX HIP LL")]
                    .map(|(sop, kind)| ReviewImage {
                        sop_uid: SopUid::from(sop),
                        kind: kind.to_owned(),
                    })
                    .to_vec(),
                hip: None,
                description: "XR Pelvis".to_owned(),
                study_time: "2024-03-02 10:00".to_owned(),
                sex_age: "F, 82 y".to_owned(),
                adjudicates: name == "differ",
                records: (name != "blind").then_some(records),
                next_picture: None,
            }),
            open: 12,
            answered: 34,
            blind: name == "blind",
            last: None,
        })
    }

    async fn review_decide(&self, caller: &Caller, name: String, _: DecisionInput) -> Result<ReviewDesk, AppError> {
        self.review_desk(caller, name).await
    }

    async fn review_undo(&self, caller: &Caller, name: String, _: i64) -> Result<ReviewDesk, AppError> {
        self.review_desk(caller, name).await
    }
}

fn cohort_row() -> CohortRow {
    CohortRow {
        name: "hips".to_owned(),
        created_at: Timestamp(0),
        hips: 5000,
        repairable: 4600,
        reviewed: 88,
        open: 15,
        test: 300,
        test_reviewed: 300,
        test_locked_at: Some(Timestamp(1)),
    }
}

fn user(role: Role) -> User {
    User {
        id: AccountId(1),
        name: format!("some-{}", role.as_str()),
        role,
        site: SiteId::from("main"),
        disabled: false,
        created_at: Timestamp(0),
    }
}

fn hip(side: Side, call: Option<Call>, reason: Option<HipExclusion>) -> HipFinding {
    HipFinding {
        side,
        region: PixelBox([100.0, 100.0, 900.0, 900.0]),
        status: if call.is_some() {
            HipStatus::Analysed
        } else {
            HipStatus::Excluded
        },
        reason,
        metal: Some(Score { score: 0.02 }),
        fracture: call.map(|_| Score { score: 0.93 }),
        location: call.map(|_| LocationScores {
            none: 0.07,
            intracapsular: 0.81,
            extracapsular: 0.12,
        }),
        call,
    }
}

fn reading(status: ReadingStatus, reason: Option<&str>, hips: Vec<HipFinding>) -> ImageReading {
    ImageReading {
        study_uid: None,
        sop_uid: None,
        status,
        reason: reason.map(str::to_owned),
        frontal: Some(Score { score: 0.5 }),
        hips,
        model: ModelName {
            name: "shenton-first".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
        },
        device: "cpu (flex)".to_owned(),
        milliseconds: Milliseconds {
            total: Some(1500.0),
            ..Milliseconds::default()
        },
    }
}

fn study(uid: &str, result: ResultSummary, readings: Vec<ImageReading>) -> StudyDetail {
    let images = readings
        .into_iter()
        .enumerate()
        .map(|(index, reading)| ImageRow {
            sop_uid: SopUid(format!("{uid}.{index}")),
            series_uid: SeriesUid::from("1.9"),
            modality: "DX".to_owned(),
            body_part: "PELVIS".to_owned(),
            view_position: "AP".to_owned(),
            technique: domain::Technique {
                kvp: Some(77.0),
                exposure_mas: Some(12.4),
                distance_source_to_detector_mm: None,
            },
            instance_number: "1".to_owned(),
            rows: 3000,
            columns: 3000,
            received_at: Timestamp(0),
            reading: Some(reading),
            read_at: Some(Timestamp(1_795_475_613_000)),
        })
        .collect::<Vec<_>>();
    StudyDetail {
        row: StudyRow {
            study_uid: StudyUid::from(uid),
            patient_name: PersonName("<script>alert(1)</script>^Anna & Co".to_owned()),
            patient_id: "P-1".to_owned(),
            patient_sex: "F".to_owned(),
            patient_birth_date: "19440301".to_owned(),
            study_date: "20260301".to_owned(),
            study_time: "140512".to_owned(),
            accession_number: "A1".to_owned(),
            description: "Pelvis AP".to_owned(),
            site: SiteId::from("main"),
            state: StudyState::Done,
            result,
            top_score: Some(0.93),
            top_side: Some(Side::Left),
            images: images.len() as u32,
            answered: false,
            received_at: Timestamp(1_795_475_613_000),
            failure: None,
        },
        images,
        answers: Vec::new(),
    }
}

/// Made once: while leptos collects routes, no resource in the whole process loads, and a page that another test
/// renders at that moment would wait for ever.
static ROUTES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(app::App));

/// The application for a caller of this role, or for nobody.
fn application(fake: Fake, role: Option<Role>) -> Router {
    let backend: Arc<dyn Backend> = Arc::new(fake);
    let options = LeptosOptions::builder()
        .output_name("frontend")
        .site_root("site")
        .site_pkg_dir("pkg")
        .build();
    let for_pages = backend.clone();
    let for_shell = options.clone();
    Router::new()
        .leptos_routes_with_context(
            &options,
            ROUTES.clone(),
            move || provide_context(for_pages.clone()),
            move || app::shell(for_shell.clone()),
        )
        .route(
            "/api/{*function}",
            post(move |request: Request| {
                let backend = backend.clone();
                handle_server_fns_with_context(move || provide_context(backend.clone()), request)
            }),
        )
        .layer(from_fn(move |mut request: Request, next: Next| async move {
            if let Some(role) = role {
                request.extensions_mut().insert(Caller {
                    user: user(role),
                    from: "192.0.2.1".to_owned(),
                });
            }
            next.run(request).await
        }))
        .with_state(options)
}

async fn send(application: Router, request: Request) -> (StatusCode, String) {
    let response = application.oneshot(request).await.expect("the router answers");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

async fn page(fake: Fake, role: Option<Role>, path: &str) -> (StatusCode, String) {
    send(
        application(fake, role),
        Request::get(path).body(Body::empty()).expect("a request"),
    )
    .await
}

async fn call(role: Option<Role>, function: &str, body: &str) -> (StatusCode, String) {
    let request = Request::post(format!("/api/{function}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .expect("a request");
    send(application(Fake::default(), role), request).await
}

/// The text of a page without tags and scripts, with single spaces.
fn text(html: &str) -> String {
    let body = html.split_once("<body").map_or(html, |(_, body)| body);
    let mut text = String::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = if rest.starts_with("<script") {
            rest.find("</script>")
        } else {
            Some(0)
        };
        rest = &rest[end.unwrap_or(0)..];
        rest = rest.find('>').map_or("", |end| &rest[end + 1..]);
        // A comment divides two texts that stand together; a tag divides words.
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn broken_left() -> Fake {
    let hips = vec![
        hip(Side::Right, Some(Call::Negative), None),
        hip(Side::Left, Some(Call::Definite), None),
    ];
    Fake {
        studies: vec![study(
            "1.2.3",
            ResultSummary::Definite,
            vec![reading(ReadingStatus::Analysed, None, hips)],
        )],
        ..Fake::default()
    }
}

#[tokio::test]
async fn the_worklist_says_results_in_words() {
    let mut fake = broken_left();
    fake.studies.push(study("1.2.4", ResultSummary::Doubtful, vec![]));
    fake.studies.push(study("1.2.5", ResultSummary::Excluded, vec![]));
    let (status, html) = page(fake, Some(Role::Reader), "/").await;
    assert_eq!(status, StatusCode::OK);
    let text = text(&html);
    for words in [
        "Fracture suspected",
        "Doubtful",
        "Set aside, not read",
        "F, 82 y",
        "2026-03-01 14:05",
        "0.93",
        "1–3 of 3 studies",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(text.contains(app::words::NOTICE));
    assert!(html.contains("href=\"/study/1.2.3\""), "a row links to its study");
    assert!(html.contains("<tbody>"));
}

#[tokio::test]
async fn filters_of_the_address_reach_the_backend_and_stay_in_the_links() {
    let mut fake = broken_left();
    fake.studies.push(study("1.2.4", ResultSummary::Doubtful, vec![]));
    let (_, html) = page(fake, Some(Role::Reader), "/?result=doubtful&sort=patient").await;
    assert!(html.contains("/study/1.2.4?result=doubtful&amp;sort=patient"), "{html}");
    assert!(!html.contains("href=\"/study/1.2.3"));
    assert!(html.contains("aria-sort=\"ascending\""));
}

#[tokio::test]
async fn kept_views_are_links_without_their_search() {
    let query = StudyQuery {
        search: "SECRETNAME".to_owned(),
        unanswered_only: true,
        per_page: 50,
        ..StudyQuery::default()
    };
    let fake = Fake {
        views: vec![SavedView {
            id: 4,
            name: "Night shift".to_owned(),
            query,
        }],
        ..broken_left()
    };
    let (_, html) = page(fake, Some(Role::Reader), "/?open=1").await;
    let links: Vec<&str> = html
        .split("<a ")
        .skip(1)
        .map(|link| link.split("</a>").next().unwrap_or_default())
        .collect();
    let kept = links
        .iter()
        .find(|link| link.contains("Night shift"))
        .expect("the view");
    assert!(kept.contains("href=\"/?open=1\""), "{kept}");
    assert!(
        !kept.contains("aria-current"),
        "without its search it is another list: {kept}"
    );
    let open = links
        .iter()
        .find(|link| link.contains("Unanswered"))
        .expect("the given view");
    assert!(open.contains("aria-current=\"true\""), "{open}");
    assert!(links.iter().all(|link| !link.contains("SECRETNAME")));
}

#[tokio::test]
async fn a_later_page_says_its_place_and_goes_on_without_a_script() {
    let mut fake = Fake::default();
    for number in 0..120 {
        fake.studies
            .push(study(&format!("1.{number}"), ResultSummary::Negative, vec![]));
    }
    let (_, html) = page(fake, Some(Role::Reader), "/?page=2").await;
    let shown = text(&html);
    assert!(shown.contains("51–100 of 120 studies"), "{shown}");
    assert!(html.contains("href=\"/?page=3\"") && html.contains("href=\"/\""));
    assert!(html.contains("href=\"/study/1.50?page=2\""), "a row remembers its page");
    assert!(html.contains("aria-rowcount=\"121\"") && html.contains("aria-rowindex=\"52\""));
}

#[tokio::test]
async fn the_studies_around_one_are_found_beyond_its_window() {
    async fn opened(path: &str) -> String {
        let mut fake = Fake::default();
        for number in 0..120 {
            fake.studies
                .push(study(&format!("1.77.{number}"), ResultSummary::Negative, vec![]));
        }
        page(fake, Some(Role::Reader), path).await.1
    }
    // The second is opened from a window out of which it has moved since.
    for path in ["/study/1.77.49", "/study/1.77.49?page=2"] {
        let html = opened(path).await;
        assert!(html.contains("href=\"/study/1.77.48\""), "{path}: {html}");
        assert!(html.contains("href=\"/study/1.77.50?page=2\""), "{path}: {html}");
        assert!(html.contains("1.77.52"), "{path}: to be fetched ahead");
    }
    let html = opened("/study/1.77.50?page=2").await;
    assert!(html.contains("href=\"/study/1.77.49\""), "{html}");
    assert!(!opened("/study/1.77.30").await.contains("1.77.52"));
}

#[tokio::test]
async fn an_empty_worklist_explains_how_to_send() {
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/").await;
    assert!(text(&html).contains("No studies yet"));
    assert!(html.contains("/dicomweb/studies"));
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/?state=failed").await;
    assert!(text(&html).contains("No study fits"));
}

#[tokio::test]
async fn names_of_patients_are_escaped() {
    for path in ["/", "/study/1.2.3"] {
        let (status, html) = page(broken_left(), Some(Role::Reader), path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!html.contains("<script>alert"), "{path}");
        assert!(
            html.contains("&lt;script&gt;alert(1)&lt;/script&gt;, Anna &amp; Co"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_study_says_its_findings_hip_by_hip() {
    let (_, html) = page(broken_left(), Some(Role::Reader), "/study/1.2.3").await;
    let text = text(&html);
    for words in [
        "Right hip",
        "No fracture seen",
        "Left hip",
        "Definite: fracture suspected",
        "Likelier intra-capsular",
        "Agree: no fracture",
        "Agree: intra-capsular fracture",
        "Cannot tell",
        "shenton-first",
        "cpu (flex)",
        "2026-11-23 23:13 UTC",
        "77 kV, 12.4 mAs",
        app::words::NOTICE,
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(
        text.find("Right hip")
            .is_some_and(|right| Some(right) < text.find("Left hip"))
    );
}

#[tokio::test]
async fn exclusions_are_in_plain_words() {
    let metal = vec![
        hip(Side::Right, Some(Call::Doubtful), None),
        hip(Side::Left, None, Some(HipExclusion::Metal)),
    ];
    let fake = Fake {
        studies: vec![study(
            "1.2.3",
            ResultSummary::Doubtful,
            vec![
                reading(ReadingStatus::Excluded, Some("not_frontal_pelvis"), vec![]),
                reading(ReadingStatus::Analysed, None, metal),
            ],
        )],
        ..Fake::default()
    };
    let (_, html) = page(fake, Some(Role::Reader), "/study/1.2.3").await;
    let shown = text(&html);
    assert!(
        shown.contains("Set aside: not a frontal x-ray of the pelvis"),
        "{shown}"
    );
    assert!(
        shown.contains("Not read: metal in the hip"),
        "the image with a result opens first: {shown}"
    );
    assert!(shown.contains("Doubtful: look again"));
    assert!(!shown.contains("not_frontal_pelvis"));
}

#[tokio::test]
async fn earlier_studies_of_the_patient_stand_under_the_picture() {
    let mut fake = broken_left();
    fake.studies.push(study("1.2.3.9", ResultSummary::Negative, vec![]));
    let (_, html) = page(fake, Some(Role::Reader), "/study/1.2.3").await;
    let shown = text(&html);
    assert!(html.contains("Earlier studies of this patient"), "{shown}");
    assert!(shown.contains("Pelvis AP · No fracture seen"), "{shown}");
    let (_, html) = page(broken_left(), Some(Role::Reader), "/study/1.2.3").await;
    assert!(!html.contains("Earlier studies of this patient"));
}

#[tokio::test]
async fn every_key_of_the_viewer_stands_on_a_button() {
    let (_, html) = page(broken_left(), Some(Role::Reader), "/study/1.2.3").await;
    // The second names of a key, and the steps of the zoom, which has a tool.
    let unnamed = ["+", "=", "-", "Home", "Backspace"];
    let keys = app::viewer::KEYS.iter().map(|(key, _)| *key);
    for key in keys
        .filter(|key| !unnamed.contains(key))
        .chain(["r", "l", "c", "k", "t"])
    {
        assert!(html.contains(&format!("({key})\"")), "no button says ({key})");
    }
}

#[tokio::test]
async fn the_picture_says_whose_it_is() {
    let (_, html) = page(broken_left(), Some(Role::Reader), "/study/1.2.3").await;
    let caption = html
        .split_once("pane-caption")
        .and_then(|(_, rest)| rest.split_once("</ul>"))
        .unwrap()
        .0;
    let caption = text(caption);
    for words in ["ID P-1", "born 1944-03-01", "2026-03-01 14:05", "Pelvis AP"] {
        assert!(caption.contains(words), "{words} in {caption}");
    }
}

#[tokio::test]
async fn earlier_answers_stay_visible() {
    let mut fake = broken_left();
    let answer = |id, value, comment: &str| Answer {
        id,
        study_uid: StudyUid::from("1.2.3"),
        sop_uid: SopUid::from("1.2.3.0"),
        side: Side::Left,
        value,
        agrees: false,
        comment: comment.to_owned(),
        by: AccountId(1),
        by_name: "anna".to_owned(),
        at: Timestamp(3_600_000),
        given_at: (id == 2).then_some(Timestamp(0)),
    };
    fake.studies[0].answers = vec![
        answer(2, AnswerValue::CannotTell, "rotated"),
        answer(1, AnswerValue::Extracapsular, "first look"),
    ];
    let (_, html) = page(fake, Some(Role::Reader), "/study/1.2.3").await;
    let text = text(&html);
    for words in [
        "Cannot tell",
        "rotated",
        "1 earlier answer",
        "first look",
        "anna",
        "arrived 1970-01-01 01:00",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[tokio::test]
async fn a_site_sees_results_without_a_form() {
    let (_, html) = page(broken_left(), Some(Role::Site), "/study/1.2.3").await;
    assert!(text(&html).contains("Definite: fracture suspected"));
    assert!(!html.contains("answer-form"));
    assert!(!html.contains("href=\"/audit\""));
}

#[tokio::test]
async fn pages_answer_with_the_status_of_their_error() {
    for (role, path, expect) in [
        (None, "/sign-in", StatusCode::OK),
        (Some(Role::Reader), "/study/9.9", StatusCode::NOT_FOUND),
        (Some(Role::Reader), "/audit", StatusCode::FORBIDDEN),
        (Some(Role::Site), "/quarantine", StatusCode::FORBIDDEN),
        (Some(Role::Reader), "/accounts", StatusCode::FORBIDDEN),
        (None, "/", StatusCode::UNAUTHORIZED),
        (None, "/study/1.2.3", StatusCode::UNAUTHORIZED),
    ] {
        let (status, _) = page(broken_left(), role, path).await;
        assert_eq!(status, expect, "{path}");
    }
}

#[tokio::test]
async fn a_signed_out_reader_learns_nothing() {
    for path in ["/", "/study/1.2.3", "/audit"] {
        let (_, html) = page(broken_left(), None, path).await;
        assert!(text(&html).contains("You are signed out"), "{path}");
        assert!(!html.contains("Anna"), "{path}");
    }
}

#[tokio::test]
async fn server_functions_say_their_status() {
    let query = r#"{"query":{"search":"SEARCH","site":null,"state":null,"result":null,"unanswered_only":false,"sort":"suspicion","direction":"natural","page":0,"per_page":50}}"#;
    let boom = query.replace("SEARCH", "boom");
    for (role, function, body, expect) in [
        (None, "worklist", query, 401),
        (Some(Role::Reader), "worklist", query, 200),
        (Some(Role::Reader), "worklist", &boom, 500),
        (Some(Role::Reader), "study", r#"{"study":"9.9"}"#, 404),
        (Some(Role::Site), "audit_check", "{}", 403),
        (Some(Role::Administrator), "audit_check", "{}", 200),
        (None, "session", "{}", 200),
        (
            Some(Role::Administrator),
            "create_account",
            r#"{"new":{"name":"b","role":"reader","site":"main","password":"short"}}"#,
            422,
        ),
        (
            Some(Role::Site),
            "answer",
            r#"{"answer":{"study_uid":"1","sop_uid":"1","side":"left","value":"none","comment":""}}"#,
            403,
        ),
    ] {
        let (status, answer) = call(role, function, body).await;
        assert_eq!(status.as_u16(), expect, "{function}: {answer}");
    }
    let (_, answer) = call(None, "worklist", query).await;
    assert_eq!(answer, r#"{"kind":"signed_out"}"#);
}

#[tokio::test]
async fn nothing_inline_goes_without_the_nonce() {
    for path in [
        "/",
        "/study/1.2.3",
        "/upload",
        "/audit",
        "/quarantine",
        "/accounts",
        "/about",
        "/sign-in",
    ] {
        let (status, html) = page(broken_left(), Some(Role::Administrator), path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!html.contains(" style=\""), "{path} has an inline style");
        assert!(!html.contains("<style"), "{path} has a style element");
        assert!(
            html.contains("/pkg/shenton.css") && html.contains("/pkg/frontend.js"),
            "{path}"
        );
        for script in html.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("nonce=\""), "{path}: <script{tag}>");
        }
        for handler in [" onclick=", " onload=", "javascript:"] {
            assert!(!html.contains(handler), "{path}: {handler}");
        }
    }
}

#[tokio::test]
async fn the_administrators_pages_show_their_lists() {
    for (path, words) in [
        (
            "/audit",
            vec![
                "Refusal",
                "Refused or failed",
                "192.0.2.7",
                "study of another site",
                "2026-11-23 23:13 UTC",
            ],
        ),
        ("/audit?actor=berta", vec!["berta"]),
        ("/quarantine", vec!["holiday.jpg", "not DICOM", "1 kB"]),
        ("/accounts", vec!["some-administrator", "some-site", "New account"]),
        (
            "/about",
            vec!["1,434,176", "Trained on simulated x-rays.", app::words::NOTICE],
        ),
    ] {
        let (_, html) = page(Fake::default(), Some(Role::Administrator), path).await;
        let text = text(&html);
        for word in words {
            assert!(text.contains(word), "{path}: {word} in {text}");
        }
    }
}

#[tokio::test]
async fn cohorts_show_progress_rounds_reviewers_and_history() {
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts").await;
    let list = text(&html);
    for words in ["hips", "5,000", "88 of 4,600 (1.9 %)", "300 hips, locked"] {
        assert!(list.contains(words), "{words} in {list}");
    }
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts/hips").await;
    let cohort = text(&html);
    for words in [
        "99.3 % (97.6 to 99.9)",
        "290 of 300 answered",
        "12 of the false positives",
        "all looked at; score anew",
        "anna",
        "Extra-capsular fracture",
        "theatre.csv line 3",
        "no study of this patient",
        "Review (15 waiting)",
    ] {
        assert!(cohort.contains(words), "{words} in {cohort}");
    }
    assert!(!cohort.contains("known cases,"), "what is mixed in stays unknown");
    assert!(html.contains("class=\"curve\""));
    assert!(!html.contains(" style=\""), "an inline style would be blocked");
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts/applied").await;
    assert!(text(&html).contains("a new sample is needed"), "{html}");
    let (status, _) = page(Fake::default(), Some(Role::Reader), "/cohorts/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = page(Fake::default(), Some(Role::Site), "/cohorts").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_review_shows_one_hip_and_its_records_unless_it_is_blind() {
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts/hips/review").await;
    let shown = text(&html);
    for words in [
        "Left hip: broken?",
        "12 waiting, 34 answered by you",
        "Report and operation differ",
        "F, 82 y",
        "Image 1 · DX PELVIS APThe hip in question",
        "Image 2 · DX HIP LLOf the same study",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert!(html.contains("<mark title=\"fracture\">"), "{html}");
    assert!(html.contains("&lt;b&gt;"), "a report is text");
    for label in [
        "none",
        "fracture_intracapsular",
        "fracture_extracapsular",
        "unknown",
        "excluded",
    ] {
        assert!(html.contains(&format!("data-label=\"{label}\"")), "{label}");
    }
    assert!(!shown.contains("your answer settles it"));
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts/differ/review").await;
    assert!(text(&html).contains("your answer settles it"));
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts/blind/review").await;
    assert!(!text(&html).contains("Records"), "{html}");
    let (_, html) = page(Fake::default(), Some(Role::Reader), "/cohorts/empty/review").await;
    assert!(text(&html).contains("Nothing is waiting for you"));
    let body = r#"{"name":"hips","decision":{"item":3,"version":0,"label":"none","comment":""}}"#;
    assert_eq!(
        call(Some(Role::Site), "review_decide", body).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(call(None, "review_decide", body).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(call(Some(Role::Reader), "review_decide", body).await.0, StatusCode::OK);
}

#[tokio::test]
async fn signing_in_needs_no_script() {
    let (_, html) = page(Fake::default(), None, "/sign-in").await;
    assert!(html.contains("<form method=\"post\" action=\"/sign-in\""));
    assert!(!text(&html).contains("wrong"));
    let (_, html) = page(Fake::default(), None, "/sign-in?failed=1").await;
    assert!(text(&html).contains("The name or the password is wrong"));
    let (_, html) = page(Fake::default(), None, "/sign-in?failed=wait").await;
    assert!(text(&html).contains("Wait a minute"));
}

#[tokio::test]
async fn the_chosen_theme_is_in_the_first_bytes() {
    for (cookie, expect) in [
        ("shenton=x; theme=light", Some("light")),
        ("theme=dark", Some("dark")),
        ("theme=evil\"", None),
    ] {
        let request = Request::get("/sign-in")
            .header("cookie", cookie)
            .body(Body::empty())
            .expect("a request");
        let (_, html) = send(application(Fake::default(), None), request).await;
        match expect {
            Some(theme) => assert!(html.contains(&format!("data-theme=\"{theme}\"")), "{cookie}"),
            None => assert!(!html.contains("data-theme"), "{cookie}"),
        }
    }
}

#[test]
fn a_password_is_never_printed() {
    let new = NewAccount {
        name: "b".to_owned(),
        role: Role::Reader,
        site: SiteId::from("main"),
        password: "correct horse".to_owned(),
    };
    assert!(!format!("{new:?}").contains("horse"));
}

#[test]
fn errors_have_their_status() {
    let invalid = AppError::Invalid("x".to_owned());
    let list = [
        AppError::SignedOut,
        AppError::Forbidden,
        AppError::NotFound,
        invalid,
        AppError::Internal,
    ];
    let statuses: Vec<u16> = list.iter().map(AppError::status).collect();
    assert_eq!(statuses, [401, 403, 404, 422, 500]);
}
