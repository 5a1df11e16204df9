//! Material lengths behind every pixel of a grid.

use rayon::prelude::*;
use wide::f32x8;

use crate::math::{V3, value_noise};
use crate::solid::{Grain, Group, Matter, Near, Tube};

/// Sample points on the detector, mm from its middle; rows go down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    pub left: f32,
    pub top: f32,
    pub step_x: f32,
    pub step_y: f32,
    pub width: usize,
    pub height: usize,
}

impl Grid {
    pub fn x(&self, column: usize) -> f32 {
        self.left + (column as f32 + 0.5) * self.step_x
    }
    pub fn y(&self, row: usize) -> f32 {
        self.top - (row as f32 + 0.5) * self.step_y
    }
    /// The coarser of the two pitches.
    pub fn pitch(&self) -> f32 {
        self.step_x.max(self.step_y)
    }
    /// The same area in steps of at least `pitch`.
    pub fn coarser(&self, pitch: f32, border: usize) -> Grid {
        let (w, h) = (self.width as f32 * self.step_x, self.height as f32 * self.step_y);
        let (nx, ny) = (
            (w / pitch).ceil().max(2.0) as usize,
            (h / pitch).ceil().max(2.0) as usize,
        );
        let (sx, sy) = (w / nx as f32, h / ny as f32);
        Grid {
            left: self.left - border as f32 * sx,
            top: self.top + border as f32 * sy,
            step_x: sx,
            step_y: sy,
            width: nx + 2 * border,
            height: ny + 2 * border,
        }
    }
}

/// One number a grid point, sampled between points.
#[derive(Clone, Debug)]
pub struct Field {
    pub grid: Grid,
    pub data: Vec<f32>,
}

impl Field {
    /// Linear between points, constant outside.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (c0, c1, tx) = self.column(x);
        let (r0, r1, ty) = self.row(y);
        let w = self.grid.width;
        let top = self.data[r0 * w + c0] * (1.0 - tx) + self.data[r0 * w + c1] * tx;
        let low = self.data[r1 * w + c0] * (1.0 - tx) + self.data[r1 * w + c1] * tx;
        top * (1.0 - ty) + low * ty
    }
    fn column(&self, x: f32) -> (usize, usize, f32) {
        place((x - self.grid.left) / self.grid.step_x - 0.5, self.grid.width)
    }
    fn row(&self, y: f32) -> (usize, usize, f32) {
        place((self.grid.top - y) / self.grid.step_y - 0.5, self.grid.height)
    }
}

fn place(position: f32, count: usize) -> (usize, usize, f32) {
    let p = position.clamp(0.0, (count - 1) as f32);
    let low = p as usize;
    (low, (low + 1).min(count - 1), p - low as f32)
}

/// Millimetres of each material behind a pixel.
pub type Lengths = [f32; 5];
pub const FAT: usize = 0;
pub const MUSCLE: usize = 1;
pub const BONE: usize = 2;
pub const TITANIUM: usize = 3;
pub const STEEL: usize = 4;

/// A line drawn on the detector plane: wires, tubes, folds, letters of lead, calcified vessels.
#[derive(Clone, Debug)]
pub struct Stroke {
    pub points: Vec<[f32; 2]>,
    /// Half width, mm.
    pub half_width: f32,
    pub material: usize,
    /// Length added in the middle, mm (negative takes away).
    pub amount: f32,
    /// Walls only, as a tube has.
    pub hollow: bool,
}

/// A rounded pocket of gas or lump of stool on the detector plane.
#[derive(Clone, Copy, Debug)]
pub struct Blob {
    pub centre: [f32; 2],
    pub radii: [f32; 2],
    pub turn: f32,
    /// Length of soft tissue it takes away in its middle, mm.
    pub depth: f32,
}

/// Everything between the tube and the detector.
#[derive(Clone, Debug)]
pub struct Scene {
    pub tube: Tube,
    pub groups: Vec<Group>,
    pub strokes: Vec<Stroke>,
    pub blobs: Vec<Blob>,
    pub texture_seed: u32,
}

const TILE: usize = 16;

/// Lengths of all materials on a grid.
pub fn lengths(scene: &Scene, grid: &Grid) -> Vec<Lengths> {
    let mut out = vec![[0.0_f32; 5]; grid.width * grid.height];
    // The body is smooth: a coarse grid, then linear between its points.
    let soft_pitch = if grid.pitch() > 1.2 {
        grid.pitch()
    } else {
        (grid.pitch() * 4.0).clamp(0.5, 1.2)
    };
    let soft_grid = if soft_pitch > grid.pitch() * 1.4 {
        grid.coarser(soft_pitch, 1)
    } else {
        *grid
    };
    let bodies: Vec<&Group> = scene.groups.iter().filter(|g| g.matter == Matter::Body).collect();
    let others: Vec<&Group> = scene.groups.iter().filter(|g| g.matter != Matter::Body).collect();
    let mut soft = vec![[0.0_f32; 5]; soft_grid.width * soft_grid.height];
    march(scene, &bodies, &soft_grid, 4.0, &mut soft);
    if soft_grid == *grid {
        out.copy_from_slice(&soft);
    } else {
        let field = |material: usize| Field {
            grid: soft_grid,
            data: soft.iter().map(|l| l[material]).collect(),
        };
        let (fat, muscle) = (field(FAT), field(MUSCLE));
        out.par_chunks_mut(grid.width).enumerate().for_each(|(row, line)| {
            let y = grid.y(row);
            for (column, cell) in line.iter_mut().enumerate() {
                let x = grid.x(column);
                cell[FAT] = fat.at(x, y);
                cell[MUSCLE] = muscle.at(x, y);
            }
        });
    }
    let finest = (grid.pitch() * 0.8).clamp(0.45, 1.6);
    march(scene, &others, grid, finest, &mut out);
    blobs(scene, grid, &mut out);
    strokes(scene, grid, &mut out);
    let seed = scene.texture_seed;
    out.par_chunks_mut(grid.width).enumerate().for_each(|(row, line)| {
        let y = grid.y(row);
        for (column, l) in line.iter_mut().enumerate() {
            let x = grid.x(column);
            // Muscles, fat between them, bowel and clothes: uneven at every size.
            let uneven = 0.034 * value_noise(seed ^ 21, x / 42.0, y / 55.0)
                + 0.022 * value_noise(seed ^ 22, x / 17.0, y / 21.0)
                + 0.016 * value_noise(seed ^ 23, x / 6.0, y / 7.0);
            l[MUSCLE] = (l[MUSCLE] - l[BONE].max(0.0)).max(0.0) * (1.0 + uneven);
            for value in l.iter_mut() {
                *value = value.max(0.0);
            }
        }
    });
    out
}

fn march(scene: &Scene, groups: &[&Group], grid: &Grid, finest: f32, out: &mut [Lengths]) {
    if groups.is_empty() {
        return;
    }
    let tube = scene.tube;
    let pitch = grid.pitch();
    let bounds: Vec<[f32; 4]> = groups.iter().map(|g| g.bounds(&tube)).collect();
    out.par_chunks_mut(grid.width * TILE)
        .enumerate()
        .for_each(|(band, lines)| {
            let first_row = band * TILE;
            let rows = lines.len() / grid.width;
            for first_column in (0..grid.width).step_by(TILE) {
                let columns = TILE.min(grid.width - first_column);
                let centre = [
                    grid.left + (first_column as f32 + columns as f32 * 0.5) * grid.step_x,
                    grid.top - (first_row as f32 + rows as f32 * 0.5) * grid.step_y,
                ];
                let reach = 0.5 * ((columns as f32 * grid.step_x).powi(2) + (rows as f32 * grid.step_y).powi(2)).sqrt();
                for (group, bound) in groups.iter().zip(&bounds) {
                    if centre[0] + reach < bound[0]
                        || centre[1] + reach < bound[1]
                        || centre[0] - reach > bound[2]
                        || centre[1] - reach > bound[3]
                    {
                        continue;
                    }
                    let Some(near) = group.near(&tube, centre, reach) else {
                        continue;
                    };
                    let tile = Tile {
                        group,
                        near,
                        tube,
                        grid,
                        finest,
                        corner: (first_column, first_row),
                        tolerance: match group.matter {
                            Matter::Body | Matter::Air | Matter::Tissue => 0.3,
                            Matter::Bone => 0.05,
                            Matter::Titanium => 0.02,
                            Matter::Steel => 0.008,
                        },
                    };
                    let found = tile.lengths(columns, rows);
                    for row in 0..rows {
                        for column in 0..columns {
                            let [shell, fill] = found[row * TILE + column];
                            if shell + fill > 0.0 {
                                let at = [grid.x(first_column + column), grid.y(first_row + row)];
                                let cell = &mut lines[row * grid.width + first_column + column];
                                add(group, scene, cell, shell, fill, at, pitch);
                            }
                        }
                    }
                }
            }
        });
}

/// Sides of a tile's cells in pixels, tried one after the other.
const CELLS: [usize; 2] = [8, 4];
/// Below this pitch, mm, cells are tried before pixels.
const FINE_PITCH: f32 = 0.5;

/// A square of pixels, and what of one group lies behind it.
struct Tile<'a> {
    group: &'a Group,
    near: Near<'a>,
    tube: Tube,
    grid: &'a Grid,
    finest: f32,
    /// First column and row.
    corner: (usize, usize),
    /// A cell is smooth where its middle is within this of what its corners say, mm.
    tolerance: f32,
}

/// Lengths of shell and of inside times fill, by row and column of a tile.
type TileLengths = [[f32; 2]; TILE * TILE];

impl Tile<'_> {
    /// Where a surface is seen edge on, lengths change from pixel to pixel; elsewhere they are smooth. So a cell of
    /// pixels is computed at its corners and its middle, and divided only where these do not agree.
    fn lengths(&self, columns: usize, rows: usize) -> TileLengths {
        let mut out = [[0.0; 2]; TILE * TILE];
        let fine = self.grid.pitch() <= FINE_PITCH;
        // Splinters at a fracture are smaller than the larger cells.
        let first = if self.group.clips.is_empty() {
            CELLS[0]
        } else {
            CELLS[1]
        };
        if fine && first == CELLS[0] {
            self.cells::<3, 2>((0, 0), CELLS[0], (columns, rows), &mut out);
        } else if fine {
            self.cells::<5, 4>((0, 0), CELLS[1], (columns, rows), &mut out);
        } else {
            for row in (0..rows).step_by(4) {
                for column in (0..columns).step_by(4) {
                    self.each(column, row, &mut out);
                }
            }
        }
        out
    }

    /// `N` by `N` cells of `side` pixels from a first column and row on; `M` is one more.
    fn cells<const M: usize, const N: usize>(
        &self,
        (column, row): (usize, usize),
        side: usize,
        (columns, rows): (usize, usize),
        out: &mut TileLengths,
    ) {
        let place = |i: usize| {
            let (x, y, half) = if i < M * M {
                (i % M, i / M, 0.0)
            } else {
                let i = (i - M * M).min(N * N - 1);
                (i % N, i / N, side as f32 * 0.5)
            };
            ((column + x * side) as f32 + half, (row + y * side) as f32 + half)
        };
        let mut lattice = [[0.0_f32; 2]; 48];
        for first in (0..M * M + N * N).step_by(8) {
            lattice[first..first + 8].copy_from_slice(&self.eight(|lane| place(first + lane)));
        }
        for j in 0..N {
            for i in 0..N {
                let (column, row) = (column + i * side, row + j * side);
                if column >= columns || row >= rows {
                    continue;
                }
                let first = j * M + i;
                let [a, b] = [lattice[first], lattice[first + 1]];
                let [c, d] = [lattice[first + M], lattice[first + M + 1]];
                let middle = lattice[M * M + j * N + i];
                let smooth = (0..2).all(|k| (0.25 * (a[k] + b[k] + c[k] + d[k]) - middle[k]).abs() < self.tolerance);
                if !smooth && side == CELLS[0] {
                    self.cells::<3, 2>((column, row), CELLS[1], (columns, rows), out);
                } else if !smooth {
                    self.each(column, row, out);
                } else {
                    let part = 1.0 / side as f32;
                    for y in 0..side {
                        let ty = y as f32 * part;
                        for x in 0..side {
                            let tx = x as f32 * part;
                            let at = |k: usize| {
                                let top = a[k] + (b[k] - a[k]) * tx;
                                top + (c[k] + (d[k] - c[k]) * tx - top) * ty
                            };
                            out[(row + y) * TILE + column + x] = [at(0), at(1)];
                        }
                    }
                }
            }
        }
    }

    /// A cell, pixel by pixel; eight rays are a patch of four by two.
    fn each(&self, column: usize, row: usize, out: &mut TileLengths) {
        for half in [0, 2] {
            let found = self.eight(|lane| ((column + lane % 4) as f32, (row + half + lane / 4) as f32));
            for (lane, found) in found.into_iter().enumerate() {
                out[(row + half + lane / 4) * TILE + column + lane % 4] = found;
            }
        }
    }

    /// Eight rays to places in the tile, in pixels from the middle of its first.
    fn eight(&self, place: impl Fn(usize) -> (f32, f32)) -> [[f32; 2]; 8] {
        let (mut xs, mut ys) = ([0.0_f32; 8], [0.0_f32; 8]);
        for lane in 0..8 {
            let (column, row) = place(lane);
            xs[lane] = self.grid.x(self.corner.0) + column * self.grid.step_x;
            ys[lane] = self.grid.y(self.corner.1) - row * self.grid.step_y;
        }
        let (shell, fill) = self
            .group
            .lengths(&self.near, &self.tube, f32x8::from(xs), f32x8::from(ys), self.finest);
        let (shell, fill) = (shell.to_array(), fill.to_array());
        std::array::from_fn(|lane| [shell[lane], fill[lane]])
    }
}

fn add(group: &Group, scene: &Scene, cell: &mut Lengths, shell: f32, fill: f32, at: [f32; 2], pitch: f32) {
    match group.matter {
        Matter::Bone => {
            let mut fill = fill;
            if fill > 0.05 {
                fill *= match &group.grain {
                    Some(grain) => grain_factor(grain, &scene.tube, at, pitch),
                    None => {
                        let noise = |seed, size: f32| {
                            averaged(size, pitch) * value_noise(scene.texture_seed ^ seed, at[0] / size, at[1] / size)
                        };
                        1.0 + 0.45 * noise(31, 0.7) + 0.42 * noise(0, 1.3) + 0.24 * noise(77, 3.1)
                    }
                };
            }
            cell[BONE] += shell + fill;
        }
        Matter::Body => {
            cell[FAT] += shell;
            cell[MUSCLE] += fill;
        }
        Matter::Air => cell[MUSCLE] -= fill + shell,
        Matter::Tissue => cell[MUSCLE] += fill + shell,
        Matter::Titanium => cell[TITANIUM] += shell + fill,
        Matter::Steel => cell[STEEL] += shell + fill,
    }
}

/// What is left of a texture with grains of `size` mm when a pixel averages over `pitch` mm: all of it while two
/// pixels fall on a grain, then less with the area.
fn averaged(size: f32, pitch: f32) -> f32 {
    (0.5 * size / pitch).powi(2).min(1.0)
}

/// How much denser than its mean the cancellous bone of a proximal femur is behind a pixel: the principal
/// compressive and tensile groups, Ward's triangle and single streaks.
fn grain_factor(grain: &Grain, tube: &Tube, at: [f32; 2], pitch: f32) -> f32 {
    let middle = grain.pose.point(V3::default());
    let share = middle.z / tube.source.z;
    let on_plane = V3 {
        x: at[0] + (tube.source.x - at[0]) * share,
        y: at[1] + (tube.source.y - at[1]) * share,
        z: middle.z,
    };
    let local = grain.pose.inverse_point(on_plane);
    let k = grain.head_radius / 22.5;
    let (u, w) = (local.x / k, local.y / k);
    let loss = grain.loss;
    let fall = |x: f32| (-x * x).exp();
    // The compressive group rises from the calcar to the dome of the head.
    let along = w + 22.0;
    let beside = (u - 9.0) * 0.94 + along * 0.34;
    let compressive = fall(beside / (7.5 + 0.14 * along.clamp(0.0, 45.0)));
    // The tensile group arches from the lateral cortex through the upper neck into the lower head.
    let (cu, cw) = (u - 5.0, w + 43.0);
    let radius = (cu * cu + cw * cw).sqrt();
    let tensile = fall((radius - 47.0) / 6.0);
    let ward = fall(((u - 22.0).powi(2) + (w + 15.0).powi(2)).sqrt() / 9.5);
    let mut factor =
        1.0 + 0.45 * compressive + 0.40 * (1.0 - loss) * tensile - (0.30 + 0.35 * loss) * ward - 0.15 * loss;
    let (fu, fw) = (u - 16.0, w + 55.0);
    let (fan_angle, fan_radius) = (fu.atan2(fw.max(1.0)), (fu * fu + fw * fw).sqrt());
    let mesh = |seed, size: f32| averaged(size, pitch) * value_noise(grain.seed ^ seed, u / size, w / size);
    let streaks = averaged(0.8, pitch) * value_noise(grain.seed, fan_angle * 62.0, fan_radius / 13.0);
    let arcs = averaged(1.15, pitch) * value_noise(grain.seed ^ 5, radius / 1.15, cu.atan2(cw) * 4.0);
    let pattern = streaks * (0.15 + 0.5 * compressive)
        + arcs * (0.12 + 0.5 * tensile * (1.0 - 0.6 * loss))
        + 0.6 * mesh(15, 0.7)
        + 0.6 * mesh(9, 1.3)
        + 0.4 * mesh(11, 2.7);
    // Paget's: few thick trabeculae along the lines of load.
    let thick =
        averaged(2.0, pitch) * value_noise(grain.seed ^ 17, fan_angle * 24.0, fan_radius / 22.0) + 0.6 * mesh(19, 4.5);
    factor *= 1.0 + (0.62 + 0.20 * loss) * (pattern + 0.9 * grain.coarse * thick);
    factor.max(0.05)
}

fn blobs(scene: &Scene, grid: &Grid, out: &mut [Lengths]) {
    if scene.blobs.is_empty() {
        return;
    }
    out.par_chunks_mut(grid.width).enumerate().for_each(|(row, line)| {
        let y = grid.y(row);
        let mut taken = vec![0.0_f32; grid.width];
        for blob in &scene.blobs {
            let reach = blob.radii[0].max(blob.radii[1]);
            if (y - blob.centre[1]).abs() > reach {
                continue;
            }
            let (s, c) = blob.turn.sin_cos();
            let first = ((blob.centre[0] - reach - grid.left) / grid.step_x).floor().max(0.0) as usize;
            let last = ((blob.centre[0] + reach - grid.left) / grid.step_x).ceil().max(0.0) as usize;
            for (column, taken) in taken.iter_mut().enumerate().take(last).skip(first) {
                let (dx, dy) = (grid.x(column) - blob.centre[0], y - blob.centre[1]);
                let (a, b) = ((dx * c + dy * s) / blob.radii[0], (dy * c - dx * s) / blob.radii[1]);
                let q = 1.0 - a * a - b * b;
                if q > 0.0 {
                    let depth = blob.depth * q.sqrt();
                    // Pockets lie beside each other more than behind each other.
                    *taken = if blob.depth < 0.0 {
                        *taken + depth
                    } else {
                        taken.max(depth) + taken.min(depth) * 0.25
                    };
                }
            }
        }
        for (cell, depth) in line.iter_mut().zip(taken) {
            cell[MUSCLE] = (cell[MUSCLE] - depth)
                .max(cell[MUSCLE].min(0.0))
                .max(cell[MUSCLE] * 0.25);
        }
    });
}

fn strokes(scene: &Scene, grid: &Grid, out: &mut [Lengths]) {
    let pitch = grid.pitch();
    for stroke in &scene.strokes {
        let half = stroke.half_width.max(pitch * 0.6);
        // Thinner than a pixel: the same amount, spread.
        let amount = stroke.amount * stroke.half_width / half;
        let reach = half * 1.05 + pitch;
        let bound = |axis: usize, low: bool| {
            stroke.points.iter().map(|p| p[axis]).fold(
                if low { f32::MAX } else { f32::MIN },
                if low { f32::min } else { f32::max },
            )
        };
        let (x0, x1) = (bound(0, true) - reach, bound(0, false) + reach);
        let (y0, y1) = (bound(1, true) - reach, bound(1, false) + reach);
        let column = |x: f32| ((x - grid.left) / grid.step_x).clamp(0.0, grid.width as f32) as usize;
        let row = |y: f32| ((grid.top - y) / grid.step_y).clamp(0.0, grid.height as f32) as usize;
        let (r0, r1) = (row(y1), (row(y0) + 1).min(grid.height));
        let (c0, c1) = (column(x0), (column(x1) + 1).min(grid.width));
        if r0 >= r1 || c0 >= c1 {
            continue;
        }
        out[r0 * grid.width..r1 * grid.width]
            .par_chunks_mut(grid.width)
            .enumerate()
            .for_each(|(index, line)| {
                let y = grid.y(r0 + index);
                let close: Vec<&[[f32; 2]]> = stroke
                    .points
                    .windows(2)
                    .filter(|s| s[0][1].min(s[1][1]) - reach <= y && s[0][1].max(s[1][1]) + reach >= y)
                    .collect();
                if close.is_empty() {
                    return;
                }
                for (offset, cell) in line[c0..c1].iter_mut().enumerate() {
                    let x = grid.x(c0 + offset);
                    let mut nearest = f32::MAX;
                    for s in &close {
                        let (ux, uy) = (s[1][0] - s[0][0], s[1][1] - s[0][1]);
                        let (px, py) = (x - s[0][0], y - s[0][1]);
                        let t = ((px * ux + py * uy) / (ux * ux + uy * uy).max(1e-6)).clamp(0.0, 1.0);
                        nearest = nearest.min((px - ux * t).powi(2) + (py - uy * t).powi(2));
                    }
                    let q = nearest / (half * half);
                    if q < 1.0 {
                        let chord = (1.0 - q).sqrt();
                        let inner = if stroke.hollow { (0.6 - q).max(0.0).sqrt() } else { 0.0 };
                        cell[stroke.material] += amount * (chord - inner);
                    }
                }
            });
    }
}

/// A Gaussian blur in place; `sigma` in grid steps.
pub fn blur(data: &mut [f32], width: usize, height: usize, sigma: f32) {
    if sigma < 0.15 {
        return;
    }
    let radius = (sigma * 3.0).ceil() as usize;
    let kernel: Vec<f32> = (0..=radius)
        .map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    let kernel: Vec<f32> = kernel.iter().map(|k| k / total).collect();
    data.par_chunks_mut(width).for_each(|line| {
        let source = line.to_vec();
        for (x, out) in line.iter_mut().enumerate() {
            let mut sum = source[x] * kernel[0];
            for (i, k) in kernel.iter().enumerate().skip(1) {
                sum += k * (source[x.saturating_sub(i)] + source[(x + i).min(width - 1)]);
            }
            *out = sum;
        }
    });
    let source = data.to_vec();
    data.par_chunks_mut(width).enumerate().for_each(|(y, line)| {
        for (x, out) in line.iter_mut().enumerate() {
            *out = source[y * width + x] * kernel[0];
        }
        for (i, k) in kernel.iter().enumerate().skip(1) {
            let (up, down) = (y.saturating_sub(i) * width, (y + i).min(height - 1) * width);
            for x in 0..width {
                line[x] += k * (source[up + x] + source[down + x]);
            }
        }
    });
}
