//! `POST /upload/file`: one file from the browser's upload page, as the raw body.
//!
//! The file's name comes percent-encoded in `X-File-Name`, not in the URL, because names of files hold
//! patients' names.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use domain::Role;
use serde::Serialize;

use crate::ingest::{Door, Source};
use crate::state::AppState;

/// The answer for one file.
#[derive(Serialize)]
pub struct Outcome {
    file: String,
    /// `accepted`, `duplicate` or `refused`.
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
    body: Bytes,
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
    match state.ingest.accept(source, body).await {
        Ok(accepted) => (
            StatusCode::OK,
            Json(Outcome {
                file,
                outcome: if accepted.duplicate { "duplicate" } else { "accepted" },
                study_uid: Some(accepted.study_uid.0),
                sop_uid: Some(accepted.sop_uid.0),
                reason: None,
            }),
        ),
        Err(refused) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(Outcome {
                file,
                outcome: "refused",
                study_uid: None,
                sop_uid: None,
                reason: Some(refused.reason),
            }),
        ),
    }
}
