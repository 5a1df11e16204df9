use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;
use crate::wire::{ModelCard, Session};

/// Who is signed in; `None` for nobody, which is no error on the sign-in page.
#[server(name = AskSession, prefix = "/api", endpoint = "session", input = Json)]
pub async fn session() -> Result<Option<Session>, AppError> {
    Ok(crate::api::caller().map(|caller| Session {
        name: caller.user.name,
        role: caller.user.role,
        site: caller.user.site,
    }))
}

#[server(name = AskModels, prefix = "/api", endpoint = "models", input = Json)]
pub async fn models() -> Result<Vec<ModelCard>, AppError> {
    crate::api::ask!(models())
}
