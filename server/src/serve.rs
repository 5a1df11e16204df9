//! `shenton serve`: opens everything, says so, runs until it is asked to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use domain::{AuditAction, AuditOutcome, Role, SiteId, StudyUid};
use leptos::config::LeptosOptions;
use tokio::sync::{broadcast, watch};
use tower_sessions::ExpiredDeletion;

use crate::backend::ServerBackend;
use crate::config::Config;
use crate::decoder::Decoder;
use crate::heat_maps::HeatMaps;
use crate::inference::Analyser;
use crate::ingest::Ingest;
use crate::session::DbSessionStore;
use crate::state::AppState;
use crate::storage::Storage;
use crate::{audit, auth, clock, inference, listener, router, worker};

/// The parts that every command over the data folder shares.
pub struct Services {
    pub config: Arc<Config>,
    pub db: db::Db,
    pub storage: Arc<Storage>,
    pub decoder: Arc<Decoder>,
    pub ingest: Arc<Ingest>,
    pub changes: broadcast::Sender<StudyUid>,
}

impl Services {
    /// Opens the data folder, creating it and migrating the database where needed.
    ///
    /// # Errors
    /// A folder that cannot be written, or a database that cannot be opened or migrated.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        make_data_folder(&config.data)?;
        let db = db::Db::connect(&config.database_url())
            .await
            .context("cannot open the database")?;
        db.migrate().await.context("cannot migrate the database")?;
        let config = Arc::new(config);
        let storage = Arc::new(Storage::open(&config.data)?);
        let decoder = Arc::new(Decoder::new(config.decoder.clone())?);
        let (changes, _) = broadcast::channel(1024);
        let ingest = Arc::new(Ingest::new(
            config.ingest.clone(),
            db.clone(),
            storage.clone(),
            decoder.clone(),
            changes.clone(),
        ));
        Ok(Self {
            config,
            db,
            storage,
            decoder,
            ingest,
            changes,
        })
    }

    /// # Errors
    /// The networks cannot be loaded: the server takes no work without them.
    pub async fn load_networks(&self) -> anyhow::Result<Arc<dyn Analyser>> {
        let (models, device) = (self.config.models.clone(), self.config.device.clone());
        let analyser: Arc<dyn Analyser> =
            Arc::from(tokio::task::spawn_blocking(move || inference::load(&models, &device)).await??);
        tracing::info!(
            model = analyser.model().name,
            device = analyser.device(),
            "networks loaded"
        );
        Ok(analyser)
    }

    /// Starts the worker; it stops when `stop` turns true.
    pub fn start_worker(
        &self,
        analyser: Arc<dyn Analyser>,
        stop: watch::Receiver<bool>,
    ) -> tokio::task::JoinHandle<()> {
        let worker = worker::Worker::new(
            self.config.worker.clone(),
            self.config.quiet_seconds,
            self.db.clone(),
            self.storage.clone(),
            self.decoder.clone(),
            analyser,
            self.changes.clone(),
        );
        tokio::spawn(worker.run(stop))
    }
}

/// Patients' pictures: the folder is for this account alone.
fn restrict(folder: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot restrict {}", folder.display()))?;
    }
    Ok(())
}

fn make_data_folder(data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot create the data folder {}", data.display()))?;
    restrict(data)
}

/// One server over a data folder at a time: a second one would take the first one's work away. The system lets go
/// of the lock with the process, however that ends.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("serve.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `shenton serve` runs over {} already; stop it first, or choose another folder with --data \
             (make run DATA=...)",
            data.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Writes to the audit trail which settings differ from those of the last start, or the first time from the defaults.
async fn note_settings(db: &db::Db, config: &Config) -> anyhow::Result<()> {
    const KEPT: &str = "configuration";
    let before: BTreeMap<String, String> = match db.setting(KEPT).await? {
        Some(text) => serde_json::from_str(&text)?,
        None => Config::default().settings()?,
    };
    let now = config.settings()?;
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name), now.get(name));
        if old != new {
            let words = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
            let detail = format!("{} instead of {}", words(new), words(old));
            let event = audit::by(
                "configuration",
                "",
                AuditAction::Setting,
                AuditOutcome::Success,
                name,
                detail,
            );
            db.audit(event).await?;
        }
    }
    db.set_setting(KEPT, &serde_json::to_string(&now)?).await?;
    Ok(())
}

/// What `shenton serve` adds to the configuration.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Run the analysis in this process; otherwise `shenton worker` does.
    pub worker: bool,
    /// Fill an empty database with this many simulated studies.
    pub demo: u32,
}

/// Runs the server until SIGINT or SIGTERM.
///
/// # Errors
/// Anything that keeps the server from starting, in words.
pub async fn run(config: Config, options: ServeOptions) -> anyhow::Result<()> {
    // Before anything is said or changed, also in the database: whether this server can run at all.
    make_data_folder(&config.data)?;
    let _lock = lock(&config.data)?;
    let socket = tokio::net::TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}: is Shenton running already? --listen chooses another address (make run LISTEN=...)",
            config.listen
        )
    })?;
    let services = Services::open(config).await?;
    let config = services.config.clone();
    let analyser = if options.worker {
        Some(services.load_networks().await?)
    } else {
        None
    };
    let (stop_sender, stop) = watch::channel(false);
    let dicom = if config.dicom.enabled {
        let address = SocketAddr::new(config.dicom.address, config.dicom.port);
        let (bound, task) = listener::start(address, &config.dicom, services.ingest.clone(), stop.clone())
            .await
            .with_context(|| {
                format!(
                    "cannot listen for DICOM on {address}; --dicom-port chooses another port and --no-dicom does \
                     without (make run ARGUMENTS='--dicom-port ...')"
                )
            })?;
        println!("DICOM listener: {} at {bound}", config.dicom.ae_title);
        Some(task)
    } else {
        None
    };
    first_administrator(&services.db, &config.data).await?;
    note_settings(&services.db, &config).await?;

    let worker = match &analyser {
        Some(analyser) => {
            // This process owns the queue: whatever a killed one left half-done starts again at once.
            services.db.release_claims().await?;
            Some(services.start_worker(analyser.clone(), stop.clone()))
        }
        None => None,
    };

    let state = AppState {
        config: config.clone(),
        db: services.db.clone(),
        storage: services.storage.clone(),
        decoder: services.decoder.clone(),
        ingest: services.ingest.clone(),
        changes: services.changes.clone(),
        presence: Arc::default(),
        brake: Arc::default(),
        backend: Arc::new(ServerBackend {
            db: services.db.clone(),
            models: config.models.clone(),
            changes: services.changes.clone(),
            heat_maps: HeatMaps::new(services.storage.clone(), services.decoder.clone(), analyser),
        }),
        leptos: LeptosOptions::builder()
            .output_name("frontend")
            .site_root(config.site.to_string_lossy().into_owned())
            .site_pkg_dir("pkg")
            .build(),
    };
    println!("Shenton is ready: http://{}", socket.local_addr()?);

    let demo = (options.demo > 0).then(|| {
        tokio::spawn(crate::demo::fill(
            services.db.clone(),
            services.ingest.clone(),
            options.demo,
        ))
    });
    let elsewhere = tokio::spawn(crate::elsewhere::watch(
        services.db.clone(),
        services.changes.clone(),
        Duration::from_secs(1),
        stop.clone(),
    ));
    let janitor = tokio::spawn(delete_expired_sessions(services.db.clone(), stop.clone()));

    let app = router::router(state).into_make_service_with_connect_info::<SocketAddr>();
    let mut serving_stop = stop.clone();
    let serving = axum::serve(socket, app).with_graceful_shutdown(async move {
        // An error means the sender is gone, which also ends the server.
        let _ = serving_stop.wait_for(|stop| *stop).await;
    });
    let serving = tokio::spawn(serving.into_future());

    wait_for_signal().await?;
    tracing::info!("stopping");
    let _ = stop_sender.send(true);
    // Pages with an open event stream would hold a graceful stop for ever.
    let _ = tokio::time::timeout(Duration::from_secs(5), serving).await;
    for task in [worker, dicom, demo, Some(elsewhere), Some(janitor)]
        .into_iter()
        .flatten()
    {
        let _ = tokio::time::timeout(Duration::from_secs(5), task).await;
    }
    Ok(())
}

async fn wait_for_signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

async fn delete_expired_sessions(db: db::Db, mut stop: watch::Receiver<bool>) {
    let store = DbSessionStore::new(db);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
        }
        if let Err(error) = store.delete_expired().await {
            tracing::warn!(error = %error, "cannot delete expired sessions");
        }
    }
}

/// Creates `admin` in a database without accounts, and prints its password once.
async fn first_administrator(db: &db::Db, data: &Path) -> anyhow::Result<()> {
    if !db.users().await?.is_empty() {
        return Ok(());
    }
    let given = std::env::var("SHENTON_ADMIN_PASSWORD")
        .ok()
        .filter(|password| !password.is_empty());
    if let Some(password) = &given {
        auth::check_new_password(password).map_err(|words| anyhow::anyhow!("SHENTON_ADMIN_PASSWORD: {words}"))?;
    }
    let password = given.clone().unwrap_or_else(auth::generate_password);
    let hash = auth::hash_password(password.clone()).await?;
    db.create_user("admin", Role::Administrator, &SiteId::from("main"), &hash, clock::now())
        .await?;
    let event = audit::by(
        "command line",
        "",
        AuditAction::Setting,
        AuditOutcome::Success,
        "admin",
        "first administrator created",
    );
    db.audit(event).await?;
    println!("administrator name: admin");
    if given.is_none() {
        println!("administrator password: {password}");
        let program = std::env::current_exe().unwrap_or_else(|_| "shenton".into());
        println!(
            "(shown this once; `{} user --data {} password admin` sets another)",
            program.display(),
            data.display()
        );
    }
    Ok(())
}

/// Runs the worker alone until SIGINT or SIGTERM.
///
/// # Errors
/// The data folder or the networks cannot be opened.
pub async fn run_worker(config: Config) -> anyhow::Result<()> {
    let services = Services::open(config).await?;
    let (stop_sender, stop) = watch::channel(false);
    let worker = services.start_worker(services.load_networks().await?, stop);
    wait_for_signal().await?;
    let _ = stop_sender.send(true);
    worker.await?;
    Ok(())
}
