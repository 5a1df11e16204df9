//! The running program at each of its doors: browser, STOW-RS, C-STORE, `shenton import` and `shenton analyse`. It
//! gets what it must not take, and what it must not fall over.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use domain::{AuditAction, AuditFilter, AuditOutcome, QuarantineItem};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::util::http::{Answer, Client};
use crate::util::process::{PASSWORD, Process, data_folder, models, said, shenton};
use crate::util::scu::{Scu, data_set, read_meta};
use crate::util::{dicom, files, pelvis, rng, small_frame, sound, tally, wait_until_final};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const WORK: Duration = Duration::from_secs(120);

/// The doors of a running server that lead over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Browser,
    Stow,
    Dimse,
}

impl Door {
    const ALL: [Door; 3] = [Door::Browser, Door::Stow, Door::Dimse];

    /// As the quarantine names it.
    fn name(self) -> &'static str {
        match self {
            Door::Browser => "browser",
            Door::Stow => "stow",
            Door::Dimse => "dimse",
        }
    }
}

/// What a door said of a file.
#[derive(Debug)]
enum Said {
    /// Taken, under this SOP Instance UID.
    Taken(String),
    /// Refused, in words; C-STORE gives a status and this test's client does not read its comment.
    Refused(String),
    /// C-STORE alone: the association was ended.
    BrokenOff,
}

/// Somebody who sends through one door.
struct Sender {
    door: Door,
    client: Client,
    scu: Option<Scu>,
    dicom: std::net::SocketAddr,
}

impl Sender {
    fn new(door: Door, server: &Process) -> Self {
        let client = match door {
            Door::Browser => Client::browser(server.web, "admin", PASSWORD),
            _ => Client::basic(server.web, "admin", PASSWORD),
        };
        Self {
            door,
            client,
            scu: None,
            dicom: server.dicom,
        }
    }

    /// Sends a file that is named `name` on its sender's disk. C-STORE names the instance in its command, and sends
    /// the data set alone.
    fn send(&mut self, name: &str, instance: &str, file: &[u8]) -> Said {
        match self.door {
            Door::Browser => of_upload(name, &self.client.upload(name, file).expect("an answer")),
            Door::Stow => of_stow(&self.client.stow(&[file]).expect("an answer")),
            Door::Dimse => {
                let open = || Scu::open(self.dicom, "EVERYDOOR", files::DX, EXPLICIT).expect("an association");
                let scu = self.scu.get_or_insert_with(open);
                match scu.store(files::DX, instance, file) {
                    Some(0) => Said::Taken(instance.to_owned()),
                    Some(status) => Said::Refused(format!("{status:04X}")),
                    None => {
                        self.scu = None;
                        Said::BrokenOff
                    }
                }
            }
        }
    }

    /// What this door sends of a file.
    fn payload<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        if self.door == Door::Dimse { data_set(file) } else { file }
    }
}

/// The upload page's answer: it names the file, and where it refuses the reason.
fn of_upload(name: &str, answer: &Answer) -> Said {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{name}: {answer:?}"));
    assert_eq!(json["file"], name);
    match answer.status {
        200 => Said::Taken(json["sop_uid"].as_str().unwrap().to_owned()),
        400 | 413 | 422 => {
            let reason = json["reason"].as_str().unwrap().to_owned();
            assert!(!reason.is_empty(), "{name}");
            Said::Refused(reason)
        }
        status => panic!("{name}: status {status}: {json}"),
    }
}

/// PS3.18 table 10.5.3-1: 200 with the stored instance, or 409 with the reason as a warning.
fn of_stow(answer: &Answer) -> Said {
    match answer.status {
        200 => {
            let json: Value = serde_json::from_slice(&answer.body).unwrap();
            let stored = &json["00081199"]["Value"][0]["00081155"]["Value"][0];
            Said::Taken(stored.as_str().unwrap().to_owned())
        }
        409 => Said::Refused(answer.header("warning").expect("a reason").to_owned()),
        status => panic!("status {status}: {answer:?}"),
    }
}

async fn database(data: &Path) -> db::Db {
    let url = format!("sqlite://{}?mode=rw", data.join("shenton.sqlite").display());
    db::Db::connect(&url).await.unwrap()
}

/// Every refused file, newest first.
async fn quarantine(db: &db::Db) -> Vec<QuarantineItem> {
    let mut items = Vec::new();
    loop {
        let page = db.quarantine(items.len() as u32 / 200, 200).await.unwrap();
        items.extend(page.rows);
        if items.len() as u64 >= page.total {
            return items;
        }
    }
}

/// The file stored under a SOP Instance UID.
async fn stored(db: &db::Db, data: &Path, instance: &str) -> Vec<u8> {
    let row = db.instance(&instance.into()).await.unwrap();
    let row = row.unwrap_or_else(|| panic!("{instance} was taken and is lost"));
    let folder = data.join("instances").join(&row.sha256[..2]).join(&row.sha256[2..4]);
    std::fs::read(folder.join(format!("{}.dcm", row.sha256))).unwrap()
}

/// The server answers, and takes a sound file as if nothing had been.
fn still_well(server: &mut Process, number: &str) {
    assert!(server.is_running());
    let health = Client::basic(server.web, "admin", PASSWORD).get("/healthz").unwrap();
    assert_eq!((health.status, health.text().as_str()), (200, "ok"));
    for door in Door::ALL {
        let mut sender = Sender::new(door, server);
        let instance = format!("1.2.99.{number}.{}", door as u32);
        let file = sound("1.2.99", &instance, 24);
        let said = sender.send("sound.dcm", &instance, sender.payload(&file));
        assert!(matches!(said, Said::Taken(_)), "{door:?}: {said:?}");
    }
}

/// A thousand damaged copies of a sound file and the monsters, through one door. Gives what was taken: SOP Instance
/// UID to the SHA-256 of what was sent.
fn besiege(mut sender: Sender) -> HashMap<String, [u8; 32]> {
    let door = sender.door;
    let began = Instant::now();
    let mut rng = rng(20_260_102 + door as u64);
    let (mut taken, mut counts) = (HashMap::new(), BTreeMap::new());
    for number in 0..1000 {
        let instance = format!("1.2.3.{}.{number}", door as u32);
        let file = sound(&format!("1.2.3.{}.0.{}", door as u32, number / 10), &instance, 24);
        let damaged = files::damage(sender.payload(&file), &mut rng);
        match sender.send("damaged.dcm", &instance, &damaged) {
            Said::Taken(instance) => {
                tally(&mut counts, "taken");
                // The same again, or the first of two that damage gave the same name.
                taken.entry(instance).or_insert_with(|| Sha256::digest(&damaged).into());
            }
            Said::Refused(reason) if door == Door::Dimse => tally(&mut counts, reason),
            Said::Refused(_) => tally(&mut counts, "refused"),
            Said::BrokenOff => tally(&mut counts, "broken off"),
        }
    }
    println!("{door:?}: {counts:?} in {:?}", began.elapsed());
    assert!(
        counts["taken"] > 50 && counts.len() > 1,
        "the damage tests nothing: {counts:?}"
    );
    // PS3.7 C.5.20: processing failure, which would be the server's fault.
    assert!(!counts.contains_key("0110"), "{counts:?}");
    for (number, (instance, file)) in files::monsters(&format!("1.2.5.{}", door as u32)).iter().enumerate() {
        let began = Instant::now();
        let said = sender.send("monster.dcm", instance, sender.payload(file));
        println!(
            "{door:?}: {instance} of {} bytes: {said:?} in {:?}",
            file.len(),
            began.elapsed()
        );
        match said {
            Said::Taken(_) => assert_eq!(number, 0, "{instance} is taken"),
            Said::Refused(_) => assert_ne!(number, 0, "{instance} is refused"),
            Said::BrokenOff => panic!("{instance}: the association broke off"),
        }
    }
    taken
}

/// The words that a refusal of a monster must hold.
const MONSTROUS: [(&str, &str); 2] = [("nested", "nested more than 128 deep"), ("65,535 squared", "65535")];

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_thousand_damaged_files_deep_nesting_and_absurd_dimensions_end_nothing() {
    let folder = data_folder();
    let data = folder.path();
    let mut server = Process::start(data, &[]);
    let senders = Door::ALL.map(|door| Sender::new(door, &server));
    let sieges = senders.map(|sender| (sender.door, std::thread::spawn(move || besiege(sender))));

    // Meanwhile the same from the command line, beside the running server.
    let from = tempfile::tempdir().unwrap();
    let mut rng = rng(20_260_110);
    let mut total = 1000;
    for number in 0..1000 {
        let file = sound(&format!("1.2.6.{}", number / 10), &format!("1.2.6.0.{number}"), 24);
        let damaged = files::damage(&file, &mut rng);
        std::fs::write(from.path().join(format!("damaged-{number:04}.dcm")), damaged).unwrap();
    }
    for (number, (_, file)) in files::monsters("1.2.7").iter().enumerate() {
        std::fs::write(from.path().join(format!("monster-{number}.dcm")), file).unwrap();
        total += 1;
    }
    let path = from.path().to_str().unwrap().to_owned();
    let import_data = data.to_str().unwrap().to_owned();
    let import_path = path.clone();
    let import = std::thread::spawn(move || shenton(["import", "--data", &import_data, &import_path]));
    let analyse = std::thread::spawn(move || shenton(["analyse", "--device", "cpu", "--json", &path]));

    let import = import.join().unwrap();
    let words = said(&import);
    assert_eq!(import.status.code(), Some(2), "{words}");
    let summary = words.lines().find(|line| line.contains(" accepted, ")).unwrap();
    let counts: Vec<usize> = summary.split(' ').filter_map(|word| word.parse().ok()).collect();
    println!("import: {summary}");
    assert_eq!(counts.iter().sum::<usize>(), total, "{summary}");
    assert!(counts[0] > 50 && counts[2] > 50, "the damage tests nothing: {summary}");
    let named = words.lines().filter(|line| line.contains(".dcm: ")).count();
    assert_eq!(named, counts[2], "each refused file is named: {words}");

    let analyse = analyse.join().unwrap();
    assert_eq!(analyse.status.code(), Some(2), "{}", said(&analyse));
    assert!(!said(&analyse).contains("panicked"));
    let lines: Vec<Value> = std::str::from_utf8(&analyse.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), total);
    let mut statuses = BTreeMap::new();
    for line in &lines {
        let file = line["file"].as_str().unwrap();
        tally(&mut statuses, line["status"].as_str().unwrap());
        if let Some(number) = file.split("monster-").nth(1) {
            let expect = if number.starts_with('0') { "excluded" } else { "error" };
            assert_eq!(line["status"], expect, "{line}");
        }
    }
    println!("analyse: {statuses:?}");

    let db = database(data).await;
    for (door, siege) in sieges {
        let taken = tokio::task::spawn_blocking(|| siege.join().unwrap()).await.unwrap();
        for (instance, sent) in taken {
            let file = stored(&db, data, &instance).await;
            let kept = if door == Door::Dimse {
                data_set(&file)
            } else {
                &file[..]
            };
            assert!(
                <[u8; 32]>::from(Sha256::digest(kept)) == sent,
                "{instance} is not what was sent"
            );
        }
    }
    still_well(&mut server, "1");

    let refused = quarantine(&db).await;
    for door in ["browser", "stow", "dimse", "import"] {
        let here: Vec<_> = refused.iter().filter(|item| item.door == door).collect();
        println!("{door}: {} in quarantine", here.len());
        assert!(
            here.len() > 50 && here.iter().all(|item| !item.reason.is_empty()),
            "{door}"
        );
        for (what, words) in MONSTROUS {
            let found = here.iter().filter(|item| item.reason.contains(words)).count();
            assert!(found >= 2, "{door}: {what} is not in quarantine");
        }
    }
    wait_until_final(&db, WORK).await;
    assert_eq!(std::fs::read_dir(data.join("incoming")).unwrap().count(), 0);
    assert!(db.audit_verify().await.unwrap().first_broken.is_none());
    assert!(server.is_running());
}

/// What becomes of a file.
enum Fate {
    /// No door takes it; the reason holds these words.
    Refused(&'static str),
    /// It is part of its study, and its reading says so.
    SetAside(&'static str),
    /// It is part of its study, and its reading is an error that holds these words.
    Unreadable(&'static str),
}

/// A file's bytes, of a study and an image.
type File = Box<dyn Fn(&str, &str) -> Vec<u8>>;

struct Case {
    name: &'static str,
    /// A file in this study, with this SOP Instance UID.
    file: File,
    fate: Fate,
    /// Whether C-STORE can say it at all.
    by_dimse: bool,
}

fn cases() -> Vec<Case> {
    let case = |name, fate, by_dimse, file: File| Case {
        name,
        file,
        fate,
        by_dimse,
    };
    let whole = |study: &str, instance: &str| sound(study, instance, 32);
    vec![
        case(
            "letter.txt",
            Fate::Refused("not a DICOM file"),
            false,
            Box::new(|_, _| b"Dear colleague, this is not an x-ray.".to_vec()),
        ),
        case(
            "empty.dcm",
            Fate::Refused("not a DICOM file"),
            false,
            Box::new(|_, _| Vec::new()),
        ),
        case(
            "head.dcm",
            Fate::Refused("cut short"),
            true,
            Box::new(move |study, instance| {
                let file = whole(study, instance);
                file[..file.len() - data_set(&file).len() + 90].to_vec()
            }),
        ),
        case(
            "pixels.dcm",
            Fate::Refused("cut short"),
            true,
            Box::new(move |study, instance| {
                let file = whole(study, instance);
                file[..file.len() - 100].to_vec()
            }),
        ),
        case(
            "disc.dcm",
            Fate::Refused("DICOMDIR"),
            false,
            Box::new(|_, _| files::directory()),
        ),
        case(
            "absurd.dcm",
            Fate::Refused("65535"),
            true,
            Box::new(|study, instance| files::absurd(study, instance, EXPLICIT)),
        ),
        case(
            "nested.dcm",
            Fate::Refused("nested"),
            true,
            Box::new(|study, instance| files::nested(study, instance, 100_000)),
        ),
        case(
            "nameless.dcm",
            Fate::Refused("Study Instance UID"),
            true,
            Box::new(move |study, instance| {
                let file = whole(study, instance);
                // (0020,000D) becomes a private element.
                let tag = [0x20, 0x00, 0x0D, 0x00, b'U', b'I'];
                let at = file.windows(6).position(|window| window == tag).unwrap();
                [&file[..at], &[0x21, 0x00, 0x0D, 0x10], &file[at + 4..]].concat()
            }),
        ),
        case("report.dcm", Fate::SetAside("no_pixels"), true, Box::new(files::report)),
        case(
            "colour.dcm",
            Fate::SetAside("colour_image"),
            true,
            Box::new(files::colour),
        ),
        case(
            "film.dcm",
            Fate::SetAside("multi_frame"),
            true,
            Box::new(files::multi_frame),
        ),
        case(
            "mpeg.dcm",
            Fate::Unreadable("transfer syntax 1.2.840.10008.1.2.4.102 is not supported"),
            // No presentation context for it is agreed upon.
            false,
            Box::new(files::unsupported),
        ),
        case(
            "wrong-tags.dcm",
            Fate::SetAside("too_small"),
            true,
            Box::new(|study, instance| {
                let frame = small_frame(48);
                let mut metadata = crate::util::metadata(study, instance, &frame);
                metadata.patient_name = "^^^==\u{1}<script>alert(1)</script>".to_owned();
                metadata.patient_sex = "NEITHER".to_owned();
                metadata.patient_birth_date = "31.02.1890".to_owned();
                metadata.study_date = "tomorrow".to_owned();
                metadata.study_time = "noon".to_owned();
                metadata.body_part = "CHEST".to_owned();
                dicom_io::write_dx(&frame, &metadata).unwrap()
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_named_with_its_reason_at_every_door() {
    let folder = data_folder();
    let data = folder.path();
    let mut server = Process::start(data, &[]);
    let db = database(data).await;

    // Over the network.
    for door in Door::ALL {
        let mut sender = Sender::new(door, &server);
        for (number, case) in cases().iter().enumerate() {
            if door == Door::Dimse && !case.by_dimse {
                continue;
            }
            let (study, instance) = (
                format!("1.2.8.{}.{number}", door as u32),
                format!("1.2.8.0.{}.{number}", door as u32),
            );
            let file = (case.file)(&study, &instance);
            let said = sender.send(case.name, &instance, sender.payload(&file));
            let newest = db.quarantine(0, 1).await.unwrap().rows.pop();
            match (&case.fate, &said) {
                (Fate::Refused(words), Said::Refused(reason)) => {
                    assert!(
                        door == Door::Dimse || reason.contains(words),
                        "{door:?}: {}: {reason}",
                        case.name
                    );
                    let item = newest.unwrap();
                    assert_eq!(item.door, door.name(), "{}", case.name);
                    assert!(item.reason.contains(words), "{door:?}: {}: {}", case.name, item.reason);
                    if door == Door::Browser {
                        assert_eq!(item.file_name, case.name);
                    }
                    let kept = data.join("quarantine").join(format!("{}.bin", item.sha256));
                    assert!(
                        std::fs::read(kept).unwrap().ends_with(sender.payload(&file)),
                        "{}",
                        case.name
                    );
                }
                (Fate::SetAside(_) | Fate::Unreadable(_), Said::Taken(taken)) => assert_eq!(*taken, instance),
                _ => panic!("{door:?}: {}: {said:?}", case.name),
            }
        }
    }

    // From the command line.
    let from = tempfile::tempdir().unwrap();
    for (number, case) in cases().iter().enumerate() {
        let file = (case.file)(&format!("1.2.8.9.{number}"), &format!("1.2.8.0.9.{number}"));
        std::fs::write(from.path().join(case.name), file).unwrap();
    }
    let import = shenton([
        "import",
        "--data",
        data.to_str().unwrap(),
        from.path().to_str().unwrap(),
    ]);
    assert_eq!(import.status.code(), Some(2));
    let analyse = shenton(["analyse", "--device", "cpu", "--json", from.path().to_str().unwrap()]);
    assert_eq!(analyse.status.code(), Some(2));
    let readings: HashMap<String, Value> = std::str::from_utf8(&analyse.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            let name = line["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            (name, line)
        })
        .collect();
    let listed = quarantine(&db).await;
    for case in cases() {
        let line = &readings[case.name];
        let import_line = said(&import)
            .lines()
            .find(|line| line.contains(&format!("{}: ", case.name)))
            .map(str::to_owned);
        match case.fate {
            Fate::Refused(words) => {
                assert!(import_line.unwrap().contains(words), "{}", case.name);
                let item = listed
                    .iter()
                    .find(|item| item.door == "import" && item.file_name == case.name);
                assert!(item.unwrap().reason.contains(words), "{}", case.name);
                // A directory is no damage: its files are listed beside it.
                if case.name == "disc.dcm" {
                    assert_eq!(
                        (&line["status"], &line["reason"]),
                        (&"excluded".into(), &"no_pixels".into())
                    );
                } else {
                    assert_eq!(line["status"], "error", "{line}");
                    assert!(line["reason"].as_str().unwrap().contains(words), "{line}");
                }
            }
            Fate::SetAside(reason) => {
                assert_eq!(import_line, None, "{}", case.name);
                assert_eq!((&line["status"], &line["reason"]), (&"excluded".into(), &reason.into()));
            }
            Fate::Unreadable(words) => {
                assert_eq!(import_line, None, "{}", case.name);
                assert_eq!(line["status"], "error");
                assert!(line["reason"].as_str().unwrap().contains(words), "{line}");
            }
        }
    }

    // What was taken is read, and says why there is no result.
    wait_until_final(&db, WORK).await;
    let reader = Client::browser(server.web, "admin", PASSWORD);
    for door in 0..3 {
        for (number, case) in cases().iter().enumerate() {
            let study = format!("1.2.8.{door}.{number}");
            let Some(detail) = db.study(&study.as_str().into()).await.unwrap() else {
                continue;
            };
            let reading = detail.images[0].reading.as_ref().unwrap();
            let (status, words) = match case.fate {
                Fate::SetAside(reason) => (domain::ReadingStatus::Excluded, reason),
                Fate::Unreadable(words) => (domain::ReadingStatus::Error, words),
                Fate::Refused(_) => panic!("{} is here", case.name),
            };
            assert_eq!(reading.status, status, "{}", case.name);
            assert!(
                reading.reason.as_ref().unwrap().contains(words),
                "{}: {reading:?}",
                case.name
            );
            let page = reader.get(&format!("/study/{study}")).unwrap();
            assert_eq!(page.status, 200, "{}", case.name);
            assert!(!page.text().contains("<script>alert"), "{}", case.name);
        }
    }
    still_well(&mut server, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_another_patient_is_not_filed_under_this_one() {
    let folder = data_folder();
    let data = folder.path();
    let server = Process::start(data, &[]);
    let db = database(data).await;
    for door in Door::ALL {
        let mut sender = Sender::new(door, &server);
        let study = format!("1.2.9.{}", door as u32);
        let of = |patient: &str, number: u32| {
            let frame = small_frame(32);
            let instance = format!("{study}.1.{number}");
            let mut metadata = crate::util::metadata(&study, &instance, &frame);
            metadata.patient_id = patient.to_owned();
            (instance, dicom_io::write_dx(&frame, &metadata).unwrap())
        };
        for (patient, number, taken) in [("A-1", 1, true), ("B-2", 2, false), ("A-1", 3, true), ("", 4, true)] {
            let (instance, file) = of(patient, number);
            let said = sender.send("image.dcm", &instance, sender.payload(&file));
            assert_eq!(matches!(said, Said::Taken(_)), taken, "{door:?}: {patient}: {said:?}");
        }
        let items = quarantine(&db).await;
        assert_eq!((items[0].door.as_str(), items.len()), (door.name(), door as usize + 1));
        assert!(items[0].reason.contains("Patient ID"), "{}", items[0].reason);
        // The reason is shown to whoever sent the file, so it names no patient.
        assert!(!items[0].reason.contains("A-1") && !items[0].reason.contains("B-2"));
        let images = db.instances_of(&study.as_str().into()).await.unwrap();
        assert_eq!(images.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_content_length_is_answered_and_holds_nothing_up() {
    let folder = data_folder();
    let data = folder.path();
    let settings = "body_idle_seconds = 1\n[ingest]\nreserve_bytes = 0\nmax_bytes = 100_000\n";
    std::fs::write(data.join("shenton.toml"), settings).unwrap();
    let mut server = Process::start(data, &[]);
    let db = database(data).await;
    let browser = Client::browser(server.web, "admin", PASSWORD);
    let dicomweb = Client::basic(server.web, "admin", PASSWORD);
    let file = sound("1.2.10", "1.2.10.1", 64);
    let length = file.len();
    let lie = |announced: &str| browser.lie("POST", "/upload/file", "X-File-Name: lie.dcm\r\n", &file, announced);

    // Less than there is: what counts is what was announced.
    let Said::Refused(reason) = of_upload("lie.dcm", &lie(&(length - 500).to_string()).unwrap()) else {
        panic!("half a file is taken");
    };
    assert!(reason.contains("cut short"), "{reason}");
    // More than there is, and the sender waits.
    let began = Instant::now();
    let answer = lie(&(length + 1000).to_string()).unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    let Said::Refused(reason) = of_upload("lie.dcm", &answer) else {
        panic!("half a file is taken");
    };
    assert!(reason.contains("broke off before"), "{reason}");
    assert!(began.elapsed() < Duration::from_secs(10));
    // More than is ever taken: not even begun.
    let answer = lie("99999999999999").unwrap();
    assert_eq!(answer.status, 413, "{answer:?}");
    let Said::Refused(reason) = of_upload("lie.dcm", &answer) else {
        panic!("it is taken");
    };
    assert!(reason.contains("99999999999999"), "{reason}");
    let item = quarantine(&db).await.remove(0);
    assert_eq!((item.file_name.as_str(), item.bytes), ("lie.dcm", 99_999_999_999_999));
    assert!(item.reason.contains("not kept"), "{}", item.reason);
    // No number at all.
    assert_eq!(lie("many").unwrap().status, 400);
    // More than there is, and the sender is gone.
    browser.hang_up(&file, length as u64 + 1000);

    // STOW-RS: the parts that came whole stay.
    let parts = [sound("1.2.11", "1.2.11.1", 32), sound("1.2.11", "1.2.11.2", 32)];
    let body = crate::util::http::multipart(parts.iter().map(Vec::as_slice));
    let kind = format!("Content-Type: {}\r\n", crate::util::http::CONTENT_TYPE);
    let cut = &body[..body.len() - 600];
    let answer = dicomweb.lie("POST", "/dicomweb/studies", &kind, cut, &body.len().to_string());
    let answer = answer.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.header("warning").unwrap().contains("part 2"), "{answer:?}");
    assert!(db.instance(&"1.2.11.1".into()).await.unwrap().is_some());
    assert!(db.instance(&"1.2.11.2".into()).await.unwrap().is_none());
    let kind = "Content-Type: application/dicom\r\n";
    let answer = dicomweb.lie("POST", "/dicomweb/studies", kind, &file, &(length + 1000).to_string());
    assert_eq!(answer.unwrap().status, 400);
    let answer = dicomweb.lie("POST", "/dicomweb/studies", kind, &file, "99999999999999");
    assert_eq!(answer.unwrap().status, 413);

    // C-STORE announces no length; what is longer than is ever taken is read to its end and refused.
    let long = sound("1.2.13", "1.2.13.1", 210);
    let Said::Refused(status) = Sender::new(Door::Dimse, &server).send("", "1.2.13.1", data_set(&long)) else {
        panic!("it is taken");
    };
    assert_eq!(status, "A700");
    let item = quarantine(&db).await.remove(0);
    assert_eq!((item.door.as_str(), item.file_name.as_str()), ("dimse", "1.2.13.1"));
    assert_eq!(item.bytes, data_set(&long).len() as u64);
    assert!(item.reason.contains("larger than this server takes"), "{}", item.reason);

    // All of it is in the trail; the one who hung up may be noticed a moment later.
    let filter = AuditFilter {
        action: Some(AuditAction::Upload),
        per_page: 100,
        ..AuditFilter::default()
    };
    let began = Instant::now();
    loop {
        let rows = db.audit_events(&filter).await.unwrap().rows;
        let count = |door: &str| {
            let detail = format!("{door}: broken off before its end");
            let fits = |event: &&domain::AuditEvent| event.outcome == AuditOutcome::Failure && event.detail == detail;
            rows.iter().filter(fits).count()
        };
        if (count("browser"), count("stow")) == (2, 2) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{rows:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(db.instance(&"1.2.10.1".into()).await.unwrap().is_none());
    still_well(&mut server, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pelvis_goes_through_every_network_and_every_stage_is_kept() {
    let folder = data_folder();
    let data = folder.path();
    let server = Process::start(data, &[]);
    let db = database(data).await;
    let file = dicom("1.2.12", "1.2.12.1", &pelvis(1600));
    let mut sender = Sender::new(Door::Browser, &server);
    assert!(matches!(sender.send("pelvis.dcm", "", &file), Said::Taken(_)));
    wait_until_final(&db, WORK).await;
    let study = db.study(&"1.2.12".into()).await.unwrap().unwrap();
    let reading = study.images[0].reading.clone().unwrap();
    println!("{reading:?}");
    assert!(reading.frontal.is_some(), "{reading:?}");
    assert_eq!(reading.device, "cpu (flex)");
    let networks = pipeline::summaries(&models()).unwrap();
    assert_eq!(reading.model.name, networks[3].name);
    assert_eq!(reading.model.sha256.len(), 64);
    let took = reading.milliseconds;
    for (stage, took) in [
        ("decode", took.decode),
        ("frontal", took.frontal),
        ("bounding", took.bounding),
        ("metal", took.metal),
        ("total", took.total),
    ] {
        assert!(took.is_some_and(|took| took > 0.0), "{stage}: {reading:?}");
    }
    assert_eq!(reading.hips.len(), 2);
    for hip in &reading.hips {
        let read = hip.fracture.is_some() && hip.call.is_some();
        assert!(hip.metal.is_some() && (read || hip.reason.is_some()), "{hip:?}");
    }
    // The page shows what is stored.
    let page = Client::browser(server.web, "admin", PASSWORD)
        .get("/study/1.2.12")
        .unwrap()
        .text();
    assert!(page.contains(&reading.model.sha256) && page.contains(&reading.device));
}

/// Real files, most of them no x-rays, some of them damaged on purpose by those who made them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_file_is_answered_at_the_web_doors_and_by_import() {
    let Some(corpus) = files::corpus() else {
        println!("skipped: no corpus of real files");
        return;
    };
    let folder = data_folder();
    let data = folder.path();
    let mut server = Process::start(data, &["--no-worker"]);
    let db = database(data).await;
    let (mut taken, mut counts) = (HashMap::new(), BTreeMap::new());
    for door in [Door::Browser, Door::Stow] {
        let mut sender = Sender::new(door, &server);
        for entry in walkdir::WalkDir::new(corpus.join("dicom")).sort_by_file_name() {
            let entry = entry.unwrap();
            if !entry.file_type().is_file() {
                continue;
            }
            let file = std::fs::read(entry.path()).unwrap();
            match sender.send("real.dcm", "", &file) {
                Said::Taken(instance) => {
                    tally(&mut counts, format!("{door:?}: taken"));
                    taken.entry(instance).or_insert_with(|| Sha256::digest(&file));
                }
                Said::Refused(_) => tally(&mut counts, format!("{door:?}: refused")),
                Said::BrokenOff => panic!("{}", entry.path().display()),
            }
        }
    }
    println!("{counts:?}");
    // The second door finds what the first one took, and takes no more.
    assert_eq!(counts["Browser: taken"], counts["Stow: taken"]);
    assert!(taken.len() > 50 && counts["Browser: refused"] > 20, "{counts:?}");
    for (instance, sent) in &taken {
        assert_eq!(Sha256::digest(stored(&db, data, instance).await), *sent, "{instance}");
    }
    let path = corpus.join("dicom");
    let import = shenton(["import", "--data", data.to_str().unwrap(), path.to_str().unwrap()]);
    let words = said(&import);
    assert_eq!(import.status.code(), Some(2), "{words}");
    let expect = format!(
        "0 accepted, {} known already, {} refused",
        counts["Browser: taken"], counts["Browser: refused"]
    );
    assert!(words.contains(&expect), "{expect}: {words}");
    assert!(server.is_running());
}

/// The same by C-STORE, each in its own transfer syntax, as an archive would send it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_file_is_answered_at_the_dicom_listener() {
    let Some(corpus) = files::corpus() else {
        println!("skipped: no corpus of real files");
        return;
    };
    let folder = data_folder();
    let data = folder.path();
    let mut server = Process::start(data, &["--no-worker"]);
    let (mut taken, mut counts) = (HashMap::new(), BTreeMap::new());
    for entry in walkdir::WalkDir::new(corpus.join("dicom")).sort_by_file_name() {
        let entry = entry.unwrap();
        if !entry.file_type().is_file() {
            continue;
        }
        let file = std::fs::read(entry.path()).unwrap();
        let Some(([class, instance, syntax], data_set)) = read_meta(&file) else {
            tally(&mut counts, "no sender could name it".to_owned());
            continue;
        };
        let said = match Scu::open(server.dicom, "CORPUS", &class, &syntax) {
            None => "association refused".to_owned(),
            Some(mut scu) => match scu.store(&class, &instance, data_set) {
                Some(0) => {
                    taken.entry(instance).or_insert_with(|| data_set.to_vec());
                    "taken".to_owned()
                }
                Some(status) => format!("status {status:04X}"),
                None => "broken off".to_owned(),
            },
        };
        tally(&mut counts, said);
    }
    println!("{counts:?}");
    assert!(taken.len() > 50, "{counts:?}");
    let db = database(data).await;
    for (instance, sent) in &taken {
        assert!(stored(&db, data, instance).await.ends_with(sent), "{instance}");
    }
    // Whatever was sent, the next one is taken.
    assert!(server.is_running());
    let mut scu = Scu::open(server.dicom, "CORPUS", files::DX, EXPLICIT).unwrap();
    let file = sound("1.2.77", "1.2.77.1", 64);
    assert_eq!(scu.store(files::DX, "1.2.77.1", data_set(&file)), Some(0));
}
