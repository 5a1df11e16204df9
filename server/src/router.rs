//! Every route on one page.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{
    AxumRouteListing, LeptosRoutes, ResponseOptions, generate_route_list, render_app_async_with_context,
};
use time::Duration;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::dicomweb;
use crate::http::{events, frames, sign_in, upload};
use crate::middleware::{caller, csrf, headers};
use crate::session::DbSessionStore;
use crate::state::AppState;

/// The name of the session cookie.
pub const SESSION_COOKIE: &str = "shenton";

/// The whole application over its state.
pub fn router(state: AppState) -> Router {
    let sessions = SessionManagerLayer::new(DbSessionStore::new(state.db.clone()))
        .with_name(SESSION_COOKIE)
        .with_same_site(SameSite::Strict)
        .with_http_only(true)
        .with_secure(state.config.cookies_are_secure())
        .with_expiry(Expiry::OnInactivity(
            Duration::try_from(state.config.session_idle_seconds).unwrap_or(Duration::minutes(30)),
        ));

    let shell_options = state.leptos.clone();
    let shell = move || app::shell(shell_options.clone());
    let page_state = state.clone();
    let context = move || page_context(&page_state);
    // The pages, and the server functions under /api.
    let pages = Router::new()
        .leptos_routes_with_context(&state, routes(), context.clone(), shell.clone())
        .route_layer(from_fn(caller::require_page));
    let no_such_page = render_app_async_with_context(context, shell);

    let signed_in = Router::new()
        .route("/upload/file", post(upload::file))
        .route("/frames/{sop_uid}", get(frames::frame))
        .route("/frames/{sop_uid}/progressive", get(frames::progressive))
        .route("/frames/{sop_uid}/thumbnail", get(frames::thumbnail))
        .route("/frames/of/{study_uid}", get(frames::of_study))
        .route("/events", get(events::events))
        .nest("/dicomweb", dicomweb::router())
        .route_layer(from_fn_with_state(state.clone(), caller::require))
        .layer(DefaultBodyLimit::max(state.config.ingest.max_bytes));

    let public = Router::new()
        .route("/sign-in", post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .layer(DefaultBodyLimit::max(1 << 20));

    let pkg = state.config.site.join("pkg");
    // From the root, since a service worker answers only for what lies below it.
    let service_worker = Router::new()
        .route_service("/service-worker.js", ServeFile::new(pkg.join("service-worker.js")))
        .layer(SetResponseHeaderLayer::overriding(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; connect-src 'self'"),
        ));
    let bundle = Router::new()
        .nest_service("/pkg", ServeDir::new(pkg).precompressed_br())
        .merge(service_worker)
        .layer(SetResponseHeaderLayer::overriding(
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        ));

    Router::new()
        .merge(pages)
        .merge(signed_in)
        .merge(public)
        .fallback(async move |request: Request| {
            let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
            if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
                no_such_page(request).await
            } else {
                StatusCode::NOT_FOUND.into_response()
            }
        })
        .layer(from_fn_with_state(state.clone(), caller::identify))
        .layer(sessions)
        .layer(from_fn_with_state(state.clone(), csrf::refuse_cross_site))
        // A body that stops coming does not hold its connection for ever.
        .layer(RequestBodyTimeoutLayer::new(state.config.body_idle_seconds))
        .merge(bundle)
        .route("/healthz", get(health))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn(headers::secure))
        .layer(CatchPanicLayer::new())
        .with_state(state)
}

/// The pages' addresses; worked out once, as every listing renders the application.
fn routes() -> Vec<AxumRouteListing> {
    static ROUTES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(app::App));
    ROUTES.clone()
}

/// What every page and server function finds in its context.
fn page_context(state: &AppState) {
    provide_context(state.backend.clone());
    if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>())
        && let Ok(policy) = HeaderValue::from_str(&headers::page_policy(&nonce))
    {
        response.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}

/// 200 while the database answers.
async fn health(State(state): State<AppState>) -> Result<&'static str, crate::error::HttpError> {
    state.db.ping().await?;
    Ok("ok")
}
