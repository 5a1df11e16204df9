use leptos::ev::{self, DragEvent};
use leptos::prelude::*;
use leptos_meta::Title;

use crate::upload::{Status, Totals, Upload};
use crate::{Desk, browser, words};

/// Rows drawn at most; the totals always count every file.
const ROWS: usize = 500;

/// Files and folders from this computer to the server, two at a time, with the truth about each.
#[component]
pub fn UploadPage() -> impl IntoView {
    let Desk { uploads, ready, .. } = expect_context::<Desk>();
    let over = RwSignal::new(false);
    let folder = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| {
        if let Some(folder) = folder.get() {
            let _ = folder.set_attribute("webkitdirectory", "");
        }
    });
    let totals = Memo::new(move |_| {
        uploads.with(|uploads| {
            let statuses: Vec<Status> = uploads.iter().map(|upload| upload.status.get()).collect();
            Totals::of(statuses.iter())
        })
    });
    // Leaving the application while files are on their way would lose them in silence.
    Effect::new(move |_| {
        let handle = window_event_listener(ev::beforeunload, move |event| {
            if totals.try_get_untracked().is_some_and(|totals| totals.under_way > 0) {
                event.prevent_default();
            }
        });
        on_cleanup(move || handle.remove());
    });
    view! {
        <Title text="Upload"/>
        <div class="page upload">
            <h1>"Send x-rays"</h1>
            <p class="muted">
                "DICOM files, one by one or whole folders. A file counts as accepted once the server has it on its disk; "
                "its study appears in the worklist within seconds."
            </p>
            <noscript><p class="note">"Sending files from this page needs JavaScript. Scanners and archives can send by DICOM or STOW-RS."</p></noscript>
            <div
                class="drop"
                class:over=move || over.get()
                on:dragenter=move |event: DragEvent| {
                    event.prevent_default();
                    over.set(true);
                }
                on:dragover=move |event: DragEvent| {
                    event.prevent_default();
                    over.set(true);
                }
                on:dragleave=move |_| over.set(false)
                on:drop=move |event: DragEvent| {
                    event.prevent_default();
                    over.set(false);
                    browser::take_drop(&event, uploads);
                }
            >
                <p class="drop-title">"Drop files or folders here"</p>
                <div class="drop-buttons">
                    <label class="button">
                        "Choose files"
                        <input
                            id="choose-files"
                            class="hidden"
                            type="file"
                            multiple
                            disabled=move || !ready.get()
                            on:change=move |event| browser::take_input(&event, uploads)
                        />
                    </label>
                    <label class="button">
                        "Choose a folder"
                        <input
                            id="choose-folder"
                            class="hidden"
                            type="file"
                            multiple
                            node_ref=folder
                            disabled=move || !ready.get()
                            on:change=move |event| browser::take_input(&event, uploads)
                        />
                    </label>
                </div>
            </div>
            <TotalsLine totals uploads/>
            <Show when=move || uploads.with(Vec::is_empty)>
                <div class="ways">
                    <section class="card">
                        <h2>"What happens to a file"</h2>
                        <p>
                            "Each file gets its own answer: accepted, already there, or refused with the reason. A few seconds after its "
                            "last image a study counts as complete and is analysed."
                        </p>
                    </section>
                    <section class="card">
                        <h2>"From a scanner or an archive"</h2>
                        <p>"By DICOM (C-STORE) to this server's listener, or by STOW-RS to " <code>"/dicomweb/studies"</code> "."</p>
                    </section>
                    <section class="card">
                        <h2>"On the server"</h2>
                        <p><code>"shenton import"</code> " takes files and folders."</p>
                    </section>
                </div>
            </Show>
            <Show when=move || uploads.with(|uploads| !uploads.is_empty())>
                <div class="scroll" tabindex="0" role="region" aria-label="Files">
                    <table class="list uploads">
                        <caption class="hidden">"Files, newest first"</caption>
                        <thead>
                            <tr>
                                <th scope="col">"State"</th>
                                <th scope="col">"File"</th>
                                <th scope="col" class="number">"Size"</th>
                                <th scope="col">"What happened"</th>
                            </tr>
                        </thead>
                        <tbody>
                            <For
                                each=move || {
                                    uploads.with(|uploads| uploads.iter().rev().take(ROWS).cloned().collect::<Vec<_>>())
                                }
                                key=|upload| upload.id
                                children=|upload| view! { <UploadLine upload/> }
                            />
                        </tbody>
                    </table>
                </div>
                {move || {
                    let more = uploads.with(Vec::len).saturating_sub(ROWS);
                    (more > 0)
                        .then(|| {
                            view! {
                                <p class="muted">{format!("{} not shown.", words::counted(more as u64, "earlier file", "earlier files"))}</p>
                            }
                        })
                }}
            </Show>
        </div>
    }
    .into_any()
}

#[component]
fn TotalsLine(totals: Memo<Totals>, uploads: RwSignal<Vec<Upload>>) -> impl IntoView {
    let text = move || {
        let totals = totals.get();
        if totals.files == 0 {
            return String::new();
        }
        let mut parts = vec![words::counted(totals.files as u64, "file", "files")];
        for (count, word) in [
            (totals.under_way, "on the way"),
            (totals.accepted, "accepted"),
            (totals.duplicate, "already there"),
            (totals.refused, "refused"),
            (totals.not_sent, "not sent"),
        ] {
            if count > 0 {
                parts.push(format!("{} {word}", words::thousands(count as u64)));
            }
        }
        parts.join(" · ")
    };
    view! {
        <div class="totals">
            <p role="status" class="totals-text">{text}</p>
            {move || {
                (totals.get().not_sent > 0)
                    .then(|| {
                        view! {
                            <button type="button" on:click=move |_| browser::send_again(uploads)>"Send again what was not sent"</button>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}

#[component]
fn UploadLine(upload: Upload) -> impl IntoView {
    let status = upload.status;
    let class = {
        let status = status.clone();
        move || format!("upload-{}", status.get().name())
    };
    let word = {
        let status = status.clone();
        move || match status.get() {
            Status::Sending(percent) => format!("Sending {percent} %"),
            other => other.words().to_owned(),
        }
    };
    let shape = {
        let status = status.clone();
        move || match status.get() {
            Status::Waiting => "M8 2a6 6 0 1 0 .01 0M8 4.5V8l2.5 2",
            Status::Sending(_) => "M8 13V3M4 7l4-4 4 4",
            Status::Accepted { .. } => "M2.5 8.5 6.5 12.5 13.5 4",
            Status::Duplicate { .. } => "M3 6h10M3 10h10",
            Status::Refused { .. } | Status::NotSent { .. } => "M3 3l10 10M13 3 3 13",
        }
    };
    let detail = move || match status.get() {
        Status::Waiting | Status::Sending(_) => ().into_any(),
        Status::Accepted { study } | Status::Duplicate { study } => {
            view! { <a href=format!("/study/{}", crate::query::encode(&study))>"Open the study"</a> }.into_any()
        }
        Status::Refused { reason } | Status::NotSent { reason } => view! { <span>{reason}</span> }.into_any(),
    };
    view! {
        <tr class=class>
            <td>
                <span class="label">
                    <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
                        <path d=shape fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/>
                    </svg>
                    <span>{word}</span>
                </span>
            </td>
            <td class="wrap">{upload.name}</td>
            <td class="number">{words::bytes(upload.bytes)}</td>
            <td class="wrap">{detail}</td>
        </tr>
    }
    .into_any()
}
