//! The server from outside: its doors, its worker, hostile files, and a process that is killed.

mod doors;
mod hostile;
mod ingest;
mod kill;
mod networks;
mod state;
mod util;
mod web;
mod worker;
