use std::time::Duration;

use domain::{ResultSummary, SiteId, StudyQuery, StudyState};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::list::List;
use crate::{Desk, query, words};

/// How long the typing in the search box must pause.
const PAUSE: Duration = Duration::from_millis(250);

/// A form of the address. With the page alive each choice takes effect at once; without it, by its button.
#[component]
pub fn Filters(sites: Vec<SiteId>) -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let desk = expect_context::<Desk>();
    let navigate = use_navigate();
    let go = {
        let navigate = navigate.clone();
        move |change: &dyn Fn(&mut StudyQuery)| {
            let mut next = query.get_untracked();
            change(&mut next);
            next.page = 0;
            navigate(
                &query::worklist_href(&next),
                NavigateOptions {
                    scroll: false,
                    ..NavigateOptions::default()
                },
            );
        }
    };
    let to_first_page = {
        let navigate = navigate.clone();
        move || {
            let next = query.get_untracked();
            if next.page > 0 {
                let next = StudyQuery { page: 0, ..next };
                navigate(
                    &query::worklist_href(&next),
                    NavigateOptions {
                        scroll: false,
                        ..NavigateOptions::default()
                    },
                );
            }
        }
    };
    // Only the last key of a quick run asks the server; who leaves the field does not wait.
    let keys = StoredValue::new(0u32);
    let search_now = move |text: String| {
        keys.update_value(|keys| *keys = keys.wrapping_add(1));
        if desk.search.with_untracked(|search| *search != text) {
            to_first_page();
            desk.search.set(text);
        }
    };
    let search = {
        let search_now = search_now.clone();
        move |text: String| {
            let search_now = search_now.clone();
            keys.update_value(|keys| *keys = keys.wrapping_add(1));
            let mine = keys.get_value();
            set_timeout(
                move || {
                    if keys.try_get_value() == Some(mine) {
                        search_now(text);
                    }
                },
                PAUSE,
            );
        }
    };
    let first = query.get_untracked();
    let chosen_site = first.site.clone().map(|site| site.0).unwrap_or_default();
    let chosen_state = first.state.map(StudyState::as_str).unwrap_or_default();
    let chosen_result = first.result.map(ResultSummary::as_str).unwrap_or_default();
    let by_site = go.clone();
    let by_state = go.clone();
    let by_result = go.clone();
    let by_open = go;
    let several_sites = sites.len() > 1;
    let sort = query::SORTS
        .into_iter()
        .find(|(sort, _)| *sort == first.sort)
        .map(|(_, name)| name)
        .unwrap_or_default();
    view! {
        <form class="filters" method="get" action="/" on:submit=|event: SubmitEvent| event.prevent_default()>
            <label class="search">
                <span>"Search"</span>
                // Without a name: what is typed here never goes into the address.
                <input
                    id="search"
                    type="search"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder="Name, ID, accession, description"
                    disabled=move || !desk.ready.get()
                    prop:value=move || desk.search.get()
                    on:input=move |event| {
                        search(event_target_value(&event));
                    }
                    on:change=move |event| search_now(event_target_value(&event))
                />
            </label>
            <label>
                <span>"Result"</span>
                <select
                    name="result"
                    prop:value=move || query.get().result.map(ResultSummary::as_str).unwrap_or_default()
                    on:change=move |event| {
                        let value = event_target_value(&event);
                        by_result(&|query| query.result = ResultSummary::parse(&value));
                    }
                >
                    <option value="" selected=chosen_result.is_empty()>"All"</option>
                    {ResultSummary::ALL
                        .into_iter()
                        .rev()
                        .map(|each| {
                            let selected = chosen_result == each.as_str();
                            view! { <option value=each.as_str() selected=selected>{words::result(each)}</option> }
                        })
                        .collect_view()}
                </select>
            </label>
            <label>
                <span>"State"</span>
                <select
                    name="state"
                    prop:value=move || query.get().state.map(StudyState::as_str).unwrap_or_default()
                    on:change=move |event| {
                        let value = event_target_value(&event);
                        by_state(&|query| query.state = StudyState::parse(&value));
                    }
                >
                    <option value="" selected=chosen_state.is_empty()>"All"</option>
                    {StudyState::ALL
                        .into_iter()
                        .map(|each| {
                            let selected = chosen_state == each.as_str();
                            view! { <option value=each.as_str() selected=selected>{words::state(each)}</option> }
                        })
                        .collect_view()}
                </select>
            </label>
            {several_sites
                .then(move || {
                    view! {
                        <label>
                            <span>"Site"</span>
                            <select
                                name="site"
                                prop:value=move || query.get().site.map(|site| site.0).unwrap_or_default()
                                on:change=move |event| {
                                    let value = event_target_value(&event);
                                    by_site(&|query| query.site = (!value.is_empty()).then(|| SiteId(value.clone())));
                                }
                            >
                                <option value="" selected=chosen_site.is_empty()>"All"</option>
                                {sites
                                    .into_iter()
                                    .map(|site| {
                                        let selected = chosen_site == site.0;
                                        view! { <option value=site.0.clone() selected=selected>{site.0.clone()}</option> }
                                    })
                                    .collect_view()}
                            </select>
                        </label>
                    }
                })}
            <label class="check">
                <input
                    type="checkbox"
                    name="open"
                    value="1"
                    checked=first.unanswered_only
                    prop:checked=move || query.get().unanswered_only
                    on:change=move |event| {
                        let checked = event_target_checked(&event);
                        by_open(&|query| query.unanswered_only = checked);
                    }
                />
                <span>"Unanswered only"</span>
            </label>
            <input type="hidden" name="sort" value=sort/>
            <noscript><button type="submit">"Apply"</button></noscript>
            <a class="clear" href="/" on:click=move |_| desk.search.set(String::new())>"Clear"</a>
        </form>
    }
    .into_any()
}
