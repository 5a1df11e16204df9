//! `POST /sign-in` and `POST /sign-out`: plain forms, so that both work before any script has loaded.

use axum::Form;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{AuditAction, AuditOutcome};
use serde::Deserialize;
use tower_sessions::Session;

use crate::audit;
use crate::auth::{self, Verdict};
use crate::error::HttpError;
use crate::middleware::caller::From;
use crate::state::AppState;

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
}

pub async fn sign_in(
    State(state): State<AppState>,
    session: Session,
    Extension(From(from)): Extension<From>,
    Form(credentials): Form<Credentials>,
) -> Result<Response, HttpError> {
    let name = credentials.name.trim();
    match auth::check(&state.db, &state.brake, name, &credentials.password, from).await? {
        Verdict::Welcome(user) => {
            auth::sign_in(&session, &state.db, &user).await?;
            let event = audit::by(
                &user.name,
                &from.to_string(),
                AuditAction::SignIn,
                AuditOutcome::Success,
                user.name.clone(),
                "",
            );
            state.db.audit(event).await?;
            Ok(Redirect::to("/").into_response())
        }
        Verdict::Refused => {
            let event = audit::by(
                name,
                &from.to_string(),
                AuditAction::SignIn,
                AuditOutcome::Failure,
                "",
                "wrong name or password, or disabled",
            );
            state.db.audit(event).await?;
            Ok(Redirect::to("/sign-in?failed=1").into_response())
        }
        Verdict::Wait => {
            audit::refusal(
                &state.db,
                name,
                &from.to_string(),
                "sign-in",
                "too many refusals; slowed down",
            )
            .await;
            Ok((StatusCode::SEE_OTHER, Redirect::to("/sign-in?failed=wait")).into_response())
        }
    }
}

pub async fn sign_out(
    State(state): State<AppState>,
    session: Session,
    caller: Option<Extension<app::backend::Caller>>,
) -> Result<Redirect, HttpError> {
    if let Some(Extension(caller)) = caller {
        state
            .db
            .audit(audit::event(
                &caller,
                AuditAction::SignOut,
                caller.user.name.clone(),
                "",
            ))
            .await?;
    }
    session.flush().await.map_err(anyhow::Error::from)?;
    Ok(Redirect::to("/sign-in"))
}
