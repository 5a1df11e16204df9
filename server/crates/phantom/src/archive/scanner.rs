//! The x-ray rooms.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Department;

/// One x-ray room or mobile machine, and how its files describe it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// Station Name, at most 16 characters.
    pub station: String,
    pub manufacturer: String,
    pub model: String,
    /// Computed radiography (plates) rather than a flat panel.
    pub plates: bool,
    /// Distance of pixels on the detector, mm.
    pub pitch_mm: f32,
    pub bits: u8,
    /// The share of its films stored as MONOCHROME1.
    pub monochrome1: f64,
    /// The seed of its way of processing.
    pub processing: u64,
    /// First and last year of service.
    pub service: [i32; 2],
    /// How much each department uses it: emergency, outpatient, inpatient.
    pub usage: [f64; 3],
    /// Patients who cannot stand are sent here: fractures come this many times as often.
    pub trolley: f64,
}

impl Scanner {
    pub fn serves(&self, year: i32) -> bool {
        (self.service[0]..=self.service[1]).contains(&year)
    }
}

/// Header strings, pitches and bits as makers write them; years and usage are priors.
pub(super) fn scanners() -> Vec<Scanner> {
    let scanner = |station: &str,
                   maker: (&str, &str),
                   plates: bool,
                   pitch_mm: f32,
                   bits: u8,
                   monochrome1: f64,
                   processing: u64,
                   service: [i32; 2],
                   usage: [f64; 3],
                   trolley: f64| Scanner {
        station: station.to_owned(),
        manufacturer: maker.0.to_owned(),
        model: maker.1.to_owned(),
        plates,
        pitch_mm,
        bits,
        monochrome1,
        processing,
        service,
        usage,
        trolley,
    };
    vec![
        scanner(
            "EDXR1",
            ("FUJI PHOTO FILM Co., ltd.", "CR-IR 348"),
            true,
            0.20,
            10,
            0.8,
            1,
            [1950, 2009],
            [4.0, 0.3, 0.5],
            2.5,
        ),
        scanner(
            "EDXR2",
            ("Philips Medical Systems", "DigitalDiagnost"),
            false,
            0.143,
            12,
            0.4,
            0,
            [2008, 2150],
            [4.0, 0.2, 0.5],
            1.0,
        ),
        scanner(
            "EDXR3",
            ("CARESTREAM HEALTH", "DRX-Evolution"),
            false,
            0.139,
            12,
            0.1,
            4,
            [2010, 2150],
            [3.0, 0.1, 0.3],
            3.0,
        ),
        scanner(
            "DRRM1",
            ("SIEMENS", "AXIOM Aristos"),
            false,
            0.143,
            12,
            0.5,
            2,
            [2004, 2150],
            [0.5, 4.0, 1.0],
            0.6,
        ),
        scanner(
            "DRRM2",
            ("GE Healthcare", "Definium"),
            false,
            0.200,
            14,
            0.1,
            3,
            [2007, 2150],
            [0.4, 3.0, 1.0],
            0.6,
        ),
        scanner(
            "OPCR1",
            ("Agfa-Gevaert", "ADC_5146"),
            true,
            0.17,
            12,
            0.4,
            5,
            [1950, 2011],
            [0.2, 3.0, 0.8],
            0.6,
        ),
        scanner(
            "WARDCR",
            ("KONICA MINOLTA", "REGIUS"),
            true,
            0.175,
            12,
            0.6,
            1,
            [1950, 2012],
            [0.3, 0.3, 3.0],
            1.0,
        ),
        scanner(
            "MOBDR03",
            ("Canon Inc.", "CXDI"),
            false,
            0.160,
            12,
            0.3,
            4,
            [2011, 2150],
            [0.8, 0.1, 3.0],
            3.0,
        ),
    ]
}

/// The index of a scanner for one attendance. `fracture` moves patients to rooms with a trolley.
pub(super) fn choose(
    scanners: &[Scanner],
    year: i32,
    department: Department,
    fracture: bool,
    rng: &mut impl Rng,
) -> usize {
    let weight = |scanner: &Scanner| {
        let used = scanner.serves(year) && scanner.usage.iter().sum::<f64>() > 0.0;
        // A room that a department does not use still serves it where no other can.
        let usage = if used {
            scanner.usage[department as usize].max(1e-6)
        } else {
            0.0
        };
        usage * if fracture { scanner.trolley.max(1e-6) } else { 1.0 }
    };
    super::weighted(rng, &scanners.iter().map(weight).collect::<Vec<_>>())
}
