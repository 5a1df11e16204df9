//! Finds who is calling (session cookie, or HTTP Basic for DICOMweb clients) and puts an
//! [`app::backend::Caller`] into the request's extensions. Handlers decide what the caller may do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tower_sessions::Session;

use crate::error::HttpError;
use crate::state::AppState;
use crate::{audit, auth};

/// The client's network address.
#[derive(Clone, Copy, Debug)]
pub struct From(pub IpAddr);

/// The address of the peer, or of the client that a trusted proxy names.
pub(super) fn address(request: &Request, trust_forwarded_for: bool) -> IpAddr {
    let forwarded = || {
        let header = request.headers().get("x-forwarded-for")?.to_str().ok()?;
        header.rsplit(',').next()?.trim().parse().ok()
    };
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip());
    trust_forwarded_for
        .then(forwarded)
        .flatten()
        .or(peer)
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Identifies the caller; never refuses by itself, except a wrong Basic password.
pub async fn identify(
    State(state): State<AppState>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    let from = address(&request, state.config.trust_forwarded_for);
    request.extensions_mut().insert(From(from));
    if let Some((name, password)) = basic(request.headers()) {
        match auth::check(&state.db, &state.brake, &name, &password, from).await? {
            auth::Verdict::Welcome(user) => {
                request.extensions_mut().insert(auth::caller(user, from));
            }
            auth::Verdict::Refused => {
                audit::refusal(
                    &state.db,
                    &name,
                    &from.to_string(),
                    "HTTP Basic",
                    "wrong name or password",
                )
                .await;
                return Ok(challenge());
            }
            auth::Verdict::Wait => {
                let words = "too many refusals; slowed down";
                audit::refusal(&state.db, &name, &from.to_string(), "HTTP Basic", words).await;
                return Ok(StatusCode::TOO_MANY_REQUESTS.into_response());
            }
        }
    } else {
        // An open page listens for changes and asks for its rows again with nobody in front of it.
        let activity = match request.uri().path() {
            "/events" | "/api/worklist_again" => auth::Activity::Own,
            _ => auth::Activity::Users,
        };
        let limits = auth::Limits::of(&state.config);
        if let Some(user) = auth::of_session(&session, &state.db, limits, activity).await? {
            request.extensions_mut().insert(auth::caller(user, from));
        }
    }
    Ok(next.run(request).await)
}

fn challenge() -> Response {
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Shenton\""));
    response
}

/// Sends whoever is signed out to the sign-in page: for pages. Server functions ask for their caller themselves,
/// so that a page whose session has ended hears so instead of being sent elsewhere.
pub async fn require_page(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = path == "/sign-in" || path.starts_with("/api/");
    if !open && request.extensions().get::<app::backend::Caller>().is_none() {
        return Redirect::to("/sign-in").into_response();
    }
    next.run(request).await
}

/// Refuses whoever is signed out with 401: for everything that is not a page.
pub async fn require(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if request.extensions().get::<app::backend::Caller>().is_none() {
        let from = request
            .extensions()
            .get::<From>()
            .map(|from| from.0.to_string())
            .unwrap_or_default();
        audit::refusal(&state.db, "(signed out)", &from, request.uri().path(), "not signed in").await;
        return challenge();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read_and_nonsense_is_not() {
        let mut headers = HeaderMap::new();
        assert_eq!(basic(&headers), None);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YWRtaW46YTpi"));
        assert_eq!(basic(&headers), Some(("admin".to_owned(), "a:b".to_owned())));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic %%%"));
        assert_eq!(basic(&headers), None);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert_eq!(basic(&headers), None);
    }

    #[test]
    fn a_forwarded_address_counts_only_where_the_proxy_is_trusted() {
        let request = Request::builder()
            .header("x-forwarded-for", "10.0.0.9, 192.0.2.7")
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 5))))
            .body(axum::body::Body::empty())
            .unwrap();
        assert_eq!(address(&request, false), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(address(&request, true), IpAddr::from([192, 0, 2, 7]));
    }
}
