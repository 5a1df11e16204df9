use domain::SopUid;
use leptos::prelude::*;

use super::picture_state::on_picture;
use crate::query;

/// Whether a picture on the page has come whole, or never will: until then thumbnails leave it the line.
pub fn line_is_free() -> RwSignal<bool> {
    let is_free = RwSignal::new(false);
    on_picture(move |told| {
        if matches!(told.state.as_str(), "lossless" | "gone") {
            is_free.try_set(true);
        }
    });
    is_free
}

/// An image made small, beside the words that say what it is; an empty frame until the line is free, and where there is
/// no picture.
#[component]
pub fn Thumbnail(sop_uid: SopUid, line_is_free: RwSignal<bool>) -> impl IntoView {
    let address = format!("/frames/{}/thumbnail", query::encode(sop_uid.as_str()));
    let is_absent = RwSignal::new(false);
    view! {
        <span class="thumbnail">
            {move || {
                (line_is_free.get() && !is_absent.get()).then(|| {
                    view! {
                        <img src=address.clone() alt="" loading="lazy" decoding="async" on:error=move |_| is_absent.set(true)/>
                    }
                })
            }}
        </span>
    }
    .into_any()
}
