mod filters;
mod list;
mod table;
mod views;
mod windows;

use domain::{Page, StudyQuery, StudyRow};
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use crate::api;
use crate::components::error_note::ErrorNote;
use crate::components::notice::Notice;
use crate::query;
use crate::{AppError, Desk, SignedIn, browser, data};
use filters::Filters;
use list::List;
use table::{Empty, Place, Table};
use views::Views;

/// The answer with its question, as another one may have been asked since.
async fn ask(query: StudyQuery) -> Result<(StudyQuery, Page<StudyRow>), AppError> {
    let page = api::worklist::worklist(query.clone()).await?;
    Ok((query, page))
}

/// The studies: unanswered first, then the most suspicious.
#[component]
pub fn WorklistPage() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let map = use_query_map();
    let query = Memo::new(move |_| {
        let mut query = map.with(query::worklist);
        query.search = desk.search.get().trim().to_owned();
        query
    });
    let list = List::new(query);
    provide_context(list);
    let answer = data::resource(move || query.get(), ask);
    let live = RwSignal::new(true);
    let sites = data::resource(|| (), |()| api::worklist::sites());
    let views = data::resource(|| (), |()| api::worklist::views());
    let session = expect_context::<SignedIn>().0;

    Effect::new(move |_| browser::on_change(live, || true, move |_| list.ask_again()));
    Effect::new(move |_| {
        list.may_restart
            .set(matches!(session.get(), Some(Ok(Some(session))) if session.may_answer()));
    });
    keys(list);
    // What comes next is fetched while the list is looked at; where that fails, opening a study tries again.
    Effect::new(|_| {
        spawn_local(async {
            let _ = crate::pages::fetch("/study").await;
        });
    });

    view! {
        <Title text="Worklist"/>
        <div class="page worklist-page">
            <div class="page-head">
                <h1>"Worklist"</h1>
                <Suspense>
                    {move || Suspend::new(async move {
                        let kept = views.await.unwrap_or_default();
                        view! { <Views kept/> }
                    })}
                </Suspense>
                <Notice/>
            </div>
            <Suspense>
                {move || Suspend::new(async move {
                    let sites = sites.await.unwrap_or_default();
                    view! { <Filters sites/> }
                })}
            </Suspense>
            <Transition fallback=|| view! { <p class="loading">"Loading the worklist…"</p> }>
                {move || Suspend::new(async move {
                    // The rows measure the room that is left for them, so what stands above them comes first.
                    let _ = (sites.await, views.await);
                    match answer.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok((query, page)) => {
                            list.begin(&query, page);
                            view! {
                                <Rows/>
                                <Foot live/>
                            }
                            .into_any()
                        }
                    }
                })}
            </Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Rows() -> impl IntoView {
    let list = expect_context::<List>();
    let is_empty = Memo::new(move |_| list.windows.with(|windows| windows.total() == 0));
    move || {
        if is_empty.get() {
            view! { <Empty/> }.into_any()
        } else {
            view! { <Table/> }.into_any()
        }
    }
}

/// Where one is, and whether what one sees is all there is.
#[component]
fn Foot(live: RwSignal<bool>) -> impl IntoView {
    let list = expect_context::<List>();
    view! {
        <div class="list-status">
            <Place/>
            {move || {
                list.held.with(Option::is_some)
                    .then(|| {
                        view! {
                            <button type="button" class="held" on:click=move |_| list.show_held()>
                                "The order has changed: show it (.)"
                            </button>
                        }
                    })
            }}
            {move || {
                list.trouble
                    .get()
                    .map(|error| {
                        view! {
                            <span class="bad" role="alert">{error.to_string()}</span>
                            <button type="button" class="small" on:click=move |_| list.try_again()>"Load the rows again"</button>
                        }
                    })
            }}
            <span class="live" class:away=move || !live.get() role="status">
                {move || {
                    if live.get() { "Updates itself" } else { "No live connection: asking every 15 seconds" }
                }}
            </span>
            <span class="keys" aria-label="Keys">
                <kbd>"j"</kbd> " " <kbd>"k"</kbd> " move, " <kbd>"Enter"</kbd> " opens, " <kbd>"/"</kbd> " searches, "
                <kbd>"Home"</kbd> " " <kbd>"End"</kbd> " first and last"
            </span>
        </div>
    }
    .into_any()
}

/// The page's keys.
fn keys(list: List) {
    let navigate = use_navigate();
    Effect::new(move |_| {
        let navigate = navigate.clone();
        let handle = window_event_listener(ev::keydown, move |event| {
            if event.key() == "Escape" && browser::focus_is_in("#search") {
                browser::blur();
                return;
            }
            if browser::is_typing(&event) {
                return;
            }
            match event.key().as_str() {
                "j" | "ArrowDown" => list.step(1),
                "k" | "ArrowUp" => list.step(-1),
                "PageDown" => list.leaf(1),
                "PageUp" => list.leaf(-1),
                "Home" => list.go_to(0),
                "End" => list.go_to(usize::MAX),
                "Enter" => {
                    let selected = list.selected.get_untracked();
                    let Some((uid, place)) = selected.and_then(|uid| {
                        let place = list.windows.with_untracked(|windows| windows.position(&uid))?;
                        Some((uid, place))
                    }) else {
                        return;
                    };
                    navigate(
                        &query::study_href(&uid, &list.query_of(place)),
                        NavigateOptions::default(),
                    );
                }
                "/" => browser::focus("#search"),
                "." => list.show_held(),
                _ => return,
            }
            event.prevent_default();
        });
        on_cleanup(move || handle.remove());
    });
}
