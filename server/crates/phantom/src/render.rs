//! Material lengths behind every pixel of a grid.

use rayon::prelude::*;

use crate::config::TrabecularPriors;
use crate::lanes::{atan2, exp, widest};
use crate::math::{V3, value_noise};
use crate::solid::{Grain, Group, Matter, Near, Rays, Tube};

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
        let (c, tx) = self.column(x);
        let (r, ty) = self.row(y);
        let w = self.grid.width;
        let top = self.data[r * w + c] * (1.0 - tx) + self.data[r * w + c + 1] * tx;
        let low = self.data[(r + 1) * w + c] * (1.0 - tx) + self.data[(r + 1) * w + c + 1] * tx;
        top * (1.0 - ty) + low * ty
    }
    fn column(&self, x: f32) -> (usize, f32) {
        place((x - self.grid.left) / self.grid.step_x - 0.5, self.grid.width)
    }
    fn row(&self, y: f32) -> (usize, f32) {
        place((self.grid.top - y) / self.grid.step_y - 0.5, self.grid.height)
    }
    /// Where another grid's columns lie in this one.
    pub fn columns(&self, of: &Grid) -> Vec<(usize, f32)> {
        (0..of.width).map(|c| self.column(of.x(c))).collect()
    }
    /// A line at height `y`, at places told by `columns`; `blend` is room for one of the field's own lines.
    pub fn line(&self, y: f32, columns: &[(usize, f32)], blend: &mut Vec<f32>, out: &mut [f32]) {
        let (r, t) = self.row(y);
        let w = self.grid.width;
        let (top, low) = (&self.data[r * w..][..w], &self.data[(r + 1) * w..][..w]);
        blend.clear();
        blend.extend(top.iter().zip(low).map(|(top, low)| top + (low - top) * t));
        for ((c, t), out) in columns.iter().zip(out) {
            let (a, b) = (blend[*c], blend[*c + 1]);
            *out = a + (b - a) * t;
        }
    }
}

/// The point before a position, and how far behind it the position is; a field has at least two points each way.
fn place(position: f32, count: usize) -> (usize, f32) {
    let p = position.clamp(0.0, (count - 1) as f32);
    let low = (p as usize).min(count - 2);
    (low, p - low as f32)
}

// Materials, in the order of their lengths.
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
    /// See [`crate::SoftPriors::uneven`].
    pub uneven: [f32; 3],
    pub trabeculae: TrabecularPriors,
}

const TILE: usize = 16;

/// What lies behind some rows of a grid, mm, one line after the other.
pub struct Band {
    pub width: usize,
    /// By material.
    pub layers: [Vec<f32>; 5],
    /// Cancellous bone without a grain of its own, before its texture.
    spongy: Vec<f32>,
    /// Room for one line.
    line: Vec<f32>,
}

impl Band {
    fn new(width: usize) -> Band {
        let room = || vec![0.0_f32; width * TILE];
        Band {
            width,
            layers: [room(), room(), room(), room(), room()],
            spongy: room(),
            line: Vec::with_capacity(width),
        }
    }
    fn clear(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.fill(0.0));
        self.spongy.fill(0.0);
    }
    /// The lengths of a row, by material.
    pub fn row(&self, row: usize) -> [&[f32]; 5] {
        std::array::from_fn(|m| &self.layers[m][row * self.width..][..self.width])
    }
}

/// Solids of one kind of resolution, with the rectangles that hold their shadows.
struct Solids<'a> {
    groups: Vec<(&'a Group, [f32; 4])>,
    finest: f32,
}

impl<'a> Solids<'a> {
    fn new(scene: &'a Scene, finest: f32, of: impl Fn(&Group) -> bool) -> Solids<'a> {
        Solids {
            groups: scene
                .groups
                .iter()
                .filter(|g| of(g))
                .map(|g| (g, g.bounds(&scene.tube)))
                .collect(),
            finest,
        }
    }
}

/// Lengths of all materials on a grid.
#[cfg(test)]
pub fn lengths(scene: &Scene, grid: &Grid) -> Vec<[f32; 5]> {
    let mut out = vec![[0.0_f32; 5]; grid.width * grid.height];
    bands(scene, grid, &mut out, |_, band, lines| {
        for (index, cell) in lines.iter_mut().enumerate() {
            *cell = std::array::from_fn(|m| band.layers[m][index]);
        }
    });
    out
}

/// Goes through a grid in bands of rows: `finish` makes each band's lines of `out` from what lies behind them. It is
/// told the band's first row.
pub fn bands<T: Send>(scene: &Scene, grid: &Grid, out: &mut [T], finish: impl Fn(usize, &Band, &mut [T]) + Sync) {
    // The body is smooth: a coarse grid, then linear between its points.
    let soft_pitch = if grid.pitch() > 1.2 {
        grid.pitch()
    } else {
        (grid.pitch() * 4.0).clamp(0.5, 1.2)
    };
    let soft = (soft_pitch > grid.pitch() * 1.4).then(|| {
        let soft_grid = grid.coarser(soft_pitch, 1);
        let bodies = Solids::new(scene, 4.0, |g| g.matter == Matter::Body);
        let mut soft = vec![[0.0_f32; 2]; soft_grid.width * soft_grid.height];
        soft.par_chunks_mut(soft_grid.width * TILE).enumerate().for_each_init(
            || Band::new(soft_grid.width),
            |band, (index, lines)| {
                band.clear();
                march(
                    scene,
                    &bodies,
                    &soft_grid,
                    index * TILE,
                    lines.len() / soft_grid.width,
                    band,
                );
                for (index, cell) in lines.iter_mut().enumerate() {
                    *cell = [band.layers[FAT][index], band.layers[MUSCLE][index]];
                }
            },
        );
        let field = |material: usize| Field {
            grid: soft_grid,
            data: soft.iter().map(|l| l[material]).collect(),
        };
        let (fat, muscle) = (field(0), field(1));
        let columns = fat.columns(grid);
        (fat, muscle, columns)
    });
    let finest = (grid.pitch() * 0.8).clamp(0.8, 1.6);
    let bodies = Solids::new(scene, 4.0, |g| soft.is_none() && g.matter == Matter::Body);
    let others = Solids::new(scene, finest, |g| g.matter != Matter::Body);
    let strokes: Vec<Drawn> = scene.strokes.iter().map(|stroke| Drawn::new(stroke, grid)).collect();
    let xs: Vec<f32> = (0..grid.width).map(|c| grid.x(c)).collect();
    let [fine, middle, coarse] = scene.trabeculae.sponge;
    let spongy = [(31, 0.7, fine), (0, 1.3, middle), (77, 3.1, coarse)].map(|(seed, size, much): (u32, f32, f32)| {
        (
            scene.texture_seed ^ seed,
            1.0 / size,
            much * averaged(size, grid.pitch()),
        )
    });
    out.par_chunks_mut(grid.width * TILE).enumerate().for_each_init(
        || Band::new(grid.width),
        |band, (index, lines)| {
            let (first, rows, w) = (index * TILE, lines.len() / grid.width, grid.width);
            band.clear();
            if let Some((fat, muscle, columns)) = &soft {
                for row in 0..rows {
                    let y = grid.y(first + row);
                    fat.line(y, columns, &mut band.line, &mut band.layers[FAT][row * w..][..w]);
                    muscle.line(y, columns, &mut band.line, &mut band.layers[MUSCLE][row * w..][..w]);
                }
            }
            march(scene, &bodies, grid, first, rows, band);
            march(scene, &others, grid, first, rows, band);
            for row in 0..rows {
                let y = grid.y(first + row);
                let part = row * w..(row + 1) * w;
                sponge(
                    &spongy,
                    &xs,
                    y,
                    &band.spongy[part.clone()],
                    &mut band.layers[BONE][part.clone()],
                );
                blobs(scene, grid, y, &mut band.line, &mut band.layers[MUSCLE][part.clone()]);
                for stroke in &strokes {
                    stroke.add(
                        grid,
                        &xs,
                        first + row,
                        &mut band.line,
                        &mut band.layers[stroke.of.material][part.clone()],
                    );
                }
                let [_, muscle, bone, _, _] = &mut band.layers;
                uneven(
                    scene.texture_seed,
                    scene.uneven,
                    &xs,
                    y,
                    &bone[part.clone()],
                    &mut muscle[part.clone()],
                );
                for layer in &mut band.layers {
                    layer[part.clone()]
                        .iter_mut()
                        .for_each(|length| *length = length.max(0.0));
                }
            }
            finish(first, band, lines);
        },
    );
}

widest! {
    /// Muscles, fat between them, bowel and clothes: uneven at every size. Bone takes muscle's place.
    fn uneven(seed: u32, amounts: [f32; 3], xs: &[f32], y: f32, bone: &[f32], muscle: &mut [f32]) {
        let [coarse, middle, fine] = amounts;
        for ((x, bone), muscle) in xs.iter().zip(bone).zip(muscle) {
            let uneven = coarse * value_noise(seed ^ 21, x * (1.0 / 42.0), y * (1.0 / 55.0))
                + middle * value_noise(seed ^ 22, x * (1.0 / 17.0), y * (1.0 / 21.0))
                + fine * value_noise(seed ^ 23, x * (1.0 / 6.0), y * (1.0 / 7.0));
            *muscle = (*muscle - bone.max(0.0)).max(0.0) * (1.0 + uneven);
        }
    }
}

/// Least cancellous bone that is given a texture, mm.
const TEXTURED: f32 = 0.05;

widest! {
    /// Adds cancellous bone with its texture: noises of a seed, a frequency and an amount.
    fn sponge(noises: &[(u32, f32, f32); 3], xs: &[f32], y: f32, spongy: &[f32], bone: &mut [f32]) {
        const AT_ONCE: usize = 32;
        for ((xs, spongy), bone) in xs.chunks(AT_ONCE).zip(spongy.chunks(AT_ONCE)).zip(bone.chunks_mut(AT_ONCE)) {
            if spongy.iter().all(|fill| *fill <= TEXTURED) {
                bone.iter_mut().zip(spongy).for_each(|(bone, fill)| *bone += fill);
                continue;
            }
            let mut factor = [1.0_f32; AT_ONCE];
            for (seed, per, much) in noises {
                for (x, factor) in xs.iter().zip(&mut factor) {
                    *factor += much * value_noise(*seed, x * per, y * per);
                }
            }
            for ((bone, fill), factor) in bone.iter_mut().zip(spongy).zip(factor) {
                *bone += fill * if *fill > TEXTURED { factor } else { 1.0 };
            }
        }
    }
}

/// Adds what lies behind rows `first` and following.
fn march(scene: &Scene, solids: &Solids<'_>, grid: &Grid, first: usize, rows: usize, band: &mut Band) {
    let tube = scene.tube;
    for first_column in (0..grid.width).step_by(TILE) {
        let columns = TILE.min(grid.width - first_column);
        let centre = [
            grid.left + (first_column as f32 + columns as f32 * 0.5) * grid.step_x,
            grid.top - (first as f32 + rows as f32 * 0.5) * grid.step_y,
        ];
        let reach = 0.5 * ((columns as f32 * grid.step_x).powi(2) + (rows as f32 * grid.step_y).powi(2)).sqrt();
        for (group, bound) in &solids.groups {
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
                finest: solids.finest,
                corner: (first_column, first),
                tolerance: match group.matter {
                    Matter::Body | Matter::Air | Matter::Tissue => 0.3,
                    Matter::Bone => 0.08,
                    Matter::Titanium => 0.02,
                    Matter::Steel => 0.008,
                },
            };
            let mut found = tile.lengths(columns, rows);
            if let (Matter::Bone, Some(grain)) = (group.matter, &group.grain)
                && found.fill.iter().any(|fill| *fill > TEXTURED)
            {
                let plan = GrainPlan::new(grain, scene.trabeculae, &tube, grid, (first_column, first));
                grained(&plan, &mut found.fill);
            }
            for row in 0..rows {
                let part = row * grid.width + first_column..row * grid.width + first_column + columns;
                let shell = &found.shell[row * TILE..][..columns];
                let fill = &found.fill[row * TILE..][..columns];
                let mut add = |layer: usize, values: &[f32], sign: f32| {
                    for (cell, value) in band.layers[layer][part.clone()].iter_mut().zip(values) {
                        *cell += sign * value;
                    }
                };
                match group.matter {
                    Matter::Bone => {
                        add(BONE, shell, 1.0);
                        if group.grain.is_some() {
                            add(BONE, fill, 1.0);
                        } else {
                            for (cell, fill) in band.spongy[part.clone()].iter_mut().zip(fill) {
                                *cell += fill;
                            }
                        }
                    }
                    Matter::Body => {
                        add(FAT, shell, 1.0);
                        add(MUSCLE, fill, 1.0);
                    }
                    Matter::Air | Matter::Tissue => {
                        let sign = if group.matter == Matter::Air { -1.0 } else { 1.0 };
                        add(MUSCLE, shell, sign);
                        add(MUSCLE, fill, sign);
                    }
                    Matter::Titanium | Matter::Steel => {
                        let layer = if group.matter == Matter::Steel { STEEL } else { TITANIUM };
                        add(layer, shell, 1.0);
                        add(layer, fill, 1.0);
                    }
                }
            }
        }
    }
}

/// Sides of a tile's cells in pixels, tried one after the other.
const CELLS: [usize; 2] = [8, 4];
/// Below this pitch, mm, cells are tried before pixels.
const FINE_PITCH: f32 = 0.5;
/// The same for the body's outline, which has no small parts.
const FINE_PITCH_SOFT: f32 = 1.2;

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
#[derive(Clone, Copy)]
struct TileLengths {
    shell: [f32; TILE * TILE],
    fill: [f32; TILE * TILE],
}

impl Tile<'_> {
    /// Where a surface is seen edge on, lengths change from pixel to pixel; elsewhere they are smooth. So a cell of
    /// pixels is computed at its corners and its middle, and divided only where these do not agree.
    fn lengths(&self, columns: usize, rows: usize) -> TileLengths {
        let mut out = TileLengths {
            shell: [0.0; TILE * TILE],
            fill: [0.0; TILE * TILE],
        };
        let soft = self.group.matter == Matter::Body;
        let fine = self.grid.pitch() <= if soft { FINE_PITCH_SOFT } else { FINE_PITCH };
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
                        let first = (row + y) * TILE + column;
                        for (k, out) in [&mut out.shell, &mut out.fill].into_iter().enumerate() {
                            let left = a[k] + (c[k] - a[k]) * ty;
                            let slope = (b[k] + (d[k] - b[k]) * ty - left) * part;
                            for (x, out) in out[first..first + side].iter_mut().enumerate() {
                                *out = left + slope * x as f32;
                            }
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
            for (lane, [shell, fill]) in found.into_iter().enumerate() {
                let at = (row + half + lane / 4) * TILE + column + lane % 4;
                (out.shell[at], out.fill[at]) = (shell, fill);
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
        let rays = Rays {
            group: self.group,
            near: &self.near,
            tube: &self.tube,
            x: xs,
            y: ys,
            finest: self.finest,
        };
        let [shell, fill] = rays.lengths();
        std::array::from_fn(|lane| [shell[lane], fill[lane]])
    }
}

/// What is left of a texture with grains of `size` mm when a pixel averages over `pitch` mm: all of it while two
/// pixels fall on a grain, then less with the area.
#[inline(always)]
fn averaged(size: f32, pitch: f32) -> f32 {
    (0.5 * size / pitch).powi(2).min(1.0)
}

#[inline(always)]
fn fall(x: f32) -> f32 {
    exp(-x * x)
}

#[inline(always)]
fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// A line of a tile.
#[inline(always)]
fn line(of: impl Fn(usize) -> f32) -> [f32; TILE] {
    let mut out = [0.0; TILE];
    for (i, out) in out.iter_mut().enumerate() {
        *out = of(i);
    }
    out
}

/// The grain of a femur, ready for one tile.
struct GrainPlan {
    /// In the femur's frame, for a head of usual size: the tile's first pixel, a column further and a row further.
    start: [f32; 2],
    column: [f32; 2],
    row: [f32; 2],
    loss: f32,
    coarse: f32,
    seed: u32,
    pitch: f32,
    /// How much the pattern counts.
    much: f32,
}

impl GrainPlan {
    fn new(
        grain: &Grain,
        priors: TrabecularPriors,
        tube: &Tube,
        grid: &Grid,
        (column, row): (usize, usize),
    ) -> GrainPlan {
        let middle = grain.pose.point(V3::default());
        let share = middle.z / tube.source.z;
        let k = grain.head_radius / 22.5;
        let local = |x: f32, y: f32| {
            let on_plane = V3 {
                x: x + (tube.source.x - x) * share,
                y: y + (tube.source.y - y) * share,
                z: middle.z,
            };
            let p = grain.pose.inverse_point(on_plane);
            [p.x / k, p.y / k]
        };
        let (x, y) = (grid.x(column), grid.y(row));
        let start = local(x, y);
        // Over a stretch that is long against rounding.
        let step = |[u, w]: [f32; 2], by: f32| [(u - start[0]) / 64.0 * by, (w - start[1]) / 64.0 * by];
        GrainPlan {
            start,
            column: step(local(x + 64.0, y), grid.step_x),
            row: step(local(x, y - 64.0), grid.step_y),
            loss: grain.loss,
            coarse: grain.coarse,
            seed: grain.seed,
            pitch: grid.pitch(),
            much: priors.grain + priors.grain_loss * grain.loss,
        }
    }
}

widest! {
    /// How much denser than its mean the cancellous bone of a proximal femur is behind a pixel: the principal
    /// compressive and tensile groups, Ward's triangle and single streaks.
    fn grained(plan: &GrainPlan, fill: &mut [f32; TILE * TILE]) {
        let (seed, loss, pitch) = (plan.seed, plan.loss, plan.pitch);
        for (row, fill) in fill.chunks_exact_mut(TILE).enumerate() {
            if fill.iter().all(|fill| *fill <= TEXTURED) {
                continue;
            }
            let place = |axis: usize| {
                let first = plan.start[axis] + plan.row[axis] * row as f32;
                line(|i| first + plan.column[axis] * i as f32)
            };
            let (us, ws) = (place(0), place(1));
            // The compressive group rises from the calcar to the dome of the head.
            let compressive = line(|i| {
                let along = ws[i] + 22.0;
                let beside = (us[i] - 9.0) * 0.94 + along * 0.34;
                fall(beside / (7.5 + 0.14 * along.clamp(0.0, 45.0)))
            });
            // The tensile group arches from the lateral cortex through the upper neck into the lower head.
            let arc_radius = line(|i| length(us[i] - 5.0, ws[i] + 43.0));
            let arc_angle = line(|i| atan2(us[i] - 5.0, ws[i] + 43.0));
            let tensile = line(|i| fall((arc_radius[i] - 47.0) / 6.0));
            let ward = line(|i| fall(length(us[i] - 22.0, ws[i] + 15.0) / 9.5));
            let fan_radius = line(|i| length(us[i] - 16.0, ws[i] + 55.0));
            let fan_angle = line(|i| atan2(us[i] - 16.0, (ws[i] + 55.0).max(1.0)));
            let noise = |salt: u32, size: f32, xs: &[f32; TILE], per_x: f32, ys: &[f32; TILE], per_y: f32| {
                let much = averaged(size, pitch);
                line(|i| much * value_noise(seed ^ salt, xs[i] * per_x, ys[i] * per_y))
            };
            let streaks = noise(0, 0.8, &fan_angle, 62.0, &fan_radius, 1.0 / 13.0);
            let arcs = noise(5, 1.15, &arc_radius, 1.0 / 1.15, &arc_angle, 4.0);
            let mut pattern = line(|i| {
                streaks[i] * (0.15 + 0.5 * compressive[i]) + arcs[i] * (0.12 + 0.5 * tensile[i] * (1.0 - 0.6 * loss))
            });
            let coarse = plan.coarse;
            // The last is Paget's: few thick trabeculae along the lines of load.
            for (salt, size, much) in [(15, 0.7, 0.6), (9, 1.3, 0.6), (11, 2.7, 0.4), (19, 4.5, 0.54 * coarse)] {
                if much > 0.0 {
                    let mesh = noise(salt, size, &us, 1.0 / size, &ws, 1.0 / size);
                    pattern = line(|i| pattern[i] + much * mesh[i]);
                }
            }
            if coarse > 0.0 {
                let thick = noise(17, 2.0, &fan_angle, 24.0, &fan_radius, 1.0 / 22.0);
                pattern = line(|i| pattern[i] + 0.9 * coarse * thick[i]);
            }
            let groups = line(|i| {
                1.0 + 0.45 * compressive[i] + 0.40 * (1.0 - loss) * tensile[i]
                    - (0.30 + 0.35 * loss) * ward[i]
                    - 0.15 * loss
            });
            let factor = line(|i| (groups[i] * (1.0 + plan.much * pattern[i])).max(0.05));
            for (fill, factor) in fill.iter_mut().zip(factor) {
                *fill *= if *fill > TEXTURED { factor } else { 1.0 };
            }
        }
    }
}

/// Takes gas and stool out of a line of soft tissue.
fn blobs(scene: &Scene, grid: &Grid, y: f32, taken: &mut Vec<f32>, muscle: &mut [f32]) {
    let mut any = false;
    for blob in &scene.blobs {
        let reach = blob.radii[0].max(blob.radii[1]);
        if (y - blob.centre[1]).abs() > reach {
            continue;
        }
        if !any {
            taken.clear();
            taken.resize(grid.width, 0.0);
            any = true;
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
    if any {
        for (cell, depth) in muscle.iter_mut().zip(taken) {
            *cell = (*cell - *depth).max(cell.min(0.0)).max(*cell * 0.25);
        }
    }
}

/// A stroke on a grid.
struct Drawn<'a> {
    of: &'a Stroke,
    half: f32,
    amount: f32,
    reach: f32,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl<'a> Drawn<'a> {
    fn new(stroke: &'a Stroke, grid: &Grid) -> Drawn<'a> {
        let pitch = grid.pitch();
        let half = stroke.half_width.max(pitch * 0.6);
        let reach = half * 1.05 + pitch;
        let bound = |axis: usize, low: bool| {
            stroke.points.iter().map(|p| p[axis]).fold(
                if low { f32::MAX } else { f32::MIN },
                if low { f32::min } else { f32::max },
            )
        };
        let column = |x: f32| ((x - grid.left) / grid.step_x).clamp(0.0, grid.width as f32) as usize;
        let row = |y: f32| ((grid.top - y) / grid.step_y).clamp(0.0, grid.height as f32) as usize;
        Drawn {
            of: stroke,
            half,
            // Thinner than a pixel: the same amount, spread.
            amount: stroke.amount * stroke.half_width / half,
            reach,
            rows: row(bound(1, false) + reach)..(row(bound(1, true) - reach) + 1).min(grid.height),
            columns: column(bound(0, true) - reach)..(column(bound(0, false) + reach) + 1).min(grid.width),
        }
    }

    /// Adds to one line of the stroke's material.
    fn add(&self, grid: &Grid, xs: &[f32], row: usize, nearest: &mut Vec<f32>, line: &mut [f32]) {
        if !self.rows.contains(&row) || self.columns.is_empty() {
            return;
        }
        let (y, reach) = (grid.y(row), self.reach);
        let (xs, line) = (&xs[self.columns.clone()], &mut line[self.columns.clone()]);
        let mut any = false;
        for s in self.of.points.windows(2) {
            if s[0][1].min(s[1][1]) - reach > y || s[0][1].max(s[1][1]) + reach < y {
                continue;
            }
            if !any {
                nearest.clear();
                nearest.resize(xs.len(), f32::MAX);
                any = true;
            }
            let (low, high) = (s[0][0].min(s[1][0]) - reach, s[0][0].max(s[1][0]) + reach);
            let place = |x: f32| (((x - xs[0]) / grid.step_x).max(0.0) as usize).min(xs.len());
            let part = place(low)..(place(high) + 2).min(xs.len());
            let (ux, uy) = (s[1][0] - s[0][0], s[1][1] - s[0][1]);
            let per = 1.0 / (ux * ux + uy * uy).max(1e-6);
            for (x, nearest) in xs[part.clone()].iter().zip(&mut nearest[part]) {
                let (px, py) = (x - s[0][0], y - s[0][1]);
                let t = ((px * ux + py * uy) * per).clamp(0.0, 1.0);
                let (px, py) = (px - ux * t, py - uy * t);
                *nearest = nearest.min(px * px + py * py);
            }
        }
        if any {
            let per = 1.0 / (self.half * self.half);
            for (cell, nearest) in line.iter_mut().zip(nearest) {
                let q = *nearest * per;
                if q < 1.0 {
                    let chord = (1.0 - q).sqrt();
                    let inner = if self.of.hollow { (0.6 - q).max(0.0).sqrt() } else { 0.0 };
                    *cell += self.amount * (chord - inner);
                }
            }
        }
    }
}

/// Above this, in grid steps, a blur is done on a coarser grid.
const WIDE_BLUR: f32 = 6.0;

/// A blurred copy, on a grid of its own.
pub fn blurred(data: &[f32], grid: &Grid, sigma: f32) -> Field {
    let by = (sigma / (WIDE_BLUR * 0.5)) as usize;
    if sigma < WIDE_BLUR || grid.width < by * 4 || grid.height < by * 4 {
        let mut data = data.to_vec();
        blur(&mut data, grid.width, grid.height, sigma);
        return Field { grid: *grid, data };
    }
    // Means of squares; those at the far edges may be smaller.
    let (width, height) = (grid.width.div_ceil(by), grid.height.div_ceil(by));
    let mut small = vec![0.0_f32; width * height];
    small.par_chunks_mut(width).enumerate().for_each(|(row, line)| {
        let rows = row * by..((row + 1) * by).min(grid.height);
        let count = rows.len();
        for row in rows {
            let source = &data[row * grid.width..][..grid.width];
            for (sum, part) in line.iter_mut().zip(source.chunks(by)) {
                *sum += part.iter().sum::<f32>() / part.len() as f32;
            }
        }
        line.iter_mut().for_each(|sum| *sum /= count as f32);
    });
    // Averaging and the straight lines between the means blur too.
    let step = by as f32;
    let own = (step * step - 1.0) / 12.0 + step * step / 6.0;
    blur(&mut small, width, height, (sigma * sigma - own).sqrt() / step);
    Field {
        grid: Grid {
            step_x: grid.step_x * step,
            step_y: grid.step_y * step,
            width,
            height,
            ..*grid
        },
        data: small,
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
    let mut across = vec![0.0_f32; data.len()];
    across.par_chunks_mut(width).zip(data.par_chunks(width)).for_each_init(
        || vec![0.0_f32; width + 2 * radius],
        |padded, (out, line)| {
            padded[..radius].fill(line[0]);
            padded[radius..radius + width].copy_from_slice(line);
            padded[radius + width..].fill(line[width - 1]);
            blur_line(&kernel, padded, out);
        },
    );
    data.par_chunks_mut(width).enumerate().for_each(|(y, line)| {
        weigh(kernel[0], &across[y * width..][..width], line);
        for (i, k) in kernel.iter().enumerate().skip(1) {
            let (up, down) = (y.saturating_sub(i) * width, (y + i).min(height - 1) * width);
            weigh_both(*k, &across[up..][..width], &across[down..][..width], line);
        }
    });
}

widest! {
    fn blur_line(kernel: &[f32], padded: &[f32], out: &mut [f32]) {
        let radius = kernel.len() - 1;
        let width = out.len();
        for (out, middle) in out.iter_mut().zip(&padded[radius..]) {
            *out = kernel[0] * middle;
        }
        for (i, k) in kernel.iter().enumerate().skip(1) {
            let (left, right) = (&padded[radius - i..][..width], &padded[radius + i..][..width]);
            for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
                *out += k * (left + right);
            }
        }
    }
}

widest! {
    fn weigh(k: f32, from: &[f32], out: &mut [f32]) {
        for (out, from) in out.iter_mut().zip(from) {
            *out = k * from;
        }
    }
}

widest! {
    fn weigh_both(k: f32, up: &[f32], down: &[f32], out: &mut [f32]) {
        for ((out, up), down) in out.iter_mut().zip(up).zip(down) {
            *out += k * (up + down);
        }
    }
}
