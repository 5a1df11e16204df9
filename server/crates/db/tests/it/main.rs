//! The database through its public face, on SQLite in memory and in files.

mod accounts;
mod audit;
mod cohorts;
mod concurrency;
mod ingest;
mod queue;
mod small_tables;
mod util;
mod viewing;
mod worklist;
