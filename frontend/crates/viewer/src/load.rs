//! Fetches a frame and tells how far it is.

use std::cell::RefCell;
use std::rc::Rc;

use imaging::Frame;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader, RequestCredentials, RequestInit, Response};

use crate::cache::FrameCache;
use crate::wire::{Assembly, WireError};

/// Pixels kept for going back: some four radiographs, 72 MB.
const CACHED_PIXELS: usize = 36_000_000;

thread_local! {
    /// Shared by all viewers of the page.
    static CACHE: RefCell<FrameCache> = RefCell::new(FrameCache::new(CACHED_PIXELS));
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
    Wire(#[from] WireError),
}

/// The frame of an address, from the cache or from the server.
///
/// `progress` hears the received share, 0 to 1, once it is known.
///
/// # Errors
/// See [`LoadError`].
pub async fn frame(url: &str, signal: &AbortSignal, mut progress: impl FnMut(f32)) -> Result<Rc<Frame>, LoadError> {
    if let Some(frame) = CACHE.with_borrow_mut(|cache| cache.get(url)) {
        return Ok(frame);
    }
    let broken = |_: JsValue| {
        if signal.aborted() {
            LoadError::Cancelled
        } else {
            LoadError::Unreachable
        }
    };
    let window = web_sys::window().ok_or(LoadError::Cancelled)?;
    let request = RequestInit::new();
    request.set_signal(Some(signal));
    request.set_credentials(RequestCredentials::SameOrigin);
    let response = JsFuture::from(window.fetch_with_str_and_init(url, &request))
        .await
        .map_err(broken)?;
    let response: Response = response.dyn_into().map_err(broken)?;
    match response.status() {
        200 => {}
        401 => return Err(LoadError::SignedOut),
        403 | 404 => return Err(LoadError::NotFound),
        status => return Err(LoadError::Status(status)),
    }
    // A session that ended may answer with the sign-in page.
    if response.redirected() {
        return Err(LoadError::SignedOut);
    }
    let mut assembly = Assembly::default();
    if let Some(body) = response.body() {
        let reader: ReadableStreamDefaultReader = body.get_reader().dyn_into().map_err(|e| broken(e.into()))?;
        loop {
            let piece = JsFuture::from(reader.read()).await.map_err(broken)?;
            if Reflect::get(&piece, &"done".into()).is_ok_and(|done| done.is_truthy()) {
                break;
            }
            let value = Reflect::get(&piece, &"value".into()).map_err(broken)?;
            let bytes: Uint8Array = value.dyn_into().map_err(broken)?;
            assembly.push(&bytes.to_vec())?;
            if let (received, Some(expected)) = assembly.progress() {
                progress(received as f32 / expected as f32);
            }
        }
    }
    let frame = Rc::new(assembly.finish()?);
    CACHE.with_borrow_mut(|cache| cache.put(url, Rc::clone(&frame)));
    Ok(frame)
}
