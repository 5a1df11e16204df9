//! `shenton import`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use domain::SiteId;
use indicatif::{ProgressBar, ProgressStyle};
use walkdir::WalkDir;

use crate::config::Config;
use crate::ingest::{Door, Source};
use crate::serve::Services;

/// Every file under the paths, in order of name; a path that does not exist is kept, so that it is
/// reported as unreadable rather than passed over.
pub fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths
        .iter()
        .flat_map(|path| {
            if path.is_dir() {
                let entries = WalkDir::new(path)
                    .sort_by_file_name()
                    .into_iter()
                    .filter_map(Result::ok);
                entries
                    .filter(|entry| entry.file_type().is_file())
                    .map(|entry| entry.into_path())
                    .collect()
            } else {
                vec![path.clone()]
            }
        })
        .collect()
}

pub async fn run(config: Config, site: &str, paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    crate::backend::check_account_name(site).map_err(|words| anyhow::anyhow!("--site-name: {words}"))?;
    let services = Services::open(config).await?;
    let files = files(paths);
    let bar = ProgressBar::new(files.len() as u64).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (mut accepted, mut known, mut refused) = (0, 0, 0);
    for file in files {
        match one(&services, site, &file).await {
            Ok(false) => accepted += 1,
            Ok(true) => known += 1,
            Err(reason) => {
                refused += 1;
                bar.suspend(|| eprintln!("{}: {reason}", file.display()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{accepted} accepted, {known} known already, {refused} refused");
    println!("a running `shenton serve` or `shenton worker` analyses them");
    Ok(ExitCode::from(if refused > 0 { 2 } else { 0 }))
}

/// Whether the file was known already.
async fn one(services: &Services, site: &str, file: &Path) -> Result<bool, String> {
    let bytes = tokio::fs::read(file).await.map_err(|error| error.to_string())?;
    let source = Source {
        door: Door::Import,
        from: String::new(),
        actor: "command line".to_owned(),
        site: SiteId::from(site),
        restrict_to_site: false,
        file_name: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let accepted = services
        .ingest
        .accept(source, bytes.into())
        .await
        .map_err(|refused| refused.reason)?;
    Ok(accepted.duplicate)
}
