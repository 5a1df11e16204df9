//! A viewer on a page: the canvas, its overlay, listeners, drawing once a frame.
//!
//! Owner of all mutable state: [`Inner`], behind one `RefCell`. Each listener borrows it, changes it, lets go,
//! and only then tells the page (`on_state`), so the page may call back.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use imaging::{Affine, DisplayLut, EdgeLetters, Frame};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{
    AbortController, AddEventListenerOptions, CanvasRenderingContext2d, Event, EventTarget, HtmlCanvasElement,
    HtmlElement, KeyboardEvent, PointerEvent, ResizeObserver, WheelEvent,
};

use crate::controller::Controller;
use crate::gesture::{Button, Pointers};
use crate::gl::GlRenderer;
use crate::load::{self, LoadError};
use crate::software::SoftwareRenderer;
use crate::{Command, HipBox, Options, State, Tool, overlay};

/// Opens pictures in canvases.
pub struct Viewer;

impl Viewer {
    /// Shows the picture of `options` in `canvas` and listens to its input until the handle is dropped.
    ///
    /// The canvas takes the size that the page's style gives it. An overlay is laid over it as its next sibling.
    pub fn mount(canvas: HtmlCanvasElement, options: Options) -> Handle {
        let shared = Rc::new(Shared {
            inner: RefCell::new(Inner::new(canvas, options.boxes)),
            on_state: options.on_state,
            told: RefCell::new(None),
            frame_requested: Cell::new(false),
            drawing: RefCell::new(None),
            abort: AbortController::new().ok(),
        });
        let listeners = listen(&shared);
        shared.after_change();
        start_loading(&shared, options.frame_url);
        Handle {
            shared,
            _listeners: listeners,
        }
    }
}

/// A mounted viewer; dropping it removes its listeners and its overlay and stops its download.
pub struct Handle {
    shared: Rc<Shared>,
    _listeners: Listeners,
}

impl Handle {
    /// What a drag with the main button or one finger does from now on.
    pub fn set_tool(&self, tool: Tool) {
        self.shared.change(|inner| inner.controller.set_tool(tool));
    }

    pub fn command(&self, command: Command) {
        self.shared.change(|inner| inner.controller.command(command));
    }

    /// Replaces the boxes over the picture.
    pub fn set_boxes(&self, boxes: Vec<HipBox>) {
        self.shared.change(|inner| inner.boxes = boxes);
    }

    pub fn state(&self) -> State {
        self.shared.inner.borrow().state()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
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
    boxes: Vec<HipBox>,
    progress: f32,
    error: Option<String>,
    /// Display pixels for one CSS pixel.
    density: f64,
    /// The table of levels that the graphics device holds.
    uploaded: Option<Rc<DisplayLut>>,
}

struct Shared {
    inner: RefCell<Inner>,
    on_state: Rc<dyn Fn(State)>,
    /// The state that the page heard last.
    told: RefCell<Option<State>>,
    frame_requested: Cell<bool>,
    drawing: RefCell<Option<Closure<dyn FnMut()>>>,
    abort: Option<AbortController>,
}

impl Shared {
    /// Changes something, draws soon and tells the page.
    fn change(self: &Rc<Self>, how: impl FnOnce(&mut Inner)) {
        how(&mut self.inner.borrow_mut());
        self.after_change();
    }

    fn after_change(self: &Rc<Self>) {
        self.request_drawing();
        let state = self.inner.borrow().state();
        if self.told.borrow().as_ref() != Some(&state) {
            *self.told.borrow_mut() = Some(state.clone());
            (self.on_state)(state);
        }
    }

    /// Shows a picture, or the same one better than before.
    fn show(self: &Rc<Self>, frame: Rc<Frame>) {
        self.change(|inner| {
            if inner.controller.frame().is_some() {
                inner.controller.refine(frame);
            } else {
                inner.resize();
                inner.controller.open(frame);
            }
            inner.upload();
        });
    }

    /// Draws with the display's next frame, however many changes come before it.
    fn request_drawing(self: &Rc<Self>) {
        if self.frame_requested.replace(true) {
            return;
        }
        let mut drawing = self.drawing.borrow_mut();
        let callback = drawing.get_or_insert_with(|| {
            let weak = Rc::downgrade(self);
            Closure::new(move || {
                if let Some(shared) = weak.upgrade() {
                    shared.frame_requested.set(false);
                    shared.inner.borrow_mut().draw();
                }
            })
        });
        let requested = web_sys::window().is_some_and(|window| {
            window
                .request_animation_frame(callback.as_ref().unchecked_ref())
                .is_ok()
        });
        if !requested {
            self.frame_requested.set(false);
        }
    }
}

impl Inner {
    fn new(canvas: HtmlCanvasElement, boxes: Vec<HipBox>) -> Self {
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
            controller: Controller::default(),
            pointers: Pointers::default(),
            boxes,
            progress: 0.0,
            error: None,
            density: 1.0,
            uploaded: None,
        }
    }

    fn state(&self) -> State {
        State {
            progress: self.progress,
            error: self.error.clone(),
            renderer: match self.renderer {
                Renderer::Gl(_) => "WebGL2",
                Renderer::Software(_) => "CPU",
            },
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
            }
        }
        lay_over(&self.overlay, &self.canvas);
        if let Renderer::Software(software) = &self.renderer {
            software.resize(&self.canvas, width, height);
        }
        self.controller.set_canvas([width, height]);
    }

    /// A place of an event in display pixels of the canvas.
    fn place(&self, client_x: i32, client_y: i32) -> [f64; 2] {
        let rect = self.canvas.get_bounding_client_rect();
        [
            (f64::from(client_x) - rect.left()) * self.density,
            (f64::from(client_y) - rect.top()) * self.density,
        ]
    }

    fn draw(&mut self) {
        let (width, height) = (self.canvas.width(), self.canvas.height());
        if let Some(resolved) = self.controller.resolved() {
            if let Renderer::Gl(gl) = &mut self.renderer
                && !self
                    .uploaded
                    .as_ref()
                    .is_some_and(|uploaded| Rc::ptr_eq(uploaded, &resolved.levels))
            {
                gl.set_levels(&resolved.levels);
                self.uploaded = Some(Rc::clone(&resolved.levels));
            }
            match &mut self.renderer {
                Renderer::Gl(gl) => gl.draw(width, height, &resolved.view),
                Renderer::Software(software) => software.draw(width, height, &resolved),
            }
        } else if let Renderer::Gl(gl) = &self.renderer {
            gl.clear();
        }
        self.draw_overlay();
    }

    fn draw_overlay(&self) {
        let Some(context) = &self.overlay_context else { return };
        let size = [
            f64::from(self.overlay.width()) / self.density,
            f64::from(self.overlay.height()) / self.density,
        ];
        let _ = context.set_transform(self.density, 0.0, 0.0, self.density, 0.0, 0.0);
        let Some(resolved) = self.controller.resolved() else {
            context.clear_rect(0.0, 0.0, size[0], size[1]);
            return;
        };
        let over = self.controller.over();
        let boxes = if over.boxes { self.boxes.as_slice() } else { &[] };
        // Only a frontal view has hip boxes, and only there a row leads to the patient's left.
        let letters = if over.annotations && !self.boxes.is_empty() {
            resolved.view.edge_letters("L", "")
        } else {
            EdgeLetters::default()
        };
        let to_screen = Affine(resolved.view.to_canvas.0.map(|v| v / self.density));
        overlay::draw(context, size, &to_screen, boxes, &letters);
    }

    /// Hands the frame to the renderer anew: after loading, and after the browser gave a lost context back.
    fn upload(&mut self) {
        let Some(frame) = self.controller.frame() else { return };
        self.uploaded = None;
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

fn start_loading(shared: &Rc<Shared>, url: String) {
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
        let canvas = inner.canvas.clone();
        drop(inner);
        let _ = canvas.focus();
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
        if let Some(gesture) = gesture {
            event.prevent_default();
            shared.change(|inner| inner.controller.gesture(gesture, inner.density));
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
        if let Some(gesture) = gesture {
            shared.change(|inner| inner.controller.gesture(gesture, inner.density));
        }
    });
    on(&canvas, "pointercancel", |shared, event| {
        if let Ok(event) = event.dyn_into::<PointerEvent>() {
            shared.inner.borrow_mut().pointers.cancel(event.pointer_id());
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
        shared.change(|inner| {
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
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        const STEP: f64 = 0.1;
        let share = match event.key().as_str() {
            "ArrowLeft" => [STEP, 0.0],
            "ArrowRight" => [-STEP, 0.0],
            "ArrowUp" => [0.0, STEP],
            "ArrowDown" => [0.0, -STEP],
            _ => return,
        };
        event.prevent_default();
        shared.change(|inner| inner.controller.pan_by_share(share));
    });

    let weak = Rc::downgrade(shared);
    let on_resize = Closure::<dyn FnMut()>::new(move || {
        if let Some(shared) = weak.upgrade() {
            shared.change(Inner::resize);
            // At once: setting the size has cleared the canvas, and the next display frame may show it.
            shared.inner.borrow_mut().draw();
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
