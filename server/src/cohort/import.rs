//! From a hospital's folders and lists to a cohort in the database.
//!
//! Images come in through the same ingest as everything else, so that each is parsed under the decoder's limits, known
//! by its hash, and there for the reviewer even where the hospital's folder moves on; the price is a second copy. They
//! are filed under a site of their own, which keeps them apart in the worklist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use cohort::label::Hip;
use cohort::link::{Settings, label_among};
use cohort::records::{Mapping, Moment, Operation, Records, Report, Study, iso};
use cohort::rules::Rules;
use cohort::split::{Shares, assign, split};
use domain::cohort::{ReviewSettings, Set, UnusedRow};
use domain::{ReadingStatus, SiteId, SopUid, StudyDetail, StudyUid};
use serde_json::json;

use crate::clock;
use crate::inference::Analyser;
use crate::ingest::{Door, Source};
use crate::serve::Services;

/// What is imported, and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub name: String,
    /// A folder that is searched through.
    pub dicom: PathBuf,
    /// A table, HL7 v2 messages, or a folder of either.
    pub reports: PathBuf,
    /// A table.
    pub theatre: PathBuf,
    /// A table of the studies with the department that asked for each.
    pub studies: Option<PathBuf>,
    pub mapping: Option<PathBuf>,
    pub rules: Option<PathBuf>,
    pub shares: Shares,
    pub seed: u64,
    pub site: SiteId,
    pub review: ReviewSettings,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub images: usize,
    pub refused: usize,
    pub studies: usize,
    pub hips: usize,
    pub sets: BTreeMap<Set, usize>,
    /// Whether anything tells which studies the emergency department asked for: a table of studies, or the reports.
    pub emergency_known: bool,
    pub unused: Vec<UnusedRow>,
}

/// What the import is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Images,
    Pictures,
}

/// Reports and operations as read, with what could not be.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pub reports: Vec<Report>,
    pub operations: Vec<Operation>,
    /// By accession number: whether the emergency department asked, and the request's words.
    pub requests: Option<BTreeMap<String, (bool, String)>>,
    pub unused: Vec<UnusedRow>,
}

fn keep<T>(records: Records<T>, into: &mut Vec<T>, unused: &mut Vec<UnusedRow>) {
    into.extend(records.rows);
    unused.extend(records.bad.into_iter().map(|bad| UnusedRow {
        kind: "unreadable".to_owned(),
        record: format!("{} line {}", bad.file, bad.line),
        why: bad.problem,
    }));
}

/// Whether a file holds HL7 v2: it begins with a message header, perhaps after a batch's or a frame's.
fn is_hl7(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches(['\u{feff}', '\u{b}', '\r', '\n', ' ']);
    ["MSH", "FHS", "BHS"].iter().any(|name| text.starts_with(name))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file's path below the folder that was given: 2019/r.csv and 2020/r.csv are two files.
fn name_below(folder: &Path, file: &Path) -> String {
    match file.strip_prefix(folder) {
        Ok(rest) if rest.file_name().is_some() => rest.to_string_lossy().into_owned(),
        _ => name_of(file),
    }
}

/// Tells records of one name apart: two lists may have one file name, and a file that ends its lines with CR alone has
/// one line. Labels and reviewers find a record by its name.
fn tell_apart<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for name in names {
        let mut number = 2;
        let first = name.clone();
        while !seen.insert(name.clone()) {
            *name = format!("{first} ({number})");
            number += 1;
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads the lists. Blocks.
///
/// # Errors
/// A file that cannot be read at all, or lacks a column.
pub fn read_lists(mapping: &Mapping, reports: &Path, theatre: &Path, studies: Option<&Path>) -> anyhow::Result<Lists> {
    let mut lists = Lists::default();
    let mut files = crate::cli::files(&[reports.to_owned()]);
    files.sort();
    if files.is_empty() {
        bail!("{} holds no file", reports.display());
    }
    for file in files {
        let bytes = read(&file)?;
        let name = name_below(reports, &file);
        let records = if is_hl7(&bytes) {
            mapping.hl7(&name, &String::from_utf8_lossy(&bytes))
        } else {
            mapping.reports(&name, &bytes[..])?
        };
        keep(records, &mut lists.reports, &mut lists.unused);
    }
    let records = mapping.theatre(&name_of(theatre), &read(theatre)?[..])?;
    keep(records, &mut lists.operations, &mut lists.unused);
    let of_reports = lists.reports.iter_mut().map(|report| &mut report.record);
    let of_operations = lists.operations.iter_mut().map(|operation| &mut operation.record);
    tell_apart(of_reports.chain(of_operations));
    if let Some(path) = studies {
        let mut rows = Vec::new();
        let records = mapping.studies(&name_of(path), &read(path)?[..])?;
        keep(records, &mut rows, &mut lists.unused);
        lists.requests = Some(
            rows.into_iter()
                .map(|study| (study.accession, (study.emergency, study.description)))
                .collect(),
        );
    }
    Ok(lists)
}

/// A study's frontal picture: of those that the networks read or would, the one that is most surely frontal.
async fn frontal(
    services: &Services,
    analyser: &Arc<dyn Analyser>,
    study: &StudyDetail,
) -> anyhow::Result<Option<SopUid>> {
    let mut best: Option<((bool, f32), SopUid)> = None;
    for image in &study.images {
        let (status, score) = match &image.reading {
            Some(reading) => (reading.status, reading.frontal.map(|frontal| frontal.score)),
            None => {
                let Some(instance) = services.db.instance(&image.sop_uid).await? else {
                    continue;
                };
                let path = services.storage.instance_path(&instance.sha256);
                let Ok((_, frame)) = services.decoder.decode(&path).await else {
                    continue;
                };
                let analyser = analyser.clone();
                let analysis = tokio::task::spawn_blocking(move || analyser.analyse(&frame)).await?;
                // A frontal pelvis with metal in both hips is set aside as a whole, and is one all the same.
                let frontal = analysis.reason.is_none() && analysis.error.is_none();
                let status = if frontal {
                    ReadingStatus::Analysed
                } else {
                    analysis.status
                };
                (status, analysis.frontal.map(|frontal| frontal.score))
            }
        };
        let hips = image.reading.as_ref().is_none_or(|reading| !reading.hips.is_empty());
        if let Some(score) = score
            && (status == ReadingStatus::Analysed
                || (status == ReadingStatus::Excluded && image.reading.is_some() && hips))
        {
            let rank = (status == ReadingStatus::Analysed, score);
            if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                best = Some((rank, image.sop_uid.clone()));
            }
        }
    }
    Ok(best.map(|(_, sop)| sop))
}

/// A study with a frontal pelvis, as the store has it.
struct Found {
    study: Study,
    study_uid: StudyUid,
    sop_uid: SopUid,
}

/// Takes images, reports and operations in and stores the cohort. `progress` hears stage, done and in all.
///
/// # Errors
/// A name that is taken, lists that cannot be read, shares that are none. Images that are refused do not stop it.
pub async fn import(
    services: &Services,
    analyser: &Arc<dyn Analyser>,
    options: &Options,
    mut progress: impl FnMut(Stage, usize, usize),
) -> anyhow::Result<Summary> {
    crate::backend::check_account_name(&options.name).map_err(|words| anyhow::anyhow!("cohort: {words}"))?;
    crate::backend::check_account_name(options.site.as_str()).map_err(|words| anyhow::anyhow!("site: {words}"))?;
    if services.db.cohorts().await?.iter().any(|row| row.name == options.name) {
        bail!("there is a cohort {} already", options.name);
    }
    let mapping = match &options.mapping {
        Some(path) => Mapping::load(path)?,
        None => Mapping::standard()?,
    };
    let rules = match &options.rules {
        Some(path) => Rules::load(path)?,
        None => Rules::standard()?,
    };
    let mut lists = read_lists(&mapping, &options.reports, &options.theatre, options.studies.as_deref())?;
    let mut summary = Summary {
        emergency_known: lists.requests.is_some(),
        ..Summary::default()
    };
    let mut unused = std::mem::take(&mut lists.unused);

    // Images into the store.
    let files = crate::cli::files(std::slice::from_ref(&options.dicom));
    let mut uids: BTreeSet<StudyUid> = BTreeSet::new();
    let total = files.len();
    for (done, file) in files.into_iter().enumerate() {
        progress(Stage::Images, done, total);
        let name = name_of(&file);
        let shown = file.strip_prefix(&options.dicom).unwrap_or(&file).display().to_string();
        let source = Source {
            door: Door::Import,
            from: String::new(),
            actor: "command line".to_owned(),
            site: options.site.clone(),
            restrict_to_site: false,
            file_name: name,
        };
        let accepted = match tokio::fs::read(&file).await {
            Ok(bytes) => services
                .ingest
                .accept(source, bytes.into())
                .await
                .map_err(|refused| refused.reason),
            Err(error) => Err(error.to_string()),
        };
        match accepted {
            Ok(accepted) => {
                summary.images += 1;
                uids.insert(accepted.study_uid);
            }
            Err(why) => {
                summary.refused += 1;
                unused.push(UnusedRow {
                    kind: "unreadable".to_owned(),
                    record: shown,
                    why,
                });
            }
        }
    }
    progress(Stage::Images, total, total);

    // Studies with a frontal pelvis.
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    // Whatever is known by its accession number: a report that names one is of that study.
    let mut others: BTreeSet<String> = match &lists.requests {
        Some(requests) => requests.keys().cloned().collect(),
        None => BTreeSet::new(),
    };
    let total = uids.len();
    for (done, uid) in uids.into_iter().enumerate() {
        progress(Stage::Pictures, done, total);
        let Some(detail) = services.db.study(&uid).await? else {
            continue;
        };
        let row = &detail.row;
        others.insert(row.accession_number.clone());
        let mut leave = |why: &str| {
            unused.push(UnusedRow {
                kind: "unused".to_owned(),
                record: format!("study {uid}"),
                why: why.to_owned(),
            });
        };
        if row.patient_id.is_empty() {
            leave("no patient ID");
            continue;
        }
        let Some(time) = study_time(&mapping, &row.study_date, &row.study_time) else {
            leave("no date");
            continue;
        };
        // Without an accession number reports find the study by patient and time.
        let accession = if row.accession_number.is_empty() {
            uid.0.clone()
        } else {
            row.accession_number.clone()
        };
        if found.contains_key(&accession) {
            leave("its accession number is another study's too");
            continue;
        }
        let Some(sop_uid) = frontal(services, analyser, &detail).await? else {
            leave("no frontal pelvis among its images");
            continue;
        };
        let (emergency, asked) = lists
            .requests
            .as_ref()
            .and_then(|requests| requests.get(&accession).cloned())
            .unwrap_or_default();
        let study = Study {
            patient_id: row.patient_id.clone(),
            accession: accession.clone(),
            time,
            emergency,
            description: if asked.is_empty() {
                row.description.clone()
            } else {
                asked
            },
        };
        found.insert(
            accession,
            Found {
                study,
                study_uid: uid,
                sop_uid,
            },
        );
    }
    progress(Stage::Pictures, total, total);
    if found.is_empty() {
        bail!("no study with a frontal pelvis in {}", options.dicom.display());
    }

    let studies: Vec<Study> = found.values().map(|found| found.study.clone()).collect();
    let labelled = label_among(
        &rules,
        &studies,
        &others,
        &lists.reports,
        &lists.operations,
        &Settings::default(),
    );
    for (kind, rows) in [("unlinked", &labelled.unlinked), ("unused", &labelled.unused)] {
        unused.extend(rows.iter().map(|row| UnusedRow {
            kind: kind.to_owned(),
            record: row.record.clone(),
            why: row.why.clone(),
        }));
    }
    let mut hips = labelled.hips;
    let told = emergency_by_reports(&lists.reports, &labelled.reports);
    summary.emergency_known |= !told.is_empty();
    for hip in &mut hips {
        let asked = lists.requests.as_ref();
        let in_table = asked.is_some_and(|requests| requests.contains_key(&hip.key.accession));
        if !in_table {
            hip.emergency = told.get(&hip.key.accession).copied().unwrap_or(false);
        }
    }
    let sets = split(&hips, options.shares, options.seed, &BTreeMap::new())?;
    assign(&mut hips, &sets);
    let new_hips: Vec<db::NewHip> = hips
        .into_iter()
        .map(|hip| {
            let of = found.get(&hip.key.accession);
            stored(
                hip,
                of.map(|of| (of.study_uid.clone(), of.sop_uid.clone())),
                of.map_or_else(String::new, |of| of.study.description.clone()),
            )
        })
        .collect();
    for hip in &new_hips {
        *summary.sets.entry(hip.set).or_default() += 1;
    }
    summary.studies = found.len();
    summary.hips = new_hips.len();
    let imported = db::Imported {
        hips: new_hips,
        records: records(&lists.reports, &lists.operations, &labelled.reports),
        unused: unused.clone(),
    };
    let new = db::NewCohort {
        name: options.name.clone(),
        seed: options.seed,
        review: options.review,
        import: json!({
            "validation": options.shares.validation,
            "test": options.shares.test,
            "rules": options.rules.as_ref().map_or_else(|| "standard".to_owned(), |path| name_of(path)),
            "mapping": options.mapping.as_ref().map_or_else(|| "standard".to_owned(), |path| name_of(path)),
            "networks": analyser.model().sha256,
        })
        .to_string(),
        at: clock::now(),
    };
    services.db.create_cohort(new, imported).await?;
    services.db.optimize().await?;
    summary.unused = unused;
    Ok(summary)
}

/// By accession number, whether the emergency department asked, as far as the linked reports tell.
fn emergency_by_reports(reports: &[Report], linked: &[(String, String)]) -> BTreeMap<String, bool> {
    let of: BTreeMap<&str, bool> = reports
        .iter()
        .filter_map(|report| Some((report.record.as_str(), report.emergency?)))
        .collect();
    let mut out: BTreeMap<String, bool> = BTreeMap::new();
    for (record, accession) in linked {
        if let Some(emergency) = of.get(record.as_str()) {
            // An addendum is often written when the patient lies on a ward.
            *out.entry(accession.clone()).or_default() |= emergency;
        }
    }
    out
}

/// A hip with its first label as the database takes it.
pub fn stored(hip: Hip, images: Option<(StudyUid, SopUid)>, description: String) -> db::NewHip {
    let (study_uid, sop_uid) = images.unzip();
    db::NewHip {
        key: hip.key,
        patient_id: hip.patient_id,
        study_uid,
        sop_uid,
        time: iso(hip.time),
        emergency: hip.emergency,
        description,
        set: hip.set.unwrap_or(Set::Training),
        label: hip.label,
        basis: hip.basis,
        reason: hip.reason,
        doubtful: hip.doubtful,
        conflict: hip.conflict,
        sources: hip.sources,
    }
}

/// Reports that were linked, and every operation: what a reviewer may read beside a hip.
pub fn records(reports: &[Report], operations: &[Operation], linked: &[(String, String)]) -> Vec<db::NewRecord> {
    let time = |time: Option<Moment>| match time {
        Some(moment) if moment.day_only => iso(moment.at).chars().take(10).collect(),
        Some(moment) => iso(moment.at).replace('T', " "),
        None => String::new(),
    };
    let of: BTreeMap<&str, &str> = linked
        .iter()
        .map(|(record, study)| (record.as_str(), study.as_str()))
        .collect();
    let reports = reports.iter().filter_map(|report| {
        Some(db::NewRecord {
            kind: "report",
            record: report.record.clone(),
            accession: (*of.get(report.record.as_str())?).to_owned(),
            patient_id: report.patient_id.clone(),
            time: time(report.time),
            text: report.text.clone(),
        })
    });
    let operations = operations.iter().map(|operation| {
        // The procedure stands first: evidence counts its bytes.
        let mut text = operation.procedure.clone();
        for (name, value) in [
            ("side", &operation.side),
            ("code", &operation.code),
            ("status", &operation.status),
        ] {
            if !value.is_empty() {
                text.push_str(&format!("\n{name}: {value}"));
            }
        }
        db::NewRecord {
            kind: "operation",
            record: operation.record.clone(),
            accession: String::new(),
            patient_id: operation.patient_id.clone(),
            time: time(Some(operation.time)),
            text,
        }
    });
    reports.chain(operations).collect()
}

/// Study Date and Time as one moment; the day alone where the time is none.
fn study_time(mapping: &Mapping, date: &str, time: &str) -> Option<Moment> {
    let digits: String = time.chars().take_while(char::is_ascii_digit).take(6).collect();
    mapping.time(&format!("{date}{digits}")).or_else(|| mapping.time(date))
}

#[cfg(test)]
mod tests {
    use cohort::link::label;

    use super::*;

    #[test]
    fn hl7_is_told_from_a_table() {
        assert!(is_hl7(b"MSH|^~\\&|RIS|H|"));
        assert!(is_hl7(b"\x0bMSH|^~\\&|"));
        assert!(is_hl7(b"FHS|^~\\&|"));
        assert!(!is_hl7(b"accession_number,text\nMSH|,"));
        assert!(!is_hl7(b""));
    }

    /// Each report's record, and the study and text that stand under that name for a reviewer.
    fn shown(lists: &Lists, accessions: &[&str]) -> Vec<(String, String, String)> {
        let studies: Vec<Study> = accessions
            .iter()
            .map(|accession| Study {
                patient_id: "H1".to_owned(),
                accession: (*accession).to_owned(),
                time: Mapping::standard().unwrap().time("2024-09-11T10:00:00").unwrap(),
                emergency: false,
                description: String::new(),
            })
            .collect();
        let rules = Rules::standard().unwrap();
        let settings = Settings::default();
        let labelled = label(&rules, &studies, &lists.reports, &lists.operations, &settings);
        records(&lists.reports, &lists.operations, &labelled.reports)
            .into_iter()
            .filter(|record| record.kind == "report")
            .map(|record| (record.record, record.accession, record.text))
            .collect()
    }

    const THEATRE: &str = "patient,date,procedure\nH9,11/09/2024,DHS left\n";

    #[test]
    fn reports_of_one_message_stay_with_their_studies() {
        let folder = tempfile::tempdir().unwrap();
        let (reports, theatre) = (folder.path().join("r.hl7"), folder.path().join("t.csv"));
        let text = "MSH|^~\\&|RIS|H|S|H|20240911153000||ORU^R01|1|P|2.5.1\rPID|1||H1\r\
                    OBR|1||A1\rOBX|1|TX|||No fracture.\rOBR|2||A2\rOBX|1|TX|||Fracture of the left neck of femur.\r";
        std::fs::write(&reports, text).unwrap();
        std::fs::write(&theatre, THEATRE).unwrap();
        let lists = read_lists(&Mapping::standard().unwrap(), &reports, &theatre, None).unwrap();
        let of = |record: &str, accession: &str, text: &str| (record.to_owned(), accession.to_owned(), text.to_owned());
        assert_eq!(
            shown(&lists, &["A1", "A2"]),
            [
                of("r.hl7 line 3", "A1", "No fracture."),
                of("r.hl7 line 5", "A2", "Fracture of the left neck of femur."),
            ]
        );
    }

    #[test]
    fn files_of_one_name_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (reports, theatre) = (folder.path().join("reports"), folder.path().join("t.csv"));
        for (year, accession) in [("2019", "A1"), ("2020", "A2")] {
            std::fs::create_dir_all(reports.join(year)).unwrap();
            let text = format!("accession_number,patient_id,text\n{accession},H1,Of {year}: no fracture.\n");
            std::fs::write(reports.join(year).join("r.csv"), text).unwrap();
        }
        std::fs::write(&theatre, THEATRE).unwrap();
        let lists = read_lists(&Mapping::standard().unwrap(), &reports, &theatre, None).unwrap();
        let of = |record: &str, accession: &str, text: &str| (record.to_owned(), accession.to_owned(), text.to_owned());
        let found: Vec<_> = shown(&lists, &["A1", "A2"])
            .into_iter()
            .map(|(record, accession, text)| (record.replace('\\', "/"), accession, text))
            .collect();
        assert_eq!(
            found,
            [
                of("2019/r.csv line 2", "A1", "Of 2019: no fracture."),
                of("2020/r.csv line 2", "A2", "Of 2020: no fracture."),
            ]
        );
    }

    #[test]
    fn no_two_records_have_one_name() {
        let mut names = ["a", "a", "a (2)", "b", "a"].map(str::to_owned);
        tell_apart(names.iter_mut());
        assert_eq!(names, ["a", "a (2)", "a (2) (2)", "b", "a (3)"]);
    }

    #[test]
    fn reports_tell_who_asked() {
        let report = |record: &str, emergency| Report {
            record: record.to_owned(),
            accession: String::new(),
            patient_id: "H1".to_owned(),
            time: None,
            status: String::new(),
            emergency,
            text: "No fracture.".to_owned(),
        };
        let reports = [
            report("r 1", Some(true)),
            report("r 2", Some(false)),
            report("r 3", Some(false)),
            report("r 4", None),
            report("r 5", Some(true)),
        ];
        let linked = [("r 1", "A1"), ("r 2", "A1"), ("r 3", "A2"), ("r 4", "A3")];
        let linked = linked.map(|(record, accession)| (record.to_owned(), accession.to_owned()));
        let told: Vec<(String, bool)> = emergency_by_reports(&reports, &linked).into_iter().collect();
        assert_eq!(told, [("A1".to_owned(), true), ("A2".to_owned(), false)]);
    }

    #[test]
    fn a_study_has_its_time_or_its_day() {
        let mapping = Mapping::standard().unwrap();
        let time =
            |date: &str, time: &str| study_time(&mapping, date, time).map(|moment| (iso(moment.at), moment.day_only));
        assert_eq!(
            time("20240911", "153000.123"),
            Some(("2024-09-11T15:30:00".to_owned(), false))
        );
        assert_eq!(time("20240911", ""), Some(("2024-09-11T00:00:00".to_owned(), true)));
        assert_eq!(time("", "1530"), None);
    }
}
