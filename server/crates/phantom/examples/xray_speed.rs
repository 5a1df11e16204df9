//! Pictures a second: `xray_speed`.

use std::time::Instant;

use phantom::{Case, Config, Request, View};

fn main() {
    let cases: Vec<Case> = (0..12)
        .map(|seed| {
            Case::draw(
                &Config::default(),
                &Request {
                    view: Some(View::FrontalPelvis),
                    ..Request::default()
                },
                seed,
            )
        })
        .collect();
    let time = |name: &str, count: usize, render: &dyn Fn(&Case)| {
        let start = Instant::now();
        for case in cases.iter().cycle().take(count) {
            render(case);
        }
        let each = start.elapsed().as_secs_f64() / count as f64;
        println!("{name:<28} {:8.1} ms {:8.2} a second", each * 1e3, 1.0 / each);
    };
    println!("{} threads", rayon::current_num_threads());
    let crop = |case: &Case, pixels: usize| {
        let b = case.truth().hips[0].femur_box;
        let (x, y, half) = ((b[0] + b[2]) * 0.5, (b[1] + b[3]) * 0.5, (b[3] - b[1]) * 0.7);
        case.render_region([x - half, y - half, x + half, y + half], pixels, pixels)
    };
    time("whole pelvis, 64 wide", 24, &|c| drop(c.render_scaled(64)));
    time("whole pelvis, 256 wide", 24, &|c| drop(c.render_scaled(256)));
    time("hip crop, 256 x 256", 24, &|c| drop(crop(c, 256)));
    time("hip crop, 1024 x 1024", 6, &|c| drop(crop(c, 1024)));
    time("whole pelvis, full size", 3, &|c| drop(c.render()));
}
