use domain::{Answer, StudyDetail, StudyUid};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;
use crate::wire::AnswerInput;

#[server(name = AskStudy, prefix = "/api", endpoint = "study", input = Json)]
pub async fn study(study: StudyUid) -> Result<StudyDetail, AppError> {
    crate::api::ask!(study(study))
}

#[server(name = GiveAnswer, prefix = "/api", endpoint = "answer", input = Json)]
pub async fn answer(answer: AnswerInput) -> Result<Answer, AppError> {
    crate::api::ask!(answer(answer))
}

#[server(name = RestartStudy, prefix = "/api", endpoint = "restart", input = Json)]
pub async fn restart(study: StudyUid) -> Result<(), AppError> {
    crate::api::ask!(restart(study))
}
