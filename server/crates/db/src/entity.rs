//! One module per table; private to this crate.

pub mod account;
pub mod answer;
pub mod audit;
pub mod audit_head;
pub mod cohort;
pub mod cohort_decision;
pub mod cohort_event;
pub mod cohort_feature;
pub mod cohort_hip;
pub mod cohort_queue;
pub mod cohort_record;
pub mod cohort_round;
pub mod cohort_unused;
pub mod instance;
pub mod kept_view;
pub mod quarantine;
pub mod reading;
pub mod saved_view;
pub mod session;
pub mod setting;
pub mod study;
