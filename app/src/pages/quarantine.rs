use domain::{Page, QuarantineItem};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::api::audit::quarantine;
use crate::components::error_note::ErrorNote;
use crate::components::pager::Pager;
use crate::components::when::When;
use crate::query::{self, ROWS_A_PAGE};
use crate::{data, words};

/// The files that were refused, for the administrator.
#[component]
pub fn QuarantinePage() -> impl IntoView {
    let map = use_query_map();
    let page = Memo::new(move |_| map.with(query::page));
    let items = data::resource(move || page.get(), |page| quarantine(page, ROWS_A_PAGE));
    view! {
        <Title text="Quarantine"/>
        <div class="page">
            <h1>"Quarantine"</h1>
            <p class="muted">
                "Files that were refused. Their bytes are kept on the server, apart from the studies, so that the cause can be found."
            </p>
            <Transition fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match items.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(list) => view! { <Items list page=page.get_untracked()/> }.into_any(),
                    }
                })}
            </Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Items(list: Page<QuarantineItem>, page: u32) -> impl IntoView {
    if list.rows.is_empty() {
        return view! {
            <section class="note">
                <h2>"Nothing was refused"</h2>
                <p>"A file that is not DICOM, is cut short or cannot be taken for another reason would be listed here."</p>
            </section>
        }
        .into_any();
    }
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Refused files">
            <table class="list">
                <caption class="hidden">"Refused files, newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col" title="The clock of your computer; UTC shows when you point at a time">"Time (your clock)"</th>
                        <th scope="col">"File"</th>
                        <th scope="col">"Reason"</th>
                        <th scope="col">"Door"</th>
                        <th scope="col">"From"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col">"SHA-256"</th>
                    </tr>
                </thead>
                <tbody>
                    {list
                        .rows
                        .into_iter()
                        .map(|item| {
                            view! {
                                <tr>
                                    <td><When at=item.at/></td>
                                    <td class="wrap">{item.file_name}</td>
                                    <td class="wrap">{item.reason}</td>
                                    <td>{item.door}</td>
                                    <td>{item.from}</td>
                                    <td class="number">{words::bytes(item.bytes)}</td>
                                    <td><code class="hash">{item.sha256}</code></td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
        <Pager
            page
            per_page=ROWS_A_PAGE
            total=list.total
            href=|page| if page == 0 { "/quarantine".to_owned() } else { format!("/quarantine?page={}", page + 1) }
        />
    }
    .into_any()
}
