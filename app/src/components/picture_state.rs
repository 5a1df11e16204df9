use leptos::prelude::*;
use serde::Deserialize;

use crate::browser;

/// What the viewer says of a picture on its way.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Told {
    url: String,
    pub(super) state: String,
    received: u64,
    expected: Option<u64>,
}

/// Hears of every picture on the page, as long as the page is there.
pub(super) fn on_picture(hear: impl Fn(Told) + Clone + 'static) {
    Effect::new(move |_| {
        let hear = hear.clone();
        browser::on_picture(move |words| {
            if let Ok(told) = serde_json::from_str(&words) {
                hear(told);
            }
        });
    });
}

/// Whether the picture of an address is a preview or lossless, and what is still to come. Always shown.
#[component]
pub fn PictureState(#[prop(into)] url: Signal<String>) -> impl IntoView {
    let told = RwSignal::new(None::<Told>);
    on_picture(move |heard| {
        if url.try_get_untracked().as_ref() == Some(&heard.url) {
            told.try_set(Some(heard));
        }
    });
    let current = move || told.get().filter(|told| told.url == url.get());
    // How far it is changes ten times a second; a screen reader hears of each stage once.
    let stage = Memo::new(move |_| current().map_or("", |told| stage(&told.state)));
    view! {
        <span class="status-item picture-state" class:lossless=move || current().is_some_and(|told| told.state == "lossless")>
            <span class="muted">"Picture"</span>
            " "
            <span class="status-value">{move || current().map_or_else(|| "–".to_owned(), |told| words(&told))}</span>
        </span>
        <span class="hidden" role="status">{move || stage.get()}</span>
    }
    .into_any()
}

/// What is announced of a picture.
fn stage(state: &str) -> &'static str {
    match state {
        "preview" => "The picture is a preview",
        "lossless" => "The picture is lossless",
        "broken" => "The connection is lost, trying again",
        _ => "",
    }
}

fn words(told: &Told) -> String {
    let to_come = told.expected.map(|expected| {
        let percent = told.received * 100 / expected.max(1);
        format!("{percent} %, {} to come", size(expected.saturating_sub(told.received)))
    });
    match (told.state.as_str(), to_come) {
        ("lossless", _) => "lossless".to_owned(),
        ("gone", _) => "–".to_owned(),
        ("preview", Some(rest)) => format!("preview, {rest}"),
        ("preview", None) => "preview".to_owned(),
        ("broken", Some(rest)) => format!("preview, {rest}; the connection is lost, trying again"),
        ("broken", None) => "the connection is lost, trying again".to_owned(),
        (_, Some(rest)) => rest,
        (_, None) => "on its way".to_owned(),
    }
}

/// Bytes in the unit that a reader compares with a line.
fn size(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_always_said() {
        let check = |state: &str, received, expected, expect: &str| {
            let told = Told {
                url: String::new(),
                state: state.to_owned(),
                received,
                expected,
            };
            assert_eq!(words(&told), expect);
        };
        check("waiting", 0, None, "on its way");
        check("waiting", 50, Some(200), "25 %, 1 kB to come");
        check("preview", 1_000_000, Some(5_250_000), "preview, 19 %, 4.2 MB to come");
        check("lossless", 5, Some(5), "lossless");
        check("broken", 0, None, "the connection is lost, trying again");
    }

    #[test]
    fn a_stage_is_announced_without_a_number() {
        assert_ne!(stage("preview"), stage("lossless"));
        for state in ["waiting", "preview", "broken", "lossless", "gone"] {
            assert!(!stage(state).contains(|sign: char| sign.is_ascii_digit()), "{state}");
        }
    }
}
