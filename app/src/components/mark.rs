//! Results and states as a shape and a word; colour only repeats what both say.

use domain::{ResultSummary, StudyState};
use leptos::prelude::*;

use crate::words;

/// The shape of a result: a full diamond, a dashed one, a ring, half a ring, a struck ring, three dots.
#[component]
pub fn ResultMark(result: ResultSummary) -> impl IntoView {
    let shape = match result {
        ResultSummary::Definite => view! { <path d="M8 1 15 8 8 15 1 8z" fill="currentColor"/> }.into_any(),
        ResultSummary::Doubtful => view! {
            <path d="M8 1.5 14.5 8 8 14.5 1.5 8z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="3 1.6"/>
        }
        .into_any(),
        ResultSummary::Negative => {
            view! { <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.5"/> }.into_any()
        }
        ResultSummary::Partial => view! {
            <g fill="none" stroke="currentColor" stroke-width="1.5">
                <path d="M8 3a5 5 0 0 0 0 10"/>
                <path d="M8 3a5 5 0 0 1 0 10" stroke-dasharray="1.6 2"/>
            </g>
        }
        .into_any(),
        ResultSummary::Excluded => view! {
            <g fill="none" stroke="currentColor" stroke-width="1.5">
                <circle cx="8" cy="8" r="6"/>
                <path d="M3.8 12.2 12.2 3.8"/>
            </g>
        }
        .into_any(),
        ResultSummary::Pending => view! {
            <g fill="currentColor">
                <circle cx="3" cy="8" r="1.4"/>
                <circle cx="8" cy="8" r="1.4"/>
                <circle cx="13" cy="8" r="1.4"/>
            </g>
        }
        .into_any(),
    };
    view! { <svg class=format!("mark result-{}", result.as_str()) viewBox="0 0 16 16" aria-hidden="true">{shape}</svg> }
}

/// A result: shape and words.
#[component]
pub fn ResultLabel(result: ResultSummary) -> impl IntoView {
    view! {
        <span class=format!("label result-{}", result.as_str())>
            <ResultMark result/>
            <span>{words::result(result)}</span>
        </span>
    }
}

/// A state: shape and words.
#[component]
pub fn StateLabel(state: StudyState) -> impl IntoView {
    let path = match state {
        StudyState::Receiving => "M8 2v8M4.5 7 8 10.5 11.5 7M3 14h10",
        StudyState::Waiting => "M8 2a6 6 0 1 0 .01 0M8 4.5V8l2.5 2",
        StudyState::Analysing => "M2 8h3l2-5 3 10 2-5h2",
        StudyState::Done => "M2.5 8.5 6.5 12.5 13.5 4",
        StudyState::Failed => "M3 3l10 10M13 3 3 13",
    };
    view! {
        <span class=format!("label state-{}", state.as_str())>
            <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
                <path d=path fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/>
            </svg>
            <span>{words::state(state)}</span>
        </span>
    }
}
