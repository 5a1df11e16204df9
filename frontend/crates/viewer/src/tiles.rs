//! A picture larger than one texture is cut into equal tiles, the layers of a texture array.

/// How a picture is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Pixels of the picture.
    picture: [usize; 2],
    /// Pixels of a tile; those at the right and lower border may be filled in part.
    pub width: usize,
    pub height: usize,
    /// Tiles side by side.
    pub across: usize,
    /// Tiles one above the other.
    pub down: usize,
}

impl Tiles {
    /// As few tiles as a limit to a texture's side allows.
    pub fn new(width: usize, height: usize, limit: usize) -> Self {
        let across = width.div_ceil(limit).max(1);
        let down = height.div_ceil(limit).max(1);
        Self {
            picture: [width, height],
            width: width.div_ceil(across).max(1),
            height: height.div_ceil(down).max(1),
            across,
            down,
        }
    }

    pub fn count(&self) -> usize {
        self.across * self.down
    }

    /// x, y, width and height of each tile in the picture, row by row: the order of the layers.
    pub fn rectangles(&self) -> impl Iterator<Item = [usize; 4]> + '_ {
        (0..self.count()).map(|layer| {
            let x = layer % self.across * self.width;
            let y = layer / self.across * self.height;
            [
                x,
                y,
                self.width.min(self.picture[0] - x),
                self.height.min(self.picture[1] - y),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_fits_is_one_tile() {
        let tiles = Tiles::new(3000, 2500, 4096);
        assert_eq!((tiles.width, tiles.height, tiles.count()), (3000, 2500, 1));
    }

    #[test]
    fn tiles_cover_every_pixel_once() {
        for (width, height, limit) in [(10, 7, 4), (9, 9, 3), (4300, 3501, 2048), (1, 5, 2), (5, 5, 5)] {
            let tiles = Tiles::new(width, height, limit);
            let mut seen = vec![0u8; width * height];
            for [x, y, w, h] in tiles.rectangles() {
                assert!(w <= limit && h <= limit && w <= tiles.width && h <= tiles.height);
                for row in y..y + h {
                    for column in x..x + w {
                        seen[row * width + column] += 1;
                        // The shader finds the pixel by the same division.
                        assert_eq!(
                            (column / tiles.width, row / tiles.height),
                            (x / tiles.width, y / tiles.height)
                        );
                    }
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{width} x {height} by {limit}");
        }
    }
}
