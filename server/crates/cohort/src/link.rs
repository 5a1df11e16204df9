//! From studies, reports and operations to labelled hips.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::Side;
use serde::{Deserialize, Serialize};

use crate::label::{Basis, Hip, HipKey, Label, Source};
use crate::records::{Moment, Operation, Report, Study};
use crate::rules::{Finding, Location, OperationKind, OperationReading, ReportReading, Rules, Statement};

/// What a hip is held to be of which the records say nothing clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assume {
    /// No fracture: the default of Gale 2017, section 2.2.
    None,
    Unknown,
}

impl Assume {
    fn label(self) -> Label {
        match self {
            Assume::None => Label::None,
            Assume::Unknown => Label::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// An operation for a fracture counts for the studies of so many days before it.
    pub operation_days: f64,
    /// A report without a known accession number is of the patient's one study of so many days before it. One that
    /// names another known study is of that one.
    pub report_days: f64,
    /// The report does not speak of the hip.
    pub not_mentioned: Assume,
    /// The report leaves a fracture open.
    pub doubtful: Assume,
    /// The study was never reported.
    pub no_report: Assume,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            operation_days: 30.0,
            report_days: 14.0,
            not_mentioned: Assume::None,
            doubtful: Assume::None,
            no_report: Assume::None,
        }
    }
}

/// A record that belongs to no study, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// `theatre.csv line 12`.
    pub record: String,
    pub why: String,
}

/// Two hips a study, and what could not be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    pub hips: Vec<Hip>,
    /// Each linked report's record and the accession number of its study.
    pub reports: Vec<(String, String)>,
    pub unlinked: Vec<Unlinked>,
    /// Rows of the theatre list that tell nothing of a hip: cancelled, another bone, no words.
    pub unused: Vec<Unlinked>,
}

struct Operated<'a> {
    record: &'a Operation,
    reading: OperationReading,
}

/// Labels both hips of each study. The order of the records does not matter.
pub fn label(
    rules: &Rules,
    studies: &[Study],
    reports: &[Report],
    operations: &[Operation],
    settings: &Settings,
) -> Labelled {
    label_among(rules, studies, &BTreeSet::new(), reports, operations, settings)
}

/// The same where the hospital has other studies too: `others` are their accession numbers. A report that names one of
/// these belongs to it, and is never linked by its time to a study of `studies`.
pub fn label_among(
    rules: &Rules,
    studies: &[Study],
    others: &BTreeSet<String>,
    reports: &[Report],
    operations: &[Operation],
    settings: &Settings,
) -> Labelled {
    let mut out = Labelled::default();
    let of_study = link_reports(studies, others, reports, settings, &mut out.unlinked);
    out.reports = of_study
        .iter()
        .flat_map(|(accession, own)| {
            own.iter()
                .map(|report| (report.record.clone(), (*accession).to_owned()))
        })
        .collect();
    let mut patients: HashMap<&str, Vec<&Study>> = HashMap::new();
    for study in studies {
        patients.entry(&study.patient_id).or_default().push(study);
    }

    let mut operated: HashMap<&str, Vec<Operated>> = HashMap::new();
    for record in operations {
        let reading = rules.read_operation(&record.procedure, &record.side, &record.code, &record.status);
        let left_out = |why: &str| Unlinked {
            record: record.record.clone(),
            why: why.to_owned(),
        };
        match reading.kind {
            OperationKind::Cancelled => out.unused.push(left_out("cancelled")),
            OperationKind::Other => out.unused.push(left_out("no first treatment of a hip fracture")),
            OperationKind::ForFracture | OperationKind::Implant => {
                let Some(studies) = patients.get(record.patient_id.as_str()) else {
                    out.unlinked.push(left_out("no study of this patient"));
                    continue;
                };
                let near = studies
                    .iter()
                    .any(|study| within(record.time, study.time, settings.operation_days));
                if reading.kind == OperationKind::ForFracture && !near {
                    let why = format!("no study of the patient in the {} days before", settings.operation_days);
                    out.unlinked.push(left_out(&why));
                }
                operated
                    .entry(&record.patient_id)
                    .or_default()
                    .push(Operated { record, reading });
            }
        }
    }
    // In the order of time, and then of their lines, whatever the order of the file.
    for rows in operated.values_mut() {
        rows.sort_by(|a, b| (a.record.time.at, &a.record.procedure).cmp(&(b.record.time.at, &b.record.procedure)));
    }

    for study in studies {
        let own: &[&Report] = of_study.get(study.accession.as_str()).map_or(&[], Vec::as_slice);
        let operations = operated.get(study.patient_id.as_str()).map_or(&[][..], Vec::as_slice);
        out.hips.extend(hips(rules, study, own, operations, settings));
    }
    keep_metal(&mut out.hips);
    out.hips.sort_by(|a, b| a.key.cmp(&b.key));
    out.unlinked.sort_by(|a, b| a.record.cmp(&b.record));
    out.unused.sort_by(|a, b| a.record.cmp(&b.record));
    out
}

/// Metal stays: where a report or an operation told of it, a later study of which no record speaks has it too.
fn keep_metal(hips: &mut [Hip]) {
    hips.sort_by(|a, b| (&a.patient_id, a.key.side, a.time, &a.key).cmp(&(&b.patient_id, b.key.side, b.time, &b.key)));
    for at in 1..hips.len() {
        let (before, after) = hips.split_at_mut(at);
        let (Some(earlier), Some(hip)) = (before.last(), after.first_mut()) else {
            continue;
        };
        let same = earlier.patient_id == hip.patient_id && earlier.key.side == hip.key.side;
        if same && earlier.label == Label::Excluded && hip.basis == Basis::Default {
            hip.label = Label::Excluded;
            hip.reason = format!("metal in the hip in the earlier study {}", earlier.key.accession);
        }
    }
}

/// Whether something happened from 0 to `days` after a study.
fn within(later: Moment, study: Moment, days: f64) -> bool {
    (0.0..=days).contains(&later.days_after(study))
}

/// The reports of each study, by accession number.
fn link_reports<'a>(
    studies: &'a [Study],
    others: &BTreeSet<String>,
    reports: &'a [Report],
    settings: &Settings,
    unlinked: &mut Vec<Unlinked>,
) -> BTreeMap<&'a str, Vec<&'a Report>> {
    let known: HashMap<String, &Study> = studies.iter().map(|s| (s.accession.to_lowercase(), s)).collect();
    let named = others.iter().filter(|accession| !accession.is_empty());
    let others: HashSet<String> = named.map(|accession| accession.to_lowercase()).collect();
    let mut out: BTreeMap<&str, Vec<&Report>> = BTreeMap::new();
    let mut loose = Vec::new();
    for report in reports {
        let refuse = |why: String| Unlinked {
            record: report.record.clone(),
            why,
        };
        match known.get(&report.accession.to_lowercase()) {
            Some(study) if report.patient_id.is_empty() || report.patient_id == study.patient_id => {
                out.entry(&study.accession).or_default().push(report);
            }
            Some(_) => unlinked.push(refuse(format!(
                "accession number {} is of another patient than {}",
                report.accession, report.patient_id
            ))),
            None if others.contains(&report.accession.to_lowercase()) => unlinked.push(refuse(format!(
                "of another study, with accession number {}",
                report.accession
            ))),
            None => loose.push(report),
        }
    }
    for report in loose {
        let mut refuse = |why: String| {
            unlinked.push(Unlinked {
                record: report.record.clone(),
                why,
            });
        };
        let Some(time) = report.time.filter(|_| !report.patient_id.is_empty()) else {
            refuse(format!(
                "no study with accession number \"{}\", and no patient and time",
                report.accession
            ));
            continue;
        };
        let near: Vec<&Study> = studies
            .iter()
            .filter(|study| study.patient_id == report.patient_id && within(time, study.time, settings.report_days))
            .collect();
        match near[..] {
            [study] => out.entry(&study.accession).or_default().push(report),
            [] => refuse(format!(
                "no study with accession number \"{}\", none of the patient in the {} days before",
                report.accession, settings.report_days
            )),
            _ => refuse(format!(
                "{} studies of the patient in the {} days before",
                near.len(),
                settings.report_days
            )),
        }
    }
    for own in out.values_mut() {
        own.sort_by_key(|report| {
            (
                report.time.is_none(),
                report.time.map(|time| time.at),
                status_rank(&report.status),
            )
        });
    }
    out
}

/// Preliminary before final before corrected.
fn status_rank(status: &str) -> u8 {
    match status.trim().to_lowercase().as_str() {
        "p" | "prelim" | "preliminary" | "draft" | "provisional" => 0,
        "c" | "corrected" | "amended" | "addendum" => 2,
        _ => 1,
    }
}

/// What the operations say of one side of a study.
#[derive(Default)]
struct Theatre<'a> {
    /// Metal was put in before the study.
    before: Option<&'a Operated<'a>>,
    /// The first treatment of a fracture after it.
    after: Option<&'a Operated<'a>>,
}

fn theatre<'a>(study: &Study, operations: &'a [Operated<'a>], side: Option<Side>, settings: &Settings) -> Theatre<'a> {
    let mut out = Theatre::default();
    for operated in operations {
        let fits = match side {
            Some(side) => operated.reading.sides.contains(&side),
            None => operated.reading.sides.is_empty(),
        };
        if !fits {
            continue;
        }
        let days = operated.record.time.days_after(study.time);
        if days < 0.0 {
            out.before = Some(operated);
        } else if operated.reading.kind == OperationKind::ForFracture
            && days <= settings.operation_days
            && out.after.is_none()
        {
            out.after = Some(operated);
        }
    }
    out
}

fn hips(rules: &Rules, study: &Study, reports: &[&Report], operations: &[Operated], settings: &Settings) -> [Hip; 2] {
    let texts: Vec<&str> = reports.iter().map(|report| report.text.as_str()).collect();
    let (reading, found) = rules.read_reports(&texts);
    let asked = match rules.sides(&study.description)[..] {
        [side] => Some(side),
        _ => None,
    };
    let no_side = theatre(study, operations, None, settings).after;
    let side_of_no_side = side_of(&reading, asked);
    Side::BOTH.map(|side| {
        let statement = reading.hip(side);
        let theatre = theatre(study, operations, Some(side), settings);
        let judged = judge(&Judged {
            statement: &statement,
            reading: &reading,
            theatre: &theatre,
            no_side,
            side,
            side_of_no_side,
            asked,
            reported: !reports.is_empty(),
            settings,
        });
        let mut sources: Vec<Source> = Vec::new();
        for evidence in &statement.evidence {
            // The same words may stand in two reports of the study: the later is named.
            let report = found
                .iter()
                .rev()
                .find(|(_, known)| known == evidence)
                .map_or(0, |(report, _)| *report);
            sources.push(Source {
                record: reports
                    .get(report)
                    .map_or_else(String::new, |report| report.record.clone()),
                evidence: evidence.clone(),
            });
        }
        for operated in [theatre.before, theatre.after, no_side].into_iter().flatten() {
            sources.extend(operated.reading.evidence.iter().map(|evidence| Source {
                record: operated.record.record.clone(),
                evidence: evidence.clone(),
            }));
        }
        Hip {
            key: HipKey {
                accession: study.accession.clone(),
                side,
            },
            patient_id: study.patient_id.clone(),
            time: study.time.at,
            emergency: study.emergency,
            label: judged.label,
            basis: judged.basis,
            reason: judged.reason,
            doubtful: statement.finding == Finding::Doubtful || reading.unspecified.finding == Finding::Doubtful,
            conflict: judged.conflict,
            set: None,
            sources,
            kept: None,
        }
    })
}

/// The side that is meant where none is named: of the report's only fracture or doubt, else of the request.
fn side_of(reading: &ReportReading, asked: Option<Side>) -> Option<Side> {
    for finding in [Finding::Present, Finding::Doubtful] {
        let with: Vec<Side> = Side::BOTH
            .into_iter()
            .filter(|side| reading.side(*side).finding == finding)
            .collect();
        if let [side] = with[..] {
            return Some(side);
        }
    }
    asked
}

struct Judged<'a> {
    statement: &'a Statement,
    reading: &'a ReportReading,
    theatre: &'a Theatre<'a>,
    no_side: Option<&'a Operated<'a>>,
    side: Side,
    side_of_no_side: Option<Side>,
    asked: Option<Side>,
    reported: bool,
    settings: &'a Settings,
}

struct Judgement {
    label: Label,
    basis: Basis,
    reason: String,
    conflict: bool,
}

fn judge(of: &Judged) -> Judgement {
    let Judged { statement, .. } = of;
    let give = |label, basis, reason: String, conflict| Judgement {
        label,
        basis,
        reason,
        conflict,
    };
    let present = statement.finding == Finding::Present;
    let fracture = |location: Option<Location>| Label::of_fracture(statement.location.or(location));

    // Metal comes first: such a hip is neither a fracture nor none.
    if let Some(operated) = of.theatre.before {
        let reason = format!("metal since an earlier operation ({})", operated.record.record);
        return give(Label::Excluded, Basis::Operation, reason, false);
    }
    if statement.periprosthetic {
        return give(
            Label::Excluded,
            Basis::Report,
            "fracture at an implant".to_owned(),
            false,
        );
    }
    if statement.metal && !(present && of.theatre.after.is_some()) {
        return give(Label::Excluded, Basis::Report, "metal in the hip".to_owned(), present);
    }
    // The operation wins over the report, as in Gale 2017, section 2.2.
    if let Some(operated) = of.theatre.after {
        let reason = format!("operated on for a fracture ({})", operated.record.record);
        let conflict = matches!(statement.finding, Finding::Absent) && !statement.hedged;
        return give(fracture(operated.reading.location), Basis::Operation, reason, conflict);
    }
    if let Some(operated) = of.no_side {
        let record = &operated.record.record;
        return match of.side_of_no_side {
            Some(side) if side == of.side => {
                let reason =
                    format!("operated on for a fracture ({record}); the side is the report's or the request's");
                give(fracture(operated.reading.location), Basis::Operation, reason, false)
            }
            Some(_) => by_report(of, statement),
            None => {
                let reason = format!("an operation for a fracture does not tell its side ({record})");
                give(Label::Unknown, Basis::Operation, reason, false)
            }
        };
    }
    by_report(of, statement)
}

fn by_report(of: &Judged, statement: &Statement) -> Judgement {
    let give = |label, basis, reason: &str| Judgement {
        label,
        basis,
        reason: reason.to_owned(),
        conflict: statement.contradiction,
    };
    let general = &of.reading.unspecified;
    match statement.finding {
        Finding::Present => give(
            Label::of_fracture(statement.location),
            Basis::Report,
            "the report states a fracture",
        ),
        _ if general.finding == Finding::Present => match of.asked {
            Some(side) if side == of.side => give(
                Label::of_fracture(general.location),
                Basis::Report,
                "the report states a fracture; the side is the request's",
            ),
            Some(_) => give(
                Label::None,
                Basis::Report,
                "the report states a fracture of the other hip",
            ),
            None => give(
                Label::Unknown,
                Basis::Report,
                "the report states a fracture and no side",
            ),
        },
        Finding::Doubtful => give(
            of.settings.doubtful.label(),
            Basis::Default,
            "the report leaves a fracture open, no operation followed",
        ),
        Finding::Absent if statement.old_fracture => {
            give(Label::None, Basis::Report, "the report states an old fracture")
        }
        Finding::Absent => give(
            Label::None,
            Basis::Report,
            "the report states that there is no fracture",
        ),
        Finding::NotMentioned if general.finding == Finding::Doubtful => give(
            of.settings.doubtful.label(),
            Basis::Default,
            "the report leaves a fracture open and names no side, no operation followed",
        ),
        Finding::NotMentioned if of.reported => give(
            of.settings.not_mentioned.label(),
            Basis::Default,
            "the report does not speak of a fracture here",
        ),
        Finding::NotMentioned => give(of.settings.no_report.label(), Basis::Default, "no report, no operation"),
    }
}
