//! The report's figures as SVG, each complete in itself. Colours are Okabe and Ito's, told apart by the colour-blind;
//! every mark also has a shape or a line style of its own.

use maud::{Markup, html};

use crate::metrics::{Calibration, Estimate, proportion};
use crate::summary::{LocationTable, Metrics, Rate, Row};
use crate::text;

pub(crate) const BLUE: &str = "#0072B2";
pub(crate) const VERMILION: &str = "#D55E00";
const GREEN: &str = "#009E73";
const GREY: &str = "#666";

/// A value on an axis and what is written beside it.
pub(crate) type Tick = (f64, String);

/// The area of a plot: pixels, and the values at its edges.
pub(crate) struct Axes {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Axes {
    pub fn x(&self, value: f64) -> f64 {
        self.left + (value - self.x.0) / (self.x.1 - self.x.0) * self.width
    }

    pub fn y(&self, value: f64) -> f64 {
        self.top + self.height - (value - self.y.0) / (self.y.1 - self.y.0) * self.height
    }

    fn holds(&self, x: f64, y: f64) -> bool {
        (self.x.0..=self.x.1).contains(&x) && (self.y.0..=self.y.1).contains(&y)
    }

    /// Grid, ticks and labels beneath `lines`, which are cut at the frame.
    pub fn frame(&self, title: &str, labels: (&str, &str), ticks: (&[Tick], &[Tick]), lines: &Markup) -> Markup {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let middle = (self.left + self.width / 2.0, self.top + self.height / 2.0);
        let turn = format!("rotate(-90 {} {})", self.left - 40.0, middle.1);
        html! {
            @for (value, label) in ticks.0 {
                line x1=(self.x(*value)) x2=(self.x(*value)) y1=(self.top) y2=(bottom + 4.0) stroke="#ddd" {}
                text x=(self.x(*value)) y=(bottom + 17.0) text-anchor="middle" { (label) }
            }
            @for (value, label) in ticks.1 {
                line x1=(self.left - 4.0) x2=(right) y1=(self.y(*value)) y2=(self.y(*value)) stroke="#ddd" {}
                text x=(self.left - 7.0) y=(self.y(*value) + 4.0) text-anchor="end" { (label) }
            }
            svg x=(self.left) y=(self.top) width=(self.width) height=(self.height)
                viewBox=(format!("{} {} {} {}", self.left, self.top, self.width, self.height)) { (lines) }
            rect x=(self.left) y=(self.top) width=(self.width) height=(self.height) fill="none" stroke="#444" {}
            text x=(middle.0) y=(self.top - 9.0) text-anchor="middle" font-weight="600" { (title) }
            text x=(middle.0) y=(bottom + 36.0) text-anchor="middle" { (labels.0) }
            text x=(self.left - 40.0) y=(middle.1) text-anchor="middle" transform=(turn) { (labels.1) }
        }
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        points
            .map(|(x, y)| format!("{:.2},{:.2}", self.x(x), self.y(y)))
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub fn line(&self, points: &[(f64, f64)], colour: &str, dash: &str) -> Markup {
        html! {
            polyline points=(self.path(points.iter().copied())) fill="none" stroke=(colour) stroke-width="1.8"
                stroke-linejoin="round" stroke-dasharray=(dash) {}
        }
    }
}

/// Ticks that divide a range into `parts`.
fn ticks(low: f64, high: f64, parts: u32) -> Vec<Tick> {
    (0..=parts)
        .map(|i| {
            let value = low + (high - low) * f64::from(i) / f64::from(parts);
            let label = format!("{value:.2}");
            (value, label.trim_end_matches('0').trim_end_matches('.').to_owned())
        })
        .collect()
}

pub(crate) fn drawing(width: u32, height: u32, label: &str, content: &Markup) -> String {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height)
            role="img" aria-label=(label) font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
            font-size="12" fill="#222" {
            title { (label) }
            rect width=(width) height=(height) fill="#fff" {}
            (content)
        }
    }
    .into_string()
}

/// A mark of a reader or an operating point.
#[derive(Clone, Copy)]
struct Mark {
    colour: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Circle,
    Square,
    Diamond,
}

impl Mark {
    /// By the row's place: the report alone has no threshold; high precision comes before high sensitivity.
    fn of(rows: &[Row], index: usize) -> Self {
        let (colour, shape) = if rows[index].threshold.is_none() {
            (VERMILION, Shape::Diamond)
        } else if index + 1 == rows.len() {
            (BLUE, Shape::Circle)
        } else {
            (GREEN, Shape::Square)
        };
        Self { colour, shape }
    }

    fn at(self, x: f64, y: f64) -> Markup {
        let diamond = format!("{x},{} {},{y} {x},{} {},{y}", y - 6.5, x + 6.5, y + 6.5, x - 6.5);
        html! {
            @match self.shape {
                Shape::Circle => circle cx=(x) cy=(y) r="5" fill=(self.colour) stroke="#fff" {},
                Shape::Square => rect x=(x - 4.5) y=(y - 4.5) width="9" height="9" fill=(self.colour) stroke="#fff" {},
                Shape::Diamond => polygon points=(diamond) fill=(self.colour) stroke="#fff" {},
            }
        }
    }

    /// The mark in a legend, with its name.
    fn named(self, x: f64, y: f64, name: &str) -> Markup {
        html! { (self.at(x, y - 4.0)) text x=(x + 14.0) y=(y) { (name) } }
    }
}

/// A rate's value and interval, where there are trials.
fn known(rate: &Rate) -> Option<Estimate> {
    rate.estimate
}

/// ROC: the whole, and its corner enlarged, with the reader's point, its intervals and both operating points.
pub fn roc(metrics: &Metrics) -> String {
    let whole = Axes {
        left: 60.0,
        top: 34.0,
        width: 330.0,
        height: 330.0,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    let corner = Axes {
        left: 460.0,
        x: (0.0, 0.2),
        y: (0.8, 1.0),
        ..whole
    };
    let curve: Vec<(f64, f64)> = metrics
        .roc
        .iter()
        .map(|p| (p.false_positive_rate, p.true_positive_rate))
        .collect();
    let panel = |axes: &Axes, title: &str, parts: (u32, u32)| {
        let lines = html! {
            (axes.line(&[(0.0, 0.0), (1.0, 1.0)], "#999", "4 4"))
            (axes.line(&curve, BLUE, ""))
            @for (i, row) in metrics.whole.iter().enumerate().filter(|(_, r)| r.threshold.is_none()) {
                @if let (Some(recall), Some(specificity)) = (known(&row.recall), known(&row.specificity)) {
                    @let colour = Mark::of(&metrics.whole, i).colour;
                    @let (x, y) = (1.0 - specificity.value, recall.value);
                    (axes.line(&[(x, recall.low), (x, recall.high)], colour, ""))
                    (axes.line(&[(1.0 - specificity.low, y), (1.0 - specificity.high, y)], colour, ""))
                }
            }
        };
        html! {
            (axes.frame(
                title,
                ("False positive rate (1 − specificity)", "True positive rate (recall)"),
                (&ticks(axes.x.0, axes.x.1, parts.0), &ticks(axes.y.0, axes.y.1, parts.1)),
                &lines,
            ))
            @for (i, row) in metrics.whole.iter().enumerate() {
                @if let (Some(recall), Some(specificity)) = (known(&row.recall), known(&row.specificity)) {
                    @let (x, y) = (1.0 - specificity.value, recall.value);
                    @if axes.holds(x, y) { (Mark::of(&metrics.whole, i).at(axes.x(x), axes.y(y))) }
                }
            }
        }
    };
    let content = html! {
        (panel(&whole, "ROC", (5, 5)))
        (panel(&corner, "The corner enlarged", (4, 4)))
        rect x="142" y="244" width="244" height=(34 + 20 * metrics.whole.len()) fill="#fff" fill-opacity="0.85" {}
        line x1="150" x2="172" y1="262" y2="262" stroke=(BLUE) stroke-width="1.8" {}
        text x="175" y="266" { "AUC " (text::area(&metrics.auc)) }
        @for (i, row) in metrics.whole.iter().enumerate() {
            @let intervals = if row.threshold.is_none() { ", 95 % intervals" } else { "" };
            @let name = format!("{}{intervals}", row.name);
            (Mark::of(&metrics.whole, i).named(161.0, 286.0 + 20.0 * i as f64, &name))
        }
    };
    drawing(810, 415, "ROC curve", &content)
}

/// Precision against recall.
pub fn precision_recall(metrics: &Metrics) -> String {
    let axes = Axes {
        left: 60.0,
        top: 34.0,
        width: 330.0,
        height: 330.0,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    let flow = &metrics.flow;
    let prevalence = flow.analysed_fractures as f64 / flow.analysed.max(1) as f64;
    // A step at each recall: precision is not linear between two thresholds.
    let mut curve: Vec<(f64, f64)> = Vec::new();
    let mut before = 0.0;
    for point in &metrics.precision_recall {
        curve.push((before, point.precision));
        curve.push((point.recall, point.precision));
        before = point.recall;
    }
    let lines = html! {
        (axes.line(&[(0.0, prevalence), (1.0, prevalence)], "#999", "4 4"))
        (axes.line(&curve, BLUE, ""))
    };
    let content = html! {
        (axes.frame(
            "Precision and recall",
            ("Recall", "Precision"),
            (&ticks(0.0, 1.0, 5), &ticks(0.0, 1.0, 5)),
            &lines,
        ))
        @for (i, row) in metrics.whole.iter().enumerate() {
            @if let (Some(recall), Some(precision)) = (known(&row.recall), known(&row.precision)) {
                (Mark::of(&metrics.whole, i).at(axes.x(recall.value), axes.y(precision.value)))
            }
            (Mark::of(&metrics.whole, i).named(95.0, 252.0 + 20.0 * i as f64, &row.name))
        }
        line x1="84" x2="106" y1="228" y2="228" stroke=(BLUE) stroke-width="1.8" {}
        text x="109" y="232" {
            "Average precision "
            @match metrics.average_precision {
                Some(value) => (text::part(value, 3)),
                None => "not defined",
            }
        }
        line x1="84" x2="106" y1="208" y2="208" stroke="#999" stroke-width="1.8" stroke-dasharray="4 4" {}
        text x="109" y="212" { "Chance: prevalence " (text::part(prevalence, 3)) }
    };
    drawing(410, 415, "Precision-recall curve", &content)
}

/// The reliability diagram.
pub fn calibration(found: &Calibration) -> String {
    let axes = Axes {
        left: 60.0,
        top: 52.0,
        width: 330.0,
        height: 312.0,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    let lines = html! {
        (axes.line(&[(0.0, 0.0), (1.0, 1.0)], "#999", "4 4"))
        @for bin in &found.bins {
            @let part = proportion(bin.fractures as u64, bin.hips as u64);
            (axes.line(&[(bin.mean_score, part.low), (bin.mean_score, part.high)], BLUE, ""))
        }
    };
    let points: Vec<(f64, f64)> = found.bins.iter().map(|b| (b.mean_score, b.observed)).collect();
    let content = html! {
        (axes.frame(
            "",
            ("Mean score of the bin", "Fractures observed, part of the bin"),
            (&ticks(0.0, 1.0, 5), &ticks(0.0, 1.0, 5)),
            &html! { (lines) (axes.line(&points, BLUE, "2 3")) },
        ))
        text x="225" y="20" text-anchor="middle" font-weight="600" { "Calibration" }
        text x=(axes.left - 7.0) y="46" text-anchor="end" font-size="10" fill=(GREY) { "hips" }
        @for bin in &found.bins {
            circle cx=(axes.x(bin.mean_score)) cy=(axes.y(bin.observed)) r="4" fill=(BLUE) {}
            text x=(axes.x((bin.low + bin.high) / 2.0)) y="46" text-anchor="middle" font-size="10" fill=(GREY) {
                (text::count(bin.hips as u64))
            }
        }
        text x="382" y="336" text-anchor="end" { "Brier score " (text::part(found.brier, 4)) }
        text x="382" y="354" text-anchor="end" { "Expected calibration error " (text::part(found.expected_error, 4)) }
    };
    drawing(410, 415, "Calibration: observed fractures by score", &content)
}

/// Scores of hips with and without a fracture, on a logarithmic scale, with the thresholds.
pub fn histograms(metrics: &Metrics) -> String {
    let found = &metrics.histogram;
    let most = found
        .fractures
        .iter()
        .chain(&found.others)
        .copied()
        .max()
        .unwrap_or(1)
        .max(10);
    // Half a hip is the floor, so that a single one is seen.
    let floor = 0.5_f64.log10();
    let decades = (most as f64).log10().ceil();
    let y_ticks: Vec<Tick> = (0..=decades as i32)
        .map(|d| (f64::from(d), text::count(10_u64.pow(d as u32))))
        .collect();
    let panel = |top: f64, title: &str, colour: &str, counts: &[u64], label: &str| {
        let axes = Axes {
            left: 60.0,
            top,
            width: 480.0,
            height: 130.0,
            x: (0.0, 1.0),
            y: (floor, decades + 0.1),
        };
        let bin = axes.width / counts.len() as f64;
        let lines = html! {
            @for (i, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
                @let y = axes.y((*count as f64).log10());
                rect x=(axes.left + bin * i as f64 + 1.0) y=(y) width=(bin - 2.0) height=(axes.y(floor) - y)
                    fill=(colour) {}
            }
            @for (i, row) in metrics.whole.iter().enumerate() {
                @if let Some(threshold) = row.threshold {
                    @let dash = if i + 1 == metrics.whole.len() { "6 3" } else { "2 3" };
                    (axes.line(&[(f64::from(threshold), floor), (f64::from(threshold), decades + 1.0)], "#222", dash))
                }
            }
        };
        axes.frame(title, (label, "Hips"), (&ticks(0.0, 1.0, 10), &y_ticks), &lines)
    };
    let flow = &metrics.flow;
    let with = format!("Hips with a fracture, {}", text::count(flow.analysed_fractures));
    let without = format!("Hips without, {}", text::count(flow.analysed - flow.analysed_fractures));
    let content = html! {
        (panel(30.0, &with, VERMILION, &found.fractures, ""))
        (panel(216.0, &without, BLUE, &found.others, "Score"))
        line x1="120" x2="150" y1="402" y2="402" stroke="#222" stroke-width="1.8" stroke-dasharray="6 3" {}
        text x="156" y="406" { "high-sensitivity threshold" }
        line x1="330" x2="360" y1="402" y2="402" stroke="#222" stroke-width="1.8" stroke-dasharray="2 3" {}
        text x="366" y="406" { "high-precision threshold" }
    };
    drawing(
        560,
        420,
        "Score histograms by truth, counts on a logarithmic scale",
        &content,
    )
}

/// The classes of [`LocationTable`].
pub const LOCATIONS: [&str; 3] = ["none", "intracapsular", "extracapsular"];

/// The confusion of locations; the shade is the part of the row.
pub fn location(found: &LocationTable) -> String {
    let (left, top, width, height) = (110.0, 62.0, 100.0, 64.0);
    let cell = |truth: usize, found_as: usize| {
        let row: u64 = found.matrix[truth].iter().sum();
        let count = found.matrix[truth][found_as];
        let part = if row > 0 { count as f64 / row as f64 } else { 0.0 };
        let (x, y) = (left + width * found_as as f64, top + height * truth as f64);
        let ink = if part > 0.5 { "#fff" } else { "#222" };
        html! {
            rect x=(x) y=(y) width=(width) height=(height) fill=(BLUE) fill-opacity=(format!("{part:.3}"))
                stroke="#888" {}
            text x=(x + width / 2.0) y=(y + 30.0) text-anchor="middle" font-size="15" font-weight="600" fill=(ink) {
                (text::count(count))
            }
            @if row > 0 {
                text x=(x + width / 2.0) y=(y + 48.0) text-anchor="middle" font-size="11" fill=(ink) {
                    (text::part(part, 2)) " of row"
                }
            }
        }
    };
    let content = html! {
        text x="260" y="20" text-anchor="middle" font-weight="600" { "Fracture location" }
        text x="260" y="38" text-anchor="middle" fill=(GREY) { "found" }
        text x="14" y="158" text-anchor="middle" fill=(GREY) transform="rotate(-90 14 158)" { "truth" }
        @for (i, name) in LOCATIONS.into_iter().enumerate() {
            text x=(left + width * (i as f64 + 0.5)) y=(top - 8.0) text-anchor="middle" { (name) }
            text x=(left - 8.0) y=(top + height * (i as f64 + 0.5) + 4.0) text-anchor="end" { (name) }
        }
        @for truth in 0..3 { @for found_as in 0..3 { (cell(truth, found_as)) } }
    };
    drawing(425, 268, "Confusion matrix of fracture locations", &content)
}
