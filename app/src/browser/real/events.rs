//! The event stream of a page: changes of studies, and who is reading what.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::EventSource;

use super::POLL;
use crate::Desk;
use crate::query::encode;
use crate::wire::ANY_STUDY;

type Listener = Closure<dyn FnMut(JsValue)>;

/// The open event stream of a page; closed when the page goes.
struct Stream {
    address: String,
    source: RefCell<Option<EventSource>>,
    /// The listeners must live as long as the stream.
    listeners: RefCell<Vec<(&'static str, Listener)>>,
}

impl Stream {
    fn open(&self) {
        self.close();
        let source = EventSource::new(&self.address).ok();
        if let Some(source) = &source {
            for (name, listener) in self.listeners.borrow().iter() {
                let _ = source.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
            }
        }
        self.source.replace(source);
    }

    fn close(&self) {
        if let Some(source) = self.source.take() {
            source.close();
        }
    }

    /// Whether the browser has given it up; a server that restarts or a session that ended does that.
    fn is_closed(&self) -> bool {
        self.source
            .borrow()
            .as_ref()
            .is_none_or(|source| source.ready_state() == EventSource::CLOSED)
    }
}

/// What ends with the page.
struct Ends {
    stream: Rc<Stream>,
    poll: Option<IntervalHandle>,
    visibility: Listener,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.stream.close();
        self.stream.listeners.borrow_mut().clear();
        if let Some(poll) = &self.poll {
            poll.clear();
        }
        let _ = document()
            .remove_event_listener_with_callback("visibilitychange", self.visibility.as_ref().unchecked_ref());
    }
}

fn data(event: JsValue) -> String {
    let event = event.dyn_into::<web_sys::MessageEvent>().ok();
    event.and_then(|event| event.data().as_string()).unwrap_or_default()
}

/// Calls `call` with a study's UID, or with nothing where any may have changed; while the event stream is away, with
/// nothing every few seconds. `live` says whether the stream is open. Ends with the owner it was called under.
///
/// What happens while the stream is away is never sent, so opening it again counts as a change. Between drawing the
/// page and its first opening something may have happened too: `unsettled` says whether that is to be asked for.
///
/// A page that shows a study ([`Desk::reading`]) says so by its stream. A page out of sight is not being read, and
/// browsers have few connections to a server, so its stream ends until it is seen again.
pub fn on_change(live: RwSignal<bool>, unsettled: impl Fn() -> bool + 'static, call: impl Fn(String) + 'static) {
    let desk = use_context::<Desk>();
    let reading = desk.and_then(|desk| desk.reading.get_untracked());
    let address = match &reading {
        Some(study) => format!("/events?reading={}", encode(study.as_str())),
        None => "/events".to_owned(),
    };
    let call = Rc::new(call);
    let stream = Rc::new(Stream {
        address,
        source: RefCell::default(),
        listeners: RefCell::default(),
    });

    let heard = call.clone();
    let change = Listener::new(move |event: JsValue| {
        let study = data(event);
        heard(if study == ANY_STUDY { String::new() } else { study });
    });
    let readers = Listener::new(move |event: JsValue| {
        if let (Some(desk), Ok(readers)) = (desk, serde_json::from_slice(data(event).as_bytes())) {
            desk.readers.try_set(readers);
        }
    });
    let again = call.clone();
    let first = Cell::new(true);
    let missed = reading.map(|study| study.0).unwrap_or_default();
    let opened = Listener::new(move |_| {
        if !first.replace(false) || live.try_get_untracked() == Some(false) || unsettled() {
            // To this study, or to any.
            again(missed.clone());
        }
        live.try_set(true);
    });
    let failed = Listener::new(move |_| {
        live.try_set(false);
    });
    stream.listeners.replace(vec![
        ("change", change),
        ("readers", readers),
        ("open", opened),
        ("error", failed),
    ]);
    stream.open();

    let poll = {
        let stream = stream.clone();
        set_interval_with_handle(
            move || {
                if live.try_get_untracked() == Some(false) && !document().hidden() {
                    call(String::new());
                    if stream.is_closed() {
                        stream.open();
                    }
                }
            },
            POLL,
        )
        .ok()
    };
    let visibility = {
        let stream = stream.clone();
        Listener::new(move |_| {
            if document().hidden() {
                stream.close();
            } else if stream.is_closed() {
                stream.open();
            }
        })
    };
    let _ = document().add_event_listener_with_callback("visibilitychange", visibility.as_ref().unchecked_ref());
    let _ = StoredValue::new_local(Ends {
        stream,
        poll,
        visibility,
    });
}
