//! Real and simulated pelves side by side, and a table that compares them.
//!
//! `contact_sheet OUT.png [CORPUS_DIR|-] [COUNT] [SHOWN] [CELL] [CONFIG-JSON]`: the corpus holds `radiographs/pelvis/*.png` and
//! `radiographs/pelvis.csv`; without it only simulated pictures are shown, and so is the sheet of the README. COUNT
//! pictures are simulated for the table, SHOWN of them stand in the sheet, CELL pixels wide each.

use std::path::{Path, PathBuf};

use imaging::GreyImage;
use phantom::{Case, Config, Request, View};

/// Columns of a simulated picture before it is made as small as the table wants it, as a film is.
const RENDERED: usize = 1536;
const CELL: usize = 300;
const SHOWN: usize = 24;
const COLUMNS: usize = 6;

/// A picture with the two hips' boxes, in shares of its own pixels.
struct Film {
    picture: GreyImage,
    /// The boxes' own full-size picture, columns and rows.
    size: [f32; 2],
    boxes: Vec<[f32; 4]>,
}

fn mean_sd(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    (
        mean,
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt(),
    )
}

fn quantiles(mut values: Vec<f32>, shares: &[f32]) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    shares
        .iter()
        .map(|s| values[((values.len() - 1) as f32 * s) as usize])
        .collect()
}

/// Samples of a row whose spectrum is taken.
const N: usize = 256;

/// Power along rows of the picture's middle by frequency, in steps of 1/256 cycles a pixel; `None` where it is too small.
fn spectrum(picture: &GreyImage) -> Option<[f64; N / 2]> {
    if picture.width < N || picture.height < 64 {
        return None;
    }
    let (mut power, mut rows) = ([0.0_f64; N / 2], 0.0);
    let left = (picture.width - N) / 2;
    for row in (picture.height / 4..picture.height * 3 / 4).step_by(4) {
        let line = &picture.data[row * picture.width + left..][..N];
        let mean = line.iter().sum::<f32>() / N as f32;
        for (k, p) in power.iter_mut().enumerate().skip(1) {
            let (mut re, mut im) = (0.0_f64, 0.0_f64);
            for (i, v) in line.iter().enumerate() {
                let window = 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / N as f64).cos();
                let angle = std::f64::consts::TAU * (k * i % N) as f64 / N as f64;
                re += f64::from(v - mean) * window * angle.cos();
                im += f64::from(v - mean) * window * angle.sin();
            }
            *p += re * re + im * im;
        }
        rows += 1.0;
    }
    Some(power.map(|p| p / rows))
}

/// Logarithms of frequency and power between two frequencies, cycles a pixel.
fn between(power: &[f64; N / 2], low: f32, high: f32) -> Vec<(f64, f64)> {
    (1..N / 2)
        .filter(|k| (*k as f32 / N as f32) >= low && (*k as f32 / N as f32) < high)
        .map(|k| ((k as f64).ln(), (power[k] + 1e-12).ln()))
        .collect()
}

/// Decades of mean power.
fn decades(power: &[f64; N / 2], low: f32, high: f32) -> f32 {
    let points = between(power, low, high);
    let mean = points.iter().map(|p| p.1.exp()).sum::<f64>() / points.len() as f64;
    mean.log10() as f32
}

/// Slope of log power over log frequency.
fn slope(power: &[f64; N / 2], low: f32, high: f32) -> f32 {
    let points = between(power, low, high);
    let n = points.len() as f64;
    let (mx, my) = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let (mut top, mut bottom) = (0.0, 0.0);
    for (x, y) in points {
        top += (x - mx) * (y - my);
        bottom += (x - mx) * (x - mx);
    }
    (top / bottom) as f32
}

fn real(corpus: &Path) -> Vec<Film> {
    let table = std::fs::read_to_string(corpus.join("radiographs/pelvis.csv")).unwrap_or_default();
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |i: usize| cells.get(i).and_then(|c| c.parse::<f32>().ok());
            let image = image::open(corpus.join("radiographs/pelvis").join(cells.first()?))
                .ok()?
                .to_luma8();
            let (w, h) = image.dimensions();
            let data = image.into_raw().into_iter().map(|v| f32::from(v) / 255.0).collect();
            let corners = |first: usize| {
                Some([
                    number(first)?,
                    number(first + 1)?,
                    number(first + 2)?,
                    number(first + 3)?,
                ])
            };
            Some(Film {
                picture: GreyImage::from_data(w as usize, h as usize, data),
                size: [w as f32, h as f32],
                boxes: vec![corners(3)?, corners(7)?],
            })
        })
        .collect()
}

fn simulated(config: &Config, count: u64, width: usize) -> Vec<Film> {
    (0..count)
        .map(|i| {
            let request = Request {
                view: Some(View::FrontalPelvis),
                ..Request::default()
            };
            let case = Case::draw(config, &request, 10_000 + i);
            let truth = case.truth();
            Film {
                picture: imaging::present(&case.render_scaled(width), None),
                size: [truth.columns as f32, truth.rows as f32],
                boxes: truth.hips.iter().map(|h| h.femur_box).collect(),
            }
        })
        .collect()
}

/// Grey outside the shaft, of its lateral cortex and inside it, just above the lower end of a femur's box, where the
/// boxes' centres lie `distance` apart: means over rows. The edge is where grey rises most.
fn shaft(p: &GreyImage, b: [f32; 4], left: bool, distance: f32) -> Option<[f32; 3]> {
    let at = |x: f32, y: usize| {
        let x = x.round();
        (x >= 0.0 && x < p.width as f32).then(|| p.data[y * p.width + x as usize])
    };
    let (wide, tall) = (b[2] - b[0], b[3] - b[1]);
    // Inwards from the lateral side of the box.
    let inwards = if left { 1.0 } else { -1.0 };
    let start = if left { b[0] } else { b[2] } - inwards * 0.1 * wide;
    let (mut sum, mut rows) = ([0.0_f32; 3], 0.0_f32);
    let last = ((b[1] + 0.97 * tall) as usize).min(p.height.saturating_sub(1));
    for y in (b[1] + 0.84 * tall) as usize..last {
        let mean = |from: f32, to: f32| {
            let steps = ((to - from).abs().ceil() as usize).max(1);
            let values: Vec<f32> = (0..=steps)
                .filter_map(|i| at(from + (to - from) * i as f32 / steps as f32, y))
                .collect();
            (values.len() == steps + 1).then(|| values.iter().sum::<f32>() / values.len() as f32)
        };
        let rise = |step: usize| {
            let x = start + inwards * step as f32;
            Some(at(x + inwards * 2.0, y)? - at(x - inwards * 2.0, y)?)
        };
        let steps = (0.5 * wide) as usize;
        let best = (0..steps)
            .filter_map(|step| Some((rise(step)?, step)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, step)) = best else { continue };
        let edge = start + inwards * step as f32;
        let go = |share: f32| edge + inwards * share * distance;
        let outside = mean(go(-0.03), go(-0.012));
        let inside = mean(go(0.045), go(0.075));
        let peak = (0..=(0.03 * distance) as usize)
            .filter_map(|step| at(edge + inwards * step as f32, y))
            .fold(0.0, f32::max);
        if let (Some(outside), Some(inside)) = (outside, inside) {
            for (sum, value) in sum.iter_mut().zip([outside, peak, inside]) {
                *sum += value;
            }
            rows += 1.0;
        }
    }
    (rows > 3.0).then(|| sum.map(|value| value / rows * 255.0))
}

fn table(name: &str, films: &[Film]) {
    if films.is_empty() {
        return;
    }
    println!("{name}: {} films, mean ± SD", films.len());
    let small: Vec<GreyImage> = films
        .iter()
        .map(|f| {
            f.picture.resample(
                [0.0, 0.0, f.picture.width as f32, f.picture.height as f32],
                512,
                (512.0 * f.size[1] / f.size[0]) as usize,
            )
        })
        .collect();
    let show = |what: &str, values: Vec<f32>| {
        let good: Vec<f32> = values.into_iter().filter(|v| v.is_finite()).collect();
        let (m, s) = mean_sd(&good);
        println!("  {what:<34} {m:8.3} ± {s:.3}");
    };
    for share in [0.05_f32, 0.25, 0.5, 0.75, 0.95, 0.99] {
        show(
            &format!("whole film grey p{}", (share * 100.0) as u32),
            small
                .iter()
                .map(|p| quantiles(p.data.clone(), &[share])[0] * 255.0)
                .collect(),
        );
    }
    let inside = |p: &GreyImage, film: &Film| -> Vec<f32> {
        let k = p.width as f32 / film.size[0];
        let mut out = Vec::new();
        for b in &film.boxes {
            for y in (b[1] * k).max(0.0) as usize..((b[3] * k).max(0.0) as usize).min(p.height) {
                for x in (b[0] * k).max(0.0) as usize..((b[2] * k).max(0.0) as usize).min(p.width) {
                    out.push(p.data[y * p.width + x]);
                }
            }
        }
        if out.is_empty() { vec![0.0] } else { out }
    };
    for share in [0.05_f32, 0.25, 0.5, 0.75, 0.95] {
        show(
            &format!("hip boxes grey p{}", (share * 100.0) as u32),
            small
                .iter()
                .zip(films)
                .map(|(p, f)| quantiles(inside(p, f), &[share])[0] * 255.0)
                .collect(),
        );
    }
    let shafts: Vec<[f32; 3]> = small
        .iter()
        .zip(films)
        .filter(|(_, film)| film.boxes.len() == 2)
        .flat_map(|(p, film)| {
            let k = p.width as f32 / film.size[0];
            let mut boxes: Vec<[f32; 4]> = film.boxes.iter().map(|b| b.map(|v| v * k)).collect();
            boxes.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let distance = (boxes[1][0] + boxes[1][2] - boxes[0][0] - boxes[0][2]) * 0.5;
            [shaft(p, boxes[0], true, distance), shaft(p, boxes[1], false, distance)]
        })
        .flatten()
        .collect();
    show(
        "shaft: cortex over outside",
        shafts.iter().map(|[o, p, _]| p - o).collect(),
    );
    show(
        "shaft: cortex over inside",
        shafts.iter().map(|[_, p, i]| p - i).collect(),
    );
    let spectra: Vec<[f64; N / 2]> = small.iter().filter_map(spectrum).collect();
    for (low, high) in [(0.01, 0.05), (0.05, 0.2), (0.2, 0.5)] {
        show(
            &format!("power slope, {low}-{high} cycles/px"),
            spectra.iter().map(|p| slope(p, low, high)).collect(),
        );
    }
    for (low, high) in [(0.01, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.5)] {
        show(
            &format!("log10 power, {low}-{high} cycles/px"),
            spectra.iter().map(|p| decades(p, low, high)).collect(),
        );
    }
    let pairs: Vec<(&Film, f32, [f32; 2])> = films
        .iter()
        .filter(|f| f.boxes.len() == 2)
        .map(|f| {
            let centre = |b: &[f32; 4]| [(b[0] + b[2]) * 0.5, (b[1] + b[3]) * 0.5];
            let (a, b) = (centre(&f.boxes[0]), centre(&f.boxes[1]));
            (
                f,
                ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt(),
                [(a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5],
            )
        })
        .collect();
    show(
        "box centres' distance / width",
        pairs.iter().map(|(f, d, _)| d / f.size[0]).collect(),
    );
    show(
        "box width / distance",
        pairs
            .iter()
            .flat_map(|(f, d, _)| f.boxes.iter().map(move |b| (b[2] - b[0]) / d))
            .collect(),
    );
    show(
        "box height / distance",
        pairs
            .iter()
            .flat_map(|(f, d, _)| f.boxes.iter().map(move |b| (b[3] - b[1]) / d))
            .collect(),
    );
    show(
        "middle x / width",
        pairs.iter().map(|(f, _, m)| m[0] / f.size[0]).collect(),
    );
    show(
        "middle y / height",
        pairs.iter().map(|(f, _, m)| m[1] / f.size[1]).collect(),
    );
}

fn main() {
    let mut args = std::env::args().skip(1);
    let out = args.next().unwrap_or_else(|| "contact_sheet.png".to_owned());
    let corpus = args
        .next()
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("SHENTON_CORPUS").map(PathBuf::from))
        .filter(|corpus| corpus.as_os_str() != "-");
    let mut number = |usual: usize| args.next().and_then(|c| c.parse().ok()).unwrap_or(usual);
    let (count, shown, cell) = (number(60), number(SHOWN), number(CELL));
    let real = corpus.map(|c| real(&c)).unwrap_or_default();
    let config: Config = match args.next() {
        Some(json) => serde_json::from_str(&json).unwrap_or_else(|error| {
            eprintln!("configuration: {error}");
            std::process::exit(2);
        }),
        None => Config::default(),
    };
    let simulated = simulated(&config, count.max(1) as u64, RENDERED);
    table("real", &real);
    table("simulated", &simulated);
    // Rows take turns: real, simulated, real, ...
    let shown = if real.is_empty() { shown } else { real.len() };
    let rows = shown.div_ceil(COLUMNS) * if real.is_empty() { 1 } else { 2 };
    let (w, h) = (COLUMNS * (cell + 4), rows * (cell + 4));
    let mut sheet = vec![255_u8; w * h];
    let mut put = |film: &Film, column: usize, row: usize| {
        let k = cell as f32 / film.size[0].max(film.size[1]);
        let (pw, ph) = ((film.size[0] * k) as usize, (film.size[1] * k) as usize);
        let small = film.picture.resample(
            [0.0, 0.0, film.picture.width as f32, film.picture.height as f32],
            pw,
            ph,
        );
        for y in 0..ph {
            for x in 0..pw {
                sheet[(row * (cell + 4) + y) * w + column * (cell + 4) + x] =
                    (small.data[y * pw + x] * 255.0).round() as u8;
            }
        }
    };
    for index in 0..shown {
        let (row, column) = (index / COLUMNS, index % COLUMNS);
        if real.is_empty() {
            put(&simulated[index % simulated.len()], column, row);
        } else {
            put(&real[index], column, row * 2);
            put(&simulated[index % simulated.len()], column, row * 2 + 1);
        }
    }
    if let Err(error) = image::save_buffer(&out, &sheet, w as u32, h as u32, image::ColorType::L8) {
        eprintln!("{out}: {error}");
        std::process::exit(1);
    }
}
