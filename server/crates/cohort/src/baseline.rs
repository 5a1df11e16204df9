//! The upper bound of human performance, from the reports (Gale 2017, section 3.3).

use domain::Side;
use evaluation::metrics::Counts;
use serde::{Deserialize, Serialize};

use crate::label::Source;
use crate::rules::{Evidence, Finding, FollowUp, Leaning, ReportReading, Rules};

/// Why a report is no diagnosis from the frontal film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It says plainly that other information was needed: "only seen on the lateral".
    OtherInformation,
    /// Further imaging is unequivocally necessary to make the diagnosis: "equivocal, CT recommended".
    FurtherImaging,
}

impl Failure {
    pub fn words(self) -> &'static str {
        match self {
            Failure::OtherInformation => "it says that other information was needed",
            Failure::FurtherImaging => "further imaging is necessary to make the diagnosis",
        }
    }
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
    let mut evidence = of.evidence;
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
    if failure.is_some() {
        // What is asked for without a side stands apart, and counts for the hip all the same.
        let general = &reading.unspecified.evidence;
        evidence.extend(general.iter().cloned());
        evidence.sort_by(|a, b| (a.start, a.end, &a.rule).cmp(&(b.start, b.end, &b.rule)));
        evidence.dedup();
    }
    Reader {
        fracture,
        failure,
        evidence,
    }
}

/// A study's reports as a reader's call of one hip, with the words that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The call that is counted, see [`Reader::call`].
    pub call: bool,
    /// Why it is counted as an error although no wrong diagnosis is stated.
    pub failure: Option<Failure>,
    /// The words that made it a failure; without one, those that state the diagnosis.
    pub sources: Vec<Source>,
}

/// Reads the reports of one study, each a record's name and its text, in the order of time: the later corrects the
/// earlier. `truth`: the hip is broken. Nothing where there is no report.
pub fn called(rules: &Rules, reports: &[(&str, &str)], side: Side, truth: bool) -> Option<Called> {
    if reports.is_empty() {
        return None;
    }
    let texts: Vec<&str> = reports.iter().map(|(_, text)| *text).collect();
    let (reading, found) = rules.read_reports(&texts);
    let read = reader(&reading, side, truth);
    let decides = |evidence: &&Evidence| match read.failure {
        None => true,
        Some(failure) => rules.decides(&evidence.rule, failure),
    };
    let sources = read.evidence.iter().filter(decides).map(|evidence| {
        // The same words may stand in two reports of the study: the later is named.
        let of = found.iter().rev().find(|(_, known)| known == evidence);
        Source {
            record: of
                .and_then(|(report, _)| reports.get(*report))
                .map_or_else(String::new, |(record, _)| (*record).to_owned()),
            evidence: evidence.clone(),
        }
    });
    Some(Called {
        call: read.call(truth),
        failure: read.failure,
        sources: sources.collect(),
    })
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
