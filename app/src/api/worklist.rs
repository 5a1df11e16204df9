use domain::{Page, SiteId, StudyQuery, StudyRow};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;

#[server(name = AskWorklist, prefix = "/api", endpoint = "worklist", input = Json)]
pub async fn worklist(query: StudyQuery) -> Result<Page<StudyRow>, AppError> {
    crate::api::ask!(worklist(query))
}

#[server(name = AskSites, prefix = "/api", endpoint = "sites", input = Json)]
pub async fn sites() -> Result<Vec<SiteId>, AppError> {
    crate::api::ask!(sites())
}
