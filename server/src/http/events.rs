//! `GET /events`: tells open pages that a study changed, so that they ask again, and who is reading what.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::backend::Caller;
use app::wire::{ANY_STUDY, ReadBy};
use axum::extract::{Extension, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::{StudyUid, User};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tower_sessions::Session;
use tower_sessions::session::Id;

use crate::audit;
use crate::auth::{self, Activity, Limits};
use crate::error::HttpError;
use crate::presence::Lease;
use crate::session::DbSessionStore;
use crate::state::AppState;

#[derive(Debug, serde::Deserialize)]
pub struct Asked {
    /// The study that the page shows. While the stream lasts, a reader's study counts as being read.
    reading: Option<String>,
}

/// One page's stream.
struct Listener {
    state: AppState,
    caller: Caller,
    /// None with HTTP Basic.
    session: Option<Id>,
    changes: broadcast::Receiver<StudyUid>,
    bell: watch::Receiver<()>,
    /// What the page was told last of who is reading what.
    told: Option<Vec<ReadBy>>,
    _lease: Option<Lease>,
}

/// `event: change` with a Study Instance UID that the caller may see, or with [`ANY_STUDY`] where several
/// changed at once; `event: readers` with the studies that are open, at once and after each change. The stream
/// ends with its session.
///
/// # Errors
/// 404 where the study asked for does not exist or is not open to the caller.
pub async fn events(
    State(state): State<AppState>,
    session: Session,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, HttpError> {
    let mut lease = None;
    if let Some(study) = asked.reading.map(StudyUid) {
        let site = state.db.site_of(&study).await?;
        let Some(site) = site.filter(|site| caller.user.may_see(site)) else {
            audit::refusal(
                &state.db,
                &caller.user.name,
                &caller.from,
                study.as_str(),
                "events of a study",
            )
            .await;
            return Err(HttpError::NotFound);
        };
        // A site looks at a result; it does not read the study.
        if caller.user.may_answer() {
            lease = Some(state.presence.begin(study, site, caller.user.name.clone()));
        }
    }
    let mut bell = state.presence.subscribe();
    bell.mark_changed();
    let listener = Listener {
        changes: state.changes.subscribe(),
        state,
        caller,
        session: session.id(),
        bell,
        told: None,
        _lease: lease,
    };
    let stream = futures::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
        .into_response())
}

impl Listener {
    /// The stream may be hours old: before each event, who listens is asked anew.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                change = self.changes.recv() => {
                    let study = match change {
                        Ok(study) => Some(study),
                        Err(RecvError::Lagged(_)) => None,
                        Err(RecvError::Closed) => return None,
                    };
                    let user = still_there(&self.state, &self.caller, self.session).await?;
                    let data = match study {
                        Some(study) => match self.state.db.site_of(&study).await {
                            Ok(Some(site)) if user.may_see(&site) => study.0,
                            _ => continue,
                        },
                        None => ANY_STUDY.to_owned(),
                    };
                    return Some(Event::default().event("change").data(data));
                }
                rung = self.bell.changed() => {
                    rung.ok()?;
                    let user = still_there(&self.state, &self.caller, self.session).await?;
                    let readers = self.state.presence.seen_by(&user);
                    if self.told.as_ref() == Some(&readers) {
                        continue;
                    }
                    let event = Event::default().event("readers").json_data(&readers).ok()?;
                    self.told = Some(readers);
                    return Some(event);
                }
            }
        }
    }
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
