//! The state that the router needs, from a bench.

use std::sync::Arc;

use app::backend::Caller;
use axum::{Extension, Router};
use domain::{AccountId, Role, SiteId, Timestamp, User};
use leptos::config::LeptosOptions;
use server::backend::ServerBackend;
use server::config::Config;
use server::dicomweb;
use server::heat_maps::HeatMaps;
use server::state::AppState;

use crate::util::{Bench, Quick};

pub fn caller(role: Role, site: &str) -> Caller {
    Caller {
        user: User {
            id: AccountId(1),
            name: "tester".to_owned(),
            role,
            site: SiteId::from(site),
            disabled: false,
            created_at: Timestamp(0),
        },
        from: "192.0.2.1".to_owned(),
    }
}

pub fn app_state(bench: &Bench) -> AppState {
    app_state_with(bench, Config::default())
}

/// The same with other settings.
pub fn app_state_with(bench: &Bench, config: Config) -> AppState {
    let config = Config {
        ingest: bench.ingest_options.clone(),
        models: crate::util::process::models(),
        ..config
    };
    AppState {
        backend: Arc::new(ServerBackend {
            db: bench.db.clone(),
            models: config.models.clone(),
            changes: bench.changes.clone(),
            heat_maps: HeatMaps::new(bench.storage.clone(), bench.decoder.clone(), Some(Arc::new(Quick))),
        }),
        config: Arc::new(config),
        db: bench.db.clone(),
        storage: bench.storage.clone(),
        decoder: bench.decoder.clone(),
        ingest: bench.ingest.clone(),
        changes: bench.changes.clone(),
        presence: Arc::default(),
        brake: Arc::default(),
        leptos: LeptosOptions::builder().output_name("frontend").build(),
    }
}

/// The DICOMweb routes as `caller` meets them behind the sign-in.
pub fn dicomweb(bench: &Bench, caller: Caller) -> Router {
    Router::new()
        .nest("/dicomweb", dicomweb::router())
        .layer(Extension(caller))
        .with_state(app_state(bench))
}
