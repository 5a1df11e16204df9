//! Owner of the module's state: the upload queue, one for the tab. It lives outside the reactive graph because
//! files of the browser cannot leave its thread.

mod events;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::Timestamp;
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub use events::on_change;

use crate::query::encode;
use crate::upload::{Status, Upload, status_of};

/// Files sent at the same time.
const AT_ONCE: usize = 2;
/// How often the server is asked while its event stream is away.
const POLL: Duration = Duration::from_secs(15);

fn find(selector: &str) -> Option<web_sys::Element> {
    document().query_selector(selector).ok().flatten()
}

fn find_html(selector: &str) -> Option<web_sys::HtmlElement> {
    find(selector)?.dyn_into().ok()
}

/// Whether a key goes into a field, or belongs to the browser because a modifier is held.
pub fn is_typing(event: &ev::KeyboardEvent) -> bool {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
        return true;
    }
    let Some(element) = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
    else {
        return false;
    };
    match element.tag_name().as_str() {
        "TEXTAREA" | "SELECT" => true,
        // Space and the arrows belong to a radio button or a slider, letters do not.
        "INPUT" => match element.get_attribute("type").as_deref() {
            Some("radio" | "checkbox" | "range") => event.key().len() > 1 || event.key() == " ",
            _ => true,
        },
        "BUTTON" | "A" | "SUMMARY" => event.key() == "Enter" || event.key() == " ",
        _ => false,
    }
}

/// Whether a click hit a link, a button or a field rather than the row around it.
pub fn is_on_control(event: &ev::MouseEvent) -> bool {
    let marked = window()
        .get_selection()
        .ok()
        .flatten()
        .is_some_and(|selection| !selection.is_collapsed());
    let control = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .and_then(|element| element.closest("a, button, input, select, label").ok().flatten());
    marked || control.is_some() || event.ctrl_key() || event.meta_key() || event.shift_key()
}

pub fn focus(selector: &str) {
    if let Some(element) = find_html(selector) {
        let _ = element.focus();
    }
}

/// The element of that kind in which the focus is.
fn focused(selector: &str) -> Option<web_sys::Element> {
    document().active_element()?.closest(selector).ok()?
}

pub fn focus_is_in(selector: &str) -> bool {
    focused(selector).is_some()
}

/// Milliseconds since 1970 by the browser's clock.
pub fn now() -> Option<i64> {
    Some(js_sys::Date::now() as i64)
}

/// An attribute of the element of that kind in which the focus is.
pub fn focused_attribute(selector: &str, name: &str) -> Option<String> {
    focused(selector)?.get_attribute(name)
}

pub fn blur() {
    if let Some(element) = document()
        .active_element()
        .and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
    {
        let _ = element.blur();
    }
}

pub fn click(selector: &str) {
    if let Some(element) = find_html(selector) {
        element.click();
    }
}

/// Scrolls just far enough to show the element, without an animation.
pub fn reveal(selector: &str) {
    if let Some(element) = find(selector) {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Goes to a page that the server has to write anew.
pub fn leave_for(path: &str) {
    let _ = window().location().set_href(path);
}

/// Changes between the dark and the light theme and remembers it for a year.
pub fn toggle_theme() {
    let Some(root) = document().document_element() else {
        return;
    };
    let is_light = root.get_attribute("data-theme").as_deref() == Some("light");
    let next = if is_light { "dark" } else { "light" };
    let _ = root.set_attribute("data-theme", next);
    if let Ok(page) = document().dyn_into::<web_sys::HtmlDocument>() {
        let _ = page.set_cookie(&format!("theme={next}; Path=/; Max-Age=31536000; SameSite=Strict"));
    }
}

/// A moment on the reader's own clock, `2026-11-23 23:13`.
pub fn local_time(at: Timestamp) -> Option<String> {
    #[allow(clippy::cast_precision_loss)]
    let date = js_sys::Date::new(&JsValue::from_f64(at.0 as f64));
    date.get_time().is_finite().then(|| {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}",
            date.get_full_year(),
            date.get_month() + 1,
            date.get_date(),
            date.get_hours(),
            date.get_minutes()
        )
    })
}

/// How a scrolled box stands: its position and its height, in pixels.
pub fn scrolled(selector: &str) -> Option<(f64, f64)> {
    let element = find(selector)?;
    Some((f64::from(element.scroll_top()), f64::from(element.client_height())))
}

pub fn scroll_to(selector: &str, top: f64) {
    if let Some(element) = find(selector) {
        element.set_scroll_top(top as i32);
    }
}

/// The drawn height of the first element of that kind.
pub fn height_of(selector: &str) -> Option<f64> {
    Some(find(selector)?.get_bounding_client_rect().height()).filter(|height| *height > 0.0)
}

/// Sets the height by script: an inline style in the page would be refused by its policy.
pub fn set_height(selector: &str, pixels: f64) {
    if let Some(element) = find_html(selector) {
        let _ = element.style().set_property("height", &format!("{}px", pixels as i64));
    }
}

#[derive(Default)]
struct Queue {
    next_id: u64,
    sending: usize,
    waiting: VecDeque<u64>,
    /// Files that may still have to be sent.
    files: HashMap<u64, (web_sys::File, ArcRwSignal<Status>)>,
}

thread_local! {
    static QUEUE: RefCell<Queue> = RefCell::default();
}

fn add(files: Vec<web_sys::File>, uploads: RwSignal<Vec<Upload>>) {
    let added: Vec<Upload> = QUEUE.with_borrow_mut(|queue| {
        files
            .into_iter()
            .map(|file| {
                let id = queue.next_id;
                queue.next_id += 1;
                let status = ArcRwSignal::new(Status::Waiting);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let upload = Upload {
                    id,
                    name: file.name(),
                    bytes: file.size() as u64,
                    status: status.clone(),
                };
                queue.waiting.push_back(id);
                queue.files.insert(id, (file, status));
                upload
            })
            .collect()
    });
    uploads.update(|list| list.extend(added));
    send_waiting();
}

/// A row for what the browser would not open, so that no file is lost in silence.
fn add_unreadable(name: String, uploads: RwSignal<Vec<Upload>>) {
    let id = QUEUE.with_borrow_mut(|queue| {
        queue.next_id += 1;
        queue.next_id - 1
    });
    let reason = "the browser could not open it".to_owned();
    let status = ArcRwSignal::new(Status::Refused { reason });
    uploads.update(|list| {
        list.push(Upload {
            id,
            name,
            bytes: 0,
            status,
        })
    });
}

fn send_waiting() {
    loop {
        let next = QUEUE.with_borrow_mut(|queue| {
            if queue.sending >= AT_ONCE {
                return None;
            }
            let id = queue.waiting.pop_front()?;
            let (file, status) = queue.files.get(&id)?.clone();
            queue.sending += 1;
            Some((id, file, status))
        });
        let Some((id, file, status)) = next else { return };
        spawn_local(async move {
            status.set(Status::Sending(0));
            let (code, body) = send(&file, &status).await;
            let outcome = status_of(code, &body);
            QUEUE.with_borrow_mut(|queue| {
                queue.sending -= 1;
                if !matches!(outcome, Status::NotSent { .. }) {
                    queue.files.remove(&id);
                }
            });
            status.set(outcome);
            send_waiting();
        });
    }
}

/// Sends one file as a raw body. The HTTP status, 0 where no answer came, and the answer's text.
async fn send(file: &web_sys::File, status: &ArcRwSignal<Status>) -> (u16, String) {
    let Ok(request) = web_sys::XmlHttpRequest::new() else {
        return (0, String::new());
    };
    let prepared = request
        .open_with_async("POST", "/upload/file", true)
        .and_then(|()| request.set_request_header("X-File-Name", &encode(&file.name())))
        .and_then(|()| request.set_request_header("Content-Type", "application/octet-stream"));
    if prepared.is_err() {
        return (0, String::new());
    }
    let progressed = status.clone();
    let progress = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        if let Ok(event) = event.dyn_into::<web_sys::ProgressEvent>()
            && event.total() > 0.0
        {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            progressed.set(Status::Sending((event.loaded() / event.total() * 100.0) as u8));
        }
    });
    if let Ok(upload) = request.upload() {
        upload.set_onprogress(Some(progress.as_ref().unchecked_ref()));
    }
    let finished = js_sys::Promise::new(&mut |resolve, _| request.set_onloadend(Some(&resolve)));
    if request.send_with_opt_blob(Some(file)).is_err() {
        return (0, String::new());
    }
    let _ = JsFuture::from(finished).await;
    (
        request.status().unwrap_or(0),
        request.response_text().ok().flatten().unwrap_or_default(),
    )
}

/// Takes the files of an input and empties it, so that the same file may be chosen again.
pub fn take_input(event: &ev::Event, uploads: RwSignal<Vec<Upload>>) {
    let Some(input) = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok())
    else {
        return;
    };
    add(input.files().map(list).unwrap_or_default(), uploads);
    input.set_value("");
}

fn list(files: web_sys::FileList) -> Vec<web_sys::File> {
    (0..files.length()).filter_map(|index| files.get(index)).collect()
}

/// Takes dropped files, and the files of dropped folders with all that is in them.
pub fn take_drop(event: &ev::DragEvent, uploads: RwSignal<Vec<Upload>>) {
    let Some(transfer) = event.data_transfer() else { return };
    let items = transfer.items();
    // The list of items is gone as soon as this event is over, so the entries are taken now.
    let entries: Vec<web_sys::FileSystemEntry> = (0..items.length())
        .filter_map(|index| items.get(index))
        .filter_map(|item| item.webkit_get_as_entry().ok().flatten())
        .collect();
    if entries.is_empty() {
        add(transfer.files().map(list).unwrap_or_default(), uploads);
        return;
    }
    spawn_local(async move {
        let mut open = entries;
        while let Some(entry) = open.pop() {
            if entry.is_file() {
                let name = entry.name();
                let entry: web_sys::FileSystemFileEntry = entry.unchecked_into();
                let file = js_sys::Promise::new(&mut |resolve, reject| {
                    entry.file_with_callback_and_callback(&resolve, &reject);
                });
                match JsFuture::from(file).await {
                    Ok(file) => add(vec![file.unchecked_into()], uploads),
                    Err(_) => add_unreadable(name, uploads),
                }
            } else if entry.is_directory() {
                let name = entry.name();
                let reader = entry
                    .unchecked_into::<web_sys::FileSystemDirectoryEntry>()
                    .create_reader();
                // A reader gives a folder in portions; an empty one is the end.
                loop {
                    let mut called = Ok(());
                    let portion = js_sys::Promise::new(&mut |resolve, reject| {
                        called = reader.read_entries_with_callback_and_callback(&resolve, &reject);
                    });
                    let portion = match called {
                        Ok(()) => JsFuture::from(portion).await,
                        Err(error) => Err(error),
                    };
                    let Ok(portion) = portion else {
                        add_unreadable(name, uploads);
                        break;
                    };
                    let portion: js_sys::Array = portion.unchecked_into();
                    if portion.length() == 0 {
                        break;
                    }
                    open.extend(portion.iter().map(JsValue::unchecked_into::<web_sys::FileSystemEntry>));
                }
            }
        }
    });
}

/// Sends again what did not get there.
pub fn send_again(uploads: RwSignal<Vec<Upload>>) {
    uploads.with_untracked(|uploads| {
        for upload in uploads {
            if matches!(upload.status.get_untracked(), Status::NotSent { .. }) {
                upload.status.set(Status::Waiting);
                QUEUE.with_borrow_mut(|queue| queue.waiting.push_back(upload.id));
            }
        }
    });
    send_waiting();
}
