//! `GET /events`: tells open pages that a study changed, so that they ask again, and who is reading what.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::backend::Caller;
use app::wire::ReadBy;
use axum::extract::{Extension, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::StudyUid;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::audit;
use crate::error::HttpError;
use crate::presence::{Lease, Presence};
use crate::state::AppState;

#[derive(Debug, serde::Deserialize)]
pub struct Asked {
    /// The study that the page shows. While the stream lasts, a reader's study counts as being read.
    reading: Option<String>,
}

/// One page's stream.
struct Listener {
    db: db::Db,
    caller: Caller,
    changes: broadcast::Receiver<StudyUid>,
    presence: Arc<Presence>,
    bell: watch::Receiver<()>,
    /// What the page was told last of who is reading what.
    told: Option<Vec<ReadBy>>,
    _lease: Option<Lease>,
}

/// `event: change` with a Study Instance UID that the caller may see, or with no data where several
/// changed at once; `event: readers` with the studies that are open, at once and after each change.
///
/// # Errors
/// 404 where the study asked for does not exist or is not open to the caller.
pub async fn events(
    State(state): State<AppState>,
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
        db: state.db,
        caller,
        changes: state.changes.subscribe(),
        presence: state.presence,
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
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                change = self.changes.recv() => {
                    let data = match change {
                        Ok(study) => match self.db.site_of(&study).await {
                            Ok(Some(site)) if self.caller.user.may_see(&site) => study.0,
                            _ => continue,
                        },
                        Err(RecvError::Lagged(_)) => String::new(),
                        Err(RecvError::Closed) => return None,
                    };
                    return Some(Event::default().event("change").data(data));
                }
                rung = self.bell.changed() => {
                    rung.ok()?;
                    let readers = self.presence.seen_by(&self.caller.user);
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
