use domain::Timestamp;
use leptos::prelude::*;

use crate::{browser, words};

/// A moment: UTC as the server writes it, then the reader's own clock. The title always says UTC.
#[component]
pub fn When(at: Timestamp) -> impl IntoView {
    let text = RwSignal::new(words::utc(at));
    Effect::new(move |_| {
        if let Some(local) = browser::local_time(at) {
            text.set(local);
        }
    });
    view! { <time datetime=words::iso(at) title=words::utc(at)>{move || text.get()}</time> }
}
