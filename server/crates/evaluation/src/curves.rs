//! A training run's curves, from its log: `training.csv` as a picture.

use maud::html;

use crate::figures::{Axes, BLUE, Tick, VERMILION, drawing};

/// A panel: its title, what its axis says, and the columns of the log that it draws.
const PANELS: [(&str, Scale, &[&str]); 3] = [
    ("Loss", Scale::Logarithmic, &["loss", "cross_entropy"]),
    ("AUC on validation", Scale::Towards1, &["auc"]),
    (
        "Error of the localiser on validation",
        Scale::Logarithmic,
        &["error", "error_95"],
    ),
];

/// What a column is called in the legend.
fn named(column: &'static str) -> &'static str {
    match column {
        "loss" => "training loss, augmented",
        "cross_entropy" => "cross entropy on validation",
        "auc" => "AUC",
        "error" => "mean, of the distance between the hips",
        "error_95" => "95th percentile",
        other => other,
    }
}

/// A column's name in the legend and its values by epoch.
type Line = (&'static str, Vec<(f64, f64)>);

#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Logarithmic,
    /// Logarithmic in what is missing to 1, so that 0.99 and 0.999 lie as far apart as 0.9 and 0.99.
    Towards1,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Logarithmic => value.max(1e-6).log10(),
            Scale::Towards1 => -(1.0 - value).max(1.1e-5).log10(),
        }
    }

    /// Round values around `low..=high`, which are places; the range is widened to the outermost.
    fn ticks(self, low: f64, high: f64) -> Vec<Tick> {
        let steps: Vec<f64> = match self {
            Scale::Logarithmic => (-6..4)
                .flat_map(|decade| [1, 2, 5].map(|m| format!("{m}e{decade}").parse().unwrap_or(1.0)))
                .collect(),
            Scale::Towards1 => vec![
                0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999, 0.99999,
            ],
        };
        // Two at least: an axis without height draws nothing.
        let first = steps.iter().rposition(|v| self.place(*v) <= low + 1e-9).unwrap_or(0);
        let first = first.min(steps.len() - 2);
        let last = steps
            .iter()
            .position(|v| self.place(*v) >= high - 1e-9)
            .unwrap_or(steps.len() - 1);
        steps[first..=last.max(first + 1)]
            .iter()
            .map(|v| (self.place(*v), format!("{v}")))
            .collect()
    }
}

/// Draws a log with a header and a line an epoch; columns that it does not know, and cells that are empty, are left
/// out. `best` is the epoch whose weights are kept.
pub fn draw(title: &str, log: &str, best: Option<usize>) -> String {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(log.as_bytes());
    let header: Vec<String> = reader
        .headers()
        .map(|h| h.iter().map(str::to_owned).collect())
        .unwrap_or_default();
    let rows: Vec<csv::StringRecord> = reader.records().filter_map(Result::ok).collect();
    let column = |name: &str| -> Vec<(f64, f64)> {
        let place = |name: &str| header.iter().position(|h| h == name);
        let (Some(epoch), Some(at)) = (place("epoch"), place(name)) else {
            return Vec::new();
        };
        let number = |row: &csv::StringRecord, at: usize| row.get(at)?.parse::<f64>().ok().filter(|v| v.is_finite());
        rows.iter()
            .filter_map(|row| Some((number(row, epoch)?, number(row, at)?)))
            .collect()
    };
    let lines = |columns: &[&'static str]| -> Vec<Line> {
        let of = |name: &&'static str| (named(name), column(name));
        columns.iter().map(of).filter(|line| !line.1.is_empty()).collect()
    };
    let panels: Vec<(&str, Scale, Vec<Line>)> = PANELS
        .iter()
        .map(|(name, scale, columns)| (*name, *scale, lines(columns)))
        .filter(|panel| !panel.2.is_empty())
        .collect();
    let last = column("loss").last().map_or(1.0, |p| p.0).max(2.0);
    let width = 470.0 * panels.len().max(1) as f64;
    let content = html! {
        text x=(width / 2.0) y="20" text-anchor="middle" font-weight="600" { (title) }
        @if panels.is_empty() {
            text x=(width / 2.0) y="190" text-anchor="middle" { "no epoch yet" }
        }
        @for (i, (name, scale, lines)) in panels.iter().enumerate() {
            @let values = || lines.iter().flat_map(|(_, points)| points.iter().map(move |p| scale.place(p.1)));
            @let low = values().fold(f64::INFINITY, f64::min);
            @let high = values().fold(f64::NEG_INFINITY, f64::max);
            @let y = scale.ticks(low, high);
            @let axes = Axes {
                left: 70.0 + 470.0 * i as f64,
                top: 60.0,
                width: 380.0,
                height: 260.0,
                x: (1.0, last),
                y: (y[0].0, y[y.len() - 1].0),
            };
            @let step = ((last - 1.0) / 5.0).ceil().max(1.0);
            @let x: Vec<Tick> = (0..=5)
                .map(|i| 1.0 + f64::from(i) * step)
                .filter(|v| *v <= last)
                .map(|v| (v, format!("{v:.0}")))
                .collect();
            @let drawn = html! {
                @if let Some(best) = best {
                    (axes.line(&[(best as f64, axes.y.0), (best as f64, axes.y.1)], "#999", "4 4"))
                }
                @for (n, (_, points)) in lines.iter().enumerate() {
                    @let points: Vec<(f64, f64)> = points.iter().map(|p| (p.0, scale.place(p.1))).collect();
                    (axes.line(&points, [BLUE, VERMILION][n % 2], ["", "6 3"][n % 2]))
                }
            };
            (axes.frame(name, ("Epoch", ""), (&x, &y), &drawn))
            @for (n, (label, points)) in lines.iter().enumerate() {
                @let height = 378.0 + 18.0 * n as f64;
                line x1=(axes.left) x2=(axes.left + 24.0) y1=(height - 4.0) y2=(height - 4.0)
                    stroke=([BLUE, VERMILION][n % 2]) stroke-width="1.8" stroke-dasharray=(["", "6 3"][n % 2]) {}
                text x=(axes.left + 30.0) y=(height) {
                    (label)
                    @if let Some(point) = points.last() { (format!(": {:.4}", point.1)) }
                    @if let Some(kept) = points.iter().find(|p| Some(p.0 as usize) == best) {
                        (format!(", {:.4} at the epoch kept", kept.1))
                    }
                }
            }
        }
    };
    drawing(width as u32, 410, title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "epoch,step,seconds,loss,auc,cross_entropy,error,error_95\n\
        1,10,1,0.7,0.5,0.69,,\n2,20,2,0.4,0.93,0.3,,\n3,30,3,0.3,1.0,0.2,,\n";

    #[test]
    fn a_log_becomes_a_picture_of_its_own() {
        let svg = draw("fracture <compact>", LOG, Some(3));
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>"));
        assert!(svg.contains("fracture &lt;compact&gt;") && !svg.contains("NaN") && !svg.contains("inf"));
        // Three curves and, in each of two panels, the line of the epoch kept; no panel for a localiser.
        assert_eq!(svg.matches("<polyline").count(), 5);
        assert!(!svg.contains("localiser"));
        assert!(svg.contains("AUC: 1.0000, 1.0000 at the epoch kept"));
        assert!(!svg.contains("href") && !svg.contains("url("));
    }

    #[test]
    fn a_localiser_has_its_error() {
        let log = "epoch,step,seconds,loss,auc,cross_entropy,error,error_95\n1,10,1,0.09,,,0.35,0.56\n";
        let svg = draw("bounding", log, None);
        assert!(svg.contains("Error of the localiser") && !svg.contains("AUC") && !svg.contains("NaN"));
    }

    #[test]
    fn an_empty_or_broken_log_is_still_a_picture() {
        for log in [
            "",
            "epoch,step\n",
            "epoch,loss\n1,\n",
            "nothing at all",
            "epoch,loss\nx,y\n",
        ] {
            let svg = draw("run", log, None);
            assert!(svg.contains("no epoch yet"), "{log}");
        }
    }

    #[test]
    fn ticks_enclose_what_is_drawn() {
        for (scale, low, high) in [
            (Scale::Towards1, 0.5, 0.98),
            (Scale::Towards1, 0.97, 0.9999),
            (Scale::Towards1, 1.0, 1.0),
            (Scale::Logarithmic, 0.003, 0.7),
            (Scale::Logarithmic, 0.5, 0.5),
        ] {
            let (low, high) = (scale.place(low), scale.place(high));
            let ticks = scale.ticks(low, high);
            assert!(ticks.len() > 1 && ticks[0].0 < ticks[ticks.len() - 1].0, "{ticks:?}");
            assert!(ticks[0].0 <= low + 1e-9 && ticks[ticks.len() - 1].0 >= high - 1e-9);
        }
    }
}
