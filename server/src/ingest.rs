//! The one way in, behind every door: browser, STOW-RS, the DICOM listener and `shenton import`.
//!
//! An instance is acknowledged only after its bytes are on disk, synchronised, and its row is committed. What is
//! refused goes to quarantine with its reason. Both leave a line in the audit trail, without patient data.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dicom_io::Metadata;
use domain::{AuditAction, AuditOutcome, PersonName, QuarantineItem, SeriesUid, SiteId, SopUid, StudyUid, Technique};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::decoder::{DecodeError, Decoder};
use crate::storage::{Staged, Storage};
use crate::{audit, clock};

/// What may come in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The longest file, in bytes.
    pub max_bytes: usize,
    /// Nothing is taken while the file system has less than this free, in bytes.
    pub reserve_bytes: u64,
    /// Refused files are kept up to this many bytes; the oldest go first.
    pub quarantine_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            reserve_bytes: 1 << 30,
            quarantine_bytes: 1 << 30,
        }
    }
}

/// The way that a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Browser,
    Stow,
    Dimse,
    Import,
}

impl Door {
    pub fn as_str(self) -> &'static str {
        match self {
            Door::Browser => "browser",
            Door::Stow => "stow",
            Door::Dimse => "dimse",
            Door::Import => "import",
        }
    }
}

/// Who sends a file, and from where.
#[derive(Clone, Debug)]
pub struct Source {
    pub door: Door,
    /// A network address, or empty for the command line.
    pub from: String,
    /// The account's name, the calling AE title, or `command line`.
    pub actor: String,
    /// A new study belongs to it.
    pub site: SiteId,
    /// Refuse instances of another site's studies.
    pub restrict_to_site: bool,
    /// For the quarantine alone.
    pub file_name: String,
}

/// What the sender said about a file beforehand.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The study that a STOW-RS request names.
    pub study_uid: Option<String>,
    /// The instance that a C-STORE command names.
    pub sop_uid: Option<String>,
}

/// An instance that is here for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub study_uid: StudyUid,
    pub series_uid: SeriesUid,
    pub sop_uid: SopUid,
    pub sop_class_uid: String,
    /// It was here already, with the same bytes.
    pub duplicate: bool,
}

/// What kind of refusal, for each door's own codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file itself cannot be taken.
    CannotUnderstand,
    TooLarge,
    /// It is not what its sender said.
    Mismatch,
    /// Its SOP Instance UID is here with other bytes.
    Conflict,
    /// Its study belongs to another site.
    OtherSite,
    /// Its study is of another patient.
    OtherPatient,
    /// Its bytes stopped coming before the end that was announced.
    BrokenOff,
    /// No room on the disk: worth another try later.
    NoRoom,
    /// The server is at fault: worth another try.
    Internal,
}

impl Kind {
    /// For the audit trail, which holds nothing that came from a file.
    fn words(self) -> &'static str {
        match self {
            Kind::CannotUnderstand => "not a sound DICOM file",
            Kind::TooLarge => "file too large",
            Kind::Mismatch => "not the instance that was announced",
            Kind::Conflict => "other bytes under a known SOP Instance UID",
            Kind::OtherSite => "study of another site",
            Kind::OtherPatient => "study of another patient",
            Kind::BrokenOff => "broken off before its end",
            Kind::NoRoom => "disk full",
            Kind::Internal => "internal error",
        }
    }
}

/// Why a file was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    pub kind: Kind,
    /// Plain words for the sender.
    pub reason: String,
    /// What the file says it is, as far as that was read.
    pub sop_class_uid: Option<String>,
    pub sop_uid: Option<String>,
}

impl Refused {
    fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            sop_class_uid: None,
            sop_uid: None,
        }
    }

    /// The server's own fault: logged here, once, and told to nobody.
    fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "an instance could not be taken in");
        Self::new(Kind::Internal, "the server could not store the file; try again")
    }

    fn about(mut self, metadata: &Metadata) -> Self {
        self.sop_class_uid = Some(metadata.sop_class_uid.clone());
        self.sop_uid = Some(metadata.sop_uid.clone());
        self
    }
}

/// The ingest function and what it needs; clones share everything.
#[derive(Clone)]
pub struct Ingest {
    options: Arc<Options>,
    db: db::Db,
    storage: Arc<Storage>,
    decoder: Arc<Decoder>,
    changes: broadcast::Sender<StudyUid>,
}

impl Ingest {
    pub fn new(
        options: Options,
        db: db::Db,
        storage: Arc<Storage>,
        decoder: Arc<Decoder>,
        changes: broadcast::Sender<StudyUid>,
    ) -> Self {
        Self {
            options: Arc::new(options),
            db,
            storage,
            decoder,
            changes,
        }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Takes one file in.
    ///
    /// # Errors
    /// [`Refused`], with the bytes in quarantine where they are at fault.
    pub async fn accept(&self, source: Source, bytes: Bytes) -> Result<Accepted, Refused> {
        self.accept_expecting(source, bytes, Expected::default()).await
    }

    /// Takes one file in, if it is what its sender said it is.
    ///
    /// # Errors
    /// See [`Ingest::accept`].
    pub async fn accept_expecting(
        &self,
        source: Source,
        bytes: Bytes,
        expected: Expected,
    ) -> Result<Accepted, Refused> {
        let ingest = self.clone();
        // In a task of its own: a sender that hangs up must not stop half-way between file, row and audit line.
        let task = tokio::spawn(async move { ingest.run(source, bytes, expected).await });
        task.await.unwrap_or_else(|error| Err(Refused::internal(error)))
    }

    /// Notes a file that its door could not take over: it was too long, or broke off. `announced` is its length as
    /// far as that is known. Gives the refusal back, for the door's answer.
    pub async fn not_taken(&self, source: &Source, announced: u64, kind: Kind, reason: impl Into<String>) -> Refused {
        let refused = Refused::new(kind, reason);
        let (ingest, source, noted) = (self.clone(), source.clone(), refused.clone());
        // In a task of its own, as above: who broke off is gone, and the request with him.
        let task = tokio::spawn(async move {
            ingest.note(&source, &Err(noted.clone())).await;
            if kind == Kind::TooLarge {
                ingest.list(&source, String::new(), announced, &noted, false).await;
            }
        });
        if let Err(error) = task.await {
            tracing::error!(%error, "a refused file could not be noted");
        }
        refused
    }

    async fn run(&self, source: Source, bytes: Bytes, expected: Expected) -> Result<Accepted, Refused> {
        let result = self.take(&source, bytes, &expected).await;
        self.note(&source, &result).await;
        if let Ok(accepted) = &result
            && !accepted.duplicate
        {
            // Nobody listening is no fault.
            let _ = self.changes.send(accepted.study_uid.clone());
        }
        result
    }

    /// Writes what became of a file to the audit trail.
    async fn note(&self, source: &Source, result: &Result<Accepted, Refused>) {
        let (outcome, object, detail) = match result {
            Ok(accepted) => {
                let detail = if accepted.duplicate {
                    "known already"
                } else {
                    "accepted"
                };
                (AuditOutcome::Success, accepted.sop_uid.0.clone(), detail)
            }
            Err(refused) => {
                let object = refused.sop_uid.clone().unwrap_or_default();
                (AuditOutcome::Failure, object, refused.kind.words())
            }
        };
        let detail = format!("{}: {detail}", source.door.as_str());
        let event = audit::by(
            &source.actor,
            &source.from,
            AuditAction::Upload,
            outcome,
            object,
            detail,
        );
        if let Err(error) = self.db.audit(event).await {
            tracing::error!(%error, "cannot write the audit trail");
        }
    }

    async fn take(&self, source: &Source, bytes: Bytes, expected: &Expected) -> Result<Accepted, Refused> {
        if bytes.len() > self.options.max_bytes {
            let reason = format!(
                "the file has {} bytes, more than the {} allowed",
                bytes.len(),
                self.options.max_bytes
            );
            let refused = Refused::new(Kind::TooLarge, reason);
            self.list(source, String::new(), bytes.len() as u64, &refused, false)
                .await;
            return Err(refused);
        }
        let staged = self.stage(bytes).await?;
        match self.examine(source, &staged, expected).await {
            Ok(Examined::New(new)) => self.keep(*new, staged).await,
            Ok(Examined::Known(accepted)) => Ok(accepted),
            Err(refused) => {
                if !matches!(refused.kind, Kind::Internal | Kind::NoRoom) {
                    self.quarantine(source, staged, &refused).await;
                }
                Err(refused)
            }
        }
    }

    /// Writes the bytes to a temporary file, if there is room.
    async fn stage(&self, bytes: Bytes) -> Result<Staged, Refused> {
        let (storage, reserve) = (self.storage.clone(), self.options.reserve_bytes);
        blocking(move || {
            let free = storage.free_bytes().map_err(Refused::internal)?;
            if free < reserve.saturating_add(bytes.len() as u64) {
                tracing::error!(free, reserve, "the disk is full: nothing is taken in");
                return Err(Refused::new(Kind::NoRoom, "the server's disk is full"));
            }
            storage.stage(&bytes).map_err(Refused::internal)
        })
        .await
    }

    /// Reads the attributes in a child and compares them with what is announced and what is here.
    async fn examine(&self, source: &Source, staged: &Staged, expected: &Expected) -> Result<Examined, Refused> {
        let metadata = self
            .decoder
            .metadata(staged.path())
            .await
            .map_err(|error| match error {
                DecodeError::Start(_) | DecodeError::Unreadable(_) => Refused::internal(error),
                DecodeError::TooLong { .. } => Refused::new(Kind::TooLarge, error.to_string()),
                error => Refused::new(Kind::CannotUnderstand, error.to_string()),
            })?;
        for (name, uid) in [
            ("Study Instance UID", &metadata.study_uid),
            ("Series Instance UID", &metadata.series_uid),
            ("SOP Instance UID", &metadata.sop_uid),
            ("SOP Class UID", &metadata.sop_class_uid),
        ] {
            if !dimse::is_uid(uid) {
                return Err(Refused::new(Kind::CannotUnderstand, format!("{name} is not a UID")));
            }
        }
        let mismatch = |reason: &str| Err(Refused::new(Kind::Mismatch, reason).about(&metadata));
        if expected
            .study_uid
            .as_ref()
            .is_some_and(|study| *study != metadata.study_uid)
        {
            return mismatch("the instance belongs to another study than the one it was sent to");
        }
        if expected.sop_uid.as_ref().is_some_and(|sop| *sop != metadata.sop_uid) {
            return mismatch("the SOP Instance UID of the data set is not the one of the command");
        }
        let new = new_instance(&metadata, staged, source);
        // What is refused or known anyway never becomes an instance's file.
        match self.db.instance(&new.sop_uid).await.map_err(Refused::internal)? {
            Some(known) if source.restrict_to_site && known.site != source.site => Err(other_site().about(&metadata)),
            Some(known) => {
                let (storage, path) = (self.storage.clone(), staged.path().to_owned());
                let (sha256, same_syntax) = (new.sha256.clone(), known.transfer_syntax_uid == new.transfer_syntax_uid);
                let state = blocking(move || {
                    let stored = storage.instance_path(&known.sha256);
                    Ok(
                        match (known.sha256 == sha256, storage.holds(&known.sha256, known.bytes)) {
                            (true, true) => Stored::Same,
                            (true, false) => Stored::Lost,
                            (false, true) if same_syntax && same_data_set(&stored, &path) => Stored::Same,
                            (false, _) => Stored::Other,
                        },
                    )
                });
                match state.await? {
                    Stored::Same => Ok(Examined::Known(accepted(&new, true))),
                    // The row is here and its file is gone: the sender has just brought it back.
                    Stored::Lost => Ok(Examined::New(Box::new(new))),
                    Stored::Other => Err(differs().about(&metadata)),
                }
            }
            None => match self.db.owner_of(&new.study_uid).await.map_err(Refused::internal)? {
                Some(owner) if source.restrict_to_site && owner.site != source.site => {
                    Err(other_site().about(&metadata))
                }
                Some(owner) if !owner.may_be(&new.patient_id) => Err(other_patient().about(&metadata)),
                _ => Ok(Examined::New(Box::new(new))),
            },
        }
    }

    /// File first, row second: a row never points to nothing.
    async fn keep(&self, new: db::NewInstance, staged: Staged) -> Result<Accepted, Refused> {
        let storage = self.storage.clone();
        blocking(move || storage.commit(staged).map_err(Refused::internal)).await?;
        let recorded = self.db.record_instance(new.clone()).await.map_err(Refused::internal)?;
        // The last three happen only where two senders race; the file then stays, without a row, and harms nothing.
        let refused = match recorded {
            db::Recorded::New => return Ok(accepted(&new, false)),
            db::Recorded::Duplicate => return Ok(accepted(&new, true)),
            db::Recorded::Differs if self.is_stored(&new).await? => return Ok(accepted(&new, true)),
            db::Recorded::Differs => differs(),
            db::Recorded::OtherSite => other_site(),
            db::Recorded::OtherPatient => other_patient(),
        };
        Err(Refused {
            sop_class_uid: Some(new.sop_class_uid),
            sop_uid: Some(new.sop_uid.0),
            ..refused
        })
    }

    /// Whether the data set that was just committed is also the one under the instance's row.
    async fn is_stored(&self, new: &db::NewInstance) -> Result<bool, Refused> {
        let known = self.db.instance(&new.sop_uid).await.map_err(Refused::internal)?;
        let Some(known) = known.filter(|known| known.transfer_syntax_uid == new.transfer_syntax_uid) else {
            return Ok(false);
        };
        let (storage, sha256) = (self.storage.clone(), new.sha256.clone());
        blocking(move || {
            Ok(same_data_set(
                &storage.instance_path(&known.sha256),
                &storage.instance_path(&sha256),
            ))
        })
        .await
    }

    /// Keeps refused bytes for the administrator. What goes wrong here is logged: the refusal stands.
    async fn quarantine(&self, source: &Source, staged: Staged, refused: &Refused) {
        let (storage, limit) = (self.storage.clone(), self.options.quarantine_bytes);
        let (sha256, bytes) = (staged.sha256().to_owned(), staged.bytes());
        let kept = blocking(move || storage.quarantine(staged, limit).map_err(Refused::internal)).await;
        self.list(source, sha256, bytes, refused, kept.unwrap_or(false)).await;
    }

    /// Lists a refused file for the administrator.
    async fn list(&self, source: &Source, sha256: String, bytes: u64, refused: &Refused, kept: bool) {
        let mut reason = refused.reason.clone();
        if !kept {
            reason.push_str(" (the file itself was not kept)");
        }
        let item = QuarantineItem {
            id: 0,
            at: clock::now(),
            file_name: printable(&source.file_name, 255),
            door: source.door.as_str().to_owned(),
            from: source.from.clone(),
            bytes,
            sha256,
            reason: printable(&reason, 500),
        };
        if let Err(error) = self.db.quarantine_add(item).await {
            tracing::error!(%error, "cannot record a quarantined file");
        }
    }
}

/// An instance that may come in, or one that is here.
enum Examined {
    New(Box<db::NewInstance>),
    Known(Accepted),
}

/// What is stored under a SOP Instance UID that has come again.
enum Stored {
    Same,
    Lost,
    Other,
}

/// Whether two files hold the same data set: each sender and each door writes file meta information of its own.
fn same_data_set(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (std::fs::read(one), std::fs::read(other)) else {
        return false;
    };
    data_set(&one) == data_set(&other)
}

/// A file without preamble and group 0002 (PS3.10 section 7.1), or all of it where it has none of known length.
fn data_set(file: &[u8]) -> &[u8] {
    let after_meta = || {
        let meta = file.strip_prefix(file.get(..128)?)?.strip_prefix(b"DICM")?;
        // (0002,0000) File Meta Information Group Length, UL, 4 bytes.
        let length = meta.strip_prefix(&[0x02, 0x00, 0x00, 0x00, b'U', b'L', 4, 0])?;
        let (length, rest) = length.split_first_chunk::<4>()?;
        rest.get(u32::from_le_bytes(*length) as usize..)
    };
    after_meta().unwrap_or(file)
}

fn differs() -> Refused {
    Refused::new(
        Kind::Conflict,
        "another file with this SOP Instance UID is here already",
    )
}

fn other_site() -> Refused {
    Refused::new(Kind::OtherSite, "the study belongs to another site")
}

fn other_patient() -> Refused {
    Refused::new(
        Kind::OtherPatient,
        "the Patient ID is not the one of the study that the file names",
    )
}

fn accepted(new: &db::NewInstance, duplicate: bool) -> Accepted {
    Accepted {
        study_uid: new.study_uid.clone(),
        series_uid: new.series_uid.clone(),
        sop_uid: new.sop_uid.clone(),
        sop_class_uid: new.sop_class_uid.clone(),
        duplicate,
    }
}

fn new_instance(metadata: &Metadata, staged: &Staged, source: &Source) -> db::NewInstance {
    // The longest VRs among these hold 64 characters (LO), a person's name three times that.
    let text = |value: &str| printable(value, 200);
    db::NewInstance {
        study_uid: StudyUid(metadata.study_uid.clone()),
        series_uid: SeriesUid(metadata.series_uid.clone()),
        sop_uid: SopUid(metadata.sop_uid.clone()),
        sop_class_uid: metadata.sop_class_uid.clone(),
        transfer_syntax_uid: text(&metadata.transfer_syntax_uid),
        patient_name: PersonName(text(&metadata.patient_name)),
        patient_id: text(&metadata.patient_id),
        patient_sex: text(&metadata.patient_sex),
        patient_birth_date: text(&metadata.patient_birth_date),
        study_date: text(&metadata.study_date),
        study_time: text(&metadata.study_time),
        accession_number: text(&metadata.accession_number),
        description: text(&metadata.study_description),
        modality: text(&metadata.modality),
        body_part: text(&metadata.body_part),
        view_position: text(&metadata.view_position),
        technique: technique(metadata),
        instance_number: text(&metadata.instance_number),
        rows: metadata.rows,
        columns: metadata.columns,
        sha256: staged.sha256().to_owned(),
        bytes: staged.bytes(),
        site: source.site.clone(),
        door: source.door.as_str().to_owned(),
        received_at: clock::now(),
        restrict_to_site: source.restrict_to_site,
    }
}

/// What of the technique is a number.
fn technique(metadata: &Metadata) -> Technique {
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    Technique {
        kvp: number(&metadata.kvp),
        exposure_mas: number(&metadata.exposure_in_uas)
            .map(|exposure| exposure / 1000.0)
            .or_else(|| number(&metadata.exposure)),
        distance_source_to_detector_mm: number(&metadata.distance_source_to_detector),
    }
}

/// A text of at most `length` characters without control characters.
fn printable(text: &str, length: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(length)
        .collect()
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refused> + Send + 'static) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Refused::internal(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_meta_information_is_passed_over_where_it_is_whole() {
        let data = b"\x08\0\x05\0CS\0\0";
        let with_meta = |calling: &str| {
            [
                &dimse::file_meta("1.2", "1.3", "1.2.840.10008.1.2.1", calling),
                &data[..],
            ]
            .concat()
        };
        assert_eq!(data_set(&with_meta("ONE")), data);
        assert_eq!(data_set(&with_meta("ANOTHER")), data);
        assert_eq!(data_set(data), data);
        let mut lying = with_meta("ONE");
        lying[140..144].fill(0xFF);
        assert_eq!(data_set(&lying), lying);
        assert_eq!(data_set(&lying[..135]), &lying[..135]);
    }

    #[test]
    fn the_technique_is_what_of_it_is_a_number() {
        let mut metadata = Metadata {
            kvp: "77.5".to_owned(),
            exposure: "12".to_owned(),
            exposure_in_uas: "12400".to_owned(),
            distance_source_to_detector: "far".to_owned(),
            ..Metadata::default()
        };
        let expect = |exposure_mas| Technique {
            kvp: Some(77.5),
            exposure_mas,
            distance_source_to_detector_mm: None,
        };
        assert_eq!(technique(&metadata), expect(Some(12.4)));
        metadata.exposure_in_uas.clear();
        assert_eq!(technique(&metadata), expect(Some(12.0)));
        metadata.exposure = "NaN".to_owned();
        assert_eq!(technique(&metadata), expect(None));
    }

    #[test]
    fn texts_lose_control_characters_and_what_is_too_much() {
        assert_eq!(printable("a\nb\0cdef", 4), "abcd");
    }
}
