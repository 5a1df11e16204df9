//! Store transaction (PS3.18 section 10.5): `POST /studies` and `POST /studies/{study}`.

use app::backend::Caller;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::header::{CONTENT_TYPE, HOST, WARNING};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Role;
use serde_json::{Value, json};

use super::media_type::MediaType;
use super::multipart::Multipart;
use crate::http::body::whole_body;
use crate::ingest::{Accepted, Door, Expected, Kind, Refused, Source};
use crate::state::AppState;

/// More than any study; it bounds the response.
const MAX_PARTS: usize = 20_000;
/// Reasons in words, as `Warning` headers.
const MAX_WARNINGS: usize = 10;

pub async fn store(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    run(&state, &caller, &headers, body, None).await
}

pub async fn store_into_study(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(study): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !dimse::is_uid(&study) {
        return (StatusCode::BAD_REQUEST, "the study in the URL is not a UID").into_response();
    }
    run(&state, &caller, &headers, body, Some(study)).await
}

async fn run(state: &AppState, caller: &Caller, headers: &HeaderMap, body: Body, study: Option<String>) -> Response {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(MediaType::parse);
    let max_part = state.config.ingest.max_bytes;
    let source = |number: usize| Source {
        door: Door::Stow,
        from: caller.from.clone(),
        actor: caller.user.name.clone(),
        site: caller.user.site.clone(),
        restrict_to_site: caller.user.role == Role::Site,
        file_name: format!("part {number}"),
    };
    let mut parts = match content_type {
        Some(media) if media.essence == "multipart/related" => {
            if media
                .parameter("type")
                .is_some_and(|kind| !kind.eq_ignore_ascii_case("application/dicom"))
            {
                return unsupported();
            }
            match media.parameter("boundary") {
                Some(boundary) if (1..=200).contains(&boundary.len()) => {
                    Parts::Many(Box::new(Multipart::new(body.into_data_stream(), boundary, max_part)))
                }
                _ => return (StatusCode::BAD_REQUEST, "the content type names no boundary").into_response(),
            }
        }
        Some(media) if media.essence == "application/dicom" => match whole_body(headers, body, max_part).await {
            Ok(bytes) => Parts::One(Some(bytes)),
            Err(unread) => {
                let refused = unread.note(&state.ingest, &source(1)).await;
                return (unread.status(), refused.reason).into_response();
            }
        },
        _ => return unsupported(),
    };

    let mut outcome = Outcome {
        base: base(state, headers),
        ..Outcome::default()
    };
    let mut number = 0;
    loop {
        let part = match parts.next().await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(error) => {
                tracing::info!(%error, "a store request broke off");
                let refused = state
                    .ingest
                    .not_taken(&source(number + 1), 0, Kind::BrokenOff, error.to_string())
                    .await;
                if number == 0 {
                    return (StatusCode::BAD_REQUEST, refused.reason).into_response();
                }
                outcome.fail(Failure::of(refused, number + 1));
                break;
            }
        };
        number += 1;
        if number > MAX_PARTS {
            outcome.fail(Failure {
                reason: OUT_OF_RESOURCES,
                words: "too many parts".to_owned(),
                ids: None,
            });
            break;
        }
        let Instance { content_type, bytes } = part;
        let dicom = content_type.as_deref().and_then(MediaType::parse);
        if dicom.is_some_and(|media| media.essence != "application/dicom") {
            let words = format!("part {number} is not application/dicom");
            outcome.fail(Failure {
                reason: CANNOT_UNDERSTAND,
                words,
                ids: None,
            });
            continue;
        }
        let Some(bytes) = bytes else {
            let words = format!("it has more than the {max_part} bytes allowed");
            let refused = state.ingest.not_taken(&source(number), 0, Kind::TooLarge, words).await;
            outcome.fail(Failure::of(refused, number));
            continue;
        };
        let expected = Expected {
            study_uid: study.clone(),
            sop_uid: None,
        };
        match state.ingest.accept_expecting(source(number), bytes, expected).await {
            Ok(accepted) => outcome.stored.push(accepted),
            Err(refused) => outcome.fail(Failure::of(refused, number)),
        }
    }
    if number == 0 {
        return (StatusCode::BAD_REQUEST, "the body has no parts").into_response();
    }
    outcome.respond(study.as_deref())
}

fn unsupported() -> Response {
    let words = "send multipart/related; type=\"application/dicom\"";
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, words).into_response()
}

/// A part's type and bytes; no bytes where they were too many.
struct Instance {
    content_type: Option<String>,
    bytes: Option<Bytes>,
}

/// The instances of a request.
enum Parts<S> {
    One(Option<Bytes>),
    Many(Box<Multipart<S>>),
}

impl<S, E> Parts<S>
where
    S: futures::Stream<Item = Result<Bytes, E>> + Unpin,
{
    async fn next(&mut self) -> Result<Option<Instance>, super::multipart::Error> {
        Ok(match self {
            Parts::One(bytes) => bytes.take().map(|bytes| Instance {
                content_type: None,
                bytes: Some(bytes),
            }),
            Parts::Many(multipart) => multipart.next().await?.map(|part| Instance {
                content_type: part.content_type,
                bytes: part.body,
            }),
        })
    }
}

// Failure Reason (0008,1197), PS3.18 table I.2-2.
const OUT_OF_RESOURCES: u16 = 0xA700;
const MISMATCH: u16 = 0xA900;
const CANNOT_UNDERSTAND: u16 = 0xC000;
const PROCESSING_FAILURE: u16 = 0x0110;
const DUPLICATE_INSTANCE: u16 = 0x0111;
const NOT_AUTHORIZED: u16 = 0x0124;

struct Failure {
    reason: u16,
    words: String,
    /// SOP Class and SOP Instance UID, where they were read.
    ids: Option<(String, String)>,
}

impl Failure {
    fn of(refused: Refused, number: usize) -> Self {
        let reason = match refused.kind {
            Kind::CannotUnderstand | Kind::BrokenOff => CANNOT_UNDERSTAND,
            Kind::TooLarge | Kind::NoRoom => OUT_OF_RESOURCES,
            Kind::Mismatch | Kind::OtherPatient => MISMATCH,
            Kind::Conflict => DUPLICATE_INSTANCE,
            Kind::OtherSite => NOT_AUTHORIZED,
            Kind::Internal => PROCESSING_FAILURE,
        };
        let words = format!("part {number}: {}", refused.reason);
        Self {
            reason,
            words,
            ids: refused.sop_class_uid.zip(refused.sop_uid),
        }
    }
}

/// What became of a request's instances.
#[derive(Default)]
struct Outcome {
    /// Scheme and authority of this server as the client names it.
    base: String,
    stored: Vec<Accepted>,
    failed: Vec<Failure>,
}

impl Outcome {
    fn fail(&mut self, failure: Failure) {
        self.failed.push(failure);
    }

    /// PS3.18 table 10.5.3-1: 200 all stored, 202 some, 409 none; 503 where another try may do.
    fn status(&self) -> StatusCode {
        let ours = |failure: &Failure| matches!(failure.reason, OUT_OF_RESOURCES | PROCESSING_FAILURE);
        match (self.stored.is_empty(), self.failed.is_empty()) {
            (_, true) => StatusCode::OK,
            (false, false) => StatusCode::ACCEPTED,
            (true, false) if self.failed.iter().all(ours) => StatusCode::SERVICE_UNAVAILABLE,
            (true, false) => StatusCode::CONFLICT,
        }
    }

    /// PS3.18 annex I.2: the Store Instances Response Module as DICOM JSON (annex F).
    fn body(&self, study: Option<&str>) -> Value {
        let mut body = json!({});
        let one_study = study.or_else(|| {
            let first = self.stored.first()?.study_uid.as_str();
            self.stored
                .iter()
                .all(|accepted| accepted.study_uid.as_str() == first)
                .then_some(first)
        });
        if let Some(study) = one_study {
            body["00081190"] = json!({ "vr": "UR", "Value": [format!("{}/dicomweb/studies/{study}", self.base)] });
        }
        let stored: Vec<_> = self
            .stored
            .iter()
            .map(|accepted| {
                let url = format!(
                    "{}/dicomweb/studies/{}/series/{}/instances/{}",
                    self.base, accepted.study_uid, accepted.series_uid, accepted.sop_uid
                );
                let mut item = reference(&accepted.sop_class_uid, accepted.sop_uid.as_str());
                item["00081190"] = json!({ "vr": "UR", "Value": [url] });
                item
            })
            .collect();
        let (mut named, mut nameless) = (Vec::new(), Vec::new());
        for failure in &self.failed {
            let reason = json!({ "vr": "US", "Value": [failure.reason] });
            match &failure.ids {
                Some((class, instance)) => {
                    let mut item = reference(class, instance);
                    item["00081197"] = reason;
                    named.push(item);
                }
                None => nameless.push(json!({ "00081197": reason })),
            }
        }
        // Referenced SOP Sequence, Failed SOP Sequence, Other Failures Sequence.
        for (tag, items) in [("00081199", stored), ("00081198", named), ("0008119A", nameless)] {
            if !items.is_empty() {
                body[tag] = json!({ "vr": "SQ", "Value": items });
            }
        }
        body
    }

    fn respond(self, study: Option<&str>) -> Response {
        let body = self.body(study).to_string();
        let mut response = (self.status(), body).into_response();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
        for failure in self.failed.iter().take(MAX_WARNINGS) {
            let words: String = failure
                .words
                .chars()
                .filter(|c| (' '..='~').contains(c) && !matches!(c, '"' | '\\'))
                .take(200)
                .collect();
            if let Ok(value) = HeaderValue::from_str(&format!("299 shenton \"{words}\"")) {
                response.headers_mut().append(WARNING, value);
            }
        }
        response
    }
}

/// Referenced SOP Class UID and Referenced SOP Instance UID.
fn reference(class: &str, instance: &str) -> Value {
    json!({
        "00081150": { "vr": "UI", "Value": [class] },
        "00081155": { "vr": "UI", "Value": [instance] },
    })
}

/// `http://host`, or `https` where a trusted proxy says so; empty where the client names no sound host.
fn base(state: &AppState, headers: &HeaderMap) -> String {
    let Some(host) = headers.get(HOST).and_then(|value| value.to_str().ok()) else {
        return String::new();
    };
    if !host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
    {
        return String::new();
    }
    let forwarded = headers.get("x-forwarded-proto").is_some_and(|value| value == "https");
    let scheme = if state.config.trust_forwarded_for && forwarded {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use domain::{SeriesUid, SopUid, StudyUid};

    use super::*;

    fn stored() -> Accepted {
        Accepted {
            study_uid: StudyUid::from("1.2"),
            series_uid: SeriesUid::from("1.3"),
            sop_uid: SopUid::from("1.4"),
            sop_class_uid: "1.5".to_owned(),
            duplicate: false,
        }
    }

    fn failure(reason: u16, ids: bool) -> Failure {
        Failure {
            reason,
            words: "why\n\"so\"".to_owned(),
            ids: ids.then(|| ("1.5".to_owned(), "1.6".to_owned())),
        }
    }

    #[test]
    fn the_status_says_how_many_were_stored() {
        let check = |stored: Vec<Accepted>, failed: Vec<Failure>, expect: u16| {
            assert_eq!(
                Outcome {
                    base: String::new(),
                    stored,
                    failed
                }
                .status()
                .as_u16(),
                expect
            );
        };
        check(vec![stored()], vec![], 200);
        check(vec![stored()], vec![failure(CANNOT_UNDERSTAND, false)], 202);
        check(vec![], vec![failure(CANNOT_UNDERSTAND, false)], 409);
        check(vec![], vec![failure(OUT_OF_RESOURCES, false)], 503);
    }

    #[test]
    fn the_body_lists_stored_failed_and_nameless() {
        let failed = vec![failure(MISMATCH, true), failure(CANNOT_UNDERSTAND, false)];
        let outcome = Outcome {
            base: "http://h:1".to_owned(),
            stored: vec![stored()],
            failed,
        };
        let body = outcome.body(None);
        assert_eq!(body["00081190"]["Value"][0], "http://h:1/dicomweb/studies/1.2");
        let item = &body["00081199"]["Value"][0];
        assert_eq!(item["00081155"]["Value"][0], "1.4");
        assert_eq!(
            item["00081190"]["Value"][0],
            "http://h:1/dicomweb/studies/1.2/series/1.3/instances/1.4"
        );
        assert_eq!(body["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA900);
        assert_eq!(body["00081198"]["Value"][0]["00081155"]["Value"][0], "1.6");
        assert_eq!(body["0008119A"]["Value"][0]["00081197"]["Value"][0], 0xC000);
        let response = outcome.respond(None);
        assert_eq!(response.headers()[WARNING], "299 shenton \"whyso\"");
    }
}
