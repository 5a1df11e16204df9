//! Who may do what: one table over every route, and how sessions end.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{AuditAction, AuditOutcome, StudyQuery};
use serde_json::{Value, json};
use server::config::Config;
use server::ingest::Door;

use crate::util::{http, sound};
use crate::web::{PASSWORD, Web, text};

/// The callers of the table, in its order. `south` is of another site than the study.
const CALLERS: [&str; 5] = ["", "south", "north", "reader", "admin"];
/// The study of the site `north`.
const STUDY: &str = "1.2.840.7";
const INSTANCE: &str = "1.2.840.7.5";

/// A request and the status that each of [`CALLERS`] gets.
struct Row {
    /// As the router names it.
    pattern: &'static str,
    method: Method,
    path: String,
    kind: &'static str,
    /// The number of the caller gives each an instance of its own to send.
    body: Box<dyn Fn(usize) -> Vec<u8>>,
    expect: [u16; 5],
}

/// A page for all who are signed in; the others are sent to the sign-in.
fn page(pattern: &'static str, path: &str) -> Row {
    Row {
        pattern,
        method: Method::GET,
        path: path.to_owned(),
        kind: "",
        body: Box::new(|_| Vec::new()),
        expect: [303, 200, 200, 200, 200],
    }
}

fn get(pattern: &'static str, path: &str, expect: [u16; 5]) -> Row {
    Row {
        expect,
        ..page(pattern, path)
    }
}

fn post(
    pattern: &'static str,
    path: &str,
    kind: &'static str,
    body: impl Fn(usize) -> Vec<u8> + 'static,
    expect: [u16; 5],
) -> Row {
    Row {
        method: Method::POST,
        kind,
        body: Box::new(body),
        ..get(pattern, path, expect)
    }
}

/// A server function.
fn function(pattern: &'static str, body: Value, expect: [u16; 5]) -> Row {
    post(
        pattern,
        pattern,
        "application/json",
        move |_| body.to_string().into_bytes(),
        expect,
    )
}

fn table() -> Vec<Row> {
    let query = json!({ "query": StudyQuery { per_page: 10, ..StudyQuery::default() } });
    let answer = json!({ "answer": {
        "study_uid": STUDY, "sop_uid": INSTANCE, "side": "right", "value": "none", "comment": "",
    } });
    let filter = json!({ "filter": domain::AuditFilter { per_page: 10, ..domain::AuditFilter::default() } });
    let events = json!({ "name": "none", "page": 0 });
    let decision = domain::cohort::DecisionInput {
        item: 1,
        version: 1,
        label: domain::cohort::Label::None,
        comment: String::new(),
    };
    let decision = json!({ "name": "none", "decision": decision });
    let account = json!({ "new": { "name": "new", "role": "reader", "site": "main", "password": "short" } });
    let instance = format!("/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/{INSTANCE}");
    let another = |door: u32| move |caller| sound(STUDY, &format!("{STUDY}.9.{door}.{caller}"), 32);
    let parts = move |door: u32| move |caller| http::multipart([another(door)(caller).as_slice()]);
    vec![
        page("/", "/"),
        get(
            "/study/{study_uid}",
            &format!("/study/{STUDY}"),
            [303, 404, 200, 200, 200],
        ),
        page("/upload", "/upload"),
        get("/audit", "/audit", [303, 403, 403, 403, 200]),
        get("/quarantine", "/quarantine", [303, 403, 403, 403, 200]),
        get("/accounts", "/accounts", [303, 403, 403, 403, 200]),
        // Cohorts are for those who answer; of this one nobody has heard.
        get("/cohorts", "/cohorts", [303, 403, 403, 200, 200]),
        get("/cohorts/{name}", "/cohorts/none", [303, 403, 403, 404, 404]),
        get(
            "/cohorts/{name}/review",
            "/cohorts/none/review",
            [303, 403, 403, 404, 404],
        ),
        page("/about", "/about"),
        get("/sign-in", "/sign-in", [200; 5]),
        // Below, nobody is sent elsewhere.
        get(
            "/frames/{sop_uid}",
            &format!("/frames/{INSTANCE}"),
            [401, 404, 200, 200, 200],
        ),
        get(
            "/frames/{sop_uid}/progressive",
            &format!("/frames/{INSTANCE}/progressive"),
            [401, 404, 200, 200, 200],
        ),
        get(
            "/frames/{sop_uid}/thumbnail",
            &format!("/frames/{INSTANCE}/thumbnail"),
            [401, 404, 200, 200, 200],
        ),
        get(
            "/frames/of/{study_uid}",
            &format!("/frames/of/{STUDY}"),
            [401, 404, 200, 200, 200],
        ),
        get("/events", "/events", [401, 200, 200, 200, 200]),
        post(
            "/upload/file",
            "/upload/file",
            "",
            another(1),
            [401, 422, 200, 200, 200],
        ),
        post(
            "/studies",
            "/dicomweb/studies",
            http::CONTENT_TYPE,
            parts(2),
            [401, 409, 200, 200, 200],
        ),
        post(
            "/studies/{study}",
            &format!("/dicomweb/studies/{STUDY}"),
            http::CONTENT_TYPE,
            parts(3),
            [401, 409, 200, 200, 200],
        ),
        get(
            "/studies/{study}/series/{series}/instances/{instance}",
            &instance,
            [401, 404, 200, 200, 200],
        ),
        // Who asks who is signed in is told: nobody.
        function("/api/session", json!({}), [200; 5]),
        function("/api/models", json!({}), [401, 200, 200, 200, 200]),
        function("/api/worklist", query.clone(), [401, 200, 200, 200, 200]),
        function("/api/worklist_again", query, [401, 200, 200, 200, 200]),
        function("/api/sites", json!({}), [401, 200, 200, 200, 200]),
        function("/api/study", json!({ "study": STUDY }), [401, 404, 200, 200, 200]),
        // A site looks on; readers answer.
        function("/api/answer", answer, [401, 404, 403, 200, 200]),
        // Nothing is analysed yet, so there is nothing to restart.
        function("/api/restart", json!({ "study": STUDY }), [401, 404, 403, 422, 422]),
        function("/api/earlier", json!({ "study": STUDY }), [401, 404, 200, 200, 200]),
        // Everybody keeps the own view of a picture that they may see; this one is none.
        function("/api/kept_view", json!({ "sop": INSTANCE }), [401, 404, 200, 200, 200]),
        function(
            "/api/keep_view",
            json!({ "sop": INSTANCE, "view": "" }),
            [401, 404, 422, 422, 422],
        ),
        function("/api/heat_maps", json!({ "sop": INSTANCE }), [401, 404, 422, 422, 422]),
        // Views of the worklist are everybody's own; one needs a name, and there is none to remove.
        function("/api/views", json!({}), [401, 200, 200, 200, 200]),
        function(
            "/api/save_view",
            json!({ "name": "", "query": StudyQuery { per_page: 10, ..StudyQuery::default() } }),
            [401, 422, 422, 422, 422],
        ),
        function("/api/delete_view", json!({ "id": 0 }), [401, 404, 404, 404, 404]),
        function("/api/cohorts", json!({}), [401, 403, 403, 200, 200]),
        function("/api/cohort", json!({ "name": "none" }), [401, 403, 403, 404, 404]),
        function("/api/cohort_events", events.clone(), [401, 403, 403, 404, 404]),
        function("/api/cohort_unused", events, [401, 403, 403, 404, 404]),
        function("/api/review_desk", json!({ "name": "none" }), [401, 403, 403, 404, 404]),
        function("/api/review_decide", decision, [401, 403, 403, 404, 404]),
        function(
            "/api/review_undo",
            json!({ "name": "none", "item": 1 }),
            [401, 403, 403, 404, 404],
        ),
        function("/api/audit", filter, [401, 403, 403, 403, 200]),
        function("/api/audit_check", json!({}), [401, 403, 403, 403, 200]),
        function(
            "/api/quarantine",
            json!({ "page": 0, "per_page": 10 }),
            [401, 403, 403, 403, 200],
        ),
        function("/api/accounts", json!({}), [401, 403, 403, 403, 200]),
        // The administrator may, but not so: too short a password, and not the own account.
        function("/api/create_account", account, [401, 403, 403, 403, 422]),
        function(
            "/api/set_password",
            json!({ "id": 1, "password": "short" }),
            [401, 403, 403, 403, 422],
        ),
        function(
            "/api/set_disabled",
            json!({ "id": 1, "disabled": true }),
            [401, 403, 403, 403, 422],
        ),
    ]
}

/// Routes that are for everybody and change nothing but a session.
const OPEN: [&str; 4] = ["/sign-in", "/sign-out", "/pkg", "/healthz"];

fn request(row: &Row, caller: usize, cookie: Option<&str>, site: &str) -> Request<Body> {
    let mut request = Request::builder()
        .method(row.method.clone())
        .uri(&row.path)
        .header("host", "shenton.example")
        .header("sec-fetch-site", site);
    if !row.kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, row.kind);
    }
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    request.body(Body::from((row.body)(caller))).unwrap()
}

/// The table's study, on the server.
async fn stock(web: &Web) {
    let cookie = web.sign_in("north").await;
    let file = sound(STUDY, INSTANCE, 64);
    let response = web
        .post("/upload/file", &cookie, "application/octet-stream", file)
        .await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn every_route_knows_its_callers() {
    let web = Web::new().await;
    stock(&web).await;
    for (number, name) in CALLERS.into_iter().enumerate() {
        let cookie = match name {
            "" => None,
            name => Some(web.sign_in(name).await),
        };
        for row in table() {
            let route = format!("{} {} as {name:?}", row.method, row.path);
            let response = web.send(request(&row, number, cookie.as_deref(), "same-origin")).await;
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            let is_page = row.pattern.starts_with('/') && row.method == Method::GET && row.expect[0] != 401;
            // An event stream has no end to wait for.
            let body = if row.pattern == "/events" {
                String::new()
            } else {
                text(response).await
            };
            assert_eq!(status, row.expect[number], "{route}: {body:.300}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{route}");
            assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY", "{route}");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{route}: {policy}");
            if is_page && status == 200 {
                assert!(policy.contains("script-src 'self' 'nonce-"), "{route}: {policy}");
            }
            assert!(
                !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
                "{route}: {policy}"
            );
            if name == "south" {
                // Its own request may name the study; no answer to it does.
                assert!(
                    !body.contains("TEST^PATIENT") && !body.contains("TEST-1"),
                    "{route}: {body}"
                );
                if row.pattern == "/api/sites" {
                    assert_eq!(body, "[]", "{route}");
                }
                if row.pattern.starts_with("/api/worklist") {
                    assert!(body.contains("\"total\":0"), "{route}: {body}");
                }
            }
            if ["/audit", "/quarantine", "/accounts"].contains(&row.pattern) && name != "admin" {
                assert!(name.is_empty() || body.contains("may not do this"), "{route}");
            }
        }
    }
    // South left nothing in the study, and each of its tries is written down.
    let instances = web.bench.db.instances_of(&STUDY.into()).await.unwrap();
    assert_eq!(instances.len(), 1 + 3 * 3);
    assert!(instances.iter().all(|instance| instance.sender.as_str() != "south"));
    let refused = web.audited(AuditAction::Refusal).await;
    let of_south = |object: &str| {
        refused
            .iter()
            .filter(|event| event.actor == "south" && event.object == object)
            .count()
    };
    // The page, which may ask for more than one thing, study, answer, restart, earlier, and the addresses of frames.
    assert!(of_south(STUDY) >= 6, "{refused:?}");
    // The frame three times, WADO-RS, the kept view read and written, and the heat maps.
    assert_eq!(of_south(INSTANCE), 7, "{refused:?}");
    let failed = web.audited(AuditAction::Upload).await;
    let failed = failed
        .iter()
        .filter(|event| event.actor == "south" && event.outcome == AuditOutcome::Failure);
    assert_eq!(failed.count(), 3);
}

#[tokio::test]
async fn the_table_holds_every_route() {
    let table = table();
    let known: BTreeSet<&str> = table.iter().map(|row| row.pattern).chain(OPEN).collect();
    let mut routes = BTreeSet::new();
    for (path, _) in leptos::server_fn::axum::server_fn_paths() {
        routes.insert(path.to_owned());
    }
    for listing in leptos_axum::generate_route_list(app::App) {
        routes.insert(listing.path().to_owned());
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in ["router.rs", "dicomweb.rs"] {
        let text = std::fs::read_to_string(source.join(file)).unwrap();
        for call in [".route(", ".nest_service("] {
            for after in text.split(call).skip(1) {
                routes.insert(after.split('"').nth(1).unwrap().to_owned());
            }
        }
    }
    println!("{} routes: {routes:?}", routes.len());
    assert!(routes.len() >= table.len());
    let missing: Vec<_> = routes.iter().filter(|route| !known.contains(route.as_str())).collect();
    assert!(missing.is_empty(), "not in the table of who may do what: {missing:?}");
    for row in &table {
        let pattern = row.pattern;
        assert!(routes.contains(pattern), "{pattern} is in the table and is no route");
    }
}

#[tokio::test]
async fn no_other_site_makes_a_browser_write() {
    let web = Web::new().await;
    stock(&web).await;
    let cookie = web.sign_in("admin").await;
    let before = web.bench.db.instances_of(&STUDY.into()).await.unwrap().len();
    let mut tried = 0;
    for row in table().into_iter().filter(|row| row.method == Method::POST) {
        for site in ["cross-site", "same-site"] {
            let response = web.send(request(&row, 4, Some(&cookie), site)).await;
            assert_eq!(response.status(), 403, "{} from {site}", row.path);
            tried += 1;
        }
    }
    for path in ["/sign-in", "/sign-out"] {
        let forged = Request::post(path)
            .header(header::COOKIE, &cookie)
            .header("sec-fetch-site", "cross-site")
            .body(Body::empty())
            .unwrap();
        assert_eq!(web.send(forged).await.status(), 403, "{path}");
        tried += 1;
    }
    assert_eq!(web.bench.db.instances_of(&STUDY.into()).await.unwrap().len(), before);
    assert_eq!(web.get("/", Some(&cookie)).await.status(), 200, "still signed in");
    let refused = web.audited(AuditAction::Refusal).await;
    let here = refused
        .iter()
        .filter(|event| event.detail.contains("another site"))
        .count();
    assert_eq!(here, tried);
}

#[tokio::test]
async fn a_session_of_a_disabled_account_opens_nothing() {
    let web = Web::new().await;
    stock(&web).await;
    let cookie = web.sign_in("reader").await;
    let (user, _) = web.bench.db.user_by_name("reader").await.unwrap().unwrap();
    web.bench.db.set_disabled(user.id, true).await.unwrap();
    for row in table() {
        let response = web.send(request(&row, 3, Some(&cookie), "same-origin")).await;
        assert_eq!(response.status(), row.expect[0], "{} {}", row.method, row.path);
    }
    let basic = STANDARD.encode(format!("reader:{PASSWORD}"));
    let request = Request::get("/events").header(header::AUTHORIZATION, format!("Basic {basic}"));
    assert_eq!(web.send(request.body(Body::empty()).unwrap()).await.status(), 401);
}

#[tokio::test]
async fn an_idle_session_ends_and_a_busy_one_goes_on() {
    let config = Config {
        session_idle_seconds: Duration::from_millis(1500),
        ..Config::default()
    };
    let web = Web::with(config).await;
    let (busy, idle, open) = (
        web.sign_in("reader").await,
        web.sign_in("admin").await,
        web.sign_in("north").await,
    );
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(web.get("/about", Some(&busy)).await.status(), 200);
        // A page that listens, and asks for its rows again, is not a person who works.
        web.get("/events", Some(&open)).await;
        let query = json!({ "query": StudyQuery { per_page: 10, ..StudyQuery::default() } }).to_string();
        web.post("/api/worklist_again", &open, "application/json", query).await;
    }
    assert_eq!(web.get("/about", Some(&idle)).await.status(), 303);
    assert_eq!(web.get("/about", Some(&open)).await.status(), 303);
    // Signed in again, it is another session.
    let again = web.sign_in("admin").await;
    assert_ne!(again, idle);
    assert_eq!(web.get("/about", Some(&again)).await.status(), 200);
}

#[tokio::test]
async fn a_session_ends_after_its_time_however_busy() {
    let config = Config {
        session_absolute_seconds: Duration::from_millis(1500),
        ..Config::default()
    };
    let web = Web::with(config).await;
    let cookie = web.sign_in("reader").await;
    for _ in 0..3 {
        assert_eq!(web.get("/about", Some(&cookie)).await.status(), 200);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(web.get("/about", Some(&cookie)).await.status(), 303);
    assert_eq!(web.get("/events", Some(&cookie)).await.status(), 401);
}

#[tokio::test]
async fn cookies_are_secure_off_loopback_and_ids_change_at_the_sign_in() {
    for (listen, secure) in [("127.0.0.1:3000", false), ("0.0.0.0:3000", true)] {
        let config = Config {
            listen: listen.parse().unwrap(),
            ..Config::default()
        };
        let web = Web::with(config).await;
        let response = web.try_sign_in("reader", PASSWORD).await;
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert_eq!(cookie.contains("Secure"), secure, "{listen}: {cookie}");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        // An id that somebody planted before the sign-in is worth nothing after it.
        let value = cookie.split(';').next().unwrap().to_owned();
        let planted = Request::post("/sign-in")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, &value)
            .body(Body::from(format!(
                "name=admin&password={}",
                PASSWORD.replace(' ', "+")
            )))
            .unwrap();
        let response = web.send(planted).await;
        let fresh = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert_ne!(fresh.split(';').next().unwrap(), value);
        assert_eq!(web.get("/about", Some(&value)).await.status(), 303);
    }
}

#[tokio::test]
async fn an_open_stream_ends_with_its_session() {
    use http_body_util::BodyExt;

    let web = Web::new().await;
    stock(&web).await;
    let change = || web.bench.changes.send(STUDY.into()).unwrap();
    for (name, hears) in [("reader", true), ("north", true), ("south", false)] {
        let cookie = web.sign_in(name).await;
        let mut stream = web.get("/events", Some(&cookie)).await.into_body();
        change();
        // Who is reading what is told to everybody; that a study changed, only to those who may see it.
        let mut heard = String::new();
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(Duration::from_millis(500), stream.frame()).await {
            heard += &String::from_utf8_lossy(&frame.into_data().unwrap_or_default());
        }
        assert_eq!(heard.contains("event: change"), hears, "{name}: {heard}");
        web.post("/sign-out", &cookie, "text/plain", "").await;
        change();
        let next = tokio::time::timeout(Duration::from_secs(5), stream.frame()).await;
        assert!(next.expect("the stream stays open").is_none(), "{name} still hears");
    }
}

/// Who, what, when, from where.
#[tokio::test]
async fn everything_that_must_be_is_in_the_trail() {
    let web = Web::new().await;
    let began = server::clock::now();
    let peer: SocketAddr = "198.51.100.7:4711".parse().unwrap();
    let send = async |mut request: Request<Body>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        web.send(request).await
    };
    let form = |password: &str| {
        Request::post("/sign-in")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(format!(
                "name=admin&password={}",
                password.replace(' ', "+")
            )))
            .unwrap()
    };
    assert_eq!(
        send(form("wrong")).await.headers()[header::LOCATION],
        "/sign-in?failed=1"
    );
    let response = send(form(PASSWORD)).await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let call = async |method: Method, path: &str, kind: &str, body: Vec<u8>| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, kind)
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(body))
            .unwrap();
        let response = send(request).await;
        let status = response.status().as_u16();
        assert!(
            status < 400 || status == 422,
            "{path}: {status}: {}",
            text(response).await
        );
    };
    let json = |value: Value| value.to_string().into_bytes();
    let kind = "application/json";
    call(Method::POST, "/upload/file", "", sound(STUDY, INSTANCE, 64)).await;
    call(Method::POST, "/upload/file", "", b"no DICOM".to_vec()).await;
    call(Method::GET, &format!("/study/{STUDY}"), "", Vec::new()).await;
    call(Method::GET, &format!("/frames/{INSTANCE}"), "", Vec::new()).await;
    let answer = json(serde_json::json!({ "answer": {
        "study_uid": STUDY, "sop_uid": INSTANCE, "side": "left", "value": "cannot_tell", "comment": "dim",
    } }));
    call(Method::POST, "/api/answer", kind, answer).await;
    let instance = format!("/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/{INSTANCE}");
    call(Method::GET, &instance, "", Vec::new()).await;
    let account = json(serde_json::json!({ "new": {
        "name": "locum", "role": "reader", "site": "main", "password": "a password for a locum",
    } }));
    call(Method::POST, "/api/create_account", kind, account).await;
    let (locum, _) = web.bench.db.user_by_name("locum").await.unwrap().unwrap();
    let password = serde_json::json!({ "id": locum.id, "password": "another one for a locum" });
    call(Method::POST, "/api/set_password", kind, json(password)).await;
    let disabled = serde_json::json!({ "id": locum.id, "disabled": true });
    call(Method::POST, "/api/set_disabled", kind, json(disabled)).await;
    let query = StudyQuery {
        search: "PATIENT".to_owned(),
        per_page: 10,
        ..StudyQuery::default()
    };
    call(
        Method::POST,
        "/api/worklist",
        kind,
        json(serde_json::json!({ "query": query })),
    )
    .await;
    call(Method::GET, "/quarantine", "", Vec::new()).await;
    call(Method::POST, "/sign-out", "text/plain", Vec::new()).await;
    call(Method::GET, &format!("/study/{STUDY}"), "", Vec::new()).await;
    let unsigned = Request::get(format!("/frames/{INSTANCE}")).body(Body::empty()).unwrap();
    assert_eq!(send(unsigned).await.status(), 401);

    let success = AuditOutcome::Success;
    let failure = AuditOutcome::Failure;
    let frame = format!("/frames/{INSTANCE}");
    let filter = domain::AuditFilter {
        per_page: 200,
        ..domain::AuditFilter::default()
    };
    let rows = web.bench.db.audit_events(&filter).await.unwrap().rows;
    for (action, outcome, actor, object) in [
        (AuditAction::SignIn, failure, "admin", ""),
        (AuditAction::SignIn, success, "admin", "admin"),
        (AuditAction::Upload, success, "admin", INSTANCE),
        (AuditAction::Upload, failure, "admin", ""),
        (AuditAction::ViewStudy, success, "admin", STUDY),
        (AuditAction::ViewImage, success, "admin", INSTANCE),
        (AuditAction::Answer, success, "admin", STUDY),
        (AuditAction::Export, success, "admin", INSTANCE),
        (AuditAction::Setting, success, "admin", "locum"),
        (AuditAction::Query, success, "admin", "worklist"),
        (AuditAction::Quarantine, success, "admin", "quarantine"),
        (AuditAction::SignOut, success, "admin", "admin"),
        (AuditAction::Refusal, failure, "(signed out)", frame.as_str()),
    ] {
        let event = rows
            .iter()
            .find(|event| {
                (event.action, event.outcome, event.actor.as_str(), event.object.as_str())
                    == (action, outcome, actor, object)
            })
            .unwrap_or_else(|| panic!("{action:?} of {object} is not in the trail: {rows:#?}"));
        assert_eq!(event.from, "198.51.100.7", "{action:?}");
        assert!(event.at >= began && event.at <= server::clock::now(), "{action:?}");
    }
    assert_eq!(
        rows.iter().filter(|event| event.action == AuditAction::Setting).count(),
        3
    );
    let all = format!("{rows:?}");
    for secret in ["PATIENT", "TEST-1", "dim", "locum\" password", "another one"] {
        assert!(!all.contains(secret), "{secret} is in the trail");
    }
    assert!(web.bench.db.audit_verify().await.unwrap().first_broken.is_none());
}

/// The files that a site sends stay its own, by whichever door.
#[tokio::test]
async fn a_site_files_under_itself_alone() {
    let web = Web::new().await;
    let south = web.sign_in("south").await;
    let response = web
        .post("/upload/file", &south, "", sound("1.2.840.8", "1.2.840.8.1", 32))
        .await;
    assert_eq!(response.status(), 200);
    let basic = STANDARD.encode(format!("south:{PASSWORD}"));
    let file = sound("1.2.840.8", "1.2.840.8.2", 32);
    let request = Request::post("/dicomweb/studies")
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::CONTENT_TYPE, http::CONTENT_TYPE)
        .body(Body::from(http::multipart([file.as_slice()])))
        .unwrap();
    assert_eq!(web.send(request).await.status(), 200);
    let owner = web.bench.db.owner_of(&"1.2.840.8".into()).await.unwrap().unwrap();
    assert_eq!(owner.site.as_str(), "south");
    // What it is refused stays outside, and the administrator sees it.
    web.bench
        .ingest
        .accept(web.bench.source(Door::Import), sound(STUDY, INSTANCE, 32).into())
        .await
        .unwrap();
    let response = web
        .post("/upload/file", &south, "", sound(STUDY, "1.2.840.7.6", 32))
        .await;
    assert_eq!(response.status(), 422);
    assert_eq!(web.bench.files_in("instances").len(), 3);
    let kept = web.bench.db.quarantine(0, 10).await.unwrap();
    assert!(kept.rows[0].reason.contains("another site"), "{kept:?}");
}
