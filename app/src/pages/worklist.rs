use std::time::Duration;

use domain::{Page, ResultSummary, SiteId, SortDirection, StudyQuery, StudyRow, StudySort, StudyState, StudyUid};
use leptos::ev::{self, SubmitEvent};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use crate::api;
use crate::components::error_note::ErrorNote;
use crate::components::mark::{ResultLabel, StateLabel};
use crate::components::notice::Notice;
use crate::components::pager::Pager;
use crate::components::when::When;
use crate::query::{self, STUDIES_A_PAGE};
use crate::{AppError, Desk, SignedIn, browser, words};

/// Changes that come within this time are asked for together.
const TOGETHER: Duration = Duration::from_millis(700);
/// How long the typing in the search box must pause.
const PAUSE: Duration = Duration::from_millis(250);

/// What the page's parts share. [`WorklistPage`] owns it.
#[derive(Clone, Copy)]
struct List {
    /// The address's query with the search text.
    query: Memo<StudyQuery>,
    /// The answer to that query.
    answer: Resource<Result<Page<StudyRow>, AppError>>,
    /// A newer answer to the query beside it.
    newer: RwSignal<Option<(StudyQuery, Page<StudyRow>)>>,
    /// A newer answer in another order, kept back while the pointer or the focus is in the list.
    held: RwSignal<Option<(StudyQuery, Page<StudyRow>)>>,
    /// A change is about to be asked for.
    asking: RwSignal<bool>,
    hovered: RwSignal<bool>,
    selected: RwSignal<Option<StudyUid>>,
    may_restart: RwSignal<bool>,
}

impl List {
    /// The rows to show; `None` while the first answer is on its way.
    fn shown(&self) -> Option<Result<Page<StudyRow>, AppError>> {
        // Read first, so that the surrounding Transition always knows of it.
        let answer = self.answer.get();
        let query = self.query.get();
        match self.newer.get() {
            Some((of, page)) if of == query => Some(Ok(page)),
            _ => answer,
        }
    }

    /// The shown rows, for keys and timers.
    fn rows(&self) -> Vec<StudyRow> {
        let query = self.query.try_get_untracked();
        match self.newer.try_get_untracked().flatten() {
            Some((of, page)) if Some(&of) == query.as_ref() => page.rows,
            _ => self
                .answer
                .try_get_untracked()
                .flatten()
                .and_then(Result::ok)
                .map(|page| page.rows)
                .unwrap_or_default(),
        }
    }

    /// Asks again in a moment; many calls in that moment are one.
    fn ask_again(self) {
        if self.asking.try_get_untracked() != Some(false) {
            return;
        }
        self.asking.set(true);
        set_timeout(
            move || {
                let Some(query) = self.query.try_get_untracked() else {
                    return;
                };
                self.asking.try_set(false);
                spawn_local(async move {
                    if let Ok(page) = api::worklist::worklist(query.clone()).await {
                        self.take(query, page);
                    }
                });
            },
            TOGETHER,
        );
    }

    /// Shows a newer answer, or keeps its order back while someone points into the list.
    fn take(self, query: StudyQuery, page: Page<StudyRow>) {
        if self.query.try_get_untracked().as_ref() != Some(&query) {
            return;
        }
        let rows = self.rows();
        let same_order = rows.len() == page.rows.len()
            && rows
                .iter()
                .zip(&page.rows)
                .all(|(old, new)| old.study_uid == new.study_uid);
        let in_use = self.hovered.get_untracked() || browser::focus_is_in(".worklist tbody");
        if same_order || rows.is_empty() || !in_use {
            self.held.set(None);
            self.newer.set(Some((query, page)));
            return;
        }
        let updated = rows
            .into_iter()
            .map(|old| {
                page.rows
                    .iter()
                    .find(|new| new.study_uid == old.study_uid)
                    .cloned()
                    .unwrap_or(old)
            })
            .collect();
        self.newer.set(Some((
            query.clone(),
            Page {
                rows: updated,
                total: page.total,
            },
        )));
        self.held.set(Some((query, page)));
    }

    fn show_held(self) {
        if let Some(held) = self.held.get_untracked() {
            self.held.set(None);
            self.newer.set(Some(held));
        }
    }

    fn select(self, step: isize) {
        let rows = self.rows();
        if rows.is_empty() {
            return;
        }
        let selected = self.selected.get_untracked();
        let now = selected.and_then(|uid| rows.iter().position(|row| row.study_uid == uid));
        let next = match now {
            None if step > 0 => 0,
            None => rows.len() - 1,
            Some(now) => now.saturating_add_signed(step).min(rows.len() - 1),
        };
        self.selected.set(rows.get(next).map(|row| row.study_uid.clone()));
        // The row gets its mark first.
        set_timeout(|| browser::reveal(".worklist tr.selected"), Duration::ZERO);
    }
}

/// The studies, most suspicious first.
#[component]
pub fn WorklistPage() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let map = use_query_map();
    let query = Memo::new(move |_| {
        let mut query = map.with(query::worklist);
        query.search = desk.search.get().trim().to_owned();
        query
    });
    let list = List {
        query,
        answer: Resource::new(move || query.get(), api::worklist::worklist),
        newer: RwSignal::new(None),
        held: RwSignal::new(None),
        asking: RwSignal::new(false),
        hovered: RwSignal::new(false),
        selected: RwSignal::new(None),
        may_restart: RwSignal::new(false),
    };
    provide_context(list);
    let live = RwSignal::new(true);
    let sites = Resource::new(|| (), |()| api::worklist::sites());
    let session = expect_context::<SignedIn>().0;

    Effect::new(move |_| browser::on_change(live, move |_| list.ask_again()));
    Effect::new(move |_| {
        query.track();
        list.newer.set(None);
        list.held.set(None);
    });
    Effect::new(move |_| {
        list.may_restart
            .set(matches!(session.get(), Some(Ok(Some(session))) if session.may_answer()));
    });
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
                "j" | "ArrowDown" => list.select(1),
                "k" | "ArrowUp" => list.select(-1),
                "Enter" => {
                    let Some(uid) = list.selected.get_untracked() else {
                        return;
                    };
                    let href = query::study_href(&uid, &query.get_untracked());
                    navigate(&href, NavigateOptions::default());
                }
                "/" => browser::focus("#search"),
                "n" => browser::click(".pager-next"),
                "p" => browser::click(".pager-previous"),
                "." => list.show_held(),
                _ => return,
            }
            event.prevent_default();
        });
        on_cleanup(move || handle.remove());
    });

    view! {
        <Title text="Worklist"/>
        <div class="page worklist-page">
            <div class="page-head">
                <h1>"Worklist"</h1>
                <Notice/>
            </div>
            <Suspense>
                {move || Suspend::new(async move {
                    let sites = sites.await.unwrap_or_default();
                    view! { <Filters sites/> }
                })}
            </Suspense>
            <div class="list-status">
                <span class="live" class:away=move || !live.get() role="status">
                    {move || {
                        if live.get() { "Updates itself" } else { "No live connection: asking every 15 seconds" }
                    }}
                </span>
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
            </div>
            <Transition fallback=|| view! { <p class="loading">"Loading the worklist…"</p> }>
                {move || {
                    list.shown()
                        .map(|shown| match shown {
                            Err(error) => view! { <ErrorNote error/> }.into_any(),
                            Ok(page) if page.rows.is_empty() => view! { <Empty/> }.into_any(),
                            Ok(page) => view! { <Table page/> }.into_any(),
                        })
                }}
            </Transition>
            <p class="keys muted" aria-label="Keys">
                <kbd>"j"</kbd> <kbd>"k"</kbd> " move " <kbd>"Enter"</kbd> " opens " <kbd>"/"</kbd> " searches "
                <kbd>"n"</kbd> <kbd>"p"</kbd> " pages"
            </p>
        </div>
    }
    .into_any()
}

/// A form of the address. With the page alive each choice takes effect at once; without it, by its button.
#[component]
fn Filters(sites: Vec<SiteId>) -> impl IntoView {
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
    // Only the last key of a quick run asks the server.
    let keys = StoredValue::new(0u32);
    let search = move |text: String| {
        let to_first_page = to_first_page.clone();
        keys.update_value(|keys| *keys = keys.wrapping_add(1));
        let mine = keys.get_value();
        set_timeout(
            move || {
                if keys.try_get_value() == Some(mine) {
                    to_first_page();
                    desk.search.set(text);
                }
            },
            PAUSE,
        );
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

/// A heading that sorts; a second click turns the order round.
#[component]
fn Heading(
    sort: StudySort,
    text: &'static str,
    /// Which of the two directions the natural order is, for assistive technology.
    natural: &'static str,
    #[prop(optional)] class: &'static str,
) -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let is_sorted = move || query.with(|query| query.sort == sort);
    let reversed = move || query.with(|query| query.direction == SortDirection::Reversed);
    let href = move || {
        let mut next = query.get();
        next.direction = if is_sorted() && !reversed() {
            SortDirection::Reversed
        } else {
            SortDirection::Natural
        };
        next.sort = sort;
        next.page = 0;
        query::worklist_href(&next)
    };
    let aria = move || {
        is_sorted().then(|| match (natural, reversed()) {
            ("ascending", true) => "descending",
            ("descending", true) => "ascending",
            (natural, _) => natural,
        })
    };
    let path = move || match (is_sorted(), reversed()) {
        (false, _) => "",
        (true, false) => "M4 6l4 5 4-5z",
        (true, true) => "M4 10l4-5 4 5z",
    };
    view! {
        <th scope="col" class=class aria-sort=aria>
            <a href=href>
                {text}
                <svg class="mark" viewBox="0 0 16 16" aria-hidden="true"><path d=path fill="currentColor"/></svg>
            </a>
        </th>
    }
    .into_any()
}

#[component]
fn Table(page: Page<StudyRow>) -> impl IntoView {
    let list = expect_context::<List>();
    let query = list.query.get_untracked();
    let number = query.page;
    let total = page.total;
    let rows = StoredValue::new(page.rows);
    view! {
        <div
            class="scroll worklist-scroll"
            on:mouseenter=move |_| list.hovered.set(true)
            on:mouseleave=move |_| {
                list.hovered.set(false);
                list.show_held();
            }
        >
            <table class="list worklist">
                <caption class="hidden">"Studies"</caption>
                <thead>
                    <tr>
                        <Heading sort=StudySort::Suspicion text="Result" natural="descending"/>
                        <th scope="col" class="number">"Score"</th>
                        <Heading sort=StudySort::Patient text="Patient" natural="ascending"/>
                        <th scope="col">"Patient ID"</th>
                        <th scope="col">"Sex, age"</th>
                        <Heading sort=StudySort::StudyTime text="Study time" natural="descending"/>
                        <Heading sort=StudySort::Site text="Site" natural="ascending"/>
                        <th scope="col">"Description"</th>
                        <th scope="col" class="number">"Images"</th>
                        <Heading sort=StudySort::State text="State" natural="ascending"/>
                        <th scope="col">"Answer"</th>
                        <Heading sort=StudySort::Received text="Received" natural="descending"/>
                    </tr>
                </thead>
                <tbody>
                    <For
                        each=move || rows.get_value()
                        key=|row| (row.study_uid.clone(), format!("{row:?}"))
                        children=|row| view! { <Line row/> }
                    />
                </tbody>
            </table>
        </div>
        <Pager
            page=number
            per_page=STUDIES_A_PAGE
            total
            href=move |page| query::worklist_href(&StudyQuery { page, ..query.clone() })
        />
    }
    .into_any()
}

#[component]
fn Line(row: StudyRow) -> impl IntoView {
    let list = expect_context::<List>();
    let navigate = use_navigate();
    let href = query::study_href(&row.study_uid, &list.query.get_untracked());
    let to = href.clone();
    let uid = row.study_uid.clone();
    let is_selected = Memo::new(move |_| list.selected.with(|selected| selected.as_ref() == Some(&uid)));
    let restart = {
        let uid = row.study_uid.clone();
        Action::new(move |(): &()| {
            let uid = uid.clone();
            async move {
                let result = api::study::restart(uid).await;
                list.ask_again();
                result
            }
        })
    };
    let failed = row.state == StudyState::Failed;
    let side = row
        .top_side
        .map(words::letter)
        .filter(|_| matches!(row.result, ResultSummary::Definite | ResultSummary::Doubtful));
    view! {
        <tr
            class=format!("row-{}", row.result.as_str())
            class:selected=move || is_selected.get()
            class:answered=row.answered
            aria-current=move || is_selected.get().then_some("true")
            on:click=move |event| {
                if !browser::is_on_control(&event) {
                    navigate(&to, NavigateOptions::default());
                }
            }
        >
            <td>
                <ResultLabel result=row.result/>
                {side.map(|side| view! { <span class="side" title="The patient's side">{side}</span> })}
            </td>
            <td class="number">{row.top_score.map(words::score).unwrap_or_default()}</td>
            <td class="patient"><a href=href>{row.patient_name.display()}</a></td>
            <td>{row.patient_id}</td>
            <td>{words::sex_age(&row.patient_sex, &row.patient_birth_date, &row.study_date)}</td>
            <td class="time">{words::study_time(&row.study_date, &row.study_time)}</td>
            <td>{row.site.0}</td>
            <td class="clip" title=row.description.clone()>{row.description.clone()}</td>
            <td class="number">{row.images}</td>
            <td>
                <StateLabel state=row.state/>
                {failed
                    .then(|| {
                        view! {
                            <span class="failure" title=row.failure.clone()>{row.failure.clone()}</span>
                            <Show when=move || list.may_restart.get()>
                                <button
                                    type="button"
                                    class="small"
                                    disabled=move || restart.pending().get()
                                    on:click=move |_| {
                                        restart.dispatch(());
                                    }
                                >
                                    "Restart"
                                </button>
                            </Show>
                            <span class="bad" role="status">
                                {move || restart.value().get().and_then(Result::err).map(|error| error.to_string())}
                            </span>
                        }
                    })}
            </td>
            <td>{if row.answered { "Answered" } else { "Open" }}</td>
            <td class="time"><When at=row.received_at/></td>
        </tr>
    }
    .into_any()
}

#[component]
fn Empty() -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let filtered = query.with(|query| {
        let bare = StudyQuery {
            sort: query.sort,
            direction: query.direction,
            per_page: query.per_page,
            ..StudyQuery::default()
        };
        *query != bare
    });
    if filtered {
        view! {
            <section class="note empty">
                <h2>"No study fits"</h2>
                <p>"Change the filters or the search, or clear them to see every study."</p>
            </section>
        }
        .into_any()
    } else {
        view! {
            <section class="note empty">
                <h2>"No studies yet"</h2>
                <p>"Studies appear here by themselves as they arrive. There are four ways to send one:"</p>
                <ul>
                    <li><a href="/upload">"Upload"</a>" files or folders from this computer."</li>
                    <li>"Send from a scanner or an archive to this server's DICOM listener (C-STORE)."</li>
                    <li>"POST to " <code>"/dicomweb/studies"</code> " (STOW-RS)."</li>
                    <li>"On the server, run " <code>"shenton import"</code> " with a file or a folder."</li>
                </ul>
            </section>
        }
        .into_any()
    }
}
