//! The line to the server: whether it is there, what is kept for when it is not, what is fetched ahead.
//!
//! Owner of the module's state: [`AHEAD`], what to fetch behind the current picture.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use domain::StudyUid;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::query::encode;

/// How often the server is asked for while it is away, and whether an answer still waits.
const PROBE: Duration = Duration::from_secs(5);
/// While the server is there, it is asked for so many times less often.
const CALM_PROBES: u32 = 6;
/// Bytes that are a first picture.
const FIRST_PICTURE: usize = 64 << 10;
/// Where the viewer looks for pictures before it asks the server.
const KEPT: &str = "shenton-pictures";
/// So many pictures are fetched ahead whole; of those after them, the first bytes.
const WHOLE: usize = 1;

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
        let text = |name: &str| told[name].as_str().unwrap_or_default();
        if text("state") == "broken" {
            heard(false);
        }
        pace(text("url").to_owned(), text("state"));
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

#[derive(Clone, PartialEq)]
enum Wanted {
    /// The image that the study opens with.
    Study(StudyUid),
    /// The image at an address.
    Picture(String),
}

#[derive(Default)]
struct Ahead {
    wanted: Vec<Wanted>,
    running: Option<web_sys::AbortController>,
    /// Whether a picture was ever complete.
    begun: bool,
    /// Pictures on the screen that are on their way: nothing competes with them.
    arriving: HashSet<String>,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = RefCell::default();
}

/// Fetches the pictures of these studies, the next one first, once the picture on the screen is complete.
pub fn fetch_ahead(studies: Vec<StudyUid>) {
    want(studies.into_iter().map(Wanted::Study).collect());
}

/// Fetches the picture of this address once the picture on the screen is complete.
pub fn fetch_picture_ahead(address: String) {
    want(vec![Wanted::Picture(address)]);
}

fn want(wanted: Vec<Wanted>) {
    AHEAD.with_borrow_mut(|ahead| {
        if ahead.wanted != wanted {
            ahead.stop();
            ahead.wanted = wanted;
        }
    });
    start();
}

/// Stops fetching ahead while a picture on the screen is on its way, and goes on when it is there.
fn pace(url: String, state: &str) {
    let calm = AHEAD.with_borrow_mut(|ahead| {
        if matches!(state, "lossless" | "gone") {
            ahead.arriving.remove(&url);
            ahead.begun |= state == "lossless";
        } else {
            ahead.arriving.insert(url);
            ahead.stop();
        }
        ahead.arriving.is_empty()
    });
    if calm {
        start();
    }
}

impl Ahead {
    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

fn start() {
    let Some((wanted, signal)) = AHEAD.with_borrow_mut(|ahead| {
        if !ahead.begun || !ahead.arriving.is_empty() || ahead.running.is_some() || ahead.wanted.is_empty() {
            return None;
        }
        let controller = web_sys::AbortController::new().ok()?;
        let signal = controller.signal();
        ahead.running = Some(controller);
        Some((ahead.wanted.clone(), signal))
    }) else {
        return;
    };
    spawn_local(async move {
        // What cannot be fetched ahead is fetched when it is wanted.
        let _ = fetch_all(&wanted, &signal).await;
    });
}

async fn fetch_all(wanted: &[Wanted], signal: &web_sys::AbortSignal) -> Result<(), JsValue> {
    if !js_sys::Reflect::has(&window(), &"caches".into())? {
        return Ok(());
    }
    let kept: web_sys::Cache = JsFuture::from(window().caches()?.open(KEPT)).await?.dyn_into()?;
    let mut addresses = Vec::new();
    for wanted in wanted {
        let study = match wanted {
            Wanted::Study(study) => study,
            Wanted::Picture(address) => {
                addresses.push(address.clone());
                continue;
            }
        };
        let of = format!("/frames/of/{}", encode(study.as_str()));
        let (_, bytes) = fetch(&of, None, signal).await?;
        let all: Vec<String> = serde_json::from_slice(&bytes).unwrap_or_default();
        addresses.extend(all.into_iter().next());
    }
    for address in &addresses {
        let first = format!("{address}&first");
        if has(&kept, address).await? || has(&kept, &first).await? {
            continue;
        }
        let (total, bytes) = fetch(address, Some((0, Some(FIRST_PICTURE))), signal).await?;
        put(&kept, if total == Some(bytes.len()) { address } else { &first }, &bytes).await?;
    }
    for address in addresses.iter().take(WHOLE) {
        if has(&kept, address).await? {
            continue;
        }
        let first = format!("{address}&first");
        let found: web_sys::Response = JsFuture::from(kept.match_with_str(&first)).await?.dyn_into()?;
        let mut bytes = js_sys::Uint8Array::new(&JsFuture::from(found.array_buffer()?).await?).to_vec();
        let (_, rest) = fetch(address, Some((bytes.len(), None)), signal).await?;
        bytes.extend(rest);
        put(&kept, address, &bytes).await?;
        JsFuture::from(kept.delete_with_str(&first)).await?;
    }
    Ok(())
}

async fn has(kept: &web_sys::Cache, address: &str) -> Result<bool, JsValue> {
    Ok(!JsFuture::from(kept.match_with_str(address)).await?.is_undefined())
}

async fn put(kept: &web_sys::Cache, address: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let body = js_sys::Uint8Array::from(bytes);
    let response = web_sys::Response::new_with_opt_js_u8_array(Some(&body))?;
    JsFuture::from(kept.put_with_str(address, &response)).await?;
    Ok(())
}

/// Bytes from and up to a place, or all; and how many there are in all, where the answer says so.
async fn fetch(
    address: &str,
    range: Option<(usize, Option<usize>)>,
    signal: &web_sys::AbortSignal,
) -> Result<(Option<usize>, Vec<u8>), JsValue> {
    let headers = web_sys::Headers::new()?;
    headers.set("x-shenton-ahead", "1")?;
    if let Some((from, to)) = range {
        let to = to.map(|to| (to - 1).to_string()).unwrap_or_default();
        headers.set("range", &format!("bytes={from}-{to}"))?;
    }
    let request = web_sys::RequestInit::new();
    request.set_headers(&headers);
    request.set_signal(Some(signal));
    request.set_cache(web_sys::RequestCache::NoStore);
    js_sys::Reflect::set(&request, &"priority".into(), &"low".into())?;
    let response = JsFuture::from(window().fetch_with_str_and_init(address, &request)).await?;
    let response: web_sys::Response = response.dyn_into()?;
    if !response.ok() || response.redirected() || (range.is_some() && response.status() != 206) {
        return Err(JsValue::UNDEFINED);
    }
    let total = response.headers().get("content-range")?;
    let total = total.and_then(|text| text.rsplit('/').next()?.parse().ok());
    let bytes = js_sys::Uint8Array::new(&JsFuture::from(response.array_buffer()?).await?).to_vec();
    Ok((total, bytes))
}
