//! Reports and theatre lists as they come: tables with any column names, and HL7 v2 messages.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use time::format_description::OwnedFormatItem;
use time::{Date, PrimitiveDateTime, Time};

use crate::hl7;

/// A point in time as a record gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: PrimitiveDateTime,
    /// The record gives the day alone; `at` is its midnight.
    pub day_only: bool,
}

impl Moment {
    pub fn exact(at: PrimitiveDateTime) -> Moment {
        Moment { at, day_only: false }
    }

    /// Days from another moment to this; whole days if either gives no more.
    pub fn days_after(self, earlier: Moment) -> f64 {
        if self.day_only || earlier.day_only {
            (self.at.date() - earlier.at.date()).whole_days() as f64
        } else {
            (self.at - earlier.at).as_seconds_f64() / 86_400.0
        }
    }
}

/// A study with a frontal pelvis, as the archive of images knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Study {
    pub patient_id: String,
    pub accession: String,
    pub time: Moment,
    /// Asked for by the emergency department.
    pub emergency: bool,
    /// "XR Hip Lt": names the side that was asked for, or none.
    pub description: String,
}

/// A radiology report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `reports.csv line 12`; of an HL7 file, the line of the OBR, since a message may hold several reports.
    pub record: String,
    /// Empty where the record has none.
    pub accession: String,
    pub patient_id: String,
    pub time: Option<Moment>,
    /// As typed: `final`, `F`, `corrected`, `C`, `preliminary`, `P` ...
    pub status: String,
    /// Whether the emergency department asked, where the record tells the patient's class or department: HL7's PV1, or a
    /// table's column. It is what held when the report was written.
    pub emergency: Option<bool>,
    pub text: String,
}

/// A row of the theatre list, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub record: String,
    pub patient_id: String,
    pub time: Moment,
    pub procedure: String,
    pub side: String,
    pub code: String,
    pub status: String,
}

/// A row that could not be read; the others are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub file: String,
    /// From 1, the header counted; of an HL7 file, the line of the message's MSH.
    pub line: u64,
    pub problem: String,
}

impl std::fmt::Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} line {}: {}", self.file, self.line, self.problem)
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records<T> {
    pub rows: Vec<T>,
    pub bad: Vec<BadRow>,
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("{file}: no column for {field}: looked for {looked_for:?}, the file has {found:?}")]
    Column {
        file: String,
        field: &'static str,
        looked_for: Vec<String>,
        found: Vec<String>,
    },
    #[error("{file}: {source}")]
    Header { file: String, source: csv::Error },
    #[error("mapping file: {0}")]
    Mapping(#[from] toml::de::Error),
    #[error("mapping file: \"{format}\" is no time format: {problem}")]
    TimeFormat { format: String, problem: String },
    #[error("mapping file: \"{path}\" is no HL7 field: write OBR-3 or OBR-3.1")]
    Field { path: String },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    reports: ReportColumns,
    theatre: TheatreColumns,
    studies: StudyColumns,
    times: Times,
    hl7: Hl7File,
    #[serde(default)]
    emergency: Emergency,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportColumns {
    accession: Vec<String>,
    patient: Vec<String>,
    time: Vec<String>,
    status: Vec<String>,
    text: Vec<String>,
    #[serde(default)]
    department: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TheatreColumns {
    patient: Vec<String>,
    time: Vec<String>,
    procedure: Vec<String>,
    side: Vec<String>,
    code: Vec<String>,
    status: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StudyColumns {
    accession: Vec<String>,
    patient: Vec<String>,
    time: Vec<String>,
    department: Vec<String>,
    description: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    formats: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Emergency {
    #[serde(default)]
    departments: Vec<String>,
    #[serde(default = "emergency_classes")]
    classes: Vec<String>,
}

impl Default for Emergency {
    fn default() -> Self {
        Emergency {
            departments: Vec::new(),
            classes: emergency_classes(),
        }
    }
}

/// HL7 table 0004.
fn emergency_classes() -> Vec<String> {
    vec!["E".to_owned()]
}

// Mapping files of an earlier day do not name these two.
fn patient_class() -> Vec<String> {
    vec!["PV1-2".to_owned()]
}

fn patient_location() -> Vec<String> {
    vec!["PV1-3".to_owned()]
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hl7File {
    accession: Vec<String>,
    patient: Vec<String>,
    time: Vec<String>,
    status: Vec<String>,
    #[serde(default = "patient_class")]
    class: Vec<String>,
    #[serde(default = "patient_location")]
    department: Vec<String>,
}

/// Which columns and fields hold what.
#[derive(Clone, Debug)]
pub struct Mapping {
    file: MappingFile,
    formats: Vec<OwnedFormatItem>,
    hl7: [Vec<hl7::Path>; 6],
}

/// The mapping that the program carries: the simulated archive's columns and common other names.
pub const DEFAULT_MAPPING: &str = include_str!("mapping.toml");

impl Mapping {
    /// # Errors
    /// None in a released program: the tests read this file.
    pub fn standard() -> Result<Mapping, ImportError> {
        Mapping::parse(DEFAULT_MAPPING)
    }

    /// # Errors
    /// As [`Mapping::parse`], and the file cannot be read.
    pub fn load(path: &Path) -> Result<Mapping, ImportError> {
        let text = std::fs::read_to_string(path).map_err(|source| ImportError::Read {
            file: path.display().to_string(),
            source,
        })?;
        Mapping::parse(&text)
    }

    /// # Errors
    /// No TOML of the right shape, a time format or an HL7 field that is none.
    pub fn parse(text: &str) -> Result<Mapping, ImportError> {
        let file: MappingFile = toml::from_str(text)?;
        let formats = file
            .times
            .formats
            .iter()
            .map(|format| {
                time::format_description::parse_owned::<2>(format).map_err(|error| ImportError::TimeFormat {
                    format: format.clone(),
                    problem: error.to_string(),
                })
            })
            .collect::<Result<_, _>>()?;
        let paths = |paths: &[String]| {
            paths
                .iter()
                .map(|path| hl7::Path::parse(path).ok_or_else(|| ImportError::Field { path: path.clone() }))
                .collect::<Result<Vec<_>, _>>()
        };
        let hl7 = [
            paths(&file.hl7.accession)?,
            paths(&file.hl7.patient)?,
            paths(&file.hl7.time)?,
            paths(&file.hl7.status)?,
            paths(&file.hl7.class)?,
            paths(&file.hl7.department)?,
        ];
        Ok(Mapping { file, formats, hl7 })
    }

    /// Reads a time in any of the mapping's formats, or as ISO 8601.
    pub fn time(&self, text: &str) -> Option<Moment> {
        let text = text.trim();
        if let Some(at) = parse_iso(text) {
            return Some(Moment::exact(at));
        }
        for format in &self.formats {
            if let Ok(at) = PrimitiveDateTime::parse(text, format) {
                return Some(Moment::exact(at));
            }
            if let Ok(day) = Date::parse(text, format) {
                return Some(Moment {
                    at: day.with_time(Time::MIDNIGHT),
                    day_only: true,
                });
            }
        }
        hl7::time(text)
    }

    fn emergency(&self, department: &str) -> bool {
        let department = department.trim();
        self.file
            .emergency
            .departments
            .iter()
            .any(|name| name.eq_ignore_ascii_case(department))
    }

    /// Whether the emergency department asked; nothing where neither class nor department is known.
    fn asked_by_emergency(&self, class: &str, department: &str) -> Option<bool> {
        let (class, department) = (class.trim(), department.trim());
        if class.is_empty() && department.is_empty() {
            return None;
        }
        let classes = &self.file.emergency.classes;
        Some(classes.iter().any(|name| name.eq_ignore_ascii_case(class)) || self.emergency(department))
    }

    /// Reads a table of reports. `file` is its name in errors and evidence.
    ///
    /// # Errors
    /// No header, or no column for the text, or none for accession and patient.
    pub fn reports(&self, file: &str, from: impl Read) -> Result<Records<Report>, ImportError> {
        let columns = &self.file.reports;
        let mut table = Table::open(file, from)?;
        let text = table.column("the report's text", &columns.text)?;
        let accession = table.optional(&columns.accession);
        let patient = match accession {
            Some(_) => table.optional(&columns.patient),
            None => Some(table.column("the patient (and none for the accession number)", &columns.patient)?),
        };
        let (time, status) = (table.optional(&columns.time), table.optional(&columns.status));
        let department = table.optional(&columns.department);
        Ok(table.read(|row| {
            let when = row.get(time);
            let report = Report {
                record: row.name(),
                accession: row.get(accession).to_owned(),
                patient_id: row.get(patient).to_owned(),
                time: match when {
                    "" => None,
                    _ => Some(self.time(when).ok_or_else(|| format!("\"{when}\" is no time"))?),
                },
                status: row.get(status).to_owned(),
                emergency: self.asked_by_emergency("", row.get(department)),
                text: row.get(Some(text)).to_owned(),
            };
            if report.text.is_empty() {
                return Err("the report is empty".to_owned());
            }
            if report.accession.is_empty() && report.patient_id.is_empty() {
                return Err("neither accession number nor patient".to_owned());
            }
            Ok(report)
        }))
    }

    /// Reads a theatre list.
    ///
    /// # Errors
    /// No header, or no column for patient, time or procedure.
    pub fn theatre(&self, file: &str, from: impl Read) -> Result<Records<Operation>, ImportError> {
        let columns = &self.file.theatre;
        let mut table = Table::open(file, from)?;
        let patient = Some(table.column("the patient", &columns.patient)?);
        let time = Some(table.column("the time", &columns.time)?);
        let procedure = Some(table.column("the procedure", &columns.procedure)?);
        let (side, code) = (table.optional(&columns.side), table.optional(&columns.code));
        let status = table.optional(&columns.status);
        Ok(table.read(|row| {
            let when = row.get(time);
            if row.get(patient).is_empty() {
                return Err("no patient".to_owned());
            }
            Ok(Operation {
                record: row.name(),
                patient_id: row.get(patient).to_owned(),
                time: self.time(when).ok_or_else(|| format!("\"{when}\" is no time"))?,
                procedure: row.get(procedure).to_owned(),
                side: row.get(side).to_owned(),
                code: row.get(code).to_owned(),
                status: row.get(status).to_owned(),
            })
        }))
    }

    /// Reads a table of studies or images; several rows of one accession number are one study.
    ///
    /// # Errors
    /// No header, or no column for accession, patient or time.
    pub fn studies(&self, file: &str, from: impl Read) -> Result<Records<Study>, ImportError> {
        let columns = &self.file.studies;
        let mut table = Table::open(file, from)?;
        let accession = Some(table.column("the accession number", &columns.accession)?);
        let patient = Some(table.column("the patient", &columns.patient)?);
        let time = Some(table.column("the time", &columns.time)?);
        let department = table.optional(&columns.department);
        let description = table.optional(&columns.description);
        let mut records = table.read(|row| {
            let when = row.get(time);
            if row.get(accession).is_empty() || row.get(patient).is_empty() {
                return Err("no accession number or no patient".to_owned());
            }
            Ok(Study {
                patient_id: row.get(patient).to_owned(),
                accession: row.get(accession).to_owned(),
                time: self.time(when).ok_or_else(|| format!("\"{when}\" is no time"))?,
                emergency: self.emergency(row.get(department)),
                description: row.get(description).to_owned(),
            })
        });
        let mut seen = std::collections::HashSet::new();
        records.rows.retain(|study| seen.insert(study.accession.clone()));
        Ok(records)
    }

    /// Reads ORU^R01 messages, one file with one or many; other messages are listed as bad.
    pub fn hl7(&self, file: &str, text: &str) -> Records<Report> {
        let [accession, patient, time, status, class, department] = &self.hl7;
        hl7::reports(
            file,
            text,
            &hl7::Fields {
                accession,
                patient,
                time,
                status,
                class,
                department,
            },
            |text| self.time(text),
            |class, department| self.asked_by_emergency(class, department),
        )
    }
}

/// A table while it is read.
struct Table<R> {
    file: String,
    table: csv::Reader<R>,
    headers: Vec<String>,
}

struct Row<'a> {
    file: &'a str,
    line: u64,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn get(&self, column: Option<usize>) -> &str {
        column.and_then(|at| self.record.get(at)).unwrap_or_default().trim()
    }

    fn name(&self) -> String {
        format!("{} line {}", self.file, self.line)
    }
}

impl<R: Read> Table<R> {
    fn open(file: &str, from: R) -> Result<Self, ImportError> {
        let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(from);
        let headers = table.headers().map_err(|source| ImportError::Header {
            file: file.to_owned(),
            source,
        })?;
        let headers = headers
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        Ok(Table {
            file: file.to_owned(),
            table,
            headers,
        })
    }

    fn optional(&self, names: &[String]) -> Option<usize> {
        let at = |name: &String| self.headers.iter().position(|header| header.eq_ignore_ascii_case(name));
        names.iter().find_map(at)
    }

    fn column(&self, field: &'static str, names: &[String]) -> Result<usize, ImportError> {
        self.optional(names).ok_or_else(|| ImportError::Column {
            file: self.file.clone(),
            field,
            looked_for: names.to_vec(),
            found: self.headers.clone(),
        })
    }

    fn read<T>(&mut self, of: impl Fn(&Row) -> Result<T, String>) -> Records<T> {
        let mut out = Records {
            rows: Vec::new(),
            bad: Vec::new(),
        };
        let mut record = csv::StringRecord::new();
        loop {
            let line = self.table.position().line();
            match self.table.read_record(&mut record) {
                Ok(false) => return out,
                Ok(true) => {
                    let line = record.position().map_or(line, csv::Position::line);
                    let row = Row {
                        file: &self.file,
                        line,
                        record: &record,
                    };
                    let read = if record.len() == self.headers.len() {
                        of(&row)
                    } else {
                        Err(format!("{} fields instead of {}", record.len(), self.headers.len()))
                    };
                    match read {
                        Ok(row) => out.rows.push(row),
                        Err(problem) => out.bad.push(BadRow {
                            file: self.file.clone(),
                            line,
                            problem,
                        }),
                    }
                }
                Err(error) => {
                    out.bad.push(BadRow {
                        file: self.file.clone(),
                        line: error.position().map_or(line, csv::Position::line),
                        problem: error.to_string(),
                    });
                    if error.is_io_error() {
                        return out;
                    }
                }
            }
        }
    }
}

const ISO: &[time::format_description::BorrowedFormatItem<'_>] =
    time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// As text: `2024-09-11T15:30:00`.
pub fn iso(when: PrimitiveDateTime) -> String {
    when.format(ISO).unwrap_or_default()
}

/// Reads what [`iso`] writes.
pub fn parse_iso(text: &str) -> Option<PrimitiveDateTime> {
    PrimitiveDateTime::parse(text, ISO).ok()
}
