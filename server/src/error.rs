//! The one error that HTTP handlers return: its variants say their status, and a 5xx body says nothing.

use app::AppError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("sign in first")]
    SignedOut,
    #[error("this account may not do that")]
    Forbidden,
    #[error("there is no such thing here")]
    NotFound,
    #[error("{0}")]
    Invalid(String),
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

impl HttpError {
    fn status(&self) -> StatusCode {
        match self {
            HttpError::SignedOut => StatusCode::UNAUTHORIZED,
            HttpError::Forbidden => StatusCode::FORBIDDEN,
            HttpError::NotFound => StatusCode::NOT_FOUND,
            HttpError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            HttpError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        if let HttpError::Internal(error) = &self {
            tracing::error!(error = format!("{error:#}"), "request failed");
        }
        (self.status(), Json(serde_json::json!({ "error": self.to_string() }))).into_response()
    }
}

impl From<db::Error> for HttpError {
    fn from(error: db::Error) -> Self {
        HttpError::Internal(error.into())
    }
}

impl From<anyhow::Error> for HttpError {
    fn from(error: anyhow::Error) -> Self {
        HttpError::Internal(error)
    }
}

/// Logs the cause once and hides it from the browser.
pub fn internal(error: impl std::fmt::Display) -> AppError {
    tracing::error!(error = %error, "request failed");
    AppError::Internal
}
