//! A drawn case: every parameter, the scene and the truth; and its pictures.

use std::sync::OnceLock;

use imaging::Frame;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::anatomy::femur::Femur;
use crate::anatomy::pelvis::Hemipelvis;
use crate::anatomy::soft::Body;
use crate::anatomy::spine::{self, ColumnPlan};
use crate::anatomy::{knee, thorax};
use crate::clutter::{Clutter, clutter, leads};
use crate::config::{Config, Normal, SoftPriors};
use crate::fracture::{Fracture, FractureKind, FractureRequest, Side};
use crate::lanes::{ln, widest};
use crate::math::{Draw, Pose, V3, hash, pixel_normal, v};
use crate::metal::{self, MetalKind};
use crate::physics::{Spectrum, scatter, transmission};
use crate::process::{Processing, Shutter, Tone};
use crate::render::{BONE, Blob, FAT, Field, Grid, MUSCLE, STEEL, Scene, Stroke, TITANIUM, bands, blur};
use crate::solid::{Cone, Grain, Group, Matter, Tube};
use crate::text::{Label, WORDS};
use crate::truth::{ColumnTruth, Drawn, FractureTruth, HipTruth, LimbTruth, Sex, Truth, View};

/// What a caller wants; `None` is drawn from the priors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    pub view: Option<View>,
    /// `Some` with `present` absent or true makes a fracture in a view that shows a hip.
    pub fracture: Option<FractureRequest>,
    /// Metal at a hip.
    pub metal: Option<bool>,
    pub metal_kind: Option<MetalKind>,
    pub immature: Option<bool>,
    pub age: Option<u32>,
    pub sex: Option<Sex>,
    /// Columns of the full picture; drawn from the scanner's pitch where absent.
    pub columns: Option<u32>,
    /// Metal of the right and of the left hip, exactly so; goes before `metal` and `metal_kind`.
    pub hip_metal: Option<[Option<MetalKind>; 2]>,
    /// The hip that a view of one hip shows; a fracture goes before it.
    pub side: Option<Side>,
    /// Whether the fracture leaves no mark.
    pub occult: Option<bool>,
    /// The seed of the body; films with the same one show the same person.
    pub person: Option<u64>,
    pub station: Option<StationRequest>,
}

/// One x-ray room: the same in all its films.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StationRequest {
    /// Its way of processing is drawn from this.
    pub seed: u64,
    pub pitch_mm: f32,
    pub bits: u8,
    pub monochrome1: bool,
}

/// A drawn case: cheap to make, rendered on demand.
#[derive(Clone, Debug)]
pub struct Case {
    scene: Scene,
    truth: Truth,
    processing: Processing,
    spectrum: Spectrum,
    shutter: Shutter,
    labels: Vec<Label>,
    noise_seed: u64,
    scatter_ratio: f32,
    dqe: f32,
    heel: f32,
    /// What every picture of the case needs, once one has been made.
    overview: OnceLock<Overview>,
}

/// What a coarse picture of the whole tells: scatter, exposure and grey levels, whatever part is asked for.
#[derive(Clone, Debug)]
struct Overview {
    scattered: Field,
    exposure: f32,
    tone: Tone,
}

/// Streams of random numbers, so that a change in one leaves the others.
mod stream {
    pub const VIEW: u64 = 1;
    pub const PERSON: u64 = 2;
    pub const FRACTURE: u64 = 3;
    pub const METAL: u64 = 4;
    pub const POSE: u64 = 5;
    pub const FRAME: u64 = 6;
    pub const STATION: u64 = 7;
    pub const CLUTTER: u64 = 8;
    pub const SPINE: u64 = 9;
    pub const DISEASE: u64 = 10;
    pub const EXTRA: u64 = 11;
}

struct Person {
    age: u32,
    sex: Sex,
    immature: bool,
    /// Size against a grown body.
    size: f32,
    loss: f32,
    cortex: f32,
    cancellous: f32,
}

impl Normal {
    fn draw(self, draw: &mut Draw) -> f32 {
        draw.gauss(self.mean, self.sd)
    }
}

impl Person {
    fn draw(config: &Config, request: &Request, fractured: bool, draw: &mut Draw) -> Person {
        let child = draw.chance(config.immature);
        let young = draw.chance(config.young_adult);
        let (a, b, c) = (
            draw.uniform(2.0, 17.5),
            draw.uniform(18.0, 55.0),
            draw.gauss(77.0, 11.0).clamp(52.0, 99.0),
        );
        let old = draw.gauss(81.0, 10.0).clamp(45.0, 101.0);
        let female = draw.chance(config.female);
        let mut immature = request.immature.unwrap_or(child && !fractured);
        let mut age = if immature {
            a
        } else if fractured && !draw.chance(0.08) {
            old
        } else if young {
            b
        } else {
            c
        };
        if let Some(wanted) = request.age {
            age = wanted as f32;
            immature = request.immature.unwrap_or(wanted < 17);
        }
        let sex = request.sex.unwrap_or(if female { Sex::Female } else { Sex::Male });
        // Height against a grown person's: 0.48 at two years, 1 at 17 (growth charts, rounded).
        let size = if age < 17.0 {
            0.48 + 0.52 * ((age - 2.0) / 15.0).clamp(0.0, 1.0)
        } else {
            1.0
        } * draw.gauss(1.0, 0.035);
        let slope = if sex == Sex::Female { 0.0135 } else { 0.0095 };
        let loss = ((age - 42.0) * slope + draw.gauss(0.0, 0.14)).clamp(0.0, 1.0);
        let growing = if age < 17.0 { 0.80 + 0.012 * age } else { 1.0 };
        Person {
            age: age as u32,
            sex,
            immature,
            size,
            loss,
            cortex: (1.20 - 0.55 * loss) * growing * draw.gauss(1.0, 0.07),
            // Share of cortex: 0.24 for 250 mg/cc, 0.06 for 80 (ICRU-44 mixtures at 50 keV).
            cancellous: (0.265 - 0.16 * loss) * draw.gauss(1.0, 0.10),
        }
    }
}

fn fit(b: &mut [f32; 4], p: [f32; 2], r: f32) {
    b[0] = b[0].min(p[0] - r);
    b[1] = b[1].min(p[1] - r);
    b[2] = b[2].max(p[0] + r);
    b[3] = b[3].max(p[1] + r);
}

const EMPTY: [f32; 4] = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];

/// The detector: what a drawn framing comes to.
struct Framing {
    columns: u32,
    rows: u32,
    pitch: f32,
}

impl Framing {
    fn new(width_mm: f32, aspect: f32, request: &Request, draw: &mut Draw) -> Framing {
        // Detector pitches of common makers, mm.
        let pitch = [0.1, 0.125, 0.139, 0.143, 0.148, 0.15, 0.16, 0.168, 0.175, 0.2][draw.below(10)];
        let pitch = request.station.map_or(pitch, |station| station.pitch_mm);
        let wanted = request
            .columns
            .unwrap_or_else(|| ((width_mm / pitch) as u32).clamp(1400, 3500));
        let columns = (wanted.max(32) / 4) * 4;
        Framing {
            columns,
            rows: (((columns as f32 / aspect) as u32) / 4 * 4).max(32),
            pitch: width_mm / columns as f32,
        }
    }
    fn width(&self) -> f32 {
        self.columns as f32 * self.pitch
    }
    fn height(&self) -> f32 {
        self.rows as f32 * self.pitch
    }
    fn pixel(&self, p: [f32; 2]) -> [f32; 2] {
        [
            p[0] / self.pitch + self.columns as f32 * 0.5,
            self.rows as f32 * 0.5 - p[1] / self.pitch,
        ]
    }
}

/// A hip before it is placed in the room.
struct Hip {
    side: Side,
    femur: Femur,
    fracture: Option<Fracture>,
    metal: Option<MetalKind>,
    healed: bool,
    frank_callus: bool,
    paget: bool,
    arthritis: u8,
    internal: f32,
    abduction: f32,
    flexion: f32,
    turn: f32,
    /// Femur's frame to patient's frame (mid-hips).
    leg: Pose,
}

impl Case {
    /// Draws a case. The same configuration, request and seed give the same case.
    pub fn draw(config: &Config, request: &Request, seed: u64) -> Case {
        let mut views = Draw::new(seed, stream::VIEW);
        let drawn = View::ALL[views.weighted(&config.views)];
        let view = request.view.unwrap_or(drawn);
        let mut luck = Draw::new(seed, stream::FRACTURE);
        let happens = luck.chance(config.fracture);
        let shows_hip = matches!(view, View::FrontalPelvis | View::SingleHip | View::LateralHip);
        let fractured = shows_hip
            && match &request.fracture {
                Some(wanted) => wanted.present.unwrap_or(true),
                None => happens && request.immature != Some(true) && request.age.is_none_or(|a| a >= 17),
            };
        let person = Person::draw(
            config,
            request,
            fractured,
            &mut Draw::new(request.person.unwrap_or(seed), stream::PERSON),
        );
        let station = Station::draw(config, view, request, seed);
        match view {
            View::Chest | View::Knee => limb(config, request, seed, view, person, station),
            _ => trunk(config, request, seed, view, person, station, fractured, &mut luck),
        }
    }

    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    pub fn processing(&self) -> &Processing {
        &self.processing
    }

    /// The whole picture at full size.
    pub fn render(&self) -> Frame {
        self.picture(self.whole(self.truth.columns as usize, self.truth.rows as usize))
    }

    /// The whole picture `width` pixels wide.
    pub fn render_scaled(&self, width: usize) -> Frame {
        let height = (width as f64 * f64::from(self.truth.rows) / f64::from(self.truth.columns))
            .round()
            .max(1.0) as usize;
        self.picture(self.whole(width.max(1), height))
    }

    /// The rectangle x0, y0, x1, y1 (full-size pixels, may reach outside: black there) as `width` x `height`.
    pub fn render_region(&self, rect: [f32; 4], width: usize, height: usize) -> Frame {
        let pitch = self.truth.pitch_mm;
        let (half_w, half_h) = (self.truth.columns as f32 * 0.5, self.truth.rows as f32 * 0.5);
        self.picture(Grid {
            left: (rect[0] - half_w) * pitch,
            top: (half_h - rect[1]) * pitch,
            step_x: (rect[2] - rect[0]) * pitch / width as f32,
            step_y: (rect[3] - rect[1]) * pitch / height as f32,
            width,
            height,
        })
    }

    fn whole(&self, width: usize, height: usize) -> Grid {
        let (w, h) = (
            self.truth.columns as f32 * self.truth.pitch_mm,
            self.truth.rows as f32 * self.truth.pitch_mm,
        );
        Grid {
            left: -w * 0.5,
            top: h * 0.5,
            step_x: w / width as f32,
            step_y: h / height as f32,
            width,
            height,
        }
    }

    fn overview(&self) -> Overview {
        let (w, h) = (
            self.truth.columns as f32 * self.truth.pitch_mm,
            self.truth.rows as f32 * self.truth.pitch_mm,
        );
        let pitch = w.max(h) / 112.0;
        let (width, height) = (
            (w / pitch).round().max(8.0) as usize,
            (h / pitch).round().max(8.0) as usize,
        );
        let grid = Grid {
            left: -w * 0.5,
            top: h * 0.5,
            step_x: w / width as f32,
            step_y: h / height as f32,
            width,
            height,
        };
        // The primary picture, and whether a point shows anatomy: inside the field, behind at least 3 cm of tissue and
        // not behind metal.
        let mut points = vec![(0.0_f32, false); width * height];
        let xs: Vec<f32> = (0..width).map(|c| grid.x(c)).collect();
        bands(&self.scene, &grid, &mut points, |first, band, lines| {
            let (mut signal, mut open) = (vec![0.0_f32; width], Vec::new());
            for (row, line) in lines.chunks_mut(width).enumerate() {
                let lengths = band.row(row);
                let y = grid.y(first + row);
                transmission(&self.spectrum, self.beam(y), &lengths, &mut signal);
                let open = self.shutter.open(&xs, y, &mut open);
                for (column, point) in line.iter_mut().enumerate() {
                    let used = lengths[FAT][column] + lengths[MUSCLE][column] > 30.0
                        && lengths[TITANIUM][column] + lengths[STEEL][column] < 0.5
                        && open.is_none_or(|open| open[column] > 0.9);
                    *point = (signal[column], used);
                }
            }
        });
        let (primary, used): (Vec<f32>, Vec<bool>) = points.into_iter().unzip();
        let scattered = scatter(&primary, &grid, self.scatter_ratio);
        let total: Vec<f32> = primary.iter().zip(&scattered.data).map(|(p, s)| p + s).collect();
        let mut anatomy: Vec<f32> = total.iter().zip(&used).filter(|(_, u)| **u).map(|(t, _)| *t).collect();
        if anatomy.is_empty() {
            anatomy = total.clone();
        }
        anatomy.sort_by(f32::total_cmp);
        let log: Vec<f32> = total.iter().map(|t| -ln(t.max(1e-7))).collect();
        Overview {
            scattered,
            exposure: anatomy[anatomy.len() / 2].max(1e-6),
            tone: Tone::new(&self.processing, &log, &used, &grid),
        }
    }

    fn picture(&self, grid: Grid) -> Frame {
        // Not `get_or_init`: a thread that waits in it may be one whose work the other waits for.
        let made;
        let overview = match self.overview.get() {
            Some(known) => known,
            None => {
                made = self.overview();
                // Another thread's is the same.
                let _ = self.overview.set(made.clone());
                &made
            }
        };
        let width = grid.width;
        let mut signal = vec![0.0_f32; width * grid.height];
        bands(&self.scene, &grid, &mut signal, |first, band, lines| {
            for (row, line) in lines.chunks_mut(width).enumerate() {
                transmission(&self.spectrum, self.beam(grid.y(first + row)), &band.row(row), line);
            }
        });
        self.blur(&mut signal, &grid);
        // Quanta: 29 300 a mm² and uGy behind the patient at 75 kVp (computed), the exposure control aims at the median.
        let area = grid.step_x * grid.step_y;
        let full = 29_300.0 * self.truth.detector_dose_ugy * area * self.dqe / overview.exposure;
        let electronic = 10.0 * (area / 0.02).sqrt();
        let seed = self.noise_seed ^ hash(grid.left.to_bits() as u64 ^ ((width as u64) << 32));
        let xs: Vec<f32> = (0..width).map(|c| grid.x(c)).collect();
        let columns = overview.scattered.columns(&grid);
        signal.par_chunks_mut(width).enumerate().for_each_init(
            || (vec![0.0_f32; width], Vec::new()),
            |(line, room), (row, signal)| {
                let y = grid.y(row);
                overview.scattered.line(y, &columns, room, line);
                signal
                    .iter_mut()
                    .zip(&*line)
                    .for_each(|(value, scatter)| *value += scatter);
                if let Some(open) = self.shutter.open(&xs, y, room) {
                    for (value, open) in signal.iter_mut().zip(open) {
                        *value = *value * open + (1.0 - open) * overview.exposure * 0.12;
                    }
                }
                for (column, normal) in line.iter_mut().enumerate() {
                    *normal = pixel_normal(seed, column as u32, row as u32);
                }
                noisy_log(full, electronic, line, signal);
            },
        );
        self.processing.greys(&mut signal, &grid, &overview.tone);
        self.paint(&mut signal, &grid);
        self.processing.frame(&signal, &grid, grid.step_x)
    }

    /// The heel effect along the picture's height.
    fn beam(&self, y: f32) -> f32 {
        1.0 + self.heel * y / (self.truth.rows as f32 * self.truth.pitch_mm * 0.5)
    }

    fn blur(&self, signal: &mut [f32], grid: &Grid) {
        // Focal spot and detector: about 0.13 mm at the detector.
        // A coarse pixel also averages over its own area.
        let sigma = (0.13 / grid.pitch()).max(if grid.pitch() > 0.4 { 0.42 } else { 0.0 });
        if sigma > 0.3 {
            blur(signal, grid.width, grid.height, sigma);
        }
    }

    /// What is burned into the picture: letters, shutter, blocks.
    fn paint(&self, greys: &mut [f32], grid: &Grid) {
        let half = [
            self.truth.columns as f32 * self.truth.pitch_mm * 0.5,
            self.truth.rows as f32 * self.truth.pitch_mm * 0.5,
        ];
        let xs: Vec<f32> = (0..grid.width).map(|c| grid.x(c)).collect();
        // Columns from one place to another.
        let between = |low: f32, high: f32| xs.partition_point(|x| *x < low)..xs.partition_point(|x| *x < high);
        let inside = xs.partition_point(|x| *x < -half[0])..xs.partition_point(|x| *x <= half[0]);
        let blocks: Vec<_> = self
            .shutter
            .blocks
            .iter()
            .map(|(block, grey)| (between(block[0], block[2]), block, *grey))
            .collect();
        greys
            .par_chunks_mut(grid.width)
            .enumerate()
            .for_each_init(Vec::new, |room, (row, line)| {
                let y = grid.y(row);
                if y.abs() > half[1] {
                    line.fill(0.0);
                    return;
                }
                if self.shutter.black
                    && let Some(open) = self.shutter.open(&xs, y, room)
                {
                    line.iter_mut().zip(open).for_each(|(grey, open)| *grey *= open);
                }
                for label in &self.labels {
                    if let Some((low, high)) = label.across(y) {
                        let columns = between(low, high);
                        for (grey, x) in line[columns.clone()].iter_mut().zip(&xs[columns]) {
                            match label.covers(*x, y) {
                                1 => *grey = label.grey,
                                2 => *grey = label.plate.unwrap_or(*grey),
                                _ => {}
                            }
                        }
                    }
                }
                for (columns, block, grey) in &blocks {
                    if y <= block[1] && y > block[3] {
                        line[columns.clone()].fill(*grey);
                    }
                }
                line[..inside.start].fill(0.0);
                line[inside.end..].fill(0.0);
            });
    }
}

widest! {
    /// -ln of a line of the signal with its noise; `normals` are the noise's draws.
    fn noisy_log(full: f32, electronic: f32, normals: &[f32], signal: &mut [f32]) {
        for (value, normal) in signal.iter_mut().zip(normals) {
            let quanta = *value * full;
            let sigma = (quanta + electronic * electronic).sqrt() / quanta.max(1.0);
            let noisy = *value * (1.0 + sigma.min(0.5) * normal);
            *value = -ln(noisy.max(*value * 0.2).max(1e-7));
        }
    }
}

/// One x-ray room: tube, detector, processing.
struct Station {
    spectrum: Spectrum,
    processing: Processing,
    distance: f32,
    dose: f32,
    dqe: f32,
    scatter: f32,
    heel: f32,
}

impl Station {
    fn draw(config: &Config, view: View, request: &Request, seed: u64) -> Station {
        let room = request.station;
        let mut d = Draw::new(room.map_or(seed, |room| room.seed), stream::STATION);
        let priors = &config.stations;
        let choice = d.weighted(&priors.spectra);
        let look = &priors.looks[d.weighted(&priors.looks.map(|look| look.weight))];
        let (base_gain, detail_gain) = (d.within(look.base_gain), d.within(look.detail_gain));
        let base_sigma = d.within(look.base_sigma);
        let (edge_gain, edge_sigma) = (d.within(look.edge_gain), d.within(look.edge_sigma));
        let dark = d.chance(priors.dark);
        let bright_view = matches!(view, View::Chest | View::LumbarSpine | View::LateralHip);
        let mut processing = Processing {
            base_gain,
            detail_gain,
            base_sigma,
            edge_gain,
            edge_sigma,
            black: d.within(if bright_view { priors.black_bright } else { priors.black }),
            white: d.within(if dark { priors.white_dark } else { priors.white }),
            curve: if d.chance(priors.straight) {
                0.0
            } else {
                d.within(priors.curve)
            },
            gamma: if bright_view || d.chance(priors.low_gamma) {
                d.within(priors.gamma_low)
            } else {
                d.within(priors.gamma)
            },
            bits: [10, 12, 12, 12, 13, 14, 14, 15][d.below(8)],
            monochrome1: d.chance(config.monochrome1),
            window: if d.chance(priors.full_window) {
                1.0
            } else {
                d.within(priors.window)
            },
            sigmoid: d.chance(priors.sigmoid),
            table: d.chance(config.lut_sequence),
        };
        if let Some(room) = room {
            processing.bits = room.bits;
            processing.monochrome1 = room.monochrome1;
            // Distance and dose differ from film to film.
            d = Draw::new(seed, stream::STATION);
        }
        let distance = if view == View::Chest && d.chance(priors.wall_chest) {
            d.within(priors.distance_wall)
        } else {
            d.within(priors.distance)
        };
        let dose = if matches!(view, View::Knee) { 6.0 } else { 3.0 }
            * (config.dose_spread * d.normal().clamp(-2.2, 2.2)).exp();
        Station {
            spectrum: Spectrum::new(choice),
            processing,
            distance,
            dose,
            dqe: d.within(priors.dqe),
            scatter: d.within(priors.scatter),
            heel: d.gauss(0.0, priors.heel),
        }
    }
}

/// Where the patient's point must be so that it falls on a detector point.
fn place(tube: &Tube, target: [f32; 2], height: f32) -> V3 {
    let k = tube.magnification(height);
    v(
        tube.source.x + (target[0] - tube.source.x) / k,
        tube.source.y + (target[1] - tube.source.y) / k,
        height,
    )
}

#[allow(clippy::too_many_arguments)]
fn trunk(
    config: &Config,
    request: &Request,
    seed: u64,
    view: View,
    person: Person,
    station: Station,
    fractured: bool,
    luck: &mut Draw,
) -> Case {
    let mut d = Draw::new(request.person.unwrap_or(seed), stream::PERSON + 100);
    let priors = if person.sex == Sex::Female {
        &config.women
    } else {
        &config.men
    };
    let female = if person.sex == Sex::Female { 1.0 } else { 0.0 };
    let size = person.size;
    let young = if person.immature {
        ((17.0 - person.age as f32) / 15.0).clamp(0.0, 1.0)
    } else {
        0.0
    };
    // Anatomy in grown-up millimetres; the patient's pose scales it.
    let half = priors.hip_distance.draw(&mut d) * 0.5 * (1.0 - 0.04 * young);
    let base = Femur {
        head_radius: priors.head_diameter.draw(&mut d) * 0.5,
        neck_length: priors.neck_length.draw(&mut d) * (1.0 - 0.10 * young),
        neck_shaft: priors.neck_shaft.draw(&mut d) + 16.0 * young,
        neck_radius: (priors.neck_width.draw(&mut d) + 0.03 * (person.age as f32 - 50.0).max(0.0))
            * 0.5
            * (1.0 + 0.05 * young),
        shaft_radius: (priors.shaft_width.draw(&mut d) + 0.03 * (person.age as f32 - 50.0).max(0.0)) * 0.5,
        trochanter_height: d.gauss(7.3, 5.1) - 6.0 * young,
        trochanter_size: 1.0 - 0.75 * young,
        cortex: person.cortex,
        cancellous: person.cancellous,
        flattening: 0.0,
        osteophyte: 0.0,
    };
    let joint_space = priors.joint_space.draw(&mut d).max(2.0) + 2.5 * young;
    let sharp = priors.sharp_angle.draw(&mut d);
    let version = priors.socket_anteversion.draw(&mut d);
    let cover = d.gauss(-4.0, 2.0);
    let anteversion = priors.anteversion.draw(&mut d) + 10.0 * young;
    let body_mass = d.gauss(1.0, 0.12) * if person.age > 75 { 0.96 } else { 1.0 };
    let half_width = (priors.hip_breadth.draw(&mut d) * 0.5 * (0.6 + 0.4 * body_mass)).max(half + 62.0);
    let half_depth = (half_width * 0.565 * d.gauss(1.0, 0.08)).clamp(78.0, 175.0);
    let fat = ((half_width - half - 68.0) * 0.75).clamp(8.0, 90.0);
    let mut body = Body {
        half_width,
        half_depth,
        waist: half_width * d.uniform(0.80, 0.97),
        fat,
        thigh_radius: (half_width * 0.50).min(150.0) * d.gauss(1.0, 0.05),
        half,
        spread: d.gauss(1.5, 3.0),
        lean: [0.0; 2],
        male: person.sex == Sex::Male,
        pannus: if half_width > 205.0 && d.chance(0.5) {
            d.uniform(20.0, 90.0)
        } else {
            0.0
        },
        size: 1.0,
    };

    // Fracture, metal and other findings, side by side.
    let wanted = request.fracture.unwrap_or_default();
    let drawn_side = if luck.chance(0.49) { Side::Right } else { Side::Left };
    let shown_side = if luck.chance(0.5) { Side::Right } else { Side::Left };
    let fracture_side = wanted.side.unwrap_or(drawn_side);
    let both = luck.chance(0.004) && wanted.side.is_none();
    let weights: Vec<f32> = FractureKind::ALL
        .iter()
        .zip(config.fracture_kinds)
        .map(|(k, w)| {
            if wanted.location.is_none_or(|l| l == k.location()) {
                w
            } else {
                0.0
            }
        })
        .collect();
    let drawn_kind = FractureKind::ALL[luck.weighted(&weights)];
    let kind = wanted.kind.unwrap_or(drawn_kind);
    let occult_luck = luck.chance(config.occult) && wanted.severity.is_none();
    let occult = request.occult.unwrap_or(occult_luck);
    let mut m = Draw::new(seed, stream::METAL);
    let old_enough = person.age >= 50;
    let metal_luck = m.chance(if old_enough { config.metal } else { config.metal * 0.1 });
    let has_metal = request
        .metal
        .unwrap_or(request.metal_kind.is_some() || (metal_luck && !person.immature));
    let bilateral = m.chance(0.18);
    let metal_side = if fractured {
        // A fracture beside old metal is another matter: the metal goes to the sound side.
        if fracture_side == Side::Right {
            Side::Left
        } else {
            Side::Right
        }
    } else if view == View::FrontalPelvis {
        if m.chance(0.5) { Side::Right } else { Side::Left }
    } else {
        shown_side
    };
    let mut dis = Draw::new(request.person.unwrap_or(seed), stream::DISEASE);
    let mut p = Draw::new(seed, stream::POSE);
    let pelvic_tilt = config.tilt.draw(&mut p);
    let axial = config.axial_rotation.draw(&mut p);
    let roll = config.roll.draw(&mut p);
    let patient_roll = roll;
    let old = (person.age as f32 - 45.0).max(0.0) / 40.0;
    let single = view != View::FrontalPelvis;
    let side_shown = if fractured && single {
        fracture_side
    } else {
        request.side.unwrap_or(shown_side)
    };
    let frog = view == View::LateralHip && p.chance(0.5);
    let mut hips = Vec::new();
    let mut extra = Draw::new(seed, stream::EXTRA);
    for side in Side::BOTH {
        let mut femur = Femur {
            neck_shaft: base.neck_shaft + p.gauss(0.0, 1.5),
            trochanter_height: base.trochanter_height + p.gauss(0.0, 1.2),
            ..base
        };
        let arthritis = if dis.chance(config.arthritis * old * old) {
            2 + dis.weighted(&[0.5, 0.35, 0.15]) as u8
        } else {
            u8::from(dis.chance(0.2 * old.min(1.0)))
        };
        let paget = dis.chance(config.paget * old);
        let healed = !person.immature && dis.chance(config.healed_fracture * (0.3 + old));
        let mut internal = config.leg_rotation.draw(&mut p);
        let mut abduction = config.abduction.draw(&mut p) + body.spread * 0.5;
        let mut flexion = p.uniform(0.0, 8.0);
        let here = fractured && (side == fracture_side || both);
        if here {
            internal = p.gauss(-5.0, 8.0);
            flexion += p.uniform(0.0, 10.0);
            abduction += p.gauss(2.0, 5.0);
        }
        if frog && side == side_shown {
            internal = -p.uniform(35.0, 65.0);
            abduction = p.uniform(25.0, 50.0);
            flexion = p.uniform(10.0, 40.0);
        }
        if arthritis >= 2 {
            femur.osteophyte = [0.0, 1.0, 3.0, 5.0, 9.0][arthritis as usize] * dis.uniform(0.6, 1.2);
            femur.flattening = if arthritis >= 3 { dis.uniform(0.02, 0.12) } else { 0.0 };
        }
        if paget {
            femur.cortex *= 1.55;
            femur.cancellous *= 1.5;
        }
        if healed && !here {
            femur.neck_length *= dis.uniform(0.78, 0.93);
            femur.neck_shaft -= dis.uniform(3.0, 16.0);
            femur.neck_radius *= dis.uniform(1.03, 1.18);
        }
        let metal_here = has_metal
            && !here
            && (side == metal_side || bilateral)
            && (view == View::FrontalPelvis || side == side_shown || matches!(view, View::Abdomen | View::LumbarSpine));
        let drawn_metal = MetalKind::ALL[m.weighted(&config.metal_kinds)];
        let metal = metal_here.then_some(request.metal_kind.unwrap_or(drawn_metal));
        let metal = request
            .hip_metal
            .map_or(metal, |told| told[side as usize].filter(|_| !here));
        let fracture = here.then(|| Fracture::draw(&config.fractures, kind, &femur, wanted.severity, occult, luck));
        let turn = anteversion - internal + if paget { 0.0 } else { p.gauss(0.0, 2.0) };
        let leg = Pose::turn_y(turn)
            .then(&Pose::turn_x(-flexion))
            .then(&Pose::turn_z(abduction))
            .then(&Pose::shift(v(half, 0.0, 0.0)))
            .then(&Pose::side(side.sign()));
        hips.push(Hip {
            side,
            femur,
            fracture,
            metal,
            healed: healed && !here,
            frank_callus: healed && !here && extra.chance(config.frank_callus),
            paget,
            arthritis,
            internal,
            abduction,
            flexion,
            turn,
            leg,
        });
    }
    let ramus = (person.age > 55 && dis.chance(config.ramus_fracture))
        .then(|| if dis.chance(0.5) { Side::Right } else { Side::Left });

    // The room: tube, detector, where the patient lies.
    let mut f = Draw::new(seed, stream::FRAME);
    let tube = Tube {
        source: v(f.gauss(0.0, 12.0), f.gauss(0.0, 20.0), station.distance),
    };
    let height = 62.0 + half_depth * size * 0.98 + f.uniform(0.0, 18.0);
    let k = tube.magnification(height);
    let hip_span = 2.0 * half * size * k;
    let (framing, target, anchor) = match view {
        View::FrontalPelvis => {
            let prior = if person.immature {
                config.framing_immature
            } else {
                config.framing_adult
            };
            let share = prior.draw(&mut f).clamp(0.27, 0.62);
            let aspect = [1.0, 1.229, 1.229, 1.215, 1.13, 1.27, 1.42, 0.814, 0.88][f.below(9)] * f.gauss(1.0, 0.02);
            let framing = Framing::new(hip_span / share, aspect, request, &mut f);
            let mid = [
                config.middle_x.draw(&mut f),
                config.middle_y.draw(&mut f).clamp(0.28, 0.76),
            ];
            (framing, mid, V3::default())
        }
        View::SingleHip => {
            let width = f.uniform(165.0, 270.0) * size.max(0.6) * k / 1.18;
            let framing = Framing::new(width, f.uniform(0.72, 1.2), request, &mut f);
            let anchor = v(side_shown.sign() * (half + 22.0), -18.0, 0.0);
            (framing, [f.gauss(0.5, 0.07), f.gauss(0.45, 0.07)], anchor)
        }
        View::LateralHip => {
            let width = f.uniform(180.0, 300.0) * size.max(0.6) * k / 1.18;
            let framing = Framing::new(width, f.uniform(0.75, 1.3), request, &mut f);
            let anchor = v(side_shown.sign() * (half + 15.0), -20.0, 0.0);
            (framing, [f.gauss(0.5, 0.07), f.gauss(0.45, 0.08)], anchor)
        }
        View::LumbarSpine => {
            let width = f.uniform(170.0, 330.0) * size * k / 1.18;
            let framing = Framing::new(width, f.uniform(0.55, 0.85), request, &mut f);
            (
                framing,
                [f.gauss(0.5, 0.04), f.gauss(0.5, 0.05)],
                v(0.0, f.gauss(172.0, 14.0), 0.0),
            )
        }
        _ => {
            let width = f.uniform(330.0, 430.0) * size.max(0.55) * k / 1.18;
            let framing = Framing::new(width, f.uniform(0.75, 0.90), request, &mut f);
            (
                framing,
                [f.gauss(0.5, 0.03), f.gauss(0.5, 0.04)],
                v(0.0, f.gauss(160.0, 20.0), 0.0),
            )
        }
    };
    // Turned on its side for a cross-table lateral hip or a lateral spine.
    let sideways = match view {
        View::LateralHip if !frog => side_shown.sign() * f.uniform(55.0, 85.0),
        View::LumbarSpine if f.chance(0.5) => 90.0 + f.gauss(0.0, 3.0),
        _ => 0.0,
    };
    let turn = Pose::turn_x(pelvic_tilt)
        .then(&Pose::turn_y(axial + sideways))
        .then(&Pose::turn_z(patient_roll))
        .then(&Pose::scale(size));
    let target_mm = [
        (target[0] - 0.5) * framing.width(),
        (0.5 - target[1]) * framing.height(),
    ];
    let spot = place(&tube, target_mm, height);
    let patient = turn.then(&Pose::shift(spot - turn.point(anchor)));
    let patient = patient.then(&Pose::shift(v(0.0, 0.0, height - patient.point(anchor).z)));
    // The flesh follows pelvic tilt less than the bones do.
    let lying = Pose::turn_y(axial * 0.6 + sideways)
        .then(&Pose::turn_z(patient_roll * 0.7))
        .then(&Pose::scale(size));
    let flesh = lying.then(&Pose::shift(patient.point(anchor) - lying.point(anchor)));

    let usual = config.abduction.mean + body.spread * 0.5;
    for hip in &hips {
        body.lean[usize::from(hip.side.sign() > 0.0)] = hip.abduction - usual;
    }
    let mut groups = vec![body.group().posed(&flesh)];
    let mut strokes = Vec::new();
    let mut blobs = Vec::new();
    let mut hip_truths = Vec::new();
    let mut s = Draw::new(request.person.unwrap_or(seed), stream::SPINE);
    let sacrum = spine::sacrum(1.0, half * 1.26, person.cortex, person.cancellous * 1.3);
    groups.push(sacrum.posed(&patient));
    let wear = (old * s.uniform(0.0, 1.0)).min(1.0);
    let plan = ColumnPlan {
        base: v(0.0, 104.0, -22.0),
        count: 8,
        width: 47.0 + 4.0 * (1.0 - female),
        cortex: person.cortex,
        cancellous: person.cancellous,
        wear,
        scoliosis: s.gauss(0.0, 5.0),
        lordosis: s.gauss(18.0, 6.0),
        lumbar: 5,
    };
    let column = spine::column(&plan, &mut s);
    let spinal_metal = old_enough && s.chance(config.spinal_metal);
    if spinal_metal {
        let first = s.below(2);
        let many = 2 + s.below(2);
        let screws = metal::spinal(
            &config.metal_shapes,
            &column.centres[first..(first + many).min(column.centres.len())],
            &mut s,
        );
        groups.push(screws.posed(&patient));
    }
    groups.extend(column.groups.iter().map(|g| g.posed(&patient)));
    if view != View::FrontalPelvis {
        let mut ribs = Group::new(Matter::Bone);
        for (index, c) in column.centres.iter().enumerate().skip(5) {
            for side in [-1.0_f32, 1.0] {
                let long = 60.0 + 28.0 * (index - 5) as f32;
                ribs.push(
                    Cone::new(
                        *c + v(side * 18.0, 4.0, -28.0),
                        *c + v(side * long, -22.0, -50.0),
                        4.0,
                        4.0,
                    )
                    .flat(v(0.0, 1.0, 0.0), 1.5),
                );
                ribs.push(
                    Cone::new(
                        *c + v(side * long, -22.0, -50.0),
                        *c + v(side * (long + 38.0), -70.0, 0.0),
                        4.0,
                        3.5,
                    )
                    .flat(v(0.0, 1.0, 0.0), 1.5)
                    .blend(2.0),
                );
            }
        }
        groups.push(ribs.posed(&patient));
    }

    for (index, hip) in hips.iter().enumerate() {
        let side = hip.side.sign();
        let socket = hip.femur.head_radius + (joint_space - [0.0, 0.3, 1.2, 2.2, 3.2][hip.arthritis as usize]).max(0.4);
        let hemipelvis = Hemipelvis {
            half,
            socket,
            size: 1.0,
            female,
            sharp_angle: sharp,
            anteversion: version,
            cover,
            symphysis_gap: 4.7 + 2.0 * young,
            cortex: person.cortex * if hip.paget { 1.5 } else { 1.0 },
            cancellous: person.cancellous * 1.35,
            sclerosis: if hip.arthritis >= 2 {
                hip.arthritis as f32 * 0.6
            } else {
                0.0
            },
            cartilage: if person.immature && person.age < 14 {
                2.0 + 5.0 * young
            } else {
                0.0
            },
            seed: seed as u32,
        };
        let to_patient = Pose::shift(v(half, 0.0, 0.0)).then(&Pose::side(side));
        let mut bone = hemipelvis.group();
        if ramus == Some(hip.side) {
            // A crack through the upper ramus and one through the lower, each a thin gap.
            let across = v(dis.gauss(0.9, 0.2), dis.gauss(-0.4, 0.3), 0.0).unit();
            for at in [v(-52.0, -18.0, 28.0), v(-46.0, -74.0, 2.0)] {
                let w = dis.uniform(0.4, 1.4);
                bone.carves.push(
                    Cone::new(at - v(0.0, 0.0, 14.0), at + v(0.0, 0.0, 14.0), w, w)
                        .flat(v(-across.y, across.x, 0.0), 14.0 / w),
                );
            }
        }
        groups.push(bone.posed(&to_patient.then(&patient)));
        // The far leg of a cross-table lateral is lifted out of the way.
        if view == View::LateralHip && !frog && hip.side != side_shown {
            continue;
        }
        let mut whole = hip.femur.group();
        if hip.healed {
            callus(&hip.femur, &mut dis, &mut whole);
        }
        if hip.frank_callus {
            frank_callus(&hip.femur, &mut extra, &mut whole);
        }
        if hip.arthritis >= 3 {
            cysts(&hip.femur, &mut dis, &mut whole);
        }
        whole.grain = Some(Grain {
            pose: Pose::IDENTITY,
            neck_length: hip.femur.neck_length,
            neck_shaft: hip.femur.neck_shaft,
            head_radius: hip.femur.head_radius,
            loss: person.loss,
            coarse: if hip.paget { 1.0 } else { 0.0 },
            seed: (seed as u32) ^ (index as u32 * 7919),
        });
        let mut parts = match &hip.fracture {
            Some(fracture) => fracture.parts(&hip.femur, &whole),
            None if person.immature => growth_plates(&hip.femur, &whole, person.age as f32, &mut dis),
            None => vec![whole],
        };
        let room = hip.leg.then(&patient);
        let mut metal_box = None;
        if let Some(kind) = hip.metal {
            let (moving, fixed) = metal::implant(&config.metal_shapes, kind, &hip.femur, &mut parts, socket, &mut m);
            let placed = moving.iter().map(|g| g.posed(&room));
            let placed: Vec<Group> = placed
                .chain(fixed.iter().map(|g| g.posed(&to_patient.then(&patient))))
                .collect();
            let mut bounds = EMPTY;
            for group in placed
                .iter()
                .filter(|g| matches!(g.matter, Matter::Titanium | Matter::Steel))
            {
                let [x0, y0, x1, y1] = group.bounds(&tube);
                fit(&mut bounds, framing.pixel([x0, y0]), 0.0);
                fit(&mut bounds, framing.pixel([x1, y1]), 0.0);
            }
            metal_box = (bounds[0] < bounds[2]).then_some(bounds);
            groups.extend(placed);
        }
        groups.extend(parts.iter().map(|g| g.posed(&room)));
        let shown = matches!(view, View::FrontalPelvis) || hip.side == side_shown;
        if shown && matches!(view, View::FrontalPelvis | View::SingleHip | View::LateralHip) {
            let mut truth = hip_truth(hip, hemipelvis, &room, &tube, &framing, size);
            truth.metal_box = metal_box;
            hip_truths.push(truth);
        }
    }

    let mut c = Draw::new(seed, stream::CLUTTER);
    let spot_of = |p: V3| tube.project(flesh.point(p));
    let mut folds = false;
    if !matches!(view, View::LumbarSpine) || sideways == 0.0 {
        folds = skin(config, &body, &mut c, &spot_of, k * size, sideways == 0.0, &mut strokes);
        bowel(&config.soft, view, &mut c, &spot_of, k * size, &mut blobs);
    }
    let wired = c.chance(config.leads);
    if wired {
        leads(&config.clutter_shapes, &mut c, &mut strokes);
    }
    let (mut arteries, mut catheter) = (false, false);
    if sideways == 0.0 && person.age > 55 && c.chance(config.calcified_arteries) {
        arteries = true;
        for side in [-1.0_f32, 1.0] {
            let course = [
                v(side * 55.0, 30.0, 30.0),
                v(side * 70.0, -30.0, 40.0),
                v(side * 84.0, -110.0, 30.0),
                v(side * 78.0, -220.0, 10.0),
            ];
            strokes.push(Stroke {
                points: curve(&course.map(|p| spot_of(p + v(c.gauss(0.0, 4.0), 0.0, 0.0)))),
                half_width: config.soft.artery_half_width * k,
                material: BONE,
                amount: c.within(config.soft.artery_amount),
                hollow: true,
            });
        }
    }
    if sideways == 0.0 && person.age > 60 && c.chance(config.catheter) {
        catheter = true;
        let x = c.gauss(0.0, 10.0);
        let course = [
            v(x * 0.3, 25.0, 20.0),
            v(x * 0.2, -40.0, 40.0),
            v(x, -100.0, 60.0),
            v(x + c.gauss(0.0, 60.0), -190.0, 60.0),
        ];
        strokes.push(Stroke {
            points: curve(&course.map(spot_of)),
            half_width: config.soft.catheter_half_width * k,
            material: BONE,
            amount: config.soft.catheter_amount,
            hollow: true,
        });
    }
    let told = Clutter {
        leads: wired,
        ..clutter(config, &mut extra, framing.width(), framing.height(), &mut strokes)
    };
    finish(
        config,
        seed,
        view,
        person,
        station,
        framing,
        tube,
        c,
        Parts {
            groups,
            strokes,
            blobs,
            hips: hip_truths,
            spinal_metal,
            ramus: if view == View::FrontalPelvis { ramus } else { None },
            folds,
            tilt: pelvic_tilt,
            axial,
            roll,
            half_width: half_width * size,
            half_depth: half_depth * size,
            magnification: k,
            body: Some(body),
            column: Some(ColumnTruth {
                width_mm: plan.width,
                wear: plan.wear,
                scoliosis_deg: plan.scoliosis,
                lordosis_deg: plan.lordosis,
            }),
            limb: None,
            arteries,
            catheter,
            clutter: told,
        },
    )
}

/// The callus of a fracture that healed untreated: a thick cuff around neck and trochanters, uneven, with bone that
/// bridges what had parted.
fn frank_callus(femur: &Femur, draw: &mut Draw, bone: &mut Group) {
    let (j, s) = (femur.junction(), femur.shaft_radius);
    let low = draw.uniform(-0.9, 0.1);
    let middle = femur.along_neck(0.9) + v(0.0, low * 30.0, 0.0);
    for lump in 0..7 + draw.below(5) {
        let around = lump as f32 * 2.4 + draw.uniform(0.0, 0.8);
        let out = s * draw.uniform(0.85, 1.25);
        let at = v(
            middle.x.min(j.x) + around.cos() * out,
            middle.y + draw.gauss(0.0, 9.0),
            around.sin() * out,
        );
        let size = draw.uniform(5.0, 10.0);
        bone.push(
            Cone::new(
                at,
                at + v(draw.gauss(0.0, 6.0), draw.gauss(0.0, 9.0), 0.0),
                size,
                size * 0.6,
            )
            .shell(draw.uniform(0.8, 2.0), 1.0)
            .fill(draw.uniform(0.2, 0.45))
            .blend(6.0),
        );
    }
}

/// What an old fracture of the neck leaves: lumps of callus around the neck, denser than what lies beside them.
fn callus(femur: &Femur, draw: &mut Draw, bone: &mut Group) {
    let n = femur.neck_radius;
    let middle = femur.along_neck(draw.uniform(0.45, 0.7));
    let across = v(femur.neck_axis().y, -femur.neck_axis().x, 0.0);
    for side in [-1.0_f32, 1.0] {
        if draw.chance(0.75) {
            let size = n * draw.uniform(0.25, 0.5);
            let at = middle + across * (side * (n - size * 0.5)) + v(0.0, 0.0, draw.gauss(0.0, 0.3) * n);
            bone.push(
                Cone::sphere(at, size)
                    .shell(1.5, 1.5)
                    .fill(draw.uniform(0.3, 0.5))
                    .blend(5.0),
            );
        }
    }
}

/// Cysts under the worn surface of the head.
fn cysts(femur: &Femur, draw: &mut Draw, bone: &mut Group) {
    let r = femur.head_radius;
    for _ in 0..1 + draw.below(3) {
        let size = draw.uniform(1.5, 4.0);
        let direction = v(draw.gauss(-0.2, 0.4), 1.0, draw.gauss(0.0, 0.4)).unit();
        bone.carves.push(Cone::sphere(direction * (r - size - 2.0), size));
    }
}

/// Open growth plates: the head's epiphysis and the greater trochanter lie apart from the shaft.
fn growth_plates(femur: &Femur, whole: &Group, age: f32, draw: &mut Draw) -> Vec<Group> {
    use crate::solid::Clip;
    let axis = femur.neck_axis();
    let width = (3.6 - 0.16 * age).max(1.1);
    let mut plate = Clip::new(
        axis * (femur.head_radius * 0.42),
        (axis * 0.85 + v(0.12, -0.5, 0.0)).unit(),
    );
    plate.jag = 0.5;
    plate.jag_length = 14.0;
    plate.gap = width * 0.5;
    plate.phase = draw.uniform(0.0, 9.0);
    let mut head = whole.clone();
    head.clips.push(plate.clone());
    let mut rest = whole.clone();
    rest.clips.push(plate.flipped());
    let tip = femur.greater_tip();
    let j = femur.junction();
    let mut apophysis = Clip::new(tip.lerp(v(j.x + 8.0, j.y, 0.0), 0.62), v(-0.75, -0.65, 0.0));
    apophysis.jag = 0.5;
    apophysis.gap = width * 0.45;
    let mut parts = vec![head];
    if age > 4.0 {
        let mut cap = rest.clone();
        cap.clips.push(apophysis.clone());
        let mut body = rest;
        body.clips.push(apophysis.flipped());
        parts.push(cap);
        parts.push(body);
    } else {
        parts.push(rest);
    }
    parts
}

fn hip_truth(hip: &Hip, hemipelvis: Hemipelvis, room: &Pose, tube: &Tube, framing: &Framing, size: f32) -> HipTruth {
    let femur = &hip.femur;
    let (head_pose, far_pose) = match &hip.fracture {
        Some(f) if !f.occult => (f.head_pose().then(room), f.far_pose().then(room)),
        _ => (*room, *room),
    };
    // Which side of the fracture a point lies on.
    let pose_of = |p: V3| match &hip.fracture {
        Some(f) if !f.occult && (p - f.point).dot(f.normal) > 0.0 => &far_pose,
        _ => &head_pose,
    };
    let pixel = |p: V3| framing.pixel(tube.project(pose_of(p).point(p)));
    // Broken off, the lesser trochanter goes its own way.
    let broken_off = hip
        .fracture
        .as_ref()
        .filter(|f| (femur.lesser_tip() - f.point).dot(f.normal) > 0.0);
    let lesser_trochanter = match broken_off.and_then(|f| f.lesser_pose(femur)) {
        Some(own) => framing.pixel(tube.project(own.then(room).point(femur.lesser_tip()))),
        None => pixel(femur.lesser_tip()),
    };
    let radius = |p: V3, r: f32| r * size * tube.magnification(pose_of(p).point(p).z) / framing.pitch;
    let mut head_box = EMPTY;
    fit(
        &mut head_box,
        pixel(V3::default()),
        radius(V3::default(), femur.head_radius),
    );
    let mut femur_box = head_box;
    let j = femur.junction();
    let k = femur.head_radius / 22.5;
    let t = femur.trochanter_size;
    let around: [(V3, f32); 6] = [
        (femur.neck_centre(), femur.neck_radius),
        (v(j.x + 14.5 * k, j.y - 8.0 * k, 1.0), 10.5 * k),
        (v(j.x + 12.0 * k, j.y + 2.0 * k, 0.0), 13.0 * k * t.max(0.7)),
        (femur.greater_tip(), 2.0),
        (femur.lesser_tip(), 2.0),
        // The masks of the corpus reach some 25 mm below the lesser trochanter's tip.
        (v(j.x, femur.lesser_y() - 18.0 * k, 0.0), femur.shaft_radius * 1.12),
    ];
    for (p, r) in around {
        fit(&mut femur_box, pixel(p), radius(p, r));
    }
    let fracture = hip.fracture.as_ref().map(|f| {
        let mut bounds = EMPTY;
        let side = f.normal.cross(v(0.0, 0.0, 1.0)).unit();
        let half_line = match f.kind {
            FractureKind::TrochantericA1 | FractureKind::TrochantericA2 => 30.0 * k,
            FractureKind::TrochantericA3 | FractureKind::Subtrochanteric => femur.shaft_radius * 1.35,
            _ => femur.neck_radius * 1.15,
        };
        let mut line = Vec::new();
        for step in -4..=4 {
            let p = f.point + side * (half_line * step as f32 / 4.0);
            let a = framing.pixel(tube.project(head_pose.point(p)));
            let b = framing.pixel(tube.project(far_pose.point(p)));
            let margin = 4.0 / framing.pitch;
            fit(&mut bounds, a, margin);
            fit(&mut bounds, b, margin);
            line.push([(a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5]);
        }
        FractureTruth {
            kind: f.kind,
            location: f.kind.location(),
            displacement_mm: f.displacement * size,
            visibility: f.visibility(),
            bounds,
            line,
            shortening_mm: (far_pose.point(f.point).y - head_pose.point(f.point).y).max(0.0),
            external_rotation_deg: f.external,
            varus_deg: (f.varus - f.head_turn).max(-45.0),
            drawn: f.clone(),
        }
    });
    HipTruth {
        side: hip.side,
        head_centre: pixel(V3::default()),
        neck_centre: pixel(femur.neck_centre()),
        greater_trochanter: pixel(femur.greater_tip()),
        lesser_trochanter,
        shaft: pixel(femur.shaft_point(40.0)),
        head_diameter_mm: femur.head_radius * 2.0 * size,
        neck_shaft_deg: femur.neck_shaft,
        internal_rotation_deg: hip.internal,
        head_box,
        femur_box,
        fracture,
        metal: hip.metal,
        metal_box: None,
        healed_fracture: hip.healed,
        frank_callus: hip.frank_callus,
        paget: hip.paget,
        arthritis: hip.arthritis,
        femur: *femur,
        hemipelvis,
        abduction_deg: hip.abduction,
        flexion_deg: hip.flexion,
        anteversion_deg: hip.turn + hip.internal,
    }
}

/// A smooth curve through points (Catmull-Rom).
pub(crate) fn curve(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut out = Vec::new();
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    for i in 0..points.len().saturating_sub(1) as isize {
        let (a, b, c, d) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        for step in 0..8 {
            let t = step as f32 / 8.0;
            let mix = |n: usize| {
                0.5 * (2.0 * b[n]
                    + (c[n] - a[n]) * t
                    + (2.0 * a[n] - 5.0 * b[n] + 4.0 * c[n] - d[n]) * t * t
                    + (3.0 * b[n] - a[n] - 3.0 * c[n] + d[n]) * t * t * t)
            };
            out.push([mix(0), mix(1)]);
        }
    }
    out.extend(points.last());
    out
}

/// Folds of groin and buttock: dark lines, a mimic of fractures. Returns whether one crosses a hip.
fn skin(
    config: &Config,
    body: &Body,
    c: &mut Draw,
    spot_of: &dyn Fn(V3) -> [f32; 2],
    k: f32,
    frontal: bool,
    out: &mut Vec<Stroke>,
) -> bool {
    if !frontal {
        return false;
    }
    let soft = &config.soft;
    let mut any = false;
    let wide = body.half_width;
    for side in [-1.0_f32, 1.0] {
        if c.chance(config.folds) {
            any = true;
            let lift = c.gauss(0.0, 14.0);
            let course = [
                v(side * (body.half + 62.0), 42.0 + lift, 70.0),
                v(side * (body.half + 20.0), -8.0 + lift, 80.0),
                v(side * body.half * 0.62, -55.0 + lift * 0.5, 75.0),
                v(side * 18.0, -98.0, 60.0),
            ];
            out.push(Stroke {
                points: curve(&course.map(spot_of)),
                half_width: c.within(soft.groin_half_width) * k,
                material: MUSCLE,
                amount: c.within(soft.groin_amount),
                hollow: false,
            });
        }
        if c.chance(soft.buttock) {
            let low = -c.uniform(70.0, 130.0);
            let course = [
                v(side * wide * 0.93, low + c.uniform(0.0, 45.0), -70.0),
                v(side * wide * 0.62, low - 12.0, -80.0),
                v(side * wide * 0.34, low - 18.0, -80.0),
                v(side * 14.0, low + c.uniform(10.0, 45.0), -75.0),
            ];
            out.push(Stroke {
                points: curve(&course.map(spot_of)),
                half_width: c.within(soft.buttock_half_width) * k,
                material: MUSCLE,
                amount: c.within(soft.buttock_amount),
                hollow: false,
            });
        }
    }
    any
}

/// Gas and stool.
fn bowel(soft: &SoftPriors, view: View, c: &mut Draw, spot_of: &dyn Fn(V3) -> [f32; 2], k: f32, out: &mut Vec<Blob>) {
    let much = if view == View::Abdomen {
        soft.abdomen
    } else {
        c.within(soft.filling)
    };
    let loops = (c.within(soft.loops) * much) as usize;
    for _ in 0..loops {
        let middle = v(c.gauss(0.0, 72.0).clamp(-125.0, 125.0), c.uniform(35.0, 260.0), 15.0);
        let run = c.uniform(0.0, std::f32::consts::TAU);
        let big = c.within(soft.pocket_radius);
        for step in 0..1 + c.below(5) {
            let at = middle + v(run.cos(), run.sin(), 0.0) * (step as f32 * big * 1.15);
            out.push(Blob {
                centre: spot_of(at),
                radii: [big * c.uniform(0.7, 1.3) * k, big * c.uniform(0.6, 1.0) * k],
                turn: run,
                depth: big * c.within(soft.pocket_depth),
            });
        }
    }
    // The rectum, in the middle of the pelvic ring.
    if c.chance(soft.rectum) {
        let middle = v(c.gauss(0.0, 12.0), c.uniform(8.0, 52.0), -40.0);
        for _ in 0..2 + c.below(6) {
            let at = middle + v(c.gauss(0.0, 18.0), c.gauss(0.0, 14.0), 0.0);
            let big = c.within(soft.rectum_radius);
            out.push(Blob {
                centre: spot_of(at),
                radii: [big * k, big * c.uniform(0.5, 1.0) * k],
                turn: c.uniform(0.0, 3.1),
                depth: big * c.uniform(0.5, 1.5),
            });
        }
    }
    // Stool: many small pockets.
    for _ in 0..c.below(soft.stool_groups + 1) {
        let middle = v(c.gauss(0.0, 65.0).clamp(-120.0, 120.0), c.uniform(5.0, 170.0), 0.0);
        let (wide, tall) = (c.uniform(10.0, 32.0), c.uniform(10.0, 40.0));
        for _ in 0..40 + c.below(60) {
            let at = middle + v(c.gauss(0.0, wide * 0.6), c.gauss(0.0, tall * 0.6), 0.0);
            let big = c.within(soft.stool_radius);
            out.push(Blob {
                centre: spot_of(at),
                radii: [big * k, big * k * 0.8],
                turn: c.uniform(0.0, 3.1),
                depth: big * c.uniform(0.8, 2.2),
            });
        }
    }
}

struct Parts {
    groups: Vec<Group>,
    strokes: Vec<Stroke>,
    blobs: Vec<Blob>,
    hips: Vec<HipTruth>,
    spinal_metal: bool,
    ramus: Option<Side>,
    folds: bool,
    tilt: f32,
    axial: f32,
    roll: f32,
    half_width: f32,
    half_depth: f32,
    magnification: f32,
    body: Option<Body>,
    column: Option<ColumnTruth>,
    limb: Option<LimbTruth>,
    arteries: bool,
    catheter: bool,
    clutter: Clutter,
}

fn limb(config: &Config, request: &Request, seed: u64, view: View, person: Person, station: Station) -> Case {
    let mut d = Draw::new(seed, stream::PERSON + 200);
    let mut f = Draw::new(seed, stream::FRAME);
    let tube = Tube {
        source: v(f.gauss(0.0, 15.0), f.gauss(0.0, 30.0), station.distance),
    };
    let size = person.size.max(0.5);
    let mut strokes = Vec::new();
    let mut c = Draw::new(seed, stream::CLUTTER);
    let limb;
    let mut wired = false;
    let (groups, framing, magnification) = if view == View::Chest {
        let height = 150.0 * size;
        let k = tube.magnification(height);
        let framing = Framing::new(
            f.uniform(310.0, 420.0) * size * k / 1.1,
            f.uniform(0.86, 1.25),
            request,
            &mut f,
        );
        let arms_up = f.chance(0.15);
        let (groups, told) = thorax::chest(&mut d, size, person.cortex, person.cancellous, arms_up);
        limb = told;
        let target = [
            f.gauss(0.0, 0.03) * framing.width(),
            f.gauss(0.0, 0.06) * framing.height(),
        ];
        let pose = Pose::turn_y(f.gauss(0.0, 4.0))
            .then(&Pose::turn_x(f.gauss(0.0, 5.0)))
            .then(&Pose::turn_z(f.gauss(0.0, 4.0)))
            .then(&Pose::shift(place(&tube, target, height)));
        wired = c.chance(config.leads_chest);
        if wired {
            leads(&config.clutter_shapes, &mut c, &mut strokes);
        }
        (groups.iter().map(|g| g.posed(&pose)).collect::<Vec<_>>(), framing, k)
    } else {
        let lateral = f.chance(0.45);
        let height = 95.0 * size;
        let k = tube.magnification(height);
        let framing = Framing::new(
            f.uniform(140.0, 260.0) * size * k / 1.1,
            f.uniform(0.6, 0.9),
            request,
            &mut f,
        );
        let side = f.sign();
        let flexion = if lateral {
            f.uniform(15.0, 40.0)
        } else {
            f.uniform(0.0, 6.0)
        };
        let (groups, measures) = knee::knee(&mut d, side, flexion, person.cortex, person.cancellous);
        let turn = if lateral {
            90.0 * f.sign() + f.gauss(0.0, 4.0)
        } else {
            f.gauss(0.0, 5.0)
        };
        let target = [
            f.gauss(0.0, 0.06) * framing.width(),
            f.gauss(0.0, 0.06) * framing.height(),
        ];
        let pose = Pose::turn_y(turn)
            .then(&Pose::turn_z(f.gauss(0.0, 5.0)))
            .then(&Pose::scale(size))
            .then(&Pose::shift(place(&tube, target, height)));
        let mut all: Vec<Group> = groups.iter().map(|g| g.posed(&pose)).collect();
        let both = !lateral && f.chance(0.3);
        limb = LimbTruth::Knee {
            size: measures.size,
            narrowing_mm: measures.narrowing,
            fat_mm: measures.fat,
            girth: measures.girth,
            flexion_deg: flexion,
            turn_deg: turn,
            both,
        };
        if both {
            // Both knees on one film.
            let (other, _) = knee::knee(&mut d, -side, 3.0, person.cortex, person.cancellous);
            let shift = Pose::shift(v(side * -150.0 * size, 0.0, 0.0));
            all.extend(other.iter().map(|g| g.posed(&pose.then(&shift))));
        }
        (all, framing, k)
    };
    let mut extra = Draw::new(seed, stream::EXTRA);
    let told = Clutter {
        leads: wired,
        ..clutter(config, &mut extra, framing.width(), framing.height(), &mut strokes)
    };
    finish(
        config,
        seed,
        view,
        person,
        station,
        framing,
        tube,
        c,
        Parts {
            groups,
            strokes,
            blobs: Vec::new(),
            hips: Vec::new(),
            spinal_metal: false,
            ramus: None,
            folds: false,
            tilt: 0.0,
            axial: 0.0,
            roll: 0.0,
            half_width: 150.0 * size,
            half_depth: 110.0 * size,
            magnification,
            body: None,
            column: None,
            limb: Some(limb),
            arteries: false,
            catheter: false,
            clutter: told,
        },
    )
}

#[allow(clippy::too_many_arguments)]
fn finish(
    config: &Config,
    seed: u64,
    view: View,
    person: Person,
    station: Station,
    framing: Framing,
    tube: Tube,
    mut c: Draw,
    parts: Parts,
) -> Case {
    let (w, h) = (framing.width(), framing.height());
    let mut shutter = Shutter::default();
    if c.chance(config.collimated) {
        let margin = |c: &mut Draw| 1.0 - c.uniform(0.0, 1.0).powi(2) * 0.14;
        let half = [w * 0.5 * margin(&mut c), h * 0.5 * margin(&mut c)];
        shutter.field = Some((
            half,
            [c.gauss(0.0, 0.008) * w, c.gauss(0.0, 0.008) * h],
            c.gauss(0.0, 0.012),
        ));
        shutter.black = c.chance(0.88);
    }
    let mut corner_blocks = false;
    if c.chance(config.corner_blocks) {
        corner_blocks = true;
        let (top, low) = (c.uniform(0.05, 0.12), c.uniform(0.08, 0.16));
        let (wide_top, wide_low) = (c.uniform(0.08, 0.15), c.uniform(0.09, 0.17));
        let which = if c.chance(0.7) {
            [true; 4]
        } else {
            [c.chance(0.6), c.chance(0.6), c.chance(0.6), c.chance(0.6)]
        };
        let all = [
            [-w * 0.5, h * 0.5, -w * 0.5 + w * wide_top, h * 0.5 - h * top],
            [w * 0.5 - w * wide_top, h * 0.5, w * 0.5, h * 0.5 - h * top],
            [-w * 0.5, -h * 0.5 + h * low, -w * 0.5 + w * wide_low, -h * 0.5],
            [w * 0.5 - w * wide_low, -h * 0.5 + h * low, w * 0.5, -h * 0.5],
        ];
        let grey = if c.chance(0.97) { 0.0 } else { 1.0 };
        for (block, on) in all.into_iter().zip(which) {
            if on {
                shutter.blocks.push((block, grey));
            }
        }
    }
    let mut labels = Vec::new();
    if c.chance(config.marker) {
        let left = c.chance(0.5);
        let x = if left {
            c.uniform(-0.48, -0.34)
        } else {
            c.uniform(0.34, 0.45)
        } * w;
        let y = c.uniform(-0.40, 0.46) * h;
        // Nearly always the right letter: R at the left of the picture.
        let right = left != c.chance(0.01);
        labels.push(Label {
            text: if right { "R" } else { "L" }.to_owned(),
            at: [x, y],
            height: c.uniform(10.0, 20.0),
            grey: c.uniform(0.85, 1.0),
            plate: c.chance(0.2).then(|| c.uniform(0.3, 0.6)),
        });
    }
    if c.chance(config.burned_text) {
        for _ in 0..1 + c.below(3) {
            let text = if c.chance(0.5) {
                WORDS[c.below(WORDS.len())].to_owned()
            } else {
                format!("{}:{:02}", c.below(12), c.below(60))
            };
            labels.push(Label {
                text,
                at: [
                    c.uniform(-0.49, 0.36) * w,
                    [c.uniform(0.40, 0.49), c.uniform(-0.46, -0.36)][c.below(2)] * h,
                ],
                height: c.uniform(3.0, 7.0),
                grey: c.uniform(0.7, 1.0),
                plate: None,
            });
        }
    }
    let truth = Truth {
        seed,
        view,
        columns: framing.columns,
        rows: framing.rows,
        pitch_mm: framing.pitch,
        magnification: parts.magnification,
        hips: parts.hips,
        age: person.age,
        sex: person.sex,
        immature: person.immature,
        bone_loss: person.loss,
        spinal_metal: parts.spinal_metal,
        ramus_fracture: parts.ramus,
        skin_folds: parts.folds,
        tilt_deg: parts.tilt,
        axial_rotation_deg: parts.axial,
        roll_deg: parts.roll,
        half_width_mm: parts.half_width,
        half_depth_mm: parts.half_depth,
        kvp: station.spectrum.kvp,
        detector_dose_ugy: station.dose,
        bits: station.processing.bits,
        monochrome1: station.processing.monochrome1,
        corner_blocks,
        drawn: Drawn {
            size: person.size,
            cortex: person.cortex,
            cancellous: person.cancellous,
            body: parts.body,
            column: parts.column,
            limb: parts.limb,
            source: tube.source,
            scatter_ratio: station.scatter,
            detective_efficiency: station.dqe,
            heel: station.heel,
            processing: station.processing.clone(),
            collimated: shutter.field.is_some(),
            letters: labels.iter().map(|label| label.text.clone()).collect(),
            gas_pockets: parts.blobs.len() as u32,
            calcified_arteries: parts.arteries,
            catheter: parts.catheter,
            clutter: parts.clutter,
        },
    };
    Case {
        scene: Scene {
            tube,
            groups: parts.groups,
            strokes: parts.strokes,
            blobs: parts.blobs,
            texture_seed: hash(seed ^ 0x7E47) as u32,
            uneven: config.soft.uneven,
            trabeculae: config.trabeculae,
        },
        truth,
        processing: station.processing,
        spectrum: station.spectrum,
        shutter,
        labels,
        noise_seed: c.bits(),
        scatter_ratio: station.scatter,
        dqe: station.dqe,
        heel: station.heel,
        overview: OnceLock::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::lengths;

    /// Millimetres of bone behind a full-size pixel.
    fn bone_at(case: &Case, p: [f32; 2]) -> f32 {
        let t = &case.truth;
        let grid = Grid {
            left: (p[0] - t.columns as f32 * 0.5) * t.pitch_mm - 1.5,
            top: (t.rows as f32 * 0.5 - p[1]) * t.pitch_mm + 1.5,
            step_x: 1.0,
            step_y: 1.0,
            width: 3,
            height: 3,
        };
        lengths(&case.scene, &grid).iter().map(|l| l[BONE]).fold(0.0, f32::max)
    }

    #[test]
    fn the_landmarks_lie_on_the_bones() {
        for seed in 0..12 {
            let request = Request {
                view: Some(View::FrontalPelvis),
                metal: Some(false),
                age: Some(60),
                fracture: Some(FractureRequest {
                    present: Some(seed % 2 == 0),
                    ..FractureRequest::default()
                }),
                ..Request::default()
            };
            let case = Case::draw(&Config::default(), &request, seed);
            assert_eq!(case.truth().hips.len(), 2);
            for hip in &case.truth().hips {
                let spots = [
                    hip.head_centre,
                    hip.neck_centre,
                    hip.greater_trochanter,
                    hip.lesser_trochanter,
                    hip.shaft,
                ];
                for (index, spot) in spots.into_iter().enumerate() {
                    let bone = bone_at(&case, spot);
                    assert!(bone > 0.4, "seed {seed} {:?} landmark {index}: {bone} mm", hip.side);
                }
                // Far to the side there is none.
                assert!(bone_at(&case, [hip.shaft[0], case.truth().rows as f32 * 3.0]) < 0.01);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_landmarks_of_any_case_lie_on_the_bones(seed in 0_u64..1_000_000, kind in 0_usize..10, severity in 0.0_f32..1.0) {
            let fracture = FractureRequest {
                present: Some(kind < 9),
                kind: FractureKind::ALL.get(kind).copied(),
                severity: Some(severity),
                ..FractureRequest::default()
            };
            let request = Request {
                view: Some(View::FrontalPelvis),
                metal: Some(false),
                age: Some(20 + (seed % 80) as u32),
                fracture: Some(fracture),
                ..Request::default()
            };
            let case = Case::draw(&Config::default(), &request, seed);
            for hip in &case.truth().hips {
                let spots = [hip.head_centre, hip.neck_centre, hip.greater_trochanter, hip.lesser_trochanter, hip.shaft];
                for (index, spot) in spots.into_iter().enumerate() {
                    let bone = bone_at(&case, spot);
                    prop_assert!(bone > 0.3, "seed {seed} {:?} landmark {index}: {bone} mm", hip.side);
                }
            }
        }

        #[test]
        fn the_box_of_any_fracture_holds_its_line(seed in 0_u64..1_000_000, kind in 0_usize..9, severity in 0.0_f32..1.0, left: bool, lateral: bool) {
            let side = if left { Side::Left } else { Side::Right };
            let request = Request {
                view: Some(if lateral { View::LateralHip } else { View::FrontalPelvis }),
                fracture: Some(FractureRequest {
                    kind: Some(FractureKind::ALL[kind]),
                    side: Some(side),
                    severity: Some(severity),
                    ..FractureRequest::default()
                }),
                ..Request::default()
            };
            let case = Case::draw(&Config::default(), &request, seed);
            let hip = case.truth().hip(side).expect("the hip");
            let fracture = hip.fracture.as_ref().expect("a fracture");
            let [x0, y0, x1, y1] = fracture.bounds;
            for [x, y] in &fracture.line {
                prop_assert!((x0..=x1).contains(x) && (y0..=y1).contains(y), "{:?} outside {:?}", [x, y], fracture.bounds);
            }
            // The line crosses bone: most of its points lie on it, those at both ends may lie beside.
            let pictured = fracture.line[2..7].iter().filter(|spot| bone_at(&case, **spot) > 0.3).count();
            prop_assert!(pictured >= 3, "{pictured} of 5 points on bone");
        }
    }

    #[test]
    fn clutter_leaves_the_rest_of_a_picture_as_it_is() {
        let all = Config {
            buttons: 1.0,
            trolley: 1.0,
            lines: 1.0,
            frank_callus: 1.0,
            healed_fracture: 0.0,
            ..Config::default()
        };
        let usual = Config {
            buttons: 0.0,
            trolley: 0.0,
            lines: 0.0,
            frank_callus: 0.0,
            healed_fracture: 0.0,
            ..Config::default()
        };
        for seed in 0..8 {
            let request = Request {
                view: Some(View::ALL[seed as usize % 7]),
                ..Request::default()
            };
            let (with, without) = (Case::draw(&all, &request, seed), Case::draw(&usual, &request, seed));
            let told = with.truth().drawn.clutter;
            assert!(told.buttons && told.trolley && told.lines);
            assert!(with.scene.strokes.len() > without.scene.strokes.len());
            // The rest is drawn as before.
            let mut same = with.truth().clone();
            same.drawn.clutter = without.truth().drawn.clutter;
            assert_eq!(&same, without.truth());
            assert!(with.render_scaled(64).pixels != without.render_scaled(64).pixels);
        }
    }

    #[test]
    fn frank_callus_is_bone_around_the_old_fracture() {
        let request = Request {
            view: Some(View::FrontalPelvis),
            age: Some(80),
            fracture: Some(FractureRequest {
                present: Some(false),
                ..FractureRequest::default()
            }),
            metal: Some(false),
            ..Request::default()
        };
        let config = |frank_callus: f32| Config {
            healed_fracture: 1.0,
            frank_callus,
            ..Config::default()
        };
        let (with, without) = (
            Case::draw(&config(1.0), &request, 3),
            Case::draw(&config(0.0), &request, 3),
        );
        let hip = &with.truth().hips[0];
        assert!(hip.frank_callus && !without.truth().hips[0].frank_callus);
        let sum = |case: &Case| -> f32 {
            let b = hip.femur_box;
            (0..20)
                .flat_map(|i| (0..20).map(move |j| [i, j]))
                .map(|[i, j]| {
                    let at = |low: f32, high: f32, step: i32| low + (high - low) * (step as f32 + 0.5) / 20.0;
                    bone_at(case, [at(b[0], b[2], i), at(b[1], b[3], j)])
                })
                .sum()
        };
        assert!(sum(&with) > sum(&without) * 1.02, "{} {}", sum(&with), sum(&without));
    }

    #[test]
    fn right_is_on_the_left_of_the_picture() {
        for seed in 0..20 {
            let request = Request {
                view: Some(View::FrontalPelvis),
                ..Request::default()
            };
            let case = Case::draw(&Config::default(), &request, seed);
            let (r, l) = (
                case.truth().hip(Side::Right).unwrap(),
                case.truth().hip(Side::Left).unwrap(),
            );
            assert!(r.head_centre[0] < l.head_centre[0]);
        }
    }
}
