//! The one error that pages, server functions and the backend share.

use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use serde::{Deserialize, Serialize};

/// What went wrong, in words that may be shown to the person in front of the screen.
///
/// Details of the server (a database's message, a path) never travel in it: the server logs them once and
/// answers [`AppError::Internal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", content = "message", rename_all = "snake_case")]
pub enum AppError {
    /// No session, or one that has ended.
    #[error("You are signed out. Sign in again to go on.")]
    SignedOut,
    /// Signed in, but this role or site may not do it.
    #[error("Your account may not do this. An administrator can change that.")]
    Forbidden,
    #[error("This does not exist, or your site may not see it.")]
    NotFound,
    /// The request makes no sense; the text says what to change.
    #[error("{0}")]
    Invalid(String),
    #[error("The server could not do this. Try again; if it happens again, tell your administrator.")]
    Internal,
    /// The browser did not reach the server.
    #[error("The server cannot be reached. Check the connection and try again.")]
    Unreachable,
}

impl AppError {
    /// The HTTP status that goes with this error.
    pub fn status(&self) -> u16 {
        match self {
            AppError::SignedOut => 401,
            AppError::Forbidden => 403,
            AppError::NotFound => 404,
            AppError::Invalid(_) => 422,
            AppError::Internal => 500,
            AppError::Unreachable => 503,
        }
    }

    /// A short heading for a page that could not be shown.
    pub fn title(&self) -> &'static str {
        match self {
            AppError::SignedOut => "Signed out",
            AppError::Forbidden => "Not allowed",
            AppError::NotFound => "Not found",
            AppError::Invalid(_) => "This cannot be done",
            AppError::Internal => "Something went wrong on the server",
            AppError::Unreachable => "No connection",
        }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        AppError::of_server_fn(error, cfg!(feature = "hydrate"))
    }
}

impl AppError {
    fn of_server_fn(error: ServerFnErrorErr, in_browser: bool) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => AppError::Unreachable,
            // What the browser reads is a response: a proxy's own page, or a body that broke off. Whether the server
            // did what was asked is not known, as where no response came.
            ServerFnErrorErr::Deserialization(_) if in_browser => AppError::Unreachable,
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) | ServerFnErrorErr::Deserialization(_) => {
                AppError::Invalid("The request could not be understood. Reload the page and try again.".to_owned())
            }
            _ => AppError::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_makes_no_sense_is_no_response_and_a_request_that_makes_none_is_refused() {
        let nonsense = || ServerFnErrorErr::Deserialization("expected value at line 1 column 1".to_owned());
        assert_eq!(AppError::of_server_fn(nonsense(), true), AppError::Unreachable);
        assert!(matches!(
            AppError::of_server_fn(nonsense(), false),
            AppError::Invalid(_)
        ));
        let lost = ServerFnErrorErr::Request("failed to fetch".to_owned());
        assert_eq!(AppError::of_server_fn(lost, true), AppError::Unreachable);
    }
}
