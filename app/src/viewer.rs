//! The x-ray with its tools: a canvas, and an Effect that hands it to the crate `viewer`.
//!
//! The page is the same without WebAssembly, less the picture.

use domain::{HipFinding, Side};
use leptos::prelude::*;

use crate::Desk;
use crate::components::picture_state::PictureState;

/// What a drag does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tool {
    #[default]
    Window,
    Pan,
    Zoom,
}

/// What a button or a key asks of the viewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    Tool(Tool),
    Fit,
    OneToOne,
    ZoomIn,
    ZoomOut,
    Invert,
    RotateLeft,
    RotateRight,
    FlipHorizontal,
    ToggleBoxes,
    Reset,
    ZoomTo([f32; 4]),
    Preset(usize),
}

/// What the viewer says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub loaded: bool,
    pub progress: f32,
    pub error: Option<String>,
    pub tool: Tool,
    pub zoom: f64,
    pub window_center: f64,
    pub window_width: f64,
    pub inverted: bool,
    pub boxes_visible: bool,
    pub spacing: String,
    pub presets: Vec<String>,
    pub renderer: &'static str,
}

/// The line between a page's keys, the toolbar and the mounted viewer.
#[derive(Clone, Copy)]
pub struct Port {
    #[cfg(feature = "hydrate")]
    handle: StoredValue<Option<viewer::Handle>, LocalStorage>,
    pub state: RwSignal<State>,
}

impl Default for Port {
    fn default() -> Self {
        Self {
            #[cfg(feature = "hydrate")]
            handle: StoredValue::new_local(None),
            state: RwSignal::new(State {
                boxes_visible: true,
                ..State::default()
            }),
        }
    }
}

impl Port {
    #[cfg(not(feature = "hydrate"))]
    pub fn send(self, _: Command) {}

    #[cfg(feature = "hydrate")]
    pub fn send(self, command: Command) {
        use viewer::Command as To;

        let command = match command {
            Command::Tool(tool) => {
                let tool = match tool {
                    Tool::Window => viewer::Tool::Window,
                    Tool::Pan => viewer::Tool::Pan,
                    Tool::Zoom => viewer::Tool::Zoom,
                };
                self.handle
                    .try_with_value(|handle| handle.as_ref().map(|handle| handle.set_tool(tool)));
                return;
            }
            Command::Fit => To::Fit,
            Command::OneToOne => To::OneToOne,
            Command::ZoomIn => To::ZoomIn,
            Command::ZoomOut => To::ZoomOut,
            Command::Invert => To::Invert,
            Command::RotateLeft => To::RotateLeft,
            Command::RotateRight => To::RotateRight,
            Command::FlipHorizontal => To::FlipHorizontal,
            Command::ToggleBoxes => To::ToggleBoxes,
            Command::Reset => To::Reset,
            Command::ZoomTo(rect) => To::ZoomTo(rect),
            Command::Preset(index) => To::WindowPreset(index),
        };
        self.handle
            .try_with_value(|handle| handle.as_ref().map(|handle| handle.command(command)));
    }
}

/// The viewer's keys, for the page's key listener and the buttons' titles.
pub const KEYS: [(&str, Command); 15] = [
    ("v", Command::Tool(Tool::Window)),
    ("g", Command::Tool(Tool::Pan)),
    ("z", Command::Tool(Tool::Zoom)),
    ("f", Command::Fit),
    ("o", Command::OneToOne),
    ("+", Command::ZoomIn),
    ("=", Command::ZoomIn),
    ("-", Command::ZoomOut),
    ("i", Command::Invert),
    ("[", Command::RotateLeft),
    ("]", Command::RotateRight),
    ("h", Command::FlipHorizontal),
    ("b", Command::ToggleBoxes),
    ("0", Command::Reset),
    ("Home", Command::Reset),
];

/// The rectangle of a side's hip.
pub fn region(hips: &[HipFinding], side: Side) -> Option<[f32; 4]> {
    hips.iter().find(|hip| hip.side == side).map(|hip| hip.region.0)
}

/// Toolbar, canvas and status line of one image.
#[component]
pub fn ImageViewer(
    #[prop(into)] frame_url: Signal<String>,
    #[prop(into)] hips: Signal<Vec<HipFinding>>,
    port: Port,
) -> impl IntoView {
    view! {
        <section class="viewer" aria-label="X-ray">
            <Toolbar port hips/>
            <div class="stage">
                // A canvas never shows two images: what one leaves behind in it could be taken for the other.
                <For each=move || [frame_url.get()] key=Clone::clone children=move |url| view! { <Canvas url hips port/> }/>
                <noscript><p class="stage-note">"The picture needs JavaScript and WebAssembly. The results beside it do not."</p></noscript>
                <StageNote state=port.state/>
            </div>
            <StatusLine state=port.state frame_url/>
        </section>
    }
    .into_any()
}

#[component]
fn Canvas(url: String, hips: Signal<Vec<HipFinding>>, port: Port) -> impl IntoView {
    let node = NodeRef::<leptos::html::Canvas>::new();
    #[cfg(feature = "hydrate")]
    mount(node, url, hips, port);
    #[cfg(not(feature = "hydrate"))]
    let _ = (url, hips, port);
    view! {
        <div class="canvas-box">
            <canvas node_ref=node class="canvas" tabindex="0" aria-label="X-ray. The results are in the panel beside it."></canvas>
        </div>
    }
}

#[cfg(feature = "hydrate")]
fn mount(node: NodeRef<leptos::html::Canvas>, url: String, hips: Signal<Vec<HipFinding>>, port: Port) {
    use std::rc::Rc;

    let boxes = move || {
        hips.with(|hips| {
            hips.iter()
                .map(|hip| viewer::HipBox {
                    rect: hip.region.0,
                    label: crate::words::box_label(hip),
                    style: match hip.call {
                        None => viewer::BoxStyle::Excluded,
                        Some(domain::Call::Negative) => viewer::BoxStyle::Negative,
                        Some(domain::Call::Doubtful) => viewer::BoxStyle::Doubtful,
                        Some(domain::Call::Definite) => viewer::BoxStyle::Definite,
                    },
                })
                .collect::<Vec<_>>()
        })
    };
    let mounted = StoredValue::new(false);
    Effect::new(move |_| {
        let boxes = boxes();
        let Some(canvas) = node.get() else { return };
        if mounted.get_value() {
            port.handle
                .try_with_value(|handle| handle.as_ref().map(|handle| handle.set_boxes(boxes)));
            return;
        }
        mounted.set_value(true);
        port.state.set(State {
            boxes_visible: true,
            ..State::default()
        });
        let state = port.state;
        let handle = viewer::Viewer::mount(
            canvas,
            viewer::Options {
                frame_url: url.clone(),
                boxes,
                on_state: Rc::new(move |now| {
                    state.try_set(State {
                        loaded: now.loaded,
                        progress: now.progress,
                        error: now.error,
                        tool: match now.tool {
                            viewer::Tool::Window => Tool::Window,
                            viewer::Tool::Pan => Tool::Pan,
                            viewer::Tool::Zoom => Tool::Zoom,
                        },
                        zoom: now.zoom,
                        window_center: now.window_center,
                        window_width: now.window_width,
                        inverted: now.inverted,
                        boxes_visible: now.boxes_visible,
                        spacing: now.spacing_label,
                        presets: now.presets,
                        renderer: now.renderer,
                    });
                }),
            },
        );
        // The image before this one ends here, with its listeners.
        port.handle.try_set_value(Some(handle));
    });
}

/// What stands over the canvas until the picture is there.
#[component]
fn StageNote(state: RwSignal<State>) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let note = Memo::new(move |_| {
        state.with(|state| match (&state.error, state.loaded, ready.get()) {
            (Some(error), _, _) => Some(crate::words::capital(error)),
            (None, true, _) | (None, _, false) => None,
            (None, false, true) => Some(format!("Loading the picture: {:.0} %", state.progress * 100.0)),
        })
    });
    view! {
        <p class="stage-note" role="status" class:error=move || state.with(|state| state.error.is_some())>
            {move || note.get()}
        </p>
    }
}

#[component]
fn ToolButton(
    port: Port,
    command: Command,
    text: &'static str,
    title: &'static str,
    #[prop(into, optional)] pressed: Option<Signal<bool>>,
) -> impl IntoView {
    let off = move || port.state.with(|state| !state.loaded);
    view! {
        <button
            type="button"
            class="tool"
            title=title
            disabled=off
            aria-pressed=move || pressed.map(|pressed| pressed.get().to_string())
            on:click=move |_| port.send(command)
        >
            {text}
        </button>
    }
    .into_any()
}

#[component]
fn Toolbar(port: Port, hips: Signal<Vec<HipFinding>>) -> impl IntoView {
    let is = move |tool: Tool| Signal::derive(move || port.state.with(|state| state.tool == tool));
    let off = move || port.state.with(|state| !state.loaded);
    let hip = move |side: Side, text: &'static str, title: &'static str| {
        view! {
            <button
                type="button"
                class="tool"
                title=title
                disabled=move || off() || hips.with(|hips| region(hips, side).is_none())
                on:click=move |_| {
                    if let Some(rect) = hips.with_untracked(|hips| region(hips, side)) {
                        port.send(Command::ZoomTo(rect));
                    }
                }
            >
                {text}
            </button>
        }
    };
    view! {
        <div class="toolbar" role="toolbar" aria-label="Picture">
            <div class="tool-group">
                <ToolButton port command=Command::Tool(Tool::Window) text="Window" title="Drag changes window and level (v)" pressed=is(Tool::Window)/>
                <ToolButton port command=Command::Tool(Tool::Pan) text="Pan" title="Drag moves the picture (g)" pressed=is(Tool::Pan)/>
                <ToolButton port command=Command::Tool(Tool::Zoom) text="Zoom" title="Drag enlarges the picture (z)" pressed=is(Tool::Zoom)/>
            </div>
            <div class="tool-group">
                <ToolButton port command=Command::Fit text="Fit" title="The whole picture (f)"/>
                <ToolButton port command=Command::OneToOne text="1:1" title="One pixel of the image on one of the screen (o)"/>
                {hip(Side::Right, "Right hip", "Zoom to the patient's right hip (r)")}
                {hip(Side::Left, "Left hip", "Zoom to the patient's left hip (l)")}
            </div>
            <div class="tool-group">
                <ToolButton
                    port
                    command=Command::Invert
                    text="Invert"
                    title="Black and white change places (i)"
                    pressed=Signal::derive(move || port.state.with(|state| state.inverted))
                />
                <ToolButton port command=Command::RotateLeft text="⟲" title="Quarter turn anticlockwise ([)"/>
                <ToolButton port command=Command::RotateRight text="⟳" title="Quarter turn clockwise (])"/>
                <ToolButton port command=Command::FlipHorizontal text="Flip" title="Left and right change places on the screen (h)"/>
            </div>
            <div class="tool-group">
                <label class="tool-select">
                    <span class="hidden">"Window preset"</span>
                    <select
                        disabled=off
                        on:change=move |event| {
                            if let Ok(index) = event_target_value(&event).parse() {
                                port.send(Command::Preset(index));
                            }
                        }
                    >
                        {move || {
                            let presets = port.state.with(|state| state.presets.clone());
                            if presets.is_empty() {
                                return view! { <option value="">"Window"</option> }.into_any();
                            }
                            presets
                                .into_iter()
                                .enumerate()
                                .map(|(index, name)| view! { <option value=index.to_string()>{name}</option> })
                                .collect_view()
                                .into_any()
                        }}
                    </select>
                </label>
                <ToolButton
                    port
                    command=Command::ToggleBoxes
                    text="Boxes"
                    title="Hip boxes on or off (b)"
                    pressed=Signal::derive(move || port.state.with(|state| state.boxes_visible))
                />
                <ToolButton port command=Command::Reset text="Reset" title="As the picture opened (0)"/>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn StatusLine(state: RwSignal<State>, frame_url: Signal<String>) -> impl IntoView {
    let item = move |name: &'static str, value: fn(&State) -> String| {
        view! {
            <span class="status-item">
                <span class="muted">{name}</span>
                " "
                <span class="status-value">
                    {move || state.with(|state| if state.loaded { value(state) } else { "–".to_owned() })}
                </span>
            </span>
        }
    };
    view! {
        <div class="status-line">
            <PictureState url=frame_url/>
            {item("Zoom", |state| format!("{:.0} %", state.zoom * 100.0))}
            {item("Window", |state| format!("C {:.0} W {:.0}", state.window_center, state.window_width))}
            {item("Spacing", |state| state.spacing.clone())}
            {item("Boxes", |state| if state.boxes_visible { "shown".to_owned() } else { "hidden".to_owned() })}
            {item("Drawn by", |state| state.renderer.to_owned())}
        </div>
    }
    .into_any()
}
