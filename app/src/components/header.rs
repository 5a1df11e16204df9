use leptos::prelude::*;
use leptos_router::components::A;

use crate::wire::Session;
use crate::{Desk, SignedIn, browser, words};

/// The product's name, the pages of this role, and who is signed in.
#[component]
pub fn Header() -> impl IntoView {
    let session = expect_context::<SignedIn>().0;
    view! {
        <header class="bar">
            <a class="brand" href="/">
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    <circle cx="8.5" cy="7.5" r="4.5" fill="none" stroke="currentColor" stroke-width="2"/>
                    <path d="M11.5 11 17 14.5V22M17 14.5 19.5 12" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>
                </svg>
                <span>"Shenton"</span>
            </a>
            <Suspense>
                {move || Suspend::new(async move {
                    match session.await {
                        Ok(Some(session)) => view! { <SignedInBar session/> }.into_any(),
                        _ => view! { <span class="bar-space"></span> }.into_any(),
                    }
                })}
            </Suspense>
            <ThemeButton/>
        </header>
    }
    .into_any()
}

#[component]
fn SignedInBar(session: Session) -> impl IntoView {
    let administrator = session.is_administrator();
    let may_review = session.may_answer();
    view! {
        <nav class="bar-nav" aria-label="Main">
            <A href="/" exact=true>"Worklist"</A>
            <A href="/upload">"Upload"</A>
            {may_review.then(|| view! { <A href="/cohorts">"Cohorts"</A> })}
            {administrator
                .then(|| {
                    view! {
                        <A href="/audit">"Audit"</A>
                        <A href="/quarantine">"Quarantine"</A>
                        <A href="/accounts">"Accounts"</A>
                    }
                })}
            <A href="/about">"About"</A>
        </nav>
        <div class="bar-who">
            <span class="bar-name">{session.name.clone()}</span>
            <span class="bar-role">{format!("{} · {}", words::role(session.role), session.site)}</span>
            <form method="post" action="/sign-out">
                <button type="submit" class="quiet">"Sign out"</button>
            </form>
        </div>
    }
    .into_any()
}

#[component]
fn ThemeButton() -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    view! {
        <button
            type="button"
            class="quiet theme"
            title="Dark or light"
            aria-label="Change between the dark and the light theme"
            disabled=move || !ready.get()
            on:click=move |_| browser::toggle_theme()
        >
            <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
                <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5"/>
                <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/>
            </svg>
        </button>
    }
}
