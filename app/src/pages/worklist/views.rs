use domain::{SavedView, StudyQuery, StudyState};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;

use super::list::List;
use crate::components::error_note::FormError;
use crate::query::{self, STUDIES_A_PAGE};
use crate::{AppError, Desk, api, browser};

fn built_in() -> [(&'static str, StudyQuery); 3] {
    let all = StudyQuery {
        per_page: STUDIES_A_PAGE,
        ..StudyQuery::default()
    };
    let open = StudyQuery {
        unanswered_only: true,
        ..all.clone()
    };
    let failed = StudyQuery {
        state: Some(StudyState::Failed),
        ..all.clone()
    };
    [("All studies", all), ("Unanswered", open), ("Failed", failed)]
}

/// Whether two queries ask for the same list.
fn same(a: &StudyQuery, b: &StudyQuery) -> bool {
    let bare = |query: &StudyQuery| StudyQuery {
        page: 0,
        per_page: 0,
        ..query.clone()
    };
    bare(a) == bare(b)
}

/// Ways to look at the list, given and kept. The server keeps them, so they follow the reader to other computers.
#[component]
pub fn Views(kept: Vec<SavedView>) -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let ready = expect_context::<Desk>().ready;
    let kept = RwSignal::new(kept);
    let naming = RwSignal::new(false);
    let is_named = Memo::new(move |_| {
        query.with(|query| {
            built_in().iter().any(|(_, view)| same(view, query))
                || kept.with(|kept| kept.iter().any(|view| same(&view.query, query)))
        })
    });
    let forget = Action::new(move |id: &i64| {
        let id = *id;
        async move {
            let result = api::worklist::delete_view(id).await;
            if matches!(result, Ok(()) | Err(AppError::NotFound)) {
                kept.update(|kept| kept.retain(|view| view.id != id));
            }
            result
        }
    });
    let error = Signal::derive(move || {
        let failed = forget.value().get().and_then(Result::err);
        failed.filter(|error| *error != AppError::NotFound)
    });
    view! {
        <nav class="views" aria-label="Views of the worklist">
            {built_in()
                .into_iter()
                .map(|(name, view)| view! { <ViewLink name=name.to_owned() view/> })
                .collect_view()}
            <For
                each=move || kept.get()
                key=|view| (view.id, query::worklist_href(&view.query), view.query.search.clone())
                children=move |view| {
                    let (id, name) = (view.id, view.name.clone());
                    view! {
                        <span class="view-kept">
                            <ViewLink name=name.clone() view=view.query/>
                            <button
                                type="button"
                                class="quiet small"
                                aria-label=format!("Remove the view {name}")
                                title="Remove this view"
                                disabled=move || !ready.get()
                                on:click=move |_| {
                                    forget.dispatch(id);
                                }
                            >
                                "×"
                            </button>
                        </span>
                    }
                }
            />
            {move || {
                if naming.get() {
                    view! { <NameForm kept naming/> }.into_any()
                } else {
                    view! {
                        <button
                            type="button"
                            class="quiet small save-view"
                            disabled=move || !ready.get() || is_named.get()
                            title="Keeps filters, search and order under a name, for you alone"
                            on:click=move |_| {
                                naming.set(true);
                                set_timeout(|| browser::focus("#view-name"), std::time::Duration::ZERO);
                            }
                        >
                            "Save this view"
                        </button>
                    }
                    .into_any()
                }
            }}
            <FormError error/>
        </nav>
    }
    .into_any()
}

#[component]
fn ViewLink(name: String, view: StudyQuery) -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let desk = expect_context::<Desk>();
    let href = query::worklist_href(&view);
    let search = view.search.clone();
    let is_current = move || query.with(|query| same(query, &view)).then_some("true");
    view! {
        // The search is handed over beside the address: it may be a patient's name.
        <a class="view-link" href=href aria-current=is_current on:click=move |_| desk.search.set(search.clone())>
            {name}
        </a>
    }
    .into_any()
}

#[component]
fn NameForm(kept: RwSignal<Vec<SavedView>>, naming: RwSignal<bool>) -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let name = RwSignal::new(String::new());
    let save = Action::new(move |(): &()| async move {
        let view = api::worklist::save_view(name.get_untracked(), query.get_untracked()).await?;
        kept.update(|kept| match kept.iter_mut().find(|old| old.id == view.id) {
            Some(old) => *old = view,
            None => kept.push(view),
        });
        naming.set(false);
        Ok(())
    });
    let error = Signal::derive(move || save.value().get().and_then(Result::err));
    view! {
        <form
            class="view-form"
            method="post"
            on:submit=move |event: SubmitEvent| {
                event.prevent_default();
                save.dispatch(());
            }
        >
            <label class="hidden" for="view-name">"Name of the view"</label>
            <input
                id="view-name"
                required
                maxlength="60"
                autocomplete="off"
                placeholder="Name of the view"
                prop:value=move || name.get()
                on:input=move |event| name.set(event_target_value(&event))
                on:keydown=move |event| {
                    if event.key() == "Escape" {
                        naming.set(false);
                    }
                }
            />
            <button type="submit" class="small primary" disabled=move || save.pending().get()>"Save"</button>
            <button type="button" class="small quiet" on:click=move |_| naming.set(false)>"Cancel"</button>
            <FormError error/>
        </form>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_the_same_on_every_page_and_not_with_another_search() {
        let [(_, all), (_, open), _] = built_in();
        let further = StudyQuery { page: 9, ..all.clone() };
        let searched = StudyQuery {
            search: "hip".to_owned(),
            ..all.clone()
        };
        assert!(same(&all, &further));
        assert!(!same(&all, &open));
        assert!(!same(&all, &searched));
    }
}
