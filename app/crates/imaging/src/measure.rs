//! Lengths and angles on a picture, always with where their scale comes from.

use crate::{PixelSpacingSource, Spacing};
use serde::{Deserialize, Serialize};

/// A distance, and what it is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Length {
    /// No tag gives a scale.
    Pixels(f64),
    Millimetres {
        value: f64,
        source: PixelSpacingSource,
    },
}

impl Length {
    /// The distance of two points of the picture.
    pub fn between(a: [f64; 2], b: [f64; 2], spacing: Option<Spacing>) -> Self {
        let (x, y) = (b[0] - a[0], b[1] - a[1]);
        match spacing {
            None => Length::Pixels(x.hypot(y)),
            Some(Spacing { row, column, source }) => Length::Millimetres {
                value: (x * column).hypot(y * row),
                source,
            },
        }
    }
}

/// Points that a reader set on a picture, in its own pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measurement {
    Length([[f64; 2]; 2]),
    /// The vertex is the second point.
    Angle([[f64; 2]; 3]),
}

impl Measurement {
    pub fn points(&self) -> &[[f64; 2]] {
        match self {
            Measurement::Length(points) => points,
            Measurement::Angle(points) => points,
        }
    }

    pub fn points_mut(&mut self) -> &mut [[f64; 2]] {
        match self {
            Measurement::Length(points) => points,
            Measurement::Angle(points) => points,
        }
    }

    /// The value with its unit and, for a length, where its scale comes from.
    pub fn words(&self, spacing: Option<Spacing>) -> String {
        match *self {
            Measurement::Length([a, b]) => Length::between(a, b, spacing).to_string(),
            Measurement::Angle([a, vertex, b]) => match angle(a, vertex, b, spacing) {
                Some(angle) => format!("{angle:.1}°"),
                None => "no angle".to_owned(),
            },
        }
    }
}

/// A round length that takes up to `longest` device pixels of the screen, with how long it is there: the scale bar.
///
/// `per_unit`: device pixels for a millimetre, or for a pixel where nothing gives millimetres. `None` where no round
/// length of use fits.
pub fn scale_bar(per_unit: f64, longest: f64) -> Option<(f64, f64)> {
    if !(per_unit.is_finite() && per_unit > 0.0 && longest > 0.0) {
        return None;
    }
    let fits = longest / per_unit;
    let decade = 10f64.powf(fits.log10().floor());
    let round = [5.0, 2.0, 1.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|v| *v <= fits)?;
    (1e-2..1e5).contains(&round).then_some((round, round * per_unit))
}

impl PixelSpacingSource {
    /// The words that stand beside a distance.
    pub fn label(self) -> &'static str {
        match self {
            PixelSpacingSource::Calibrated => "calibrated",
            PixelSpacingSource::MagnificationCorrected => "corrected for magnification",
            PixelSpacingSource::Detector => "at the detector",
        }
    }
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Length::Pixels(value) => write!(f, "{value:.0} px"),
            Length::Millimetres { value, source } => write!(f, "{value:.1} mm ({})", source.label()),
        }
    }
}

/// The angle at `vertex` between the directions to `a` and to `b`, 0 to 180 degrees.
///
/// `spacing` matters only where pixels are oblong. `None` where a direction has no length.
pub fn angle(a: [f64; 2], vertex: [f64; 2], b: [f64; 2], spacing: Option<Spacing>) -> Option<f64> {
    let to = |p: [f64; 2]| [p[0] - vertex[0], p[1] - vertex[1]];
    between(to(a), to(b), spacing)
}

/// The angle between two lines, 0 to 90 degrees, wherever they cross.
pub fn angle_of_lines(first: [[f64; 2]; 2], second: [[f64; 2]; 2], spacing: Option<Spacing>) -> Option<f64> {
    let along = |[a, b]: [[f64; 2]; 2]| [b[0] - a[0], b[1] - a[1]];
    between(along(first), along(second), spacing).map(|angle| angle.min(180.0 - angle))
}

fn between(u: [f64; 2], v: [f64; 2], spacing: Option<Spacing>) -> Option<f64> {
    let (row, column) = spacing.map_or((1.0, 1.0), |s| (s.row, s.column));
    let scaled = |[x, y]: [f64; 2]| [x * column, y * row];
    let ([a, b], [c, d]) = (scaled(u), scaled(v));
    if a.hypot(b) == 0.0 || c.hypot(d) == 0.0 {
        return None;
    }
    // Exact for small angles too, where an arc cosine is not.
    Some((a * d - b * c).abs().atan2(a * c + b * d).to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spacing(row: f64, column: f64, source: PixelSpacingSource) -> Option<Spacing> {
        Some(Spacing { row, column, source })
    }

    #[test]
    fn lengths_say_their_scale() {
        let check = |spacing, expect: &str| {
            assert_eq!(Length::between([10.0, 10.0], [13.0, 14.0], spacing).to_string(), expect);
        };
        check(None, "5 px");
        check(
            spacing(2.0, 2.0, PixelSpacingSource::Detector),
            "10.0 mm (at the detector)",
        );
        check(
            spacing(0.5, 0.5, PixelSpacingSource::MagnificationCorrected),
            "2.5 mm (corrected for magnification)",
        );
        // Rows 3 apart, columns 4 apart: 12 each way.
        check(
            spacing(3.0, 4.0, PixelSpacingSource::Calibrated),
            "17.0 mm (calibrated)",
        );
    }

    #[test]
    fn measurements_say_what_they_are() {
        let detector = spacing(0.5, 0.5, PixelSpacingSource::Detector);
        let length = Measurement::Length([[0.0, 0.0], [60.0, 80.0]]);
        assert_eq!(length.words(detector), "50.0 mm (at the detector)");
        assert_eq!(length.words(None), "100 px");
        let angle = Measurement::Angle([[5.0, 0.0], [0.0, 0.0], [0.0, 9.0]]);
        assert_eq!(angle.words(detector), "90.0°");
        assert_eq!(Measurement::Angle([[0.0; 2]; 3]).words(None), "no angle");
        let json = serde_json::to_string(&length).unwrap();
        assert_eq!(json, r#"{"length":[[0.0,0.0],[60.0,80.0]]}"#);
        assert_eq!(serde_json::from_str::<Measurement>(&json).unwrap(), length);
    }

    #[test]
    fn the_scale_bar_is_round_and_fits() {
        let check =
            |per_unit, longest, expect| assert_eq!(scale_bar(per_unit, longest), expect, "{per_unit} {longest}");
        check(2.0, 250.0, Some((100.0, 200.0)));
        check(2.0, 199.0, Some((50.0, 100.0)));
        check(4.0, 130.0, Some((20.0, 80.0)));
        check(0.0, 100.0, None);
        check(f64::NAN, 100.0, None);
    }

    #[test]
    fn angles() {
        let check = |angle: Option<f64>, expect: f64| assert!((angle.unwrap() - expect).abs() < 1e-9, "{angle:?}");
        check(angle([1.0, 0.0], [0.0, 0.0], [0.0, 5.0], None), 90.0);
        check(angle([2.0, 1.0], [1.0, 1.0], [-3.0, 1.0], None), 180.0);
        check(angle([1.0, 1.0], [0.0, 0.0], [1.0, 0.0], None), 45.0);
        // Pixels higher than wide: the diagonal is steeper.
        let oblong = spacing(3f64.sqrt(), 1.0, PixelSpacingSource::Detector);
        check(angle([1.0, 1.0], [0.0, 0.0], [1.0, 0.0], oblong), 60.0);
        check(
            angle_of_lines([[0.0, 0.0], [1.0, 0.0]], [[5.0, 5.0], [4.0, 4.0]], None),
            45.0,
        );
        assert_eq!(angle([0.0, 0.0], [0.0, 0.0], [1.0, 0.0], None), None);
    }

    proptest! {
        #[test]
        fn a_length_has_no_direction(x in -1e3f64..1e3, y in -1e3f64..1e3, u in -1e3f64..1e3, v in -1e3f64..1e3) {
            let s = spacing(0.2, 0.3, PixelSpacingSource::Detector);
            prop_assert_eq!(Length::between([x, y], [u, v], s), Length::between([u, v], [x, y], s));
        }

        #[test]
        fn the_angles_of_a_triangle(ax in 0.0f64..9.0, ay in 0.0f64..9.0, bx in 20.0f64..29.0, by in 0.0f64..9.0, cx in 0.0f64..29.0, cy in 20.0f64..29.0) {
            let (a, b, c) = ([ax, ay], [bx, by], [cx, cy]);
            let s = spacing(0.14, 0.15, PixelSpacingSource::Detector);
            let sum = angle(a, b, c, s).unwrap() + angle(b, c, a, s).unwrap() + angle(c, a, b, s).unwrap();
            prop_assert!((sum - 180.0).abs() < 1e-6);
        }
    }
}
