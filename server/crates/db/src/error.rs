use domain::{AccountId, SopUid, StudyUid};

/// What can go wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// A stored value that this version does not know.
    #[error("column {column} holds {value:?}, which this version does not know")]
    UnknownValue { column: &'static str, value: String },
    #[error("a stored reading cannot be read or written: {0}")]
    Reading(#[from] serde_json::Error),
    /// A reading names no image, or an image of another study.
    #[error("a reading names the image {0:?}, which is not of its study")]
    ReadingOfOtherStudy(Option<SopUid>),
    #[error("the account name {0:?} is taken")]
    NameTaken(String),
    #[error("an account name may not be empty")]
    NameEmpty,
    #[error("no account {}", .0.0)]
    UnknownAccount(AccountId),
    #[error("no study {0}")]
    UnknownStudy(StudyUid),
    #[error("no image {0} in that study")]
    UnknownInstance(SopUid),
    /// A newer version has been here.
    #[error("this database was made by a newer version of Shenton (it has the schema step {0}): install that version")]
    Newer(String),
    #[error("there is no cohort {0:?}")]
    UnknownCohort(String),
    /// Another reviewer was faster, or what was shown is no longer so.
    #[error("{0}")]
    Stale(&'static str),
    /// The database's own guard refused: a locked test set, a history that is append-only.
    #[error("{0}")]
    Refused(String),
    /// A number that does not fit its column.
    #[error("{what} is {value}, more than the database can hold")]
    TooLarge { what: &'static str, value: u64 },
}
