//! Who else looks at a study.

use domain::StudyUid;
use leptos::prelude::*;

use crate::components::when::When;
use crate::{Desk, SignedIn};

/// An open eye.
#[component]
pub fn EyeMark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z" fill="none" stroke="currentColor" stroke-width="1.4"/>
            <circle cx="8" cy="8" r="2" fill="currentColor"/>
        </svg>
    }
}

/// Says on a study's page who else has the study open, and tells the others that this page has.
///
/// The page's event stream carries both: it is asked for with the study in [`Desk::reading`].
#[component]
pub fn AlsoReading(study: StudyUid) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let session = expect_context::<SignedIn>().0;
    desk.reading.set(Some(study.clone()));
    desk.last.set(Some(study.clone()));
    let gone = study.clone();
    on_cleanup(move || {
        // The next study's page may have put itself there already.
        if desk
            .reading
            .try_with_untracked(|reading| reading.as_ref() == Some(&gone))
            == Some(true)
        {
            desk.reading.try_set(None);
        }
    });
    // Nobody is named before the stream speaks, so that the first picture is the server's.
    let others = Memo::new(move |_| {
        let readers = desk.readers.get();
        if readers.is_empty() {
            return readers;
        }
        let me = session.get().and_then(Result::ok).flatten().map(|session| session.name);
        let is_other = |by: &crate::wire::ReadBy| by.study == study && me.as_ref() != Some(&by.name);
        readers.into_iter().filter(is_other).collect()
    });
    view! {
        <div class="also-reading" role="status">
            {move || {
                others
                    .get()
                    .into_iter()
                    .map(|by| {
                        view! {
                            <p class="reading-by">
                                <EyeMark/>
                                <span><strong>{by.name}</strong> " has this study open since " <When at=by.since/></span>
                            </p>
                        }
                    })
                    .collect_view()
            }}
        </div>
    }
    .into_any()
}
