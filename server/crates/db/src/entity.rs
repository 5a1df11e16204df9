//! One module per table; private to this crate.

pub mod account;
pub mod answer;
pub mod audit;
pub mod audit_head;
pub mod instance;
pub mod kept_view;
pub mod quarantine;
pub mod reading;
pub mod saved_view;
pub mod session;
pub mod setting;
pub mod study;
