//! `GET /frames/{sop_uid}`: one decoded frame for the viewer.
//!
//! The body is a 4-byte little-endian length, as many bytes of JSON ([`imaging::Frame`] without pixels), then
//! `rows * columns` little-endian 16-bit stored values.

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{AuditAction, SopUid};

use crate::audit;
use crate::error::HttpError;
use crate::state::AppState;

pub async fn frame(
    State(state): State<AppState>,
    Extension(caller): Extension<app::backend::Caller>,
    Path(sop_uid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let sop_uid = SopUid(sop_uid);
    let instance = state.db.instance(&sop_uid).await?.ok_or(HttpError::NotFound)?;
    if !caller.user.may_see(&instance.site) {
        audit::refusal(
            &state.db,
            &caller.user.name,
            &caller.from,
            sop_uid.as_str(),
            "image of another site",
        )
        .await;
        // The same answer as for an unknown one, so that UIDs cannot be probed.
        return Err(HttpError::NotFound);
    }
    let etag = format!("\"{}\"", instance.sha256);
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes())
    {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let (_, frame) = state
        .decoder
        .decode(&state.storage.instance_path(&instance.sha256))
        .await
        .map_err(|error| HttpError::Invalid(error.to_string()))?;
    let body = tokio::task::spawn_blocking(move || encode(&frame))
        .await
        .map_err(anyhow::Error::from)??;
    state
        .db
        .audit(audit::event(&caller, AuditAction::ViewImage, sop_uid.0, ""))
        .await?;
    Ok((
        [
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            (ETAG, etag),
            (CACHE_CONTROL, "private, no-cache".to_owned()),
        ],
        Body::from(body),
    )
        .into_response())
}

fn encode(frame: &imaging::Frame) -> anyhow::Result<Vec<u8>> {
    let header = serde_json::to_vec(frame)?;
    let mut body = Vec::with_capacity(4 + header.len() + 2 * frame.pixels.len());
    body.extend_from_slice(&u32::try_from(header.len())?.to_le_bytes());
    body.extend_from_slice(&header);
    for value in &frame.pixels {
        body.extend_from_slice(&value.to_le_bytes());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_length_its_header_and_its_values() {
        let frame = imaging::Frame::new(1, 3, 12, vec![1, 2, 4095]);
        let body = encode(&frame).unwrap();
        let length = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
        let header: imaging::Frame = serde_json::from_slice(&body[4..4 + length]).unwrap();
        assert_eq!((header.rows, header.columns, header.bits_stored), (1, 3, 12));
        assert_eq!(&body[4 + length..], &[1, 0, 2, 0, 0xff, 0x0f]);
    }
}
