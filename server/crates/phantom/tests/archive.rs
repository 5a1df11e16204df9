//! The simulated hospital: its shares, its records, and that it is the same each time.

use std::collections::HashSet;

use phantom::archive::{Archive, ArchiveConfig, Department, PatientPlan, ReportClass, StudyPlan, sample};
use phantom::{FractureKind, MetalKind, Side, View};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rayon::prelude::*;

const PATIENTS: u32 = 4000;

fn hospital(config: ArchiveConfig, seed: u64) -> Vec<PatientPlan> {
    let archive = Archive::new(config, PATIENTS, seed).expect("a sound configuration");
    (0..PATIENTS)
        .into_par_iter()
        .map(|number| archive.patient(number))
        .collect()
}

fn share<'a, T: 'a>(all: impl IntoIterator<Item = &'a T>, of: impl Fn(&T) -> bool) -> f64 {
    let (mut count, mut hits) = (0.0, 0.0);
    for item in all {
        count += 1.0;
        hits += f64::from(u8::from(of(item)));
    }
    hits / count
}

fn fractured(patient: &PatientPlan) -> bool {
    patient.studies.iter().any(StudyPlan::fracture)
}

fn emergency(patient: &PatientPlan) -> bool {
    patient.department == Department::Emergency
}

/// The words of a sentence that speak of an acute hip fracture, unless they deny it, doubt it or mean another thing.
fn states_fracture(sentence: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
    let mentions = has(&["fracture", "fractre", "#"]);
    let elsewhere = has(&["ram", "insufficiency", "parasymphyseal", "rib", "periprosthetic"]);
    let old = has(&[
        "old",
        "healed",
        "previous",
        "chronic",
        "united",
        "known",
        "unchanged",
        "remodelled",
        "post-op",
        "post op",
        "for #nof",
        "uniting",
    ]);
    let doubt = has(&[
        "?",
        "possible",
        "suspected",
        "cannot exclude",
        "equivocal",
        "suspicious",
        "query",
        "to exclude",
        "not convincing",
        "vs #",
    ]);
    let denial = has(&[
        "no #",
        "no fracture",
        "no acute",
        "no definite",
        "no displaced",
        "no obvious",
        "no evidence",
        "no hip",
        "no other",
        "no further",
        "no gross",
        "no new",
        "no pubic",
        "no bony",
        "no dislocation",
        "without fracture",
        "without #",
        "intact",
        "nil",
    ]);
    mentions && !elsewhere && !old && !doubt && !denial
}

/// A simple labeller: words of the report without its clinical section, or an operation for a fracture within a month.
fn labelled(patient: &PatientPlan, study: &StudyPlan) -> bool {
    let report = study
        .report
        .as_ref()
        .map(|report| report.text.to_lowercase())
        .unwrap_or_default();
    let by_report = report
        .lines()
        .filter(|line| !line.starts_with("clinical") && !line.starts_with("indication"))
        .flat_map(|line| line.split(['.', ';']))
        .any(states_fracture);
    let by_theatre = patient.theatre.iter().any(|row| {
        let procedure = row.procedure.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| procedure.contains(word));
        let days = (row.time - study.when).as_seconds_f64() / 86_400.0;
        row.status == "done"
            && has(&[
                "hemi",
                "dhs",
                "shs",
                "hip screw",
                "cannulated",
                "crif",
                "nail",
                "pfn",
                "#nof",
                "# neck",
            ])
            && !has(&["cancelled", "primary", "elective"])
            && (0.0..31.0).contains(&days)
    });
    by_report || by_theatre
}

#[test]
fn prevalence_is_as_configured() {
    let patients = hospital(ArchiveConfig::default(), 1);
    let here = share(patients.iter().filter(|p| emergency(p)), fractured);
    let elsewhere = share(patients.iter().filter(|p| !emergency(p)), fractured);
    assert!((here - 0.19).abs() < 0.025, "emergency {here}");
    assert!((elsewhere - 0.12).abs() < 0.025, "elsewhere {elsewhere}");
    assert!((share(&patients, emergency) - 0.55).abs() < 0.03);

    let config = ArchiveConfig {
        fracture_emergency: 0.4,
        fracture_elsewhere: 0.05,
        ..ArchiveConfig::default()
    };
    let patients = hospital(config, 2);
    assert!((share(patients.iter().filter(|p| emergency(p)), fractured) - 0.4).abs() < 0.035);
    assert!((share(patients.iter().filter(|p| !emergency(p)), fractured) - 0.05).abs() < 0.02);
}

#[test]
fn records_err_as_configured() {
    let patients = hospital(ArchiveConfig::default(), 3);
    let studies: Vec<&StudyPlan> = patients.iter().flat_map(|p| &p.studies).collect();
    let unrecorded = share(studies.iter().copied().filter(|s| s.fracture()), |s: &StudyPlan| {
        !s.recorded()
    });
    let invented = share(studies.iter().copied().filter(|s| !s.fracture()), |s: &StudyPlan| {
        s.recorded()
    });
    assert!((unrecorded - 0.20).abs() < 0.05, "unrecorded {unrecorded}");
    assert!((invented - 0.012).abs() < 0.006, "invented {invented}");
}

#[test]
fn labels_from_records_alone_are_right_in_about_95_percent() {
    let patients = hospital(ArchiveConfig::default(), 4);
    let (mut studies, mut missed, mut invented) = (0.0, 0.0, 0.0);
    for patient in patients.iter().filter(|p| emergency(p)) {
        for study in patient.studies.iter().filter(|s| s.department == Department::Emergency) {
            studies += 1.0;
            match (study.fracture(), labelled(patient, study)) {
                (true, false) => missed += 1.0,
                (false, true) => invented += 1.0,
                _ => {}
            }
        }
    }
    let right = 1.0 - (missed + invented) / studies;
    println!(
        "right {right:.4}, missed {:.4}, invented {:.4} of {studies} studies",
        missed / studies,
        invented / studies
    );
    assert!((0.935..0.97).contains(&right), "right {right}");
    assert!(missed > 1.5 * invented, "missed {missed}, invented {invented}");
}

#[test]
fn perfect_records_can_be_configured() {
    let config = ArchiveConfig {
        unrecorded: 0.0,
        invented: 0.0,
        ..ArchiveConfig::default()
    };
    for study in hospital(config, 5).iter().flat_map(|p| &p.studies) {
        assert_eq!(
            study.fracture(),
            study.recorded(),
            "{} {:?}",
            study.accession,
            study.report
        );
    }
}

#[test]
fn names_and_numbers_are_unique_and_say_simulated() {
    let archive = Archive::new(ArchiveConfig::default(), PATIENTS, 6).expect("a sound configuration");
    let (mut keys, mut accessions, mut films) = (HashSet::new(), HashSet::new(), 0);
    for patient in archive.iter() {
        assert!(patient.id.starts_with("SIMULATED-") && patient.name.starts_with("SIMULATED^"));
        assert!(!patient.studies.is_empty());
        for study in &patient.studies {
            assert!(study.accession.len() <= 16, "{}", study.accession);
            assert!(accessions.insert(study.accession.clone()), "{} twice", study.accession);
            assert!(keys.insert(archive.key(&patient, study, None)));
            assert!((1..=5).contains(&study.images.len()));
            for image in &study.images {
                assert!(keys.insert(archive.key(&patient, study, Some(image))));
                films += 1;
            }
        }
        assert!(patient.studies.windows(2).all(|pair| pair[0].when <= pair[1].when));
    }
    assert!(films > 2 * PATIENTS);
}

#[test]
fn a_patient_is_the_same_in_every_archive_and_on_every_thread() {
    let large = Archive::new(ArchiveConfig::default(), 200, 7).expect("a sound configuration");
    let small = Archive::new(ArchiveConfig::default(), 50, 7).expect("a sound configuration");
    let one_by_one: Vec<_> = large.iter().collect();
    let at_once: Vec<_> = (0..200).into_par_iter().map(|number| large.patient(number)).collect();
    assert_eq!(one_by_one, at_once);
    assert_eq!(small.iter().collect::<Vec<_>>(), one_by_one[..50]);
    let other = Archive::new(ArchiveConfig::default(), 50, 8).expect("a sound configuration");
    assert_ne!(other.iter().collect::<Vec<_>>(), one_by_one[..50]);
}

#[test]
fn films_show_what_the_plan_says() {
    let archive = Archive::new(ArchiveConfig::default(), 400, 9).expect("a sound configuration");
    let (mut fractures, mut metal) = (0, 0);
    for study in archive.iter().flat_map(|p| p.studies) {
        for image in &study.images {
            let truth = archive.case(image).truth().clone();
            assert_eq!(truth.view, image.view);
            assert_eq!(truth.age, study.age);
            for hip in &truth.hips {
                let plan = study.hips[hip.side as usize];
                if truth.view == View::FrontalPelvis || hip.fracture.is_some() {
                    assert_eq!(
                        hip.fracture.as_ref().map(|f| f.kind),
                        plan.injury.map(|i| i.kind),
                        "{}",
                        study.accession
                    );
                }
                if let (Some(fracture), Some(injury)) = (&hip.fracture, plan.injury) {
                    fractures += 1;
                    assert!(!injury.occult || fracture.visibility < 0.05);
                }
                assert_eq!(hip.metal, plan.metal, "{} {:?}", study.accession, image.view);
                metal += usize::from(hip.metal.is_some());
            }
            if truth.view == View::FrontalPelvis {
                assert_eq!(truth.hips.len(), 2);
            }
        }
    }
    assert!(
        fractures > 40 && metal > 40,
        "{fractures} fractures, {metal} with metal"
    );
}

#[test]
fn confounding_can_be_switched_off() {
    let gap = |confounding: f64| {
        let config = ArchiveConfig {
            confounding,
            children: 0.0,
            ..ArchiveConfig::default()
        };
        let patients = hospital(config, 10);
        let prevalence = |from: bool| share(patients.iter().filter(|p| emergency(p) == from), fractured);
        let first = |p: &PatientPlan| p.studies.first().cloned().expect("a study");
        let old = |with: bool| share(patients.iter().filter(|p| fractured(p) == with), |p| first(p).age >= 70);
        let trolley = |with: bool| {
            share(patients.iter().filter(|p| fractured(p) == with), |p| {
                matches!(first(p).scanner, 0 | 2 | 7)
            })
        };
        [
            prevalence(true) - prevalence(false),
            old(true) - old(false),
            trolley(true) - trolley(false),
        ]
    };
    let (on, off) = (gap(1.0), gap(0.0));
    println!("on {on:?}, off {off:?}");
    assert!(on[0] > 0.04 && on[1] > 0.1 && on[2] > 0.15, "{on:?}");
    assert!(
        off[0].abs() < 0.03 && off[1].abs() < 0.06 && off[2].abs() < 0.07,
        "{off:?}"
    );
}

#[test]
fn every_class_of_report_has_many_wordings() {
    for class in ReportClass::ALL {
        let mut rng = ChaCha12Rng::seed_from_u64(class as u64);
        let texts: HashSet<String> = (0..3000)
            .map(|n| {
                let kind = FractureKind::ALL[n % 9];
                let fits = (class == ReportClass::Intracapsular) == (n % 9 < 5);
                let kind = if fits {
                    kind
                } else if class == ReportClass::Intracapsular {
                    FractureKind::GardenI
                } else {
                    FractureKind::TrochantericA2
                };
                sample(class, kind, Side::Right, MetalKind::ALL[n % 5], &mut rng)
            })
            .collect();
        assert!(texts.len() >= 25, "{class:?}: {} wordings", texts.len());
        for text in &texts {
            assert!(!text.contains(['{', '}', '[', ']', '|']), "{text}");
            assert!(!text.contains("  ") && !text.is_empty(), "{text}");
        }
    }
}

#[test]
fn reports_name_the_right_side_but_for_the_configured_share() {
    let patients = hospital(
        ArchiveConfig {
            wrong_side_report: 0.0,
            typing_errors: 0.0,
            ..ArchiveConfig::default()
        },
        11,
    );
    for study in patients.iter().flat_map(|p| &p.studies) {
        let Some(report) = &study.report else { continue };
        if !report.class.states_fracture() || report.invented {
            continue;
        }
        assert!(study.hips[report.side as usize].injury.is_some());
        let first = report.text.to_lowercase();
        let words: [&[&str]; 2] = [
            &["right", "rt", "r", "(r)", "right-sided"],
            &["left", "lt", "l", "(l)", "left-sided"],
        ];
        let named = first
            .split([' ', '.', ',', '\n', ';', ':'])
            .any(|word| words[report.side as usize].contains(&word));
        assert!(named, "{}", report.text);
    }
    let swapped = hospital(
        ArchiveConfig {
            wrong_side_report: 0.2,
            ..ArchiveConfig::default()
        },
        12,
    );
    let reports: Vec<_> = swapped
        .iter()
        .flat_map(|p| &p.studies)
        .filter_map(|s| s.report.as_ref())
        .collect();
    assert!((share(reports.into_iter(), |r: &phantom::archive::Report| r.wrong_side) - 0.2).abs() < 0.03);
}

#[test]
fn a_configuration_that_makes_no_hospital_is_refused() {
    for config in [
        ArchiveConfig {
            unrecorded: 1.5,
            ..ArchiveConfig::default()
        },
        ArchiveConfig {
            departments: [0.0; 3],
            ..ArchiveConfig::default()
        },
        ArchiveConfig {
            fracture_emergency: 1.0,
            ..ArchiveConfig::default()
        },
        ArchiveConfig {
            years: 0,
            ..ArchiveConfig::default()
        },
        ArchiveConfig {
            scanners: Vec::new(),
            ..ArchiveConfig::default()
        },
        ArchiveConfig {
            confounding: f64::NAN,
            ..ArchiveConfig::default()
        },
    ] {
        assert!(Archive::new(config, 10, 1).is_err());
    }
}
