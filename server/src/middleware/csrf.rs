//! Refuses a state-changing request that another site makes a signed-in browser send.
//!
//! The session cookie is `SameSite=Strict`; this is the second lock. A browser says where a request comes
//! from in `Sec-Fetch-Site`, an older one in `Origin`. A request without the session cookie (DICOMweb with
//! Basic) carries nothing that another site could misuse.

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::audit;
use crate::middleware::caller::address;
use crate::router::SESSION_COOKIE;
use crate::state::AppState;

fn allowed(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let has_session = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|cookies| {
            cookies
                .split(';')
                .any(|cookie| cookie.trim_start().starts_with(SESSION_COOKIE))
        });
    // A sign-in has no session yet, and must not be forged either.
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => match (text(ORIGIN.as_str()), text(HOST.as_str())) {
            (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, of)| of == host),
            _ => !has_session,
        },
    }
}

pub async fn refuse_cross_site(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if allowed(request.method(), request.headers()) {
        next.run(request).await
    } else {
        let from = address(&request, state.config.trust_forwarded_for).to_string();
        let path = request.uri().path();
        audit::refusal(&state.db, "(unknown)", &from, path, "a request from another site").await;
        (StatusCode::FORBIDDEN, "refused: this request comes from another site").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, headers: &[(&'static str, &str)], expect: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        assert_eq!(allowed(&method, &map), expect, "{method} {headers:?}");
    }

    #[test]
    fn only_same_origin_browsers_and_clients_without_a_session_may_write() {
        let cookie = format!("{SESSION_COOKIE}=x");
        check(
            Method::GET,
            &[("sec-fetch-site", "cross-site"), ("cookie", &cookie)],
            true,
        );
        check(
            Method::POST,
            &[("sec-fetch-site", "same-origin"), ("cookie", &cookie)],
            true,
        );
        check(
            Method::POST,
            &[("sec-fetch-site", "cross-site"), ("cookie", &cookie)],
            false,
        );
        check(Method::POST, &[("sec-fetch-site", "same-site")], false);
        check(
            Method::POST,
            &[
                ("origin", "https://a.example"),
                ("host", "a.example"),
                ("cookie", &cookie),
            ],
            true,
        );
        check(
            Method::POST,
            &[
                ("origin", "https://b.example"),
                ("host", "a.example"),
                ("cookie", &cookie),
            ],
            false,
        );
        check(Method::POST, &[("host", "a.example"), ("cookie", &cookie)], false);
        check(Method::POST, &[("host", "a.example")], true);
    }
}
