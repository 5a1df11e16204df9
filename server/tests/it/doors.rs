//! The network doors: STOW-RS and WADO-RS over their routes, C-STORE over a socket.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE, WARNING};
use axum::http::{HeaderMap, Request, StatusCode};
use domain::{AuditAction, AuditFilter, Role};
use serde_json::Value;
use server::config;
use server::ingest::{Door, Options};
use server::listener;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::state::{caller, dicomweb};
use crate::util::scu::{Scu, data_set};
use crate::util::{Bench, decoder_options, files, http, ingest_options, sound};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Sends a request and gives its status, headers and body.
pub async fn send(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, head.headers, to_bytes(body, 64 << 20).await.unwrap())
}

/// A store request of these files.
pub async fn stow(router: &Router, path: &str, parts: &[Vec<u8>]) -> (StatusCode, HeaderMap, Value) {
    let body = http::multipart(parts.iter().map(Vec::as_slice));
    let request = Request::post(path)
        .header(CONTENT_TYPE, http::CONTENT_TYPE)
        .header("host", "pacs.example:8080");
    let (status, headers, body) = send(router, request.body(Body::from(body)).unwrap()).await;
    (status, headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// The listener in front of a bench's ingest function.
pub async fn listen(bench: &Bench, config: &config::Dicom) -> (SocketAddr, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    let any = "127.0.0.1:0".parse().unwrap();
    let (address, _) = listener::start(any, config, bench.ingest.clone(), stopped)
        .await
        .unwrap();
    (address, stop)
}

#[tokio::test]
async fn stow_stores_and_says_where() {
    let bench = Bench::new().await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let parts = [sound("1.2.3", "1.2.3.1.1", 32), sound("1.2.3", "1.2.3.1.2", 32)];
    for round in 0..2 {
        let (status, headers, body) = stow(&router, "/dicomweb/studies", &parts).await;
        assert_eq!(status, StatusCode::OK, "round {round}");
        assert_eq!(headers[CONTENT_TYPE], "application/dicom+json");
        assert_eq!(
            body["00081190"]["Value"][0],
            "http://pacs.example:8080/dicomweb/studies/1.2.3"
        );
        let stored = body["00081199"]["Value"].as_array().unwrap();
        assert_eq!(stored.len(), 2);
        assert_eq!(stored[1]["00081150"]["Value"][0], files::DX);
        assert_eq!(stored[1]["00081155"]["Value"][0], "1.2.3.1.2");
    }
    for (file, instance) in parts.iter().zip(["1.2.3.1.1", "1.2.3.1.2"]) {
        assert!(bench.keeps(instance, file).await);
    }
    assert_eq!(bench.db.instances_of(&"1.2.3".into()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn stow_names_what_it_refuses_and_takes_the_rest() {
    let bench = Bench::new().await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let parts = [b"not DICOM".to_vec(), sound("1.2.3", "1.2.3.1.1", 32)];
    let (status, headers, body) = stow(&router, "/dicomweb/studies", &parts).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(body["0008119A"]["Value"][0]["00081197"]["Value"][0], 0xC000);
    assert!(headers[WARNING].to_str().unwrap().contains("part 1: not a DICOM file"));
    assert!(bench.keeps("1.2.3.1.1", &parts[1]).await);
    let (status, _, body) = stow(&router, "/dicomweb/studies", &parts[..1]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["00081199"], Value::Null);
}

#[tokio::test]
async fn stow_into_a_study_takes_that_study_alone() {
    let bench = Bench::new().await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let file = [sound("1.2.3", "1.2.3.1.1", 32)];
    let (status, _, body) = stow(&router, "/dicomweb/studies/1.2.4", &file).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let failed = &body["00081198"]["Value"][0];
    assert_eq!(
        (&failed["00081155"]["Value"][0], &failed["00081197"]["Value"][0]),
        (&"1.2.3.1.1".into(), &0xA900.into())
    );
    assert_eq!(stow(&router, "/dicomweb/studies/1.2.3", &file).await.0, StatusCode::OK);
    assert_eq!(
        stow(&router, "/dicomweb/studies/passwd", &file).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn stow_tells_a_bad_request_from_a_bad_file() {
    let bench = Bench::new().await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let file = sound("1.2.3", "1.2.3.1.1", 32);
    let whole = http::multipart([file.as_slice()]);
    let check = async |content_type: &str, body: &[u8], expect: u16| {
        let request = Request::post("/dicomweb/studies").header(CONTENT_TYPE, content_type);
        let (status, ..) = send(&router, request.body(Body::from(body.to_vec())).unwrap()).await;
        assert_eq!(status.as_u16(), expect, "{content_type}");
    };
    check("text/plain", b"hello", 415).await;
    check(
        "multipart/related; type=\"application/dicom+json\"; boundary=x",
        b"",
        415,
    )
    .await;
    check("multipart/related; type=\"application/dicom\"", &whole, 400).await;
    check(
        "multipart/related; type=\"application/dicom\"; boundary=other",
        &whole,
        400,
    )
    .await;
    check(http::CONTENT_TYPE, b"", 400).await;
    check(http::CONTENT_TYPE, &whole[..whole.len() / 2], 400).await;
    assert!(bench.files_in("instances").is_empty());
    check("application/dicom", &file, 200).await;
}

#[tokio::test]
async fn stow_passes_over_a_part_that_is_too_long() {
    let options = Options {
        max_bytes: 20_000,
        ..ingest_options()
    };
    let bench = Bench::with(decoder_options(), options).await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let parts = [vec![0; 300_000], sound("1.2.3", "1.2.3.1.1", 32)];
    let (status, _, body) = stow(&router, "/dicomweb/studies", &parts).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(body["0008119A"]["Value"][0]["00081197"]["Value"][0], 0xA700);
    assert!(bench.keeps("1.2.3.1.1", &parts[1]).await);
}

#[tokio::test]
async fn wado_gives_back_the_bytes_and_writes_it_down() {
    let bench = Bench::new().await;
    let file = sound("1.2.3", "1.2.3.1.1", 32);
    bench
        .ingest
        .accept(bench.source(Door::Import), file.clone().into())
        .await
        .unwrap();
    let router = dicomweb(&bench, caller(Role::Site, "main"));
    let path = "/dicomweb/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1";

    let request = Request::get(path)
        .header(ACCEPT, "application/dicom")
        .body(Body::empty())
        .unwrap();
    let (status, _, body) = send(&router, request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, file);

    let (status, headers, body) = send(&router, Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let content_type = headers[CONTENT_TYPE].to_str().unwrap();
    let boundary = content_type.rsplit("boundary=").next().unwrap();
    assert!(content_type.starts_with("multipart/related; type=\"application/dicom\""));
    assert!(body.starts_with(format!("--{boundary}\r\n").as_bytes()));
    let from = body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let tail = format!("\r\n--{boundary}--\r\n");
    assert!(body.ends_with(tail.as_bytes()));
    assert_eq!(&body[from..body.len() - tail.len()], file.as_slice());

    let filter = AuditFilter {
        action: Some(AuditAction::Export),
        per_page: 10,
        ..AuditFilter::default()
    };
    let audit = bench.db.audit_events(&filter).await.unwrap();
    assert_eq!(audit.total, 2);
    assert_eq!(audit.rows[0].object, "1.2.3.1.1");

    let request = Request::get(path)
        .header(ACCEPT, "image/jpeg")
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(&router, request).await.0, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn wado_hides_what_is_not_the_callers() {
    let bench = Bench::new().await;
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.3", "1.2.3.1.1", 32).into())
        .await
        .unwrap();
    let check = async |role, site: &str, path: &str, expect: StatusCode| {
        let router = dicomweb(&bench, caller(role, site));
        let request = Request::get(format!("/dicomweb/studies/{path}"))
            .body(Body::empty())
            .unwrap();
        assert_eq!(send(&router, request).await.0, expect, "{role:?} of {site}: {path}");
    };
    let there = "1.2.3/series/1.2.3.1/instances/1.2.3.1.1";
    check(Role::Site, "clinic", there, StatusCode::NOT_FOUND).await;
    check(Role::Reader, "clinic", there, StatusCode::OK).await;
    check(
        Role::Reader,
        "main",
        "1.2.4/series/1.2.3.1/instances/1.2.3.1.1",
        StatusCode::NOT_FOUND,
    )
    .await;
    check(
        Role::Reader,
        "main",
        "1.2.3/series/1.2.9/instances/1.2.3.1.1",
        StatusCode::NOT_FOUND,
    )
    .await;
    check(
        Role::Reader,
        "main",
        "1.2.3/series/1.2.3.1/instances/..%2F..%2Fetc",
        StatusCode::NOT_FOUND,
    )
    .await;
    let filter = AuditFilter {
        action: Some(AuditAction::Refusal),
        per_page: 10,
        ..AuditFilter::default()
    };
    assert_eq!(bench.db.audit_events(&filter).await.unwrap().total, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_comes_by_two_doors_is_one() {
    let bench = Bench::new().await;
    // Each sender and each door writes file meta information of its own around the same data set.
    let file = sound("1.2.3", "1.2.3.1.1", 32);
    assert!(
        !bench
            .ingest
            .accept(bench.source(Door::Import), file.clone().into())
            .await
            .unwrap()
            .duplicate
    );
    let (address, _stop) = listen(&bench, &config::Dicom::default()).await;
    let sent = file.clone();
    let statuses = tokio::task::spawn_blocking(move || {
        ["FIRST", "SECOND"].map(|calling| {
            let mut scu = Scu::open(address, calling, files::DX, EXPLICIT).unwrap();
            scu.store(files::DX, "1.2.3.1.1", data_set(&sent)).unwrap()
        })
    })
    .await
    .unwrap();
    assert_eq!(statuses, [0, 0]);
    assert!(bench.keeps("1.2.3.1.1", &file).await);
    assert_eq!(bench.db.instances_of(&"1.2.3".into()).await.unwrap().len(), 1);
    assert_eq!(bench.files_in("instances").len(), 1);
    assert!(bench.files_in("quarantine").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_store_files_under_the_senders_site() {
    let bench = Bench::new().await;
    let mut config = config::Dicom {
        ae_title: "SHENTON".to_owned(),
        ..config::Dicom::default()
    };
    config.sites.insert("CLINIC_CR".to_owned(), "clinic".to_owned());
    let (address, _stop) = listen(&bench, &config).await;
    let statuses = tokio::task::spawn_blocking(move || {
        let mut clinic = Scu::open(address, "CLINIC_CR", files::DX, EXPLICIT).unwrap();
        let mut other = Scu::open(address, "UNKNOWN", files::DX, EXPLICIT).unwrap();
        let store =
            |scu: &mut Scu, instance: &str, file: &[u8]| scu.store(files::DX, instance, data_set(file)).unwrap();
        let noise = clinic
            .store(files::DX, "1.2.4.1.3", b"noise that is no data set at all")
            .unwrap();
        [
            store(&mut clinic, "1.2.3.1.1", &sound("1.2.3", "1.2.3.1.1", 300)),
            store(&mut clinic, "1.2.3.1.1", &sound("1.2.3", "1.2.3.1.1", 300)),
            store(&mut clinic, "1.2.3.1.9", &sound("1.2.3", "1.2.3.1.2", 32)),
            store(&mut clinic, "1.2.3.1.1", &sound("1.2.3", "1.2.3.1.1", 32)),
            store(&mut other, "1.2.4.1.1", &sound("1.2.4", "1.2.4.1.1", 32)),
            store(&mut clinic, "1.2.4.1.2", &sound("1.2.4", "1.2.4.1.2", 32)),
            noise,
        ]
    })
    .await
    .unwrap();
    assert_eq!(statuses[..6], [0x0000, 0x0000, 0xA900, 0x0111, 0x0000, 0x0124]);
    assert_ne!(statuses[6], 0);
    let site = async |study: &str| bench.db.site_of(&study.into()).await.unwrap().unwrap();
    assert_eq!(site("1.2.3").await.as_str(), "clinic");
    assert_eq!(site("1.2.4").await.as_str(), "main");
    let instance = bench.db.instance(&"1.2.3.1.1".into()).await.unwrap().unwrap();
    let stored = std::fs::read(bench.storage.instance_path(&instance.sha256)).unwrap();
    assert_eq!(data_set(&stored), data_set(&sound("1.2.3", "1.2.3.1.1", 300)));
    assert_eq!(instance.transfer_syntax_uid, EXPLICIT);
}
