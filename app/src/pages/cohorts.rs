use domain::Page;
use domain::cohort::{CohortDetail, CohortRow, EventRow, Interval, ReviewerRow, RoundRow, SAMPLE_SPENT, UnusedRow};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};

use crate::api::cohort::{cohort, cohort_events, cohort_unused, cohorts};
use crate::components::error_note::ErrorNote;
use crate::components::pager::Pager;
use crate::components::when::When;
use crate::query::{self, ROWS_A_PAGE};
use crate::{data, words};

/// The cohort of an address's name.
pub fn cohort_href(name: &str) -> String {
    format!("/cohorts/{}", query::encode(name))
}

/// Every cohort.
#[component]
pub fn CohortsPage() -> impl IntoView {
    let rows = data::resource(|| (), |()| cohorts());
    view! {
        <Title text="Cohorts"/>
        <div class="page">
            <h1>"Cohorts"</h1>
            <p class="muted">
                "Hips of a hospital's x-rays with labels from its reports and theatre list, reviewed until they are right."
            </p>
            <Suspense fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match rows.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(rows) => view! { <Rows rows/> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
    .into_any()
}

#[component]
fn Rows(rows: Vec<CohortRow>) -> impl IntoView {
    if rows.is_empty() {
        return view! {
            <section class="note">
                <h2>"No cohort yet"</h2>
                <p>"One is made on the server, from a folder of images and two tables:"</p>
                <p><code>"shenton cohort import NAME --dicom FOLDER --reports FILE --theatre FILE"</code></p>
            </section>
        }
        .into_any();
    }
    view! {
        <div class="scroll">
            <table class="list cohorts">
                <caption class="hidden">"Cohorts, oldest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Cohort"</th>
                        <th scope="col" class="number">"Hips"</th>
                        <th scope="col" class="number">"Reviewed"</th>
                        <th scope="col" class="number">"In the queue"</th>
                        <th scope="col">"Test set"</th>
                        <th scope="col">"Imported"</th>
                        <th scope="col"></th>
                    </tr>
                </thead>
                <tbody>
                    {rows
                        .into_iter()
                        .map(|row| {
                            let href = cohort_href(&row.name);
                            let review = format!("{href}/review");
                            view! {
                                <tr>
                                    <td><a href=href>{row.name.clone()}</a></td>
                                    <td class="number">{words::thousands(row.hips)}</td>
                                    <td class="number">{share(row.reviewed, row.repairable)}</td>
                                    <td class="number">{words::thousands(row.open)}</td>
                                    <td>{test_words(&row)}</td>
                                    <td><When at=row.created_at/></td>
                                    <td>{(row.open > 0).then(|| view! { <a href=review>"Review"</a> })}</td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

/// `371 of 4,896 (7.6 %)`.
fn share(part: u64, whole: u64) -> String {
    format!(
        "{} of {} ({:.1} %)",
        words::thousands(part),
        words::thousands(whole),
        100.0 * part as f64 / whole.max(1) as f64
    )
}

fn test_words(row: &CohortRow) -> String {
    match (row.test, row.test_locked_at) {
        (0, _) => "none".to_owned(),
        (test, Some(_)) => format!("{} hips, locked", words::thousands(test)),
        (test, None) => format!(
            "{} of {} reviewed",
            words::thousands(row.test_reviewed),
            words::thousands(test)
        ),
    }
}

/// A share as `99.3 % (97.1 to 99.9)`.
pub fn percent(of: Option<Interval>) -> String {
    of.map_or_else(
        || "–".to_owned(),
        |of| {
            format!(
                "{:.1} % ({:.1} to {:.1})",
                of.value * 100.0,
                of.low * 100.0,
                of.high * 100.0
            )
        },
    )
}

fn plain(of: Option<Interval>) -> String {
    of.map_or_else(
        || "–".to_owned(),
        |of| format!("{:.2} ({:.2} to {:.2})", of.value, of.low, of.high),
    )
}

/// One cohort: how far its review is, how right its labels are, who reviewed, what changed.
#[component]
pub fn CohortPage() -> impl IntoView {
    let params = use_params_map();
    let map = use_query_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name")).unwrap_or_default());
    let page = Memo::new(move |_| map.with(query::page));
    let detail = data::resource(move || name.get(), cohort);
    let events = data::resource(
        move || (name.get(), page.get()),
        |(name, page)| cohort_events(name, page),
    );
    let unused = data::resource(move || name.get(), |name| cohort_unused(name, 0));
    view! {
        <Title text=move || name.get()/>
        <div class="page cohort-page">
            <Suspense fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match detail.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(detail) => view! { <Detail detail/> }.into_any(),
                    }
                })}
            </Suspense>
            <Transition>
                {move || Suspend::new(async move {
                    events.await.ok().map(|list| view! { <Events list page=page.get_untracked() name=name.get_untracked()/> })
                })}
            </Transition>
            <Suspense>
                {move || Suspend::new(async move { unused.await.ok().map(|list| view! { <Unused list/> }) })}
            </Suspense>
        </div>
    }
    .into_any()
}

#[component]
fn Detail(detail: CohortDetail) -> impl IntoView {
    let row = detail.row.clone();
    let review = format!("{}/review", cohort_href(&row.name));
    let settings = detail.settings;
    let open: Vec<String> = detail
        .open
        .iter()
        .filter(|(purpose, _)| *purpose != domain::cohort::Purpose::Known)
        .map(|(purpose, count)| format!("{} of the {}", words::thousands(*count), purpose.words()))
        .collect();
    let reviewing = format!(
        "{}, {}",
        if settings.reviewers > 1 {
            "two reviewers a hip, adjudicated where they differ"
        } else {
            "one reviewer a hip"
        },
        if settings.blind {
            "report and operation hidden"
        } else {
            "report and operation shown"
        }
    );
    let unused: Vec<String> = detail
        .unused
        .iter()
        .map(|(kind, count)| format!("{} {kind}", words::thousands(*count)))
        .collect();
    let known = detail
        .reviewers
        .iter()
        .any(|reviewer| reviewer.known > 0 || reviewer.shared > 0);
    view! {
        <div class="page-head">
            <h1>{row.name.clone()}</h1>
            {(row.open > 0)
                .then(|| view! { <a class="review-link" href=review>{format!("Review ({} waiting)", words::thousands(row.open))}</a> })}
        </div>
        <div class="cohort-cards">
            <section class="card">
                <h2>"Progress"</h2>
                <dl class="facts">
                    <dt>"Reviewed"</dt>
                    <dd>{share(row.reviewed, row.repairable)}</dd>
                    <dt>"Label accuracy"</dt>
                    <dd>
                        {percent(detail.estimate)}
                        <span class="muted">
                            {match detail.audit {
                                (_, 0) if detail.sample_spent => format!(" {SAMPLE_SPENT}"),
                                (_, 0) => " no sample drawn yet".to_owned(),
                                (answered, size) => format!(" from a random sample, {answered} of {size} answered"),
                            }}
                        </span>
                    </dd>
                    <dt>"In the queue"</dt>
                    <dd>{if open.is_empty() { "nothing".to_owned() } else { open.join(", ") }}</dd>
                    <dt>"Test set"</dt>
                    <dd>{test_words(&row)}</dd>
                    <dt>"Reading"</dt>
                    <dd>{reviewing}</dd>
                    <dt>"Not used"</dt>
                    <dd>{if unused.is_empty() { "no record".to_owned() } else { format!("records: {}", unused.join(", ")) }}</dd>
                </dl>
                <Counts counts=detail.counts/>
            </section>
            <section class="card">
                <h2>"Accuracy against hips reviewed"</h2>
                <Curve rounds=detail.rounds.clone() repairable=row.repairable now=detail.estimate reviewed=row.reviewed/>
            </section>
        </div>
        {(!detail.rounds.is_empty()).then(|| view! { <Rounds rounds=detail.rounds/> })}
        {(!detail.reviewers.is_empty()).then(|| view! { <Reviewers reviewers=detail.reviewers known/> })}
    }
    .into_any()
}

#[component]
fn Counts(counts: Vec<(domain::cohort::Set, domain::cohort::Label, u64)>) -> impl IntoView {
    view! {
        <table class="list counts">
            <caption class="hidden">"Hips by set and label"</caption>
            <thead>
                <tr>
                    <th scope="col">"Set"</th>
                    <th scope="col">"Label"</th>
                    <th scope="col" class="number">"Hips"</th>
                </tr>
            </thead>
            <tbody>
                {counts
                    .into_iter()
                    .map(|(set, label, count)| {
                        view! {
                            <tr>
                                <td>{words::capital(set.words())}</td>
                                <td>{words::capital(label.words())}</td>
                                <td class="number">{words::thousands(count)}</td>
                            </tr>
                        }
                    })
                    .collect_view()}
            </tbody>
        </table>
    }
    .into_any()
}

/// Each round's estimate with its interval over the share of hips reviewed by then; the newest state last.
#[component]
fn Curve(rounds: Vec<RoundRow>, repairable: u64, now: Option<Interval>, reviewed: u64) -> impl IntoView {
    let whole = repairable.max(1) as f64;
    let mut points: Vec<(f64, Interval)> = rounds
        .iter()
        .filter_map(|round| Some((round.reviewed_total as f64 / whole, round.estimate?)))
        .collect();
    if let Some(now) = now {
        let at = reviewed as f64 / whole;
        if points.last().is_none_or(|(share, of)| *share != at || *of != now) {
            points.push((at, now));
        }
    }
    if points.is_empty() {
        return view! {
            <p class="muted">
                "Nothing to draw yet: the accuracy is estimated from a random sample, which "
                <code>"shenton cohort queue NAME audit"</code>
                " queues for review."
            </p>
        }
        .into_any();
    }
    let most = points.iter().map(|(share, _)| *share).fold(0.08_f64, f64::max);
    let least = points.iter().map(|(_, of)| of.low).fold(0.98_f64, f64::min);
    let least = (least * 100.0).floor() / 100.0;
    let x = move |share: f64| 44.0 + 346.0 * share / most;
    let y = move |value: f64| 170.0 - 155.0 * ((value - least) / (1.0 - least).max(0.001)).clamp(0.0, 1.0);
    let line: String = points
        .iter()
        .enumerate()
        .map(|(at, (share, of))| format!("{}{:.1} {:.1}", if at == 0 { "M" } else { "L" }, x(*share), y(of.value)))
        .collect();
    let levels = [least, (least + 1.0) / 2.0, 1.0].into_iter().map(|value| {
        view! {
            <path class="curve-grid" d=format!("M44 {:.1}H390", y(value))/>
            <text class="curve-text" x="40" y=format!("{:.1}", y(value) + 3.5) text-anchor="end">{format!("{:.1}", value * 100.0)}</text>
        }
    });
    let shares = [0.0, most / 2.0, most].into_iter().map(|share| {
        view! {
            <text class="curve-text" x=format!("{:.1}", x(share)) y="184" text-anchor="middle">
                {format!("{:.1} %", share * 100.0)}
            </text>
        }
    });
    let words = points.last().map_or_else(String::new, |(share, of)| {
        format!(
            "Estimated label accuracy, per cent, over the share of hips reviewed; at {:.1} % reviewed {}",
            share * 100.0,
            percent(Some(*of))
        )
    });
    view! {
        <svg class="curve" viewBox="0 0 400 190" role="img" aria-label=words>
            {levels.collect_view()}
            {shares.collect_view()}
            <path class="curve-goal" d=format!("M44 {:.1}H390", y(0.999))/>
            <path class="curve-goal" d=format!("M{0:.1} 15V170", x(0.074))/>
            <path class="curve-line" d=line/>
            {points
                .into_iter()
                .map(|(share, of)| {
                    view! {
                        <path class="curve-bar" d=format!("M{:.1} {:.1}V{:.1}", x(share), y(of.low), y(of.high))/>
                        <circle class="curve-point" cx=format!("{:.1}", x(share)) cy=format!("{:.1}", y(of.value)) r="3"/>
                    }
                })
                .collect_view()}
        </svg>
        <p class="muted">"Bars: 95 % intervals of the random sample. Dashed: 99.9 % and the paper's 7.4 % reviewed."</p>
    }
    .into_any()
}

#[component]
fn Rounds(rounds: Vec<RoundRow>) -> impl IntoView {
    view! {
        <section>
            <h2>"Rounds"</h2>
            <div class="scroll">
                <table class="list rounds">
                    <thead>
                        <tr>
                            <th scope="col" class="number">"Round"</th>
                            <th scope="col">"Queue"</th>
                            <th scope="col" class="number">"Queued"</th>
                            <th scope="col" class="number">"Reviewed"</th>
                            <th scope="col" class="number">"Changed"</th>
                            <th scope="col" class="number">"Reviewed in all"</th>
                            <th scope="col">"Accuracy after it"</th>
                            <th scope="col">"Outcome"</th>
                            <th scope="col">"Began"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {rounds
                            .into_iter()
                            .map(|round| {
                                let queue = round.purpose.map_or("–".to_owned(), |purpose| words::capital(purpose.words()));
                                let outcome = if round.ended { round.outcome } else { "open".to_owned() };
                                view! {
                                    <tr>
                                        <td class="number">{round.number}</td>
                                        <td>{queue}</td>
                                        <td class="number">{words::thousands(round.queued)}</td>
                                        <td class="number">{words::thousands(round.reviewed)}</td>
                                        <td class="number">{words::thousands(round.changed)}</td>
                                        <td class="number">{words::thousands(round.reviewed_total)}</td>
                                        <td>{percent(round.estimate)}</td>
                                        <td class="wrap">{outcome}</td>
                                        <td><When at=round.began_at/></td>
                                    </tr>
                                }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Reviewers(reviewers: Vec<ReviewerRow>, known: bool) -> impl IntoView {
    view! {
        <section>
            <h2>"Reviewers"</h2>
            <div class="scroll">
                <table class="list reviewers">
                    <thead>
                        <tr>
                            <th scope="col">"Reviewer"</th>
                            <th scope="col" class="number">"Answers"</th>
                            <th scope="col" class="number">"Known cases"</th>
                            <th scope="col">"Agreement with them"</th>
                            <th scope="col">"Kappa"</th>
                            <th scope="col" class="number">"Shared hips"</th>
                            <th scope="col">"Agreement with others"</th>
                            <th scope="col">"Kappa"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {reviewers
                            .into_iter()
                            .map(|reviewer| {
                                view! {
                                    <tr>
                                        <td>{reviewer.name}</td>
                                        <td class="number">{words::thousands(reviewer.decisions)}</td>
                                        <td class="number">{words::thousands(reviewer.known)}</td>
                                        <td>{percent(reviewer.agreement)}</td>
                                        <td>{plain(reviewer.kappa)}</td>
                                        <td class="number">{words::thousands(reviewer.shared)}</td>
                                        <td>{percent(reviewer.shared_agreement)}</td>
                                        <td>{plain(reviewer.shared_kappa)}</td>
                                    </tr>
                                }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
            {(!known)
                .then(|| {
                    view! { <p class="muted">"No known case has been answered yet: they are mixed in once hips have been settled."</p> }
                })}
        </section>
    }
    .into_any()
}

#[component]
fn Events(list: Page<EventRow>, page: u32, name: String) -> impl IntoView {
    if list.rows.is_empty() {
        return view! {
            <section>
                <h2>"History"</h2>
                <p class="muted">"No label has been looked at yet."</p>
            </section>
        }
        .into_any();
    }
    let href = cohort_href(&name);
    view! {
        <section>
            <h2>"History"</h2>
            <p class="muted">"Every answer to a label, newest first. Nothing in this list can be changed or removed."</p>
            <div class="scroll">
                <table class="list events">
                    <thead>
                        <tr>
                            <th scope="col">"Time"</th>
                            <th scope="col">"Who"</th>
                            <th scope="col">"Study"</th>
                            <th scope="col">"Hip"</th>
                            <th scope="col">"From"</th>
                            <th scope="col">"To"</th>
                            <th scope="col">"Why"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {list
                            .rows
                            .into_iter()
                            .map(|event| {
                                let changed = event.from != event.to;
                                view! {
                                    <tr class:changed=changed>
                                        <td><When at=event.at/></td>
                                        <td>{event.who}</td>
                                        <td>{event.key.accession}</td>
                                        <td>{words::side(event.key.side)}</td>
                                        <td>{words::capital(event.from.words())}</td>
                                        <td>{words::capital(event.to.words())}</td>
                                        <td class="wrap">{event.why}</td>
                                    </tr>
                                }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
            <Pager
                page
                per_page=ROWS_A_PAGE
                total=list.total
                href=move |page| if page == 0 { href.clone() } else { format!("{href}?page={}", page + 1) }
            />
        </section>
    }
    .into_any()
}

#[component]
fn Unused(list: Page<UnusedRow>) -> impl IntoView {
    if list.rows.is_empty() {
        return ().into_any();
    }
    let shown = list.rows.len() as u64;
    view! {
        <details class="unused">
            <summary>{format!("{} that could not be used", words::counted(list.total, "record", "records"))}</summary>
            <div class="scroll">
                <table class="list">
                    <thead>
                        <tr>
                            <th scope="col">"Kind"</th>
                            <th scope="col">"Record"</th>
                            <th scope="col">"Why"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {list
                            .rows
                            .into_iter()
                            .map(|row| {
                                view! {
                                    <tr>
                                        <td>{words::capital(&row.kind)}</td>
                                        <td class="wrap">{row.record}</td>
                                        <td class="wrap">{row.why}</td>
                                    </tr>
                                }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
            {(shown < list.total)
                .then(|| {
                    view! {
                        <p class="muted">
                            {format!("The first {shown}; ")} <code>"shenton cohort status NAME --unused"</code> " lists all."
                        </p>
                    }
                })}
        </details>
    }
    .into_any()
}
