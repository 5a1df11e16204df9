//! The x-ray with its tools: one canvas or two side by side, a toolbar over them and a line of words below.
//!
//! The pixels are drawn by the crate `viewer`, a WebAssembly module of its own that is loaded with the first picture
//! (`module.rs`). The page is the same without it, less the picture.

#[cfg(feature = "hydrate")]
mod module;
mod pane;
mod toolbar;

use domain::{BoxStyle, Call, HeatMap, HipBox, HipFinding, Side, SopUid};
pub use domain::{Command, Tool, ViewerState as State};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::{api, words};
#[cfg(feature = "hydrate")]
use module::Viewer;
#[cfg(feature = "hydrate")]
pub use module::fetch_ahead;
use pane::{Pane, StatusLine};
use toolbar::Toolbar;

/// The browser fetches pictures before they are asked for; the server does not.
#[cfg(not(feature = "hydrate"))]
pub fn fetch_ahead(_: Vec<String>) {}

/// How strongly a heat map is painted when it is first asked for.
const FIRST_OPACITY: f32 = 0.6;

/// The line between the page and one mounted viewer.
#[derive(Clone, Copy)]
pub struct Port {
    /// The browser's alone: the server may drop a page on another thread than the one that made it, and this must not
    /// leave its own.
    #[cfg(feature = "hydrate")]
    viewer: StoredValue<Option<Viewer>, LocalStorage>,
    pub state: RwSignal<State>,
    /// In words, why what the reader changes is not kept.
    pub not_kept: RwSignal<Option<String>>,
}

impl Default for Port {
    fn default() -> Self {
        Self {
            #[cfg(feature = "hydrate")]
            viewer: StoredValue::new_local(None),
            state: RwSignal::new(State {
                boxes_visible: true,
                ..State::default()
            }),
            not_kept: RwSignal::new(None),
        }
    }
}

impl Port {
    #[cfg(not(feature = "hydrate"))]
    pub fn send(self, _: Command) {}

    #[cfg(feature = "hydrate")]
    pub fn send(self, command: Command) {
        self.with(|viewer| viewer.command(command));
    }

    #[cfg(feature = "hydrate")]
    fn with(self, how: impl FnOnce(&Viewer)) {
        self.viewer.try_with_value(|viewer| viewer.as_ref().map(how));
    }
}

/// A picture of an earlier study.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierPicture {
    pub study: domain::StudyUid,
    pub sop: SopUid,
    pub hips: Vec<HipFinding>,
    pub caption: Vec<String>,
}

/// What stands beside the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Beside {
    #[default]
    Nothing,
    /// The same picture again: the right hip here, the left one there.
    OtherHip,
    Earlier(Box<EarlierPicture>),
}

/// Both panes of a study page and what they share.
#[derive(Clone, Copy)]
pub struct Panes {
    pub first: Port,
    pub second: Port,
    /// The second pane is the one that buttons and keys mean.
    pub second_active: RwSignal<bool>,
    pub beside: RwSignal<Beside>,
    pub heat: Heat,
}

/// The heat maps of the picture in the first pane.
#[derive(Clone, Copy)]
pub struct Heat {
    /// 0 is off.
    pub opacity: RwSignal<f32>,
    pub maps: RwSignal<Vec<HeatMap>>,
    pub note: RwSignal<Option<String>>,
    /// The picture whose maps were asked for, or are there.
    asked: RwSignal<Option<SopUid>>,
}

impl Default for Panes {
    fn default() -> Self {
        Self {
            first: Port::default(),
            second: Port::default(),
            second_active: RwSignal::new(false),
            beside: RwSignal::default(),
            heat: Heat {
                opacity: RwSignal::new(0.0),
                maps: RwSignal::default(),
                note: RwSignal::new(None),
                asked: RwSignal::new(None),
            },
        }
    }
}

impl Panes {
    fn active(self) -> Port {
        if self.second_active.get() {
            self.second
        } else {
            self.first
        }
    }

    /// Something of the active pane's state.
    pub fn state<T>(self, of: impl FnOnce(&State) -> T) -> T {
        self.active().state.with(of)
    }

    /// To the active pane; what is of the whole page to both.
    pub fn send(self, command: Command) {
        match command {
            Command::Tool(_) | Command::Link(_) => {
                self.first.send(command);
                self.second.send(command);
            }
            Command::ToggleBoxes => self.turn(command, |state| state.boxes_visible),
            Command::ToggleOverlays => self.turn(command, |state| state.overlays_hidden),
            _ => untrack(|| self.active()).send(command),
        }
    }

    /// Turns a switch over in the active pane, and in the other one unless it stands there as is wanted: whatever was
    /// switched before, both show or hide the same.
    fn turn(self, command: Command, is_on: fn(&State) -> bool) {
        let now = untrack(|| self.active()).state.with_untracked(is_on);
        for port in [self.first, self.second] {
            if port.state.with_untracked(is_on) == now {
                port.send(command);
            }
        }
    }

    /// A second picture opens with no more over it than the first has.
    fn match_second(self) {
        let shown = |port: Port| {
            port.state
                .with_untracked(|state| (state.overlays_hidden, state.boxes_visible))
        };
        match (shown(self.first), shown(self.second)) {
            ((true, _), (false, _)) => self.second.send(Command::ToggleOverlays),
            ((false, false), (_, true)) => self.second.send(Command::ToggleBoxes),
            _ => {}
        }
    }

    /// The two hips side by side, or one picture again.
    pub fn toggle_both_hips(self, hips: &[HipFinding]) {
        let both = Side::BOTH.into_iter().all(|side| region(hips, side).is_some());
        let now = self.beside.get_untracked();
        self.put(match now {
            Beside::OtherHip => Beside::Nothing,
            _ if both => Beside::OtherHip,
            _ => return,
        });
    }

    /// Puts something beside the picture.
    pub fn put(self, beside: Beside) {
        self.second_active.set(false);
        self.beside.set(beside);
    }

    /// The left hip as if it were a right one, or again as it is.
    pub fn toggle_mirror(self) {
        if self.beside.with_untracked(|beside| *beside == Beside::OtherHip) {
            self.second.send(Command::FlipHorizontal);
        }
    }

    /// Zooms to a hip: in two panes each has its own already.
    pub fn zoom_to(self, hips: &[HipFinding], side: Side) {
        let both = self.beside.with_untracked(|beside| *beside == Beside::OtherHip);
        match region(hips, side) {
            Some(rect) if both && side == Side::Left => self.second.send(Command::ZoomTo(rect)),
            Some(rect) => self.first.send(Command::ZoomTo(rect)),
            None => {}
        }
    }

    /// Heat maps on or off; they are computed by the server when they are first asked for.
    pub fn toggle_heat(self, sop: Option<SopUid>) {
        let heat = self.heat;
        if heat.opacity.get_untracked() > 0.0 {
            heat.opacity.set(0.0);
            return;
        }
        let Some(sop) = sop else { return };
        if heat.asked.with_untracked(|asked| asked.as_ref() == Some(&sop)) {
            if !heat.maps.with_untracked(Vec::is_empty) {
                heat.opacity.set(FIRST_OPACITY);
            }
            return;
        }
        // Maps of another picture must not be painted over this one, whatever the server answers.
        heat.maps.set(Vec::new());
        heat.asked.set(Some(sop.clone()));
        heat.note.set(Some("Computing the heat map…".to_owned()));
        spawn_local(async move {
            let answer = api::viewer::heat_maps(sop.clone()).await;
            // Another picture may be open by now, and its own maps asked for: then nobody waits for these any more.
            if heat.asked.try_get_untracked() != Some(Some(sop)) {
                return;
            }
            match answer {
                Ok(maps) if maps.is_empty() => {
                    heat.note.try_set(Some(
                        "No hip of this picture was read, so there is no heat map.".to_owned(),
                    ));
                }
                Ok(maps) => {
                    heat.note.try_set(None);
                    heat.maps.try_set(maps);
                    heat.opacity.try_set(FIRST_OPACITY);
                }
                Err(error) => {
                    heat.asked.try_set(None);
                    heat.note.try_set(Some(error.to_string()));
                }
            }
        });
    }

    /// Another picture opens in the first pane.
    pub fn forget_heat(self) {
        self.heat.opacity.set(0.0);
        self.heat.maps.set(Vec::new());
        self.heat.note.set(None);
        self.heat.asked.set(None);
    }
}

/// The viewer's keys, for the page's key listener and the buttons' titles.
pub const KEYS: [(&str, Command); 25] = [
    ("v", Command::Tool(Tool::Window)),
    ("g", Command::Tool(Tool::Pan)),
    ("z", Command::Tool(Tool::Zoom)),
    ("m", Command::Tool(Tool::Magnifier)),
    ("d", Command::Tool(Tool::Length)),
    ("e", Command::Tool(Tool::Angle)),
    ("f", Command::Fit),
    ("o", Command::OneToOne),
    ("+", Command::ZoomIn),
    ("=", Command::ZoomIn),
    ("-", Command::ZoomOut),
    ("i", Command::Invert),
    ("[", Command::RotateLeft),
    ("]", Command::RotateRight),
    ("h", Command::FlipHorizontal),
    ("H", Command::FlipVertical),
    (".", Command::NextPreset),
    ("b", Command::ToggleBoxes),
    ("x", Command::ToggleOverlays),
    ("u", Command::Undo),
    ("U", Command::Redo),
    ("Delete", Command::DeleteMeasurement),
    ("Backspace", Command::DeleteMeasurement),
    ("0", Command::Reset),
    ("Home", Command::Reset),
];

/// The rectangle of a side's hip.
pub fn region(hips: &[HipFinding], side: Side) -> Option<[f32; 4]> {
    hips.iter().find(|hip| hip.side == side).map(|hip| hip.region.0)
}

/// The boxes over a picture; `plain` ones say where a hip is and nothing else.
fn boxes(hips: &[HipFinding], plain: bool) -> Vec<HipBox> {
    hips.iter()
        .map(|hip| HipBox {
            rect: hip.region.0,
            label: if plain {
                words::letter(hip.side).to_owned()
            } else {
                words::box_label(hip)
            },
            style: match hip.call {
                None if !plain => BoxStyle::Excluded,
                None | Some(Call::Negative) => BoxStyle::Negative,
                Some(Call::Doubtful) => BoxStyle::Doubtful,
                Some(Call::Definite) => BoxStyle::Definite,
            },
        })
        .collect()
}

/// Toolbar, canvases and status line.
#[component]
pub fn ImageViewer(
    #[prop(into)] sop: Signal<SopUid>,
    #[prop(into)] hips: Signal<Vec<HipFinding>>,
    /// Who and when, over the picture.
    #[prop(into)]
    caption: Signal<Vec<String>>,
    panes: Panes,
    /// Only where the hips are, for a reader who is to judge alone.
    #[prop(optional)]
    plain: bool,
) -> impl IntoView {
    let heat = panes.heat;
    let no_maps = Signal::derive(Vec::new);
    let no_heat = Signal::derive(|| 0.0);
    // Another picture: nothing of the one before stays over it or beside it.
    Effect::new(move |before: Option<SopUid>| {
        let sop = sop.get();
        if before.is_some_and(|before| before != sop) {
            panes.forget_heat();
            panes.put(Beside::Nothing);
        }
        sop
    });
    // Once the second pane has its picture, both stand at their hips; the viewers keep one scale by themselves.
    let second_loaded = Memo::new(move |_| panes.second.state.with(|state| state.loaded));
    Effect::new(move |_| {
        if !second_loaded.get() {
            return;
        }
        panes.match_second();
        if panes.beside.with_untracked(|beside| *beside == Beside::OtherHip)
            && let Some(rect) = hips.with_untracked(|hips| region(hips, Side::Right))
        {
            panes.first.send(Command::ZoomTo(rect));
        }
    });
    let second = move || match panes.beside.get() {
        Beside::Nothing => ().into_any(),
        Beside::OtherHip => view! {
            <Pane
                sop
                boxes=Signal::derive(move || hips.with(|hips| boxes(hips, plain)))
                caption=Signal::derive(|| vec!["Left hip".to_owned()])
                maps=heat.maps
                opacity=heat.opacity
                port=panes.second
                panes
                second=true
                zoom_to=hips.with_untracked(|hips| region(hips, Side::Left))
            />
        }
        .into_any(),
        Beside::Earlier(picture) => {
            let EarlierPicture { sop, hips, caption, .. } = *picture;
            view! {
                <Pane
                    sop=Signal::stored(sop)
                    boxes=Signal::stored(boxes(&hips, plain))
                    caption=Signal::stored(caption)
                    maps=no_maps
                    opacity=no_heat
                    port=panes.second
                    panes
                    second=true
                    keep=true
                />
            }
            .into_any()
        }
    };
    view! {
        <section class="viewer" aria-label="X-ray">
            <Toolbar panes sop hips/>
            <div class="stage" class:two=move || panes.beside.with(|beside| *beside != Beside::Nothing)>
                <Pane
                    sop
                    boxes=Signal::derive(move || hips.with(|hips| boxes(hips, plain)))
                    caption
                    maps=heat.maps
                    opacity=heat.opacity
                    port=panes.first
                    panes
                    keep=true
                />
                {second}
                <noscript><p class="stage-note">"The picture needs JavaScript and WebAssembly. The results beside it do not."</p></noscript>
            </div>
            <StatusLine panes/>
        </section>
    }
    .into_any()
}
