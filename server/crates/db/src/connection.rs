//! The connection, and the one rule about writing.
//!
//! SQLite has one writer at a time. A transaction that begins by reading and then writes can fail at once with
//! "database is locked", whatever the time-out, when another one wrote in between. So every write here goes
//! through [`Db::write`]: inside this process a fair mutex lets one writer in at a time, and the transaction
//! starts as `BEGIN IMMEDIATE`, which waits up to `busy_timeout` for a writer of another process (the command
//! line beside the server) before it reads anything. Readers need neither: write-ahead logging gives each a
//! snapshot.

use std::sync::Arc;
use std::time::Duration;

use migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{Error, Result};

/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Readers and one writer; SQLite gains nothing from more on the few cores of a hospital's server.
const MAX_CONNECTIONS: u32 = 8;

/// The database. Cheap to clone; clones share connections and the write lock.
#[derive(Clone, Debug)]
pub struct Db {
    connection: DatabaseConnection,
    writer: Arc<Mutex<()>>,
}

impl Db {
    /// Opens `url`, such as `sqlite://data/shenton.db?mode=rwc`, or `sqlite::memory:` for a test.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub async fn connect(url: &str) -> Result<Db> {
        // A database in memory lives as long as its connection, and each connection would have its own.
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(if in_memory { 1 } else { MAX_CONNECTIONS })
            .min_connections(1)
            .idle_timeout(None::<Duration>)
            .max_lifetime(None::<Duration>)
            // Neither statements nor their values belong in a log: they hold patient data.
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .busy_timeout(BUSY_TIMEOUT)
                    .foreign_keys(true)
                    // Without it REPLACE passes by the DELETE triggers that guard the audit trail and the test sets.
                    .pragma("recursive_triggers", "ON")
                    .pragma("journal_mode", "WAL")
                    // An acknowledged image must outlive a power cut: FULL syncs the log at every commit.
                    .pragma("synchronous", "FULL")
                    .pragma("temp_store", "MEMORY")
                    .pragma("cache_size", "-16000")
            });
        // Two processes that create the same file at once: switching to write-ahead logging does not wait for
        // the other's lock, so try again for as long as a statement would.
        let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
        loop {
            match Database::connect(options.clone()).await {
                Err(error) if is_locked(&error) && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                connected => {
                    return Ok(Db {
                        connection: connected?,
                        writer: Arc::new(Mutex::new(())),
                    });
                }
            }
        }
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`Error::Newer`] where the schema is ahead of this version; nothing is changed then.
    pub async fn migrate(&self) -> Result<()> {
        let txn = self.write().await?;
        let known = Migrator::migrations();
        let applied = Migrator::get_migration_models(&txn.txn).await?;
        let unknown = |version: &String| known.iter().all(|migration| migration.name() != version);
        if let Some(newer) = applied.into_iter().map(|model| model.version).find(unknown) {
            return Err(Error::Newer(newer));
        }
        Migrator::up(&txn.txn, None).await?;
        txn.commit().await?;
        self.optimize().await
    }

    /// Refreshes the statistics by which SQLite chooses its indexes; worth a call after a large import.
    pub async fn optimize(&self) -> Result<()> {
        if self.connection.get_database_backend() == DbBackend::Sqlite {
            let _guard = self.writer.lock().await;
            self.connection.execute_unprepared("PRAGMA optimize = 0x10002").await?;
        }
        Ok(())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        let backend = self.connection.get_database_backend();
        self.connection
            .query_one_raw(Statement::from_string(backend, "SELECT 1"))
            .await?;
        Ok(())
    }

    /// Closes every connection, so that SQLite folds its log into the file.
    pub async fn close(self) -> Result<()> {
        Ok(self.connection.close().await?)
    }

    /// For a single read.
    pub(crate) fn read(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// For several reads that must agree: one snapshot.
    pub(crate) async fn snapshot(&self) -> Result<DatabaseTransaction> {
        Ok(self.connection.begin().await?)
    }

    /// For anything that writes. Dropped without [`Write::commit`], it rolls back.
    pub(crate) async fn write(&self) -> Result<Write> {
        let guard = self.writer.clone().lock_owned().await;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let txn = self.connection.begin_with_options(options).await?;
        Ok(Write { txn, _guard: guard })
    }
}

fn is_locked(error: &DbErr) -> bool {
    error.to_string().contains("database is locked")
}

/// A write transaction with its turn in the queue of writers. The order of the fields matters: the transaction
/// is dropped, and so rolled back, before the turn passes on.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) txn: DatabaseTransaction,
    _guard: OwnedMutexGuard<()>,
}

impl Write {
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.txn.commit().await?)
    }
}
