//! `POST /upload/file`: one file from the browser's upload page, as the raw body.
//!
//! The file's name comes percent-encoded in `X-File-Name`, not in the URL, because names of files hold
//! patients' names.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use domain::Role;
use serde::Serialize;

use crate::http::body::{Unread, whole_body};
use crate::ingest::{Door, Kind, Refused, Source};
use crate::state::AppState;

/// The answer for one file.
#[derive(Serialize)]
pub struct Outcome {
    file: String,
    /// `accepted`, `duplicate`, `refused`, or `not_sent` where it did not come whole.
    outcome: &'static str,
    study_uid: Option<String>,
    sop_uid: Option<String>,
    /// Why it was refused.
    reason: Option<String>,
}

pub async fn file(
    State(state): State<AppState>,
    Extension(caller): Extension<app::backend::Caller>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, Json<Outcome>) {
    let file = headers
        .get("x-file-name")
        .and_then(|value| value.to_str().ok())
        .map_or_else(
            || "unnamed".to_owned(),
            |name| {
                percent_encoding::percent_decode_str(name)
                    .decode_utf8_lossy()
                    .chars()
                    .take(255)
                    .collect()
            },
        );
    let source = Source {
        door: Door::Browser,
        from: caller.from.clone(),
        actor: caller.user.name.clone(),
        site: caller.user.site.clone(),
        restrict_to_site: caller.user.role == Role::Site,
        file_name: file.clone(),
    };
    let refused = |status, outcome, refused: Refused| {
        let answer = Outcome {
            file: file.clone(),
            outcome,
            study_uid: None,
            sop_uid: None,
            reason: Some(refused.reason),
        };
        (status, Json(answer))
    };
    let bytes = match whole_body(&headers, body, state.config.ingest.max_bytes).await {
        Ok(bytes) => bytes,
        Err(unread) => {
            let outcome = match unread {
                Unread::TooLong { .. } => "refused",
                Unread::BrokenOff { .. } => "not_sent",
            };
            let reason = unread.note(&state.ingest, &source).await;
            return refused(unread.status(), outcome, reason);
        }
    };
    match state.ingest.accept(source, bytes).await {
        Ok(accepted) => (
            StatusCode::OK,
            Json(Outcome {
                file: file.clone(),
                outcome: if accepted.duplicate { "duplicate" } else { "accepted" },
                study_uid: Some(accepted.study_uid.0),
                sop_uid: Some(accepted.sop_uid.0),
                reason: None,
            }),
        ),
        Err(reason) => match reason.kind {
            // Worth another try, so not the file's fault.
            Kind::NoRoom => refused(StatusCode::INSUFFICIENT_STORAGE, "not_sent", reason),
            Kind::Internal => refused(StatusCode::INTERNAL_SERVER_ERROR, "not_sent", reason),
            _ => refused(StatusCode::UNPROCESSABLE_ENTITY, "refused", reason),
        },
    }
}
