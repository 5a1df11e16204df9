//! The server from outside: its doors, its worker, hostile files, and a process that is killed.

mod access;
mod codecs;
mod cohort;
mod command_line;
mod doors;
mod every_door;
mod hostile;
mod ingest;
mod kill;
mod networks;
mod rounds;
mod state;
mod util;
mod viewing;
mod web;
mod worker;
