//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// Now, in milliseconds since 1970; a clock set before then reads 0.
pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
