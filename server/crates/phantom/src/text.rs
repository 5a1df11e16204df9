//! Letters, as a 5 x 7 dot matrix.

/// What rooms burn into their pictures beside the time.
pub const WORDS: [&str; 10] = [
    "AP",
    "SUPINE",
    "ERECT",
    "HBL",
    "MOBILE",
    "PA",
    "TAS",
    "F_2",
    "H",
    "AP SUPINE",
];

/// Rows from the top, five bits each, the highest on the left.
pub fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'R' => [0x1E, 0x11, 0x11, 0x1E, 0x14, 0x12, 0x11],
        'L' => [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1F],
        'A' => [0x0E, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11],
        'P' => [0x1E, 0x11, 0x11, 0x1E, 0x10, 0x10, 0x10],
        'S' => [0x0F, 0x10, 0x10, 0x0E, 0x01, 0x01, 0x1E],
        'U' => [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E],
        'B' => [0x1E, 0x11, 0x11, 0x1E, 0x11, 0x11, 0x1E],
        'C' => [0x0E, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0E],
        'O' => [0x0E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E],
        'I' => [0x0E, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0E],
        'N' => [0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11],
        'E' => [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x1F],
        'H' => [0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11],
        'F' => [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x10],
        'M' => [0x11, 0x1B, 0x15, 0x15, 0x11, 0x11, 0x11],
        'T' => [0x1F, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04],
        '0' => [0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E],
        '1' => [0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E],
        '2' => [0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F],
        '3' => [0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E],
        '4' => [0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02],
        '5' => [0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E],
        '6' => [0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E],
        '7' => [0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
        '8' => [0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E],
        '9' => [0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C],
        ':' => [0x00, 0x04, 0x04, 0x00, 0x04, 0x04, 0x00],
        '_' => [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1F],
        _ => [0; 7],
    }
}

/// A line of text on the detector plane.
#[derive(Clone, Debug)]
pub struct Label {
    pub text: String,
    /// Left and top edge, mm from the detector's middle.
    pub at: [f32; 2],
    /// Height of a letter, mm.
    pub height: f32,
    pub grey: f32,
    /// Grey of a box behind the letters.
    pub plate: Option<f32>,
}

impl Label {
    /// From where to where a line at height `y` can meet the label or its plate.
    pub fn across(&self, y: f32) -> Option<(f32, f32)> {
        let unit = self.height / 7.0;
        let row = (self.at[1] - y) / unit;
        let count = self.text.chars().count() as f32;
        // A little more than what is covered.
        (-2.0..9.0)
            .contains(&row)
            .then(|| (self.at[0] - 2.0 * unit, self.at[0] + (count * 6.0 + 1.0) * unit))
    }
    /// Whether a point lies on a letter (1), on the plate (2) or beside (0).
    pub fn covers(&self, x: f32, y: f32) -> u8 {
        let unit = self.height / 7.0;
        let (column, row) = ((x - self.at[0]) / unit, (self.at[1] - y) / unit);
        let count = self.text.chars().count() as f32;
        if !(-1.5..8.5).contains(&row) || !(-1.5..count * 6.0 + 0.5).contains(&column) {
            return 0;
        }
        if (0.0..7.0).contains(&row) && column >= 0.0 {
            let index = (column / 6.0) as usize;
            let inner = column - index as f32 * 6.0;
            if let Some(letter) = self.text.chars().nth(index)
                && inner < 5.0
                && glyph(letter)[row as usize] >> (4 - inner as u8) & 1 == 1
            {
                return 1;
            }
        }
        if self.plate.is_some() { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_that_is_burned_in_can_be_drawn() {
        let letters = WORDS.join("").replace(' ', "") + "RL0123456789:";
        for letter in letters.chars() {
            assert_ne!(glyph(letter), [0; 7], "{letter}");
        }
    }
}
