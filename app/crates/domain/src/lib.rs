//! Ids, findings, roles, job states and wire types: what every part of Shenton speaks of.
//!
//! Only serde lives here, so the same types serve the browser, the server, the database's callers and the
//! command line.

mod account;
mod audit;
pub mod cohort;
mod finding;
mod ids;
mod study;
mod viewing;

pub use account::{Role, User};
pub use audit::{AuditAction, AuditEvent, AuditFilter, AuditOutcome};
pub use finding::{
    Answer, AnswerValue, Call, Exclusion, FractureLocation, HipExclusion, HipFinding, HipStatus, ImageReading,
    LocationScores, Milliseconds, ModelName, PixelBox, ReadingStatus, Score, Side,
};
pub use ids::{AccountId, JobId, SeriesUid, SiteId, SopUid, StudyUid, Timestamp};
pub use study::{
    ImageRow, Page, PersonName, QuarantineItem, ResultSummary, SavedView, SortDirection, StudyDetail, StudyQuery,
    StudyRow, StudySort, StudyState, Technique,
};
pub use viewing::{BoxStyle, Command, EarlierStudy, HeatMap, HipBox, Tool, ViewerOptions, ViewerState};
