//! The Shenton server: routes, sessions, the doors by which studies come in, the worker and the command line.

pub mod cli;
pub mod config;
pub mod router;
pub mod serve;

pub mod audit;
pub mod auth;
pub mod backend;
pub mod clock;
pub mod error;
pub mod http;
pub mod middleware;
pub mod presence;
pub mod session;
pub mod state;
pub mod telemetry;

pub mod decoder;
pub mod derived;
pub mod dicomweb;
pub mod ingest;
pub mod listener;
pub mod storage;

pub mod cohort;
pub mod heat_maps;
pub mod inference;
pub mod worker;

pub mod demo;
pub mod elsewhere;
pub mod simulate;
