//! Fetches a picture and tells how far it is.
//!
//! One request brings it, from the first kilobytes that are a picture to the last that makes it lossless. Where the
//! line breaks, the next request goes on from the byte that came last. What was brought is kept in the browser's
//! cache of this session: the next look needs no line. Viewers of the same picture share one request.
//!
//! Owner of the module's state: [`CACHE`] and [`COMING`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use imaging::Frame;
use js_sys::{Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Cache, CustomEvent, CustomEventInit, Headers, ReadableStreamDefaultReader, RequestCache,
    RequestCredentials, RequestInit, Response, Window,
};

use crate::ahead;
use crate::cache::FrameCache;
use crate::wire::{Arrival, Next};

/// Pixels kept for going back: some four radiographs, 72 MB.
const CACHED_PIXELS: usize = 36_000_000;
/// Pictures kept for when there is no line, the newest ones.
const KEPT_PICTURES: u32 = 60;
/// Where they are kept. The service worker removes it when a reader signs out or another one signs in.
const KEPT: &str = "shenton-pictures";
/// Milliseconds of work after which the page gets its turn.
const SLICE: f64 = 12.0;
/// Milliseconds between two words on how far a picture is.
const NEWS: f64 = 100.0;
/// Milliseconds before a broken line is tried again.
const AGAIN: i32 = 2000;
/// Milliseconds between two looks at what another viewer brings.
const LOOK: i32 = 40;

thread_local! {
    /// Shared by all viewers of the page.
    static CACHE: RefCell<FrameCache> = RefCell::new(FrameCache::new(CACHED_PIXELS));
    /// Pictures on their way, by address.
    static COMING: RefCell<HashMap<String, Rc<Coming>>> = RefCell::default();
}

/// A picture on its way, for all viewers that want it.
#[derive(Default)]
struct Coming {
    /// Share of its bytes, 0 to 1.
    share: Cell<f32>,
    /// What there is to show.
    best: RefCell<Option<Rc<Frame>>>,
    /// The best is lossless.
    whole: Cell<bool>,
    /// Who brought it has stopped.
    ended: Cell<bool>,
}

/// Why there is no picture, in words for the reader.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadError {
    #[error("the session has ended: sign in again")]
    SignedOut,
    #[error("this picture does not exist or is not open to this account")]
    NotFound,
    #[error("the server could not give the picture (status {0})")]
    Status(u16),
    #[error("the server cannot be reached: check the connection and try again")]
    Unreachable,
    /// The viewer was closed; nobody reads this.
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Picture(#[from] progressive::Error),
}

/// What the page hears of a picture, as the event `shenton-picture` of the window with these words as JSON.
#[derive(Clone, Copy)]
struct Told<'a> {
    url: &'a str,
    /// `waiting` for a first picture, `preview`, `lossless`, `broken` while the line is away, or `gone` where the
    /// viewer was closed or gave up.
    state: &'a str,
    received: usize,
    expected: Option<usize>,
}

impl Told<'_> {
    fn send(self) {
        ahead::heard(self.url, self.state);
        let Some(window) = web_sys::window() else { return };
        let words = serde_json::json!({
            "url": self.url,
            "state": self.state,
            "received": self.received,
            "expected": self.expected,
        });
        let settings = CustomEventInit::new();
        settings.set_detail(&JsValue::from_str(&words.to_string()));
        if let Ok(event) = CustomEvent::new_with_event_init_dict("shenton-picture", &settings) {
            let _ = window.dispatch_event(&event);
        }
    }
}

/// Brings a picture; says that it is gone, unless it came.
struct Arriving<'a> {
    url: &'a str,
    coming: Rc<Coming>,
    came: bool,
}

impl<'a> Arriving<'a> {
    fn new(url: &'a str) -> Self {
        let coming = Rc::<Coming>::default();
        COMING.with_borrow_mut(|all| all.insert(url.to_owned(), Rc::clone(&coming)));
        Self {
            url,
            coming,
            came: false,
        }
    }

    fn shows(&self, frame: &Rc<Frame>) {
        *self.coming.best.borrow_mut() = Some(Rc::clone(frame));
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.coming.ended.set(true);
        COMING.with_borrow_mut(|all| all.remove(self.url));
        if !self.came {
            Told {
                url: self.url,
                state: "gone",
                received: 0,
                expected: None,
            }
            .send();
        }
    }
}

/// The frame of an address `/frames/{sop_instance_uid}`, lossless.
///
/// Until it is there, `progress` hears the received share, 0 to 1, and `preview` gets pictures of it, each better than
/// the one before; the first ones hold fewer pixels ([`Frame::grid`]).
///
/// # Errors
/// See [`LoadError`]. Once there is a preview a broken line is no error: it is tried again until `signal` ends it.
pub async fn frame(
    url: &str,
    signal: &AbortSignal,
    mut progress: impl FnMut(f32),
    mut preview: impl FnMut(Rc<Frame>),
) -> Result<Rc<Frame>, LoadError> {
    let told = |state: &'static str, arrival: &Arrival| {
        let (received, expected) = arrival.progress();
        Told {
            url,
            state,
            received,
            expected,
        }
        .send();
    };
    if let Some(frame) = CACHE.with_borrow_mut(|cache| cache.get(url)) {
        Told {
            url,
            state: "lossless",
            received: 0,
            expected: None,
        }
        .send();
        return Ok(frame);
    }
    let window = web_sys::window().ok_or(LoadError::Cancelled)?;
    // Another viewer of the page may be at it. Where that one stops, this one goes on.
    while let Some(coming) = COMING.with_borrow(|all| all.get(url).cloned()) {
        if let Some(frame) = share(&window, &coming, signal, &mut progress, &mut preview).await? {
            return Ok(frame);
        }
    }
    let mut arriving = Arriving::new(url);
    let address = address(url);
    let kept = kept(&window).await;
    let from_ahead = ahead::so_far(&address);
    // What comes from there is not kept yet.
    let is_new = from_ahead.is_some();
    let mut bytes = match (from_ahead, &kept) {
        (Some(bytes), _) => bytes,
        (None, Some(kept)) => begun(kept, &address).await,
        (None, None) => Vec::new(),
    };
    let mut arrival = Arrival::default();
    arrival.push(&bytes);
    let mut from_line = false;
    let mut state = "waiting";
    let mut said = f64::NEG_INFINITY;
    told(state, &arrival);
    let frame = 'arriving: loop {
        let mut source = None;
        loop {
            // All that can be decoded, with a turn for the page in between.
            let mut began = now();
            loop {
                let next = match arrival.work() {
                    Ok(next) => next,
                    // A kept copy that does not decode is let go; the line has the picture.
                    Err(_) if !from_line && !bytes.is_empty() => {
                        if let Some(kept) = &kept {
                            forget(kept, &address).await;
                        }
                        bytes.clear();
                        arrival = Arrival::default();
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                match next {
                    Next::Wait => break,
                    Next::GoOn => {}
                    Next::Show(frame) => {
                        state = "preview";
                        let frame = Rc::new(frame);
                        arriving.shows(&frame);
                        preview(frame);
                        told(state, &arrival);
                        turn(&window, 0).await;
                        began = now();
                    }
                    Next::Done(frame) => break 'arriving frame,
                }
                if now() - began > SLICE {
                    turn(&window, 0).await;
                    began = now();
                }
                if signal.aborted() {
                    return Err(LoadError::Cancelled);
                }
            }
            if let (received, Some(expected)) = arrival.progress() {
                // A line brings a piece every few milliseconds, and all of the page hears of it.
                if now() - said > NEWS {
                    said = now();
                    let share = received as f32 / expected.max(1) as f32;
                    arriving.coming.share.set(share);
                    progress(share);
                    told(state, &arrival);
                }
                if received >= expected {
                    return Err(progressive::Error::Incomplete { received, expected }.into());
                }
            }
            let piece = match &source {
                None => match open(&window, &address, bytes.len(), signal).await {
                    Ok(reader) => {
                        from_line = true;
                        source = Some(reader);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Some(reader) => read(reader).await.ok_or(LoadError::Unreachable),
            };
            match piece {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => {
                    arrival.push(&piece);
                    bytes.extend(piece);
                }
                Err(_) if signal.aborted() => return Err(LoadError::Cancelled),
                // A preview is worth waiting for the rest.
                Err(LoadError::Unreachable) if !bytes.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        // The line broke, or the server ended early.
        told("broken", &arrival);
        turn(&window, AGAIN).await;
        if signal.aborted() {
            return Err(LoadError::Cancelled);
        }
    };
    progress(1.0);
    arriving.came = true;
    told("lossless", &arrival);
    let frame = Rc::new(frame);
    arriving.shows(&frame);
    arriving.coming.whole.set(true);
    CACHE.with_borrow_mut(|cache| cache.put(url, Rc::clone(&frame)));
    if let (Some(kept), true) = (kept, from_line || is_new) {
        wasm_bindgen_futures::spawn_local(async move { keep(&kept, &address, &bytes).await });
    }
    Ok(frame)
}

/// Shows what another viewer brings until that is lossless; `None` where the other stopped before.
async fn share(
    window: &Window,
    coming: &Coming,
    signal: &AbortSignal,
    progress: &mut impl FnMut(f32),
    preview: &mut impl FnMut(Rc<Frame>),
) -> Result<Option<Rc<Frame>>, LoadError> {
    let mut shown: Option<Rc<Frame>> = None;
    let mut told = 0.0;
    loop {
        if signal.aborted() {
            return Err(LoadError::Cancelled);
        }
        let best = coming.best.borrow().clone();
        if let Some(frame) = best {
            if coming.whole.get() {
                progress(1.0);
                return Ok(Some(frame));
            }
            if !shown.as_ref().is_some_and(|shown| Rc::ptr_eq(shown, &frame)) {
                preview(Rc::clone(&frame));
                shown = Some(frame);
            }
        }
        if coming.ended.get() {
            return Ok(None);
        }
        let share = coming.share.get();
        if share > told {
            told = share;
            progress(share);
        }
        turn(window, LOOK).await;
    }
}

/// Where the progressive form of a frame is served.
fn address(url: &str) -> String {
    format!("{url}/progressive?v={}", progressive::VERSION)
}

/// Under this name the first bytes of a picture are kept, until all of it is.
pub(crate) fn first(address: &str) -> String {
    format!("{address}&first")
}

/// The cache of this session; `None` where the browser has none, as over plain HTTP.
pub(crate) async fn kept(window: &Window) -> Option<Cache> {
    if !Reflect::has(window, &"caches".into()).unwrap_or(false) {
        return None;
    }
    let opened = JsFuture::from(window.caches().ok()?.open(KEPT)).await;
    opened.ok()?.dyn_into().ok()
}

/// What is kept of a picture: all of it, or the first bytes that were fetched ahead, or nothing.
pub(crate) async fn begun(kept: &Cache, address: &str) -> Vec<u8> {
    for address in [address.to_owned(), first(address)] {
        let Ok(found) = JsFuture::from(kept.match_with_str(&address)).await else {
            continue;
        };
        let Ok(response) = found.dyn_into::<Response>() else {
            continue;
        };
        let Ok(buffer) = response.array_buffer() else { continue };
        if let Ok(buffer) = JsFuture::from(buffer).await {
            return Uint8Array::new(&buffer).to_vec();
        }
    }
    Vec::new()
}

async fn forget(kept: &Cache, address: &str) {
    for address in [address, &first(address)] {
        let _ = JsFuture::from(kept.delete_with_str(address)).await;
    }
}

/// Keeps a whole picture, and lets the oldest go. A full disk costs the copy, nothing else.
async fn keep(kept: &Cache, address: &str, bytes: &[u8]) {
    let array = Uint8Array::from(bytes);
    let Ok(response) = Response::new_with_opt_js_u8_array(Some(&array)) else {
        return;
    };
    if JsFuture::from(kept.put_with_str(address, &response)).await.is_err() {
        return;
    }
    let _ = JsFuture::from(kept.delete_with_str(&first(address))).await;
    let Ok(keys) = JsFuture::from(kept.keys()).await else {
        return;
    };
    let keys: js_sys::Array = keys.unchecked_into();
    for index in 0..keys.length().saturating_sub(KEPT_PICTURES) {
        let _ = JsFuture::from(kept.delete_with_request(keys.get(index).unchecked_ref())).await;
    }
}

/// Begins to fetch, at a byte.
async fn open(
    window: &Window,
    address: &str,
    from: usize,
    signal: &AbortSignal,
) -> Result<ReadableStreamDefaultReader, LoadError> {
    let unreachable = |_: JsValue| LoadError::Unreachable;
    let request = RequestInit::new();
    request.set_signal(Some(signal));
    request.set_credentials(RequestCredentials::SameOrigin);
    // The copy that is kept is the session's own, which ends with it.
    request.set_cache(RequestCache::NoStore);
    if from > 0 {
        let headers = Headers::new().map_err(unreachable)?;
        headers.set("range", &format!("bytes={from}-")).map_err(unreachable)?;
        request.set_headers(&headers);
    }
    let response = JsFuture::from(window.fetch_with_str_and_init(address, &request))
        .await
        .map_err(unreachable)?;
    let response: Response = response.dyn_into().map_err(unreachable)?;
    match (response.status(), from) {
        // A session that ended may answer with the sign-in page.
        _ if response.redirected() => return Err(LoadError::SignedOut),
        (200, 0) | (206, _) => {}
        (401, _) => return Err(LoadError::SignedOut),
        (403 | 404, _) => return Err(LoadError::NotFound),
        // A proxy that has lost its server.
        (502..=504, _) => return Err(LoadError::Unreachable),
        (status, _) => return Err(LoadError::Status(status)),
    }
    let body = response.body().ok_or(LoadError::Unreachable)?;
    body.get_reader().dyn_into().map_err(|_| LoadError::Unreachable)
}

/// The next bytes, none at the end; `None` where the line broke.
pub(crate) async fn read(reader: &ReadableStreamDefaultReader) -> Option<Vec<u8>> {
    let piece = JsFuture::from(reader.read()).await.ok()?;
    if Reflect::get(&piece, &"done".into()).is_ok_and(|done| done.is_truthy()) {
        return Some(Vec::new());
    }
    let bytes: Uint8Array = Reflect::get(&piece, &"value".into()).ok()?.dyn_into().ok()?;
    Some(bytes.to_vec())
}

/// Milliseconds of the page's clock.
pub(crate) fn now() -> f64 {
    let clock = web_sys::window().and_then(|window| window.performance());
    clock.map_or(0.0, |clock| clock.now())
}

/// Lets the page draw and answer, for so many milliseconds.
async fn turn(window: &Window, milliseconds: i32) {
    let passed = Promise::new(&mut |done, _| {
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&done, milliseconds);
    });
    let _ = JsFuture::from(passed).await;
}
