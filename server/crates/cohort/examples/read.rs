//! Reads a report from the command line: `cargo run -p cohort --example read -- "No fracture."`
use cohort::rules::Rules;

fn main() {
    let rules = Rules::standard().unwrap_or_else(|error| panic!("{error}"));
    for text in std::env::args().skip(1) {
        println!("{text}\n{:#?}", rules.read_report(&text));
    }
}
