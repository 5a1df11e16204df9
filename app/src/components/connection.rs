use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::offline::{Line, Waiting};
use crate::{SignedIn, browser, words};

/// Says when there is no line, and what waits for it. Empty while all is well.
#[component]
pub fn Connection() -> impl IntoView {
    let line = expect_context::<Line>();
    let session = expect_context::<SignedIn>().0;
    let location = use_location();
    Effect::new(move |watching: Option<()>| {
        if watching.is_none() {
            line.watch();
        }
    });
    Effect::new(move |_| {
        let name = session.get().and_then(Result::ok).flatten().map(|session| session.name);
        if let Some(name) = &name {
            browser::say_account(name);
        }
        line.account.set(name);
    });
    Effect::new(move |_| {
        let address = format!("{}{}", location.pathname.get(), location.search.get());
        if line.account.with(Option::is_some) {
            browser::keep_page(&address);
        }
    });
    let sent = move || {
        line.mine()
            .into_iter()
            .filter(|waiting| waiting.refused.is_none())
            .count() as u64
    };
    let refused = move || {
        line.mine()
            .into_iter()
            .filter(|waiting| waiting.refused.is_some())
            .collect::<Vec<_>>()
    };
    let offline = move || {
        (!line.online.get()).then(|| {
            view! {
                <p>
                    <strong>"Offline. "</strong>
                    "The server cannot be reached. Studies opened in this session still work, as they were when they were opened."
                </p>
            }
        })
    };
    let waits = move || {
        let count = sent();
        (count > 0).then(|| {
            let what = words::counted(count, "answer waits", "answers wait");
            view! {
                <p class="line-waits">{format!("{what} here and will be sent when the server is back and you are signed in.")}</p>
            }
        })
    };
    view! {
        <section class="line-note" role="status" aria-label="Connection" class:shown=move || !line.online.get() || !line.mine().is_empty()>
            {offline}
            {waits}
            <For each=refused key=|waiting| waiting.answer.key.clone() children=move |waiting| view! { <Refused waiting line/> }/>
        </section>
    }
    .into_any()
}

/// An answer that the server does not take: its reader decides.
#[component]
fn Refused(waiting: Waiting, line: Line) -> impl IntoView {
    let key = waiting.answer.key.clone();
    let text = format!(
        "An answer given offline ({}: {}) was not accepted. {}",
        words::side(waiting.answer.side).to_lowercase(),
        waiting.answer.value.words(),
        waiting.refused.unwrap_or_default(),
    );
    let href = format!("/study/{}", crate::query::encode(waiting.answer.study_uid.as_str()));
    view! {
        <p>
            {text} " "
            <a href=href>"Open the study"</a>
            " "
            <button type="button" class="small" on:click=move |_| line.discard(&key)>"Discard this answer"</button>
        </p>
    }
}
