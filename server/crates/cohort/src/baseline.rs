//! The upper bound of human performance, from the reports (Gale 2017, section 3.3).

use domain::Side;
use evaluation::metrics::Counts;
use serde::{Deserialize, Serialize};

use crate::rules::{Evidence, Finding, FollowUp, Leaning, ReportReading};

/// Why a report is no diagnosis from the frontal film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It says plainly that other information was needed: "only seen on the lateral".
    OtherInformation,
    /// Further imaging is unequivocally necessary to make the diagnosis: "equivocal, CT recommended".
    FurtherImaging,
}

/// What a report comes to for one hip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// The stated diagnosis; vague wording takes it too.
    pub fracture: bool,
    pub failure: Option<Failure>,
    pub evidence: Vec<Evidence>,
}

impl Reader {
    /// The call that is counted against the truth: the stated one, and the wrong one where no diagnosis was made.
    pub fn call(&self, truth: bool) -> bool {
        match self.failure {
            Some(_) => !truth,
            None => self.fracture,
        }
    }
}

/// Reads a report as a reader's call of one hip.
///
/// A fracture that is stated without a side is counted for the hip that has it: nothing unstated is held against the
/// reader. A hip that the report does not mention is called free of fracture.
pub fn reader(reading: &ReportReading, side: Side, truth: bool) -> Reader {
    let hip = reading.hip(side);
    let mut of = hip.clone();
    if !matches!(hip.finding, Finding::Present | Finding::Doubtful) && reading.side_missing() && truth {
        of = reading.unspecified.clone();
    }
    let fracture = match of.finding {
        Finding::Present => true,
        Finding::Doubtful => of.leaning == Leaning::Fracture,
        Finding::Absent | Finding::NotMentioned => false,
    };
    let failure = if of.other_information {
        Some(Failure::OtherInformation)
    } else {
        match (of.follow_up, of.finding) {
            // Of a hip that the report does not speak of, it asks for nothing either.
            (FollowUp::RequiredToDiagnose, Finding::Present | Finding::Doubtful | Finding::Absent)
            | (FollowUp::Required, Finding::Doubtful) => Some(Failure::FurtherImaging),
            _ => None,
        }
    };
    Reader {
        fracture,
        failure,
        evidence: of.evidence,
    }
}

/// Counts the readers' calls against the truth: sensitivity, specificity, precision and accuracy with their intervals
/// are methods of [`Counts`]; one point in ROC space.
pub fn baseline<'a>(hips: impl IntoIterator<Item = (&'a ReportReading, Side, bool)>) -> Counts {
    let mut counts = Counts::default();
    for (reading, side, truth) in hips {
        counts.add(reader(reading, side, truth).call(truth), truth);
    }
    counts
}
