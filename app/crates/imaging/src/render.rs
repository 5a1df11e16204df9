//! The CPU renderer: what every other renderer is held against.

use crate::{DisplayLut, Frame, ResolvedView};

/// Draws a frame into `out`, RGBA bytes of a canvas `width` pixels wide, row by row.
///
/// Each stored value is looked up in `lut` first; levels, not stored values, are interpolated, so that padding
/// and tables stay what they are. Between pixel centres the four neighbours are mixed bilinearly, at the
/// border of the picture its own pixels repeat, outside it is black. Where the picture is shrunk, each canvas
/// pixel averages [`ResolvedView::samples`] samples a side, or takes one pixel as it is. A level becomes a byte by rounding.
///
/// # Panics
/// Where `out` is not a whole number of rows.
pub fn render(frame: &Frame, lut: &DisplayLut, view: &ResolvedView, width: usize, out: &mut [u8]) {
    assert!(
        width > 0 && out.len().is_multiple_of(width * 4),
        "{} bytes in rows of {width} pixels",
        out.len()
    );
    let view = view.thinned(frame.grid);
    match lut.colours() {
        None => render_channels(frame, lut.levels(), &view, width, out, &[0, 1, 2]),
        Some(colours) => {
            for (channel, levels) in colours.iter().enumerate() {
                render_channels(frame, levels, &view, width, out, &[channel]);
            }
        }
    }
}

/// Draws the levels of one table into some bytes of each pixel.
fn render_channels(
    frame: &Frame,
    levels: &[f32],
    view: &ResolvedView,
    width: usize,
    out: &mut [u8],
    channels: &[usize],
) {
    let held = Held {
        frame,
        levels,
        size: frame.held(),
    };
    let samples = view.samples();
    let step = 1.0 / f64::from(samples.max(1));
    let scale = 255.0 / (samples * samples).max(1) as f32;
    for (y, line) in out.chunks_exact_mut(width * 4).enumerate() {
        for (x, rgba) in line.chunks_exact_mut(4).enumerate() {
            let mut total = 0.0;
            for j in 0..samples {
                for i in 0..samples {
                    let at = [
                        x as f64 + (f64::from(i) + 0.5) * step,
                        y as f64 + (f64::from(j) + 0.5) * step,
                    ];
                    total += held.mixed(view.to_image.apply(at));
                }
            }
            if samples == 0 {
                total = held.nearest(view.to_image.apply([x as f64 + 0.5, y as f64 + 0.5]));
            }
            for channel in channels {
                rgba[*channel] = (total * scale + 0.5) as u8;
            }
            rgba[3] = 255;
        }
    }
}

/// The pixels that a frame holds, as levels; black outside.
struct Held<'a> {
    frame: &'a Frame,
    levels: &'a [f32],
    size: [usize; 2],
}

impl Held<'_> {
    fn holds(&self, [x, y]: [f64; 2]) -> bool {
        x >= 0.0 && y >= 0.0 && x < self.size[0] as f64 && y < self.size[1] as f64
    }

    fn level(&self, x: usize, y: usize) -> f32 {
        let raw = self.frame.pixels.get(y * self.size[0] + x);
        raw.map_or(0.0, |raw| self.levels[usize::from(*raw) & (self.levels.len() - 1)])
    }

    fn nearest(&self, at: [f64; 2]) -> f32 {
        if self.holds(at) {
            self.level(at[0] as usize, at[1] as usize)
        } else {
            0.0
        }
    }

    fn mixed(&self, at: [f64; 2]) -> f32 {
        if !self.holds(at) {
            return 0.0;
        }
        let [x, y] = at.map(|v| v - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = ((x - left) as f32, (y - top) as f32);
        let (x0, y0) = (left.max(0.0) as usize, top.max(0.0) as usize);
        let (x1, y1) = (
            ((left + 1.0) as usize).min(self.size[0] - 1),
            ((top + 1.0) as usize).min(self.size[1] - 1),
        );
        let mix = |a: f32, b: f32, part: f32| a + (b - a) * part;
        mix(
            mix(self.level(x0, y0), self.level(x1, y0), across),
            mix(self.level(x0, y1), self.level(x1, y1), across),
            down,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Presentation, Sizes, ViewState, Voi, VoiLutFunction, present};
    use proptest::prelude::*;

    fn frame(rows: u32, columns: u32, pixels: Vec<u16>) -> Frame {
        let mut frame = Frame::new(rows, columns, 8, pixels);
        frame.voi = vec![Voi::Window {
            center: 128.0,
            width: 256.0,
            function: VoiLutFunction::Linear,
            explanation: None,
        }];
        frame
    }

    fn drawn(frame: &Frame, view: ViewState, width: u32, height: u32) -> Vec<u8> {
        let view = view.resolve(Sizes::of(frame, width, height));
        let mut out = vec![7; (width * height * 4) as usize];
        render(
            frame,
            &DisplayLut::new(frame, None, false),
            &view,
            width as usize,
            &mut out,
        );
        assert!(out.chunks_exact(4).all(|p| p[0] == p[1] && p[1] == p[2] && p[3] == 255));
        out.chunks_exact(4).map(|p| p[0]).collect()
    }

    /// A picture on its way, of which every fourth column and row is known, lies where the whole one does.
    #[test]
    fn fewer_pixels_lie_in_the_same_place() {
        let (rows, columns) = (43_u32, 61_u32);
        let every = |grid: usize| -> Vec<u16> {
            let rows = (0..rows).step_by(grid);
            rows.flat_map(|y| (0..columns).step_by(grid).map(move |x| (2 * x + 3 * y) as u16))
                .collect()
        };
        let whole = frame(rows, columns, every(1));
        let few = Frame {
            grid: 4,
            pixels: every(4),
            ..whole.clone()
        };
        assert_eq!(few.held(), [16, 11]);
        let [whole, few] = [whole, few].map(|frame| drawn(&frame, ViewState::default(), 80, 60));
        let both = whole.iter().zip(&few).filter(|(a, b)| **a > 0 && **b > 0);
        let differences: Vec<u8> = both.map(|(a, b)| a.abs_diff(*b)).collect();
        assert!(differences.len() > 3000, "{}", differences.len());
        // Between the pixels known a slope is a slope; beyond the last one nothing is known to rise.
        let close = differences.iter().filter(|difference| **difference <= 1).count();
        assert!(close * 10 > differences.len() * 8, "{close} of {}", differences.len());
        assert!(differences.iter().all(|difference| *difference <= 15));
    }

    #[test]
    fn one_to_one_shows_every_pixel() {
        let pixels = vec![0, 51, 102, 153, 204, 255];
        let frame = frame(3, 2, pixels);
        let view = ViewState::default();
        assert_eq!(drawn(&frame, view, 2, 3), [0, 51, 102, 153, 204, 255]);
        assert_eq!(drawn(&frame, view.flip_horizontal(), 2, 3), [51, 0, 153, 102, 255, 204]);
        assert_eq!(drawn(&frame, view.rotate(90.0), 3, 2), [204, 102, 0, 255, 153, 51]);
        // Room at both sides is black.
        assert_eq!(drawn(&frame, view, 4, 3), [0, 0, 51, 0, 0, 102, 153, 0, 0, 204, 255, 0]);
    }

    #[test]
    fn levels_are_mixed_and_not_stored_values() {
        let mut frame = frame(1, 2, vec![100, 200]);
        // Padding beside a pixel: no value between them is invented.
        frame.padding = Some(crate::PixelPadding { low: 100, high: 100 });
        assert_eq!(drawn(&frame, ViewState::default(), 4, 2)[..4], [0, 50, 150, 200]);
    }

    #[test]
    fn in_a_hurry_a_shrunken_picture_shows_one_pixel_of_many() {
        let frame = frame(30, 30, (0..900).map(|i| (i % 30 + i / 30 * 8) as u16 & 255).collect());
        let lut = Presentation::default().resolve(&frame);
        let shown = |side: u32, hurried| {
            let view = ResolvedView {
                hurried,
                ..ViewState::default().resolve(Sizes::of(&frame, side, side))
            };
            let mut rgba = vec![0; (side * side * 4) as usize];
            render(&frame, &lut, &view, side as usize, &mut rgba);
            rgba.iter().step_by(4).copied().collect::<Vec<u8>>()
        };
        // The middle of every five by five.
        let expect: Vec<u8> = (0..36)
            .map(|i| frame.pixels[(i / 6 * 5 + 2) * 30 + i % 6 * 5 + 2] as u8)
            .collect();
        assert_eq!(shown(6, true), expect);
        assert_ne!(shown(6, false), expect);
        assert_eq!(shown(40, true), shown(40, false), "no haste where one sample does");
    }

    #[test]
    fn colours_are_drawn_channel_by_channel() {
        let colours = [[255, 0, 0], [0, 100, 200], [0, 0, 0], [255, 255, 255]];
        let frame = Frame::of_colours(2, 2, &colours);
        let shown = |presentation: &Presentation, side: u32| {
            let view = ViewState::default().resolve(Sizes::of(&frame, side, side));
            let mut rgba = vec![0; (side * side * 4) as usize];
            render(&frame, &presentation.resolve(&frame), &view, side as usize, &mut rgba);
            rgba
        };
        let plain = shown(&Presentation::default(), 2);
        assert_eq!(
            plain,
            [255, 0, 0, 255, 0, 100, 200, 255, 0, 0, 0, 255, 255, 255, 255, 255]
        );
        // Between two pixels colours are mixed, not places in the palette.
        let large = shown(&Presentation::default(), 4);
        assert_eq!(large[4..8], [191, 25, 50, 255]);
        let inverted = Presentation {
            invert: true,
            ..Presentation::default()
        };
        assert_eq!(shown(&inverted, 2)[..8], [0, 255, 255, 255, 255, 155, 55, 255]);
        let narrow = Voi::Window {
            center: 100.0,
            width: 100.0,
            function: VoiLutFunction::LinearExact,
            explanation: None,
        };
        let narrow = Presentation {
            voi: Some(narrow),
            ..Presentation::default()
        };
        assert_eq!(shown(&narrow, 2)[4..8], [0, 128, 255, 255]);
        let grey = present(&frame, None);
        assert!((grey.data[1] - (0.587 * 100.0 + 0.114 * 200.0) / 255.0).abs() < 1e-6);
    }

    #[test]
    fn shrinking_leaves_out_no_pixel() {
        // A checkerboard seen from afar is grey.
        let frame = frame(
            64,
            64,
            (0..64 * 64)
                .map(|i| if (i / 64 + i % 64) % 2 == 0 { 0 } else { 255 })
                .collect(),
        );
        let out = drawn(&frame, ViewState::default(), 16, 16);
        assert!(out.iter().all(|v| v.abs_diff(128) <= 1), "{out:?}");
    }

    proptest! {
        #[test]
        fn at_its_own_size_it_is_the_presented_picture(columns in 1u32..12, rows in 1u32..12, seed: u32) {
            let pixels = (0..rows * columns).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 20) as u16 & 255).collect();
            let frame = frame(rows, columns, pixels);
            let expect: Vec<u8> = present(&frame, None).data.iter().map(|v| (v * 255.0 + 0.5) as u8).collect();
            prop_assert_eq!(drawn(&frame, ViewState::default(), columns, rows), expect);
        }
    }
}
