//! The colours of a heat map over a grey picture.

/// What a place must add to the fracture's logit to be painted whole. The same for every picture, so that a hip that
/// nothing speaks against does not glow like one that everything speaks against.
pub const FULL: f32 = 8.0;

/// Red, green, blue and alpha of what a place adds, in logits. What speaks against a fracture, or does not matter, is
/// clear; the rest runs from yellow to red, and its alpha from clear to `opacity`.
pub fn heat_colour(value: f32, opacity: f32) -> [u8; 4] {
    let share = if value.is_nan() {
        0.0
    } else {
        (value / FULL).clamp(0.0, 1.0)
    };
    let byte = |level: f32| (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    let alpha = if opacity.is_nan() { 0.0 } else { opacity.clamp(0.0, 1.0) };
    [
        255,
        byte(0.85 * (1.0 - share)),
        byte(0.15 * (1.0 - share)),
        byte(alpha * share),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_against_is_clear_and_more_is_redder_and_denser() {
        for value in [f32::NEG_INFINITY, -3.0, 0.0, f32::NAN] {
            assert_eq!(heat_colour(value, 1.0)[3], 0, "{value}");
        }
        assert_eq!(heat_colour(FULL, 1.0), [255, 0, 0, 255]);
        assert_eq!(heat_colour(99.0, 0.5), [255, 0, 0, 128]);
        assert_eq!(heat_colour(99.0, 0.0)[3], 0);
        let [low, high] = [1.0, 5.0].map(|v| heat_colour(v, 0.8));
        assert!(low[1] > high[1] && low[3] < high[3]);
    }
}
