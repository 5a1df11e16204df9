//! Tables, HL7 messages, and what they are linked to.

use std::collections::BTreeSet;

use cohort::baseline::called;
use cohort::label::{Basis, Cohort, Hip, Kept, Label};
use cohort::link::{Assume, Labelled, Settings, label, label_among};
use cohort::records::{ImportError, Mapping, Operation, Report, Study};
use cohort::rules::{OperationKind, Rules};
use domain::Side;

fn mapping() -> Mapping {
    Mapping::standard().unwrap_or_else(|error| panic!("{error}"))
}

fn rules() -> Rules {
    Rules::standard().unwrap_or_else(|error| panic!("{error}"))
}

fn study(patient: &str, accession: &str, time: &str) -> Study {
    Study {
        patient_id: patient.to_owned(),
        accession: accession.to_owned(),
        time: mapping().time(time).expect("a time"),
        emergency: true,
        description: "XR Pelvis".to_owned(),
    }
}

fn report(patient: &str, accession: &str, time: &str, text: &str) -> Report {
    Report {
        record: format!("reports.csv {accession}"),
        accession: accession.to_owned(),
        patient_id: patient.to_owned(),
        time: mapping().time(time),
        status: "final".to_owned(),
        emergency: None,
        text: text.to_owned(),
    }
}

fn operation(patient: &str, time: &str, procedure: &str, side: &str, status: &str) -> Operation {
    Operation {
        record: format!("theatre.csv {procedure}"),
        patient_id: patient.to_owned(),
        time: mapping().time(time).expect("a time"),
        procedure: procedure.to_owned(),
        side: side.to_owned(),
        code: String::new(),
        status: status.to_owned(),
    }
}

fn link(studies: &[Study], reports: &[Report], operations: &[Operation]) -> Labelled {
    label(&rules(), studies, reports, operations, &Settings::default())
}

fn hip<'a>(linked: &'a Labelled, accession: &str, side: Side) -> &'a Hip {
    let found = linked
        .hips
        .iter()
        .find(|hip| hip.key.accession == accession && hip.key.side == side);
    found.expect("a hip")
}

#[test]
fn tables_are_read_by_any_column_names_and_bad_rows_listed() {
    let text = "\u{feff}Report Date,MRN,Accession No,Report Text\n\
                11/09/2024 15:30,H1,A1,\"No fracture,\nnot even one.\"\n\
                someday,H2,A2,Fracture.\n\
                11/09/2024,H3,A3,\n\
                11/09/2024,H4\n\
                11/09/2024,H5,A5,Left NOF fracture.\n";
    let records = mapping().reports("r.csv", text.as_bytes()).expect("a table");
    assert_eq!(records.rows.len(), 2);
    assert_eq!(records.rows[1].record, "r.csv line 7");
    assert!(records.rows[1].time.expect("a day").day_only);
    let bad: Vec<String> = records.bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        bad,
        [
            "r.csv line 4: \"someday\" is no time",
            "r.csv line 5: the report is empty",
            "r.csv line 6: 2 fields instead of 4",
        ]
    );
    let none = mapping().reports("r.csv", "a,b\n1,2\n".as_bytes());
    assert!(matches!(
        none,
        Err(ImportError::Column {
            field: "the report's text",
            ..
        })
    ));
}

#[test]
fn columns_and_formats_can_be_mapped() {
    let text = cohort::records::DEFAULT_MAPPING
        .replace("\"procedure\", \"operation\"", "\"Eingriff\"")
        .replace(
            "\"[day]/[month]/[year] [hour]:[minute]:[second]\"",
            "\"[day].[month].[year]\"",
        );
    let mapping = Mapping::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let table = "patient,date,Eingriff\nH1,24.12.2023,DHS left\n";
    let records = mapping.theatre("t.csv", table.as_bytes()).expect("a table");
    assert_eq!(records.rows[0].procedure, "DHS left");
    assert_eq!(records.bad, []);
    assert!(Mapping::parse(&text.replace("[day].[month]", "[dag]")).is_err());
    assert!(Mapping::parse(&text.replace("PID-3.1", "PID3")).is_err());
}

const ORU: &str = "MSH|^~\\&|RIS|SITE1|EPR|SITE1|20240911153000||ORU^R01|M123|P|2.4\r\
PID|1||H123456^^^SITE1~9998^^^NHS||DOE^JANE||19401102|F\r\
PV1|1|E|ED^^\r\
ORC|RE|RXA24018832\r\
OBR|1|PLACER1|RXA24018832|XPELV^XR Pelvis^LOCAL|||20240911112000||||||fall ?#NOF R|||DRX^ED||||||20240911153000||RAD|F\r\
OBX|1|FT|XPELV^XR Pelvis||Displaced subcapital # right NOF.\\.br\\No pubic ramus #~Bones \\T\\ joints: osteopenic \\X41\\ 50 \\S\\ 2||||||F\r\
OBX|2|NM|DOSE||12||||||F\r\
OBR|2||RXA24018833|XCHES|||20240911112500|||||||||||RXA-18||||20240911160000|||P\r\
OBX|1|TX|||Lungs clear.\r\
OBX|2|TX|||No effusion.\r";

#[test]
fn hl7_messages_give_one_report_an_order() {
    for text in [
        ORU.to_owned(),
        ORU.replace('\r', "\n"),
        ORU.replace('\r', "\r\n"),
        format!("\u{b}{ORU}\u{1c}\r"),
    ] {
        let records = mapping().hl7("m.hl7", &text);
        assert_eq!(records.bad, []);
        assert_eq!(records.rows.len(), 2);
        let first = &records.rows[0];
        assert_eq!(
            (first.accession.as_str(), first.patient_id.as_str()),
            ("RXA24018832", "H123456")
        );
        assert_eq!(first.status, "F");
        assert_eq!(first.emergency, Some(true));
        assert_eq!(first.time, mapping().time("2024-09-11T15:30:00"));
        assert_eq!(
            first.text,
            "Displaced subcapital # right NOF.\nNo pubic ramus #\nBones & joints: osteopenic A 50 ^ 2"
        );
        assert_eq!(records.rows[1].text, "Lungs clear.\nNo effusion.");
        assert_eq!(records.rows[1].status, "P");
        // Two reports of one message are two records.
        let names: Vec<&str> = records.rows.iter().map(|row| row.record.as_str()).collect();
        assert_eq!(names, ["m.hl7 line 5", "m.hl7 line 8"]);
    }
    // The patient's class, or else the place, tells who asked; without either nobody knows.
    for (segment, emergency) in [
        ("PV1|1|I|WARD 7^^", Some(false)),
        ("PV1|1|O|ED^^", Some(true)),
        ("PV1|1|E|", Some(true)),
        ("PV1|1||", None),
    ] {
        let records = mapping().hl7("m.hl7", &ORU.replace("PV1|1|E|ED^^", segment));
        assert_eq!(records.rows[1].emergency, emergency, "{segment}");
    }
    let older = cohort::records::DEFAULT_MAPPING
        .replace("class = [\"PV1-2\"]\ndepartment = [\"PV1-3\"]", "")
        .replace("classes = [\"E\"]\n", "");
    let older = Mapping::parse(&older).expect("a mapping of an earlier day");
    assert_eq!(older.hl7("m.hl7", ORU).rows[0].emergency, Some(true));
    let other = cohort::records::DEFAULT_MAPPING.replace("\"OBR-3.1\", \"OBR-18.1\"", "\"OBR-18.1\", \"OBR-3.1\"");
    let mapping = Mapping::parse(&other).expect("a mapping");
    let accessions: Vec<String> = mapping
        .hl7("m.hl7", ORU)
        .rows
        .into_iter()
        .map(|row| row.accession)
        .collect();
    assert_eq!(accessions, ["RXA24018832", "RXA-18"]);
}

#[test]
fn bad_hl7_is_listed_and_the_rest_kept() {
    let text = format!(
        "OBX|1|TX|||stray\n{}\nMSH|^~\\&|A|B|C|D|20240101||ADT^A01|1|P|2.4\nPID|1||H1\n\
         MSH|^~\\&|A|B|C|D|20240101||ORU^R01|1|P|2.4\nPID|1||H1\nOBR|1||A9\nOBX|1|TX|||\nfracture of the hip\n",
        ORU.replace('\r', "\n")
    );
    let records = mapping().hl7("m.hl7", &text);
    assert_eq!(records.rows.len(), 2);
    let bad: Vec<String> = records.bad.iter().map(ToString::to_string).collect();
    assert_eq!(bad.len(), 4, "{bad:#?}");
    assert!(
        bad.iter()
            .any(|line| line == "m.hl7 line 1: a segment before the first MSH")
    );
    assert!(bad.iter().any(|line| line.ends_with("a message ADT^A01, not ORU^R01")));
    assert!(bad.iter().any(|line| line.contains("no segment: a line break")));
    assert!(bad.iter().any(|line| line.ends_with("no text in OBX-5")));
}

#[test]
fn the_operation_wins_over_the_report() {
    let studies = [study("P1", "A1", "2024-01-01T10:00:00")];
    let reports = [report("P1", "A1", "2024-01-01T12:00:00", "No fracture seen.")];
    let operations = [operation(
        "P1",
        "2024-01-03T09:00:00",
        "Cemented hemi Lt hip",
        "L",
        "done",
    )];
    let linked = link(&studies, &reports, &operations);
    let left = hip(&linked, "A1", Side::Left);
    assert_eq!(
        (left.label, left.basis, left.conflict),
        (Label::FractureIntracapsular, Basis::Operation, true)
    );
    let words: Vec<&str> = left
        .sources
        .iter()
        .map(|source| source.evidence.words.as_str())
        .collect();
    assert!(words.contains(&"hemi") && words.contains(&"fracture"), "{words:?}");
    assert_eq!(hip(&linked, "A1", Side::Right).label, Label::None);
}

#[test]
fn operations_count_within_their_window_and_on_their_side_only() {
    let studies = [
        study("P1", "A1", "2024-01-01T10:00:00"),
        study("P1", "A2", "2024-06-01T10:00:00"),
    ];
    let cases = [
        (
            "2024-01-31T09:00:00",
            "DHS left hip",
            "",
            "done",
            Label::FractureExtracapsular,
        ),
        ("2024-01-01", "DHS left hip", "", "done", Label::FractureExtracapsular),
        ("2024-02-02T09:00:00", "DHS left hip", "", "done", Label::None),
        ("2024-01-03T09:00:00", "DHS left hip", "", "Cancelled", Label::None),
        ("2024-01-03T09:00:00", "CANCELLED DHS left hip", "", "done", Label::None),
        ("2024-01-03T09:00:00", "THR left, OA", "", "done", Label::None),
        (
            "2024-01-03T09:00:00",
            "THR left for #NOF",
            "",
            "done",
            Label::FractureIntracapsular,
        ),
        ("2024-01-03T09:00:00", "ORIF left wrist", "", "done", Label::None),
        (
            "2024-01-03T09:00:00",
            "DHS",
            "left",
            "done",
            Label::FractureExtracapsular,
        ),
        ("2024-01-03T09:00:00", "DHS", "", "done", Label::Unknown),
        ("2024-01-03T09:00:00", "DHS left", "R", "done", Label::Unknown),
        (
            "2024-01-03T09:00:00",
            "Revision left hemiarthroplasty",
            "",
            "done",
            Label::None,
        ),
        (
            "2023-05-03T09:00:00",
            "Left hemiarthroplasty",
            "",
            "done",
            Label::Excluded,
        ),
    ];
    for (time, procedure, side, status, meant) in cases {
        let linked = link(&studies, &[], &[operation("P1", time, procedure, side, status)]);
        let left = hip(&linked, "A1", Side::Left);
        assert_eq!(left.label, meant, "{procedure} {time}: {}", left.reason);
    }
    let linked = link(
        &studies,
        &[],
        &[operation("P1", "2024-01-03T09:00:00", "DHS left hip", "", "done")],
    );
    assert_eq!(hip(&linked, "A2", Side::Left).label, Label::Excluded, "the screw is in");
    assert_eq!(hip(&linked, "A2", Side::Right).label, Label::None);
}

#[test]
fn what_cannot_be_linked_is_listed_with_why() {
    let studies = [
        study("P1", "A1", "2024-01-01T10:00:00"),
        study("P2", "A2", "2024-01-01T10:00:00"),
        study("P2", "A3", "2024-01-02T10:00:00"),
    ];
    let reports = [
        report("P2", "A1", "2024-01-01T12:00:00", "No fracture."),
        report("P1", "X9", "2024-01-02T12:00:00", "Fractured left NOF."),
        report("P2", "", "2024-01-03T12:00:00", "No fracture."),
        report("P9", "X8", "2024-01-03T12:00:00", "No fracture."),
        report("P1", "X7", "2024-03-03T12:00:00", "No fracture."),
    ];
    let operations = [
        operation("P7", "2024-01-03T09:00:00", "DHS left", "", "done"),
        operation("P1", "2024-09-03T09:00:00", "DHS right", "", "done"),
        operation("P1", "2024-01-03T09:00:00", "Cataract left eye", "", "done"),
    ];
    let linked = link(&studies, &reports, &operations);
    assert_eq!(
        hip(&linked, "A1", Side::Left).label,
        Label::FractureIntracapsular,
        "linked by patient and time"
    );
    let why: Vec<String> = linked
        .unlinked
        .iter()
        .map(|row| format!("{}: {}", row.record, row.why))
        .collect();
    assert_eq!(why.len(), 6, "{why:#?}");
    assert!(why.iter().any(|line| line.contains("is of another patient than P2")));
    assert!(why.iter().any(|line| line.contains("2 studies of the patient")));
    assert!(why.iter().any(|line| line.contains("no study of this patient")));
    assert!(
        why.iter()
            .any(|line| line.contains("no study of the patient in the 30 days before"))
    );
    assert_eq!(linked.unused.len(), 1);
}

#[test]
fn a_report_of_another_known_study_is_not_linked_by_its_time() {
    let studies = [study("P1", "A1", "2024-01-01T10:00:00")];
    let reports = [report(
        "P1",
        "x9",
        "2024-01-01T12:00:00",
        "Knee: fracture of the left neck of femur is not the question here.",
    )];
    let others = BTreeSet::from(["X9".to_owned(), String::new()]);
    let linked = label_among(&rules(), &studies, &others, &reports, &[], &Settings::default());
    assert!(linked.reports.is_empty());
    let left = hip(&linked, "A1", Side::Left);
    assert_eq!(
        (left.label, left.reason.as_str()),
        (Label::None, "no report, no operation")
    );
    let [refused] = &linked.unlinked[..] else {
        panic!("{:?}", linked.unlinked)
    };
    assert_eq!(refused.why, "of another study, with accession number x9");
    // A report without an accession number is of no other study.
    let reports = [report("P1", "", "2024-01-01T12:00:00", "Left NOF fracture.")];
    let linked = label_among(&rules(), &studies, &others, &reports, &[], &Settings::default());
    assert_eq!(linked.reports.len(), 1);
}

#[test]
fn reports_without_a_side_take_the_requests_or_none() {
    let text = "There is a displaced subcapital fracture.";
    let mut studies = [study("P1", "A1", "2024-01-01T10:00:00")];
    let reports = [report("P1", "A1", "2024-01-01T12:00:00", text)];
    assert_eq!(
        hip(&link(&studies, &reports, &[]), "A1", Side::Left).label,
        Label::Unknown
    );
    studies[0].description = "XR Hip Lt".to_owned();
    let linked = link(&studies, &reports, &[]);
    assert_eq!(hip(&linked, "A1", Side::Left).label, Label::FractureIntracapsular);
    assert_eq!(hip(&linked, "A1", Side::Right).label, Label::None);
}

#[test]
fn later_reports_correct_earlier_ones_whatever_their_order() {
    let studies = [study("P1", "A1", "2024-01-01T10:00:00")];
    let mut reports = [
        report(
            "P1",
            "A1",
            "2024-01-03T12:00:00",
            "On review, undisplaced fracture of the right femoral neck.",
        ),
        report("P1", "A1", "2024-01-01T12:00:00", "No fracture."),
    ];
    for _ in 0..2 {
        let linked = link(&studies, &reports, &[]);
        assert_eq!(hip(&linked, "A1", Side::Right).label, Label::FractureIntracapsular);
        reports.reverse();
    }
}

#[test]
fn the_default_for_silence_can_be_set() {
    let studies = [study("P1", "A1", "2024-01-01T10:00:00")];
    let settings = Settings {
        no_report: Assume::Unknown,
        ..Settings::default()
    };
    assert_eq!(
        label(&rules(), &studies, &[], &[], &settings).hips[0].label,
        Label::Unknown
    );
    assert_eq!(
        label(&rules(), &studies, &[], &[], &Settings::default()).hips[0].label,
        Label::None
    );
}

#[test]
fn operations_are_read_as_they_are_meant() {
    use OperationKind::{Cancelled, ForFracture, Implant, Other};
    let cases = [
        ("Hemiarthroplasty R hip (Thompsons)", "", ForFracture),
        ("PFNA long left", "", ForFracture),
        ("Trauma: # NOF right - austin moore", "", ForFracture),
        (
            "Intramedullary nailing left subtrochanteric femur fracture",
            "",
            ForFracture,
        ),
        (
            "Closed reduction internal fixation R neck of femur, 3 screws",
            "",
            ForFracture,
        ),
        ("Trauma list", "27236", ForFracture),
        ("Total hip replacement L", "", Implant),
        ("Elective THR right OA", "", Implant),
        ("IM nail left tibia", "", Other),
        ("IM nailing right humerus", "", Other),
        ("Removal of DHS left", "", Other),
        ("Washout L THR", "", Other),
        ("Right knee arthroscopy", "", Other),
        ("As consented", "", Other),
        ("DHS L - patient unfit, did not proceed", "", Cancelled),
    ];
    for (procedure, code, kind) in cases {
        let reading = rules().read_operation(procedure, "", code, "done");
        assert_eq!(reading.kind, kind, "{procedure}: {:?}", reading.evidence);
    }
}

#[test]
fn a_cohort_survives_its_tables() {
    let studies = [
        study("P1", "A1", "2024-01-01T10:00:00"),
        study("P2", "A2", "2024-01-01T10:00:00"),
    ];
    let reports = [report(
        "P1",
        "A1",
        "2024-01-01T12:00:00",
        "Fracture, \"comminuted\",\nof the left NOF.",
    )];
    let operations = [operation("P2", "2024-01-03T09:00:00", "DHS left", "", "done")];
    let mut cohort = Cohort {
        hips: link(&studies, &reports, &operations).hips,
        ..Cohort::default()
    };
    let decision = cohort::repair::Decision {
        key: cohort.hips[0].key.clone(),
        label: Label::Excluded,
        who: "reader, \"one\"".to_owned(),
        when: studies[0].time.at,
        why: "metal;\nfilm cut".to_owned(),
    };
    cohort.apply(&[decision]).expect("no test set");
    // What a database knows besides, and one hip of which it knows less.
    let texts = [("reports.csv A1", reports[0].text.as_str())];
    for (number, hip) in cohort.hips.iter_mut().enumerate().skip(1) {
        hip.kept = Some(Kept {
            study_uid: (number > 1).then(|| domain::StudyUid(format!("1.2.{number}"))),
            sop_uid: (number > 1).then(|| domain::SopUid(format!("1.2.{number}.1"))),
            description: "XR Pelvis, \"AP\"".to_owned(),
            initial_label: Label::None,
            initial_reason: "no report,\nno operation".to_owned(),
            human: called(&rules(), &texts[..number % 2], hip.key.side, true),
        });
    }
    assert!(cohort.hips.iter().any(|hip| {
        let human = hip.kept.as_ref().and_then(|kept| kept.human.as_ref());
        human.is_some_and(|human| human.call && !human.sources.is_empty())
    }));
    let (mut hips, mut events) = (Vec::new(), Vec::new());
    cohort.write_hips(&mut hips).expect("written");
    cohort.write_events(&mut events).expect("written");
    let again = Cohort::read(&hips[..], &events[..], false).expect("read");
    assert_eq!(again, cohort);
    // Records set a hip aside for metal alone, a reviewer for what he says.
    let set_aside = |basis, reason: &str| Hip {
        label: Label::Excluded,
        basis,
        reason: reason.to_owned(),
        ..cohort.hips[0].clone()
    };
    assert!(set_aside(Basis::Report, "fracture at an implant").is_set_aside_for_metal());
    assert!(set_aside(Basis::Review, "reviewed by reader: Metal in the hip").is_set_aside_for_metal());
    assert!(!set_aside(Basis::Review, "reviewed by metal.reader: hip cut off").is_set_aside_for_metal());
    assert!(!cohort.hips[1].is_set_aside_for_metal());
    let twice = format!("{0}{0}", String::from_utf8(hips).expect("text"));
    assert!(Cohort::read(twice.as_bytes(), &events[..], false).is_err());
}
