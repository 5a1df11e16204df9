use domain::{ResultSummary, SortDirection, StudyQuery, StudySort, StudyState};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::list::{List, Slot};
use super::windows::{Kept, Windows};
use crate::components::mark::{ResultLabel, StateLabel};
use crate::components::pager::Pager;
use crate::components::presence::EyeMark;
use crate::components::when::When;
use crate::query::{self, STUDIES_A_PAGE};
use crate::{Desk, api, browser, words};

/// A heading that sorts; a second click turns the order round.
#[component]
fn Heading(
    sort: StudySort,
    text: &'static str,
    /// Which of the two directions the natural order is, for assistive technology.
    natural: &'static str,
    class: &'static str,
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

/// The rows in sight, between the room that the others would take.
#[component]
pub fn Table() -> impl IntoView {
    let list = expect_context::<List>();
    Effect::new(move |_| list.appear(300));
    // Whatever is drawn, the others' room follows in the same frame.
    Effect::new(move |_| list.follow());
    Effect::new(move |_| list.settle());
    Effect::new(move |_| {
        let handle = window_event_listener(leptos::ev::resize, move |_| list.resized());
        on_cleanup(move || handle.remove());
    });
    let count = move || list.windows.with(Windows::total) + 1;
    view! {
        <div
            class="scroll worklist-scroll"
            on:scroll=move |_| list.look()
            on:mouseenter=move |_| list.hovered.set_value(true)
            on:mouseleave=move |_| {
                list.hovered.set_value(false);
                list.show_held();
            }
        >
            <div class="space-above"></div>
            <table class="list worklist" aria-rowcount=count>
                <caption class="hidden">"Studies"</caption>
                <thead>
                    <tr aria-rowindex="1">
                        <Heading sort=StudySort::Suspicion text="Result" natural="descending" class="c-result"/>
                        <th scope="col" class="c-score number">"Score"</th>
                        <Heading sort=StudySort::Patient text="Patient" natural="ascending" class="c-patient"/>
                        <th scope="col" class="c-id">"Patient ID"</th>
                        <th scope="col" class="c-sex">"Sex, age"</th>
                        <Heading sort=StudySort::StudyTime text="Study time" natural="descending" class="c-time"/>
                        <Heading sort=StudySort::Site text="Site" natural="ascending" class="c-site"/>
                        <th scope="col" class="c-description">"Description"</th>
                        <th scope="col" class="c-images number">"Images"</th>
                        <Heading sort=StudySort::State text="State" natural="ascending" class="c-state"/>
                        <th scope="col" class="c-answer">"Answer"</th>
                        <Heading sort=StudySort::Received text="Received" natural="descending" class="c-received"/>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || list.slots() key=Slot::key children=|slot| view! { <Line at=slot/> }/>
                </tbody>
            </table>
            <div class="space-below"></div>
        </div>
    }
    .into_any()
}

/// Where one is in the list; without a script also the way to the rows before and after.
#[component]
pub fn Place() -> impl IntoView {
    let list = expect_context::<List>();
    let ready = expect_context::<Desk>().ready;
    let text = move || {
        let total = list.windows.with(Windows::total);
        let sight = list.sight.get();
        if total == 0 {
            return String::new();
        }
        format!(
            "{}–{} of {}",
            words::thousands((sight.start + 1).min(total) as u64),
            words::thousands(sight.end.min(total) as u64),
            words::counted(total as u64, "study", "studies")
        )
    };
    view! {
        <span class="place">{text}</span>
        {move || {
            let total = list.windows.with(Windows::total) as u64;
            (!ready.get() && total > u64::from(STUDIES_A_PAGE))
                .then(|| {
                    let query = list.query.get();
                    let page = query.page;
                    let href = move |page| query::worklist_href(&StudyQuery { page, ..query.clone() });
                    view! { <Pager page per_page=STUDIES_A_PAGE total href/> }
                })
        }}
    }
    .into_any()
}

#[component]
fn Line(at: Slot) -> impl IntoView {
    let place = at.index + 2;
    match at.kept {
        Some(Kept { row, .. }) => view! { <Study row index=at.index/> }.into_any(),
        None => view! {
            <tr class="coming" aria-rowindex=place>
                <td class="c-result">"…"</td>
            </tr>
        }
        .into_any(),
    }
}

#[component]
fn Study(row: domain::StudyRow, index: usize) -> impl IntoView {
    let list = expect_context::<List>();
    let readers = expect_context::<Desk>().readers;
    let navigate = use_navigate();
    let href = query::study_href(&row.study_uid, &list.query_of(index));
    let to = href.clone();
    // The heading is the first row, and rows count from 1.
    let place = index + 2;
    let uid = row.study_uid.clone();
    let is_selected = Memo::new(move |_| list.selected.with(|selected| selected.as_ref() == Some(&uid)));
    let uid = row.study_uid.clone();
    let read_by = move || {
        let names = readers.with(|readers| {
            let of_this = readers.iter().filter(|by| by.study == uid);
            of_this.map(|by| by.name.clone()).collect::<Vec<_>>()
        });
        (!names.is_empty()).then(|| {
            let names = names.join(", ");
            view! {
                <span class="reading-by" title=format!("{names}: has this study open")>
                    <EyeMark/>
                    <span class="hidden">"being read by "</span>
                    <span>{names.clone()}</span>
                </span>
            }
        })
    };
    let failed = (row.state == StudyState::Failed).then(|| row.failure.clone().unwrap_or_default());
    let study = row.study_uid.clone();
    let side = row
        .top_side
        .map(words::letter)
        .filter(|_| matches!(row.result, ResultSummary::Definite | ResultSummary::Doubtful));
    let id = if row.patient_id.is_empty() {
        "–".to_owned()
    } else {
        row.patient_id
    };
    view! {
        <tr
            class=format!("row-{}", row.result.as_str())
            class:selected=move || is_selected.get()
            class:answered=row.answered
            aria-rowindex=place
            aria-current=move || is_selected.get().then_some("true")
            on:click=move |event| {
                if !browser::is_on_control(&event) {
                    navigate(&to, NavigateOptions::default());
                }
            }
        >
            <td class="c-result">
                <ResultLabel result=row.result/>
                {side.map(|side| view! { <span class="side" title="The patient's side">{side}</span> })}
            </td>
            <td class="c-score number">{row.top_score.map(words::score).unwrap_or_default()}</td>
            <td class="c-patient patient"><a href=href>{row.patient_name.display()}</a></td>
            <td class="c-id">{id}</td>
            <td class="c-sex">{words::sex_age(&row.patient_sex, &row.patient_birth_date, &row.study_date)}</td>
            <td class="c-time">{words::study_time(&row.study_date, &row.study_time)}</td>
            <td class="c-site">{row.site.0}</td>
            <td class="c-description" title=row.description.clone()>{row.description.clone()}</td>
            <td class="c-images number">{row.images}</td>
            <td class="c-state">
                <StateLabel state=row.state/>
                {failed.map(|failure| view! { <Failed study failure/> })}
            </td>
            <td class="c-answer">
                <span class="answer-state">{if row.answered { "Answered" } else { "Open" }}</span>
                {read_by}
            </td>
            <td class="c-received"><When at=row.received_at/></td>
        </tr>
    }
    .into_any()
}

/// Why an analysis failed, and the way to try it again.
#[component]
fn Failed(study: domain::StudyUid, failure: String) -> impl IntoView {
    let list = expect_context::<List>();
    let restart = Action::new(move |(): &()| {
        let study = study.clone();
        async move {
            let result = api::study::restart(study).await;
            list.ask_again();
            result
        }
    });
    view! {
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
        <span class="failure" title=failure.clone()>{failure.clone()}</span>
        <span class="bad" role="status">
            {move || restart.value().get().and_then(Result::err).map(|error| error.to_string())}
        </span>
    }
    .into_any()
}

/// In the place of an empty list: why it is empty and what to do.
#[component]
pub fn Empty() -> impl IntoView {
    let List { query, .. } = expect_context::<List>();
    let filtered = query.with(|query| {
        let bare = StudyQuery {
            sort: query.sort,
            direction: query.direction,
            page: query.page,
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
                <p class="muted">
                    "Each study is analysed within seconds. The list then shows the most suspicious unread study first; "
                    <a href="/about">"About"</a> " says what the marks mean."
                </p>
            </section>
        }
        .into_any()
    }
}
