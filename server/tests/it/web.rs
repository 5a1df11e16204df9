//! The whole router as a browser meets it: signing in, who may see what, and the audit trail that results.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use domain::{AuditAction, AuditFilter, AuditOutcome, Role, SiteId, StudyQuery};
use http_body_util::BodyExt;
use server::{auth, clock, router};
use tower::ServiceExt;

use crate::state::app_state;
use crate::util::{Bench, sound};

const PASSWORD: &str = "long enough for anyone";

pub struct Web {
    pub bench: Bench,
    router: Router,
}

impl Web {
    pub async fn new() -> Self {
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
        let router = router::router(app_state(&bench));
        Self { bench, router }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
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

    async fn try_sign_in(&self, name: &str, password: &str) -> Response<Body> {
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
    for _ in 0..5 {
        let response = web.try_sign_in("reader", "wrong").await;
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

#[tokio::test]
async fn server_functions_ask_for_their_caller() {
    let web = Web::new().await;
    let reader = web.sign_in("reader").await;
    let query = serde_json::json!({ "query": StudyQuery { per_page: 10, ..StudyQuery::default() } }).to_string();
    for (name, body) in [
        ("worklist", query.as_str()),
        ("study", r#"{"study":"1.2.3"}"#),
        ("restart", r#"{"study":"1.2.3"}"#),
        ("sites", "{}"),
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
