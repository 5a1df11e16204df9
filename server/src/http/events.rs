//! `GET /events`: tells open pages that a study changed, so that they ask again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::backend::Caller;
use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use domain::User;
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tower_sessions::Session;
use tower_sessions::session::Id;

use crate::auth::{self, Activity, Limits};
use crate::session::DbSessionStore;
use crate::state::AppState;

/// `event: change` with a Study Instance UID that the caller may see, or with no data where several
/// changed at once. The stream ends with its session.
pub async fn events(
    State(state): State<AppState>,
    session: Session,
    Extension(caller): Extension<Caller>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = state.changes.subscribe();
    let start = (receiver, state, caller, session.id());
    let stream = futures::stream::unfold(start, |(mut receiver, state, caller, session)| async move {
        loop {
            let study = match receiver.recv().await {
                Ok(study) => Some(study),
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return None,
            };
            // The stream may be hours old: who listens is asked anew.
            let user = still_there(&state, &caller, session).await?;
            let data = match study {
                Some(study) => match state.db.site_of(&study).await {
                    Ok(Some(site)) if user.may_see(&site) => study.0,
                    _ => continue,
                },
                None => String::new(),
            };
            let event = Event::default().event("change").data(data);
            return Some((Ok(event), (receiver, state, caller, session)));
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
}

/// The account as it is now, where it may still listen: its session has not ended, and nobody disabled it.
async fn still_there(state: &AppState, caller: &Caller, session: Option<Id>) -> Option<User> {
    let user = match session {
        Some(id) => {
            let session = Session::new(Some(id), Arc::new(DbSessionStore::new(state.db.clone())), None);
            let limits = Limits::of(&state.config);
            auth::of_session(&session, &state.db, limits, Activity::Own).await
        }
        // HTTP Basic: there is an account and no session.
        None => state.db.user(caller.user.id).await.map_err(Into::into),
    };
    match user {
        Ok(user) => user.filter(|user| !user.disabled),
        Err(error) => {
            tracing::error!(%error, "an event stream ends: its account cannot be asked for");
            None
        }
    }
}
