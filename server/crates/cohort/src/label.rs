//! Labels of hips, where they come from, and how they change.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use domain::{Side, SopUid, StudyUid};
use serde::{Deserialize, Serialize};
use time::PrimitiveDateTime;

use crate::baseline::{Called, Failure};
use crate::records::{iso, parse_iso};

pub use domain::cohort::{Basis, Evidence, HipKey, Label, Set, Source};

/// A hip, its label and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Hip {
    pub key: HipKey,
    pub patient_id: String,
    pub time: PrimitiveDateTime,
    pub emergency: bool,
    pub label: Label,
    pub basis: Basis,
    /// In words, for a reader.
    pub reason: String,
    /// The report leaves a fracture open.
    pub doubtful: bool,
    /// Report and operation differ.
    pub conflict: bool,
    pub set: Option<Set>,
    pub sources: Vec<Source>,
    pub kept: Option<Kept>,
}

impl Hip {
    /// Whether there is metal in the hip. Records set a hip aside for nothing else; a reviewer says why.
    pub fn is_set_aside_for_metal(&self) -> bool {
        // After who it was.
        let said = self
            .reason
            .split_once(": ")
            .map_or("", |(_, comment)| comment)
            .to_lowercase();
        let is_said = ["metal", "implant", "prosthesis"]
            .iter()
            .any(|word| said.contains(word));
        self.label == Label::Excluded && (self.basis != Basis::Review || is_said)
    }
}

/// What a database knows of a hip besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub study_uid: Option<StudyUid>,
    /// Of the image that the hip is read from.
    pub sop_uid: Option<SopUid>,
    /// What was asked for.
    pub description: String,
    /// The label before any review, and why.
    pub initial_label: Label,
    pub initial_reason: String,
    /// What the study's reports come to as a reader's call of the hip, where there are any.
    pub human: Option<Called>,
}

/// A change of a label, or its confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelEvent {
    pub key: HipKey,
    pub who: String,
    pub when: PrimitiveDateTime,
    pub from: Label,
    pub to: Label,
    pub why: String,
}

/// All hips of a hospital's records and the history of their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cohort {
    pub hips: Vec<Hip>,
    /// In the order in which they happened.
    pub events: Vec<LabelEvent>,
    /// The test set has been reviewed: nothing changes it any more.
    pub test_locked: bool,
}

/// Why a table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error("line {line}: {problem}")]
    Row { line: u64, problem: String },
}

/// A line of the cohort's table.
#[derive(Serialize, Deserialize)]
struct HipRow {
    accession_number: String,
    side: Side,
    patient_id: String,
    time: String,
    emergency: bool,
    label: Label,
    basis: Basis,
    reason: String,
    doubtful: bool,
    conflict: bool,
    set: Option<Set>,
    /// Each piece of evidence: record, rule, start-end, words.
    evidence: String,
    // What is kept besides; tables of an earlier day lack it.
    #[serde(default)]
    study_uid: Option<String>,
    #[serde(default)]
    sop_uid: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    initial_label: Option<Label>,
    #[serde(default)]
    initial_reason: Option<String>,
    #[serde(default)]
    human_call: Option<Call>,
    #[serde(default)]
    human_failure: Option<Failure>,
    #[serde(default)]
    human_evidence: Option<String>,
    /// For `shenton train metal`; follows from the label and its reason.
    #[serde(default)]
    metal: Option<bool>,
}

/// A reader's call as `shenton evaluate` reads it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Call {
    Fracture,
    None,
}

#[derive(Serialize, Deserialize)]
struct EventRow {
    accession_number: String,
    side: Side,
    who: String,
    when: String,
    from: Label,
    to: Label,
    why: String,
}

impl Cohort {
    /// Counts of hips by label.
    pub fn counts(&self) -> BTreeMap<Label, usize> {
        let mut out = BTreeMap::new();
        for hip in &self.hips {
            *out.entry(hip.label).or_default() += 1;
        }
        out
    }

    pub fn find(&self, key: &HipKey) -> Option<&Hip> {
        self.hips.iter().find(|hip| hip.key == *key)
    }

    /// One line a hip. `shenton train` and `shenton evaluate` take the table as it is where `sop_uid` is known.
    ///
    /// # Errors
    /// The writer fails.
    pub fn write_hips(&self, out: impl Write) -> Result<(), TableError> {
        let mut table = csv::Writer::from_writer(out);
        for hip in &self.hips {
            let kept = hip.kept.as_ref();
            let human = kept.and_then(|kept| kept.human.as_ref());
            table.serialize(HipRow {
                accession_number: hip.key.accession.clone(),
                side: hip.key.side,
                patient_id: hip.patient_id.clone(),
                time: iso(hip.time),
                emergency: hip.emergency,
                label: hip.label,
                basis: hip.basis,
                reason: hip.reason.clone(),
                doubtful: hip.doubtful,
                conflict: hip.conflict,
                set: hip.set,
                evidence: write_sources(&hip.sources),
                study_uid: kept.and_then(|kept| kept.study_uid.clone()).map(|uid| uid.0),
                sop_uid: kept.and_then(|kept| kept.sop_uid.clone()).map(|uid| uid.0),
                description: kept.map(|kept| kept.description.clone()),
                initial_label: kept.map(|kept| kept.initial_label),
                initial_reason: kept.map(|kept| kept.initial_reason.clone()),
                human_call: human.map(|human| if human.call { Call::Fracture } else { Call::None }),
                human_failure: human.and_then(|human| human.failure),
                human_evidence: human.map(|human| write_sources(&human.sources)),
                metal: Some(hip.is_set_aside_for_metal()),
            })?;
        }
        table.flush().map_err(csv::Error::from)?;
        Ok(())
    }

    /// One line an event, in order.
    ///
    /// # Errors
    /// The writer fails.
    pub fn write_events(&self, out: impl Write) -> Result<(), TableError> {
        let mut table = csv::Writer::from_writer(out);
        for event in &self.events {
            table.serialize(EventRow {
                accession_number: event.key.accession.clone(),
                side: event.key.side,
                who: event.who.clone(),
                when: iso(event.when),
                from: event.from,
                to: event.to,
                why: event.why.clone(),
            })?;
        }
        table.flush().map_err(csv::Error::from)?;
        Ok(())
    }

    /// Reads both tables back; an empty reader of events is an empty history.
    ///
    /// # Errors
    /// A line that is no hip or no event, with its number; a hip that stands twice.
    pub fn read(hips: impl Read, events: impl Read, test_locked: bool) -> Result<Cohort, TableError> {
        let mut cohort = Cohort {
            test_locked,
            ..Cohort::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for (row, line) in rows::<HipRow>(hips)? {
            let problem = |problem: String| TableError::Row { line, problem };
            let key = HipKey {
                accession: row.accession_number,
                side: row.side,
            };
            if !seen.insert(key.clone()) {
                return Err(problem(format!("{} {} stands twice", key.accession, key.side.as_str())));
            }
            let human = match row.human_call {
                None => None,
                Some(call) => Some(Called {
                    call: matches!(call, Call::Fracture),
                    failure: row.human_failure,
                    sources: read_sources(row.human_evidence.as_deref().unwrap_or_default()).map_err(problem)?,
                }),
            };
            let kept = row.initial_label.map(|initial_label| Kept {
                study_uid: row.study_uid.map(StudyUid),
                sop_uid: row.sop_uid.map(SopUid),
                description: row.description.unwrap_or_default(),
                initial_label,
                initial_reason: row.initial_reason.unwrap_or_default(),
                human,
            });
            cohort.hips.push(Hip {
                key,
                patient_id: row.patient_id,
                time: parse_iso(&row.time).ok_or_else(|| problem(format!("\"{}\" is no time", row.time)))?,
                emergency: row.emergency,
                label: row.label,
                basis: row.basis,
                reason: row.reason,
                doubtful: row.doubtful,
                conflict: row.conflict,
                set: row.set,
                sources: read_sources(&row.evidence).map_err(problem)?,
                kept,
            });
        }
        for (row, line) in rows::<EventRow>(events)? {
            let when = parse_iso(&row.when).ok_or_else(|| TableError::Row {
                line,
                problem: format!("\"{}\" is no time", row.when),
            })?;
            cohort.events.push(LabelEvent {
                key: HipKey {
                    accession: row.accession_number,
                    side: row.side,
                },
                who: row.who,
                when,
                from: row.from,
                to: row.to,
                why: row.why,
            });
        }
        Ok(cohort)
    }
}

fn rows<T: for<'de> Deserialize<'de>>(from: impl Read) -> Result<Vec<(T, u64)>, TableError> {
    let mut table = csv::Reader::from_reader(from);
    let headers = table.headers()?.clone();
    let mut out = Vec::new();
    for record in table.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = record.deserialize(Some(&headers)).map_err(|error| TableError::Row {
            line,
            problem: error.to_string(),
        })?;
        out.push((row, line));
    }
    Ok(out)
}

fn write_sources(sources: &[Source]) -> String {
    let mut table = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for source in sources {
        let Evidence {
            rule,
            start,
            end,
            words,
        } = &source.evidence;
        // Writing to memory does not fail.
        let _ = table.serialize((&source.record, rule, start, end, words));
    }
    let bytes = table.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read_sources(text: &str) -> Result<Vec<Source>, String> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes())
        .deserialize::<(String, String, usize, usize, String)>()
        .map(|row| {
            let (record, rule, start, end, words) = row.map_err(|error| format!("evidence: {error}"))?;
            Ok(Source {
                record,
                evidence: Evidence {
                    rule,
                    start,
                    end,
                    words,
                },
            })
        })
        .collect()
}
