//! One hospital: patients, attendances, films, reports and theatre list of a simulated decade.
//!
//! A pure function of [`ArchiveConfig`], the number of patients and a seed. Patient `n` is the same in an archive of
//! any size, and whatever thread makes it. Nobody in it is real: names and ids say SIMULATED.

mod config;
mod course;
mod film;
mod phrases;
mod report;
mod scanner;
mod theatre;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use time::{Date, PrimitiveDateTime};

use crate::{Case, FractureKind, MetalKind, Request, Sex, Side, View};
use course::{Course, Reason, Visit};

pub use config::{ArchiveConfig, ArchiveError};
pub use report::{ReportClass, sample};
pub use scanner::Scanner;

/// Where a film was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Department {
    Emergency,
    Outpatient,
    Inpatient,
}

impl Department {
    pub const ALL: [Department; 3] = [Department::Emergency, Department::Outpatient, Department::Inpatient];

    pub fn name(self) -> &'static str {
        match self {
            Department::Emergency => "emergency",
            Department::Outpatient => "outpatient",
            Department::Inpatient => "inpatient",
        }
    }
}

/// An acute fracture that a film is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injury {
    pub kind: FractureKind,
    /// The frontal film does not show it.
    pub occult: bool,
}

/// One hip at the time of a film.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HipState {
    pub injury: Option<Injury>,
    pub metal: Option<MetalKind>,
}

/// A patient and everything that the hospital keeps of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PatientPlan {
    /// From 0.
    pub number: u32,
    /// Patient ID: `SIMULATED-0000001`.
    pub id: String,
    /// Patient's Name as DICOM writes it.
    pub name: String,
    pub sex: Sex,
    pub birth: Date,
    /// The department of the first attendance; prevalence is set by it.
    pub department: Department,
    /// In order of time.
    pub studies: Vec<StudyPlan>,
    pub theatre: Vec<TheatreRow>,
}

/// One study: its films and its report.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyPlan {
    /// From 0 within the patient.
    pub number: u32,
    /// Unique within the archive, at most 16 characters.
    pub accession: String,
    pub when: PrimitiveDateTime,
    pub department: Department,
    /// Index into [`ArchiveConfig::scanners`].
    pub scanner: usize,
    /// Full years.
    pub age: u32,
    /// Study Description.
    pub description: String,
    /// Right, left.
    pub hips: [HipState; 2],
    /// One to five.
    pub images: Vec<ImagePlan>,
    /// `None`: never reported.
    pub report: Option<Report>,
    /// The theatre list states an operation for this study's fracture plainly, or invents one.
    pub in_theatre: bool,
}

impl StudyPlan {
    /// Whether a hip has an acute fracture, seen or not.
    pub fn fracture(&self) -> bool {
        self.hips.iter().any(|hip| hip.injury.is_some())
    }

    /// Whether report or theatre list state a fracture plainly: what a perfect reader of the records would label.
    pub fn recorded(&self) -> bool {
        self.in_theatre
            || self
                .report
                .as_ref()
                .is_some_and(|r| r.class.states_fracture() || r.confirmed_later)
    }

    /// Index of the first frontal pelvis among the images.
    pub fn frontal(&self) -> Option<usize> {
        self.images.iter().position(|image| image.view == View::FrontalPelvis)
    }
}

/// One film: what to draw, and what its header says.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePlan {
    /// Instance Number, from 1.
    pub number: u32,
    pub view: View,
    /// The side of a view of one hip or knee.
    pub side: Option<Side>,
    pub request: Request,
    pub seed: u64,
    /// Series Description.
    pub description: String,
    /// Body Part Examined, View Position: as the header has them, wrong or empty ones too.
    pub body_part: &'static str,
    pub view_position: &'static str,
    /// Whether the header gives a pixel spacing.
    pub spacing: bool,
}

/// A radiology report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub time: PrimitiveDateTime,
    /// `final` or `corrected`.
    pub status: &'static str,
    pub text: String,
    /// What it says in the main, of which hip.
    pub class: ReportClass,
    pub side: Side,
    /// It names the other side.
    pub wrong_side: bool,
    /// It states a fracture that is not there.
    pub invented: bool,
    /// Its addendum names a fracture that the report left open.
    pub confirmed_later: bool,
}

/// A row of the theatre list.
#[derive(Clone, Debug, PartialEq)]
pub struct TheatreRow {
    pub patient_id: String,
    pub time: PrimitiveDateTime,
    pub procedure: String,
    /// As typed: `right`, `L`, empty ...
    pub side: String,
    /// OPCS-4, often empty.
    pub code: String,
    /// `done` or `cancelled`.
    pub status: &'static str,
}

/// The hospital.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    config: ArchiveConfig,
    patients: u32,
    seed: u64,
}

/// More would not fit the digits of an accession number.
const MOST_PATIENTS: u32 = 9_999_999;

impl Archive {
    /// Checks the configuration; makes nothing yet.
    ///
    /// # Errors
    /// The configuration makes no hospital, or there are more than 9,999,999 patients.
    pub fn new(config: ArchiveConfig, patients: u32, seed: u64) -> Result<Archive, ArchiveError> {
        config.check()?;
        if patients > MOST_PATIENTS {
            return Err(ArchiveError::Patients { most: MOST_PATIENTS });
        }
        Ok(Archive { config, patients, seed })
    }

    pub fn config(&self) -> &ArchiveConfig {
        &self.config
    }

    pub fn patients(&self) -> u32 {
        self.patients
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = PatientPlan> {
        (0..self.patients).map(|number| self.patient(number))
    }

    /// The patient of a number; those beyond the archive's size are plans too.
    pub fn patient(&self, number: u32) -> PatientPlan {
        let mut rng = ChaCha12Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(number) + 1);
        let rng = &mut rng;
        let mut course = self.course(rng);
        let id = format!("SIMULATED-{:07}", number + 1);
        let mut studies: Vec<StudyPlan> = course
            .visits
            .iter()
            .zip(0..)
            .map(|(visit, n)| self.study(&course, visit, number, n, rng))
            .collect();
        let frontals: Vec<Option<Case>> = studies
            .iter()
            .map(|s| s.frontal().map(|at| self.case(&s.images[at])))
            .collect();

        let mut theatre_invented = Vec::new();
        for ((study, visit), frontal) in studies.iter_mut().zip(&course.visits).zip(&frontals) {
            let truth = frontal.as_ref().map(Case::truth);
            let injury = visit.hips[visit.side as usize].injury;
            let content = match (visit.episode.map(|e| &course.episodes[e]), injury) {
                (Some(episode), Some(injury)) => {
                    let lateral = study.images.iter().any(|image| image.view == View::LateralHip);
                    report::of_fracture(episode, injury.kind, truth, lateral, rng)
                }
                _ => {
                    let invented = rng.random_bool(self.config.invented);
                    if invented && rng.random_bool(0.2) {
                        theatre_invented.push(theatre::invented(visit.when, visit.side, &self.config, &id, rng));
                        study.in_theatre = true;
                        report::of_no_fracture(&self.config, visit, truth, false, rng)
                    } else {
                        report::of_no_fracture(&self.config, visit, truth, invented, rng)
                    }
                }
            };
            study.report = content.map(|content| {
                let chest = study.images.iter().any(|image| image.view == View::Chest);
                report::write(&self.config, visit, &content, truth, chest, rng)
            });
        }

        // A recorded fracture stands plainly in one of the two lists at least; an unrecorded one in neither.
        let mut stated = vec![true; course.operations.len()];
        for (index, episode) in course.episodes.iter().enumerate() {
            let of_episode: Vec<usize> = (0..studies.len())
                .filter(|at| course.visits[*at].episode == Some(index))
                .collect();
            let plain = |study: &StudyPlan| study.report.as_ref().is_some_and(|r| r.class.states_fracture());
            let all_plain = of_episode.iter().all(|at| plain(&studies[*at]));
            let listed = !episode.unrecorded && (!all_plain || rng.random_bool(0.85));
            if let Some(operation) = episode.operation {
                stated[operation] = listed;
            }
            for at in of_episode {
                studies[at].in_theatre = listed && episode.operation.is_some();
                if !episode.unrecorded && !studies[at].recorded() {
                    // No operation: a later scan settles it.
                    let injury = course.visits[at].hips[episode.side as usize].injury;
                    let kind = injury.map_or(FractureKind::GardenII, |injury| injury.kind);
                    let content = report::Content {
                        class: ReportClass::Equivocal,
                        side: episode.side,
                        kind,
                        invented: false,
                        confirmed_later: true,
                    };
                    let truth = frontals[at].as_ref().map(Case::truth);
                    studies[at].report = Some(report::write(
                        &self.config,
                        &course.visits[at],
                        &content,
                        truth,
                        false,
                        rng,
                    ));
                }
            }
        }
        let mut theatre = theatre::rows(&self.config, &course, &stated, &id, rng);
        theatre.append(&mut theatre_invented);
        theatre.sort_by_key(|row| row.time);
        course.operations.clear();
        PatientPlan {
            number,
            name: format!("SIMULATED^PATIENT {:07}", number + 1),
            id,
            sex: course.sex,
            birth: course.birth,
            department: course.department,
            studies,
            theatre,
        }
    }

    /// Draws a film of this archive.
    pub fn case(&self, image: &ImagePlan) -> Case {
        Case::draw(&self.config.pictures, &image.request, image.seed)
    }

    /// Words that name a study or an image and nothing else, also in other archives: for making UIDs.
    pub fn key(&self, patient: &PatientPlan, study: &StudyPlan, image: Option<&ImagePlan>) -> String {
        let image = image.map_or_else(|| "study".to_owned(), |image| image.number.to_string());
        format!(
            "{} {} {} {} {image}",
            self.seed, self.config.confounding, patient.number, study.accession
        )
    }

    fn study(&self, course: &Course, visit: &Visit, patient: u32, number: u32, rng: &mut impl Rng) -> StudyPlan {
        let fracture = visit.hips.iter().any(|hip| hip.injury.is_some());
        let (link, room) = course::scanner_link(&self.config, fracture, visit.department, rng);
        let scanner = scanner::choose(&self.config.scanners, visit.when.year(), room, link, rng);
        let age = age(course.birth, visit.when.date());
        let setting = film::Setting {
            config: &self.config,
            scanner: &self.config.scanners[scanner],
            sex: course.sex,
            age,
            body: course.body,
        };
        let images = views(&self.config, visit, age, rng)
            .into_iter()
            .zip(1..)
            .map(|(shown, number)| image(&setting, visit, shown, number, rng))
            .collect();
        let (year, month, day) = (visit.when.year() % 100, u8::from(visit.when.month()), visit.when.day());
        let patient = patient + 1;
        let accession = match visit.department {
            Department::Emergency => format!("E{year:02}{month:02}{day:02}-{patient:07}{number}"),
            Department::Outpatient => format!("RXA{year:02}{patient:07}{number}"),
            Department::Inpatient => format!("{}{patient:07}{number:02}", 10 + year),
        };
        StudyPlan {
            number,
            accession,
            when: visit.when,
            department: visit.department,
            scanner,
            age,
            description: description(visit, rng),
            hips: visit.hips,
            images,
            report: None,
            in_theatre: false,
        }
    }
}

/// One film of a study and its header.
fn image(
    setting: &film::Setting,
    visit: &Visit,
    (view, side): (View, Option<Side>),
    number: u32,
    rng: &mut impl Rng,
) -> ImagePlan {
    let (config, age) = (setting.config, setting.age);
    let (right_part, position): (&str, &str) = match view {
        View::FrontalPelvis => ("PELVIS", "AP"),
        View::LateralHip => (
            "HIP",
            [
                "LATERAL",
                "LAT",
                "AXIAL",
                if side == Some(Side::Right) { "RL" } else { "LL" },
            ][rng.random_range(0..4)],
        ),
        View::SingleHip => ("HIP", "AP"),
        View::Chest => ("CHEST", if age > 60 { "AP" } else { "PA" }),
        View::LumbarSpine => ("LSPINE", "LL"),
        View::Knee => ("KNEE", "AP"),
        View::Abdomen => ("ABDOMEN", "AP"),
    };
    let body_part = if rng.random_bool(config.no_body_part) {
        ""
    } else if rng.random_bool(config.wrong_body_part) {
        ["ABDOMEN", "EXTREMITY", "FEMUR", "PELVIS", "HIP", "LSPINE"][rng.random_range(0..6)]
    } else {
        right_part
    };
    let seed = rng.random();
    ImagePlan {
        number,
        view,
        side,
        request: film::request(setting, &visit.hips, view, side, rng),
        seed,
        description: series_description(view, side, rng),
        body_part,
        view_position: if rng.random_bool(config.no_view_position) {
            ""
        } else {
            position
        },
        spacing: !(setting.scanner.plates && rng.random_bool(config.no_spacing)),
    }
}

/// One to five films.
fn views(config: &ArchiveConfig, visit: &Visit, age: u32, rng: &mut impl Rng) -> Vec<(View, Option<Side>)> {
    let fracture = visit.episode.is_some();
    let frontal = !rng.random_bool(config.no_frontal);
    let side = Some(visit.side);
    // Lateral hip, single hip, chest, lumbar spine, knee, abdomen (priors).
    let shares = match visit.reason {
        Reason::Injury if fracture => [0.90, 0.20, 0.60, 0.02, 0.04, 0.01],
        Reason::Injury => [if age < 18 { 0.5 } else { 0.85 }, 0.15, 0.12, 0.08, 0.08, 0.02],
        Reason::Pain => [0.60, 0.05, 0.02, 0.12, 0.10, 0.03],
        Reason::AfterOperation => [0.70, 0.10, 0.05, 0.0, 0.0, 0.0],
        Reason::Review => [0.80, 0.10, 0.0, 0.0, 0.0, 0.0],
    };
    let mut out = Vec::new();
    if frontal {
        out.push((View::FrontalPelvis, None));
        if rng.random_bool(config.repeat) {
            out.push((View::FrontalPelvis, None));
        }
    }
    let others = [
        View::LateralHip,
        View::SingleHip,
        View::Chest,
        View::LumbarSpine,
        View::Knee,
        View::Abdomen,
    ];
    for (view, share) in others.into_iter().zip(shares) {
        if rng.random_bool(share) {
            let side = matches!(view, View::LateralHip | View::SingleHip | View::Knee)
                .then_some(side)
                .flatten();
            out.push((view, side));
        }
    }
    if !frontal
        && !out
            .iter()
            .any(|(view, _)| matches!(view, View::LateralHip | View::SingleHip))
    {
        out.insert(0, (View::SingleHip, side));
    }
    out.truncate(5);
    if rng.random_bool(0.15) {
        let by = rng.random_range(0..out.len());
        out.rotate_left(by);
    }
    out
}

fn description(visit: &Visit, rng: &mut impl Rng) -> String {
    let letter = if visit.side == Side::Right { "R" } else { "L" };
    let choices = [
        "XR Pelvis".to_owned(),
        "PELVIS AP".to_owned(),
        "XPELV".to_owned(),
        format!("XR Hip {letter}t"),
        format!("XHIP{letter}"),
        "Pelvis and hip".to_owned(),
    ];
    choices[weighted(rng, &[0.35, 0.12, 0.15, 0.15, 0.08, 0.15])].clone()
}

fn series_description(view: View, side: Option<Side>, rng: &mut impl Rng) -> String {
    let letter = match side {
        Some(Side::Right) => "R",
        Some(Side::Left) => "L",
        None => "",
    };
    let pattern = match view {
        View::FrontalPelvis => "(Pelvis AP|PELVIS|AP Pelvis|XR Pelvis|Pelvis a.p.)",
        View::LateralHip => "(Hip HBL|Hip lateral|HBL {S}|Lat hip {S}|Hip axial)",
        View::SingleHip => "(Hip AP {S}|AP hip|HIP {S}|Hip a.p.)",
        View::Chest => "(Chest|CHEST|CXR mobile|Chest PA)",
        View::LumbarSpine => "(L-Spine|LSP lat|Lumbar spine lateral)",
        View::Knee => "(Knee AP|KNEE {S}|Knee a.p.)",
        View::Abdomen => "(Abdomen|AXR|ABDOMEN supine)",
    };
    phrases::grow(pattern, &|_, _: &mut _| letter.to_owned(), rng)
        .trim()
        .to_owned()
}

/// Full years.
fn age(birth: Date, at: Date) -> u32 {
    let years = at.year() - birth.year() - i32::from((at.month() as u8, at.day()) < (birth.month() as u8, birth.day()));
    u32::try_from(years).unwrap_or(0)
}

fn other(side: Side) -> Side {
    match side {
        Side::Right => Side::Left,
        Side::Left => Side::Right,
    }
}

fn words_of_side(side: Side, rng: &mut impl Rng) -> &'static str {
    let (right, left) = [
        ("right", "left"),
        ("Rt", "Lt"),
        ("R", "L"),
        ("(R)", "(L)"),
        ("right-sided", "left-sided"),
    ][weighted(rng, &[0.60, 0.18, 0.14, 0.04, 0.04])];
    if side == Side::Right { right } else { left }
}

/// An index, drawn by weight; 0 where there is no weight at all.
fn weighted(rng: &mut impl Rng, weights: &[f64]) -> usize {
    let total: f64 = weights.iter().sum();
    let mut rest = rng.random::<f64>() * total;
    for (index, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return index;
        }
    }
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}

/// A normal variate, drawn anew until it lies between the limits.
fn normal(rng: &mut impl Rng, mean: f64, sd: f64, low: f64, high: f64) -> f64 {
    for _ in 0..100 {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let value = mean + sd * radius * (std::f64::consts::TAU * rng.random::<f64>()).cos();
        if (low..=high).contains(&value) {
            return value;
        }
    }
    mean.clamp(low, high)
}
