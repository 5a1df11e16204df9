//! DICOMweb (PS3.18): storing instances (STOW-RS) and retrieving one (WADO-RS).
//!
//! The caller comes as an extension, put there by the middleware; each handler decides what it may do.

use axum::Router;
use axum::routing::{get, post};

use crate::state::AppState;

mod media_type;
mod multipart;
mod stow;
mod wado;

/// The routes below `/dicomweb`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/studies", post(stow::store))
        .route("/studies/{study}", post(stow::store_into_study))
        .route(
            "/studies/{study}/series/{series}/instances/{instance}",
            get(wado::retrieve),
        )
}
