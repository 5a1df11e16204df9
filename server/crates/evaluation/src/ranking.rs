//! Runs of a search, the best first: as a page that is complete in itself, and as a table.

use maud::{DOCTYPE, PreEscaped, html};
use serde::Serialize;

use crate::text;

/// A run; in the order of the ranking.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    /// Of a gate or the fracture network, on the validation set.
    pub auc: Option<f64>,
    #[serde(skip)]
    pub auc_95: Option<[f64; 2]>,
    pub cross_entropy: Option<f64>,
    /// Of the localiser, over the distance between the hips.
    pub error: Option<f64>,
    pub parameters: usize,
    pub epochs: usize,
    pub minutes: f64,
    pub failed: Option<String>,
    /// The run's folder beside the table.
    pub folder: String,
}

/// The table as CSV.
///
/// # Errors
/// Writing to memory fails, which it does not.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        rank: usize,
        name: &'a str,
        auc: Option<f64>,
        auc_low: Option<f64>,
        auc_high: Option<f64>,
        cross_entropy: Option<f64>,
        error: Option<f64>,
        parameters: usize,
        epochs: usize,
        minutes: f64,
        failed: Option<&'a str>,
        folder: &'a str,
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    for (i, row) in rows.iter().enumerate() {
        table.serialize(Line {
            rank: i + 1,
            name: &row.name,
            auc: row.auc,
            auc_low: row.auc_95.map(|i| i[0]),
            auc_high: row.auc_95.map(|i| i[1]),
            cross_entropy: row.cross_entropy,
            error: row.error,
            parameters: row.parameters,
            epochs: row.epochs,
            minutes: (row.minutes * 100.0).round() / 100.0,
            failed: row.failed.as_deref(),
            folder: &row.folder,
        })?;
    }
    table.into_inner().map_err(|e| e.into_error().into())
}

const BAR: f64 = 260.0;

/// The page, with an interval drawn for every run on one scale.
pub fn page(title: &str, note: &str, rows: &[Row]) -> String {
    let ends = |row: &Row| match (row.auc, row.auc_95, row.error) {
        (Some(_), Some([low, high]), _) => Some((low, high)),
        (Some(auc), None, _) => Some((auc, auc)),
        (None, _, Some(error)) => Some((error, error)),
        _ => None,
    };
    let drawn: Vec<(f64, f64)> = rows.iter().filter_map(ends).collect();
    let low = drawn.iter().map(|e| e.0).fold(f64::INFINITY, f64::min);
    let high = drawn.iter().map(|e| e.1).fold(f64::NEG_INFINITY, f64::max);
    let x = |value: f64| 6.0 + (value - low) / (high - low).max(1e-9) * (BAR - 12.0);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("report/style.css"))) }
            }
            body {
                h1 { (title) }
                p { (note) }
                div .scroll { table .long {
                    thead { tr {
                        th .n { "Rank" } th { "Run" } th .n { "On validation" }
                        th {
                            @if drawn.is_empty() { "Interval" } @else { (format!("{low:.3} to {high:.3}")) }
                        }
                        th .n { "Cross entropy" } th .n { "Parameters" } th .n { "Epochs" } th .n { "Minutes" }
                    } }
                    tbody {
                        @for (i, row) in rows.iter().enumerate() {
                            tr {
                                td .n { (i + 1) }
                                th scope="row" { (row.name) }
                                @if let Some(reason) = &row.failed {
                                    td .missed colspan="6" { "failed: " (reason) }
                                } @else {
                                    td .n {
                                        @match (row.auc, row.error) {
                                            (Some(auc), _) => { "AUC " (format!("{auc:.4}")) }
                                            (None, Some(error)) => { "error " (format!("{error:.4}")) }
                                            (None, None) => "–",
                                        }
                                    }
                                    td {
                                        @if let Some((from, to)) = ends(row) {
                                            svg width=(BAR) height="14" role="img"
                                                aria-label=(format!("{from:.4} to {to:.4}")) {
                                                line x1="0" x2=(BAR) y1="7" y2="7" stroke="#ddd" {}
                                                line x1=(x(from)) x2=(x(to)) y1="7" y2="7" stroke="#0072B2"
                                                    stroke-width="3" {}
                                                @if let Some(value) = row.auc.or(row.error) {
                                                    circle cx=(x(value)) cy="7" r="4" fill="#0072B2" {}
                                                }
                                            }
                                        }
                                    }
                                    td .n {
                                        (row.cross_entropy.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}")))
                                    }
                                    td .n { (text::count(row.parameters as u64)) }
                                    td .n { (row.epochs) }
                                    td .n { (format!("{:.1}", row.minutes)) }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
    .into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let run = |name: &str, auc| Row {
            name: name.to_owned(),
            auc: Some(auc),
            auc_95: Some([auc - 0.02, auc + 0.01]),
            parameters: 1234,
            folder: "f".to_owned(),
            ..Row::default()
        };
        vec![
            run("growth 12, <b>", 0.97),
            run("growth 8", 0.95),
            Row {
                name: "too fast".to_owned(),
                failed: Some("diverged".to_owned()),
                ..Row::default()
            },
        ]
    }

    #[test]
    fn the_page_holds_every_run_and_loads_nothing() {
        let page = page("Grid", "three runs", &rows());
        assert!(page.contains("growth 12, &lt;b&gt;") && page.contains("failed: diverged"));
        assert!(page.contains("AUC 0.9700") && !page.contains("NaN") && !page.contains("href"));
        assert_eq!(page.matches("<circle").count(), 2);
        assert!(super::page("Grid", "", &[]).contains("<table"));
    }

    #[test]
    fn the_table_has_a_line_a_run() {
        let text = String::from_utf8(csv(&rows()).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("1,\"growth 12, <b>\",0.97,0.95,"));
        assert!(lines[3].contains("diverged"));
    }
}
