//! Renders a sheet of cases to a PNG: `look OUT.png FIRST_SEED COUNT WIDTH COLUMNS [REQUEST-JSON [CONFIG-JSON]]`.
use phantom::{Case, Config, Request};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize| args[i].parse::<usize>().expect("a number");
    let (first, count, width, columns) = (number(2) as u64, number(3), number(4), number(5));
    let request: Request = args
        .get(6)
        .map(|r| serde_json::from_str(r).expect("request"))
        .unwrap_or_default();
    let config: Config = args
        .get(7)
        .map(|c| serde_json::from_str(c).expect("configuration"))
        .unwrap_or_default();
    let start = std::time::Instant::now();
    let pictures: Vec<imaging::GreyImage> = (0..count as u64)
        .map(|i| {
            let case = Case::draw(&config, &request, first + i);
            imaging::present(&case.render_scaled(width), None)
        })
        .collect();
    println!("{:.1} ms a picture", start.elapsed().as_secs_f64() * 1e3 / count as f64);
    let cell = pictures.iter().map(|p| p.height).max().unwrap_or(1);
    let rows = count.div_ceil(columns);
    let (w, h) = (columns * (width + 4), rows * (cell + 4));
    let mut sheet = vec![255_u8; w * h];
    for (i, p) in pictures.iter().enumerate() {
        let (x0, y0) = ((i % columns) * (width + 4), (i / columns) * (cell + 4));
        for y in 0..p.height {
            for x in 0..p.width {
                sheet[(y0 + y) * w + x0 + x] = (p.data[y * p.width + x] * 255.0).round() as u8;
            }
        }
    }
    image::save_buffer(&args[1], &sheet, w as u32, h as u32, image::ColorType::L8).expect("written");
}
