use domain::{Page, SavedView, SiteId, StudyQuery, StudyRow};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;

#[server(name = AskWorklist, prefix = "/api", endpoint = "worklist", input = Json)]
pub async fn worklist(query: StudyQuery) -> Result<Page<StudyRow>, AppError> {
    crate::api::ask!(worklist(query))
}

/// The same, asked by an open page because something changed: it does not keep a session that nobody uses from ending.
#[server(name = AskWorklistAgain, prefix = "/api", endpoint = "worklist_again", input = Json)]
pub async fn worklist_again(query: StudyQuery) -> Result<Page<StudyRow>, AppError> {
    crate::api::ask!(worklist(query))
}

#[server(name = AskSites, prefix = "/api", endpoint = "sites", input = Json)]
pub async fn sites() -> Result<Vec<SiteId>, AppError> {
    crate::api::ask!(sites())
}

#[server(name = AskViews, prefix = "/api", endpoint = "views", input = Json)]
pub async fn views() -> Result<Vec<SavedView>, AppError> {
    crate::api::ask!(views())
}

#[server(name = SaveView, prefix = "/api", endpoint = "save_view", input = Json)]
pub async fn save_view(name: String, query: StudyQuery) -> Result<SavedView, AppError> {
    crate::api::ask!(save_view(name, query))
}

#[server(name = DeleteView, prefix = "/api", endpoint = "delete_view", input = Json)]
pub async fn delete_view(id: i64) -> Result<(), AppError> {
    crate::api::ask!(delete_view(id))
}
