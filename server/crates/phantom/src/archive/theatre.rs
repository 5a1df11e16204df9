//! The theatre list.

use rand::Rng;
use time::{Duration, PrimitiveDateTime};

use super::course::{Course, Operation, Procedure};
use super::phrases::grow;
use super::{ArchiveConfig, TheatreRow, other, words_of_side};
use crate::Side;

/// Rows of one patient. `stated` says of each operation whether its row names procedure and side plainly.
pub(super) fn rows(
    config: &ArchiveConfig,
    course: &Course,
    stated: &[bool],
    id: &str,
    rng: &mut impl Rng,
) -> Vec<TheatreRow> {
    let mut out = Vec::new();
    for (operation, stated) in course.operations.iter().zip(stated) {
        if *stated {
            if rng.random_bool(config.cancelled) {
                let mut row = plain(config, operation, id, rng);
                row.time = operation.when - Duration::hours(rng.random_range(4..20));
                row.status = "cancelled";
                if rng.random_bool(0.5) {
                    row.procedure = format!("CANCELLED {}", row.procedure);
                }
                out.push(row);
            }
            out.push(plain(config, operation, id, rng));
        } else if rng.random_bool(0.3) {
            out.push(unclear(operation.when, id, rng));
        }
    }
    if rng.random_bool(0.02)
        && let Some(visit) = course.visits.last()
    {
        let pattern = "(Carpal tunnel release|Washout wound|Removal of metal {S} ankle|Cataract {S} eye|EUA rectum|Knee arthroscopy {S}|ORIF {S} wrist|MUA {S} wrist)";
        let side = super::course::side(rng);
        out.push(TheatreRow {
            patient_id: id.to_owned(),
            time: visit.when + Duration::days(rng.random_range(2..200)),
            procedure: fill(pattern, side, rng),
            side: String::new(),
            code: String::new(),
            status: "done",
        });
    }
    out.sort_by_key(|row| row.time);
    out
}

/// A row that reads like the operation of a fracture that is none: another patient's, wrongly filed.
pub(super) fn invented(
    when: PrimitiveDateTime,
    side: Side,
    config: &ArchiveConfig,
    id: &str,
    rng: &mut impl Rng,
) -> TheatreRow {
    let choices = [
        Procedure::Hemiarthroplasty,
        Procedure::SlidingScrew,
        Procedure::CannulatedScrews,
        Procedure::Nail,
    ];
    let procedure = choices[rng.random_range(0..choices.len())];
    let operation = Operation {
        when: when + Duration::hours(rng.random_range(12..48)),
        side,
        procedure,
    };
    plain(config, &operation, id, rng)
}

fn plain(config: &ArchiveConfig, operation: &Operation, id: &str, rng: &mut impl Rng) -> TheatreRow {
    // OPCS-4.
    let (pattern, codes): (&str, &[&str]) = match operation.procedure {
        Procedure::Hemiarthroplasty => (
            "(Cemented hemi {S} hip|{S} bipolar hemi #NOF|{S} hemiarthroplasty[ hip]|hemi {S} #NOF|Uncemented hemi {S} hip|{S} Thompson hemi)",
            &["W46.1", "W47.1"],
        ),
        Procedure::ReplacementForFracture => (
            "(THR {S} for #NOF|{S} total hip replacement, #NOF|Cemented THR {S}, # neck of femur)",
            &["W37.1", "W38.1", "W39.1"],
        ),
        Procedure::CannulatedScrews => (
            "({S} cannulated screws[ NOF]|Cannulated screw fixation {S} hip|{S} CRIF NOF screws x(2|3))",
            &["W24.1"],
        ),
        Procedure::SlidingScrew => (
            "({S} DHS[ +/- derotation screw]|DHS {S} hip|{S} dynamic hip screw|{S} SHS #NOF|CRIF DHS {S})",
            &["W19.1", "W24.1"],
        ),
        Procedure::Nail => (
            "({S} (long|short) IM nail|{S} PFNA|{S} gamma nail|IM nail {S} femur, (subtroch|IT) #|Long PFN {S})",
            &["W19.2", "W24.2"],
        ),
        Procedure::PlannedReplacement => (
            "({S} THR primary|Primary THR {S} OA|{S} total hip replacement, elective|THR {S}, OA)",
            &["W37.1", "W38.1", "W93.1"],
        ),
    };
    let wrong = rng.random_bool(config.wrong_side_theatre);
    let side = if wrong { other(operation.side) } else { operation.side };
    let field = match rng.random_range(0..10) {
        0 => String::new(),
        1..=3 => if side == Side::Right { "R" } else { "L" }.to_owned(),
        4 => if side == Side::Right { "Rt" } else { "Lt" }.to_owned(),
        _ => if side == Side::Right { "right" } else { "left" }.to_owned(),
    };
    // Free text only in three of ten.
    let code = if rng.random_bool(0.3) {
        String::new()
    } else {
        codes[rng.random_range(0..codes.len())].to_owned()
    };
    let mut procedure = fill(pattern, side, rng);
    if rng.random_bool(0.15) {
        procedure = procedure.to_uppercase();
    }
    TheatreRow {
        patient_id: id.to_owned(),
        time: operation.when,
        procedure,
        side: field,
        code,
        status: "done",
    }
}

/// A row that does not tell what was done to which hip.
fn unclear(when: PrimitiveDateTime, id: &str, rng: &mut impl Rng) -> TheatreRow {
    let pattern = "(Ortho trauma, see notes|As consented|EUA ?proceed|Trauma list slot (1|2|3|4)|Ortho - procedure TBC|Spinal + block only|See anaesthetic chart)";
    TheatreRow {
        patient_id: id.to_owned(),
        time: when,
        procedure: fill(pattern, Side::Right, rng),
        side: String::new(),
        code: String::new(),
        status: "done",
    }
}

fn fill<R: Rng>(pattern: &str, side: Side, rng: &mut R) -> String {
    grow(pattern, &|_, rng: &mut R| words_of_side(side, rng).to_owned(), rng)
}
