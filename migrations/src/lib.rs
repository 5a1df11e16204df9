#![doc = include_str!("../README.md")]

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261123_000001_accounts;
mod m20261123_000002_studies;
mod m20261123_000003_audit;
mod m20261123_000004_quarantine_and_settings;
mod m20261126_000010_viewing;
mod m20261126_000021_answer_key;
mod m20261126_000031_saved_views;
mod m20261126_000040_cohorts;
mod m20261126_000041_replace;
mod m20261129_000042_failures;
mod m20261129_000043_given_at;
mod m20261129_000044_technique;

/// Every migration, oldest first. Only ever append.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_accounts::Migration),
            Box::new(m20261123_000002_studies::Migration),
            Box::new(m20261123_000003_audit::Migration),
            Box::new(m20261123_000004_quarantine_and_settings::Migration),
            Box::new(m20261126_000010_viewing::Migration),
            Box::new(m20261126_000021_answer_key::Migration),
            Box::new(m20261126_000031_saved_views::Migration),
            Box::new(m20261126_000040_cohorts::Migration),
            Box::new(m20261126_000041_replace::Migration),
            Box::new(m20261129_000042_failures::Migration),
            Box::new(m20261129_000043_given_at::Migration),
            Box::new(m20261129_000044_technique::Migration),
        ]
    }
}
