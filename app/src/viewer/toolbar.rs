//! The tools over the picture. Each has its key in its title.

use domain::{HipFinding, Side, SopUid};
use leptos::prelude::*;

use super::{Beside, Command, Panes, State, Tool, region};

#[component]
fn ToolButton(
    panes: Panes,
    command: Command,
    text: &'static str,
    title: &'static str,
    /// What a screen reader says, where `text` is a sign.
    #[prop(optional)]
    name: Option<&'static str>,
    #[prop(into, optional)] pressed: Option<Signal<bool>>,
    /// Whether it can do something now; a loaded picture is needed in any case.
    #[prop(optional)]
    can: Option<fn(&State) -> bool>,
) -> impl IntoView {
    let off = move || panes.state(|state| !state.loaded || can.is_some_and(|can| !can(state)));
    view! {
        <button
            type="button"
            class="tool"
            title=title
            aria-label=name
            disabled=off
            aria-pressed=move || pressed.map(|pressed| pressed.get().to_string())
            on:click=move |_| panes.send(command)
        >
            {text}
        </button>
    }
    .into_any()
}

#[component]
pub fn Toolbar(panes: Panes, sop: Signal<SopUid>, hips: Signal<Vec<HipFinding>>) -> impl IntoView {
    let is = move |tool: Tool| Signal::derive(move || panes.state(|state| state.tool == tool));
    let off = move || panes.state(|state| !state.loaded);
    let there = move |side: Side| hips.with(|hips| region(hips, side).is_some());
    let both = move || panes.beside.with(|beside| *beside == Beside::OtherHip);
    let hip = move |side: Side, text: &'static str, title: &'static str| {
        view! {
            <button
                type="button"
                class="tool"
                title=title
                disabled=move || off() || !there(side)
                on:click=move |_| hips.with_untracked(|hips| panes.zoom_to(hips, side))
            >
                {text}
            </button>
        }
    };
    view! {
        <div class="toolbar" role="toolbar" aria-label="Picture">
            <div class="tool-group">
                <ToolButton panes command=Command::Tool(Tool::Window) text="Window" title="Drag changes window and level (v)" pressed=is(Tool::Window)/>
                <ToolButton panes command=Command::Tool(Tool::Pan) text="Pan" title="Drag moves the picture (g)" pressed=is(Tool::Pan)/>
                <ToolButton panes command=Command::Tool(Tool::Zoom) text="Zoom" title="Drag enlarges the picture (z)" pressed=is(Tool::Zoom)/>
                <ToolButton panes command=Command::Tool(Tool::Magnifier) text="Magnifier" title="A lens under the pointer (m)" pressed=is(Tool::Magnifier)/>
                <ToolButton panes command=Command::Tool(Tool::Length) text="Length" title="Measures from point to point: drag, or click twice (d)" pressed=is(Tool::Length)/>
                <ToolButton panes command=Command::Tool(Tool::Angle) text="Angle" title="Measures an angle: first arm, vertex, second arm (e)" pressed=is(Tool::Angle)/>
                <ToolButton panes command=Command::DeleteMeasurement text="Delete" name="Delete measurement" title="Deletes the measurement touched last (Delete)" can={|state: &State| !state.measurements.is_empty()}/>
            </div>
            <div class="tool-group">
                <ToolButton panes command=Command::Fit text="Fit" title="The whole picture (f)"/>
                <ToolButton panes command=Command::OneToOne text="1:1" title="One pixel of the image on one of the screen (o)"/>
                {hip(Side::Right, "Right hip", "Zoom to the patient's right hip (r)")}
                {hip(Side::Left, "Left hip", "Zoom to the patient's left hip (l)")}
                <button
                    type="button"
                    class="tool"
                    title="Both hips side by side at one scale (c)"
                    aria-pressed=move || both().to_string()
                    disabled=move || off() || !there(Side::Right) || !there(Side::Left)
                    on:click=move |_| hips.with_untracked(|hips| panes.toggle_both_hips(hips))
                >
                    "Both hips"
                </button>
                <button
                    type="button"
                    class="tool"
                    title="The left hip mirrored, to compare it with the right one (k)"
                    aria-pressed=move || panes.second.state.with(|state| state.orientation.starts_with("mirrored")).to_string()
                    disabled=move || !both() || panes.second.state.with(|state| !state.loaded)
                    on:click=move |_| panes.toggle_mirror()
                >
                    "Mirror"
                </button>
            </div>
            <div class="tool-group">
                <ToolButton
                    panes
                    command=Command::Invert
                    text="Invert"
                    title="Black and white change places (i)"
                    pressed=Signal::derive(move || panes.state(|state| state.inverted))
                />
                <ToolButton panes command=Command::RotateLeft text="⟲" name="Turn left" title="Quarter turn anticlockwise ([)"/>
                <ToolButton panes command=Command::RotateRight text="⟳" name="Turn right" title="Quarter turn clockwise (])"/>
                <ToolButton panes command=Command::FlipHorizontal text="⇄" name="Flip left and right" title="Left and right change places on the screen (h)"/>
                <ToolButton panes command=Command::FlipVertical text="⇅" name="Flip top and bottom" title="Top and bottom change places on the screen (H)"/>
            </div>
            <div class="tool-group">
                <Presets panes/>
                <ToolButton
                    panes
                    command=Command::ToggleBoxes
                    text="Boxes"
                    title="Hip boxes on or off (b)"
                    pressed=Signal::derive(move || panes.state(|state| state.boxes_visible))
                />
                <HeatButton panes sop hips/>
                <ToolButton
                    panes
                    command=Command::ToggleOverlays
                    text="Nothing over it"
                    title="Everything over the picture off, or on again (x)"
                    pressed=Signal::derive(move || panes.state(|state| state.overlays_hidden))
                />
            </div>
            <div class="tool-group">
                <ToolButton panes command=Command::Undo text="Undo" title="Takes the last step back (u)" can={|state: &State| state.can_undo}/>
                <ToolButton panes command=Command::Redo text="Redo" title="Takes it again (U)" can={|state: &State| state.can_redo}/>
                <ToolButton panes command=Command::Reset text="Reset" title="As the picture opened; measurements stay (0)"/>
                <LinkButton panes/>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Presets(panes: Panes) -> impl IntoView {
    let names = Memo::new(move |_| panes.state(|state| state.presets.clone()));
    let chosen = move || panes.state(|state| state.preset.map_or_else(|| "own".to_owned(), |index| index.to_string()));
    view! {
        <label class="tool-select">
            <span class="hidden">"Window preset"</span>
            <select
                title="Window preset; the next one (.)"
                disabled=move || panes.state(|state| !state.loaded)
                on:change=move |event| {
                    if let Ok(index) = event_target_value(&event).parse() {
                        panes.send(Command::Preset(index));
                    }
                }
            >
                {move || {
                    let options = names.get().into_iter().enumerate().map(move |(index, name)| {
                        let value = index.to_string();
                        let this = value.clone();
                        view! { <option value=value prop:selected=move || chosen() == this>{name}</option> }
                    });
                    options.collect_view()
                }}
                // What the reader dragged it to.
                <option value="own" prop:selected=move || chosen() == "own" hidden=move || chosen() != "own">"own window"</option>
            </select>
        </label>
    }
    .into_any()
}

#[component]
fn HeatButton(panes: Panes, sop: Signal<SopUid>, hips: Signal<Vec<HipFinding>>) -> impl IntoView {
    let opacity = panes.heat.opacity;
    let on = move || opacity.get() > 0.0;
    let read = move || hips.with(|hips| hips.iter().any(|hip| hip.fracture.is_some()));
    view! {
        <button
            type="button"
            class="tool"
            title="What the network looked at: where it adds to the fracture score (t)"
            aria-pressed=move || on().to_string()
            disabled=move || panes.first.state.with(|state| !state.loaded) || !read()
            on:click=move |_| panes.toggle_heat(Some(sop.get_untracked()))
        >
            "Heat map"
        </button>
        <label class="tool-range" class:off=move || !on()>
            <span class="hidden">"Opacity of the heat map"</span>
            <input
                type="range"
                min="5"
                max="100"
                title="Opacity of the heat map"
                disabled=move || !on()
                prop:value=move || format!("{:.0}", opacity.get() * 100.0)
                on:input=move |event| {
                    if let Ok(percent) = event_target_value(&event).parse::<f32>() {
                        opacity.set(percent / 100.0);
                    }
                }
            />
        </label>
    }
    .into_any()
}

/// Two pictures keep one scale, unless the reader parts them.
#[component]
fn LinkButton(panes: Panes) -> impl IntoView {
    let linked = move || panes.first.state.with(|state| state.linked);
    move || {
        panes.beside.with(|beside| *beside != Beside::Nothing).then(|| {
            view! {
                <button
                    type="button"
                    class="tool"
                    title="Both pictures keep one scale"
                    aria-pressed=move || linked().to_string()
                    on:click=move |_| panes.send(Command::Link(!untrack(linked)))
                >
                    "Same scale"
                </button>
            }
        })
    }
}
