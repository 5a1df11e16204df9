//! One module for each page, and which of them the browser fetches apart from what every page loads.
//!
//! The worklist is what most loads begin with, so it is in the bundle itself. The others are cut off it into parts
//! ([`wasm_split`](https://docs.rs/wasm_split_helpers)) that are fetched when one of their pages is first opened:
//! `study` for reading, `office` for all that is not done at night.

pub mod about;
pub mod accounts;
pub mod audit;
pub mod cohorts;
pub mod not_found;
pub mod quarantine;
pub mod review;
pub mod sign_in;
pub mod study;
pub mod upload;
pub mod worklist;

use leptos::prelude::*;
use leptos_router::ChooseView;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use crate::AppError;
use crate::components::error_note::ErrorNote;

/// The page in the part `study`.
#[derive(Clone, Copy)]
pub struct Study;

/// The pages in the part `office`.
#[derive(Clone, Copy)]
pub enum Office {
    About,
    Accounts,
    Audit,
    Cohort,
    Cohorts,
    Quarantine,
    Review,
    Upload,
}

#[allow(
    unsafe_code,
    reason = "a cut is a call from one WebAssembly module into another, which the macro declares"
)]
#[wasm_split(study, fallible, preload(fetch_study))]
fn open_study() -> Result<AnyView, SplitLoaderError> {
    Ok(study::StudyPage().into_any())
}

#[allow(unsafe_code, reason = "as for `open_study`")]
#[wasm_split(office, fallible, preload(fetch_office))]
fn open_office(page: Office) -> Result<AnyView, SplitLoaderError> {
    Ok(match page {
        Office::About => about::AboutPage().into_any(),
        Office::Accounts => accounts::AccountsPage().into_any(),
        Office::Audit => audit::AuditPage().into_any(),
        Office::Cohort => cohorts::CohortPage().into_any(),
        Office::Cohorts => cohorts::CohortsPage().into_any(),
        Office::Quarantine => quarantine::QuarantinePage().into_any(),
        Office::Review => review::ReviewPage().into_any(),
        Office::Upload => upload::UploadPage().into_any(),
    })
}

impl ChooseView for Study {
    async fn choose(self) -> AnyView {
        open_study().await.unwrap_or_else(not_fetched)
    }

    async fn preload(&self) {}
}

impl ChooseView for Office {
    async fn choose(self) -> AnyView {
        open_office(self).await.unwrap_or_else(not_fetched)
    }

    async fn preload(&self) {}
}

fn not_fetched(_: SplitLoaderError) -> AnyView {
    view! { <div class="page"><ErrorNote error=AppError::Unreachable/></div> }.into_any()
}

/// Fetches the part that the page at `path` needs, so that it is there when the router asks. An error means that it
/// did not come; asking again tries again.
pub async fn fetch(path: &str) -> Result<(), SplitLoaderError> {
    match path.split('/').nth(1) {
        None | Some("" | "sign-in") => Ok(()),
        Some("study") => fetch_study().await,
        Some(_) => fetch_office().await,
    }
}
