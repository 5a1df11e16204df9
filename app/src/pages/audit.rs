use domain::{AuditAction, AuditEvent, AuditOutcome, Page};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use crate::api::audit::{audit, audit_check};
use crate::components::error_note::ErrorNote;
use crate::components::pager::Pager;
use crate::components::when::When;
use crate::query::{self, ROWS_A_PAGE};
use crate::wire::AuditCheck;
use crate::{AppError, Desk, data, words};

/// Who did what, when, from where; for the administrator.
#[component]
pub fn AuditPage() -> impl IntoView {
    let map = use_query_map();
    let filter = Memo::new(move |_| map.with(query::audit));
    let events = data::resource(move || filter.get(), audit);
    view! {
        <Title text="Audit"/>
        <div class="page">
            <div class="page-head">
                <h1>"Audit trail"</h1>
                <ChainCheck/>
            </div>
            <p class="muted">"Nothing in this list can be changed or removed: each row is bound to the one before it by a hash."</p>
            {move || view! { <Filters map=map.get()/> }}
            <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match events.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(list) => view! { <Events list map=map.get_untracked()/> }.into_any(),
                    }
                })}
            </Transition>
        </div>
    }
    .into_any()
}

/// A day, as this page writes it. The browser's own field for dates writes it in the order of its own language.
const DAY: &str = "\\d{4}-\\d{2}-\\d{2}";
const DAY_WORDS: &str = "Year, month and day, such as 2026-11-23";

/// A form of the address: it works without a script and can be kept as a bookmark.
#[component]
fn Filters(map: ParamsMap) -> impl IntoView {
    let value = |name: &str| map.get(name).unwrap_or_default();
    let action = value("action");
    view! {
        <form class="filters" method="get" action="/audit">
            <label>"Who" <input name="actor" value=value("actor") autocomplete="off"/></label>
            <label>
                "What"
                <select name="action">
                    <option value="" selected=action.is_empty()>"Everything"</option>
                    {AuditAction::ALL
                        .into_iter()
                        .map(|each| {
                            let selected = action == each.as_str();
                            view! { <option value=each.as_str() selected=selected>{words::action(each)}</option> }
                        })
                        .collect_view()}
                </select>
            </label>
            <label>"Object" <input name="object" value=value("object") autocomplete="off"/></label>
            <label>
                "From (day of UTC)"
                <input name="since" value=value("since") placeholder="YYYY-MM-DD" pattern=DAY size="12" title=DAY_WORDS inputmode="numeric" autocomplete="off"/>
            </label>
            <label>
                "To (day of UTC)"
                <input name="until" value=value("until") placeholder="YYYY-MM-DD" pattern=DAY size="12" title=DAY_WORDS inputmode="numeric" autocomplete="off"/>
            </label>
            <button type="submit">"Filter"</button>
            <a href="/audit">"Clear"</a>
        </form>
    }
    .into_any()
}

#[component]
fn Events(list: Page<AuditEvent>, map: ParamsMap) -> impl IntoView {
    if list.rows.is_empty() {
        return view! { <section class="note"><h2>"Nothing fits this filter"</h2><p>"Widen the days, or clear the filter to see every event."</p></section> }.into_any();
    }
    let page = query::page(&map);
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Events">
            <table class="list">
                <caption class="hidden">"Events, newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col" class="number">"Row"</th>
                        <th scope="col" title="The clock of your computer; UTC shows when you point at a time">"Time (your clock)"</th>
                        <th scope="col">"Who"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"Outcome"</th>
                        <th scope="col">"Object"</th>
                        <th scope="col">"Detail"</th>
                        <th scope="col">"From"</th>
                    </tr>
                </thead>
                <tbody>
                    {list
                        .rows
                        .into_iter()
                        .map(|event| {
                            let failed = event.outcome == AuditOutcome::Failure;
                            view! {
                                <tr class:failed=failed>
                                    <td class="number">{event.id}</td>
                                    <td><When at=event.at/></td>
                                    <td>{event.actor}</td>
                                    <td>{words::action(event.action)}</td>
                                    <td>{words::outcome(event.outcome)}</td>
                                    <td><span class="uid">{event.object}</span></td>
                                    <td class="wrap">{event.detail}</td>
                                    <td>{event.from}</td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
        <Pager page per_page=ROWS_A_PAGE total=list.total href=move |page| query::audit_href(&map, page)/>
    }
    .into_any()
}

#[component]
fn ChainCheck() -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let check = Action::new(|(): &()| audit_check());
    let pending = check.pending();
    let outcome = move || {
        check.value().get().map(|result: Result<AuditCheck, AppError>| match result {
            Ok(AuditCheck { rows, first_broken: None }) => {
                view! { <span class="good">{format!("Unbroken: {} checked.", words::counted(rows, "row", "rows"))}</span> }
                    .into_any()
            }
            Ok(AuditCheck { first_broken: Some(id), .. }) => view! {
                <span class="bad">
                    {format!("Broken at row {id}: it, or the row before it, was changed after it was written.")}
                </span>
            }
            .into_any(),
            Err(error) => view! { <span class="bad">{error.to_string()}</span> }.into_any(),
        })
    };
    view! {
        <div class="chain">
            <span role="status">{outcome}</span>
            <button
                type="button"
                disabled=move || !ready.get() || pending.get()
                on:click=move |_| {
                    check.dispatch(());
                }
            >
                {move || if pending.get() { "Checking…" } else { "Check the chain" }}
            </button>
        </div>
    }
    .into_any()
}
