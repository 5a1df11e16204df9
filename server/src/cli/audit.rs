//! `shenton audit`.

use std::process::ExitCode;

use clap::Subcommand;
use domain::{AuditAction, AuditFilter, AuditOutcome};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Config;
use crate::serve::Services;

#[derive(Subcommand)]
pub enum Audit {
    /// Print events, newest first.
    List {
        /// Only this account, AE title or `command line`.
        #[arg(long)]
        actor: Option<String>,
        /// Only this action, e.g. sign_in, upload, view_study, answer.
        #[arg(long)]
        action: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Walk the hash chain; exits 2 where a row was altered.
    Verify,
}

pub async fn run(config: Config, command: Audit) -> anyhow::Result<ExitCode> {
    let db = Services::open(config).await?.db;
    match command {
        Audit::List {
            actor,
            action,
            limit,
            json,
        } => {
            let action = action
                .map(|name| AuditAction::parse(&name).ok_or_else(|| anyhow::anyhow!("{name} is not an action")))
                .transpose()?;
            let filter = AuditFilter {
                actor,
                action,
                per_page: limit,
                ..AuditFilter::default()
            };
            for event in db.audit_events(&filter).await?.rows {
                if json {
                    println!("{}", serde_json::to_string(&event)?);
                    continue;
                }
                let at =
                    OffsetDateTime::from_unix_timestamp_nanos(i128::from(event.at.0) * 1_000_000)?.format(&Rfc3339)?;
                let outcome = match event.outcome {
                    AuditOutcome::Success => "",
                    AuditOutcome::Failure => "FAILED ",
                };
                let action = event.action.as_str();
                println!(
                    "{at}  {:16} {action:11} {outcome}{} {} {}",
                    event.actor, event.object, event.detail, event.from
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Audit::Verify => {
            let check = db.audit_verify().await?;
            match check.first_broken {
                None => {
                    println!("{} rows, none altered", check.rows);
                    Ok(ExitCode::SUCCESS)
                }
                Some(id) => {
                    println!("row {id} was altered, or a row before it is missing");
                    Ok(ExitCode::from(2))
                }
            }
        }
    }
}
