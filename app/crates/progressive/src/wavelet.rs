//! The reversible 5/3 wavelet (ISO/IEC 15444-1, Annex F) with symmetric extension.
//!
//! Its low band is a picture of half the size in the same grey values, so a picture is there at each step.

/// A picture or band, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<i32>,
}

impl Plane {
    pub fn zero(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            values: vec![0; width * height],
        }
    }

    /// A row; below the last one it is empty.
    pub fn row(&self, y: usize) -> &[i32] {
        self.values
            .get(y * self.width..(y + 1) * self.width)
            .unwrap_or_default()
    }
}

/// What one step takes out of a picture: changes along the row, along the column, along both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    pub bands: [Plane; 3],
}

/// Sizes of the bands of a picture: the low one, then those of [`Details`].
pub fn sizes(width: usize, height: usize) -> [(usize, usize); 4] {
    let (low_width, low_height) = (width.div_ceil(2), height.div_ceil(2));
    [
        (low_width, low_height),
        (width - low_width, low_height),
        (low_width, height - low_height),
        (width - low_width, height - low_height),
    ]
}

/// One step: half the picture, and what it lacks.
pub fn forward(picture: &Plane) -> (Plane, Details) {
    let (width, height) = (picture.width, picture.height);
    let [low, ..] = sizes(width, height);
    // Down the columns, a row at a time.
    let high_rows: Vec<Vec<i32>> = (0..height / 2)
        .map(|i| {
            let (above, here) = (picture.row(2 * i), picture.row(2 * i + 1));
            let below = picture.row(if 2 * i + 2 < height { 2 * i + 2 } else { 2 * i });
            let around = above.iter().zip(below);
            here.iter().zip(around).map(|(x, (a, b))| x - ((a + b) >> 1)).collect()
        })
        .collect();
    let low_rows = (0..low.1).map(|i| -> Vec<i32> {
        let here = picture.row(2 * i);
        let after = high_rows.get(i).or(high_rows.last());
        let before = if i > 0 { high_rows.get(i - 1) } else { high_rows.first() };
        match (before, after) {
            (Some(before), Some(after)) => {
                let around = before.iter().zip(after);
                here.iter()
                    .zip(around)
                    .map(|(x, (a, b))| x + ((a + b + 2) >> 2))
                    .collect()
            }
            _ => here.to_vec(),
        }
    });
    let mut half = Plane::zero(0, 0);
    let mut details = Details::default();
    let [along_row, along_column, along_both] = &mut details.bands;
    for row in low_rows {
        split(&row, &mut half.values, &mut along_row.values);
    }
    for row in &high_rows {
        split(row, &mut along_column.values, &mut along_both.values);
    }
    let [low, bands @ ..] = sizes(width, height);
    (half.width, half.height) = low;
    for (band, size) in details.bands.iter_mut().zip(bands) {
        (band.width, band.height) = size;
    }
    (half, details)
}

/// One row into its low and high half.
fn split(row: &[i32], low: &mut Vec<i32>, high: &mut Vec<i32>) {
    let start = high.len();
    high.extend((0..row.len() / 2).map(|i| {
        let after = row.get(2 * i + 2).unwrap_or(&row[2 * i]);
        row[2 * i + 1] - ((row[2 * i] + after) >> 1)
    }));
    let details = &high[start..];
    low.extend((0..row.len().div_ceil(2)).map(|i| {
        let Some(last) = details.last() else { return row[2 * i] };
        let after = details.get(i).unwrap_or(last);
        let before = if i > 0 { &details[i - 1] } else { &details[0] };
        row[2 * i] + ((before + after + 2) >> 2)
    }));
}

/// The counterpart of [`split`]. `row` holds as many values as both halves together.
fn join(low: &[i32], high: &[i32], row: &mut [i32]) {
    let Some((&first, &last)) = high.first().zip(high.last()) else {
        row.copy_from_slice(low);
        return;
    };
    let mut before = first;
    let mut even_before = 0_i32;
    let mut pairs = row.chunks_exact_mut(2);
    let mut odd_before: Option<&mut i32> = None;
    for ((pair, &low), &detail) in (&mut pairs).zip(low).zip(high) {
        let even = low.wrapping_sub(before.wrapping_add(detail).wrapping_add(2) >> 2);
        if let Some(odd) = odd_before {
            *odd = before.wrapping_add(even_before.wrapping_add(even) >> 1);
        }
        let [here, next] = pair else { return };
        *here = even;
        odd_before = Some(next);
        before = detail;
        even_before = even;
    }
    let mut after = even_before;
    if let ([even], Some(&low)) = (pairs.into_remainder(), low.last()) {
        *even = low.wrapping_sub(before.wrapping_add(last).wrapping_add(2) >> 2);
        after = *even;
    }
    if let Some(odd) = odd_before {
        *odd = before.wrapping_add(even_before.wrapping_add(after) >> 1);
    }
}

/// Puts a picture together again from its upper edge downwards, as its details arrive.
///
/// Arithmetic wraps: what a damaged file asks for is nonsense, but no panic.
pub struct Joiner {
    height: usize,
    /// The next row of the low half.
    next: usize,
    even: Vec<i32>,
    even_before: Vec<i32>,
    detail: Vec<i32>,
    detail_before: Vec<i32>,
    odd: Vec<i32>,
}

impl Joiner {
    /// For a picture of this size.
    pub fn new(width: usize, height: usize) -> Self {
        let row = || vec![0; width];
        Self {
            height,
            next: 0,
            even: row(),
            even_before: row(),
            detail: row(),
            detail_before: row(),
            odd: row(),
        }
    }

    /// Takes the next row of the low half with the rows of its details (the last two are empty where the picture's
    /// height is odd and this is its last row), and hands out the one or two rows that it completes.
    pub fn push(&mut self, low: &[i32], details: [&[i32]; 3], mut emit: impl FnMut(usize, &[i32])) {
        let i = self.next;
        self.next += 1;
        std::mem::swap(&mut self.even, &mut self.even_before);
        join(low, details[0], &mut self.even);
        let has_detail = 2 * i + 1 < self.height;
        if has_detail {
            std::mem::swap(&mut self.detail, &mut self.detail_before);
            join(details[1], details[2], &mut self.detail);
        }
        // The rows of details before and after this one, mirrored at both edges.
        let after = &self.detail;
        let before = match (i, has_detail) {
            (0, _) | (_, false) => &self.detail,
            _ => &self.detail_before,
        };
        if has_detail || i > 0 {
            for (value, (a, b)) in self.even.iter_mut().zip(before.iter().zip(after)) {
                *value = value.wrapping_sub(a.wrapping_add(*b).wrapping_add(2) >> 2);
            }
        }
        if i > 0 {
            let evens = self.even_before.iter().zip(&self.even);
            for (odd, (detail, (a, b))) in self.odd.iter_mut().zip(before.iter().zip(evens)) {
                *odd = detail.wrapping_add(a.wrapping_add(*b) >> 1);
            }
            emit(2 * i - 1, &self.odd);
        }
        emit(2 * i, &self.even);
        if 2 * i + 2 == self.height {
            for (odd, (detail, even)) in self.odd.iter_mut().zip(self.detail.iter().zip(&self.even)) {
                *odd = detail.wrapping_add(*even);
            }
            emit(2 * i + 1, &self.odd);
        }
    }

    /// Rows of the low half taken.
    pub fn taken(&self) -> usize {
        self.next
    }
}

/// The counterpart of [`forward`].
pub fn inverse(half: &Plane, details: &Details, width: usize, height: usize) -> Plane {
    let mut picture = Plane::zero(width, height);
    let mut joiner = Joiner::new(width, height);
    for y in 0..half.height {
        let details = [0, 1, 2].map(|band| details.bands[band].row(y));
        joiner.push(half.row(y), details, |y, row| {
            picture.values[y * width..(y + 1) * width].copy_from_slice(row);
        });
    }
    picture
}

/// Twice the size without any details: what [`inverse`] gives where all of them are zero.
pub fn double(half: &Plane, width: usize, height: usize, mut emit: impl FnMut(usize, &[i32])) {
    let widen = |low: &[i32], row: &mut [i32]| {
        let pairs = row.chunks_exact_mut(2).zip(low).zip(low[1..].iter().chain(low.last()));
        for ((pair, here), next) in pairs {
            pair[0] = *here;
            pair[1] = here.wrapping_add(*next) >> 1;
        }
        if let (true, Some(last), Some(low)) = (width % 2 == 1, row.last_mut(), low.last()) {
            *last = *low;
        }
    };
    let (mut row, mut before, mut between) = (vec![0; width], vec![0; width], vec![0; width]);
    for y in 0..half.height {
        std::mem::swap(&mut row, &mut before);
        widen(half.row(y), &mut row);
        if y > 0 {
            for (value, (a, b)) in between.iter_mut().zip(before.iter().zip(&row)) {
                *value = a.wrapping_add(*b) >> 1;
            }
            emit(2 * y - 1, &between);
        }
        emit(2 * y, &row);
        if 2 * y + 2 == height {
            emit(2 * y + 1, &row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: usize, height: usize) -> Plane {
        let values = (0..width * height)
            .map(|i| ((i * 2_654_435_761) >> 7) as i32 & 0xffff)
            .collect();
        Plane { width, height, values }
    }

    #[test]
    fn every_size_comes_back() {
        for width in 1..9 {
            for height in 1..9 {
                let picture = noise(width, height);
                let (half, details) = forward(&picture);
                let [low, bands @ ..] = sizes(width, height);
                assert_eq!(half.values.len(), low.0 * low.1);
                for (band, size) in details.bands.iter().zip(bands) {
                    assert_eq!(band.values.len(), size.0 * size.1);
                }
                assert_eq!(inverse(&half, &details, width, height), picture, "{width} × {height}");
            }
        }
    }

    #[test]
    fn doubling_is_joining_without_details() {
        for (width, height) in [(1, 1), (2, 1), (1, 2), (7, 5), (8, 6), (9, 9)] {
            let (half, mut details) = forward(&noise(width, height));
            for band in &mut details.bands {
                band.values.fill(0);
            }
            let mut doubled = Plane::zero(width, height);
            double(&half, width, height, |y, row| {
                doubled.values[y * width..][..width].copy_from_slice(row)
            });
            assert_eq!(doubled, inverse(&half, &details, width, height), "{width} × {height}");
        }
    }

    #[test]
    fn the_low_half_keeps_the_grey_value() {
        let picture = Plane {
            width: 10,
            height: 7,
            values: vec![4000; 70],
        };
        let (half, details) = forward(&picture);
        assert!(half.values.iter().all(|v| *v == 4000));
        assert!(details.bands.iter().all(|band| band.values.iter().all(|v| *v == 0)));
    }
}
