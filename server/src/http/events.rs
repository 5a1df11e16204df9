//! `GET /events`: tells open pages that a study changed, so that they ask again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;

use crate::state::AppState;

/// `event: change` with a Study Instance UID that the caller may see, or with no data where several
/// changed at once.
pub async fn events(
    State(state): State<AppState>,
    Extension(caller): Extension<app::backend::Caller>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = state.changes.subscribe();
    let stream = futures::stream::unfold((receiver, state, caller), |(mut receiver, state, caller)| async move {
        loop {
            let data = match receiver.recv().await {
                Ok(study) => match state.db.site_of(&study).await {
                    Ok(Some(site)) if caller.user.may_see(&site) => study.0,
                    _ => continue,
                },
                Err(RecvError::Lagged(_)) => String::new(),
                Err(RecvError::Closed) => return None,
            };
            return Some((
                Ok(Event::default().event("change").data(data)),
                (receiver, state, caller),
            ));
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
}
