//! The server from outside: its doors, its worker, hostile files, and a process that is killed.

mod cohort;
mod doors;
mod hostile;
mod ingest;
mod kill;
mod state;
mod util;
mod web;
mod worker;
