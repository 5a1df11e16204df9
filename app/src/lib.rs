#![doc = include_str!("../README.md")]
#![recursion_limit = "512"]

#[cfg(all(feature = "ssr", feature = "hydrate"))]
compile_error!("`ssr` is the server's half and `hydrate` the browser's: one build never holds both");

pub mod api;
#[cfg(feature = "ssr")]
pub mod backend;
mod browser;
pub mod components;
pub mod data;
pub mod error;
pub mod offline;
pub mod pages;
pub mod query;
pub mod upload;
pub mod viewer;
pub mod wire;
pub mod words;

use domain::StudyUid;
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::SsrMode;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;

use components::connection::Connection;
use components::header::Header;
pub use error::AppError;
use upload::Upload;
use wire::{ReadBy, Session};

/// The document around [`App`], written by the server alone.
///
/// The stylesheet is `shenton.css` in the bundle's folder; scripts carry the nonce of the response.
#[cfg(feature = "ssr")]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    use leptos_meta::MetaTags;

    let theme = theme_of_request();
    let stylesheet = format!("/{}/shenton.css", options.site_pkg_dir);
    let icon = format!("/{}/favicon.svg", options.site_pkg_dir);
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="robots" content="noindex"/>
                <link rel="icon" type="image/svg+xml" href=icon/>
                <link rel="stylesheet" href=stylesheet/>
                <AutoReload options=options.clone() disable_watch=true/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// The theme that the reader chose, from the cookie, so that the first picture of a page has it already.
#[cfg(feature = "ssr")]
fn theme_of_request() -> Option<&'static str> {
    let parts = use_context::<http::request::Parts>()?;
    let cookies = parts.headers.get_all(http::header::COOKIE);
    let mut pairs = cookies
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.find_map(|pair| match pair.trim() {
        "theme=light" => Some("light"),
        "theme=dark" => Some("dark"),
        _ => None,
    })
}

/// What outlives a page in one browser tab. [`App`] owns it.
#[derive(Clone, Copy)]
pub struct Desk {
    /// The text in the worklist's search box. It may be a patient's name, so it stays out of the address.
    pub search: RwSignal<String>,
    /// The files given to the upload page, also while another page is open.
    pub uploads: RwSignal<Vec<Upload>>,
    /// Who has which study open, as the event stream says.
    pub readers: RwSignal<Vec<ReadBy>>,
    /// The study that the page shows.
    pub reading: RwSignal<Option<StudyUid>>,
    /// The study that was shown last: where the worklist's cursor stands on the way back.
    pub last: RwSignal<Option<StudyUid>>,
    /// True once the page answers to clicks and keys.
    pub ready: RwSignal<bool>,
}

/// Who is signed in; asked once for each load of a page.
#[derive(Clone, Copy)]
pub struct SignedIn(pub Resource<Result<Option<Session>, AppError>, data::Bytes>);

/// The application: header, routes, pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let desk = Desk {
        search: RwSignal::default(),
        uploads: RwSignal::default(),
        readers: RwSignal::default(),
        reading: RwSignal::default(),
        last: RwSignal::default(),
        ready: RwSignal::new(false),
    };
    provide_context(desk);
    provide_context(offline::Line::default());
    Effect::new(move |_| desk.ready.set(true));
    provide_context(SignedIn(data::resource(|| (), |()| api::session::session())));

    view! {
        <Title formatter=|text: String| if text.is_empty() { "Shenton".to_owned() } else { format!("{text} · Shenton") }/>
        <Router>
            <a class="skip" href="#main" rel="external">"Skip to the content"</a>
            <Header/>
            <Connection/>
            <main id="main" tabindex="-1" data-ready=move || desk.ready.get().then_some("true")>
                <FlatRoutes fallback=|| view! { <pages::not_found::NotFoundPage/> }.into_any()>
                    <Route path=path!("/") view=pages::worklist::WorklistPage ssr=SsrMode::Async/>
                    <Route path=path!("/study/:study_uid") view=pages::Study ssr=SsrMode::Async/>
                    <Route path=path!("/upload") view=pages::Office::Upload ssr=SsrMode::Async/>
                    <Route path=path!("/audit") view=pages::Office::Audit ssr=SsrMode::Async/>
                    <Route path=path!("/quarantine") view=pages::Office::Quarantine ssr=SsrMode::Async/>
                    <Route path=path!("/accounts") view=pages::Office::Accounts ssr=SsrMode::Async/>
                    <Route path=path!("/cohorts") view=pages::Office::Cohorts ssr=SsrMode::Async/>
                    <Route path=path!("/cohorts/:name") view=pages::Office::Cohort ssr=SsrMode::Async/>
                    <Route path=path!("/cohorts/:name/review") view=pages::Office::Review ssr=SsrMode::Async/>
                    <Route path=path!("/about") view=pages::Office::About ssr=SsrMode::Async/>
                    <Route path=path!("/sign-in") view=pages::sign_in::SignInPage ssr=SsrMode::Async/>
                </FlatRoutes>
            </main>
        </Router>
    }
}
