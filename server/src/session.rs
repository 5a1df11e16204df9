//! Sessions in the database, for tower-sessions.

use std::fmt;

use async_trait::async_trait;
use domain::Timestamp;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{ExpiredDeletion, SessionStore};

use crate::clock;

/// Keeps sessions in the table `session`, so that they survive a restart and end everywhere at once.
#[derive(Clone)]
pub struct DbSessionStore {
    db: db::Db,
}

impl DbSessionStore {
    pub fn new(db: db::Db) -> Self {
        Self { db }
    }
}

impl fmt::Debug for DbSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DbSessionStore")
    }
}

fn backend(error: db::Error) -> Error {
    Error::Backend(error.to_string())
}

fn encode(record: &Record) -> Result<(Vec<u8>, Timestamp)> {
    let data = serde_json::to_vec(record).map_err(|error| Error::Encode(error.to_string()))?;
    Ok((data, timestamp(record.expiry_date)))
}

fn timestamp(moment: OffsetDateTime) -> Timestamp {
    Timestamp(i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

#[async_trait]
impl SessionStore for DbSessionStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        loop {
            let (data, expires) = encode(record)?;
            if self
                .db
                .session_create(&record.id.to_string(), &data, expires)
                .await
                .map_err(backend)?
            {
                return Ok(());
            }
            record.id = Id::default();
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let (data, expires) = encode(record)?;
        self.db
            .session_save(&record.id.to_string(), &data, expires)
            .await
            .map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let data = self
            .db
            .session_load(&id.to_string(), clock::now())
            .await
            .map_err(backend)?;
        data.map(|data| serde_json::from_slice(&data).map_err(|error| Error::Decode(error.to_string())))
            .transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.db.session_delete(&id.to_string()).await.map_err(backend)
    }
}

#[async_trait]
impl ExpiredDeletion for DbSessionStore {
    async fn delete_expired(&self) -> Result<()> {
        self.db
            .sessions_delete_expired(clock::now())
            .await
            .map(|_| ())
            .map_err(backend)
    }
}
