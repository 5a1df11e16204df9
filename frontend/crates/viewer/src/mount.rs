//! A viewer on a page: the canvas, its overlay, listeners, drawing once a frame.
//!
//! Owner of all mutable state: [`Inner`], behind one `RefCell`. Each listener borrows it, changes it, lets go,
//! and only then tells the page, so the page may call back. [`MOUNTED`] knows every viewer on the page, so that
//! they can keep one scale.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use domain::{Command, ViewerOptions, ViewerState};
use imaging::{Affine, DisplayLut, Frame, KeptView, ResolvedView};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{
    AbortController, AddEventListenerOptions, CanvasRenderingContext2d, Event, EventTarget, HtmlCanvasElement,
    HtmlElement, KeyboardEvent, PointerEvent, ResizeObserver, WebGlSync, WheelEvent,
};

use crate::controller::{Controller, Lens, Link, Resolved};
use crate::gesture::{Button, Pointers};
use crate::gl::GlRenderer;
use crate::load::{self, LoadError, now};
use crate::overlay;
use crate::pace::{self, Pace};
use crate::software::SoftwareRenderer;

/// The lens's side in CSS pixels.
const LENS_SIDE: f64 = 260.0;
/// So long after the last change, in milliseconds, it is handed over for keeping.
const KEEP_AFTER: f64 = 1500.0;

/// On a canvas whose picture was drawn in a hurry.
const IN_HURRY: &str = "data-in-hurry";

thread_local! {
    /// Every viewer on the page.
    static MOUNTED: RefCell<Vec<Weak<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Who hears what, as JSON.
pub struct Callbacks {
    /// Each change of the [`ViewerState`].
    pub on_state: Rc<dyn Fn(String)>,
    /// The [`KeptView`], some time after it changed.
    pub on_keep: Rc<dyn Fn(String)>,
}

/// Shows the picture of `options` in `canvas` and listens to its input until the handle is dropped.
pub fn mounted(canvas: HtmlCanvasElement, options: ViewerOptions, callbacks: Callbacks) -> Handle {
    let controller = Controller::new(options.boxes, options.tool, options.zoom_to);
    let shared = Rc::new(Shared {
        inner: RefCell::new(Inner::new(canvas, controller)),
        frame_url: options.frame_url,
        keep: options.keep,
        known: Cell::new(false),
        callbacks,
        told: RefCell::new(None),
        kept: RefCell::new(None),
        keep_timer: Later::default(),
        linked: RefCell::new(None),
        frame_requested: Cell::new(None),
        rest_timer: Later::default(),
        late_timer: Later::default(),
        drawing: RefCell::new(None),
        abort: AbortController::new().ok(),
    });
    MOUNTED.with_borrow_mut(|all| {
        all.retain(|other| other.strong_count() > 0);
        all.push(Rc::downgrade(&shared));
    });
    let listeners = listen(&shared);
    shared.after_change();
    start_loading(&shared);
    Handle {
        shared,
        _listeners: listeners,
    }
}

/// A mounted viewer; dropping it removes its listeners and its overlay, hands over what is to be kept and stops its
/// download.
pub struct Handle {
    shared: Rc<Shared>,
    _listeners: Listeners,
}

impl Handle {
    /// Changes something, draws soon and tells the page.
    pub fn change(&self, how: impl FnOnce(&mut Controller)) {
        self.shared.change(|inner| how(&mut inner.controller));
    }

    /// Shows the picture as its reader left it; `None` where nothing is kept. Only from then on is anything handed over
    /// for keeping, since it takes the place of what was kept.
    pub fn restore(&self, kept: Option<KeptView>) {
        let shared = &self.shared;
        // What comes back to a picture that nobody touched is no change to be kept.
        let untouched = *shared.kept.borrow() == shared.inner.borrow().controller.kept();
        if let Some(kept) = kept {
            shared.inner.borrow_mut().controller.restore(kept);
        }
        if untouched {
            shared.remember_kept();
        }
        shared.known.set(true);
        shared.after_change();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.hand_over();
        self.shared.rest_timer.stop();
        self.shared.late_timer.stop();
        // A frame that was asked for would call what is gone by then.
        if let (Some(frame), Some(window)) = (self.shared.frame_requested.take(), web_sys::window()) {
            let _ = window.cancel_animation_frame(frame);
        }
        if let Some(abort) = &self.shared.abort {
            abort.abort();
        }
        if let Ok(inner) = self.shared.inner.try_borrow() {
            inner.overlay.remove();
            if let Renderer::Software(software) = &inner.renderer {
                software.remove_replacement();
            }
        }
    }
}

enum Renderer {
    Gl(Box<GlRenderer>),
    Software(SoftwareRenderer),
}

struct Inner {
    canvas: HtmlCanvasElement,
    overlay: HtmlCanvasElement,
    overlay_context: Option<CanvasRenderingContext2d>,
    renderer: Renderer,
    controller: Controller,
    pointers: Pointers,
    progress: f32,
    error: Option<String>,
    /// Display pixels for one CSS pixel.
    density: f64,
    /// The table of levels that the graphics device holds.
    uploaded: Option<Rc<DisplayLut>>,
    pace: Pace,
    /// Passed when the device has drawn the picture that is being timed; and when it was handed to it.
    fence: Option<(WebGlSync, f64)>,
    /// What the canvas shows, so that a moved mark does not cost a new picture.
    drawn: Option<Drawn>,
}

/// All that decides the pixels of the canvas.
struct Drawn {
    levels: Rc<DisplayLut>,
    view: ResolvedView,
    lens: Option<Lens>,
}

impl Drawn {
    fn is(&self, resolved: &Resolved) -> bool {
        Rc::ptr_eq(&self.levels, &resolved.levels) && self.view == resolved.view && self.lens == resolved.lens
    }
}

struct Shared {
    inner: RefCell<Inner>,
    frame_url: String,
    /// Changes are handed over for keeping.
    keep: bool,
    /// What was kept before is here.
    known: Cell<bool>,
    callbacks: Callbacks,
    /// The state that the page heard last.
    told: RefCell<Option<ViewerState>>,
    /// What is kept already.
    kept: RefCell<Option<KeptView>>,
    keep_timer: Later,
    /// What the other viewers know of this one.
    linked: RefCell<Option<Link>>,
    /// The display's frame that was asked for.
    frame_requested: Cell<Option<i32>>,
    /// Draws in full once the hand rests.
    rest_timer: Later,
    /// Looks whether the device has drawn the picture.
    late_timer: Later,
    drawing: RefCell<Option<Closure<dyn FnMut()>>>,
    abort: Option<AbortController>,
}

impl Shared {
    /// Changes something, draws soon and tells the page and the other viewers.
    fn change(self: &Rc<Self>, how: impl FnOnce(&mut Inner)) {
        how(&mut self.inner.borrow_mut());
        self.after_change();
    }

    /// As [`Shared::change`], by a hand on its way.
    fn move_by_hand(self: &Rc<Self>, how: impl FnOnce(&mut Inner)) {
        self.change(|inner| {
            inner.pace.moved(now());
            how(inner);
        });
    }

    fn after_change(self: &Rc<Self>) {
        self.request_drawing();
        self.tell();
        self.keep_soon();
        self.lead();
    }

    /// Whether something on the screen moves with the pointer when no button is down.
    fn follows_pointer(&self) -> bool {
        self.inner.borrow().controller.follows_pointer()
    }

    fn tell(&self) {
        let state = self.inner.borrow().state();
        if self.told.borrow().as_ref() != Some(&state) {
            // Strings, numbers and lists of them always are JSON.
            let json = serde_json::to_string(&state).unwrap_or_default();
            *self.told.borrow_mut() = Some(state);
            (self.callbacks.on_state)(json);
        }
    }

    /// Shows a picture, or the same one better than before.
    fn show(self: &Rc<Self>, frame: Rc<Frame>) {
        if self.inner.borrow().controller.frame().is_some() {
            // What a better picture changes in its window is nothing that the reader changed.
            let untouched = *self.kept.borrow() == self.inner.borrow().controller.kept();
            {
                let mut inner = self.inner.borrow_mut();
                inner.controller.refine(frame);
                inner.upload();
            }
            if untouched {
                self.remember_kept();
            }
            self.after_change();
            return;
        }
        {
            let mut inner = self.inner.borrow_mut();
            inner.progress = 1.0;
            inner.resize();
            inner.controller.open(frame);
            inner.upload();
        }
        // As it opened, or as it came back, it is kept already.
        self.follow();
        self.remember_kept();
        self.after_change();
    }

    /// Every other viewer on the page.
    fn others(self: &Rc<Self>) -> Vec<Rc<Shared>> {
        let all = MOUNTED.with_borrow(|all| all.iter().filter_map(Weak::upgrade).collect::<Vec<_>>());
        all.into_iter().filter(|other| !Rc::ptr_eq(other, self)).collect()
    }

    /// A picture that opens beside others takes their scale and does not change it.
    fn follow(self: &Rc<Self>) {
        for other in self.others() {
            let link = other.inner.borrow().controller.link();
            if let Some(link) = link {
                let mut inner = self.inner.borrow_mut();
                inner.controller.follow(&link, other.frame_url == self.frame_url);
                *self.linked.borrow_mut() = inner.controller.link();
                return;
            }
        }
    }

    /// Makes the other viewers follow.
    fn lead(self: &Rc<Self>) {
        let link = self.inner.borrow().controller.link();
        if *self.linked.borrow() == link {
            return;
        }
        self.linked.borrow_mut().clone_from(&link);
        let Some(link) = link else { return };
        let by_hand = self.inner.borrow().pace.moves(now());
        for other in self.others() {
            let same = other.frame_url == self.frame_url;
            {
                let mut inner = other.inner.borrow_mut();
                inner.controller.adopt(&link, same);
                if by_hand {
                    inner.pace.moved(now());
                }
            }
            // It knows what it took over, and so leads nobody with it.
            let now = other.inner.borrow().controller.link();
            *other.linked.borrow_mut() = now;
            other.request_drawing();
            other.tell();
            other.keep_soon();
        }
    }

    fn keeps(&self) -> bool {
        self.keep && self.known.get()
    }

    /// What is on the screen now counts as kept.
    fn remember_kept(&self) {
        let kept = self.inner.borrow().controller.kept();
        if kept.is_some() {
            *self.kept.borrow_mut() = kept;
        }
    }

    /// Starts the time to the next handing over anew, where there is something to keep.
    fn keep_soon(self: &Rc<Self>) {
        let kept = self.inner.borrow().controller.kept();
        if kept.is_some() && self.keeps() && *self.kept.borrow() != kept {
            self.keep_timer.start(self, KEEP_AFTER, |shared| shared.hand_over());
        }
    }

    /// Hands over what is to be kept, if it is not yet.
    fn hand_over(&self) {
        self.keep_timer.stop();
        let Ok(inner) = self.inner.try_borrow() else { return };
        let kept = inner.controller.kept();
        drop(inner);
        let Some(kept) = kept.filter(|_| self.keeps()) else {
            return;
        };
        if self.kept.borrow().as_ref() != Some(&kept) {
            let json = kept.to_json();
            *self.kept.borrow_mut() = Some(kept);
            (self.callbacks.on_keep)(json);
        }
    }

    /// Draws with the display's next frame, however many changes come before it.
    fn request_drawing(self: &Rc<Self>) {
        if self.frame_requested.get().is_some() {
            return;
        }
        let mut drawing = self.drawing.borrow_mut();
        let callback = drawing.get_or_insert_with(|| {
            let weak = Rc::downgrade(self);
            Closure::new(move || {
                if let Some(shared) = weak.upgrade() {
                    shared.frame_requested.set(None);
                    shared.draw();
                }
            })
        });
        let function = callback.as_ref().unchecked_ref();
        let requested = web_sys::window().and_then(|window| window.request_animation_frame(function).ok());
        self.frame_requested.set(requested);
    }

    /// Draws, and sees to it that what a hand on its way is shown in a hurry is drawn in full when it rests.
    fn draw(self: &Rc<Self>) {
        let mut inner = self.inner.borrow_mut();
        let began = now();
        let (in_hurry, watched) = (inner.pace.hurries(began), inner.pace.watches(began));
        inner.draw(in_hurry);
        inner.pace.shown();
        if in_hurry {
            let _ = inner.canvas.set_attribute(IN_HURRY, "");
            self.rest_timer.start(self, pace::REST, Shared::request_drawing);
        } else {
            let _ = inner.canvas.remove_attribute(IN_HURRY);
        }
        if watched {
            match &inner.renderer {
                // The device draws while the page goes on.
                Renderer::Gl(gl) => {
                    if inner.fence.is_none() {
                        inner.fence = gl.fence().map(|fence| (fence, began));
                        self.late_timer.start(self, pace::LATE, Shared::look_whether_late);
                    }
                }
                Renderer::Software(_) => inner.pace.drew(now() - began > pace::LATE),
            }
        }
    }

    fn look_whether_late(self: &Rc<Self>) {
        let mut inner = self.inner.borrow_mut();
        if let (Some((fence, began)), Renderer::Gl(gl)) = (inner.fence.take(), &inner.renderer) {
            // A device that has too much to do can keep the page waiting, and then has drawn when the page gets to ask.
            let late = !gl.has_passed(&fence) || now() - began > 2.0 * pace::LATE;
            inner.pace.drew(late);
        }
    }
}

impl Inner {
    fn new(canvas: HtmlCanvasElement, controller: Controller) -> Self {
        let renderer = match GlRenderer::new(&canvas) {
            Some(gl) => Renderer::Gl(Box::new(gl)),
            None => Renderer::Software(SoftwareRenderer::new(&canvas)),
        };
        let style = canvas.style();
        // Fingers on the picture are ours; the page scrolls beside it.
        let _ = style.set_property("touch-action", "none");
        if !canvas.has_attribute("tabindex") {
            canvas.set_tab_index(0);
        }
        let overlay = make_overlay(&canvas);
        let overlay_context = overlay.get_context("2d").ok().flatten().and_then(|c| c.dyn_into().ok());
        Self {
            canvas,
            overlay,
            overlay_context,
            renderer,
            controller,
            pointers: Pointers::default(),
            progress: 0.0,
            error: None,
            density: 1.0,
            uploaded: None,
            pace: Pace::default(),
            fence: None,
            drawn: None,
        }
    }

    fn state(&self) -> ViewerState {
        let renderer = match self.renderer {
            Renderer::Gl(_) => "WebGL2",
            Renderer::Software(_) => "CPU",
        };
        ViewerState {
            progress: self.progress,
            error: self.error.clone(),
            renderer: renderer.to_owned(),
            ..self.controller.state()
        }
    }

    /// Takes the size that the page gives the canvas.
    fn resize(&mut self) {
        let density = web_sys::window()
            .map_or(1.0, |window| window.device_pixel_ratio())
            .max(0.1);
        let (css_width, css_height) = (
            f64::from(self.canvas.client_width()),
            f64::from(self.canvas.client_height()),
        );
        let [width, height] = [css_width, css_height].map(|css| (css * density).round().max(1.0) as u32);
        self.density = density;
        for canvas in [&self.canvas, &self.overlay] {
            // Setting the size clears a canvas, so only where it changed.
            if canvas.width() != width || canvas.height() != height {
                canvas.set_width(width);
                canvas.set_height(height);
                self.pace = Pace::default();
                self.drawn = None;
            }
        }
        lay_over(&self.overlay, &self.canvas);
        if let Renderer::Software(software) = &self.renderer {
            software.resize(&self.canvas, width, height);
            self.drawn = None;
        }
        self.controller.set_canvas([width, height], density);
    }

    /// A place of an event in display pixels of the canvas.
    fn place(&self, client_x: i32, client_y: i32) -> [f64; 2] {
        let rect = self.canvas.get_bounding_client_rect();
        [
            (f64::from(client_x) - rect.left()) * self.density,
            (f64::from(client_y) - rect.top()) * self.density,
        ]
    }

    /// Draws, in a hurry or in full.
    fn draw(&mut self, in_hurry: bool) {
        let (width, height) = (self.canvas.width(), self.canvas.height());
        if let Some(mut resolved) = self.controller.resolved() {
            resolved.view.hurried = in_hurry;
            if let Renderer::Gl(gl) = &mut self.renderer
                && !self
                    .uploaded
                    .as_ref()
                    .is_some_and(|uploaded| Rc::ptr_eq(uploaded, &resolved.levels))
            {
                gl.set_levels(&resolved.levels);
                self.uploaded = Some(Rc::clone(&resolved.levels));
            }
            let lens = resolved.lens.as_ref();
            let lens = lens.map(|lens| (&lens.view, square(lens.at, LENS_SIDE * self.density)));
            if !self.drawn.as_ref().is_some_and(|drawn| drawn.is(&resolved)) {
                match &mut self.renderer {
                    Renderer::Gl(gl) => gl.draw(width, height, &resolved.view, lens),
                    Renderer::Software(software) => software.draw(width, height, &resolved, lens),
                }
                self.drawn = Some(Drawn {
                    levels: Rc::clone(&resolved.levels),
                    view: resolved.view,
                    lens: resolved.lens,
                });
            }
            self.draw_overlay(&resolved.view, lens.map(|(_, square)| square));
        } else {
            if let Renderer::Gl(gl) = &self.renderer {
                gl.clear();
            }
            if let Some(context) = &self.overlay_context {
                let (width, height) = (self.overlay.width(), self.overlay.height());
                let _ = context.set_transform(1.0, 0.0, 0.0, 1.0, 0.0, 0.0);
                context.clear_rect(0.0, 0.0, f64::from(width), f64::from(height));
            }
        }
    }

    fn draw_overlay(&self, view: &ResolvedView, lens: Option<[i32; 3]>) {
        let (Some(context), Some(over)) = (&self.overlay_context, self.controller.over()) else {
            return;
        };
        let density = self.density;
        let size = [self.overlay.width(), self.overlay.height()].map(|v| f64::from(v) / density);
        let _ = context.set_transform(density, 0.0, 0.0, density, 0.0, 0.0);
        let to_screen = Affine(view.to_canvas.0.map(|v| v / density));
        let lens = lens.map(|square| square.map(|v| f64::from(v) / density));
        overlay::draw(context, size, density, &to_screen, &over, lens);
    }

    /// Hands the frame to the renderer anew: after loading, and after the browser gave a lost context back.
    fn upload(&mut self) {
        let Some(frame) = self.controller.frame() else { return };
        self.uploaded = None;
        self.pace = Pace::default();
        self.fence = None;
        self.drawn = None;
        if let Renderer::Gl(gl) = &mut self.renderer
            && let Err(reason) = gl.set_frame(&frame)
        {
            // The processor needs no graphics memory.
            web_sys::console::warn_1(&format!("viewer: {reason}; drawing on the CPU").into());
            self.renderer = Renderer::Software(SoftwareRenderer::new(&self.canvas));
            self.resize();
        }
    }
}

/// Something that is done once, some time after it was last asked for.
#[derive(Default)]
struct Later {
    timer: Cell<Option<i32>>,
    callback: RefCell<Option<Closure<dyn FnMut()>>>,
}

impl Later {
    /// Begins to wait, `after` milliseconds, in place of a wait that has begun; `what` is the same each time.
    fn start(&self, shared: &Rc<Shared>, after: f64, what: fn(&Rc<Shared>)) {
        self.stop();
        let mut callback = self.callback.borrow_mut();
        let callback = callback.get_or_insert_with(|| {
            let weak = Rc::downgrade(shared);
            Closure::new(move || {
                if let Some(shared) = weak.upgrade() {
                    what(&shared);
                }
            })
        });
        let function = callback.as_ref().unchecked_ref();
        let timer = web_sys::window().and_then(|window| {
            let timer = window.set_timeout_with_callback_and_timeout_and_arguments_0(function, after as i32);
            timer.ok()
        });
        self.timer.set(timer);
    }

    fn stop(&self) {
        if let (Some(timer), Some(window)) = (self.timer.take(), web_sys::window()) {
            window.clear_timeout_with_handle(timer);
        }
    }
}

/// Left, top and side of a square about a point, in whole display pixels.
fn square([x, y]: [f64; 2], side: f64) -> [i32; 3] {
    [x - side / 2.0, y - side / 2.0, side].map(|v| v.round() as i32)
}

fn start_loading(shared: &Rc<Shared>) {
    let url = shared.frame_url.clone();
    let Some(signal) = shared.abort.as_ref().map(AbortController::signal) else {
        return;
    };
    let weak = Rc::downgrade(shared);
    wasm_bindgen_futures::spawn_local(async move {
        let on_progress = {
            let weak = weak.clone();
            move |progress| {
                if let Some(shared) = weak.upgrade() {
                    shared.change(|inner| inner.progress = progress);
                }
            }
        };
        let on_preview = {
            let weak = weak.clone();
            move |frame| {
                if let Some(shared) = weak.upgrade() {
                    shared.show(frame);
                }
            }
        };
        let loaded = load::frame(&url, &signal, on_progress, on_preview).await;
        let Some(shared) = weak.upgrade().filter(|_| !signal.aborted()) else {
            return;
        };
        match loaded {
            Ok(frame) => shared.show(frame),
            Err(LoadError::Cancelled) => {}
            Err(error) => shared.change(|inner| inner.error = Some(error.to_string())),
        }
    });
}

/// A canvas over the picture's that takes no input.
fn make_overlay(canvas: &HtmlCanvasElement) -> HtmlCanvasElement {
    let overlay = sibling(canvas);
    overlay.set_class_name("viewer-overlay");
    let _ = overlay.set_attribute("aria-hidden", "true");
    let style = overlay.style();
    let _ = style.set_property("position", "absolute");
    let _ = style.set_property("pointer-events", "none");
    lay_over(&overlay, canvas);
    overlay
}

/// A new canvas right behind another one.
pub(crate) fn sibling(canvas: &HtmlCanvasElement) -> HtmlCanvasElement {
    // A canvas on a page has a document, and a document makes canvases.
    let created = canvas
        .owner_document()
        .and_then(|document| document.create_element("canvas").ok());
    let created = created.and_then(|element| element.dyn_into::<HtmlCanvasElement>().ok());
    let new = created.unwrap_or_else(|| canvas.clone());
    let _ = canvas.after_with_node_1(&new);
    new
}

/// Puts one canvas exactly over another with the same positioned ancestor.
pub(crate) fn lay_over(upper: &HtmlElement, lower: &HtmlElement) {
    let style = upper.style();
    for (name, value) in [
        ("left", lower.offset_left()),
        ("top", lower.offset_top()),
        ("width", lower.client_width()),
        ("height", lower.client_height()),
    ] {
        let _ = style.set_property(name, &format!("{value}px"));
    }
}

/// Everything that is registered with the browser; dropping it takes it all away.
struct Listeners {
    events: Vec<Listener>,
    observer: Option<ResizeObserver>,
    _on_resize: Closure<dyn FnMut()>,
}

struct Listener {
    target: EventTarget,
    name: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for listener in &self.events {
            let function = listener.closure.as_ref().unchecked_ref();
            let _ = listener
                .target
                .remove_event_listener_with_callback(listener.name, function);
        }
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
    }
}

fn listen(shared: &Rc<Shared>) -> Listeners {
    let canvas = shared.inner.borrow().canvas.clone();
    let mut events = Vec::new();
    let mut on = |target: &EventTarget, name: &'static str, action: fn(&Rc<Shared>, Event)| {
        let weak: Weak<Shared> = Rc::downgrade(shared);
        let closure = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            if let Some(shared) = weak.upgrade() {
                action(&shared, event);
            }
        });
        let settings = AddEventListenerOptions::new();
        // The wheel zooms and does not scroll the page.
        settings.set_passive(false);
        let function = closure.as_ref().unchecked_ref();
        if target
            .add_event_listener_with_callback_and_add_event_listener_options(name, function, &settings)
            .is_ok()
        {
            events.push(Listener {
                target: target.clone(),
                name,
                closure,
            });
        }
    };

    on(&canvas, "pointerdown", |shared, event| {
        let Ok(event) = event.dyn_into::<PointerEvent>() else {
            return;
        };
        let button = match (event.button(), event.shift_key()) {
            (0, false) => Button::Main,
            (1, _) | (0, true) => Button::Middle,
            (2, _) => Button::Right,
            _ => return,
        };
        event.prevent_default();
        let mut inner = shared.inner.borrow_mut();
        let _ = inner.canvas.set_pointer_capture(event.pointer_id());
        let place = inner.place(event.client_x(), event.client_y());
        inner.pointers.down(event.pointer_id(), place, button);
        if inner.pointers.count() > 1 {
            inner.controller.interrupt();
        } else {
            inner.controller.press(button, place);
        }
        let canvas = inner.canvas.clone();
        drop(inner);
        let _ = canvas.focus();
        shared.after_change();
    });
    on(&canvas, "pointermove", |shared, event| {
        let Ok(event) = event.dyn_into::<PointerEvent>() else {
            return;
        };
        let gesture = {
            let mut inner = shared.inner.borrow_mut();
            let place = inner.place(event.client_x(), event.client_y());
            inner.pointers.moved(event.pointer_id(), place)
        };
        match gesture {
            Some(gesture) => {
                event.prevent_default();
                shared.move_by_hand(|inner| inner.controller.gesture(gesture));
            }
            None if shared.follows_pointer() => shared.move_by_hand(|inner| {
                let place = inner.place(event.client_x(), event.client_y());
                inner.controller.hover(Some(place));
            }),
            None => {}
        }
    });
    on(&canvas, "pointerleave", |shared, _| {
        if shared.follows_pointer() {
            shared.change(|inner| inner.controller.hover(None));
        }
    });
    on(&canvas, "pointerup", |shared, event| {
        let Ok(event) = event.dyn_into::<PointerEvent>() else {
            return;
        };
        let gesture = {
            let mut inner = shared.inner.borrow_mut();
            let place = inner.place(event.client_x(), event.client_y());
            let density = inner.density;
            inner
                .pointers
                .up(event.pointer_id(), place, event.time_stamp(), density)
        };
        shared.change(|inner| {
            if inner.pointers.count() == 0 {
                inner.controller.release();
            }
            if let Some(gesture) = gesture {
                inner.controller.gesture(gesture);
            }
        });
    });
    on(&canvas, "pointercancel", |shared, event| {
        if let Ok(event) = event.dyn_into::<PointerEvent>() {
            shared.change(|inner| {
                inner.pointers.cancel(event.pointer_id());
                inner.controller.interrupt();
            });
        }
    });
    on(&canvas, "contextmenu", |_, event| event.prevent_default());
    on(&canvas, "wheel", |shared, event| {
        let Ok(event) = event.dyn_into::<WheelEvent>() else {
            return;
        };
        event.prevent_default();
        // Lines and pages, as some mice report them, in pixels.
        let unit = match event.delta_mode() {
            WheelEvent::DOM_DELTA_LINE => 16.0,
            WheelEvent::DOM_DELTA_PAGE => 400.0,
            _ => 1.0,
        };
        let delta = event.delta_y() * unit;
        shared.move_by_hand(|inner| {
            let place = inner.place(event.client_x(), event.client_y());
            inner.controller.wheel(place, delta);
        });
    });
    on(&canvas, "webglcontextlost", |_, event| event.prevent_default());
    on(&canvas, "webglcontextrestored", |shared, _| {
        shared.change(|inner| {
            if let Some(gl) = GlRenderer::new(&inner.canvas) {
                inner.renderer = Renderer::Gl(Box::new(gl));
                inner.upload();
            }
        });
    });
    // Letters are the page's: it knows what else they do. Arrows scroll the page unless the picture has the focus.
    on(&canvas, "keydown", |shared, event| {
        let Ok(event) = event.dyn_into::<KeyboardEvent>() else {
            return;
        };
        if event.default_prevented() || event.meta_key() || event.alt_key() {
            return;
        }
        let (key, control) = (event.key(), event.ctrl_key());
        let direction = match key.as_str() {
            "ArrowLeft" => [-1.0, 0.0],
            "ArrowRight" => [1.0, 0.0],
            "ArrowUp" => [0.0, -1.0],
            "ArrowDown" => [0.0, 1.0],
            "z" | "Z" | "y" if control => {
                let redo = key != "z";
                event.prevent_default();
                let command = if redo { Command::Redo } else { Command::Undo };
                shared.change(|inner| inner.controller.command(command));
                return;
            }
            "Enter" | " " if !control => {
                let mut set = false;
                shared.change(|inner| set = inner.controller.set_point());
                if set {
                    event.prevent_default();
                }
                return;
            }
            "Escape" if !control => {
                let mut stopped = false;
                shared.change(|inner| stopped = inner.controller.escape());
                if stopped {
                    event.prevent_default();
                }
                return;
            }
            _ => return,
        };
        event.prevent_default();
        let pan = event.shift_key();
        shared.change(|inner| inner.controller.arrow(direction, pan, control));
    });

    let weak = Rc::downgrade(shared);
    let on_resize = Closure::<dyn FnMut()>::new(move || {
        if let Some(shared) = weak.upgrade() {
            shared.change(Inner::resize);
            // At once: setting the size has cleared the canvas, and the next display frame may show it.
            shared.inner.borrow_mut().draw(false);
        }
    });
    let observer = ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok();
    if let Some(observer) = &observer {
        observer.observe(&canvas);
    }
    Listeners {
        events,
        observer,
        _on_resize: on_resize,
    }
}
