//! `shenton user`.

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use domain::{AuditAction, AuditOutcome, Role, SiteId};

use crate::config::Config;
use crate::serve::Services;
use crate::{audit, auth, backend, clock};

#[derive(Subcommand)]
pub enum User {
    /// List the accounts.
    List,
    /// Add an account; asks for a password, or makes one with --generate.
    Add {
        name: String,
        #[arg(long, value_enum)]
        role: RoleName,
        /// Site whose studies a `site` account sees, and that uploads are filed under.
        #[arg(long, default_value = "main")]
        site: String,
        /// Make a password and print it once.
        #[arg(long)]
        generate: bool,
    },
    /// Set an account's password.
    Password {
        name: String,
        /// Make a password and print it once.
        #[arg(long)]
        generate: bool,
    },
    /// Lock an account out; its history stays.
    Disable { name: String },
    /// Let a disabled account in again.
    Enable { name: String },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum RoleName {
    Administrator,
    Reader,
    Site,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Administrator => Role::Administrator,
            RoleName::Reader => Role::Reader,
            RoleName::Site => Role::Site,
        }
    }
}

fn ask_password(generate: bool) -> anyhow::Result<String> {
    if generate {
        let password = auth::generate_password();
        println!("password: {password}");
        return Ok(password);
    }
    let password = rpassword::prompt_password("password: ").context("cannot ask for a password; use --generate")?;
    auth::check_new_password(&password).map_err(anyhow::Error::msg)?;
    if rpassword::prompt_password("again: ")? != password {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(password)
}

pub async fn run(config: Config, command: User) -> anyhow::Result<()> {
    let db = Services::open(config).await?.db;
    let find = async |name: &str| -> anyhow::Result<domain::User> {
        let (user, _) = db
            .user_by_name(name)
            .await?
            .with_context(|| format!("there is no account named {name}"))?;
        Ok(user)
    };
    let (object, detail) = match command {
        User::List => {
            for user in db.users().await? {
                let state = if user.disabled { "disabled" } else { "enabled" };
                println!("{:24} {:14} {:16} {state}", user.name, user.role.as_str(), user.site);
            }
            return Ok(());
        }
        User::Add {
            name,
            role,
            site,
            generate,
        } => {
            backend::check_account_name(&name).map_err(anyhow::Error::msg)?;
            backend::check_account_name(&site).map_err(|words| anyhow::anyhow!("--site: {words}"))?;
            let hash = auth::hash_password(ask_password(generate)?).await?;
            let user = db
                .create_user(&name, role.into(), &SiteId(site), &hash, clock::now())
                .await?;
            let detail = format!("account created: {}, site {}", user.role.as_str(), user.site);
            (user.name, detail)
        }
        User::Password { name, generate } => {
            let user = find(&name).await?;
            let hash = auth::hash_password(ask_password(generate)?).await?;
            db.set_password(user.id, &hash).await?;
            (user.name, "password changed".to_owned())
        }
        User::Disable { name } => {
            let user = find(&name).await?;
            db.set_disabled(user.id, true).await?;
            (user.name, "account disabled".to_owned())
        }
        User::Enable { name } => {
            let user = find(&name).await?;
            db.set_disabled(user.id, false).await?;
            (user.name, "account enabled".to_owned())
        }
    };
    println!("{object}: {detail}");
    db.audit(audit::by(
        "command line",
        "",
        AuditAction::Setting,
        AuditOutcome::Success,
        object,
        detail,
    ))
    .await?;
    Ok(())
}
