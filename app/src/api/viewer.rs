use domain::{EarlierStudy, HeatMap, SopUid, StudyUid};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;

/// How the caller left an image, as JSON of the viewer; `None` where it was never touched.
#[server(name = AskKeptView, prefix = "/api", endpoint = "kept_view", input = Json)]
pub async fn kept_view(sop: SopUid) -> Result<Option<String>, AppError> {
    crate::api::ask!(kept_view(sop))
}

#[server(name = KeepView, prefix = "/api", endpoint = "keep_view", input = Json)]
pub async fn keep_view(sop: SopUid, view: String) -> Result<(), AppError> {
    crate::api::ask!(keep_view(sop, view))
}

/// What each place of the hips that were read adds to their scores.
#[server(name = AskHeatMaps, prefix = "/api", endpoint = "heat_maps", input = Json)]
pub async fn heat_maps(sop: SopUid) -> Result<Vec<HeatMap>, AppError> {
    crate::api::ask!(heat_maps(sop))
}

/// Studies of the same patient from before a study, the newest first.
#[server(name = AskEarlier, prefix = "/api", endpoint = "earlier", input = Json)]
pub async fn earlier(study: StudyUid) -> Result<Vec<EarlierStudy>, AppError> {
    crate::api::ask!(earlier(study))
}
