//! A request's whole body, or why it did not come.

use std::error::Error;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;

use crate::ingest::{Ingest, Kind, Refused, Source};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than allowed, or says so; its announced length, as far as it has one.
    TooLong { announced: Option<u64>, allowed: usize },
    /// It ended, or stopped, before what `Content-Length` announced.
    BrokenOff { announced: Option<u64> },
}

impl Unread {
    pub fn status(self) -> StatusCode {
        match self {
            Unread::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Unread::BrokenOff { .. } => StatusCode::BAD_REQUEST,
        }
    }

    /// Writes it down where the administrator looks, and puts it into words for the sender.
    pub async fn note(self, ingest: &Ingest, source: &Source) -> Refused {
        let (announced, kind, reason) = match self {
            Unread::TooLong {
                announced: Some(bytes),
                allowed,
            } => (
                bytes,
                Kind::TooLarge,
                format!("the file has {bytes} bytes, more than the {allowed} allowed"),
            ),
            Unread::TooLong {
                announced: None,
                allowed,
            } => (
                0,
                Kind::TooLarge,
                format!("the file has more than the {allowed} bytes allowed"),
            ),
            Unread::BrokenOff { announced: Some(bytes) } => (
                bytes,
                Kind::BrokenOff,
                format!("the file broke off before the {bytes} bytes that were announced"),
            ),
            Unread::BrokenOff { announced: None } => (0, Kind::BrokenOff, "the file broke off".to_owned()),
        };
        ingest.not_taken(source, announced, kind, reason).await
    }
}

/// Reads a body of at most `allowed` bytes. One that announces more is not begun.
///
/// # Errors
/// See [`Unread`].
pub async fn whole_body(headers: &HeaderMap, body: Body, allowed: usize) -> Result<Bytes, Unread> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > allowed as u64) {
        return Err(Unread::TooLong { announced, allowed });
    }
    axum::body::to_bytes(body, allowed).await.map_err(|error| {
        if is_too_long(&error) {
            Unread::TooLong { announced, allowed }
        } else {
            Unread::BrokenOff { announced }
        }
    })
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(length: Option<&str>, pieces: &[Result<&'static str, &'static str>], expect: Result<&str, Unread>) {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.parse().unwrap());
        }
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| piece.map(Bytes::from).map_err(std::io::Error::other))
            .collect();
        let body = Body::from_stream(futures::stream::iter(pieces));
        let expect = expect.map(|text| Bytes::from(text.to_owned()));
        assert_eq!(whole_body(&headers, body, 10).await, expect, "{length:?}");
    }

    #[tokio::test]
    async fn a_body_comes_whole_or_says_why_not() {
        let too_long = |announced| Unread::TooLong { announced, allowed: 10 };
        check(Some("10"), &[Ok("01234"), Ok("56789")], Ok("0123456789")).await;
        check(None, &[Ok("01234")], Ok("01234")).await;
        check(None, &[Ok("01234"), Ok("567890")], Err(too_long(None))).await;
        // Announced, so not begun; and what announces nonsense is taken by what comes.
        check(Some("11"), &[Err("never asked for")], Err(too_long(Some(11)))).await;
        check(Some("many"), &[Ok("01234")], Ok("01234")).await;
        let broken = Unread::BrokenOff { announced: Some(9) };
        check(Some("9"), &[Ok("01234"), Err("the peer is gone")], Err(broken)).await;
    }
}
