//! A report of an invented, seeded test set: `cargo run -p evaluation --example sample_report -- OUT_DIR`.

#[path = "../tests/invented/mod.rs"]
mod invented;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: sample_report OUT_DIR")?;
    let metrics = evaluation::report::write(folder.as_ref(), &invented::test_set(1677))?;
    println!("{} hips; {:?}", metrics.flow.analysed, metrics.auc);
    Ok(())
}
