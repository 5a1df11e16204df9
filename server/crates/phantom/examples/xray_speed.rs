//! Pictures a second: `xray_speed [SECONDS]`, so long for each kind (default 4).
//!
//! Beside the time on the clock it prints the processor time of all threads together, which other work on the same
//! machine does not disturb: a picture's processor time divided by the cores is the time it takes on an idle machine.

use std::time::{Duration, Instant};

use phantom::{Case, Config, Request, View};

/// Seconds of processor time of this process; `None` where the system does not tell.
fn processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok();
    // With threads: the sum over the tasks.
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let sum: f64 = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .sum();
    text.map(|_| sum * 1e-9)
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(4.0);
    let limit = Duration::from_secs_f64(seconds);
    let time = |name: &str, render: &dyn Fn(&Case)| {
        let (start, before) = (Instant::now(), processor());
        let mut count = 0_u32;
        while start.elapsed() < limit || count < 2 {
            let request = Request {
                view: Some(View::FrontalPelvis),
                ..Request::default()
            };
            // A new patient each time, as in training.
            render(&Case::draw(&Config::default(), &request, u64::from(count)));
            count += 1;
        }
        let each = start.elapsed().as_secs_f64() / f64::from(count);
        let own = before.zip(processor()).map(|(a, b)| (b - a) / f64::from(count));
        let own = own.map_or_else(String::new, |own| {
            format!(
                "{:9.1} ms of processor time, {:7.2} a second and core",
                own * 1e3,
                1.0 / own
            )
        });
        println!("{name:<28} {:8.1} ms {:8.2} a second {own}", each * 1e3, 1.0 / each);
    };
    println!("{} threads", rayon::current_num_threads());
    let crop = |case: &Case, pixels: usize| {
        let b = case.truth().hips[0].femur_box;
        let (x, y, half) = ((b[0] + b[2]) * 0.5, (b[1] + b[3]) * 0.5, (b[3] - b[1]) * 0.7);
        case.render_region([x - half, y - half, x + half, y + half], pixels, pixels)
    };
    time("whole pelvis, 64 wide", &|c| drop(c.render_scaled(64)));
    time("whole pelvis, 256 wide", &|c| drop(c.render_scaled(256)));
    time("hip crop, 256 x 256", &|c| drop(crop(c, 256)));
    time("hip crop, 512 x 512", &|c| drop(crop(c, 512)));
    time("hip crop, 1024 x 1024", &|c| drop(crop(c, 1024)));
    let square = |case: &Case| {
        let (columns, rows) = (case.truth().columns as f32, case.truth().rows as f32);
        let side = columns.min(rows) * 0.5;
        let middle = [columns * 0.5, rows * 0.5];
        let rect = [middle[0] - side, middle[1] - side, middle[0] + side, middle[1] + side];
        drop(case.render_region(rect, 3000, 3000));
    };
    time("whole pelvis, 3000 x 3000", &square);
    time("whole pelvis, full size", &|c| drop(c.render()));
}
