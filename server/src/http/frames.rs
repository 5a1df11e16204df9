//! `GET /frames/{sop_uid}`: one decoded frame, for programs.
//!
//! The body is a 4-byte little-endian length, as many bytes of JSON ([`imaging::Frame`] without pixels), then
//! `rows * columns` little-endian 16-bit stored values.
//!
//! `GET /frames/{sop_uid}/progressive`: the same in the form of the crate `progressive`, whole or by byte range, for
//! the viewer: its first 64 KiB are a picture, and a line that broke goes on where it stopped.
//!
//! `GET /frames/{sop_uid}/thumbnail`: the whole picture at no more than [`THUMBNAIL`] pixels a side, as JPEG, windowed as
//! the file says.
//!
//! `GET /frames/of/{study_uid}`: the addresses of a study's images in that form, the one to open first in front, as
//! JSON. Nothing of a patient is in it, so it is no view of the study.

use std::ops::Range;

use anyhow::Context;
use app::backend::Caller;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
    VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{AuditAction, SopUid, StudyUid};
use image::codecs::jpeg::JpegEncoder;
use progressive::Step;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::error::HttpError;
use crate::state::AppState;
use crate::{audit, derived};

/// Pixels a side of a thumbnail, at most.
const THUMBNAIL: usize = 160;
/// Of 100.
const THUMBNAIL_QUALITY: u8 = 80;

/// A viewer that fetches a study ahead of its reader says so, and the audit trail keeps it.
const AHEAD: &str = "x-shenton-ahead";
/// In the audit trail: the caller holds these bytes already and asked whether they are still right.
const HELD: &str = "held already";

/// An instance that the caller may see; one of another site answers like one that does not exist.
async fn instance(state: &AppState, caller: &Caller, sop_uid: &SopUid) -> Result<db::Instance, HttpError> {
    let instance = state.db.instance(sop_uid).await?.ok_or(HttpError::NotFound)?;
    if !caller.user.may_see(&instance.site) {
        audit::refusal(
            &state.db,
            &caller.user.name,
            &caller.from,
            sop_uid.as_str(),
            "image of another site",
        )
        .await;
        return Err(HttpError::NotFound);
    }
    Ok(instance)
}

async fn viewed(
    state: &AppState,
    caller: &Caller,
    sop_uid: SopUid,
    detail: impl Into<String>,
) -> Result<(), HttpError> {
    let event = audit::event(caller, AuditAction::ViewImage, sop_uid.0, detail);
    Ok(state.db.audit(event).await?)
}

fn is(headers: &HeaderMap, name: axum::http::HeaderName, etag: &str) -> bool {
    headers
        .get(name)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes())
}

/// The answer to a caller who holds these bytes already.
async fn held(
    state: &AppState,
    caller: &Caller,
    sop_uid: &SopUid,
    headers: &HeaderMap,
    etag: &str,
) -> Result<Option<Response>, HttpError> {
    if !is(headers, IF_NONE_MATCH, etag) {
        return Ok(None);
    }
    viewed(state, caller, sop_uid.clone(), HELD).await?;
    Ok(Some(
        (StatusCode::NOT_MODIFIED, [(ETAG, etag.to_owned())]).into_response(),
    ))
}

/// Bytes that a browser keeps but asks about each time.
fn whole(kind: &str, etag: String, body: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (ETAG, etag),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    (headers, Body::from(body)).into_response()
}

pub async fn frame(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(sop_uid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let sop_uid = SopUid(sop_uid);
    let instance = instance(&state, &caller, &sop_uid).await?;
    let etag = format!("\"{}\"", instance.sha256);
    if let Some(answer) = held(&state, &caller, &sop_uid, &headers, &etag).await? {
        return Ok(answer);
    }
    let (_, frame) = state
        .decoder
        .decode(&state.storage.instance_path(&instance.sha256))
        .await
        .map_err(|error| HttpError::Invalid(error.to_string()))?;
    let body = tokio::task::spawn_blocking(move || encode(&frame))
        .await
        .map_err(anyhow::Error::from)??;
    viewed(&state, &caller, sop_uid, "").await?;
    Ok(whole("application/octet-stream", etag, body))
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

pub async fn progressive(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(sop_uid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let sop_uid = SopUid(sop_uid);
    let instance = instance(&state, &caller, &sop_uid).await?;
    // Made from exactly these bytes by exactly this version of the code, so it never changes.
    let etag = format!("\"{}-{}\"", instance.sha256, progressive::VERSION);
    let mut answer = Response::new(Body::empty());
    let told = answer.headers_mut();
    told.insert(ETAG, etag.parse().map_err(anyhow::Error::from)?);
    let fixed = [
        // Not an octet stream: compressing it again would cost time and gain nothing.
        (CONTENT_TYPE, "image/x-shenton-progressive"),
        (ACCEPT_RANGES, "bytes"),
        (CACHE_CONTROL, "private, max-age=31536000, immutable"),
        // Another session, perhaps another reader's, asks for itself.
        (VARY, "cookie"),
    ];
    for (name, value) in fixed {
        told.insert(name, axum::http::HeaderValue::from_static(value));
    }
    if is(&headers, IF_NONE_MATCH, &etag) {
        viewed(&state, &caller, sop_uid, HELD).await?;
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    let mut file = derived(&state, &instance).await?;
    let length = file.metadata().await.map_err(anyhow::Error::from)?.len();
    // A range of another version of the file would not fit what the client holds.
    let ranges_fit = !headers.contains_key(IF_RANGE) || is(&headers, IF_RANGE, &etag);
    let asked = headers
        .get(RANGE)
        .filter(|_| ranges_fit)
        .and_then(|value| value.to_str().ok());
    let part = match asked.map_or(Asked::All, |text| range(text, length)) {
        Asked::All => 0..length,
        Asked::Part(part) => {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            answer
                .headers_mut()
                .insert(CONTENT_RANGE, value.parse().map_err(anyhow::Error::from)?);
            part
        }
        Asked::Outside => {
            *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let value = format!("bytes */{length}");
            answer
                .headers_mut()
                .insert(CONTENT_RANGE, value.parse().map_err(anyhow::Error::from)?);
            return Ok(answer);
        }
    };
    let mut detail = Vec::new();
    if part.start > 0 {
        detail.push(format!("from byte {}", part.start));
    }
    if headers.contains_key(AHEAD) {
        detail.push("fetched ahead".to_owned());
    }
    viewed(&state, &caller, sop_uid, detail.join(", ")).await?;
    file.seek(std::io::SeekFrom::Start(part.start))
        .await
        .map_err(anyhow::Error::from)?;
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, (part.end - part.start).into());
    *answer.body_mut() = Body::from_stream(ReaderStream::with_capacity(file.take(part.end - part.start), 64 << 10));
    Ok(answer)
}

/// The progressive form of an instance that is known.
async fn derived(state: &AppState, instance: &db::Instance) -> Result<tokio::fs::File, HttpError> {
    let opened = derived::open(&state.storage, &state.decoder, &instance.sha256).await;
    opened.map_err(|error| match error {
        derived::Error::Decode(error) => HttpError::Invalid(error.to_string()),
        error => HttpError::Internal(error.into()),
    })
}

pub async fn thumbnail(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(sop_uid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let sop_uid = SopUid(sop_uid);
    let instance = instance(&state, &caller, &sop_uid).await?;
    let etag = format!("\"{}-thumbnail-{THUMBNAIL}\"", instance.sha256);
    if let Some(answer) = held(&state, &caller, &sop_uid, &headers, &etag).await? {
        return Ok(answer);
    }
    let file = derived(&state, &instance).await?;
    let mut first = Vec::with_capacity(progressive::FIRST_PICTURE);
    file.take(progressive::FIRST_PICTURE as u64)
        .read_to_end(&mut first)
        .await
        .map_err(anyhow::Error::from)?;
    let max_pixels = state.config.decoder.max_pixels;
    let body = tokio::task::spawn_blocking(move || small(&first, max_pixels))
        .await
        .map_err(anyhow::Error::from)??;
    viewed(&state, &caller, sop_uid, "thumbnail").await?;
    Ok(whole("image/jpeg", etag, body))
}

/// A thumbnail out of the first bytes of a progressive form.
fn small(first: &[u8], max_pixels: u64) -> anyhow::Result<Vec<u8>> {
    let mut decoder = progressive::Decoder::new(max_pixels);
    decoder.push(first);
    while !decoder.has_glimpse() && matches!(decoder.step()?, Step::Head | Step::Better) {}
    let mut frame = decoder.frame().context("the first bytes hold no picture")?;
    let (width, height) = (frame.columns as usize, frame.rows as usize);
    // From here the pixels that have come are all of the picture.
    [frame.columns, frame.rows] = frame.held().map(|count| count as u32);
    frame.grid = 1;
    let picture = imaging::present(&frame, None);
    let longest = width.max(height).max(1);
    let [width, height] = [width, height].map(|side| (side * THUMBNAIL.min(longest) / longest).max(1));
    let whole = [0.0, 0.0, picture.width as f32, picture.height as f32];
    let greys: Vec<u8> = picture
        .resample(whole, width, height)
        .data
        .iter()
        .map(|level| (level * 255.0 + 0.5) as u8)
        .collect();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, THUMBNAIL_QUALITY).encode(
        &greys,
        width as u32,
        height as u32,
        image::ExtendedColorType::L8,
    )?;
    Ok(jpeg)
}

/// What a Range header asks for (RFC 9110, section 14).
#[derive(Debug, PartialEq)]
enum Asked {
    All,
    Part(Range<u64>),
    Outside,
}

/// One range of bytes; of several, or of other units, nothing is understood and all is sent, as the standard allows.
fn range(text: &str, length: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|text| text.split_once('-')) else {
        return Asked::All;
    };
    let number = |text: &str| {
        text.parse::<u64>()
            .ok()
            .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
    };
    let part = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => length.saturating_sub(count)..length,
            None => return Asked::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..length,
            None => return Asked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
            _ => return Asked::All,
        },
    };
    if part.start < part.end {
        Asked::Part(part)
    } else {
        Asked::Outside
    }
}

/// Where the viewer asks for an image, and keeps it under.
pub fn address(uid: &SopUid) -> String {
    let uid = app::query::encode(uid.as_str());
    format!("/frames/{uid}/progressive?v={}", progressive::VERSION)
}

pub async fn of_study(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(study_uid): Path<String>,
) -> Result<Json<Vec<String>>, HttpError> {
    let study_uid = StudyUid(study_uid);
    let site = state.db.site_of(&study_uid).await?.ok_or(HttpError::NotFound)?;
    if !caller.user.may_see(&site) {
        let user = &caller.user.name;
        audit::refusal(
            &state.db,
            user,
            &caller.from,
            study_uid.as_str(),
            "study of another site",
        )
        .await;
        return Err(HttpError::NotFound);
    }
    let detail = state.db.study(&study_uid).await?.ok_or(HttpError::NotFound)?;
    let first = app::pages::study::first_image(&detail.images);
    let mut images: Vec<String> = detail.images.iter().map(|image| address(&image.sop_uid)).collect();
    if let Some(before) = images.get_mut(..=first) {
        before.rotate_right(1);
    }
    Ok(Json(images))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_shows_the_whole_picture() {
        // Left half dark, right half bright, wider than tall.
        let pixels = (0..400 * 900).map(|i| if i % 900 < 450 { 100 } else { 3900 }).collect();
        let bytes = progressive::encode(&imaging::Frame::new(400, 900, 12, pixels)).unwrap();
        let jpeg = small(&bytes[..bytes.len().min(progressive::FIRST_PICTURE)], 1 << 20).unwrap();
        let picture = image::load_from_memory(&jpeg).unwrap().to_luma8();
        assert_eq!(picture.dimensions(), (160, 71));
        assert!(picture.get_pixel(20, 30)[0] < 20 && picture.get_pixel(140, 40)[0] > 235);
        assert!(small(b"nothing", 1 << 20).is_err());
    }

    #[test]
    fn a_frame_is_its_length_its_header_and_its_values() {
        let frame = imaging::Frame::new(1, 3, 12, vec![1, 2, 4095]);
        let body = encode(&frame).unwrap();
        let length = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
        let header: imaging::Frame = serde_json::from_slice(&body[4..4 + length]).unwrap();
        assert_eq!((header.rows, header.columns, header.bits_stored), (1, 3, 12));
        assert_eq!(&body[4 + length..], &[1, 0, 2, 0, 0xff, 0x0f]);
    }

    #[test]
    fn ranges_are_understood_as_the_standard_says() {
        let check = |text, expect| assert_eq!(range(text, 100), expect, "{text}");
        check("bytes=0-9", Asked::Part(0..10));
        check("bytes=90-", Asked::Part(90..100));
        check("bytes=-5", Asked::Part(95..100));
        check("bytes=-500", Asked::Part(0..100));
        check("bytes=50-18446744073709551615", Asked::Part(50..100));
        check("bytes=100-", Asked::Outside);
        check("bytes=-0", Asked::Outside);
        for text in [
            "bytes=9-3",
            "bytes=a-b",
            "bytes=0-1,5-6",
            "items=0-1",
            "bytes=+1-2",
            "bytes=",
        ] {
            check(text, Asked::All);
        }
        assert_eq!(range("bytes=0-", 0), Asked::Outside);
    }
}
