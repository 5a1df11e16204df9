//! What travels between the pages and the server, beside the types of `domain`.

use domain::{AnswerValue, Role, Side, SiteId, SopUid, StudyUid, Timestamp};
use serde::{Deserialize, Serialize};

/// What `/events` says instead of a study's UID where any study may have changed: browsers pass over an event without
/// data.
pub const ANY_STUDY: &str = "any";

/// Who is signed in, as the header shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub name: String,
    pub role: Role,
    pub site: SiteId,
}

impl Session {
    pub fn may_answer(&self) -> bool {
        self.role != Role::Site
    }

    pub fn is_administrator(&self) -> bool {
        self.role == Role::Administrator
    }
}

/// A study that somebody has open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBy {
    pub study: StudyUid,
    /// The account's name.
    pub name: String,
    pub since: Timestamp,
}

/// A reader's answer for one hip, as sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerInput {
    pub study_uid: StudyUid,
    pub sop_uid: SopUid,
    pub side: Side,
    pub value: AnswerValue,
    pub comment: String,
    /// Made up by the browser for this one answer: sent twice, it is kept once.
    #[serde(default)]
    pub key: Option<String>,
    /// Who gave it, where the browser says so: the server takes it from no other account's session.
    #[serde(default)]
    pub account: Option<String>,
    /// Milliseconds since it was given, where it could not be sent then.
    #[serde(default)]
    pub waited_ms: Option<u64>,
}

/// An account to create.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    pub name: String,
    pub role: Role,
    pub site: SiteId,
    pub password: String,
}

/// Without the password, so that a log line cannot hold it.
impl std::fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccount")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// One network, as the about page lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    /// `frontal`, `bounding`, `metal` or `fracture`.
    pub network: String,
    pub name: String,
    pub parameters: u64,
    /// Hexadecimal, over the weights file.
    pub sha256: String,
    /// How it was trained and how it did, in a sentence or two.
    pub training: String,
}

/// What a walk over the audit trail's hash chain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCheck {
    /// Rows read.
    pub rows: u64,
    /// The first row whose hash does not fit, if any.
    pub first_broken: Option<i64>,
}
