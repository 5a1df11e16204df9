//! The whole router as a browser meets it: signing in, who may see what, and the audit trail that results.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use domain::{AuditAction, AuditFilter, AuditOutcome, Role, SiteId, StudyQuery};
use http_body_util::BodyExt;
use server::config::Config;
use server::presence::Presence;
use server::state::AppState;
use server::{auth, clock, router};
use tower::ServiceExt;

use crate::state::{app_state, app_state_with};
use crate::util::{Bench, sound};

pub const PASSWORD: &str = "long enough for anyone";

/// The router, and an account of each kind.
pub struct Web {
    pub bench: Bench,
    router: Router,
}

impl Web {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let bench = Bench::new().await;
        for (name, role, site) in [
            ("admin", Role::Administrator, "main"),
            ("reader", Role::Reader, "main"),
            ("north", Role::Site, "north"),
            ("south", Role::Site, "south"),
        ] {
            let hash = auth::hash_password(PASSWORD.to_owned()).await.unwrap();
            bench
                .db
                .create_user(name, role, &SiteId::from(site), &hash, clock::now())
                .await
                .unwrap();
        }
        let router = router::router(app_state_with(&bench, config));
        Self { bench, router }
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str, cookie: Option<&str>) -> Response<Body> {
        let mut request = Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, cookie: &str, kind: &str, body: impl Into<Body>) -> Response<Body> {
        let request = Request::post(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, kind)
            .header("sec-fetch-site", "same-origin")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    pub async fn try_sign_in(&self, name: &str, password: &str) -> Response<Body> {
        let body = format!("name={name}&password={}", password.replace(' ', "+"));
        let request = Request::post("/sign-in")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    /// Signs in and gives the session's cookie.
    pub async fn sign_in(&self, name: &str) -> String {
        let response = self.try_sign_in(name, PASSWORD).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[header::LOCATION], "/");
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        cookie.split(';').next().unwrap().to_owned()
    }

    pub async fn audited(&self, action: AuditAction) -> Vec<domain::AuditEvent> {
        let filter = AuditFilter {
            action: Some(action),
            per_page: 100,
            ..AuditFilter::default()
        };
        self.bench.db.audit_events(&filter).await.unwrap().rows
    }
}

pub async fn text(response: Response<Body>) -> String {
    String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()).into_owned()
}

#[tokio::test]
async fn whoever_is_signed_out_sees_the_sign_in_page_and_nothing_else() {
    let web = Web::new().await;
    for page in [
        "/",
        "/upload",
        "/audit",
        "/accounts",
        "/quarantine",
        "/about",
        "/study/1.2.3",
    ] {
        let response = web.get(page, None).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{page}");
        assert_eq!(response.headers()[header::LOCATION], "/sign-in", "{page}");
    }
    for path in [
        "/frames/1.2.3",
        "/frames/1.2.3/progressive",
        "/frames/1.2.3/thumbnail",
        "/frames/of/1.2.3",
        "/events",
        "/dicomweb/studies/1.2/series/1.2/instances/1.2",
    ] {
        assert_eq!(web.get(path, None).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let page = web.get("/sign-in", None).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(page).await.contains("<form"));
}

#[tokio::test]
async fn sign_in_and_its_refusal_are_audited_and_guessing_is_slowed() {
    let web = Web::new().await;
    web.sign_in("reader").await;
    // One account, however it is spelled.
    for name in ["reader", "Reader", "READER ", " reader", "reader"] {
        let response = web.try_sign_in(name, "wrong").await;
        assert_eq!(response.headers()[header::LOCATION], "/sign-in?failed=1");
    }
    // The right password no longer helps for a minute.
    let response = web.try_sign_in("reader", PASSWORD).await;
    assert_eq!(response.headers()[header::LOCATION], "/sign-in?failed=wait");
    let events = web.audited(AuditAction::SignIn).await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event.outcome == AuditOutcome::Success)
            .count(),
        1
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| event.outcome == AuditOutcome::Failure)
            .count(),
        5
    );
    assert!(
        !format!("{events:?}").contains("wrong\""),
        "a typed password never reaches the trail"
    );
}

#[tokio::test]
async fn a_disabled_account_loses_its_open_session() {
    let web = Web::new().await;
    let cookie = web.sign_in("reader").await;
    assert_eq!(web.get("/", Some(&cookie)).await.status(), StatusCode::OK);
    let (user, _) = web.bench.db.user_by_name("reader").await.unwrap().unwrap();
    web.bench.db.set_disabled(user.id, true).await.unwrap();
    assert_eq!(web.get("/", Some(&cookie)).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let web = Web::new().await;
    let cookie = web.sign_in("reader").await;
    let other = web.sign_in("north").await;
    let (user, _) = web.bench.db.user_by_name("reader").await.unwrap().unwrap();
    let hash = server::auth::hash_password("another-password-77".to_owned())
        .await
        .unwrap();
    web.bench.db.set_password(user.id, &hash).await.unwrap();
    assert_eq!(web.get("/", Some(&cookie)).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(web.get("/", Some(&other)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let web = Web::new().await;
    let cookie = web.sign_in("reader").await;
    assert_eq!(
        web.post("/sign-out", &cookie, "text/plain", "").await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(web.get("/", Some(&cookie)).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(web.audited(AuditAction::SignOut).await.len(), 1);
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_write() {
    let web = Web::new().await;
    let cookie = web.sign_in("reader").await;
    let request = Request::post("/upload/file")
        .header(header::COOKIE, &cookie)
        .header("sec-fetch-site", "cross-site")
        .body(Body::from(sound("1.2.3", "1.2.3.4", 32)))
        .unwrap();
    assert_eq!(web.send(request).await.status(), StatusCode::FORBIDDEN);
    assert!(web.bench.db.instance(&"1.2.3.4".into()).await.unwrap().is_none());
}

#[tokio::test]
async fn pages_carry_a_nonce_policy_and_the_security_headers() {
    let web = Web::new().await;
    let cookie = web.sign_in("reader").await;
    let response = web.get("/", Some(&cookie)).await;
    let headers = response.headers().clone();
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
        "{policy}"
    );
    let nonce = policy
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap()
        .to_owned();
    let page = text(response).await;
    assert!(
        page.contains(&format!("nonce=\"{nonce}\"")),
        "the page's scripts carry the policy's nonce"
    );
    for script in page.split("<script").skip(1) {
        assert!(
            script.split('>').next().unwrap().contains("nonce="),
            "a script without a nonce: {script:.80}"
        );
    }
    assert!(!page.contains(" style=\""), "an inline style would be blocked");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_site_sees_its_own_studies_at_every_route() {
    let web = Web::new().await;
    let north = web.sign_in("north").await;
    let south = web.sign_in("south").await;
    let file = sound("1.2.840.1", "1.2.840.1.5", 64);
    let response = web
        .post("/upload/file", &north, "application/octet-stream", file.clone())
        .await;
    assert_eq!(response.status(), StatusCode::OK, "{}", text(response).await);
    let instance = web.bench.db.instance(&"1.2.840.1.5".into()).await.unwrap().unwrap();
    assert_eq!(instance.site, SiteId::from("north"));

    for (cookie, seen) in [(&north, true), (&south, false)] {
        let worklist = text(web.get("/", Some(cookie)).await).await;
        assert_eq!(worklist.contains("1.2.840.1"), seen, "worklist");
        let study = text(web.get("/study/1.2.840.1", Some(cookie)).await).await;
        assert_eq!(study.contains("TEST-1"), seen, "study page");
        let frame = web.get("/frames/1.2.840.1.5", Some(cookie)).await.status();
        assert_eq!(
            frame,
            if seen { StatusCode::OK } else { StatusCode::NOT_FOUND },
            "frame"
        );
        let instance = web
            .get(
                "/dicomweb/studies/1.2.840.1/series/1.2.840.1.1/instances/1.2.840.1.5",
                Some(cookie),
            )
            .await;
        assert_eq!(instance.status() == StatusCode::OK, seen, "WADO-RS");
        let audit = text(web.get("/audit", Some(cookie)).await).await;
        assert!(
            !audit.contains("sign_in") || audit.contains("may not"),
            "a site never reads the audit trail"
        );
    }
    let viewed = web.audited(AuditAction::ViewStudy).await;
    assert_eq!(
        viewed.iter().map(|event| event.actor.as_str()).collect::<Vec<_>>(),
        ["north"]
    );
    let refused = web.audited(AuditAction::Refusal).await;
    assert!(
        refused
            .iter()
            .any(|event| event.actor == "south" && event.object == "1.2.840.1"),
        "{refused:?}"
    );
    // A site may not add to another site's study.
    let other = sound("1.2.840.1", "1.2.840.1.6", 64);
    let response = web
        .post("/upload/file", &south, "application/octet-stream", other)
        .await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_damaged_upload_is_refused_in_words_and_kept_for_the_administrator() {
    let web = Web::new().await;
    let cookie = web.sign_in("reader").await;
    let request = Request::post("/upload/file")
        .header(header::COOKIE, &cookie)
        .header("x-file-name", "holiday%20picture.jpg")
        .header("sec-fetch-site", "same-origin")
        .body(Body::from("this is no DICOM file"))
        .unwrap();
    let response = web.send(request).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let answer: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(answer["file"], "holiday picture.jpg");
    assert_eq!(answer["outcome"], "refused");
    assert!(!answer["reason"].as_str().unwrap().is_empty());
    let kept = web.bench.db.quarantine(0, 10).await.unwrap();
    assert_eq!(kept.total, 1);
    assert_eq!(kept.rows[0].file_name, "holiday picture.jpg");
}

/// The next list of open studies in an event stream, as `study name`.
async fn readers(stream: &mut Body) -> Vec<String> {
    let next = async {
        loop {
            let frame = stream.frame().await.unwrap().unwrap();
            let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
            let Some(list) = text.strip_prefix("event: readers\ndata: ") else {
                continue;
            };
            let list: Vec<app::wire::ReadBy> = serde_json::from_str(list.trim()).unwrap();
            return list.into_iter().map(|by| format!("{} {}", by.study, by.name)).collect();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), next).await.unwrap()
}

#[tokio::test]
async fn open_pages_learn_who_reads_what_and_a_site_of_its_own_studies_alone() {
    let web = Web::new().await;
    let state = AppState {
        presence: Arc::new(Presence::with_grace(Duration::from_millis(50))),
        ..app_state(&web.bench)
    };
    let web = Web {
        router: router::router(state),
        ..web
    };
    let (admin, reader) = (web.sign_in("admin").await, web.sign_in("reader").await);
    let (north, south) = (web.sign_in("north").await, web.sign_in("south").await);
    let file = sound("1.2.840.1", "1.2.840.1.5", 64);
    web.post("/upload/file", &north, "application/octet-stream", file).await;
    let open = async |path: &str, cookie: &str| web.get(path, Some(cookie)).await.into_body();

    let mut lists = [
        open("/events", &admin).await,
        open("/events", &north).await,
        open("/events", &south).await,
    ];
    for list in &mut lists {
        assert_eq!(readers(list).await, Vec::<String>::new(), "said at once");
    }
    let [admins, norths, souths] = &mut lists;
    let mut study = open("/events?reading=1.2.840.1", &reader).await;
    assert_eq!(readers(admins).await, ["1.2.840.1 reader"]);
    assert_eq!(readers(norths).await, ["1.2.840.1 reader"]);
    assert_eq!(readers(&mut study).await, ["1.2.840.1 reader"]);
    // A site that looks at its result reads nothing.
    let mut seen = open("/events?reading=1.2.840.1", &north).await;
    assert_eq!(readers(&mut seen).await, ["1.2.840.1 reader"]);
    // The page goes.
    drop(study);
    assert_eq!(readers(admins).await, Vec::<String>::new());
    // Another site's study is not there, and nobody of that site was told of it.
    let refused = web.get("/events?reading=1.2.840.1", Some(&south)).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    let missing = web.get("/events?reading=9.9", Some(&reader)).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let silent = tokio::time::timeout(Duration::from_millis(200), readers(souths)).await;
    assert!(silent.is_err(), "{silent:?}");
}

#[tokio::test]
async fn a_view_is_its_readers_own_and_no_text_of_it_reaches_the_trail() {
    let web = Web::new().await;
    let (admin, reader) = (web.sign_in("admin").await, web.sign_in("reader").await);
    let call = async |cookie: &str, function: &str, body: serde_json::Value| {
        let path = format!("/api/{function}");
        let response = web.post(&path, cookie, "application/json", body.to_string()).await;
        (response.status(), text(response).await)
    };
    let query = StudyQuery {
        search: "SECRETNAME".to_owned(),
        unanswered_only: true,
        per_page: 7,
        ..StudyQuery::default()
    };
    let (status, answer) = call(
        &reader,
        "save_view",
        serde_json::json!({ "name": "  Mrs  Secretname ", "query": query }),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let view: domain::SavedView = serde_json::from_str(&answer).unwrap();
    assert_eq!(view.name, "Mrs Secretname");
    assert_eq!((view.query.search.as_str(), view.query.per_page), ("SECRETNAME", 50));
    assert!(
        call(&reader, "views", serde_json::json!({}))
            .await
            .1
            .contains("Mrs Secretname")
    );
    assert_eq!(call(&admin, "views", serde_json::json!({})).await.1, "[]");
    for name in ["", "   ", "a\u{7}b", &"x".repeat(61)] {
        let (status, _) = call(
            &reader,
            "save_view",
            serde_json::json!({ "name": name, "query": query }),
        )
        .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
    }
    let forget = serde_json::json!({ "id": view.id });
    assert_eq!(
        call(&admin, "delete_view", forget.clone()).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(call(&reader, "delete_view", forget.clone()).await.0, StatusCode::OK);
    assert_eq!(call(&reader, "delete_view", forget).await.0, StatusCode::NOT_FOUND);
    let settings = web.audited(AuditAction::Setting).await;
    let details: Vec<&str> = settings.iter().rev().map(|event| event.detail.as_str()).collect();
    assert_eq!(
        details,
        [format!("view {} saved", view.id), format!("view {} removed", view.id)]
    );
    let all = web
        .bench
        .db
        .audit_events(&AuditFilter {
            per_page: 100,
            ..AuditFilter::default()
        })
        .await
        .unwrap();
    assert!(!format!("{all:?}").to_lowercase().contains("secretname"));
}

#[tokio::test]
async fn server_functions_ask_for_their_caller() {
    let web = Web::new().await;
    let reader = web.sign_in("reader").await;
    let query = serde_json::json!({ "query": StudyQuery { per_page: 10, ..StudyQuery::default() } }).to_string();
    for (name, body) in [
        ("worklist", query.as_str()),
        ("study", r#"{"study":"1.2.3"}"#),
        ("restart", r#"{"study":"1.2.3"}"#),
        ("kept_view", r#"{"sop":"1.2.3"}"#),
        ("keep_view", r#"{"sop":"1.2.3","view":"{}"}"#),
        ("heat_maps", r#"{"sop":"1.2.3"}"#),
        ("earlier", r#"{"study":"1.2.3"}"#),
        ("sites", "{}"),
        ("views", "{}"),
        ("delete_view", r#"{"id":1}"#),
        ("audit_check", "{}"),
        ("accounts", "{}"),
        ("models", "{}"),
    ] {
        let response = web
            .post(&format!("/api/{name}"), "other=1", "application/json", body.to_owned())
            .await;
        assert_eq!(
            response.status(),
            StatusCode::UNAUTHORIZED,
            "{name}: {}",
            text(response).await
        );
    }
    assert_eq!(
        web.post("/api/worklist", &reader, "application/json", query)
            .await
            .status(),
        StatusCode::OK
    );
    // A reader is signed in, but the accounts are the administrator's.
    let response = web.post("/api/accounts", &reader, "application/json", "{}").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN, "{}", text(response).await);
    let admin = web.sign_in("admin").await;
    let response = web.post("/api/accounts", &admin, "application/json", "{}").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(text(response).await.contains("north"));
}

/// A picture of 64 x 64 pixels at the site `north`, in the store.
async fn with_picture(web: &Web) -> String {
    let north = web.sign_in("north").await;
    let file = sound("1.2.840.1", "1.2.840.1.5", 64);
    let response = web.post("/upload/file", &north, "application/octet-stream", file).await;
    assert_eq!(response.status(), StatusCode::OK, "{}", text(response).await);
    north
}

async fn get_range(web: &Web, cookie: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
    let mut request = Request::get("/frames/1.2.840.1.5/progressive?v=1").header(header::COOKIE, cookie);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    web.send(request.body(Body::empty()).unwrap()).await
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn a_picture_is_served_by_byte_range_and_is_lossless_in_the_end() {
    let web = Web::new().await;
    let north = with_picture(&web).await;
    let sha256 = web
        .bench
        .db
        .instance(&"1.2.840.1.5".into())
        .await
        .unwrap()
        .unwrap()
        .sha256;
    let derived = web.bench.storage.derived_path(&sha256);
    assert!(!derived.exists());
    let whole = get_range(&web, &north, &[(header::ACCEPT_ENCODING, "br, gzip")]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert!(derived.exists(), "made at the first view");
    let headers = whole.headers().clone();
    assert!(!headers.contains_key(header::CONTENT_ENCODING));
    assert_eq!(headers[header::ACCEPT_RANGES], "bytes");
    let caching = headers[header::CACHE_CONTROL].to_str().unwrap();
    assert!(
        caching.contains("private") && caching.contains("immutable"),
        "{caching}"
    );
    let etag = headers[header::ETAG].to_str().unwrap().to_owned();
    let whole = bytes(whole).await;
    assert_eq!(
        headers[header::CONTENT_LENGTH].to_str().unwrap(),
        whole.len().to_string()
    );

    let mut decoder = progressive::Decoder::new(1 << 20);
    decoder.push(&whole);
    let (_, frame) = web
        .bench
        .decoder
        .decode(&web.bench.storage.instance_path(&sha256))
        .await
        .unwrap();
    assert_eq!(decoder.finish().unwrap(), frame);

    // In two ranges, the second with the version that the first one was of.
    let first = get_range(&web, &north, &[(header::RANGE, "bytes=0-99")]).await;
    assert_eq!(first.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        first.headers()[header::CONTENT_RANGE].to_str().unwrap(),
        format!("bytes 0-99/{}", whole.len())
    );
    let rest = get_range(
        &web,
        &north,
        &[(header::RANGE, "bytes=100-"), (header::IF_RANGE, &etag)],
    )
    .await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!([bytes(first).await, bytes(rest).await].concat(), whole);

    let other = get_range(
        &web,
        &north,
        &[(header::RANGE, "bytes=100-"), (header::IF_RANGE, "\"x\"")],
    )
    .await;
    assert_eq!(other.status(), StatusCode::OK, "of another version, all is sent");
    let outside = get_range(&web, &north, &[(header::RANGE, "bytes=99999999-")]).await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let known = get_range(&web, &north, &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    // Lost or half written, it is made again.
    std::fs::remove_file(&derived).unwrap();
    assert_eq!(bytes(get_range(&web, &north, &[]).await).await, whole);

    let views = web.audited(AuditAction::ViewImage).await;
    assert!(
        views
            .iter()
            .all(|event| event.actor == "north" && event.object == "1.2.840.1.5")
    );
    let details: Vec<&str> = views.iter().map(|event| event.detail.as_str()).collect();
    assert_eq!(
        details,
        ["", "held already", "", "from byte 100", "", ""],
        "newest first; one for each request that got bytes or knew them"
    );
}

#[tokio::test]
async fn a_picture_is_fetched_ahead_by_who_may_see_it_and_the_trail_says_so() {
    let web = Web::new().await;
    let north = with_picture(&web).await;
    let south = web.sign_in("south").await;
    let of = "/frames/of/1.2.840.1";
    assert_eq!(web.get(of, None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(web.get(of, Some(&south)).await.status(), StatusCode::NOT_FOUND);
    let addresses: Vec<String> = serde_json::from_str(&text(web.get(of, Some(&north)).await).await).unwrap();
    assert_eq!(addresses, ["/frames/1.2.840.1.5/progressive?v=1"]);
    assert_eq!(
        web.audited(AuditAction::ViewStudy).await.len(),
        0,
        "asking for addresses is no view"
    );

    assert_eq!(web.get(&addresses[0], None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        web.get(&addresses[0], Some(&south)).await.status(),
        StatusCode::NOT_FOUND
    );
    let ahead = header::HeaderName::from_static("x-shenton-ahead");
    let response = get_range(&web, &north, &[(ahead, "1"), (header::RANGE, "bytes=0-65535")]).await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let views = web.audited(AuditAction::ViewImage).await;
    assert_eq!(
        views.iter().map(|event| event.detail.as_str()).collect::<Vec<_>>(),
        ["fetched ahead"]
    );
}

#[tokio::test]
async fn an_answer_sent_twice_under_one_key_is_kept_and_audited_once() {
    let web = Web::new().await;
    with_picture(&web).await;
    let reader = web.sign_in("reader").await;
    let body = |key: &str| {
        format!(
            r#"{{"answer":{{"study_uid":"1.2.840.1","sop_uid":"1.2.840.1.5","side":"left","value":"none","comment":"","key":"{key}"}}}}"#
        )
    };
    for key in ["a", "a", "b"] {
        let response = web.post("/api/answer", &reader, "application/json", body(key)).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", text(response).await);
    }
    let response = web
        .post("/api/answer", &reader, "application/json", body(&"k".repeat(65)))
        .await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let answers = web.bench.db.study(&"1.2.840.1".into()).await.unwrap().unwrap().answers;
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|answer| answer.given_at.is_none()));
    assert_eq!(web.audited(AuditAction::Answer).await.len(), 2);
}

#[tokio::test]
async fn an_answer_that_waited_is_kept_with_the_time_it_was_given() {
    let web = Web::new().await;
    with_picture(&web).await;
    let reader = web.sign_in("reader").await;
    for (number, waited, expected) in [
        (1, 3_600_000_u64, Some(3_600_000)),
        (2, 900, None),
        // No clock is believed that is years off.
        (3, 1 << 40, None),
    ] {
        let body = format!(
            r#"{{"answer":{{"study_uid":"1.2.840.1","sop_uid":"1.2.840.1.5","side":"left","value":"none","comment":"","waited_ms":{waited}}}}}"#
        );
        let response = web.post("/api/answer", &reader, "application/json", body).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", text(response).await);
        let answers = web.bench.db.study(&"1.2.840.1".into()).await.unwrap().unwrap().answers;
        assert_eq!(answers.len(), number);
        let kept = answers[0].given_at.map(|given| answers[0].at.0 - given.0);
        assert_eq!(kept, expected, "{waited}");
    }
}

#[tokio::test]
async fn an_answer_is_taken_from_the_session_of_who_gave_it_alone() {
    let web = Web::new().await;
    with_picture(&web).await;
    let reader = web.sign_in("reader").await;
    for (account, status) in [("somebody", StatusCode::UNAUTHORIZED), ("reader", StatusCode::OK)] {
        let body = format!(
            r#"{{"answer":{{"study_uid":"1.2.840.1","sop_uid":"1.2.840.1.5","side":"left","value":"none","comment":"","account":"{account}"}}}}"#
        );
        let response = web.post("/api/answer", &reader, "application/json", body).await;
        assert_eq!(response.status(), status, "{account}");
    }
    let answers = web.bench.db.study(&"1.2.840.1".into()).await.unwrap().unwrap().answers;
    assert_eq!(answers.len(), 1);
}
