//! Pictures fetched before anybody asks for them, behind those on the screen.
//!
//! Owner of the module's state: [`AHEAD`], what to fetch, and what is on its way.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Cache, Headers, ReadableStreamDefaultReader, RequestCache, RequestInit, Response,
    Window,
};

use crate::load;

/// So many pictures are fetched whole; of those after them, the first bytes, which are a picture.
const WHOLE: usize = 1;
/// The server's list of a study's pictures begins so; the one that the study opens with is in front.
const OF_STUDY: &str = "/frames/of/";

/// The bytes of a picture so far.
type Part = Rc<RefCell<Vec<u8>>>;

#[derive(Default)]
struct Ahead {
    /// Addresses of pictures and of studies' lists, the next one first.
    wanted: Vec<String>,
    /// What ends the fetching. It stays when all is fetched.
    running: Option<AbortController>,
    /// Whether a picture was ever complete.
    begun: bool,
    /// Pictures on the screen that are on their way: nothing competes with them.
    arriving: HashSet<String>,
    /// The address of the picture that is fetched now.
    part: Option<(String, Part)>,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = RefCell::default();
}

impl Ahead {
    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

/// Fetches these once the pictures on the screen are complete, in place of what was wanted before.
pub fn want(wanted: Vec<String>) {
    AHEAD.with_borrow_mut(|ahead| {
        if ahead.wanted != wanted {
            ahead.stop();
            ahead.wanted = wanted;
        }
    });
    start();
}

/// Stops fetching while a picture on the screen is on its way, and goes on when it is there.
pub fn heard(url: &str, state: &str) {
    let is_calm = AHEAD.with_borrow_mut(|ahead| {
        if matches!(state, "lossless" | "gone") {
            ahead.arriving.remove(url);
            ahead.begun |= state == "lossless";
        } else {
            ahead.arriving.insert(url.to_owned());
            ahead.stop();
        }
        ahead.arriving.is_empty()
    });
    if is_calm {
        start();
    }
}

/// What has come of a picture that is fetched ahead now, for the viewer that opens it.
pub fn so_far(address: &str) -> Option<Vec<u8>> {
    let part = AHEAD.with_borrow_mut(|ahead| ahead.part.take_if(|(of, _)| of.as_str() == address));
    part.map(|(_, bytes)| bytes.borrow().clone())
}

fn start() {
    let begins = AHEAD.with_borrow_mut(|ahead| {
        if !ahead.begun || !ahead.arriving.is_empty() || ahead.running.is_some() || ahead.wanted.is_empty() {
            return None;
        }
        let controller = AbortController::new().ok()?;
        let signal = controller.signal();
        ahead.running = Some(controller);
        Some((ahead.wanted.clone(), signal))
    });
    let Some((wanted, signal)) = begins else { return };
    wasm_bindgen_futures::spawn_local(async move {
        // What cannot be fetched ahead is fetched when it is wanted, and the next picture that is complete tries again.
        if fetch_all(&wanted, &signal).await.is_none() && !signal.aborted() {
            AHEAD.with_borrow_mut(|ahead| ahead.running = None);
        }
    });
}

/// `None` where it did not come to its end.
async fn fetch_all(wanted: &[String], signal: &AbortSignal) -> Option<()> {
    let window = web_sys::window()?;
    let Some(kept) = load::kept(&window).await else {
        // There is nowhere to put it.
        return Some(());
    };
    let mut addresses = Vec::new();
    for wanted in wanted {
        if !wanted.starts_with(OF_STUDY) {
            addresses.push(wanted.clone());
            continue;
        }
        let (_, reader) = open(&window, wanted, None, signal).await?;
        let bytes = Part::default();
        gather(&reader, &bytes).await?;
        let all: Vec<String> = serde_json::from_slice(&bytes.take()).unwrap_or_default();
        addresses.extend(all.into_iter().next());
    }
    for address in &addresses {
        if !has(&kept, address).await? && !has(&kept, &load::first(address)).await? {
            bring(&window, &kept, address, Some(progressive::FIRST_PICTURE), signal).await?;
        }
    }
    for address in addresses.iter().take(WHOLE) {
        if !has(&kept, address).await? {
            bring(&window, &kept, address, None, signal).await?;
        }
    }
    Some(())
}

/// Fetches a picture behind what is kept of it, up to a byte or to its end. Where that stops early, what came is kept: the
/// next to fetch it goes on from there.
async fn bring(window: &Window, kept: &Cache, address: &str, to: Option<usize>, signal: &AbortSignal) -> Option<()> {
    let bytes: Part = Rc::new(RefCell::new(load::begun(kept, address).await));
    let before = bytes.borrow().len();
    AHEAD.with_borrow_mut(|ahead| ahead.part = Some((address.to_owned(), Rc::clone(&bytes))));
    let (total, came) = match open(window, address, Some((before, to)), signal).await {
        Some((total, reader)) => (total, gather(&reader, &bytes).await),
        None => (None, None),
    };
    let is_mine = AHEAD.with_borrow_mut(|ahead| {
        let part = ahead.part.take_if(|(_, part)| Rc::ptr_eq(part, &bytes));
        part.is_some()
    });
    let bytes = bytes.take();
    // The viewer that opened it meanwhile keeps it.
    if is_mine && bytes.len() > before {
        let first = load::first(address);
        if total == Some(bytes.len()) {
            put(kept, address, &bytes).await?;
            JsFuture::from(kept.delete_with_str(&first)).await.ok()?;
        } else {
            put(kept, &first, &bytes).await?;
        }
    }
    came
}

/// Takes bytes as they come. `None` where they broke off.
async fn gather(reader: &ReadableStreamDefaultReader, bytes: &RefCell<Vec<u8>>) -> Option<()> {
    loop {
        let piece = load::read(reader).await?;
        if piece.is_empty() {
            return Some(());
        }
        bytes.borrow_mut().extend(piece);
    }
}

async fn has(kept: &Cache, address: &str) -> Option<bool> {
    let found = JsFuture::from(kept.match_with_str(address)).await.ok()?;
    Some(!found.is_undefined())
}

async fn put(kept: &Cache, address: &str, bytes: &[u8]) -> Option<()> {
    let body = Uint8Array::from(bytes);
    let response = Response::new_with_opt_js_u8_array(Some(&body)).ok()?;
    JsFuture::from(kept.put_with_str(address, &response)).await.ok()?;
    Some(())
}

/// Begins to fetch bytes from and up to a place, or all; and how many there are in all, where the answer says so.
async fn open(
    window: &Window,
    address: &str,
    range: Option<(usize, Option<usize>)>,
    signal: &AbortSignal,
) -> Option<(Option<usize>, ReadableStreamDefaultReader)> {
    let headers = Headers::new().ok()?;
    headers.set("x-shenton-ahead", "1").ok()?;
    if let Some((from, to)) = range {
        let to = to.map(|to| (to - 1).to_string()).unwrap_or_default();
        headers.set("range", &format!("bytes={from}-{to}")).ok()?;
    }
    let request = RequestInit::new();
    request.set_headers(&headers);
    request.set_signal(Some(signal));
    request.set_cache(RequestCache::NoStore);
    Reflect::set(&request, &"priority".into(), &"low".into()).ok()?;
    let response = JsFuture::from(window.fetch_with_str_and_init(address, &request)).await;
    let response: Response = response.ok()?.dyn_into().ok()?;
    if !response.ok() || response.redirected() || (range.is_some() && response.status() != 206) {
        return None;
    }
    let total = response.headers().get("content-range").ok()?;
    let total = total.and_then(|text| text.rsplit('/').next()?.parse().ok());
    let reader = response.body()?.get_reader().dyn_into().ok()?;
    Some((total, reader))
}
