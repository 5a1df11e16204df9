//! One picture: a canvas, who and when over it, and what is wrong with it.

use domain::{HeatMap, HipBox, SopUid};
use leptos::prelude::*;

use super::{Panes, Port, State};
use crate::components::picture_state::PictureState;
use crate::{Desk, query, words};

/// A canvas with its caption; a press or the focus makes it the one that buttons and keys mean.
#[component]
pub fn Pane(
    #[prop(into)] sop: Signal<SopUid>,
    #[prop(into)] boxes: Signal<Vec<HipBox>>,
    #[prop(into)] caption: Signal<Vec<String>>,
    #[prop(into)] maps: Signal<Vec<HeatMap>>,
    #[prop(into)] opacity: Signal<f32>,
    port: Port,
    panes: Panes,
    #[prop(optional)] second: bool,
    /// What the reader changes comes back another time.
    #[prop(optional)]
    keep: bool,
    /// Where the picture opens.
    #[prop(optional_no_strip)]
    zoom_to: Option<[f32; 4]>,
) -> impl IntoView {
    let activate = move || panes.second_active.set(second);
    view! {
        <div
            class="pane"
            class:active=move || panes.second_active.get() == second
            on:pointerdown=move |_| activate()
            on:focusin=move |_| activate()
        >
            // A canvas never shows two images: what one leaves behind in it could be taken for the other.
            <For each=move || [sop.get()] key=Clone::clone children=move |sop| view! { <Canvas sop boxes maps opacity port keep zoom_to tool_of=panes.first/> }/>
            <ul class="pane-caption">
                {move || caption.get().into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
                {move || {
                    let turned = port.state.with(|state| state.orientation.clone());
                    (!matches!(turned.as_str(), "" | "as stored")).then(|| view! { <li class="turned">{words::capital(&turned)}</li> })
                }}
            </ul>
            <PictureState url=Signal::derive(move || frame_url(&sop.get()))/>
            <StageNote state=port.state/>
        </div>
    }
    .into_any()
}

/// Where the viewer finds an image.
fn frame_url(sop: &SopUid) -> String {
    format!("/frames/{}", query::encode(sop.as_str()))
}

#[component]
fn Canvas(
    sop: SopUid,
    boxes: Signal<Vec<HipBox>>,
    maps: Signal<Vec<HeatMap>>,
    opacity: Signal<f32>,
    port: Port,
    keep: bool,
    zoom_to: Option<[f32; 4]>,
    /// The tool of this pane is on here too.
    tool_of: Port,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Canvas>::new();
    let options = domain::ViewerOptions {
        frame_url: frame_url(&sop),
        boxes: Vec::new(),
        zoom_to,
        tool: tool_of.state.with_untracked(|state| state.tool),
        keep,
    };
    #[cfg(feature = "hydrate")]
    mount(node, sop, options, boxes, maps, opacity, port);
    #[cfg(not(feature = "hydrate"))]
    let _ = (sop, options, boxes, maps, opacity, port);
    view! {
        <div class="canvas-box">
            <canvas node_ref=node class="canvas" tabindex="0" aria-label="X-ray. The results are in the panel beside it."></canvas>
        </div>
    }
}

#[cfg(feature = "hydrate")]
fn mount(
    node: NodeRef<leptos::html::Canvas>,
    sop: SopUid,
    options: domain::ViewerOptions,
    boxes: Signal<Vec<HipBox>>,
    maps: Signal<Vec<HeatMap>>,
    opacity: Signal<f32>,
    port: Port,
) {
    use leptos::task::spawn_local;

    use super::{Command, module};
    use crate::api;

    // Which canvas the port belongs to: one that left the page must not take the port from the next.
    let begun = StoredValue::new(false);
    // False once this canvas is gone.
    let here = RwSignal::new(true);
    Effect::new(move |_| {
        let Some(canvas) = node.get() else { return };
        if begun.get_value() {
            return;
        }
        begun.set_value(true);
        port.state.set(State {
            boxes_visible: true,
            tool: options.tool,
            ..State::default()
        });
        port.not_kept.set(None);
        let options = domain::ViewerOptions {
            boxes: boxes.get_untracked(),
            ..options.clone()
        };
        let keep = options.keep;
        let sop = sop.clone();
        let of = sop.clone();
        let on_keep = move |kept: String| {
            let sop = of.clone();
            spawn_local(async move {
                let error = api::viewer::keep_view(sop, kept).await.err();
                port.not_kept
                    .try_set(error.map(|error| format!("Your view is not saved: {error}")));
            });
        };
        let on_state = move |state: State| {
            if here.try_get_untracked() == Some(true) {
                port.state.try_set(state);
            }
        };
        spawn_local(async move {
            match module::mount(canvas, options, on_state, on_keep).await {
                Ok(viewer) => {
                    // The page may have gone on while the module came.
                    if here.try_get_untracked() != Some(true) {
                        return;
                    }
                    // The picture before this one ends here, with its listeners.
                    port.viewer.try_set_value(Some(viewer));
                }
                Err(error) => {
                    port.state.try_update(|state| state.error = Some(error));
                    return;
                }
            }
            boxes.with_untracked(|boxes| port.with(|viewer| viewer.set_boxes(boxes)));
            maps.with_untracked(|maps| port.with(|viewer| viewer.set_heat_maps(maps)));
            port.send(Command::HeatMap(opacity.get_untracked()));
            if keep {
                bring_back(sop, here, port);
            }
        });
    });
    Effect::new(move |_| boxes.with(|boxes| port.with(|viewer| viewer.set_boxes(boxes))));
    Effect::new(move |_| maps.with(|maps| port.with(|viewer| viewer.set_heat_maps(maps))));
    Effect::new(move |_| port.send(Command::HeatMap(opacity.get())));
    on_cleanup(move || {
        here.try_set(false);
        port.viewer.try_set_value(None);
        // Not now: where the whole page goes, what shows the state is still there and the state is not.
        spawn_local(async move {
            port.state.try_set(State {
                boxes_visible: true,
                ..State::default()
            });
        });
    });
}

/// Asks how the reader left the image until the server says it. The viewer keeps nothing before, since that would take
/// the place of what was kept.
#[cfg(feature = "hydrate")]
fn bring_back(sop: SopUid, here: RwSignal<bool>, port: Port) {
    use std::time::Duration;

    use leptos::task::spawn_local;

    use crate::{AppError, api};

    spawn_local(async move {
        let answer = api::viewer::kept_view(sop.clone()).await;
        // The port may serve another picture by now.
        if here.try_get_untracked() != Some(true) {
            return;
        }
        match answer {
            Ok(kept) => {
                port.not_kept.try_set(None);
                port.with(|viewer| viewer.restore(kept.as_deref().unwrap_or_default()));
            }
            Err(error) => {
                if matches!(error, AppError::Unreachable | AppError::Internal) {
                    set_timeout(move || bring_back(sop, here, port), Duration::from_secs(5));
                }
                let words = format!("Whether you left a view here is not known yet, and none is saved: {error}");
                port.not_kept.try_set(Some(words));
            }
        }
    });
}

/// What stands over the canvas until the picture is there. A screen reader hears what it is, and not each per cent.
#[component]
fn StageNote(state: RwSignal<State>) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let failed = move || state.with(|state| state.error.is_some());
    let coming = Memo::new(move |_| ready.get() && state.with(|state| state.error.is_none() && !state.loaded));
    let note = Memo::new(move |_| {
        let error = state.with(|state| state.error.as_deref().map(words::capital));
        error.or_else(|| coming.get().then(|| "Loading the picture".to_owned()))
    });
    let share = move || {
        coming
            .get()
            .then(|| state.with(|state| format!("{:.0} %", state.progress * 100.0)))
    };
    view! {
        <p class="stage-note" role="status" class:error=failed>
            {move || note.get()}
        </p>
        <p class="stage-note share">{share}</p>
    }
    .into_any()
}

/// What the reader should know of the picture in words.
#[component]
pub fn StatusLine(panes: Panes) -> impl IntoView {
    let item = move |name: &'static str, value: fn(&State) -> String| {
        view! {
            <span class="status-item">
                <span class="muted">{name}</span>
                " "
                <span class="status-value">
                    {move || panes.state(|state| if state.loaded { value(state) } else { "–".to_owned() })}
                </span>
            </span>
        }
    };
    let kept = move || {
        let port = if panes.second_active.get() {
            panes.second
        } else {
            panes.first
        };
        match port.not_kept.get() {
            Some(words) => Some(words),
            None => panes
                .state(|state| state.restored)
                .then(|| "As you left it; 0 shows the original".to_owned()),
        }
    };
    view! {
        <div class="status-line">
            {item("Zoom", |state| format!("{:.0} %", state.zoom * 100.0))}
            {item("Window", |state| format!("C {:.0} W {:.0}", state.window_center, state.window_width))}
            {item("Shown", |state| {
                let inverted = if state.inverted { ", inverted" } else { "" };
                format!("{}{inverted}", state.orientation)
            })}
            {item("Sides", |state| state.sides.clone())}
            {item("Spacing", |state| state.spacing.clone())}
            {item("Measured", |state| {
                if state.measurements.is_empty() { "nothing".to_owned() } else { state.measurements.join(" · ") }
            })}
            {item("Overlays", |state| match (state.overlays_hidden, state.boxes_visible) {
                (true, _) => "all hidden".to_owned(),
                (false, true) => "boxes shown".to_owned(),
                (false, false) => "boxes hidden".to_owned(),
            })}
            {item("Drawn by", |state| state.renderer.clone())}
            <span class="status-item kept" role="status">{kept}</span>
            <span class="status-item heat-note" role="status">{move || panes.heat.note.get()}</span>
        </div>
    }
    .into_any()
}
