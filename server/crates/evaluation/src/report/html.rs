//! `report.html`: one file, with its figures and pictures inside. maud escapes every text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Figures;
use crate::figures::LOCATIONS;
use crate::metrics::Estimate;
use crate::paper::{self, Quoted};
use crate::summary::{
    BarResult, Gate, LEAST, Localiser, Metrics, Missed, RESAMPLES, Rate, Row, SEED, Subgroup, location_name, side_name,
};
use crate::test_set::{BarFigure, Data, GalleryPicture, TestSet};
use crate::text;

pub fn page(set: &TestSet, metrics: &Metrics, figures: &Figures) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (metrics.title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                h1 { (metrics.title) }
                (banner(&metrics.data))
                (tested(metrics))
                (bars(&metrics.bars))
                (areas(metrics))
                (whole(metrics))
                (half(metrics))
                (gates(metrics))
                (drawings(metrics, figures))
                (locations(metrics, figures))
                (subgroups(&metrics.subgroups))
                (missed(metrics))
                (gallery(set))
                (how(metrics))
            }
        }
    }
    .into_string()
}

fn banner(data: &Data) -> Markup {
    let simulated = match (data.training_simulated, data.test_simulated) {
        (true, true) => Some("Trained and tested on simulated x-rays: no figure here is a clinical one."),
        (false, true) => Some("Tested on simulated x-rays: no figure here is a clinical one."),
        (true, false) => Some("Trained on simulated x-rays."),
        (false, false) => None,
    };
    html! {
        div .banner .real[simulated.is_none()] {
            @if let Some(text) = simulated { strong { (text) } " " }
            "Not a medical device; for research alone."
        }
    }
}

fn n(value: u64) -> Markup {
    html! { td .n { (text::count(value)) } }
}

fn cell(content: &str) -> Markup {
    html! { td .n .small[content == text::TOO_SMALL] { (content) } }
}

/// A rate with its interval, and its counts beneath.
fn rate(rate: &Rate) -> Markup {
    let found = text::rate(rate);
    html! {
        td .n .small[found == text::TOO_SMALL] { (found) span .of { (text::fraction(rate)) } }
    }
}

fn known(estimate: Option<&Estimate>) -> Markup {
    cell(&estimate.map_or_else(|| "–".to_owned(), text::estimate))
}

fn threshold(value: Option<f32>) -> Markup {
    cell(&value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}")))
}

/// Quoted rows, with empty cells before and after theirs.
fn quoted<const N: usize>(rows: &[Quoted<N>], before: usize, after: usize) -> Markup {
    html! {
        @for (i, (name, cells)) in rows.iter().enumerate() {
            tr .quoted .first[i == 0] {
                th scope="row" { (name) }
                @for _ in 0..before { td {} }
                @for value in cells { td .n { (value) } }
                @for _ in 0..after { td {} }
            }
        }
    }
}

fn tested(metrics: &Metrics) -> Markup {
    let flow = &metrics.flow;
    let part = |k: u64, of: u64| {
        let percent = 100.0 * k as f64 / of.max(1) as f64;
        format!("{percent:.1} %")
    };
    html! {
        h2 { "What was tested, and on what" }
        table {
            tbody {
                tr { th scope="row" { "Trained on" } td { (metrics.data.trained_on) } }
                tr { th scope="row" { "Tested on" } td { (metrics.data.tested_on) } }
                tr {
                    th scope="row" { "Operating points chosen on" }
                    td {
                        (metrics.operating_points.chosen_on)
                        @if !metrics.operating_points.chosen_on.is_empty() { "; " }
                        (format!(
                            "high sensitivity {:.3}, high precision {:.3}",
                            metrics.operating_points.high_sensitivity, metrics.operating_points.high_precision
                        ))
                    }
                }
                @for model in &metrics.model {
                    tr { th scope="row" { "Weights: " (model.name) } td .mono { (model.sha256) } }
                }
            }
        }
        @for note in &metrics.data.notes { p { (note) } }
        table {
            caption { "Pictures and hips" }
            tbody {
                tr { th scope="row" { "Pictures at the frontal gate" } (n(flow.images)) }
                tr { th scope="row" { "– of them frontal pelves" } (n(flow.frontal_images)) }
                tr { th scope="row" { "Hips" } (n(flow.hips)) }
                tr { th scope="row" { "– of patients" } (n(flow.patients)) }
                tr { th scope="row" { "– with metal, which count for the metal gate alone" } (n(flow.metal)) }
                tr {
                    th scope="row" {
                        "– without a score (" (text::count(flow.unscored_fractures)) " of them fractured)"
                    }
                    (n(flow.unscored))
                }
                tr { th scope="row" { strong { "Hips that the fracture figures are about" } } (n(flow.analysed)) }
                tr {
                    th scope="row" {
                        "– fractured (" (part(flow.analysed_fractures, flow.analysed)) " of the hips)"
                    }
                    (n(flow.analysed_fractures))
                }
                tr {
                    th scope="row" {
                        "– fractured patients (" (part(flow.fractured_patients, flow.analysed_patients))
                        " of " (text::count(flow.analysed_patients)) ")"
                    }
                    (n(flow.fractured_patients))
                }
            }
        }
        @if !flow.set_aside.is_empty() {
            table {
                caption { "Hips without metal of which the pipeline makes no call" }
                thead { tr {
                    th { "Reason" } th .n { "Hips" } th .n { "Fractured" } th .n { "Scored all the same" }
                } }
                tbody {
                    @for aside in &flow.set_aside {
                        tr { th scope="row" { (aside.reason) } (n(aside.hips)) (n(aside.fractures)) (n(aside.scored)) }
                    }
                }
            }
            p .note {
                "Hips scored all the same count in the fracture figures, so that no stage hides another's errors."
            }
        }
    }
}

fn bars(bars: &[BarResult]) -> Markup {
    if bars.is_empty() {
        return html! {};
    }
    html! {
        h2 { "Bars set before the test" }
        table {
            thead { tr {
                th { "Figure" } th .n { "At least" } th .n { "Found" } th .n { "Difference" } th { "Met" }
            } }
            tbody {
                @for BarResult { bar, found } in bars {
                    tr {
                        th scope="row" { (match bar.figure {
                            BarFigure::Auc => "AUC, fracture network",
                            BarFigure::FrontalAuc => "AUC, frontal gate",
                            BarFigure::MetalAuc => "AUC, metal gate",
                            BarFigure::Coverage => "Coverage by the localiser",
                            BarFigure::Jaccard => "Mean Jaccard index of the localiser",
                        }) }
                        td .n { (format!("{:.3}", bar.least)) }
                        @match found {
                            Some(found) => {
                                td .n { (text::part(*found, 4)) }
                                td .n { (format!("{:+.4}", found - bar.least)) }
                                @if *found >= bar.least { td { "yes" } } @else { td .missed { "no" } }
                            }
                            None => { td .n { "–" } td .n { "–" } td .missed { "not measured" } }
                        }
                    }
                }
            }
        }
    }
}

fn areas(metrics: &Metrics) -> Markup {
    html! {
        h2 { "Area under the ROC curve" }
        table {
            thead { tr {
                th {} th .n { "Fractured" } th .n { "Not fractured" } th .n { "AUC (95 % interval)" }
            } }
            tbody {
                tr {
                    th scope="row" { "All analysed hips" }
                    (n(metrics.auc.positives)) (n(metrics.auc.negatives)) (cell(&text::area(&metrics.auc)))
                }
                @if let Some(visible) = &metrics.auc_visible {
                    tr {
                        th scope="row" { "Without fractures that cannot be seen (visibility below 0.1)" }
                        (n(visible.positives)) (n(visible.negatives)) (cell(&text::area(visible)))
                    }
                }
                @if let Some(found) = &metrics.matched {
                    @let enough = (found.fractures.min(found.others) as u64) >= LEAST;
                    @let auc = |e: &Estimate| if enough { text::auc(e) } else { text::TOO_SMALL.to_owned() };
                    tr {
                        th scope="row" { "Hips that can be matched, plain" }
                        (n(found.fractures as u64)) (n(found.others as u64)) (cell(&auc(&found.plain)))
                    }
                    tr {
                        th scope="row" { "The same, matched by " (metrics.matched_by.join(", ")) }
                        (n(found.fractures as u64)) (n(found.others as u64)) (cell(&auc(&found.auc)))
                    }
                }
                tr .quoted .first {
                    th scope="row" { (paper::SOURCE) }
                    td {} td {} td .n { (paper::AUC) }
                }
            }
        }
        @match &metrics.matched {
            Some(found) => p .note {
                "Matching compares hips with and without a fracture of the same stratum only ("
                (text::count(found.strata as u64))
                " strata); " (text::count(found.unmatched as u64)) " fractures have fewer than two hips without one in "
                "their stratum and are left out of both lower rows. A matched AUC well below the plain one says that "
                "the network leans on who was imaged, where and how."
            },
            None => p .note {
                "No matched AUC: " @if metrics.matched_by.is_empty() {
                    "no age, sex, scanner or department is known."
                } @else { "too few fractures have hips without one in their stratum." }
            },
        }
        p .note { (paper::SIZES) }
    }
}

fn rows(rows: &[Row], quoted: &Markup, caption: &str) -> Markup {
    html! {
        div .scroll { table {
            caption { (caption) }
            thead { tr {
                th {} th .n { "Threshold" } th .n { "Accuracy" } th .n { "Precision" } th .n { "Recall" } th .n { "F1" }
            } }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (row.name) }
                        (threshold(row.threshold))
                        (rate(&row.accuracy)) (rate(&row.precision)) (rate(&row.recall)) (known(row.f1.as_ref()))
                    }
                }
                (quoted)
            }
        } }
    }
}

fn whole(metrics: &Metrics) -> Markup {
    let human = metrics.whole.iter().find(|r| r.threshold.is_none());
    let analysed = metrics.flow.analysed;
    html! {
        h2 { "Whole test set" }
        (rows(
            &metrics.whole,
            &quoted(&paper::TABLE_3, 1, 0),
            "At both operating points, with 95 % intervals (the paper's Table 3)",
        ))
        @match human {
            Some(row) => {
                @let called = row.accuracy.of;
                p .note {
                    "The report's row is over the " (text::count(called)) " of " (text::count(analysed))
                    " hips that it calls."
                    @if called < analysed { " The rows beneath are over all." }
                    " It is an upper bound of what a reader makes of the frontal picture alone: lateral views, history "
                    "and follow-up may have been at hand."
                }
            }
            None => p .note { "No radiologist's calls were given, so there is no human row of this test set." },
        }
        p .note { "Rows in italics: " (paper::SOURCE) ", quoted for orientation and not comparable. " (paper::SIZES) }
    }
}

fn half(metrics: &Metrics) -> Markup {
    let caption = "At a prevalence of 50 % (the paper's Table 2)";
    html! {
        h2 { "Prevalence of 50 %" }
        @if metrics.half.is_empty() {
            p { "Not drawn: there are no fractures, or fewer hips without one than with." }
        } @else {
            (rows(&metrics.half, &quoted(&paper::TABLE_2, 1, 0), caption))
            p .note {
                "All fractures and as many hips without one, drawn with seed " (SEED) ". Precision rises with "
                "prevalence, so this table alone compares with work on balanced data. Rows in italics: quoted, real "
                "x-rays; the paper does not say which operating point its row is at (its recall is that of high "
                "sensitivity in Table 3)."
            }
        }
    }
}

fn gates(metrics: &Metrics) -> Markup {
    let gate = |name: &str, gate: &Gate| {
        html! {
            tr {
                th scope="row" { (name) }
                td .n { (text::count(gate.area.positives)) " / " (text::count(gate.area.negatives)) }
                (rate(&gate.row.precision)) (rate(&gate.row.recall)) (rate(&gate.row.accuracy))
                (cell(&text::area(&gate.area)))
            }
        }
    };
    html! {
        h2 { "Gates and localiser" }
        @if metrics.frontal.is_some() || metrics.metal.is_some() {
            div .scroll { table {
                caption { "Gates at their thresholds (the paper's Table 1)" }
                thead { tr {
                    th {} th .n { "With / without" } th .n { "Precision" } th .n { "Recall" } th .n { "Accuracy" }
                    th .n { "AUC" }
                } }
                tbody {
                    @if let Some(frontal) = &metrics.frontal { (gate("Frontal gate", frontal)) }
                    @if let Some(metal) = &metrics.metal { (gate("Metal gate", metal)) }
                    (quoted(&paper::TABLE_1, 0, 1))
                }
            } }
        }
        @if let Some(found) = &metrics.localiser { (localiser(found)) }
        p .note {
            "Gates are counted over pictures (frontal pelves against all else) and over hips (with metal against "
            "without). Rows in italics: " (paper::SOURCE) ", on its validation sets. " (paper::VALIDATION)
            " For orientation: Kitamura 2020 has AUCs of 0.99 to 1.00 for position and hardware; Murphy et al. 2022 a "
            "Jaccard index of 0.87 ± 0.06, 98 % of it above 0.7."
        }
    }
}

fn localiser(found: &Localiser) -> Markup {
    let jaccard = found.jaccard.as_ref().zip(found.jaccard_deviation);
    html! {
        table {
            caption { "Localiser, " (text::count(found.hips)) " hips" }
            tbody {
                tr { th scope="row" { "Crop holds the head and both trochanters" } (rate(&found.coverage)) }
                tr {
                    th scope="row" { "Jaccard index with the true crop: mean (95 % interval)" }
                    (known(found.jaccard.as_ref()))
                }
                @if let Some((mean, deviation)) = jaccard {
                    tr {
                        th scope="row" { "– mean ± standard deviation" }
                        td .n { (format!("{:.3} ± {deviation:.3}", mean.value)) }
                    }
                }
                tr { th scope="row" { "– above 0.7" } (rate(&found.jaccard_good)) }
            }
        }
    }
}

fn drawing(svg: &str, caption: &str) -> Markup {
    html! { figure { (PreEscaped(svg)) figcaption { (caption) } } }
}

fn drawings(metrics: &Metrics, figures: &Figures) -> Markup {
    let human = metrics.whole.iter().any(|r| r.threshold.is_none());
    let roc = if human {
        "Receiver operating characteristic. The report's point carries its Clopper-Pearson intervals both ways."
    } else {
        "Receiver operating characteristic with both operating points."
    };
    html! {
        h2 { "Figures" }
        (drawing(&figures.roc, roc))
        div .figures {
            (drawing(&figures.precision_recall, "Precision and recall over all thresholds."))
            @if let Some(svg) = &figures.calibration {
                (drawing(svg, "Calibration in ten bins; bars are Clopper-Pearson intervals, figures on top are hips."))
            }
        }
        (drawing(&figures.histograms, "Scores by truth; counts on a logarithmic scale."))
    }
}

fn locations(metrics: &Metrics, figures: &Figures) -> Markup {
    let (Some(found), Some(svg)) = (&metrics.location, &figures.location) else {
        return html! {};
    };
    html! {
        h2 { "Fracture location" }
        (drawing(svg, "Truth by row, found by column, at the high-sensitivity point."))
        p .note {
            "A hip scored below " (format!("{:.3}", found.threshold)) " is found as \"" (LOCATIONS[0]) "\", any other "
            "as the likelier location. Of the fractures found, the location is right in " (text::fraction(&found.right))
            ": " (text::rate(&found.right)) "."
        }
    }
}

fn subgroups(groups: &[Subgroup]) -> Markup {
    html! {
        h2 { "Subgroups" }
        div .scroll { table .long {
            thead { tr {
                th { "By" } th { "Group" } th .n { "Hips" } th .n { "Fractured" } th .n { "AUC (95 % interval)" }
                th .n { "Sensitivity" } th .n { "Specificity" }
            } }
            tbody {
                @for (i, group) in groups.iter().enumerate() {
                    @let first = i == 0 || groups[i - 1].by != group.by;
                    tr .first[first] {
                        td { @if first { (group.by) } }
                        th scope="row" { (group.name) }
                        (n(group.hips)) (n(group.fractures)) (cell(&text::area(&group.area))) (rate(&group.sensitivity))
                        @match &group.specificity { Some(found) => (rate(found)), None => td .n .small { "–" } }
                    }
                }
            }
        } }
        p .note {
            "Sensitivity and specificity at the high-sensitivity point. Groups by a property of the fracture "
            "(displacement, visibility, location, kind) hold fractures alone; their AUC is against all hips without "
            "one. \"" (text::TOO_SMALL) "\": fewer than " (LEAST) " trials, or of one class. The intervals are not "
            "corrected for the number of groups."
        }
    }
}

fn missed(metrics: &Metrics) -> Markup {
    let row = |m: &Missed| {
        let number =
            |value: Option<f32>, digits: usize| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
        html! {
            tr {
                th scope="row" { (m.id) }
                td { (side_name(m.side)) }
                td { (m.location.map_or("–", location_name)) }
                td { (m.kind.as_deref().unwrap_or("–")) }
                td .n { (number(m.displacement_mm, 1)) }
                td .n { (number(m.visibility, 2)) }
                td .n { (number(m.score, 3)) }
                td { @match &m.excluded { Some(reason) => { "set aside: " (reason) }, None => "scored too low" } }
            }
        }
    };
    html! {
        h2 { "Obvious fractures missed" }
        p {
            "Of " (text::count(metrics.obvious)) " fractures that nobody should miss, "
            (text::count(metrics.missed_obvious.len() as u64)) " would not have been found at the high-sensitivity "
            "point."
        }
        @if !metrics.missed_obvious.is_empty() {
            div .scroll { table .long {
                thead { tr {
                    th { "Hip" } th { "Side" } th { "Location" } th { "Kind" } th .n { "Displaced, mm" }
                    th .n { "Visibility" } th .n { "Score" } th { "Why" }
                } }
                tbody { @for m in &metrics.missed_obvious { (row(m)) } }
            } }
        }
        p .note {
            "Obvious: visibility of 0.6 or more, or displaced where the visibility is unknown. Oakden-Rayner et al. "
            "2022 found one such fracture missed by a model ahead of its readers, so these are looked at one by one."
        }
    }
}

fn gallery(set: &TestSet) -> Markup {
    if set.gallery.is_empty() {
        return html! {};
    }
    let uri = |jpeg: &[u8]| format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
    let picture = |picture: &GalleryPicture| {
        let hip = &set.hips[picture.hip];
        let truth = match (hip.fracture, hip.location) {
            (true, Some(location)) => format!("{} fracture", location_name(location)),
            (true, None) => "fracture".to_owned(),
            (false, _) => "no fracture".to_owned(),
        };
        let score = hip
            .score
            .map_or_else(|| "no score".to_owned(), |s| format!("score {s:.3}"));
        html! {
            figure {
                div .pair {
                    img src=(uri(&picture.crop_jpeg)) alt={ "Crop of " (hip.id) };
                    img src=(uri(&picture.overlay_jpeg)) alt={ "Class activation of " (hip.id) };
                }
                figcaption {
                    strong { (hip.id) } ": truth " (truth) ", " (score) ". " (picture.caption)
                }
            }
        }
    };
    html! {
        h2 { "Worst errors" }
        p .note {
            "Left the crop as the network sees it, right the same with the class activation map: where the evidence "
            "for a fracture lies. The map has the coarse grid of the last layer; it shows where the network looked, "
            "not why."
        }
        div .gallery { @for p in &set.gallery { (picture(p)) } }
    }
}

fn how(metrics: &Metrics) -> Markup {
    let bootstrap = format!(
        "Harmonic mean of precision and recall; percentile bootstrap of {RESAMPLES} draws (seed {SEED}) over patients, \
         since hips of one patient are not independent. Efron and Tibshirani, An Introduction to the Bootstrap, 1993."
    );
    let matched = format!(
        "Covariate-adjusted AUC over the strata of {}: the part of the hips without a fracture of its own stratum \
         that a fracture outscores, averaged over fractures. It is what comparing each fracture with its own k matched \
         hips gives on average over all draws, without drawing. Janes and Pepe, Biometrika 2009;96:371-82. Why: a hip \
         model's AUC fell from 0.78 to 0.52 once \
         patient and process were matched, Badgeley et al., npj Digital Medicine 2019;2:31.",
        if metrics.matched_by.is_empty() {
            "age, sex, scanner and department".to_owned()
        } else {
            metrics.matched_by.join(", ")
        }
    );
    let entries: [(&str, &str); 12] = [
        (
            "AUC",
            "Part of the pairs of a hip with and a hip without a fracture in which the fractured one scores higher, \
             ties half (Mann-Whitney). Interval: DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837-45, by \
             midranks, Sun and Xu, IEEE Signal Processing Letters 2014;21:1389-93. It takes hips as independent, \
             although a patient has two.",
        ),
        ("Matched AUC", &matched),
        (
            "Accuracy, precision, recall, specificity, coverage",
            "Proportions with exact Clopper-Pearson 95 % intervals, Biometrika 1934;26:404-13.",
        ),
        ("F1", &bootstrap),
        (
            "Average precision",
            "Sum over thresholds of the gain in recall times precision, without interpolation (Davis and Goadrich, \
             ICML 2006, say why).",
        ),
        (
            "Brier score",
            "Mean squared difference of score and truth. Brier, Monthly Weather Review 1950;78:1-3.",
        ),
        (
            "Expected calibration error",
            "Mean absolute difference of mean score and observed part over ten bins of equal width, weighted by their \
             hips. Naeini, Cooper and Hauskrecht, AAAI 2015.",
        ),
        (
            "Jaccard index",
            "Intersection over union of the crop found and the true crop. Interval of the mean: Student's t.",
        ),
        (
            "Operating points",
            "Thresholds chosen on validation data and never moved on the test set; a score at or above is called a \
             fracture.",
        ),
        (
            "Prevalence of 50 %",
            "All fractures and a seeded draw of as many hips without one, as in Gale et al. 2017.",
        ),
        (
            "Class activation",
            "The last layer's features weighted by the fracture output's weights. Zhou et al., CVPR 2016.",
        ),
        (
            "The paper",
            "Gale, Oakden-Rayner, Carneiro, Bradley and Palmer, Detecting hip fractures with radiologist-level \
             performance using deep neural networks, arXiv:1711.06504, 2017. Also named: Oakden-Rayner et al., Lancet \
             Digital Health 2022;4:e351-8; Murphy et al., Scientific Reports 2022;12:2058; Kitamura, European Journal \
             of Radiology 2020;130:109139.",
        ),
    ];
    html! {
        h2 { "How each figure is computed" }
        dl .how { @for (name, text) in entries { dt { (name) } dd { (text) } } }
        p .note { "All figures are in metrics.json, one hip a row in hips.csv, the drawings in figures/." }
    }
}
