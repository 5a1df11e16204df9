use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// A plain form: it works before, and without, any script.
#[component]
pub fn SignInPage() -> impl IntoView {
    let query = use_query_map();
    let failed = move || {
        query
            .with(|query| query.get("failed"))
            .map(|failed| match failed.as_str() {
                "wait" => "Too many tries. Wait a minute, then try again.",
                _ => "The name or the password is wrong, or the account is disabled.",
            })
    };
    view! {
        <Title text="Sign in"/>
        <section class="sign-in">
            <h1>"Sign in"</h1>
            <p class="muted">"Shenton reads hip x-rays for suspected fractures of the neck of femur."</p>
            <form method="post" action="/sign-in">
                <label for="name">"Name"</label>
                <input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus/>
                <label for="password">"Password"</label>
                <input id="password" name="password" type="password" autocomplete="current-password" required/>
                {move || failed().map(|text| view! { <p class="form-error" role="alert">{text}</p> })}
                <button type="submit" class="primary">"Sign in"</button>
            </form>
            <p class="muted">"No account, or a forgotten password: ask the administrator of this server."</p>
        </section>
    }
    .into_any()
}
