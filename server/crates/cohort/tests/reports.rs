//! The rules against report sentences written by hand: `tests/reports.csv`.
//!
//! Right and left: `+` fracture (`i` intra-, `e` extracapsular), `-` none, `?` left open, `.` not mentioned, `m` metal,
//! `p` fracture at an implant. A `?` or `+` on both sides of a text that names no side means: stated without a side.

use cohort::rules::{DEFAULT_RULES, Finding, Location, ReportReading, Rules, Statement};
use domain::Side;
use proptest::prelude::*;

fn code(reading: &ReportReading, side: Side) -> String {
    let statement: Statement = reading.hip(side);
    if statement.periprosthetic {
        return "p".to_owned();
    }
    if statement.metal {
        return "m".to_owned();
    }
    let finding = match statement.finding {
        Finding::NotMentioned if reading.side_missing() => reading.unspecified.finding,
        finding => finding,
    };
    match finding {
        Finding::NotMentioned => ".",
        Finding::Absent => "-",
        Finding::Doubtful => "?",
        Finding::Present => match statement.location {
            Some(Location::Intracapsular) => "+i",
            Some(Location::Extracapsular) => "+e",
            None => "+",
        },
    }
    .to_owned()
}

#[derive(Default)]
struct Tally {
    texts: usize,
    hits: usize,
    stated: usize,
    meant: usize,
    exact: usize,
    hips: usize,
}

impl Tally {
    fn precision(&self) -> f64 {
        self.hits as f64 / self.stated as f64
    }

    fn recall(&self) -> f64 {
        self.hits as f64 / self.meant as f64
    }
}

#[test]
fn sentences_are_read_as_they_are_meant() {
    let rules = Rules::standard().unwrap_or_else(|error| panic!("{error}"));
    let mut table = csv::Reader::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reports.csv")).expect("a table");
    let mut tallies: std::collections::BTreeMap<String, Tally> = Default::default();
    for row in table.records() {
        let row = row.expect("a row");
        let tally = tallies.entry(row[0].to_owned()).or_default();
        let reading = rules.read_report(&row[3]);
        let mut wrong = Vec::new();
        for (side, meant) in [(Side::Right, &row[1]), (Side::Left, &row[2])] {
            let read = code(&reading, side);
            let (is, should) = (read.starts_with('+'), meant.starts_with('+'));
            tally.hits += usize::from(is && should);
            tally.stated += usize::from(is);
            tally.meant += usize::from(should);
            tally.hips += 1;
            if read == meant {
                tally.exact += 1;
            } else {
                wrong.push(format!("{}: {read} instead of {meant}", side.as_str()));
            }
        }
        tally.texts += 1;
        if !wrong.is_empty() {
            println!("{}\n  {}", row[3].replace('\n', " / "), wrong.join(", "));
            for evidence in reading.evidence() {
                println!("      {}: {}", evidence.rule, evidence.words);
            }
        }
        for evidence in reading.evidence() {
            assert_eq!(&row[3][evidence.start..evidence.end], evidence.words);
        }
    }
    let mut all = Tally::default();
    for (set, tally) in &tallies {
        println!(
            "set {set}: {} texts, fracture stated: precision {:.3}, recall {:.3}; exact {}/{} hips",
            tally.texts,
            tally.precision(),
            tally.recall(),
            tally.exact,
            tally.hips
        );
        all.texts += tally.texts;
        all.hits += tally.hits;
        all.stated += tally.stated;
        all.meant += tally.meant;
        all.exact += tally.exact;
        all.hips += tally.hips;
    }
    println!(
        "all: {} texts, precision {:.3}, recall {:.3}, exact {:.3}",
        all.texts,
        all.precision(),
        all.recall(),
        all.exact as f64 / all.hips as f64
    );
    assert!(all.texts >= 120);
    assert!(all.precision() >= 0.97, "precision {}", all.precision());
    assert!(all.recall() >= 0.97, "recall {}", all.recall());
    assert!(
        all.exact as f64 >= 0.97 * all.hips as f64,
        "exact {}/{}",
        all.exact,
        all.hips
    );
}

#[test]
fn evidence_points_into_the_original() {
    let rules = Rules::standard().unwrap_or_else(|error| panic!("{error}"));
    let text = "Ünklar – \u{201c}Frcature\u{201d} of the  left\nfemroal neck; İstanbul: no rigth #.";
    let reading = rules.read_report(text);
    assert_eq!(reading.left.finding, Finding::Present);
    assert_eq!(reading.left.location, Some(Location::Intracapsular));
    let words: Vec<&str> = reading
        .left
        .evidence
        .iter()
        .map(|evidence| evidence.words.as_str())
        .collect();
    assert!(
        words.contains(&"Frcature") && words.contains(&"femroal neck"),
        "{words:?}"
    );
    for evidence in reading.evidence() {
        assert_eq!(&text[evidence.start..evidence.end], evidence.words);
    }
}

#[test]
fn rules_can_be_extended_and_bad_ones_are_refused_with_their_name() {
    let german = "\n[[rule]]\nname = \"German\"\nkind = \"diagnosis\"\nlocation = \"intracapsular\"\nany = [\"schenkelhalsfraktur\"]\n\
                  [[rule]]\nname = \"German left\"\nkind = \"side\"\nside = \"left\"\nany = [\"links\"]\n";
    let text = DEFAULT_RULES.replacen("# ---- where", &format!("{german}# ---- where"), 1);
    let rules = Rules::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let reading = rules.read_report("Schenkelhalsfraktur links.");
    assert_eq!(reading.left.location, Some(Location::Intracapsular));
    let bad = |from: &str, to: &str| {
        let problem = Rules::parse(&DEFAULT_RULES.replacen(from, to, 1))
            .err()
            .map(|error| error.to_string());
        problem.expect("refused")
    };
    assert!(bad("\"scf\"", "\"(scf\"").contains("\"subcapital fracture, short form\""));
    assert!(bad("any = [\"scf\", \"sc ?#\"]", "any = []").contains("no expressions"));
    assert!(bad("side = \"right\"", "weak = true").contains("\"right\""));
    assert!(bad("version = 1", "version = 2").contains("version 2"));
    assert!(bad("kind = \"hedge\"", "kind = \"hunch\"").contains("hunch"));
    assert!(Rules::load(std::path::Path::new("/nowhere/rules.toml")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_text_breaks_the_reading(words in proptest::collection::vec(proptest::sample::select(vec![
        "no", "fracture", "#", "left", "Rt", "hip", "NOF", ",", ".", ";", "\n", "Impression:", "Addendum", "LT", "?", "é",
        "THR", "but", "not seen", "old", "intact", "CT", "advised", "should read left", "\u{2019}", "İ", "(L)", "3.5", ":",
        "cannot exclude", "Clinical:", "other", "subcapital", "rami", "without", "-", "\r\n", "FRACTRE", "periprosthetic",
    ]), 0..30), noise in ".{0,20}") {
        let rules = RULES.get_or_init(|| Rules::standard().unwrap_or_else(|error| panic!("{error}")));
        let text = format!("{} {noise}", words.join(" "));
        for evidence in rules.read_report(&text).evidence() {
            prop_assert_eq!(&text[evidence.start..evidence.end], evidence.words.as_str());
        }
    }
}

static RULES: std::sync::OnceLock<Rules> = std::sync::OnceLock::new();
