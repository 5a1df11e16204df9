#![doc = include_str!("../README.md")]

mod accounts;
mod answers;
mod audit;
mod cohort;
mod cohort_review;
mod connection;
mod detail;
mod entity;
mod error;
mod ingest;
mod quarantine;
mod queue;
mod saved_views;
mod sessions;
mod settings;
mod study_state;
mod viewing;
mod worklist;

pub use accounts::name_key;
pub use answers::NewAnswer;
pub use audit::AuditCheck;
pub use cohort::{History, Imported, NewCohort, NewEvent, NewHip, NewRecord, StoredHip, StoredRecord};
pub use cohort_review::{Decided, NewDecision, NewRound, Queued, ReviewerPairs};
pub use connection::Db;
pub use error::Error;
pub use ingest::{Instance, NewInstance, Owner, Recorded};
pub use queue::{Claim, UnderWay};

type Result<T, E = Error> = std::result::Result<T, E>;

/// The offset and length of a page: `per_page` is held to 1..=200.
fn page_bounds(page: u32, per_page: u32) -> (u64, u64) {
    let per_page = u64::from(per_page.clamp(1, 200));
    (u64::from(page) * per_page, per_page)
}

/// A `LIKE` pattern that finds `text` anywhere, its own wildcards escaped by `\`.
fn contains_pattern(text: &str) -> sea_orm::sea_query::LikeExpr {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    sea_orm::sea_query::LikeExpr::new(pattern).escape('\\')
}

fn to_i64(what: &'static str, value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::TooLarge { what, value })
}

/// A count or size as stored; never negative unless someone wrote it by hand.
fn to_u64(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
