//! Numbers as they are printed.

use crate::metrics::Estimate;
use crate::summary::{Area, LEAST, Rate};

pub const TOO_SMALL: &str = "n too small";

/// A part of one with so many digits. What is less than one is never printed as 1, nor what is more than nothing as 0.
pub fn part(value: f64, digits: usize) -> String {
    let step = 10_f64.powi(-(digits as i32));
    if value < 1.0 && value > 1.0 - step / 2.0 {
        format!(">{:.digits$}", 1.0 - step)
    } else if value > 0.0 && value < step / 2.0 {
        format!("<{step:.digits$}")
    } else {
        format!("{value:.digits$}")
    }
}

/// As many digits as the interval supports.
fn digits(estimate: &Estimate) -> usize {
    match estimate.high - estimate.low {
        width if width > 0.1 => 2,
        width if width > 0.002 => 3,
        _ => 4,
    }
}

/// "0.985 (0.979–0.990)".
pub fn estimate(estimate: &Estimate) -> String {
    let digits = digits(estimate);
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|v| part(v, digits));
    let dash = if low.starts_with('<') || high.starts_with('>') {
        " to "
    } else {
        "–"
    };
    format!("{value} ({low}{dash}{high})")
}

/// An AUC; classes that do not overlap leave DeLong's interval no width.
pub fn auc(estimate_: &Estimate) -> String {
    if estimate_.high - estimate_.low < 1e-12 {
        format!("{} (no overlap, no interval)", part(estimate_.value, 3))
    } else {
        estimate(estimate_)
    }
}

pub fn area(area: &Area) -> String {
    match &area.auc {
        Some(found) => auc(found),
        None => TOO_SMALL.to_owned(),
    }
}

pub fn rate(rate: &Rate) -> String {
    match &rate.estimate {
        Some(found) if rate.of >= LEAST => estimate(found),
        Some(_) => TOO_SMALL.to_owned(),
        None => "–".to_owned(),
    }
}

/// "329/348".
pub fn fraction(rate: &Rate) -> String {
    format!("{}/{}", count(rate.hits), count(rate.of))
}

/// A count with a comma at each thousand.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_honest() {
        assert_eq!(part(0.9998, 3), ">0.999");
        assert_eq!(part(1.0, 3), "1.000");
        assert_eq!(part(0.0001, 3), "<0.001");
        assert_eq!(part(0.0, 2), "0.00");
        assert_eq!(part(0.945, 2), "0.94");
        let wide = Estimate {
            value: 0.8,
            low: 0.61,
            high: 0.9,
        };
        assert_eq!(estimate(&wide), "0.80 (0.61–0.90)");
        let narrow = Estimate {
            value: 0.99911,
            low: 0.99852,
            high: 0.99997,
        };
        assert_eq!(estimate(&narrow), "0.9991 (0.9985 to >0.9999)");
        let apart = Estimate {
            value: 1.0,
            low: 1.0,
            high: 1.0,
        };
        assert_eq!(auc(&apart), "1.000 (no overlap, no interval)");
    }

    #[test]
    fn few_trials_have_no_interval() {
        assert_eq!(rate(&Rate::new(3, 4)), TOO_SMALL);
        assert_eq!(rate(&Rate::new(0, 0)), "–");
        assert_eq!(rate(&Rate::new(5, 12)), "0.42 (0.15–0.72)");
        assert_eq!(fraction(&Rate::new(2997, 3345)), "2,997/3,345");
    }
}
