mod earlier;

use std::collections::HashMap;
use std::time::Duration;

use domain::{
    Answer, AnswerValue, Call, FractureLocation, HipFinding, ImageReading, ImageRow, Side, SopUid, StudyDetail,
    StudyQuery, StudyState, StudyUid,
};
use leptos::ev::{self, SubmitEvent};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::{Link, Title};
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};

use crate::api;
use crate::components::error_note::{ErrorNote, FormError};
use crate::components::mark::{ResultMark, StateLabel};
use crate::components::notice::Notice;
use crate::components::presence::AlsoReading;
use crate::components::thumbnail::{Thumbnail, line_is_free};
use crate::components::when::When;
use crate::offline::{Given, Line};
use crate::query::{self, STUDIES_A_PAGE};
use crate::viewer::{ImageViewer, KEYS, Panes, fetch_ahead};
use crate::wire::{AnswerInput, Session};
use crate::{AppError, Desk, SignedIn, browser, data, words};
use earlier::Earlier;

/// One study: the picture on the left, the findings and the answers on the right.
#[component]
pub fn StudyPage() -> impl IntoView {
    let params = use_params_map();
    let map = use_query_map();
    let desk = expect_context::<Desk>();
    let uid = Memo::new(move |_| StudyUid(params.with(|params| params.get("study_uid")).unwrap_or_default()));
    let list = Memo::new(move |_| StudyQuery {
        search: desk.search.get().trim().to_owned(),
        ..map.with(query::worklist)
    });
    let detail = data::resource(move || uid.get(), api::study::study);
    let neighbours = data::resource(move || (uid.get(), list.get()), |(uid, list)| neighbours(uid, list));
    let session = expect_context::<SignedIn>().0;
    view! {
        <Title text="Study"/>
        // The page's part and the viewer's module come beside what every page loads and not after it.
        <Link rel="preload" href="/pkg/split_study.wasm" as_="fetch" type_="application/wasm" crossorigin="anonymous"/>
        <Link rel="modulepreload" href="/pkg/viewer.js"/>
        <Link rel="preload" href="/pkg/viewer_bg.wasm" as_="fetch" type_="application/wasm" crossorigin="anonymous"/>
        <div class="study-page">
            <div class="study-bar">
                <a class="back" href=move || query::worklist_href(&list.get())>"Worklist"</a>
                <Suspense>
                    {move || Suspend::new(async move {
                        let neighbours = neighbours.await;
                        view! { <NeighbourLinks neighbours/> }
                    })}
                </Suspense>
                <Notice/>
            </div>
            <Suspense fallback=|| view! { <p class="loading">"Loading the study…"</p> }>
                {move || Suspend::new(async move {
                    let session = session.await.ok().flatten();
                    match detail.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(detail) => view! { <Study detail session list/> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
    .into_any()
}

/// Addresses of the studies before and after one in the worklist, as it stood when the study was opened.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Neighbours {
    previous: Option<String>,
    next: Option<String>,
    /// The studies whose pictures are worth fetching before they are asked for.
    ahead: Vec<StudyUid>,
}

/// Studies fetched ahead.
const STUDIES_AHEAD: usize = 3;

impl Neighbours {
    /// `stretch`: studies of the list in their order, each with the window in which it stands.
    fn of(uid: &StudyUid, stretch: &[(u32, StudyUid)], list: &StudyQuery) -> Option<Self> {
        let place = stretch.iter().position(|(_, study)| study == uid)?;
        let href = |(page, study): &(u32, StudyUid)| {
            let list = StudyQuery {
                page: *page,
                ..list.clone()
            };
            query::study_href(study, &list)
        };
        let after = &stretch[place + 1..];
        Some(Self {
            previous: stretch[..place].last().map(href),
            next: after.first().map(href),
            ahead: after
                .iter()
                .take(STUDIES_AHEAD)
                .map(|(_, study)| study.clone())
                .collect(),
        })
    }
}

/// The studies of a window of the list, and how many the whole list has; `None` where they cannot be had.
async fn studies_of(list: &StudyQuery, page: u32) -> Option<(Vec<(u32, StudyUid)>, u64)> {
    let asked = StudyQuery { page, ..list.clone() };
    let answer = api::worklist::worklist(asked).await.ok()?;
    let studies = answer.rows.into_iter().map(|row| (page, row.study_uid));
    Some((studies.collect(), answer.total))
}

async fn neighbours(uid: StudyUid, list: StudyQuery) -> Neighbours {
    let Some((mut stretch, total)) = studies_of(&list, list.page).await else {
        return Neighbours::default();
    };
    // Answers move studies: by now it may stand in a window beside the one that it was opened from.
    let place = stretch.iter().position(|(_, study)| *study == uid);
    let is_short = place.is_none_or(|place| place + STUDIES_AHEAD >= stretch.len());
    if is_short
        && u64::from(list.page + 1) * u64::from(STUDIES_A_PAGE) < total
        && let Some((after, _)) = studies_of(&list, list.page + 1).await
    {
        stretch.extend(after);
    }
    if place.is_none_or(|place| place == 0)
        && list.page > 0
        && let Some((before, _)) = studies_of(&list, list.page - 1).await
    {
        stretch.splice(0..0, before);
    }
    Neighbours::of(&uid, &stretch, &list).unwrap_or_default()
}

#[component]
fn NeighbourLinks(neighbours: Neighbours) -> impl IntoView {
    let ahead = neighbours.ahead;
    Effect::new(move |_| {
        let lists = ahead
            .iter()
            .map(|study| format!("/frames/of/{}", query::encode(study.as_str())));
        fetch_ahead(lists.collect());
    });
    let link = |href: Option<String>, class: &'static str, text: &'static str, title: &'static str| match href {
        Some(href) => view! { <a class=class href=href title=title>{text}</a> }.into_any(),
        None => view! { <span class=class aria-disabled="true">{text}</span> }.into_any(),
    };
    view! {
        <nav class="neighbours" aria-label="Studies">
            {link(neighbours.previous, "previous", "Previous study", "The study before this one in the worklist (p)")}
            {link(neighbours.next, "next", "Next study", "The study after this one in the worklist (n)")}
        </nav>
    }
    .into_any()
}

/// The image to open first: the one with the worst result, else the first.
pub fn first_image(images: &[ImageRow]) -> usize {
    let worst = |image: &ImageRow| {
        image
            .reading
            .as_ref()
            .and_then(|reading| reading.hips.iter().filter_map(|hip| hip.call).max())
    };
    let read = |image: &ImageRow| image.reading.as_ref().is_some_and(|reading| !reading.hips.is_empty());
    images
        .iter()
        .enumerate()
        .max_by_key(|(index, image)| (worst(image), read(image), std::cmp::Reverse(*index)))
        .map_or(0, |(index, _)| index)
}

/// The image that the page shows, and the number in the address by which it was chosen.
#[derive(Clone, Debug, PartialEq)]
struct Opened {
    asked: Option<usize>,
    sop: Option<SopUid>,
}

impl Opened {
    /// The image that the address asks for. While the address stays the same so does the image: a result or an image
    /// that comes later must not change the picture under its reader.
    fn new(before: Option<&Opened>, asked: Option<usize>, images: &[ImageRow]) -> Self {
        let is_there = |sop: &SopUid| images.iter().any(|image| image.sop_uid == *sop);
        if let Some(before) = before
            && before.asked == asked
            && before.sop.as_ref().is_some_and(is_there)
        {
            return before.clone();
        }
        let index = match asked {
            Some(number) if (1..=images.len()).contains(&number) => number - 1,
            _ => first_image(images),
        };
        Self {
            asked,
            sop: images.get(index).map(|image| image.sop_uid.clone()),
        }
    }

    fn place(&self, images: &[ImageRow]) -> Option<usize> {
        images
            .iter()
            .position(|image| Some(&image.sop_uid) == self.sop.as_ref())
    }
}

/// An answer that is not saved yet.
#[derive(Clone, Default)]
struct Draft {
    chosen: ArcRwSignal<Option<AnswerValue>>,
    comment: ArcRwSignal<String>,
}

/// The drafts of a study. They outlive the forms, which are drawn anew with a newer result of the image.
type Drafts = StoredValue<HashMap<(SopUid, Side), Draft>>;

#[component]
fn Study(detail: StudyDetail, session: Option<Session>, list: Memo<StudyQuery>) -> impl IntoView {
    let map = use_query_map();
    let uid = detail.row.study_uid.clone();
    let may_answer = session.as_ref().is_some_and(Session::may_answer);
    let detail = RwSignal::new(detail);
    let live = RwSignal::new(true);
    let panes = Panes::default();
    let side = RwSignal::new(None::<Side>);
    let drafts: Drafts = StoredValue::new(HashMap::new());

    let opened = Memo::new(move |before: Option<&Opened>| {
        let asked = map
            .with(|map| map.get("image"))
            .and_then(|text| text.parse::<usize>().ok());
        detail.with(|detail| Opened::new(before, asked, &detail.images))
    });
    let index = Memo::new(move |_| {
        opened.with(|opened| detail.with(|detail| opened.place(&detail.images).unwrap_or_default()))
    });
    let image = Memo::new(move |_| detail.with(|detail| detail.images.get(index.get()).cloned()));
    let hips = Memo::new(move |_| {
        image.with(|image| {
            let reading = image.as_ref().and_then(|image| image.reading.as_ref());
            reading.map(|reading| reading.hips.clone()).unwrap_or_default()
        })
    });
    let sop = Memo::new(move |_| image.with(|image| image.as_ref().map(|image| image.sop_uid.clone())));
    let has_image = Memo::new(move |_| sop.with(Option::is_some));
    // Over the picture, so that a glance tells whose it is and from when.
    let caption = Memo::new(move |_| detail.with(|detail| caption(&detail.row)));

    {
        let uid = uid.clone();
        Effect::new(move |_| {
            let uid = uid.clone();
            // Asking for a study is written in the audit trail: a settled one is not asked for twice at its opening, and
            // only its own changes count. One that is not settled is asked for too where any study may have changed.
            let unsettled = move || {
                detail
                    .try_with_untracked(|detail| !detail.row.state.is_settled())
                    .unwrap_or_default()
            };
            browser::on_change(live, unsettled, move |changed| {
                if changed != uid.as_str() && !(changed.is_empty() && unsettled()) {
                    return;
                }
                let uid = uid.clone();
                spawn_local(async move {
                    if let Ok(newer) = api::study::study(uid).await {
                        detail.try_set(newer);
                    }
                });
            });
        });
    }
    {
        // An image that came before the one shown moves it: the address goes along.
        let navigate = use_navigate();
        let uid = uid.clone();
        Effect::new(move |_| {
            let place = index.get() + 1;
            let count = detail.with(|detail| detail.images.len());
            let asked = opened.with(|opened| opened.asked);
            if asked.is_some_and(|asked| (1..=count).contains(&asked) && asked != place) {
                navigate(
                    &query::image_href(&uid, &list.get_untracked(), place),
                    NavigateOptions {
                        replace: true,
                        scroll: false,
                        ..NavigateOptions::default()
                    },
                );
            }
        });
    }
    keys(panes, sop, hips, side, list);

    view! {
        <div class="study">
            <div class="study-picture">
                {move || if has_image.get() {
                    let sop = Signal::derive(move || sop.get().unwrap_or(SopUid(String::new())));
                    view! { <ImageViewer sop hips caption panes/> }.into_any()
                } else {
                    view! { <section class="note"><p>"No image of this study has arrived yet."</p></section> }.into_any()
                }}
                <div class="strips">
                    <Images detail index list/>
                    <Earlier study=uid.clone() panes/>
                </div>
            </div>
            <aside class="study-panel" aria-label="Findings">
                <AlsoReading study=uid/>
                {move || detail.with(|detail| view! { <Patient detail=detail.clone() may_restart=may_answer/> }.into_any())}
                {move || {
                    image
                        .get()
                        .map(|image| view! { <Findings image detail may_answer side drafts/> }.into_any())
                }}
                <Keys may_answer/>
            </aside>
        </div>
    }
    .into_any()
}

/// Who and when, in the lines that stand over a picture.
fn caption(row: &domain::StudyRow) -> Vec<String> {
    let mut lines = vec![row.patient_name.display()];
    let id = if row.patient_id.is_empty() {
        String::new()
    } else {
        format!("ID {}", row.patient_id)
    };
    let born = match row.patient_birth_date.as_str() {
        "" => String::new(),
        date => format!("born {}", words::date(date)),
    };
    let parts = [id, born, row.patient_sex.clone()];
    lines.push(
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" · "),
    );
    lines.push(words::study_time(&row.study_date, &row.study_time));
    lines.push(row.description.clone());
    lines.retain(|line| !line.is_empty());
    lines
}

/// The page's keys. Those of a hip's form go to the hip that was chosen last with `r` or `l`.
fn keys(
    panes: Panes,
    sop: Memo<Option<SopUid>>,
    hips: Memo<Vec<HipFinding>>,
    side: RwSignal<Option<Side>>,
    list: Memo<StudyQuery>,
) {
    let navigate = use_navigate();
    let choose = move |chosen: Side| {
        side.set(Some(chosen));
        hips.with_untracked(|hips| panes.zoom_to(hips, chosen));
        set_timeout(
            move || browser::reveal(&format!("#hip-{}", chosen.as_str())),
            Duration::ZERO,
        );
    };
    let answer = move |value: &str| {
        if let Some(side) = side.get_untracked() {
            browser::click(&format!("#hip-{} input[data-key=\"{value}\"]", side.as_str()));
        }
    };
    Effect::new(move |_| {
        let navigate = navigate.clone();
        let handle = window_event_listener(ev::keydown, move |event| {
            if browser::is_typing(&event) {
                return;
            }
            let key = event.key();
            match key.as_str() {
                "n" => browser::click(".neighbours a.next"),
                "p" => browser::click(".neighbours a.previous"),
                "w" | "Escape" => navigate(&query::worklist_href(&list.get_untracked()), NavigateOptions::default()),
                "r" => choose(Side::Right),
                "l" => choose(Side::Left),
                "a" | "1" | "2" | "3" | "4" => answer(&key),
                "s" => {
                    if let Some(side) = side.get_untracked() {
                        browser::click(&format!("#hip-{} button[type=submit]", side.as_str()));
                    }
                }
                "c" => hips.with_untracked(|hips| panes.toggle_both_hips(hips)),
                "k" => panes.toggle_mirror(),
                "t" => panes.toggle_heat(sop.get_untracked()),
                _ => match KEYS.iter().find(|(name, _)| *name == key) {
                    Some((_, command)) => panes.send(*command),
                    None => return,
                },
            }
            event.prevent_default();
        });
        on_cleanup(move || handle.remove());
    });
}

/// Every image of the study, with what became of it.
#[component]
fn Images(detail: RwSignal<StudyDetail>, index: Memo<usize>, list: Memo<StudyQuery>) -> impl IntoView {
    let uid = detail.with_untracked(|detail| detail.row.study_uid.clone());
    let images = Memo::new(move |_| detail.with(|detail| detail.images.clone()));
    let line_is_free = line_is_free();
    view! {
        <nav class="images" aria-label="Images of this study">
            {move || {
                let list = list.get();
                images
                    .get()
                    .into_iter()
                    .enumerate()
                    .map(|(place, image)| {
                        let href = query::image_href(&uid, &list, place + 1);
                        let result = words::summary_of(worst(image.reading.as_ref()));
                        let text = image_words(&image);
                        let result = if image.reading.is_some() { result } else { domain::ResultSummary::Pending };
                        view! {
                            <a
                                class="image-card"
                                href=href
                                aria-current=move || (index.get() == place).then_some("true")
                            >
                                <Thumbnail sop_uid=image.sop_uid.clone() line_is_free/>
                                <span class="image-name">
                                    <ResultMark result/>
                                    {format!("Image {} · {}", place + 1, words::image_kind(&image))}
                                    <span class="muted technique">{words::technique(&image.technique)}</span>
                                </span>
                                <span class="image-words">{text}</span>
                            </a>
                        }
                    })
                    .collect_view()
            }}
        </nav>
    }
    .into_any()
}

fn worst(reading: Option<&ImageReading>) -> Option<Call> {
    reading.and_then(|reading| reading.hips.iter().filter_map(|hip| hip.call).max())
}

/// What became of an image, in one line.
fn image_words(image: &ImageRow) -> String {
    let Some(reading) = &image.reading else {
        return "Not read yet".to_owned();
    };
    if reading.hips.is_empty() {
        return words::reading(reading.status, reading.reason.as_deref());
    }
    let hips: Vec<String> = reading.hips.iter().map(words::box_label).collect();
    hips.join(" · ")
}

#[component]
fn Patient(detail: StudyDetail, may_restart: bool) -> impl IntoView {
    let row = detail.row;
    let over = row.state.is_settled();
    let name = row.patient_name.display();
    let born = if row.patient_birth_date.is_empty() {
        String::new()
    } else {
        format!("born {}", words::date(&row.patient_birth_date))
    };
    view! {
        <section class="card patient-card">
            <h1>{name}</h1>
            <p class="patient-line">
                <span>{words::sex_age(&row.patient_sex, &row.patient_birth_date, &row.study_date)}</span>
                <span>{born}</span>
                <span>{(!row.patient_id.is_empty()).then(|| format!("ID {}", row.patient_id))}</span>
            </p>
            <dl class="facts">
                <dt>"Study"</dt>
                <dd>{words::study_time(&row.study_date, &row.study_time)}</dd>
                <dt>"Description"</dt>
                <dd>{or_dash(row.description)}</dd>
                <dt>"Accession"</dt>
                <dd>{or_dash(row.accession_number)}</dd>
                <dt>"Site"</dt>
                <dd>{row.site.0}</dd>
                <dt>"Received"</dt>
                <dd><When at=row.received_at/></dd>
                <dt>"State"</dt>
                <dd>
                    <StateLabel state=row.state/>
                    {row.failure.map(|failure| view! { <span class="failure">{failure}</span> })}
                </dd>
            </dl>
            {(may_restart && over).then(|| view! { <Restart uid=row.study_uid failed=row.state == StudyState::Failed/> })}
        </section>
    }
    .into_any()
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}

#[component]
fn Restart(uid: StudyUid, failed: bool) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let restart = Action::new(move |(): &()| api::study::restart(uid.clone()));
    let pending = restart.pending();
    let error = Signal::derive(move || restart.value().get().and_then(Result::err));
    view! {
        <div class="restart">
            <button
                type="button"
                class="small"
                disabled=move || !ready.get() || pending.get()
                on:click=move |_| {
                    restart.dispatch(());
                }
            >
                {if failed { "Restart" } else { "Analyse again" }}
            </button>
            <span role="status">{move || matches!(restart.value().get(), Some(Ok(()))).then_some("Back in the queue.")}</span>
            <FormError error/>
        </div>
    }
    .into_any()
}

/// What the networks say of one image, hip by hip.
#[component]
fn Findings(
    image: ImageRow,
    detail: RwSignal<StudyDetail>,
    may_answer: bool,
    side: RwSignal<Option<Side>>,
    drafts: Drafts,
) -> impl IntoView {
    let Some(reading) = image.reading.clone() else {
        return view! {
            <section class="card">
                <h2>"Findings"</h2>
                <p>"This image has not been read yet. The page shows the result when it is there."</p>
            </section>
        }
        .into_any();
    };
    let sop = image.sop_uid.clone();
    let mut hips = reading.hips.clone();
    hips.sort_by_key(|hip| hip.side);
    let status = words::reading(reading.status, reading.reason.as_deref());
    let set_aside = reading.hips.is_empty();
    let hips = hips
        .into_iter()
        .map(|hip| view! { <Hip hip sop=sop.clone() detail may_answer side drafts/> })
        .collect_view();
    let stamp = image.read_at.map(|at| view! { <When at/> });
    let short: String = reading.model.sha256.chars().take(12).collect();
    view! {
        <section class="card reading" class:set-aside=set_aside>
            <h2>"Image"</h2>
            <p class="reading-status">{status}</p>
            {reading
                .frontal
                .map(|frontal| {
                    view! { <p class="muted">{format!("Frontal pelvis: score {}", words::score(frontal.score))}</p> }
                })}
        </section>
        {hips}
        <section class="card model">
            <h2>"Model"</h2>
            <dl class="facts">
                <dt>"Name"</dt>
                <dd>{reading.model.name}</dd>
                <dt>"SHA-256"</dt>
                <dd><code title=reading.model.sha256.clone()>{short}</code></dd>
                <dt>"Analysed"</dt>
                <dd>{stamp}</dd>
                <dt>"Device"</dt>
                <dd>{reading.device}</dd>
                <dt>"Time taken"</dt>
                <dd>
                    {reading.milliseconds.total.map_or_else(|| "–".to_owned(), |total| format!("{:.1} s", total / 1000.0))}
                </dd>
            </dl>
        </section>
    }
    .into_any()
}

#[component]
fn Hip(
    hip: HipFinding,
    sop: domain::SopUid,
    detail: RwSignal<StudyDetail>,
    may_answer: bool,
    side: RwSignal<Option<Side>>,
    drafts: Drafts,
) -> impl IntoView {
    let this = hip.side;
    let result = words::summary_of(hip.call);
    let verdict = match (hip.call, hip.reason) {
        (Some(call), _) => words::capital(words::call(call)),
        (None, Some(reason)) => format!("Not read: {}", reason.words()),
        (None, None) => "Not read".to_owned(),
    };
    let place = match (hip.call, hip.location) {
        (Some(Call::Doubtful | Call::Definite), Some(location)) => {
            Some(format!("Likelier {}", words::location(location.likelier())))
        }
        _ => None,
    };
    let bars = hip.location.map(|location| {
        [
            (FractureLocation::None, location.none),
            (FractureLocation::Intracapsular, location.intracapsular),
            (FractureLocation::Extracapsular, location.extracapsular),
        ]
        .into_iter()
        .map(|(name, score)| view! { <Bar name=words::location(name) score/> })
        .collect_view()
    });
    let answers = {
        let sop = sop.clone();
        Memo::new(move |_| {
            detail.with(|detail| {
                let of_this = |answer: &&Answer| answer.sop_uid == sop && answer.side == this;
                detail.answers.iter().filter(of_this).cloned().collect::<Vec<_>>()
            })
        })
    };
    view! {
        <section
            id=format!("hip-{}", this.as_str())
            class=format!("card hip hip-{}", result.as_str())
            class:chosen=move || side.get() == Some(this)
        >
            <div class="hip-head">
                <h2>{words::side(this)}</h2>
                <span class="hip-score" title="Fracture score, 0 to 1">
                    {hip.fracture.map(|fracture| words::score(fracture.score))}
                </span>
            </div>
            <p class=format!("verdict result-{}", result.as_str())>
                <ResultMark result/>
                <span>{verdict}</span>
                {place.map(|place| view! { <span class="place">{place}</span> })}
            </p>
            {bars.map(|bars| view! { <div class="bars">{bars}</div> })}
            {hip.metal
                .map(|metal| view! { <p class="muted">{format!("Metal: score {}", words::score(metal.score))}</p> })}
            <History answers/>
            {may_answer.then(|| view! { <AnswerForm hip sop detail drafts/> })}
        </section>
    }
    .into_any()
}

/// One score as a bar and a number. The bar is drawn, not styled: inline styles are refused by the page's policy.
#[component]
fn Bar(name: &'static str, score: f32) -> impl IntoView {
    let width = format!("{:.1}", score.clamp(0.0, 1.0) * 100.0);
    view! {
        <span class="bar-name-cell">{words::capital(name)}</span>
        <svg class="score-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            <rect class="score-bar-ground" x="0" y="0" width="100" height="6"/>
            <rect class="score-bar-value" x="0" y="0" width=width height="6"/>
        </svg>
        <span class="number">{words::score(score)}</span>
    }
}

/// What readers have answered for a hip, newest first; the newest counts.
#[component]
fn History(answers: Memo<Vec<Answer>>) -> impl IntoView {
    let line = |answer: Answer| {
        let agrees = if answer.agrees { "agrees" } else { "corrects" };
        view! {
            <p class="answer-line">
                <strong>{words::capital(answer.value.words())}</strong>
                " "
                <span class="muted">
                    {format!("({agrees}) {}, ", answer.by_name)} <When at=answer.given_at.unwrap_or(answer.at)/>
                    {answer.given_at.map(|_| view! { ", arrived " <When at=answer.at/> })}
                </span>
            </p>
            {(!answer.comment.is_empty()).then(|| view! { <p class="answer-comment">{answer.comment}</p> })}
        }
    };
    move || {
        let mut answers = answers.get().into_iter();
        let newest = answers.next()?;
        let earlier: Vec<Answer> = answers.collect();
        Some(view! {
            <div class="history">
                <h3>"Answer"</h3>
                {line(newest)}
                {(!earlier.is_empty())
                    .then(|| {
                        view! {
                            <details>
                                <summary>{words::counted(earlier.len() as u64, "earlier answer", "earlier answers")}</summary>
                                {earlier.into_iter().map(line).collect_view()}
                            </details>
                        }
                    })}
            </div>
        })
    }
}

#[component]
fn AnswerForm(hip: HipFinding, sop: domain::SopUid, detail: RwSignal<StudyDetail>, drafts: Drafts) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let line = expect_context::<Line>();
    let side = hip.side;
    let agreeing = hip.agreeing();
    let draft = drafts
        .try_update_value(|drafts| drafts.entry((sop.clone(), side)).or_default().clone())
        .unwrap_or_default();
    let chosen: RwSignal<Option<AnswerValue>> = draft.chosen.clone().into();
    let comment: RwSignal<String> = draft.comment.clone().into();
    let study = detail.with_untracked(|detail| detail.row.study_uid.clone());
    let save = Action::new(move |(): &()| {
        let input = chosen.get_untracked().map(|value| AnswerInput {
            study_uid: study.clone(),
            sop_uid: sop.clone(),
            side,
            value,
            comment: comment.get_untracked().trim().to_owned(),
            key: None,
            account: None,
            waited_ms: None,
        });
        let draft = draft.clone();
        async move {
            let Some(input) = input else {
                return Err(AppError::Invalid("Choose an answer first.".to_owned()));
            };
            let given = line.give(input).await?;
            if let Given::Saved(answer) = &given {
                detail.update(|detail| {
                    if !detail.answers.iter().any(|known| known.id == answer.id) {
                        detail.answers.insert(0, (**answer).clone());
                    }
                });
            }
            // This form may be gone by now, its draft is not.
            draft.chosen.set(None);
            draft.comment.set(String::new());
            Ok(given)
        }
    });
    let pending = save.pending();
    let off = move || !ready.get() || pending.get();
    let error = Signal::derive(move || save.value().get().and_then(Result::err));
    let group = format!("answer-{}", side.as_str());
    let choice = move |value: AnswerValue, key: &'static str, text: String| {
        let id = format!("answer-{}-{}", side.as_str(), value.as_str());
        view! {
            <label class="choice" for=id.clone()>
                <input
                    type="radio"
                    id=id.clone()
                    name=group.clone()
                    value=value.as_str()
                    data-key=key
                    disabled=off
                    prop:checked=move || chosen.get() == Some(value)
                    on:change=move |_| chosen.set(Some(value))
                />
                <span>{text}</span>
            </label>
        }
    };
    let agree = agreeing.map(|value| choice(value, "a", format!("Agree: {}", value.words())));
    let correct = AnswerValue::ALL
        .into_iter()
        .zip(["1", "2", "3", "4"])
        .filter(|(value, _)| Some(*value) != agreeing)
        .map(|(value, key)| choice(value, key, words::capital(value.words())))
        .collect_view();
    let comment_id = format!("comment-{}", side.as_str());
    view! {
        <form
            method="post"
            class="answer-form"
            on:submit=move |event: SubmitEvent| {
                event.prevent_default();
                save.dispatch(());
            }
        >
            <fieldset>
                <legend>{format!("Your answer, {}", words::side(side).to_lowercase())}</legend>
                {agree}
                <span class="choice-head">{if agreeing.is_some() { "Correct to" } else { "What you see" }}</span>
                {correct}
            </fieldset>
            <label class="hidden" for=comment_id.clone()>"Comment"</label>
            <textarea
                id=comment_id.clone()
                rows="2"
                maxlength="2000"
                placeholder="Comment"
                disabled=off
                prop:value=move || comment.get()
                on:input=move |event| comment.set(event_target_value(&event))
            ></textarea>
            <div class="answer-save">
                <button type="submit" class="primary" disabled=move || off() || chosen.get().is_none()>"Save the answer"</button>
                <span role="status">{move || match save.value().get() {
                    Some(Ok(Given::Saved(_))) => Some("Saved."),
                    Some(Ok(Given::Later(AppError::SignedOut))) => {
                        Some("Kept here. You are signed out: it will be sent when you have signed in again.")
                    }
                    Some(Ok(Given::Later(AppError::Internal))) => {
                        Some("Kept here. It will be sent again in a moment.")
                    }
                    Some(Ok(Given::Later(_))) => Some("Kept here. It will be sent when the server is back."),
                    _ => None,
                }}</span>
                <FormError error/>
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn Keys(may_answer: bool) -> impl IntoView {
    view! {
        <details class="keys muted">
            <summary>"Keys"</summary>
            <dl class="facts">
                <dt><kbd>"r"</kbd> " " <kbd>"l"</kbd></dt>
                <dd>"right or left hip"</dd>
                {may_answer
                    .then(|| {
                        view! {
                            <dt><kbd>"a"</kbd></dt>
                            <dd>"agree, for the chosen hip"</dd>
                            <dt><kbd>"1"</kbd> "–" <kbd>"4"</kbd></dt>
                            <dd>"no fracture, intra-capsular, extra-capsular, cannot tell"</dd>
                            <dt><kbd>"s"</kbd></dt>
                            <dd>"save the answer"</dd>
                        }
                    })}
                <dt><kbd>"n"</kbd> " " <kbd>"p"</kbd></dt>
                <dd>"next or previous study"</dd>
                <dt><kbd>"w"</kbd></dt>
                <dd>"worklist"</dd>
                <dt><kbd>"v"</kbd> " " <kbd>"g"</kbd> " " <kbd>"z"</kbd> " " <kbd>"m"</kbd></dt>
                <dd>"window, pan, zoom, magnifier"</dd>
                <dt><kbd>"d"</kbd> " " <kbd>"e"</kbd> " " <kbd>"Delete"</kbd></dt>
                <dd>"length, angle, delete the measurement"</dd>
                <dt><kbd>"↑"</kbd> <kbd>"↓"</kbd> <kbd>"←"</kbd> <kbd>"→"</kbd></dt>
                <dd>"on the picture: what a drag does; with Shift they move it; Enter sets a point"</dd>
                <dt><kbd>"f"</kbd> " " <kbd>"o"</kbd> " " <kbd>"+"</kbd> " " <kbd>"-"</kbd></dt>
                <dd>"whole picture, 1:1, larger, smaller"</dd>
                <dt><kbd>"i"</kbd> " " <kbd>"."</kbd></dt>
                <dd>"invert, next window preset"</dd>
                <dt><kbd>"["</kbd> " " <kbd>"]"</kbd> " " <kbd>"h"</kbd> " " <kbd>"H"</kbd></dt>
                <dd>"turn, flip"</dd>
                <dt><kbd>"c"</kbd> " " <kbd>"k"</kbd></dt>
                <dd>"both hips side by side, mirror the left one"</dd>
                <dt><kbd>"b"</kbd> " " <kbd>"t"</kbd> " " <kbd>"x"</kbd></dt>
                <dd>"boxes, heat map, everything off"</dd>
                <dt><kbd>"u"</kbd> " " <kbd>"U"</kbd> " " <kbd>"0"</kbd></dt>
                <dd>"undo, redo, reset"</dd>
            </dl>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(sop: &str) -> ImageRow {
        ImageRow {
            sop_uid: SopUid::from(sop),
            series_uid: domain::SeriesUid::from("1"),
            modality: String::new(),
            body_part: String::new(),
            view_position: String::new(),
            technique: domain::Technique::default(),
            instance_number: String::new(),
            rows: 1,
            columns: 1,
            received_at: domain::Timestamp(0),
            reading: None,
            read_at: None,
        }
    }

    #[test]
    fn the_neighbours_of_a_study_stand_beyond_its_window_too() {
        let list = StudyQuery::default();
        let stretch: [(u32, StudyUid); 6] =
            [(0, "1"), (0, "2"), (1, "3"), (1, "4"), (1, "5"), (1, "6")].map(|(page, uid)| (page, uid.into()));
        let of = |uid: &str| Neighbours::of(&uid.into(), &stretch, &list);
        let second = of("2").unwrap();
        assert_eq!(second.previous.as_deref(), Some("/study/1"));
        assert_eq!(second.next.as_deref(), Some("/study/3?page=2"));
        assert_eq!(second.ahead, ["3", "4", "5"].map(StudyUid::from));
        assert_eq!(of("3").unwrap().previous.as_deref(), Some("/study/2"));
        assert_eq!(of("1").unwrap().previous, None);
        let last = of("6").unwrap();
        assert_eq!((last.next, last.ahead.len()), (None, 0));
        assert_eq!(of("7"), None);
    }

    #[test]
    fn the_image_that_was_opened_stays_until_the_address_asks_for_another() {
        assert_eq!(Opened::new(None, None, &[]).sop, None);
        let two = [image("1"), image("2")];
        let second = Opened::new(None, Some(2), &two);
        assert_eq!(second.place(&two), Some(1));
        // One more comes, in front of it.
        let three = [image("0"), image("1"), image("2")];
        let same = Opened::new(Some(&second), Some(2), &three);
        assert_eq!(same.place(&three), Some(2));
        let other = Opened::new(Some(&same), Some(1), &three);
        assert_eq!(other.place(&three), Some(0));
        // Without a number in the address.
        let first = Opened::new(Some(&Opened::new(None, None, &[])), None, &two);
        assert_eq!(first.place(&two), Some(0));
        assert_eq!(Opened::new(Some(&first), None, &three).place(&three), Some(1));
        // It is gone.
        assert_eq!(Opened::new(Some(&first), None, &two[1..]).place(&two[1..]), Some(0));
    }
}
