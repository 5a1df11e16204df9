use domain::ResultSummary;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::session::models;
use crate::components::error_note::ErrorNote;
use crate::components::mark::ResultLabel;
use crate::components::notice::Notice;
use crate::components::presence::EyeMark;
use crate::wire::ModelCard;
use crate::{data, words};

/// What the system is, how it reads, and which networks it holds.
#[component]
pub fn AboutPage() -> impl IntoView {
    let cards = data::resource(|| (), |()| models());
    view! {
        <Title text="About"/>
        <div class="page">
            <h1>"About Shenton"</h1>
            <Notice/>
            <div class="prose">
                <p>
                    "Shenton looks for fractures of the proximal femur on frontal x-rays of the pelvis. "
                    "It is a research system. It does not replace a radiologist, and no decision about a patient may rest on it."
                </p>
                <h2>"How a study is read"</h2>
                <ol>
                    <li>"The frontal gate looks at every image. What is not a frontal x-ray of the pelvis is set aside, and the page says so."</li>
                    <li>"The localiser finds both necks of femur."</li>
                    <li>"The metal gate looks at each hip. A hip with metal is set aside."</li>
                    <li>"The fracture network gives each remaining hip a score between 0 and 1, and says where the fracture would be."</li>
                </ol>
                <h2>"What the marks mean"</h2>
                <dl class="legend">
                    {[
                        (ResultSummary::Definite, "A score above the higher threshold. A solid box on the picture."),
                        (ResultSummary::Doubtful, "A score between the two thresholds: look again. A dashed box."),
                        (ResultSummary::Negative, "A score below the lower threshold. A thin grey box."),
                        (ResultSummary::Partial, "The hips that were read show no fracture; another was set aside, or an image failed. Look yourself."),
                        (ResultSummary::Excluded, "Metal, another view, or no hip found: there is no score. Look yourself."),
                        (ResultSummary::Pending, "Not analysed yet, or the analysis failed: the state says which."),
                    ]
                        .into_iter()
                        .map(|(result, text)| view! { <dt><ResultLabel result/></dt><dd>{text}</dd> })
                        .collect_view()}
                    <dt><EyeMark/> " a name"</dt>
                    <dd>"Somebody has the study open at this moment."</dd>
                </dl>
                <p>
                    "Two thresholds divide the scores. Above the higher one a hip is marked as definite, with a solid box; between "
                    "the two as doubtful, with a dashed box; below the lower one no fracture was seen, with a thin grey box. "
                    "A hip that was set aside has no score at all: it was not read, which is not the same as no fracture."
                </p>
                <h2>"Sides, dates and numbers"</h2>
                <p>
                    "Right and left are always the patient's, as the letters R and L on the picture. Dates are year, month, day. "
                    "A study's own time is the clock of the place that made it; every other time is the clock of your computer, "
                    "and the time in UTC shows when you point at it. Scores go from 0 to 1 and are no probabilities."
                </p>
                <h2>"The order of the worklist"</h2>
                <p>
                    "Unanswered studies stand before answered ones; among these, suspected fractures before doubtful ones, then what "
                    "could not be analysed, what was set aside, and what was read without a fracture. Within each, the higher score first."
                </p>
            </div>
            <h2>"Networks"</h2>
            <Suspense fallback=|| view! { <p class="loading">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match cards.await {
                        Err(error) => view! { <ErrorNote error/> }.into_any(),
                        Ok(cards) => view! { <Models cards/> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
    .into_any()
}

#[component]
fn Models(cards: Vec<ModelCard>) -> impl IntoView {
    if cards.is_empty() {
        return view! { <p class="note">"No networks are installed on this server."</p> }.into_any();
    }
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Networks of this server">
            <table class="list models">
                <caption class="hidden">"Networks of this server"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Network"</th>
                        <th scope="col">"Name"</th>
                        <th scope="col" class="number">"Parameters"</th>
                        <th scope="col">"SHA-256 of the weights"</th>
                        <th scope="col">"Training"</th>
                    </tr>
                </thead>
                <tbody>
                    {cards
                        .into_iter()
                        .map(|card| {
                            view! {
                                <tr>
                                    <td>{words::network(&card.network).to_owned()}</td>
                                    <td>{card.name}</td>
                                    <td class="number">{words::thousands(card.parameters)}</td>
                                    <td><code class="hash">{card.sha256}</code></td>
                                    <td class="wrap">{card.training}</td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}
