use leptos::prelude::*;

use crate::words::NOTICE;

/// Stands on every page that shows a result.
#[component]
pub fn Notice() -> impl IntoView {
    view! {
        <p class="notice" role="note">
            <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
                <path d="M8 1.5 15 14H1z" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/>
                <path d="M8 6v4M8 11.5v1" stroke="currentColor" stroke-width="1.5"/>
            </svg>
            <strong>{NOTICE}</strong>
        </p>
    }
}
