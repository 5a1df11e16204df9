//! What was taken of the same patient before: a strip under the picture, and one of them beside it.

use domain::{EarlierStudy, StudyUid};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{caption, first_image};
use crate::components::mark::ResultMark;
use crate::viewer::{Beside, EarlierPicture, Panes};
use crate::{Desk, api, data, words};

#[component]
pub fn Earlier(study: StudyUid, panes: Panes) -> impl IntoView {
    let earlier = data::resource(move || study.clone(), api::viewer::earlier);
    let error = RwSignal::new(None::<String>);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match earlier.await {
                    Ok(studies) if studies.is_empty() => ().into_any(),
                    Ok(studies) => {
                        let cards = studies.into_iter().map(|study| view! { <Card study panes error/> }).collect_view();
                        view! {
                            <section class="images earlier" aria-label="Earlier studies of this patient">
                                <h2>"Earlier"</h2>
                                {cards}
                                <p role="status" class="form-error">{move || error.get()}</p>
                            </section>
                        }
                        .into_any()
                    }
                    Err(error) => {
                        view! { <p class="images form-error">{format!("Earlier studies are not known: {error}")}</p> }.into_any()
                    }
                }
            })}
        </Suspense>
    }
    .into_any()
}

/// Opens the study beside the picture, or closes it there.
#[component]
fn Card(study: EarlierStudy, panes: Panes, error: RwSignal<Option<String>>) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let uid = study.study_uid.clone();
    let this = uid.clone();
    let open = Memo::new(move |_| {
        panes
            .beside
            .with(|beside| matches!(beside, Beside::Earlier(picture) if picture.study == this))
    });
    let toggle = move |_| {
        error.set(None);
        if open.get_untracked() {
            panes.put(Beside::Nothing);
            return;
        }
        let uid = uid.clone();
        spawn_local(async move {
            match api::study::study(uid).await {
                Ok(detail) => match detail.images.get(first_image(&detail.images)) {
                    Some(image) => {
                        let reading = image.reading.as_ref();
                        panes.put(Beside::Earlier(Box::new(EarlierPicture {
                            study: detail.row.study_uid.clone(),
                            sop: image.sop_uid.clone(),
                            hips: reading.map(|reading| reading.hips.clone()).unwrap_or_default(),
                            caption: caption(&detail.row),
                        })));
                    }
                    None => {
                        error.try_set(Some("No image of that study has arrived.".to_owned()));
                    }
                },
                Err(refused) => {
                    error.try_set(Some(refused.to_string()));
                }
            }
        });
    };
    let description = if study.description.is_empty() {
        "no description".to_owned()
    } else {
        study.description
    };
    view! {
        <button
            type="button"
            class="image-card"
            title="Shows this study beside the picture"
            disabled=move || !ready.get()
            aria-pressed=move || open.get().to_string()
            on:click=toggle
        >
            <span class="image-name">
                <ResultMark result=study.result/>
                {words::study_time(&study.study_date, &study.study_time)}
            </span>
            <span class="image-words">{format!("{description} · {}", words::result(study.result))}</span>
        </button>
    }
    .into_any()
}
