//! What every handler shares. Built once by [`crate::serve`], cloned cheaply.

use std::sync::Arc;

use app::backend::Backend;
use axum::extract::FromRef;
use domain::StudyUid;
use leptos::config::LeptosOptions;
use tokio::sync::broadcast;

use crate::auth::Brake;
use crate::config::Config;
use crate::decoder::Decoder;
use crate::ingest::Ingest;
use crate::presence::Presence;
use crate::storage::Storage;

#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    pub db: db::Db,
    pub storage: Arc<Storage>,
    pub decoder: Arc<Decoder>,
    pub ingest: Arc<Ingest>,
    /// Says which study changed, to the pages that look at it.
    pub changes: broadcast::Sender<StudyUid>,
    /// Who has which study open.
    pub presence: Arc<Presence>,
    pub brake: Arc<Brake>,
    pub backend: Arc<dyn Backend>,
    pub leptos: LeptosOptions,
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}
