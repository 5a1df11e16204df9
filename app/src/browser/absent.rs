use domain::Timestamp;
use leptos::ev;
use leptos::prelude::RwSignal;

use crate::upload::Upload;

pub fn is_typing(_: &ev::KeyboardEvent) -> bool {
    false
}

pub fn is_on_control(_: &ev::MouseEvent) -> bool {
    false
}

pub fn focus(_: &str) {}

pub fn focus_is_in(_: &str) -> bool {
    false
}

pub fn focused_attribute(_: &str, _: &str) -> Option<String> {
    None
}

pub fn blur() {}

pub fn click(_: &str) {}

pub fn reveal(_: &str) {}

pub fn scrolled(_: &str) -> Option<(f64, f64)> {
    None
}

pub fn scroll_to(_: &str, _: f64) {}

pub fn height_of(_: &str) -> Option<f64> {
    None
}

pub fn set_height(_: &str, _: f64) {}

pub fn leave_for(_: &str) {}

pub fn toggle_theme() {}

pub fn local_time(_: Timestamp) -> Option<String> {
    None
}

pub fn on_change(_: RwSignal<bool>, _: impl Fn() -> bool + 'static, _: impl Fn(String) + 'static) {}

pub fn take_input(_: &ev::Event, _: RwSignal<Vec<Upload>>) {}

pub fn take_drop(_: &ev::DragEvent, _: RwSignal<Vec<Upload>>) {}

pub fn send_again(_: RwSignal<Vec<Upload>>) {}

pub fn on_picture(_: impl Fn(String) + 'static) {}

pub fn watch_line(_: RwSignal<bool>) {}

pub fn say_account(_: &str) {}

pub fn keep_page(_: &str) {}

pub fn stored(_: &str) -> Option<String> {
    None
}

pub fn store(_: &str, _: &str) -> bool {
    false
}

pub fn on_stored(_: impl Fn() + 'static) {}

pub fn now_and_then(_: impl Fn() + 'static) {}

pub fn now() -> Option<i64> {
    None
}

pub fn new_key() -> String {
    String::new()
}
