use leptos::prelude::*;

use crate::words;

/// Where one is in a longer list, with links to the pages beside it. `href` gives the address of a zero-based page.
#[component]
pub fn Pager<F>(page: u32, per_page: u32, total: u64, href: F) -> impl IntoView
where
    F: Fn(u32) -> String,
{
    let per_page = u64::from(per_page.max(1));
    let first = u64::from(page) * per_page;
    let last = (first + per_page).min(total);
    let text = if total == 0 {
        "Nothing".to_owned()
    } else {
        format!(
            "{}–{} of {}",
            words::thousands(first + 1),
            words::thousands(last),
            words::thousands(total)
        )
    };
    let link = |show: bool, page: u32, class: &'static str, text: &'static str| {
        if show {
            view! { <a class=class href=href(page)>{text}</a> }.into_any()
        } else {
            view! { <span class=class aria-disabled="true">{text}</span> }.into_any()
        }
    };
    view! {
        <nav class="pager" aria-label="Pages">
            {link(page > 0, page.saturating_sub(1), "pager-previous", "Previous")}
            <span class="pager-where">{text}</span>
            {link(last < total, page.saturating_add(1), "pager-next", "Next")}
        </nav>
    }
    .into_any()
}
