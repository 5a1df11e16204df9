use domain::Page;
use domain::cohort::{CohortDetail, CohortRow, DecisionInput, EventRow, ReviewDesk, UnusedRow};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;

#[server(name = AskCohorts, prefix = "/api", endpoint = "cohorts", input = Json)]
pub async fn cohorts() -> Result<Vec<CohortRow>, AppError> {
    crate::api::ask!(cohorts())
}

#[server(name = AskCohort, prefix = "/api", endpoint = "cohort", input = Json)]
pub async fn cohort(name: String) -> Result<CohortDetail, AppError> {
    crate::api::ask!(cohort(name))
}

#[server(name = AskCohortEvents, prefix = "/api", endpoint = "cohort_events", input = Json)]
pub async fn cohort_events(name: String, page: u32) -> Result<Page<EventRow>, AppError> {
    crate::api::ask!(cohort_events(name, page))
}

#[server(name = AskCohortUnused, prefix = "/api", endpoint = "cohort_unused", input = Json)]
pub async fn cohort_unused(name: String, page: u32) -> Result<Page<UnusedRow>, AppError> {
    crate::api::ask!(cohort_unused(name, page))
}

#[server(name = AskReviewDesk, prefix = "/api", endpoint = "review_desk", input = Json)]
pub async fn desk(name: String) -> Result<ReviewDesk, AppError> {
    crate::api::ask!(review_desk(name))
}

#[server(name = Decide, prefix = "/api", endpoint = "review_decide", input = Json)]
pub async fn decide(name: String, decision: DecisionInput) -> Result<ReviewDesk, AppError> {
    crate::api::ask!(review_decide(name, decision))
}

#[server(name = UndoDecision, prefix = "/api", endpoint = "review_undo", input = Json)]
pub async fn undo(name: String, item: i64) -> Result<ReviewDesk, AppError> {
    crate::api::ask!(review_undo(name, item))
}
