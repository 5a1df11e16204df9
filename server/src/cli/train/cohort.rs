//! A cohort for training and evaluation: the folder of `shenton simulate archive`, that of `shenton cohort export`, or a
//! table of hips beside DICOM files.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use domain::Side;
use pipeline::train::{Cohort, CohortHip, CohortImage, HipLabel, Set};

use crate::cli::import::files;
use crate::decoder::Decoder;

/// A table with a header; columns come in any order, and those that nobody asks for are passed over.
struct Table {
    path: PathBuf,
    columns: HashMap<String, usize>,
    rows: Vec<(u64, csv::StringRecord)>,
}

impl Table {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .with_context(name)?;
        let columns = reader
            .headers()
            .with_context(name)?
            .iter()
            .enumerate()
            .map(|(i, name)| (name.trim_start_matches('\u{feff}').to_lowercase(), i))
            .collect();
        let rows = reader
            .records()
            .map(|row| {
                let row = row.with_context(name)?;
                Ok((row.position().map_or(0, csv::Position::line), row))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            path: path.to_owned(),
            columns,
            rows,
        })
    }

    fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// A cell; `None` where the column is missing or the cell is empty.
    fn cell<'a>(&self, row: &'a csv::StringRecord, column: &str) -> Option<&'a str> {
        row.get(*self.columns.get(column)?).filter(|cell| !cell.is_empty())
    }

    fn at(&self, line: u64) -> String {
        format!("{}, line {line}", self.path.display())
    }
}

/// Reads a cohort from `path`: an archive folder with truth.csv, or a table of hips whose files lie under `images`; of a
/// folder that `shenton cohort export` wrote, its hips.csv.
pub fn read(
    path: &Path,
    images: Option<&Path>,
    find: &dyn Fn(&Path) -> anyhow::Result<Uids>,
) -> anyhow::Result<Cohort> {
    let exported = path.join("hips.csv");
    if path.is_dir() && !path.join("truth.csv").is_file() && exported.is_file() {
        return of_table(&Table::read(&exported)?, images.unwrap_or(path), find);
    }
    if path.is_dir() {
        ensure!(
            path.join("truth.csv").is_file(),
            "{} holds neither truth.csv nor hips.csv: --cohort takes the folder of `shenton simulate archive` or of \
             `shenton cohort export`, or a table of hips",
            path.display()
        );
        let mut cohort = of_table(&Table::read(&path.join("truth.csv"))?, images.unwrap_or(path), find)?;
        // What shows no hip is in images.csv alone; the frontal gate learns from it.
        let all = path.join("images.csv");
        if all.is_file() {
            let others = of_table(&Table::read(&all)?, images.unwrap_or(path), find)?;
            let known: std::collections::BTreeSet<PathBuf> = cohort.images.iter().map(|i| i.file.clone()).collect();
            let new = others.images.into_iter().filter(|i| !known.contains(&i.file));
            cohort.images.extend(new);
        }
        cohort.simulated = path.join("archive.json").is_file();
        cohort.name = if cohort.simulated {
            "a simulated hospital's archive".to_owned()
        } else {
            "an archive with its truth".to_owned()
        };
        return Ok(cohort);
    }
    let folder = images.or(path.parent()).unwrap_or(Path::new("."));
    of_table(&Table::read(path)?, folder, find)
}

/// Files of a folder by SOP instance UID.
pub type Uids = BTreeMap<String, PathBuf>;

/// Reads the UIDs of every DICOM file of a folder, in the decoder's child processes; what is no DICOM file is passed
/// over.
pub fn uids(folder: &Path, decoder: &Decoder) -> anyhow::Result<Uids> {
    use futures::StreamExt;
    let reading = futures::stream::iter(files(&[folder.to_owned()]))
        .map(|file| async move {
            let found = decoder.metadata(&file).await.ok()?;
            Some((found.sop_uid, file))
        })
        .buffer_unordered(8)
        .filter_map(|found| async { found })
        .collect::<Uids>();
    Ok(tokio::runtime::Handle::try_current()?.block_on(reading))
}

fn of_table(table: &Table, folder: &Path, find: &dyn Fn(&Path) -> anyhow::Result<Uids>) -> anyhow::Result<Cohort> {
    let path = table.path.display();
    ensure!(
        table.has("file") || table.has("sop_uid"),
        "{path} needs a column file or sop_uid"
    );
    let labelled = ["label", "location", "metal"].iter().any(|c| table.has(c));
    ensure!(
        (labelled && table.has("side")) || table.has("view"),
        "{path} needs the columns side and label, or a column view"
    );
    let by_uid = if table.has("file") { Uids::new() } else { find(folder)? };
    let known_emergency = table.has("department") || table.has("emergency");
    let mut images: BTreeMap<PathBuf, CohortImage> = BTreeMap::new();
    let mut missing = 0;
    for (line, row) in &table.rows {
        let at = || table.at(*line);
        let file = match (table.cell(row, "file"), table.cell(row, "sop_uid")) {
            (Some(file), _) => folder.join(file),
            (None, Some(uid)) if !table.has("file") => match by_uid.get(uid) {
                Some(file) => file.clone(),
                None => {
                    missing += 1;
                    continue;
                }
            },
            _ => bail!("{}: neither file nor sop_uid", at()),
        };
        let patient = ["patient_id", "study_uid", "accession_number", "sop_uid", "file"]
            .iter()
            .find_map(|column| table.cell(row, column))
            .unwrap_or_default();
        let emergency = match (table.cell(row, "emergency"), table.cell(row, "department")) {
            (Some(flag), _) => yes("emergency", flag).with_context(at)?,
            (None, Some(department)) => department.eq_ignore_ascii_case("emergency"),
            (None, None) => !known_emergency,
        };
        let frontal = table.cell(row, "view").map(|view| view == "frontal_pelvis");
        let set = match table.cell(row, "split").or_else(|| table.cell(row, "set")) {
            None => None,
            Some(text) => Some(set(text).with_context(at)?),
        };
        let image = images.entry(file.clone()).or_insert_with(|| CohortImage {
            file,
            patient: patient.to_owned(),
            emergency,
            frontal,
            hips: Vec::new(),
            set,
        });
        ensure!(
            image.patient == patient && image.set == set,
            "{}: another patient or split than an earlier line of the same picture",
            at()
        );
        if !labelled {
            continue;
        }
        let hip = hip(table, row).with_context(at)?;
        ensure!(
            image.hips.iter().all(|other| other.side != hip.side),
            "{}: the {} hip of this picture stands twice",
            at(),
            hip.side.as_str()
        );
        image.hips.push(hip);
    }
    ensure!(
        !images.is_empty(),
        "{path} names no picture that is under {}",
        folder.display()
    );
    if missing > 0 {
        eprintln!(
            "{missing} lines of {path} name pictures that are not under {}",
            folder.display()
        );
    }
    let unknown = if known_emergency { "" } else { ", department unknown" };
    Ok(Cohort {
        images: images.into_values().collect(),
        name: format!(
            "cohort {}{unknown}",
            table.path.file_name().unwrap_or_default().to_string_lossy()
        ),
        simulated: false,
    })
}

fn hip(table: &Table, row: &csv::StringRecord) -> anyhow::Result<CohortHip> {
    let side = match table.cell(row, "side").unwrap_or_default().to_lowercase().as_str() {
        "right" | "r" => Side::Right,
        "left" | "l" => Side::Left,
        other => bail!("side \"{other}\" is neither right nor left"),
    };
    let (label, metal) = match table.cell(row, "label") {
        Some(text) => {
            let (label, metal) = label(text)?;
            let told = table.cell(row, "metal").map(|text| yes("metal", text)).transpose()?;
            (label, metal || (label == HipLabel::Excluded && told == Some(true)))
        }
        None if table.has("label") => bail!("no label"),
        // The truth of a simulated archive.
        None => {
            let location = table.cell(row, "location").map(label).transpose()?;
            (
                location.map_or(HipLabel::None, |(label, _)| label),
                table.cell(row, "metal").is_some(),
            )
        }
    };
    let edges = ["x0", "y0", "x1", "y1"].map(|column| table.cell(row, column));
    let femur_box = match edges {
        [Some(x0), Some(y0), Some(x1), Some(y1)] => {
            let mut found = [0.0_f32; 4];
            for (to, text) in found.iter_mut().zip([x0, y0, x1, y1]) {
                *to = text
                    .parse()
                    .ok()
                    .filter(|v: &f32| v.is_finite())
                    .with_context(|| format!("\"{text}\" is no place in a picture"))?;
            }
            Some(found)
        }
        _ => None,
    };
    let human = match table.cell(row, "human_call").map(str::to_lowercase).as_deref() {
        None => None,
        Some("fracture") => Some(true),
        Some("none") => Some(false),
        Some(other) => bail!("human_call \"{other}\" is neither fracture nor none"),
    };
    Ok(CohortHip {
        side,
        label,
        metal,
        femur_box,
        human,
    })
}

/// The label, and whether the hip holds metal.
fn label(text: &str) -> anyhow::Result<(HipLabel, bool)> {
    Ok(match text.to_lowercase().as_str() {
        "none" => (HipLabel::None, false),
        "intracapsular" | "fracture_intracapsular" => (HipLabel::FractureIntracapsular, false),
        "extracapsular" | "fracture_extracapsular" => (HipLabel::FractureExtracapsular, false),
        "fracture" => (HipLabel::Fracture, false),
        "metal" => (HipLabel::Excluded, true),
        "exclude" | "excluded" => (HipLabel::Excluded, false),
        "unknown" => (HipLabel::Unknown, false),
        other => {
            bail!("label \"{other}\" is none of none, intracapsular, extracapsular, fracture, metal, exclude, unknown")
        }
    })
}

fn set(text: &str) -> anyhow::Result<Set> {
    Ok(match text.to_lowercase().as_str() {
        "train" | "training" => Set::Training,
        "validation" => Set::Validation,
        "test" => Set::Test,
        "left_out" => Set::LeftOut,
        other => bail!("split \"{other}\" is none of train, validation, test, left_out"),
    })
}

fn yes(column: &str, text: &str) -> anyhow::Result<bool> {
    Ok(match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => true,
        "false" | "no" | "0" => false,
        other => bail!("{column} \"{other}\" is neither true nor false"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Cohort> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("hips.csv");
        std::fs::write(&path, text)?;
        let uids = |_: &Path| Ok(Uids::from([("1.2.3".to_owned(), PathBuf::from("found.dcm"))]));
        read(&path, Some(Path::new("films")), &uids)
    }

    fn refused(text: &str, words: &str) {
        let error = format!("{:#}", parse(text).unwrap_err());
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn a_table_by_file() {
        let cohort = parse(
            "file,patient_id,side,label,split,department\n\
             a.dcm,p,right,none,train,emergency\na.dcm,p,left,extracapsular,train,emergency\n\
             b.dcm,q,L,metal,test,inpatient\n",
        )
        .unwrap();
        assert_eq!(cohort.images.len(), 2);
        let [a, b] = &cohort.images[..] else { panic!() };
        assert_eq!(a.file, Path::new("films/a.dcm"));
        assert_eq!(a.hips[1].label, HipLabel::FractureExtracapsular);
        assert!((a.emergency, b.emergency) == (true, false) && b.hips[0].metal);
        assert_eq!((a.set, b.set), (Some(Set::Training), Some(Set::Test)));
        assert!(!cohort.simulated);
    }

    #[test]
    fn a_table_by_uid_leaves_out_what_is_not_there() {
        let cohort = parse("study_uid,sop_uid,side,split,label\n9,1.2.3,right,,none\n9,1.2.4,right,,none\n").unwrap();
        assert_eq!(cohort.images.len(), 1);
        assert_eq!(cohort.images[0].file, Path::new("found.dcm"));
        assert_eq!((cohort.images[0].patient.as_str(), cohort.images[0].set), ("9", None));
        assert!(cohort.name.contains("department unknown"));
    }

    #[test]
    fn the_folder_of_an_export() {
        let dir = tempfile::tempdir().unwrap();
        let uids = |_: &Path| Ok(Uids::from([("1.2.3".to_owned(), PathBuf::from("found.dcm"))]));
        let refused = read(dir.path(), None, &uids).unwrap_err().to_string();
        assert!(refused.contains("neither truth.csv nor hips.csv"), "{refused}");
        let table = "accession_number,side,patient_id,emergency,label,set,sop_uid,human_call,metal\n\
                     A1,right,p,true,fracture_intracapsular,test,1.2.3,none,false\n\
                     A1,left,p,true,excluded,test,1.2.3,,true\n";
        std::fs::write(dir.path().join("hips.csv"), table).unwrap();
        let cohort = read(dir.path(), None, &uids).unwrap();
        let [image] = &cohort.images[..] else {
            panic!("{cohort:?}")
        };
        assert_eq!((image.set, image.emergency), (Some(Set::Test), true));
        assert_eq!(image.file, Path::new("found.dcm"));
        let calls: Vec<Option<bool>> = image.hips.iter().map(|hip| hip.human).collect();
        assert_eq!(calls, [Some(false), None]);
        let metal: Vec<bool> = image.hips.iter().map(|hip| hip.metal).collect();
        assert_eq!(metal, [false, true]);
        std::fs::write(dir.path().join("hips.csv"), table.replace(",,true", ",,maybe")).unwrap();
        let refused = format!("{:#}", read(dir.path(), None, &uids).unwrap_err());
        assert!(refused.contains("metal \"maybe\""), "{refused}");
    }

    #[test]
    fn the_truth_of_an_archive() {
        let cohort = parse(
            "file,patient_id,view,side,fracture,location,metal,x0,y0,x1,y1,department\n\
             a.dcm,p,frontal_pelvis,right,garden_i,intracapsular,,1,2,3,4,emergency\n\
             a.dcm,p,frontal_pelvis,left,,,nail,5,6,7,8,emergency\n",
        )
        .unwrap();
        let [right, left] = &cohort.images[0].hips[..] else {
            panic!()
        };
        assert_eq!((right.label, right.metal), (HipLabel::FractureIntracapsular, false));
        assert_eq!((left.label, left.metal), (HipLabel::None, true));
        assert_eq!(right.femur_box, Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(cohort.images[0].frontal, Some(true));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        refused("side,label\nright,none\n", "column file or sop_uid");
        refused("file,side\na,right\n", "side and label");
        refused("file,side,label\na,up,none\n", "line 2");
        refused("file,side,label\na,right,none\na,left,broken\n", "line 3");
        refused("file,side,label\na,right,none\na,right,none\n", "stands twice");
        refused("file,side,label\na,right,\n", "no label");
        refused("file,side,label,split\na,right,none,exam\n", "split \"exam\"");
        refused("sop_uid,side,label\n9.9,right,none\n", "no picture");
        refused(
            "file,side,label,human_call\na,right,none,perhaps\n",
            "human_call \"perhaps\"",
        );
        refused("file,side,label,x0,y0,x1,y1\na,right,none,1,2,3,x\n", "no place");
    }
}
