//! The server from outside: its doors, its worker, hostile files, and a process that is killed.

mod doors;
mod hostile;
mod ingest;
mod kill;
mod state;
mod util;
mod viewing;
mod web;
mod worker;
