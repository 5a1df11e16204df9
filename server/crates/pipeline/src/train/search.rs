//! Many runs of one network from one configuration, ranked on the validation set.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use evaluation::ranking::{self, Row};
use serde::{Deserialize, Serialize};

use super::{Progress, Source, TrainConfig, Validation, train_on};
use crate::{DeviceChoice, Error, ModelFolder, NetworkName};

/// What to try: `server/models/configs/search/*.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// What the table is called.
    pub title: String,
    pub network: NetworkName,
    /// The training configuration that every run starts from, relative to this file.
    pub base: PathBuf,
    /// Changes for all runs: dotted keys of the configuration and their values.
    #[serde(default)]
    pub set: toml::Table,
    /// Every combination of the axes' values is a run.
    #[serde(default)]
    pub axis: Vec<Axis>,
    /// Single runs.
    #[serde(default)]
    pub run: Vec<Single>,
    #[serde(skip)]
    folder: PathBuf,
}

/// Something that is varied: one key with its values, or named choices of several keys at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<toml::Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, toml::Table>,
}

/// A run of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Single {
    pub name: String,
    /// Another configuration to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PathBuf>,
    #[serde(default)]
    pub set: toml::Table,
}

/// A run with its whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub name: String,
    pub config: TrainConfig,
    /// Its folder's name: the run's own, and what tells its configuration from any other.
    pub folder: String,
}

/// What became of a run; its folder's `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Outcome {
    validation: Option<Validation>,
    auc_95: Option<[f64; 2]>,
    parameters: usize,
    /// Epochs done.
    epochs: usize,
    seconds: f64,
    /// Why there are no weights.
    failed: Option<String>,
}

fn read_table(path: &Path) -> Result<toml::Table, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
    toml::from_str(&text).map_err(|e| Error::format(path, "training configuration", e))
}

/// Puts a value at a dotted key.
fn put(table: &mut toml::Table, key: &str, value: &toml::Value) -> Result<(), Error> {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value.clone());
        return Ok(());
    };
    let inner = table
        .entry(first)
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    match inner {
        toml::Value::Table(inner) => put(inner, rest, value),
        _ => Err(Error::Config(format!("{key}: {first} is no table"))),
    }
}

fn word(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Search {
    /// # Errors
    /// Where the file is missing or is not a search.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let mut search: Self = toml::from_str(&text).map_err(|e| Error::format(path, "search", e))?;
        search.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(search)
    }

    /// Every run, the axes' combinations first.
    ///
    /// # Errors
    /// Where a base is missing, an axis varies nothing, a key does not belong to a configuration, or two runs have one
    /// name.
    pub fn runs(&self) -> Result<Vec<Run>, Error> {
        let mut grid: Vec<(Vec<String>, toml::Table)> = vec![(Vec::new(), toml::Table::new())];
        for axis in &self.axis {
            let choices: Vec<(String, toml::Table)> = match (&axis.key, &axis.values[..], &axis.choices) {
                (Some(key), values @ [_, ..], choices) if choices.is_empty() => {
                    let short = key.rsplit('.').next().unwrap_or(key);
                    let choice = |value: &toml::Value| {
                        let set = toml::Table::from_iter([(key.clone(), value.clone())]);
                        (format!("{short} {}", word(value)), set)
                    };
                    values.iter().map(choice).collect()
                }
                (None, [], choices) if !choices.is_empty() => {
                    choices.iter().map(|(name, set)| (name.clone(), set.clone())).collect()
                }
                _ => {
                    return Err(Error::Config(
                        "an axis has either a key with values, or choices".to_owned(),
                    ));
                }
            };
            grid = grid
                .iter()
                .flat_map(|(names, set)| {
                    choices.iter().map(move |(name, more)| {
                        let mut set = set.clone();
                        set.extend(more.clone());
                        let names = names.iter().chain([name]).cloned().collect();
                        (names, set)
                    })
                })
                .collect();
        }
        let mut runs = Vec::new();
        if !self.axis.is_empty() {
            for (names, set) in grid {
                runs.push(self.made(&names.join(", "), &self.base, &set)?);
            }
        }
        for single in &self.run {
            let base = single.base.as_ref().unwrap_or(&self.base);
            runs.push(self.made(&single.name, base, &single.set)?);
        }
        let mut seen = std::collections::BTreeSet::new();
        match runs.iter().find(|run| !seen.insert(&run.name)) {
            Some(run) => Err(Error::Config(format!("two runs are called \"{}\"", run.name))),
            None => Ok(runs),
        }
    }

    fn made(&self, name: &str, base: &Path, set: &toml::Table) -> Result<Run, Error> {
        let mut table = read_table(&self.folder.join(base))?;
        for (key, value) in self.set.iter().chain(set) {
            put(&mut table, key, value)?;
        }
        let wrong = |e: &dyn std::fmt::Display| Error::Config(format!("run \"{name}\": {e}"));
        let config: TrainConfig = table.try_into().map_err(|e| wrong(&e))?;
        config.check().map_err(|e| wrong(&e))?;
        let text = toml::to_string(&config).map_err(|e| wrong(&e))?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let slug: String = name.to_lowercase().chars().map(plain).take(60).collect();
        let hash = &crate::models::sha256(text.as_bytes())[..8];
        Ok(Run {
            name: name.to_owned(),
            config,
            folder: format!("{slug}-{hash}"),
        })
    }
}

/// Gives the samples of a configuration.
pub type Samples<'a> = dyn FnMut(&TrainConfig, &mut dyn FnMut(Progress)) -> Result<Source, Error> + 'a;

/// Trains every run that `out` has no result of, and ranks them all. After each run the ranking is written to
/// `out/search.csv` and `out/search.html`. A run that diverges is listed as failed and the search goes on.
///
/// # Errors
/// Where samples cannot be made, or a file cannot be read or written.
pub fn run(
    search: &Search,
    runs: &[Run],
    out: &Path,
    device: DeviceChoice,
    samples: &mut Samples<'_>,
    begun: &dyn Fn(usize, &Run),
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Row>, Error> {
    std::fs::create_dir_all(out).map_err(Error::file(out))?;
    let mut source: Option<(super::Data, Source)> = None;
    for (at, run) in runs.iter().enumerate() {
        let folder = out.join(&run.folder);
        let file = folder.join("result.json");
        if file.is_file() {
            continue;
        }
        begun(at, run);
        if source.as_ref().is_none_or(|(data, _)| *data != run.config.data) {
            source = Some((run.config.data.clone(), samples(&run.config, progress)?));
        }
        let Some((_, source)) = &source else { continue };
        let outcome = match train_on(search.network, &run.config, source, None, &folder, device, progress) {
            Ok(metadata) => {
                let log = ModelFolder::of(&folder, search.network).log();
                let text = std::fs::read_to_string(&log).map_err(Error::file(&log))?;
                let last: Vec<&str> = text.lines().last().unwrap_or_default().split(',').collect();
                let cell = |i: usize| {
                    last.get(i)
                        .and_then(|cell| cell.parse::<f64>().ok())
                        .unwrap_or_default()
                };
                Outcome {
                    validation: serde_json::from_value(metadata.metrics["validation"].clone()).ok(),
                    auc_95: serde_json::from_value(metadata.metrics["auc_95"].clone()).ok(),
                    parameters: metadata.parameters,
                    epochs: cell(0) as usize,
                    seconds: cell(2),
                    failed: None,
                }
            }
            Err(Error::Config(reason)) => Outcome {
                validation: None,
                auc_95: None,
                parameters: 0,
                epochs: 0,
                seconds: 0.0,
                failed: Some(reason),
            },
            Err(error) => return Err(error),
        };
        let text = serde_json::to_string_pretty(&outcome).map_err(|e| Error::format(&file, "result", e))?;
        let beside = file.with_extension("new");
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        std::fs::write(&beside, text + "\n").map_err(Error::file(&beside))?;
        std::fs::rename(&beside, &file).map_err(Error::file(&file))?;
        rank(search, runs, out)?;
    }
    rank(search, runs, out)
}

/// Ranks what is done and writes the tables.
fn rank(search: &Search, runs: &[Run], out: &Path) -> Result<Vec<Row>, Error> {
    let mut found: Vec<(f64, Row)> = Vec::new();
    for run in runs {
        let file = out.join(&run.folder).join("result.json");
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let outcome: Outcome = serde_json::from_slice(&bytes).map_err(|e| Error::format(&file, "result", e))?;
        let validation = outcome.validation;
        found.push((
            validation.map_or(f64::NEG_INFINITY, |v| v.rank()),
            Row {
                name: run.name.clone(),
                auc: validation.and_then(|v| v.auc),
                auc_95: outcome.auc_95,
                cross_entropy: validation.and_then(|v| v.cross_entropy),
                error: validation.and_then(|v| v.error),
                parameters: outcome.parameters,
                epochs: outcome.epochs,
                minutes: outcome.seconds / 60.0,
                failed: outcome.failed,
                folder: run.folder.clone(),
            },
        ));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let rows: Vec<Row> = found.into_iter().map(|(_, row)| row).collect();
    let note = format!(
        "{} of {} runs of the {} network are done. Ranked by the validation set, which also chose each run's epoch: \
         the first is better than it will be on new data, and neighbours whose intervals overlap may well change places.",
        rows.len(),
        runs.len(),
        search.network
    );
    let page = out.join("search.html");
    std::fs::write(&page, ranking::page(&search.title, &note, &rows)).map_err(Error::file(&page))?;
    let table = out.join("search.csv");
    let csv = ranking::csv(&rows).map_err(|e| Error::format(&table, "table", e))?;
    std::fs::write(&table, csv).map_err(Error::file(&table))?;
    Ok(rows)
}

/// The ranking for a terminal.
pub fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    let wide = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    for (i, row) in rows.iter().enumerate() {
        let figure = match (&row.failed, row.auc, row.error) {
            (Some(reason), ..) => format!("failed: {reason}"),
            (None, Some(auc), _) => format!("AUC {auc:.4}"),
            (None, None, Some(error)) => format!("error {error:.4}"),
            (None, None, None) => "no figure".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{:3}. {:wide$}  {figure}, {} parameters, {:.1} minutes",
            i + 1,
            row.name,
            row.parameters,
            row.minutes
        );
    }
    out
}
