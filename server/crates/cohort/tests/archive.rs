//! The rules and the linking on a simulated archive: its records as tables, without images.

use cohort::baseline::baseline;
use cohort::label::{Basis, Hip};
use cohort::link::{Settings, label};
use cohort::records::Mapping;
use cohort::rules::Rules;
use domain::Side;
use phantom::archive::{Archive, ArchiveConfig, PatientPlan, StudyPlan};
use rayon::prelude::*;

const PATIENTS: u32 = 1800;

fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn tables(patients: &[PatientPlan]) -> [String; 3] {
    let mut reports = "accession_number,patient_id,time,status,text\n".to_owned();
    let mut theatre = "patient_id,time,procedure,side,code,status\n".to_owned();
    let mut studies = "patient_id,accession_number,time,department,description\n".to_owned();
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let iso = |when: time::PrimitiveDateTime| when.format(format).expect("a time");
    for patient in patients {
        for study in &patient.studies {
            let (when, department) = (iso(study.when), study.department.name());
            let description = field(&study.description);
            studies += &format!("{},{},{when},{department},{description}\n", patient.id, study.accession);
            if let Some(report) = &study.report {
                let (when, text) = (iso(report.time), field(&report.text));
                reports += &format!("{},{},{when},{},{text}\n", study.accession, patient.id, report.status);
            }
        }
        for row in &patient.theatre {
            let (when, procedure) = (iso(row.time), field(&row.procedure));
            theatre += &format!(
                "{},{when},{procedure},{},{},{}\n",
                patient.id, row.side, row.code, row.status
            );
        }
    }
    [reports, theatre, studies]
}

struct Compared<'a> {
    hip: &'a Hip,
    patient: &'a PatientPlan,
    study: &'a StudyPlan,
}

impl Compared<'_> {
    fn truth(&self) -> bool {
        self.study.hips[self.hip.key.side as usize].injury.is_some()
    }

    fn metal(&self) -> bool {
        self.study.hips[self.hip.key.side as usize].metal.is_some()
    }
}

#[test]
fn first_labels_of_a_simulated_hospital_are_right_in_about_95_percent() {
    let archive = Archive::new(ArchiveConfig::default(), PATIENTS, 11).expect("a sound configuration");
    let patients: Vec<PatientPlan> = (0..PATIENTS).into_par_iter().map(|n| archive.patient(n)).collect();
    let [reports, theatre, studies] = tables(&patients);
    let mapping = Mapping::standard().unwrap_or_else(|error| panic!("{error}"));
    let rules = Rules::standard().unwrap_or_else(|error| panic!("{error}"));
    let reports = mapping.reports("reports.csv", reports.as_bytes()).expect("a table");
    let theatre = mapping.theatre("theatre.csv", theatre.as_bytes()).expect("a table");
    let studies = mapping.studies("images.csv", studies.as_bytes()).expect("a table");
    assert!(reports.bad.is_empty() && theatre.bad.is_empty() && studies.bad.is_empty());
    let linked = label(
        &rules,
        &studies.rows,
        &reports.rows,
        &theatre.rows,
        &Settings::default(),
    );
    assert_eq!(linked.hips.len(), 2 * studies.rows.len());

    let mut of: std::collections::HashMap<&str, (&PatientPlan, &StudyPlan)> = Default::default();
    for patient in &patients {
        of.extend(
            patient
                .studies
                .iter()
                .map(|study| (study.accession.as_str(), (patient, study))),
        );
    }
    let all: Vec<Compared> = linked
        .hips
        .iter()
        .map(|hip| {
            let (patient, study) = of[hip.key.accession.as_str()];
            Compared { hip, patient, study }
        })
        .collect();

    // Hips with a label and without metal; and studies, as the archive's own tests count them.
    let (mut hips, mut missed, mut invented, mut metal_missed, mut metal_invented, mut place) = (0, 0, 0, 0, 0, [0, 0]);
    let verbose = std::env::var_os("SHOW").is_some();
    for one in &all {
        match (one.metal(), one.hip.label.fracture()) {
            (true, None) => {}
            (true, Some(_)) => metal_missed += 1,
            (false, None) => metal_invented += 1,
            (false, Some(label)) => {
                hips += 1;
                missed += usize::from(one.truth() && !label);
                invented += usize::from(!one.truth() && label);
                if let (true, true, Some(location)) = (one.truth(), label, one.hip.label.location()) {
                    let kind = one.study.hips[one.hip.key.side as usize]
                        .injury
                        .expect("a fracture")
                        .kind;
                    place[usize::from(format!("{:?}", kind.location()) == format!("{location:?}"))] += 1;
                }
                if verbose && one.truth() != label {
                    let class = one.study.report.as_ref().map(|r| (r.class, r.wrong_side, r.invented));
                    println!(
                        "{} truth {} label {label} [{}] {class:?} recorded {}\n    {:?}\n    {:?}",
                        one.hip.key.side.as_str(),
                        one.truth(),
                        one.hip.reason,
                        one.study.recorded(),
                        one.study.report.as_ref().map(|r| &r.text),
                        one.patient
                            .theatre
                            .iter()
                            .map(|row| (&row.procedure, &row.side))
                            .collect::<Vec<_>>()
                    );
                }
            }
        }
        if verbose && one.metal() != one.hip.label.fracture().is_none() {
            println!(
                "METAL {} {} [{}] {:?}",
                one.hip.key.side.as_str(),
                one.metal(),
                one.hip.reason,
                one.study.report.as_ref().map(|r| &r.text)
            );
        }
    }
    let right = 1.0 - (missed + invented) as f64 / hips as f64;
    println!(
        "{hips} hips: right {right:.4}, missed {missed}, invented {invented}; metal not seen {metal_missed}, \
         set aside without metal {metal_invented}; location right {} of {}",
        place[1],
        place[0] + place[1]
    );

    let (mut count, mut wrong) = (0, 0);
    let emergency = |c: &&Compared| c.hip.emergency;
    let mut by_study: std::collections::BTreeMap<&str, (bool, bool)> = Default::default();
    for one in all.iter().filter(emergency) {
        let entry = by_study.entry(&one.hip.key.accession).or_default();
        entry.0 |= one.truth();
        entry.1 |= one.hip.label.fracture() == Some(true);
    }
    for (truth, label) in by_study.values() {
        count += 1;
        wrong += u32::from(truth != label);
    }
    let by_study = 1.0 - f64::from(wrong) / f64::from(count);
    println!("{count} emergency studies: right {by_study:.4}");
    assert!((0.94..0.98).contains(&by_study), "{by_study}");
    assert!((0.965..0.99).contains(&right), "{right}");
    assert!(missed > invented);
    // Old metal that no record of this hospital mentions.
    assert!(metal_missed + metal_invented < all.len() / 40);

    // What the reports say of a fracture is read as it was meant.
    let (mut stated, mut read, mut wrong) = (0, 0, 0);
    for one in &all {
        let Some(report) = one.study.report.as_ref().filter(|r| !r.confirmed_later) else {
            continue;
        };
        if one.metal() || report.wrong_side || report.side as usize != one.hip.key.side as usize {
            continue;
        }
        let is = rules.read_report(&report.text).hip(one.hip.key.side).finding == cohort::rules::Finding::Present;
        stated += usize::from(report.class.states_fracture());
        read += usize::from(report.class.states_fracture() && is);
        wrong += usize::from(!report.class.states_fracture() && is);
        if verbose && report.class.states_fracture() != is {
            println!("READ {is} {:?} {}", report.class, report.text.replace('\n', " / "));
        }
    }
    println!("{stated} reports state a fracture: {read} read, {wrong} others read so");
    assert!(read as f64 >= 0.97 * stated as f64 && wrong as f64 <= 0.03 * stated as f64);

    // The human baseline on the emergency department's reported hips without metal.
    let readings: Vec<_> = all
        .iter()
        .filter(|one| one.hip.emergency && !one.metal())
        .filter_map(|one| {
            let report = one.study.report.as_ref()?;
            Some((rules.read_report(&report.text), one.hip.key.side, one.truth()))
        })
        .collect();
    let counts = baseline(readings.iter().map(|(reading, side, truth)| (reading, *side, *truth)));
    println!(
        "human: sensitivity {:.3}, specificity {:.3}, precision {:.3}, accuracy {:.3}",
        counts.sensitivity().value,
        counts.specificity().value,
        counts.precision().value,
        counts.accuracy().value
    );
    assert!(counts.sensitivity().value > 0.6 && counts.specificity().value > 0.95);
    assert!(
        all.iter()
            .any(|one| one.hip.basis == Basis::Operation && one.hip.key.side == Side::Left)
    );
}
