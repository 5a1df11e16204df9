use domain::{Role, SiteId, User};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::accounts::{accounts, create_account, set_disabled, set_password};
use crate::components::error_note::{ErrorNote, FormError};
use crate::components::when::When;
use crate::wire::NewAccount;
use crate::{Desk, SignedIn, data, words};

/// The accounts, for the administrator.
#[component]
pub fn AccountsPage() -> impl IntoView {
    let changed = RwSignal::new(0u32);
    let list = data::resource(move || changed.get(), |_| accounts());
    let session = expect_context::<SignedIn>().0;
    view! {
        <Title text="Accounts"/>
        <div class="page">
            <h1>"Accounts"</h1>
            <p class="muted">
                "Who may sign in. An account is never deleted, because the audit trail names it; it can be disabled, which also ends its sessions."
            </p>
            <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    let me = session.await.ok().flatten().map(|session| session.name).unwrap_or_default();
                    match list.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(users) => view! {
                            <Accounts users me changed/>
                            <NewAccountForm changed/>
                        }
                        .into_any(),
                    }
                })}
            </Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Accounts(users: Vec<User>, me: String, changed: RwSignal<u32>) -> impl IntoView {
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Accounts">
            <table class="list">
                <caption class="hidden">"Accounts"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col">"Site"</th>
                        <th scope="col">"Created"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Change"</th>
                    </tr>
                </thead>
                <tbody>
                    {users
                        .into_iter()
                        .map(|user| {
                            let own = user.name == me;
                            view! { <AccountLine user own changed/> }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn AccountLine(user: User, own: bool, changed: RwSignal<u32>) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let id = user.id;
    let disabled = user.disabled;
    let password = RwSignal::new(String::new());
    let toggle = Action::new(move |(): &()| async move {
        let result = set_disabled(id, !disabled).await;
        if result.is_ok() {
            changed.update(|count| *count += 1);
        }
        result
    });
    let renew = Action::new(move |(): &()| async move {
        let result = set_password(id, password.get_untracked()).await;
        if result.is_ok() {
            password.set(String::new());
        }
        result
    });
    let error = Signal::derive(move || {
        toggle
            .value()
            .get()
            .and_then(Result::err)
            .or_else(|| renew.value().get().and_then(Result::err))
    });
    let field = format!("password-{}", id.0);
    view! {
        <tr class:disabled=disabled>
            <td>{user.name.clone()}</td>
            <td>{words::role(user.role)}</td>
            <td>{user.site.0.clone()}</td>
            <td><When at=user.created_at/></td>
            <td>{if disabled { "Disabled" } else { "Enabled" }}</td>
            <td>
                <div class="row-actions">
                    <form
                        method="post"
                        on:submit=move |event: SubmitEvent| {
                            event.prevent_default();
                            renew.dispatch(());
                        }
                    >
                        <label class="hidden" for=field.clone()>{format!("New password for {}", user.name)}</label>
                        <input
                            id=field.clone()
                            type="password"
                            autocomplete="new-password"
                            placeholder="New password"
                            required
                            disabled=move || !ready.get()
                            prop:value=move || password.get()
                            on:input=move |event| password.set(event_target_value(&event))
                        />
                        <button type="submit" disabled=move || !ready.get() || renew.pending().get()>"Set"</button>
                    </form>
                    {(!own)
                        .then(|| {
                            view! {
                                <button
                                    type="button"
                                    disabled=move || !ready.get() || toggle.pending().get()
                                    on:click=move |_| {
                                        toggle.dispatch(());
                                    }
                                >
                                    {if disabled { "Enable" } else { "Disable" }}
                                </button>
                            }
                        })}
                    <span role="status">
                        {move || matches!(renew.value().get(), Some(Ok(()))).then_some("Password set.")}
                    </span>
                    <FormError error/>
                </div>
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn NewAccountForm(changed: RwSignal<u32>) -> impl IntoView {
    let ready = expect_context::<Desk>().ready;
    let name = RwSignal::new(String::new());
    let role = RwSignal::new(Role::Reader);
    let site = RwSignal::new("main".to_owned());
    let password = RwSignal::new(String::new());
    let create = Action::new(move |(): &()| async move {
        let result = create_account(NewAccount {
            name: name.get_untracked(),
            role: role.get_untracked(),
            site: SiteId(site.get_untracked()),
            password: password.get_untracked(),
        })
        .await;
        if result.is_ok() {
            changed.update(|count| *count += 1);
        }
        result
    });
    let error = Signal::derive(move || create.value().get().and_then(Result::err));
    let off = move || !ready.get() || create.pending().get();
    view! {
        <section class="card new-account">
            <h2>"New account"</h2>
            <form
                method="post"
                class="grid-form"
                on:submit=move |event: SubmitEvent| {
                    event.prevent_default();
                    create.dispatch(());
                }
            >
                <label for="new-name">"Name"</label>
                <input
                    id="new-name"
                    required
                    autocomplete="off"
                    disabled=off
                    prop:value=move || name.get()
                    on:input=move |event| name.set(event_target_value(&event))
                />
                <label for="new-role">"Role"</label>
                <select
                    id="new-role"
                    disabled=off
                    on:change=move |event| {
                        if let Some(chosen) = Role::parse(&event_target_value(&event)) {
                            role.set(chosen);
                        }
                    }
                >
                    <option value="reader" selected=true>"Reader: reads and answers the studies of every site"</option>
                    <option value="site">"Site: sends studies, sees its own site's results"</option>
                    <option value="administrator">"Administrator: everything, with accounts and audit"</option>
                </select>
                <label for="new-site">"Site"</label>
                <input
                    id="new-site"
                    value="main"
                    required
                    autocomplete="off"
                    disabled=off
                    on:input=move |event| site.set(event_target_value(&event))
                />
                <label for="new-password">"Password"</label>
                <input
                    id="new-password"
                    type="password"
                    required
                    autocomplete="new-password"
                    disabled=off
                    prop:value=move || password.get()
                    on:input=move |event| password.set(event_target_value(&event))
                />
                <FormError error/>
                <button type="submit" class="primary" disabled=off>"Create"</button>
            </form>
        </section>
    }
    .into_any()
}
