//! The line to the server: whether it is there, and what is kept for when it is not.

use std::cell::Cell;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// How often the server is asked for while it is away, and whether an answer still waits.
const PROBE: Duration = Duration::from_secs(5);
/// While the server is there, it is asked for so many times less often.
const CALM_PROBES: u32 = 6;

/// Hears of every picture of the page, as JSON; ends with the owner it was called under.
pub fn on_picture(call: impl Fn(String) + 'static) {
    let handle = window_event_listener_untyped("shenton-picture", move |event: web_sys::Event| {
        let detail = event
            .dyn_into::<web_sys::CustomEvent>()
            .ok()
            .and_then(|event| event.detail().as_string());
        if let Some(detail) = detail {
            call(detail);
        }
    });
    on_cleanup(move || handle.remove());
}

/// Keeps `online` right for as long as the page lives, and starts what works without a line.
pub fn watch_line(online: RwSignal<bool>) {
    let heard = move |is_there: bool| {
        if online.try_get_untracked().is_some_and(|known| known != is_there) {
            online.try_set(is_there);
        }
    };
    // A page that the service worker had kept looks like any other.
    probe(heard);
    let on = |name: &str, call: Box<dyn Fn()>| {
        // The application, and so these listeners, live as long as the page.
        let _ = window_event_listener_untyped(name, move |_| call());
    };
    on("offline", Box::new(move || heard(false)));
    on("online", Box::new(move || probe(heard)));
    let ticks = Cell::new(0_u32);
    set_interval(
        move || {
            ticks.set(ticks.get().wrapping_add(1));
            if online.try_get_untracked() == Some(false) || ticks.get().is_multiple_of(CALM_PROBES) {
                probe(heard);
            }
        },
        PROBE,
    );
    on_picture(move |words| {
        let told = serde_json::from_str::<serde_json::Value>(&words).unwrap_or_default();
        if told["state"] == "broken" {
            heard(false);
        }
    });
    let Some(container) = service_worker() else { return };
    let message = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
        let data = event
            .dyn_into::<web_sys::MessageEvent>()
            .ok()
            .and_then(|event| event.data().as_string());
        match data.as_deref() {
            Some("offline") => heard(false),
            Some("online") => heard(true),
            _ => {}
        }
    });
    container.set_onmessage(Some(message.as_ref().unchecked_ref()));
    message.forget();
    let registered = container.register("/service-worker.js");
    spawn_local(async move {
        if let Err(error) = JsFuture::from(registered).await {
            web_sys::console::warn_2(&"nothing is kept for when there is no connection:".into(), &error);
        }
    });
}

/// Absent where the page came over plain HTTP.
fn service_worker() -> Option<web_sys::ServiceWorkerContainer> {
    let navigator = window().navigator();
    let there = js_sys::Reflect::has(&navigator, &"serviceWorker".into()).unwrap_or(false);
    there.then(|| navigator.service_worker())
}

fn probe(heard: impl Fn(bool) + 'static) {
    spawn_local(async move {
        let answer = JsFuture::from(window().fetch_with_str("/healthz")).await;
        let answer = answer
            .ok()
            .and_then(|answer| answer.dyn_into::<web_sys::Response>().ok());
        heard(answer.is_some_and(|answer| answer.ok()));
    });
}

fn tell_worker(pairs: &[(&str, &str)]) {
    let Some(container) = service_worker() else { return };
    let message = js_sys::Object::new();
    for (name, value) in pairs {
        let _ = js_sys::Reflect::set(&message, &(*name).into(), &(*value).into());
    }
    spawn_local(async move {
        let Ok(ready) = container.ready() else { return };
        let Ok(registration) = JsFuture::from(ready).await else {
            return;
        };
        let registration: web_sys::ServiceWorkerRegistration = registration.unchecked_into();
        if let Some(worker) = registration.active() {
            let _ = worker.post_message(&message);
        }
    });
}

/// Says who is signed in, so that nothing kept is shown to anybody else.
pub fn say_account(name: &str) {
    tell_worker(&[("kind", "account"), ("name", name)]);
}

/// Keeps the page of this address for when there is no line.
pub fn keep_page(address: &str) {
    tell_worker(&[("kind", "page"), ("url", address)]);
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// A text that outlives the page.
pub fn stored(name: &str) -> Option<String> {
    storage()?.get_item(name).ok().flatten()
}

/// Whether the text is kept.
pub fn store(name: &str, text: &str) -> bool {
    storage().is_some_and(|storage| storage.set_item(name, text).is_ok())
}

/// Calls whenever another tab stored something.
pub fn on_stored(call: impl Fn() + 'static) {
    let _ = window_event_listener_untyped("storage", move |_| call());
}

/// Calls every few seconds for as long as the page lives.
pub fn now_and_then(call: impl Fn() + 'static) {
    set_interval(call, PROBE);
}

/// A name that nothing else has.
pub fn new_key() -> String {
    let mut bytes = [0_u8; 16];
    let filled = window()
        .crypto()
        .is_ok_and(|crypto| crypto.get_random_values_with_u8_array(&mut bytes).is_ok());
    if !filled {
        for byte in &mut bytes {
            *byte = (js_sys::Math::random() * 256.0) as u8;
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
