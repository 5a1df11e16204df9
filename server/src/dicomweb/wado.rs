//! Retrieve transaction (PS3.18 section 10.4) for one instance, as it was stored.

use app::backend::Caller;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{AuditAction, SopUid};
use futures::{StreamExt, stream};
use tokio_util::io::ReaderStream;

use super::media_type::MediaType;
use crate::audit;
use crate::error::HttpError;
use crate::state::AppState;

/// How the instance is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Multipart,
    Single,
}

pub async fn retrieve(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((study, series, instance)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    if ![&study, &series, &instance].into_iter().all(|uid| dimse::is_uid(uid)) {
        return Err(HttpError::NotFound);
    }
    let known = state.db.instance(&SopUid(instance)).await?;
    let Some(known) = known.filter(|known| known.study_uid.0 == study && known.series_uid.0 == series) else {
        return Err(HttpError::NotFound);
    };
    if !caller.user.may_see(&known.site) {
        audit::refusal(
            &state.db,
            &caller.user.name,
            &caller.from,
            known.sop_uid.as_str(),
            "export of another site's image",
        )
        .await;
        // The same answer as for an unknown one, so that UIDs cannot be probed.
        return Err(HttpError::NotFound);
    }
    let accept = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or_default());
    let Some(form) = form(accept, &known.transfer_syntax_uid) else {
        let words = format!(
            "this instance is there as application/dicom; transfer-syntax={}, single or in multipart/related",
            known.transfer_syntax_uid
        );
        return Ok((StatusCode::NOT_ACCEPTABLE, words).into_response());
    };
    let file = tokio::fs::File::open(state.storage.instance_path(&known.sha256))
        .await
        .map_err(anyhow::Error::from)?;
    let bytes = file.metadata().await.map_err(anyhow::Error::from)?.len();
    // Nothing leaves before the trail says so.
    state
        .db
        .audit(audit::event(&caller, AuditAction::Export, known.sop_uid.0, "WADO-RS"))
        .await?;

    let content = ReaderStream::with_capacity(file, 256 * 1024);
    let part_type = format!("application/dicom; transfer-syntax={}", known.transfer_syntax_uid);
    Ok(match form {
        Form::Single => {
            let headers = [(CONTENT_TYPE, part_type), (CONTENT_LENGTH, bytes.to_string())];
            (headers, Body::from_stream(content)).into_response()
        }
        Form::Multipart => {
            // 122 random bits do not occur in a file by chance.
            let boundary = uuid::Uuid::new_v4().simple().to_string();
            let head = format!("--{boundary}\r\nContent-Type: {part_type}\r\nContent-Length: {bytes}\r\n\r\n");
            let tail = format!("\r\n--{boundary}--\r\n");
            let length = head.len() as u64 + bytes + tail.len() as u64;
            let wrap = |text: String| stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(text)) });
            let headers = [
                (
                    CONTENT_TYPE,
                    format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"),
                ),
                (CONTENT_LENGTH, length.to_string()),
            ];
            (headers, Body::from_stream(wrap(head).chain(content).chain(wrap(tail)))).into_response()
        }
    })
}

/// The form that the client accepts (PS3.18 section 8.7), `None` where it takes none that is there.
fn form(accept: Option<&str>, transfer_syntax: &str) -> Option<Form> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Some(Form::Multipart);
    };
    MediaType::parse_list(accept).iter().find_map(|media| {
        let wanted = media.parameter("transfer-syntax");
        let fits = wanted.is_none_or(|wanted| wanted == "*" || wanted == transfer_syntax);
        let refused = media.parameter("q").is_some_and(|weight| weight.parse() == Ok(0.0));
        if !fits || refused {
            return None;
        }
        match media.essence.as_str() {
            "multipart/related" => {
                let kind = media.parameter("type");
                kind.is_none_or(|kind| kind.eq_ignore_ascii_case("application/dicom"))
                    .then_some(Form::Multipart)
            }
            "application/dicom" => Some(Form::Single),
            "*/*" | "multipart/*" => Some(Form::Multipart),
            "application/*" => Some(Form::Single),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_the_form() {
        let check =
            |accept: Option<&str>, expect| assert_eq!(form(accept, "1.2.840.10008.1.2.1"), expect, "{accept:?}");
        check(None, Some(Form::Multipart));
        check(Some("*/*"), Some(Form::Multipart));
        check(Some("application/dicom"), Some(Form::Single));
        check(
            Some("image/jpeg, application/dicom; transfer-syntax=*"),
            Some(Form::Single),
        );
        check(
            Some(r#"multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1"#),
            Some(Form::Multipart),
        );
        check(Some("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.70"), None);
        check(Some(r#"multipart/related; type="application/dicom+xml""#), None);
        check(Some("application/dicom;q=0, text/html"), None);
    }
}
