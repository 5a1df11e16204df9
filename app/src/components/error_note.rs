use leptos::prelude::*;

use crate::{AppError, browser};

/// What went wrong and what to do, in the place of what could not be shown.
#[component]
pub fn ErrorNote(error: AppError) -> impl IntoView {
    let signed_out = error == AppError::SignedOut;
    Effect::new(move |_| {
        if signed_out {
            browser::leave_for("/sign-in");
        }
    });
    view! {
        <section class="note note-error" role="alert">
            <h2>{error.title()}</h2>
            <p>{error.to_string()}</p>
            {match error {
                AppError::SignedOut => view! { <p><a href="/sign-in" rel="external">"Sign in"</a></p> }.into_any(),
                AppError::NotFound | AppError::Forbidden => view! { <p><a href="/">"Go to the worklist"</a></p> }.into_any(),
                // The empty address is the page's own; the server writes it anew.
                _ => view! { <p><a href="" rel="external">"Try again"</a></p> }.into_any(),
            }}
        </section>
    }
    .into_any()
}

/// The outcome of a form's last try, beside the form.
#[component]
pub fn FormError(#[prop(into)] error: Signal<Option<AppError>>) -> impl IntoView {
    view! {
        <p class="form-error" role="alert">
            {move || error.get().map(|error| error.to_string())}
        </p>
    }
}
