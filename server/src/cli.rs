//! The command line.

mod account;
mod analyse;
mod audit;
mod cohort;
mod import;
mod models;
mod simulate;
mod train;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub(crate) use import::files;

use crate::config::Config;
use crate::serve::{self, ServeOptions, Services};

/// Finds hip fractures on frontal pelvic x-rays.
///
/// Shenton takes in x-ray studies, finds the frontal pelvis, localises both hips, sets aside hips with metal
/// and reads each for fracture. The networks shipped are trained on simulated x-rays: not for clinical use.
#[derive(Parser)]
#[command(name = "shenton", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The data folder, which every command over stored studies needs.
#[derive(Args, Clone)]
struct Data {
    /// Folder of the database, the stored images and `shenton.toml`.
    #[arg(long, env = "SHENTON_DATA", default_value = "data")]
    data: PathBuf,
}

/// The networks and where they run.
#[derive(Args, Clone)]
struct Networks {
    /// Folder of the networks.
    #[arg(long, env = "SHENTON_MODELS")]
    models: Option<PathBuf>,
    /// Where the networks run: auto, cpu, wgpu or cuda.
    #[arg(long)]
    device: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: web pages, DICOMweb, DICOM listener and analysis.
    Serve {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        networks: Networks,
        /// Address and port for browsers and DICOMweb.
        #[arg(long, env = "SHENTON_LISTEN")]
        listen: Option<SocketAddr>,
        /// Port of the DICOM listener (C-ECHO, C-STORE); 0 lets the system choose.
        #[arg(long)]
        dicom_port: Option<u16>,
        /// Do not listen for DICOM.
        #[arg(long, conflicts_with = "dicom_port")]
        no_dicom: bool,
        /// AE title of the DICOM listener.
        #[arg(long)]
        ae_title: Option<String>,
        /// Folder of the browser bundle (holds `pkg/`).
        #[arg(long, env = "SHENTON_SITE")]
        site: Option<PathBuf>,
        /// A study counts as complete this many seconds after its last image.
        #[arg(long)]
        quiet_seconds: Option<f64>,
        /// Leave the analysis to `shenton worker`.
        #[arg(long)]
        no_worker: bool,
        /// Fill an empty database with this many simulated studies.
        #[arg(long, default_value_t = 0)]
        demo: u32,
    },
    /// Analyse stored studies, beside or instead of the worker inside `serve`.
    Worker {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        networks: Networks,
    },
    /// Take DICOM files and folders into the worklist.
    Import {
        #[command(flatten)]
        data: Data,
        /// Site that the studies are filed under.
        #[arg(long, default_value = "main")]
        site_name: String,
        /// Files, or folders that are searched through.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Read DICOM files without storing anything; exits 2 where a file could not be read.
    Analyse {
        #[command(flatten)]
        networks: Networks,
        /// One JSON object a line for each image.
        #[arg(long)]
        json: bool,
        /// Files, or folders that are searched through.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Make simulated x-rays.
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Train a network on simulated x-rays, or on a cohort.
    Train(train::Train),
    /// Train a network under many configurations and rank them.
    Search(train::SearchCommand),
    /// Measure the networks on fresh simulated x-rays.
    Evaluate(train::Evaluate),
    /// List the networks.
    Models {
        #[command(flatten)]
        networks: Networks,
        /// As JSON, one array.
        #[arg(long)]
        json: bool,
    },
    /// Accounts: list, add, set a password, disable, enable.
    User {
        #[command(flatten)]
        data: Data,
        #[command(subcommand)]
        command: account::User,
    },
    /// The audit trail: list it, or verify that no row was altered.
    Audit {
        #[command(flatten)]
        data: Data,
        #[command(subcommand)]
        command: audit::Audit,
    },
    /// Cohorts: from a hospital's images, reports and theatre list to reviewed labels.
    #[command(subcommand)]
    Cohort(cohort::Command),
    /// Create or update the database, then stop.
    Migrate {
        #[command(flatten)]
        data: Data,
    },
    /// Parse and decode untrusted bytes for the server (started by it).
    #[command(hide = true)]
    DecodeChild,
}

impl Networks {
    fn apply(&self, config: &mut Config) {
        if let Some(models) = &self.models {
            config.models.clone_from(models);
        }
        if let Some(device) = &self.device {
            config.device.clone_from(device);
        }
    }
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::DecodeChild = cli.command {
        return crate::decoder::child_main();
    }
    let server = matches!(cli.command, Command::Serve { .. } | Command::Worker { .. });
    crate::telemetry::init(if server { "info" } else { "warn" });
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let result = runtime.block_on(run(cli.command));
            // A blocking task that never returns must not hold the process.
            runtime.shutdown_timeout(Duration::from_secs(2));
            result
        });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shenton: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve {
            data,
            networks,
            listen,
            dicom_port,
            no_dicom,
            ae_title,
            site,
            quiet_seconds,
            no_worker,
            demo,
        } => {
            let mut config = Config::load(&data.data)?;
            networks.apply(&mut config);
            config.listen = listen.unwrap_or(config.listen);
            config.dicom.port = dicom_port.unwrap_or(config.dicom.port);
            config.dicom.enabled &= !no_dicom;
            config.dicom.ae_title = ae_title.unwrap_or(config.dicom.ae_title);
            config.site = site.unwrap_or(config.site);
            if let Some(seconds) = quiet_seconds {
                config.quiet_seconds = Duration::try_from_secs_f64(seconds)
                    .map_err(|_| anyhow::anyhow!("--quiet-seconds: {seconds} is not a duration"))?;
            }
            serve::run(
                config,
                ServeOptions {
                    worker: !no_worker,
                    demo,
                },
            )
            .await?;
        }
        Command::Worker { data, networks } => {
            let mut config = Config::load(&data.data)?;
            networks.apply(&mut config);
            serve::run_worker(config).await?;
        }
        Command::Import { data, site_name, paths } => {
            return import::run(Config::load(&data.data)?, &site_name, &paths).await;
        }
        Command::Analyse { networks, json, paths } => {
            let mut config = Config::default();
            networks.apply(&mut config);
            return analyse::run(config, json, &paths).await;
        }
        Command::Simulate(command) => tokio::task::spawn_blocking(move || simulate::run(&command)).await??,
        Command::Train(command) => tokio::task::spawn_blocking(move || train::train(&command)).await??,
        Command::Search(command) => tokio::task::spawn_blocking(move || train::search(&command)).await??,
        Command::Evaluate(command) => tokio::task::spawn_blocking(move || train::evaluate(&command)).await??,
        Command::Models { networks, json } => {
            let mut config = Config::default();
            networks.apply(&mut config);
            models::run(&config.models, json)?;
        }
        Command::User { data, command } => account::run(Config::load(&data.data)?, command).await?,
        Command::Audit { data, command } => return audit::run(Config::load(&data.data)?, command).await,
        Command::Cohort(command) => return cohort::run(command).await,
        Command::Migrate { data } => {
            Services::open(Config::load(&data.data)?).await?;
            println!("the database is up to date");
        }
        Command::DecodeChild => unreachable!("handled before the runtime starts"),
    }
    Ok(ExitCode::SUCCESS)
}
