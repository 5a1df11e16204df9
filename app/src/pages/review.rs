use domain::cohort::{
    DecisionInput, Evidence, Label, LastDecision, RecordText, Records, ReviewDesk, ReviewImage, ReviewItem,
};
use domain::{PixelBox, Side, SopUid};
use leptos::ev;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::api::cohort::{decide, desk, undo};
use crate::components::error_note::ErrorNote;
use crate::components::notice::Notice;
use crate::components::thumbnail::{Thumbnail, line_is_free};
use crate::pages::cohorts::cohort_href;
use crate::viewer::{Command, ImageViewer, KEYS, Panes, fetch_ahead};
use crate::{AppError, Desk, browser, data, words};

/// The answers with their keys; the first four are those of the study page.
const ANSWERS: [(Label, &str, &str); 5] = [
    (Label::None, "1", "No fracture"),
    (Label::FractureIntracapsular, "2", "Intra-capsular fracture"),
    (Label::FractureExtracapsular, "3", "Extra-capsular fracture"),
    (Label::Unknown, "4", "Cannot tell"),
    (Label::Excluded, "5", "Exclude"),
];

/// Reasons to leave a hip out, as a reader would type them.
const REASONS: [&str; 6] = [
    "metal in the hip",
    "not a frontal pelvis",
    "hip cut off",
    "picture too poor to read",
    "child",
    "other disease of the bone",
];

/// One hip after another, answered by a key.
#[component]
pub fn ReviewPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name")).unwrap_or_default());
    let first = data::resource(move || name.get(), desk);
    view! {
        <Title text="Review"/>
        <div class="study-page review-page">
            <div class="study-bar">
                <a class="back" href=move || cohort_href(&name.get())>{move || format!("Cohort {}", name.get())}</a>
                <Notice/>
            </div>
            <Suspense fallback=|| view! { <p class="loading">"Loading the next hip…"</p> }>
                {move || Suspend::new(async move {
                    match first.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(desk) => view! { <Table desk name=name.get_untracked()/> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
    .into_any()
}

/// Asks of the reviewer: an answer, or the newest one back.
#[derive(Clone)]
enum Ask {
    Decide(DecisionInput),
    Undo(i64),
}

#[component]
fn Table(desk: ReviewDesk, name: String) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let now = RwSignal::new(desk);
    let comment = RwSignal::new(String::new());
    // A reason is wanted before the hip can be left out.
    let excluding = RwSignal::new(false);
    let note = RwSignal::new(None::<(bool, String)>);
    let records_shown = RwSignal::new(true);
    let panes = Panes::default();
    let port = panes.first;

    let send = Action::new({
        let name = name.clone();
        move |ask: &Ask| {
            let (name, ask) = (name.clone(), ask.clone());
            async move {
                let taken_back = matches!(ask, Ask::Undo(_));
                let answer = match ask {
                    Ask::Decide(decision) => decide(name.clone(), decision).await,
                    Ask::Undo(item) => undo(name.clone(), item).await,
                };
                match answer {
                    Ok(next) => {
                        note.set(taken_back.then(|| (true, "Answer taken back.".to_owned())));
                        comment.set(String::new());
                        excluding.set(false);
                        now.set(next);
                    }
                    Err(error) => {
                        note.set(Some((false, error.to_string())));
                        // Somebody was faster: the queue as it stands, the comment kept.
                        if matches!(error, AppError::Invalid(_))
                            && let Ok(next) = crate::api::cohort::desk(name).await
                        {
                            now.set(next);
                        }
                    }
                }
            }
        }
    });
    let pending = send.pending();
    let answer = move |label: Label| {
        if pending.get_untracked() {
            return;
        }
        let Some((item, version)) = now.with_untracked(|desk| desk.item.as_ref().map(|item| (item.item, item.version)))
        else {
            return;
        };
        let words = comment.get_untracked().trim().to_owned();
        if label == Label::Excluded && words.is_empty() {
            excluding.set(true);
            note.set(Some((
                true,
                "Why is this hip left out? Type the reason, then press Enter.".to_owned(),
            )));
            browser::focus("#review-comment");
            return;
        }
        browser::blur();
        send.dispatch(Ask::Decide(DecisionInput {
            item,
            version,
            label,
            comment: words,
        }));
    };
    let take_back = move || {
        if pending.get_untracked() {
            return;
        }
        if let Some(last) = now.with_untracked(|desk| desk.last.clone()) {
            send.dispatch(Ask::Undo(last.item));
        }
    };
    // Another image of the study, looked at for this item.
    let other = RwSignal::new(None::<(i64, SopUid)>);
    let number = Memo::new(move |_| now.with(|desk| desk.item.as_ref().map(|item| item.item)));
    let own = Memo::new(move |_| now.with(|desk| desk.item.as_ref()?.sop_uid.clone()));
    let sop = Memo::new(move |_| match other.get() {
        Some((item, sop)) if number.get() == Some(item) => Some(sop),
        _ => own.get(),
    });
    let is_own = Memo::new(move |_| sop.with(|sop| own.with(|own| sop == own)));
    let images = Memo::new(move |_| {
        now.with(|desk| desk.item.as_ref().map(|item| item.images.clone()))
            .unwrap_or_default()
    });
    let look_at = move |sop: SopUid| other.set(number.get_untracked().map(|item| (item, sop)));
    let turn_page = move |step: isize| {
        let next = images.with_untracked(|images| {
            let place = images
                .iter()
                .position(|image| Some(&image.sop_uid) == sop.get_untracked().as_ref());
            let next = place.map_or(Some(0), |place| place.checked_add_signed(step));
            Some(images.get(next?)?.sop_uid.clone())
        });
        next.map(look_at);
    };

    // Where the networks found the hip in question, and nothing of what they read there.
    let hips = Memo::new(move |_| {
        now.with(|desk| desk.item.as_ref()?.hip.clone())
            .filter(|_| is_own.get())
            .into_iter()
            .collect::<Vec<_>>()
    });
    let to_hip = move || {
        if let Some(PixelBox(rect)) = hips.with_untracked(|hips| hips.first().map(|hip| hip.region)) {
            port.send(Command::ZoomTo(rect));
        }
    };

    // The picture opens at the hip in question.
    Effect::new(move |_| {
        let loaded = port.state.with(|state| state.loaded);
        if number.get().is_some() && is_own.get() && loaded {
            to_hip();
        }
    });
    // The picture after this one, while this one is looked at.
    Effect::new(move |_| {
        if let Some(next) = now.with(|desk| desk.item.as_ref()?.next_picture.clone()) {
            fetch_ahead(vec![next]);
        }
    });
    Effect::new(move |_| {
        let handle = window_event_listener(ev::keydown, move |event| {
            if browser::is_typing(&event) {
                return;
            }
            let key = event.key();
            match key.as_str() {
                "u" => take_back(),
                "c" => browser::focus("#review-comment"),
                "t" => records_shown.update(|shown| *shown = !*shown),
                "s" => to_hip(),
                "n" => turn_page(1),
                "p" => turn_page(-1),
                "r" => hips.with_untracked(|hips| panes.zoom_to(hips, Side::Right)),
                "l" => hips.with_untracked(|hips| panes.zoom_to(hips, Side::Left)),
                "x" => answer(Label::Excluded),
                _ => match ANSWERS.iter().find(|(_, name, _)| *name == key) {
                    Some((label, ..)) => answer(*label),
                    None => match KEYS.iter().find(|(name, _)| *name == key) {
                        Some((_, command)) => panes.send(*command),
                        None => return,
                    },
                },
            }
            event.prevent_default();
        });
        on_cleanup(move || handle.remove());
    });

    let has_picture = Memo::new(move |_| sop.with(Option::is_some));
    let item = Memo::new(move |_| now.with(|desk| desk.item.clone()));
    let off = move || !ready.get() || pending.get();
    view! {
        <div class="study review">
            <div class="study-picture">
                {move || if has_picture.get() {
                    let sop = Signal::derive(move || sop.get().unwrap_or(SopUid(String::new())));
                    let caption = Signal::derive(Vec::new);
                    view! { <ImageViewer sop hips caption panes plain=true/> }.into_any()
                } else {
                    view! {
                        <section class="note">
                            <p>{move || if item.with(Option::is_some) { "The store has no picture of this hip." } else { "" }}</p>
                        </section>
                    }
                    .into_any()
                }}
                <Images images own sop look_at/>
            </div>
            <aside class="study-panel" aria-label="Review">
                {
                    let name = name.clone();
                    move || match item.get() {
                        Some(item) => view! { <Question item desk=now/> }.into_any(),
                        None => view! { <Nothing name=name.clone()/> }.into_any(),
                    }
                }
                <section class="card answers" class:off=move || item.with(Option::is_none)>
                    <h2 class="hidden">"Answer"</h2>
                    {ANSWERS
                        .into_iter()
                        .map(|(label, key, text)| {
                            view! {
                                <button
                                    type="button"
                                    class="answer-key"
                                    data-label=label.as_str()
                                    disabled=move || off() || item.with(Option::is_none)
                                    on:click=move |_| answer(label)
                                >
                                    <kbd>{key}</kbd>
                                    <span>{text}</span>
                                </button>
                            }
                        })
                        .collect_view()}
                    <label class="review-comment" for="review-comment">
                        {move || if excluding.get() { "Reason to leave it out" } else { "Comment" }}
                    </label>
                    <input
                        id="review-comment"
                        type="text"
                        maxlength="2000"
                        list="review-reasons"
                        autocomplete="off"
                        disabled=move || !ready.get()
                        prop:value=move || comment.get()
                        on:input=move |event| comment.set(event_target_value(&event))
                        on:keydown=move |event| match event.key().as_str() {
                            "Escape" => {
                                event.prevent_default();
                                excluding.set(false);
                                browser::blur();
                            }
                            "Enter" => {
                                event.prevent_default();
                                if excluding.get_untracked() { answer(Label::Excluded) } else { browser::blur() }
                            }
                            _ => {}
                        }
                    />
                    <datalist id="review-reasons">
                        {REASONS.into_iter().map(|reason| view! { <option value=reason></option> }).collect_view()}
                    </datalist>
                    <p class="review-note" role="status" class:bad=move || note.with(|note| matches!(note, Some((false, _))))>
                        {move || note.get().map(|(_, words)| words)}
                    </p>
                    <Last desk=now off=Signal::derive(off) take_back/>
                </section>
                {move || {
                    item.get()
                        .and_then(|item| item.records)
                        .map(|records| view! { <RecordsCard records shown=records_shown/> }.into_any())
                }}
                <Keys/>
            </aside>
        </div>
    }
    .into_any()
}

/// Every image of the study, where there are more than the one in question.
#[component]
fn Images(
    images: Memo<Vec<ReviewImage>>,
    own: Memo<Option<SopUid>>,
    sop: Memo<Option<SopUid>>,
    look_at: impl Fn(SopUid) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let line_is_free = line_is_free();
    let card = move |(place, image): (usize, ReviewImage)| {
        let ReviewImage { sop_uid, kind } = image;
        let is_own = own.with_untracked(|own| own.as_ref() == Some(&sop_uid));
        let (chosen, picture) = (sop_uid.clone(), sop_uid.clone());
        let is_shown = move || sop.with(|sop| sop.as_ref() == Some(&chosen)).to_string();
        view! {
            <button type="button" class="image-card" aria-pressed=is_shown on:click=move |_| look_at(sop_uid.clone())>
                <Thumbnail sop_uid=picture line_is_free/>
                <span class="image-name">{format!("Image {} · {kind}", place + 1)}</span>
                <span class="image-words">{if is_own { "The hip in question" } else { "Of the same study" }}</span>
            </button>
        }
    };
    let cards = move || {
        let images = images.get();
        (images.len() > 1).then(|| {
            view! {
                <nav class="images" aria-label="Images of this study">
                    {images.into_iter().enumerate().map(card).collect_view()}
                </nav>
            }
        })
    };
    view! { <div class="strips">{cards}</div> }.into_any()
}

/// Which hip is asked about, and how many wait.
#[component]
fn Question(item: ReviewItem, desk: RwSignal<ReviewDesk>) -> impl IntoView {
    let counts = desk.with_untracked(|desk| {
        format!(
            "{} waiting, {} answered by you",
            words::thousands(desk.open),
            words::thousands(desk.answered)
        )
    });
    let side = words::side(item.side);
    view! {
        <section class="card question" data-item=item.item>
            <p class="muted review-count">{counts}</p>
            <h1>
                <span class="side-letter">{words::letter(item.side)}</span>
                {format!("{side}: broken?")}
            </h1>
            <p class="patient-line">
                <span>{item.sex_age}</span>
                <span>{item.description}</span>
                <span>{item.study_time}</span>
            </p>
            {item
                .adjudicates
                .then(|| view! { <p class="adjudicate"><strong>"Two reviewers differ: your answer settles it."</strong></p> })}
            {item
                .hip
                .is_none()
                .then(|| view! { <p class="muted">"The networks have not marked this hip; the picture is shown whole."</p> })}
        </section>
    }
    .into_any()
}

#[component]
fn Nothing(name: String) -> impl IntoView {
    view! {
        <section class="card question">
            <h1>"Nothing is waiting for you"</h1>
            <p>"Every hip in the queue has your answer, or somebody else is looking at it."</p>
            <p><a href=cohort_href(&name)>"To the cohort"</a></p>
        </section>
    }
    .into_any()
}

#[component]
fn Last(
    desk: RwSignal<ReviewDesk>,
    off: Signal<bool>,
    take_back: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    move || {
        desk.with(|desk| desk.last.clone()).map(|LastDecision { side, label, .. }| {
            view! {
                <p class="review-last">
                    <span class="muted">{format!("Before: {}, {}", words::side(side).to_lowercase(), label.words())}</span>
                    <button type="button" class="small" disabled=move || off.get() on:click=move |_| take_back()>
                        "Undo " <kbd>"u"</kbd>
                    </button>
                </p>
            }
        })
    }
}

/// What the records say, with the words that the first label rests on marked.
#[component]
fn RecordsCard(records: Records, shown: RwSignal<bool>) -> impl IntoView {
    let texts = StoredValue::new(records.texts);
    let opinions = records
        .opinions
        .into_iter()
        .map(|opinion| {
            let comment = (!opinion.comment.is_empty()).then(|| format!(": {}", opinion.comment));
            view! { <p>{format!("{} said {}", opinion.who, opinion.label.words())} {comment}</p> }
        })
        .collect_view();
    view! {
        <section class="card records">
            <div class="hip-head">
                <h2>"Records"</h2>
                <button
                    type="button"
                    class="small"
                    aria-pressed=move || shown.get().to_string()
                    on:click=move |_| shown.update(|shown| *shown = !*shown)
                >
                    {move || if shown.get() { "Hide " } else { "Show " }} <kbd>"t"</kbd>
                </button>
            </div>
            <div hidden=move || !shown.get()>
                {opinions}
                {(!records.note.is_empty()).then(|| view! { <p class="record-note">{words::capital(&records.note)}</p> })}
                <p>
                    {format!("First label: {} ({})", records.label.words(), records.reason)}
                    {records.conflict.then(|| view! { <strong class="bad">" Report and operation differ."</strong> })}
                </p>
                {texts
                    .get_value()
                    .into_iter()
                    .map(|text| view! { <RecordCard text/> })
                    .collect_view()}
                {texts.with_value(Vec::is_empty).then(|| view! { <p class="muted">"No report and no operation."</p> })}
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn RecordCard(text: RecordText) -> impl IntoView {
    let rules: Vec<String> = text.marks.iter().map(|mark| mark.rule.clone()).collect();
    view! {
        <article class="record">
            <h3>{format!("{} · {} · {}", words::capital(&text.kind), text.time, text.record)}</h3>
            <p class="record-text">
                {marked(&text.text, &text.marks)
                    .into_iter()
                    .map(|(words, rule)| match rule {
                        Some(rule) => view! { <mark title=rule>{words}</mark> }.into_any(),
                        None => view! { <span>{words}</span> }.into_any(),
                    })
                    .collect_view()}
            </p>
            {(!rules.is_empty()).then(|| view! { <p class="muted">{format!("Rules: {}", rules.join(", "))}</p> })}
        </article>
    }
    .into_any()
}

/// A text cut at its marks; where two overlap, the earlier one wins. Marks that fit no text are passed over.
fn marked(text: &str, marks: &[Evidence]) -> Vec<(String, Option<String>)> {
    let mut marks: Vec<&Evidence> = marks
        .iter()
        .filter(|mark| mark.start < mark.end && text.get(mark.start..mark.end).is_some())
        .collect();
    marks.sort_by_key(|mark| (mark.start, mark.end));
    let (mut out, mut at) = (Vec::new(), 0);
    for mark in marks {
        if mark.start < at {
            continue;
        }
        if mark.start > at {
            out.push((text[at..mark.start].to_owned(), None));
        }
        out.push((text[mark.start..mark.end].to_owned(), Some(mark.rule.clone())));
        at = mark.end;
    }
    if at < text.len() {
        out.push((text[at..].to_owned(), None));
    }
    out
}

#[component]
fn Keys() -> impl IntoView {
    view! {
        <details class="keys muted">
            <summary>"Keys"</summary>
            <dl class="facts">
                <dt><kbd>"1"</kbd> "–" <kbd>"4"</kbd></dt>
                <dd>"no fracture, intra-capsular, extra-capsular, cannot tell"</dd>
                <dt><kbd>"5"</kbd> " " <kbd>"x"</kbd></dt>
                <dd>"exclude, with a reason"</dd>
                <dt><kbd>"u"</kbd></dt>
                <dd>"take the newest answer back"</dd>
                <dt><kbd>"c"</kbd> " " <kbd>"Esc"</kbd></dt>
                <dd>"into the comment and out of it"</dd>
                <dt><kbd>"t"</kbd></dt>
                <dd>"report and operation, shown or hidden"</dd>
                <dt><kbd>"s"</kbd> " " <kbd>"r"</kbd> " " <kbd>"l"</kbd></dt>
                <dd>"zoom to the hip"</dd>
                <dt><kbd>"n"</kbd> " " <kbd>"p"</kbd></dt>
                <dd>"next or previous image of the study"</dd>
                <dt><kbd>"v"</kbd> " " <kbd>"g"</kbd> " " <kbd>"z"</kbd></dt>
                <dd>"window, pan, zoom"</dd>
                <dt><kbd>"f"</kbd> " " <kbd>"o"</kbd></dt>
                <dd>"whole picture, 1:1"</dd>
                <dt><kbd>"i"</kbd> " " <kbd>"0"</kbd></dt>
                <dd>"invert, reset"</dd>
            </dl>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_their_marks_and_nothing_is_lost() {
        let mark = |start: usize, end: usize| Evidence {
            rule: format!("{start}"),
            start,
            end,
            words: String::new(),
        };
        let text = "Left NOF fracture – no é dislocation.";
        let cut = marked(
            text,
            &[mark(9, 17), mark(0, 8), mark(5, 12), mark(90, 95), mark(22, 25)],
        );
        let whole: String = cut.iter().map(|(words, _)| words.as_str()).collect();
        assert_eq!(whole, text);
        let found: Vec<&str> = cut
            .iter()
            .filter(|(_, rule)| rule.is_some())
            .map(|(words, _)| words.as_str())
            .collect();
        assert_eq!(found[..2], ["Left NOF", "fracture"]);
        assert!(marked("", &[mark(0, 1)]).is_empty());
        // A mark that would split a letter is none.
        assert_eq!(marked("é", &[mark(0, 1)]), [("é".to_owned(), None)]);
    }
}
