//! One module for each page.

pub mod about;
pub mod accounts;
pub mod audit;
pub mod cohorts;
pub mod not_found;
pub mod quarantine;
pub mod review;
pub mod sign_in;
pub mod study;
pub mod upload;
pub mod worklist;
