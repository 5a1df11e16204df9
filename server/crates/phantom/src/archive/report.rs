//! Radiology reports: what is said, and in which words.

use rand::Rng;
use serde::{Deserialize, Serialize};
use time::{Duration, PrimitiveDateTime};

use super::course::{Episode, Reason, Visit};
use super::phrases::{self, grow};
use super::{ArchiveConfig, Report, normal, other, weighted, words_of_side};
use crate::{FractureKind, FractureLocation, MetalKind, Side, Truth};

/// What a report says in the main.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportClass {
    Intracapsular,
    Extracapsular,
    /// A fracture that only the lateral film shows.
    LateralOnly,
    /// Left open: "CT to confirm".
    Equivocal,
    NoFracture,
    Arthritis,
    Healed,
    Prosthesis,
    Postoperative,
    FollowUp,
    Ramus,
    Limited,
    /// A fracture that is known to all but not named.
    Oblique,
}

impl ReportClass {
    pub const ALL: [ReportClass; 13] = [
        ReportClass::Intracapsular,
        ReportClass::Extracapsular,
        ReportClass::LateralOnly,
        ReportClass::Equivocal,
        ReportClass::NoFracture,
        ReportClass::Arthritis,
        ReportClass::Healed,
        ReportClass::Prosthesis,
        ReportClass::Postoperative,
        ReportClass::FollowUp,
        ReportClass::Ramus,
        ReportClass::Limited,
        ReportClass::Oblique,
    ];

    /// Whether it states a fracture of the hip plainly.
    pub fn states_fracture(self) -> bool {
        matches!(
            self,
            ReportClass::Intracapsular | ReportClass::Extracapsular | ReportClass::LateralOnly
        )
    }

    pub fn name(self) -> &'static str {
        match self {
            ReportClass::Intracapsular => "intracapsular",
            ReportClass::Extracapsular => "extracapsular",
            ReportClass::LateralOnly => "lateral_only",
            ReportClass::Equivocal => "equivocal",
            ReportClass::NoFracture => "no_fracture",
            ReportClass::Arthritis => "arthritis",
            ReportClass::Healed => "healed",
            ReportClass::Prosthesis => "prosthesis",
            ReportClass::Postoperative => "postoperative",
            ReportClass::FollowUp => "follow_up",
            ReportClass::Ramus => "ramus",
            ReportClass::Limited => "limited",
            ReportClass::Oblique => "oblique",
        }
    }
}

/// What one report will say.
pub(super) struct Content {
    pub class: ReportClass,
    /// The side it speaks of.
    pub side: Side,
    /// The fracture it states, true or not.
    pub kind: FractureKind,
    /// States a fracture that is not there.
    pub invented: bool,
    /// An addendum that names the fracture after all.
    pub confirmed_later: bool,
}

/// How easily the study's frontal film shows the fracture: 0 to 1. Without one the other films do.
fn visibility(frontal: Option<&Truth>, side: Side) -> f32 {
    let Some(truth) = frontal else { return 0.8 };
    truth
        .hip(side)
        .and_then(|hip| hip.fracture.as_ref())
        .map_or(0.0, |fracture| fracture.visibility)
}

/// What the report of an attendance with a fracture says; `None`: never reported.
pub(super) fn of_fracture(
    episode: &Episode,
    kind: FractureKind,
    frontal: Option<&Truth>,
    lateral: bool,
    rng: &mut impl Rng,
) -> Option<Content> {
    let plain = match kind.location() {
        FractureLocation::Intracapsular => ReportClass::Intracapsular,
        FractureLocation::Extracapsular => ReportClass::Extracapsular,
    };
    let by_lateral = if lateral {
        ReportClass::LateralOnly
    } else {
        ReportClass::Equivocal
    };
    let seen = visibility(frontal, episode.side);
    let class = if episode.unrecorded {
        let (missed, open, oblique, none) = if seen < 0.3 {
            (0.45, 0.35, 0.10, 0.10)
        } else {
            (0.15, 0.15, 0.40, 0.30)
        };
        match weighted(rng, &[missed, open, oblique, none]) {
            0 => ReportClass::NoFracture,
            1 => ReportClass::Equivocal,
            2 => ReportClass::Oblique,
            _ => return None,
        }
    } else {
        let weights = if seen < 0.05 {
            [0.0, 0.15, 0.40, 0.45, 0.0]
        } else if seen < 0.3 {
            [0.62, 0.18, 0.15, 0.05, 0.0]
        } else {
            [0.955, 0.01, 0.02, 0.0, 0.015]
        };
        [
            plain,
            by_lateral,
            ReportClass::Equivocal,
            ReportClass::NoFracture,
            ReportClass::Oblique,
        ][weighted(rng, &weights)]
    };
    Some(Content {
        class,
        side: episode.side,
        kind,
        invented: false,
        confirmed_later: false,
    })
}

/// What the report of an attendance without fracture says; `None`: never reported.
pub(super) fn of_no_fracture(
    config: &ArchiveConfig,
    visit: &Visit,
    frontal: Option<&Truth>,
    invented: bool,
    rng: &mut impl Rng,
) -> Option<Content> {
    let kind = FractureKind::ALL[rng.random_range(0..FractureKind::ALL.len())];
    let content = |class, side| {
        Some(Content {
            class,
            side,
            kind,
            invented: false,
            confirmed_later: false,
        })
    };
    if invented {
        let class = if kind.location() == FractureLocation::Intracapsular {
            ReportClass::Intracapsular
        } else {
            ReportClass::Extracapsular
        };
        return Some(Content {
            class,
            side: visit.side,
            kind,
            invented: true,
            confirmed_later: false,
        });
    }
    if rng.random_bool(config.unreported) {
        return None;
    }
    match visit.reason {
        Reason::AfterOperation => return content(ReportClass::Postoperative, visit.side),
        Reason::Review => return content(ReportClass::FollowUp, visit.side),
        Reason::Injury | Reason::Pain => {}
    }
    if rng.random_bool(config.equivocal) && visit.hips[visit.side as usize].metal.is_none() {
        return content(ReportClass::Equivocal, visit.side);
    }
    let in_metal = Side::BOTH
        .into_iter()
        .find(|side| visit.hips[*side as usize].metal.is_some());
    if let Some(side) = in_metal
        && rng.random_bool(0.9)
    {
        return content(ReportClass::Prosthesis, side);
    }
    if let Some(truth) = frontal {
        if let Some(side) = truth.ramus_fracture
            && rng.random_bool(0.85)
        {
            return content(ReportClass::Ramus, side);
        }
        if let Some(hip) = truth.hips.iter().find(|hip| hip.healed_fracture)
            && rng.random_bool(0.85)
        {
            return content(ReportClass::Healed, hip.side);
        }
        if let Some(hip) = truth
            .hips
            .iter()
            .max_by_key(|hip| hip.arthritis)
            .filter(|hip| hip.arthritis >= 2)
            && rng.random_bool(0.7)
        {
            return content(ReportClass::Arthritis, hip.side);
        }
    }
    content(
        if rng.random_bool(0.03) {
            ReportClass::Limited
        } else {
            ReportClass::NoFracture
        },
        visit.side,
    )
}

/// The patterns of a class; `kind` chooses among those of a fracture.
fn patterns(class: ReportClass, kind: FractureKind) -> &'static [&'static str] {
    match class {
        ReportClass::Intracapsular | ReportClass::Extracapsular => match kind {
            FractureKind::GardenI | FractureKind::GardenII => phrases::INTRACAPSULAR_UNDISPLACED,
            FractureKind::GardenIII | FractureKind::GardenIV => phrases::INTRACAPSULAR_DISPLACED,
            FractureKind::Basicervical => phrases::BASICERVICAL,
            FractureKind::TrochantericA1 | FractureKind::TrochantericA2 => phrases::INTERTROCHANTERIC,
            FractureKind::TrochantericA3 => phrases::REVERSE_OBLIQUE,
            FractureKind::Subtrochanteric => phrases::SUBTROCHANTERIC,
        },
        ReportClass::LateralOnly => phrases::LATERAL_ONLY,
        ReportClass::Equivocal => phrases::EQUIVOCAL,
        ReportClass::NoFracture => phrases::NO_FRACTURE,
        ReportClass::Arthritis => phrases::ARTHRITIS,
        ReportClass::Healed => phrases::HEALED,
        ReportClass::Prosthesis => phrases::PROSTHESIS,
        ReportClass::Postoperative => phrases::POSTOPERATIVE,
        ReportClass::FollowUp => phrases::FOLLOW_UP,
        ReportClass::Ramus => phrases::RAMUS,
        ReportClass::Limited => phrases::LIMITED,
        ReportClass::Oblique => phrases::OBLIQUE,
    }
}

/// What the slots of a pattern stand for.
struct Slots<'a> {
    side: Side,
    ramus: Side,
    metal: &'a str,
    earlier: &'a str,
}

impl Slots<'_> {
    fn grow<R: Rng>(&self, patterns: &[&str], rng: &mut R) -> String {
        let pattern = patterns[rng.random_range(0..patterns.len())];
        let text = grow(
            pattern,
            &|name, rng: &mut R| match name {
                "R" => words_of_side(self.ramus, rng).to_owned(),
                "h" => ["hip", "NOF", "proximal femur"][rng.random_range(0..3)].to_owned(),
                "p" => self.metal.to_owned(),
                "d" => self.earlier.to_owned(),
                _ => words_of_side(self.side, rng).to_owned(),
            },
            rng,
        );
        sentence(&text)
    }
}

/// One sentence of a class, for the tests of the grammar.
pub fn sample(class: ReportClass, kind: FractureKind, side: Side, metal: MetalKind, rng: &mut impl Rng) -> String {
    let metal = words_of_metal(metal, rng);
    Slots {
        side,
        ramus: side,
        metal,
        earlier: "03/07/2011",
    }
    .grow(patterns(class, kind), rng)
}

fn words_of_metal(kind: MetalKind, rng: &mut impl Rng) -> &'static str {
    let words: &[&str] = match kind {
        MetalKind::Hemiarthroplasty => &["hemi", "hemiarthroplasty", "bipolar", "cemented hemi"],
        MetalKind::TotalArthroplasty => &["THR", "THA", "total hip replacement"],
        MetalKind::DynamicHipScrew => &["DHS", "dynamic hip screw", "SHS"],
        MetalKind::Nail => &["IM nail", "PFN", "gamma nail"],
        MetalKind::CannulatedScrews => &["cannulated screws", "cannulated screw fixation"],
    };
    words[rng.random_range(0..words.len())]
}

/// First letter large, one space between words.
fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",");
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Writes the report.
pub(super) fn write(
    config: &ArchiveConfig,
    visit: &Visit,
    content: &Content,
    frontal: Option<&Truth>,
    chest: bool,
    rng: &mut impl Rng,
) -> Report {
    let swapped = rng.random_bool(config.wrong_side_report);
    let side = if swapped { other(content.side) } else { content.side };
    let metal_kind = visit.hips[content.side as usize]
        .metal
        .or(visit.hips[other(content.side) as usize].metal);
    let metal = metal_kind.map_or("prosthesis", |kind| words_of_metal(kind, rng));
    let earlier = day(visit.when - Duration::days(rng.random_range(20..900)));
    let ramus = frontal.and_then(|truth| truth.ramus_fracture).unwrap_or(side);
    let slots = Slots {
        side,
        ramus,
        metal,
        earlier: &earlier,
    };

    let mut lines = vec![slots.grow(patterns(content.class, content.kind), rng)];
    // Dictation that lost its "no", or was heard wrongly.
    if content.invented && rng.random_bool(0.3) {
        lines[0] = slots.grow(
            &[
                "Acute fracture of the {S} hip",
                "{S} hip fracture",
                "Fracture of the {S} NOF (identified|demonstrated)",
            ],
            rng,
        );
    }
    let states = content.class.states_fracture();
    for hip in Side::BOTH {
        let Some(kind) = visit.hips[hip as usize].metal else {
            continue;
        };
        let told = !states && content.class == ReportClass::Prosthesis && hip == content.side;
        if told || matches!(content.class, ReportClass::Postoperative | ReportClass::FollowUp) || !rng.random_bool(0.7)
        {
            continue;
        }
        let metal = words_of_metal(kind, rng);
        lines.push(
            Slots {
                side: hip,
                metal,
                ..slots
            }
            .grow(&["{S} {p} in situ", "{S} {p} noted", "Previous {S} {p}"], rng),
        );
    }
    if matches!(content.class, ReportClass::Prosthesis | ReportClass::Limited) && rng.random_bool(0.6) {
        lines.push(slots.grow(phrases::NO_FRACTURE, rng));
    }
    if content.class == ReportClass::NoFracture && rng.random_bool(0.1) {
        lines.push(slots.grow(
            &[
                "Lateral (non-diagnostic|not obtained)",
                "External rotation limits assessment",
                "(Rotated|Underexposed) (film|view)",
            ],
            rng,
        ));
    }
    if states && rng.random_bool(0.3) {
        lines.push(slots.grow(
            &[
                "No (other|further) (fracture|#)",
                "Pubic rami intact",
                "No pubic ramus #",
                "No dislocation",
            ],
            rng,
        ));
    }
    if let Some(truth) = frontal {
        let arthritis = truth.hips.iter().any(|hip| hip.arthritis >= 2) && content.class != ReportClass::Arthritis;
        if arthritis && rng.random_bool(0.3) {
            lines.push(slots.grow(
                &[
                    "Degenerative change in the hips",
                    "OA hips",
                    "Joint space narrowing noted",
                ],
                rng,
            ));
        }
        if truth.ramus_fracture.is_some() && content.class != ReportClass::Ramus && rng.random_bool(0.6) {
            lines.push(slots.grow(&["{R} pubic rami #s", "# {R} superior pubic ramus"], rng));
        }
        if truth.hips.iter().any(|hip| hip.paget) && rng.random_bool(0.6) {
            lines.push("Coarse trabeculae in keeping with Paget's disease".to_owned());
        }
        if truth.spinal_metal && rng.random_bool(0.5) {
            lines.push("Lumbar pedicle screws noted".to_owned());
        }
    }
    if rng.random_bool(0.25) {
        lines.push(slots.grow(phrases::ELSEWHERE, rng));
    }
    if chest {
        lines.push(slots.grow(phrases::FREE_OF_CHEST, rng));
    }

    let mut text = if rng.random_bool(config.one_line) {
        let stop = if rng.random_bool(0.8) { "." } else { "" };
        format!("{}{stop}", lines.join(". "))
    } else {
        sections(visit, &slots, states.then(|| lines[0].clone()), &lines, rng)
    };
    if rng.random_bool(config.typing_errors) {
        text = mistyped(&text, rng);
    }
    if rng.random_bool(0.06) {
        text = text.to_uppercase();
    }

    // Hot, next day, backlog: medians 1 h, 14 h, 4 d.
    let median = [1.0, 14.0, 96.0][weighted(rng, &[0.40, 0.45, 0.15])];
    let hours: f64 = median * (0.6 * normal(rng, 0.0, 1.0, -2.5, 2.5)).exp();
    let mut time = visit.when + Duration::minutes((hours * 60.0) as i64 + 5);
    let mut status = "final";
    if content.confirmed_later || rng.random_bool(config.addendum) {
        time += Duration::hours(rng.random_range(6..72));
        status = "corrected";
        let patterns: &[&str] = if content.confirmed_later {
            &[
                "(CT|MRI) performed: {S} (NOF|neck of femur|hip) fracture confirmed",
                "Subsequent (CT|MRI) shows (undisplaced |)fracture of the {S} femoral neck",
                "Reviewed with (CT|MRI): acute {S} #NOF",
            ]
        } else {
            &[
                "Images reviewed at (trauma|radiology) meeting, no change",
                "Typographical error above corrected",
                "Findings phoned to (ED|the ward)",
                "Prior films now available for comparison, no change to report",
            ]
        };
        text = format!(
            "{text}\n{} {}: {}.",
            ["Addendum", "ADDENDUM", "Addendum report"][rng.random_range(0..3)],
            day(time),
            slots.grow(patterns, rng)
        );
    }
    Report {
        time,
        status,
        text,
        class: content.class,
        side: content.side,
        wrong_side: swapped,
        invented: content.invented,
        confirmed_later: content.confirmed_later,
    }
}

/// A report with headings; the impression repeats what matters.
fn sections<R: Rng>(visit: &Visit, slots: &Slots, impression: Option<String>, lines: &[String], rng: &mut R) -> String {
    let request = match visit.reason {
        Reason::Injury => phrases::FALL,
        Reason::Pain => phrases::PAIN,
        Reason::AfterOperation | Reason::Review => phrases::AFTER,
    };
    let request = Slots {
        side: visit.side,
        ..*slots
    }
    .grow(request, rng);
    let heading = ["Clinical", "Clinical details", "CLINICAL HISTORY", "Indication"][rng.random_range(0..4)];
    let mut out = format!("{heading}: {request}\n");
    if rng.random_bool(0.25) {
        let comparison = ["None available".to_owned(), slots.earlier.to_owned()][rng.random_range(0..2)].clone();
        out.push_str(&format!("Comparison: {comparison}\n"));
    }
    let heading = ["Findings", "Report", "FINDINGS", "Pelvis and hip"][rng.random_range(0..4)];
    // A standard line left standing above what was found.
    let template = impression.is_some() && rng.random_bool(0.02);
    let template = if template { "Alignment normal. " } else { "" };
    out.push_str(&format!("{heading}: {template}{}.", lines.join(". ")));
    if let Some(impression) = impression
        && rng.random_bool(0.5)
    {
        out.push_str(&format!(
            "\n{}: {impression}.",
            ["Impression", "IMPRESSION", "Conclusion"][rng.random_range(0..3)]
        ));
    }
    out
}

fn day(when: PrimitiveDateTime) -> String {
    format!("{:02}/{:02}/{}", when.day(), u8::from(when.month()), when.year())
}

/// One typing error: a common one where its word occurs, else two letters that change places.
fn mistyped(text: &str, rng: &mut impl Rng) -> String {
    const COMMON: [(&str, &str); 7] = [
        ("fracture", "fractre"),
        ("neck of femur", "neck or femur"),
        ("ntertrochanteric", "ntertrocanteric"),
        ("No ", "No no "),
        ("femoral", "femroal"),
        ("ubcapital", "ubcapitol"),
        ("isplaced", "ispalced"),
    ];
    let found: Vec<_> = COMMON.iter().filter(|(right, _)| text.contains(right)).collect();
    if !found.is_empty() && rng.random_bool(0.6) {
        let (right, wrong) = found[rng.random_range(0..found.len())];
        return text.replacen(right, wrong, 1);
    }
    let mut letters: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (0..letters.len().saturating_sub(1))
        .filter(|at| letters[*at].is_ascii_lowercase() && letters[at + 1].is_ascii_lowercase())
        .collect();
    if !places.is_empty() {
        let at = places[rng.random_range(0..places.len())];
        letters.swap(at, at + 1);
    }
    letters.into_iter().collect()
}
