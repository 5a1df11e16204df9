use leptos::prelude::*;
use leptos_meta::Title;

/// For an address that no page has.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="Not found"/>
        <section class="note">
            <h1>"There is no such page"</h1>
            <p>"The address may be mistyped, or the page may have moved."</p>
            <p><a href="/">"Go to the worklist"</a></p>
        </section>
    }
    .into_any()
}
