//! The folder of four trained networks: what lies in it, how it is checked and loaded.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use burn::module::Module;
use burn::prelude::*;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, TensorData};
use domain::ModelName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::nn::{Architecture, Network};

/// The four networks of the pipeline, in the order in which an image meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkName {
    Frontal,
    Bounding,
    Metal,
    Fracture,
}

impl NetworkName {
    pub const ALL: [NetworkName; 4] = [
        NetworkName::Frontal,
        NetworkName::Bounding,
        NetworkName::Metal,
        NetworkName::Fracture,
    ];

    /// The name of its folder and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            NetworkName::Frontal => "frontal",
            NetworkName::Bounding => "bounding",
            NetworkName::Metal => "metal",
            NetworkName::Fracture => "fracture",
        }
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NetworkName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| Error::Unknown {
                what: "network",
                value: text.to_owned(),
                expected: "frontal, bounding, metal, fracture",
            })
    }
}

/// Where the networks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// A GPU where this build has one and it passes the self-test, else the CPU.
    #[default]
    Auto,
    Cpu,
    Wgpu,
    Cuda,
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "wgpu" => Ok(DeviceChoice::Wgpu),
            "cuda" => Ok(DeviceChoice::Cuda),
            _ => Err(Error::Unknown {
                what: "device",
                value: text.to_owned(),
                expected: "auto, cpu, wgpu, cuda",
            }),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceChoice::Auto => "auto",
            DeviceChoice::Cpu => "cpu",
            DeviceChoice::Wgpu => "wgpu",
            DeviceChoice::Cuda => "cuda",
        })
    }
}

/// Score limits, chosen on validation data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoints {
    /// Of a gate: at or above it the image is a frontal pelvis, or the hip holds metal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Of the fracture network: at or above it a hip is at least doubtful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_sensitivity: Option<f32>,
    /// Of the fracture network: at or above it a hip is definite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_precision: Option<f32>,
}

/// Outputs for the fixed input of [`self_test_input`], recorded on the CPU when the weights were written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    pub outputs: Vec<f32>,
    /// The largest difference allowed, in units of an output's size plus one.
    pub tolerance: f32,
}

/// What `metadata.json` says of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    pub network: NetworkName,
    /// The training profile: `compact` or `paper`.
    pub profile: String,
    pub intended_use: String,
    /// How it was trained, in a sentence or two.
    pub training: String,
    /// What it was trained on.
    pub data: String,
    /// What it reads.
    pub input: String,
    pub parameters: usize,
    /// Hexadecimal, of the weights file.
    pub sha256: String,
    /// It learned from simulated x-rays alone.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub simulated: bool,
    #[serde(default)]
    pub operating_points: OperatingPoints,
    /// Measured figures, each with what it was measured on.
    #[serde(default)]
    pub metrics: serde_json::Value,
    pub self_test: SelfTest,
}

fn yes() -> bool {
    true
}

impl Metadata {
    /// The model card in Markdown.
    pub fn card(&self) -> String {
        let points = self.operating_points;
        let named = [
            ("threshold", points.threshold),
            ("high sensitivity", points.high_sensitivity),
            ("high precision", points.high_precision),
        ];
        let points: Vec<String> = named
            .iter()
            .filter_map(|(name, value)| value.map(|v| format!("{name} {v:.4}")))
            .collect();
        let points = if points.is_empty() {
            "none".to_owned()
        } else {
            points.join(", ")
        };
        let metrics = serde_json::to_string_pretty(&self.metrics).unwrap_or_default();
        format!(
            "# {network}\n\n{intended_use}\n\n\
             {learned} has been validated on no patient: **not for clinical use**.\n\n\
             | | |\n|---|---|\n\
             | Profile | {profile} |\n\
             | Parameters | {parameters} |\n\
             | Input | {input} |\n\
             | Data | {data} |\n\
             | Training | {training} |\n\
             | Operating points (chosen on validation) | {points} |\n\
             | SHA-256 of `weights.bpk` | `{sha256}` |\n\n\
             `config.toml` holds the architecture, `training.csv` the log, an epoch a line, `training.svg` \
             its curves.\n\n\
             ## Measured\n\n\
             {where_measured}`validation` chose the best epoch and the operating points, `test` was not \
             looked at before.\n\n\
             ```json\n{metrics}\n```\n\n\
             ## Known limits\n\n\
             {limit}\
             - Scores are not calibrated probabilities; each site needs its own operating points.\n\
             - Children, abnormal bone and pictures with much rotation are under-represented.\n",
            learned = if self.simulated {
                "It learned from simulated x-rays and"
            } else {
                "It"
            },
            where_measured = if self.simulated {
                "On simulated x-rays alone; "
            } else {
                ""
            },
            limit = if self.simulated {
                "- Simulated fractures and simulated bone are simpler than real ones. Real performance is unknown.\n"
            } else {
                "- It knows one cohort. Performance elsewhere is unknown.\n"
            },
            network = self.network,
            intended_use = self.intended_use,
            profile = self.profile,
            parameters = self.parameters,
            input = self.input,
            data = self.data,
            training = self.training,
            sha256 = self.sha256,
        )
    }
}

/// A line of `shenton models`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    pub network: NetworkName,
    /// The training profile.
    pub name: String,
    pub parameters: usize,
    pub sha256: String,
    pub training: String,
}

/// A network's folder.
#[derive(Clone, Debug)]
pub struct ModelFolder(pub PathBuf);

impl ModelFolder {
    /// The folder of `name` inside the models folder.
    pub fn of(models: &Path, name: NetworkName) -> Self {
        Self(models.join(name.as_str()))
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub fn metadata(&self) -> PathBuf {
        self.0.join("metadata.json")
    }

    pub fn weights(&self) -> PathBuf {
        self.0.join("weights.bpk")
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("training.csv")
    }

    /// `training.csv`, drawn.
    pub fn picture(&self) -> PathBuf {
        self.0.join("training.svg")
    }

    /// # Errors
    /// Where the file is missing or is not a configuration.
    pub fn read_config(&self) -> Result<Architecture, Error> {
        let path = self.config();
        let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
        let architecture: Architecture =
            toml::from_str(&text).map_err(|e| Error::format(&path, "network configuration", e))?;
        architecture
            .check()
            .map_err(|e| Error::format(&path, "network configuration", e))?;
        Ok(architecture)
    }

    /// # Errors
    /// Where the file is missing or is not metadata.
    pub fn read_metadata(&self) -> Result<Metadata, Error> {
        let path = self.metadata();
        let text = std::fs::read(&path).map_err(Error::file(&path))?;
        serde_json::from_slice(&text).map_err(|e| Error::format(&path, "model metadata", e))
    }

    /// Writes `metadata.json` and the model card that says the same in words.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write_metadata(&self, metadata: &Metadata) -> Result<(), Error> {
        let path = self.metadata();
        let mut text = serde_json::to_string_pretty(metadata).map_err(|e| Error::format(&path, "model metadata", e))?;
        text.push('\n');
        std::fs::write(&path, text).map_err(Error::file(&path))?;
        let path = self.0.join("README.md");
        std::fs::write(&path, metadata.card()).map_err(Error::file(&path))
    }

    /// # Errors
    /// Where the folder cannot be written.
    pub fn write_config(&self, architecture: &Architecture) -> Result<(), Error> {
        let path = self.config();
        let text = toml::to_string(architecture).map_err(|e| Error::format(&path, "network configuration", e))?;
        std::fs::write(&path, text).map_err(Error::file(&path))
    }

    /// The weights file's bytes, their SHA-256 checked against the metadata.
    pub(crate) fn read_weights(&self, metadata: &Metadata) -> Result<Vec<u8>, Error> {
        let path = self.weights();
        let bytes = std::fs::read(&path).map_err(Error::file(&path))?;
        let found = sha256(&bytes);
        if found != metadata.sha256 {
            return Err(Error::Digest {
                path,
                expected: metadata.sha256.clone(),
                found,
            });
        }
        Ok(bytes)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A fixed picture for self-tests: waves at several scales, by a formula so that no file is needed.
///
/// # Shapes
/// `[1, 1, side, side]`.
pub fn self_test_input(side: usize, device: &Device) -> Tensor<4> {
    let value = |i: usize| {
        let (x, y) = ((i % side) as f32 / side as f32, (i / side) as f32 / side as f32);
        let waves = (9.0 * x + 4.0 * y).sin() + (23.0 * x * y).cos() + 0.5 * (61.0 * (x - y)).sin();
        (waves / 2.5).clamp(-1.0, 1.0)
    };
    let data: Vec<f32> = (0..side * side).map(value).collect();
    Tensor::from_data(TensorData::new(data, [1, 1, side, side]), device)
}

/// Saves weights and says their SHA-256.
pub(crate) fn save_weights(network: &Network, path: &Path) -> Result<String, Error> {
    let bytes = network
        .clone()
        .into_record()
        .into_bytes()
        .map_err(|e| Error::format(path, "weights file", e))?;
    // Written beside and renamed, so that a stop in between leaves the old weights.
    let beside = path.with_extension("new");
    std::fs::write(&beside, &bytes[..]).map_err(Error::file(&beside))?;
    std::fs::rename(&beside, path).map_err(Error::file(path))?;
    Ok(sha256(&bytes))
}

/// A network with weights from bytes.
///
/// # Errors
/// Where the bytes are not weights, or not of this architecture.
pub(crate) fn network_from_bytes(
    name: &'static str,
    architecture: &Architecture,
    bytes: Vec<u8>,
    path: &Path,
    device: &Device,
) -> Result<Network, Error> {
    let record =
        ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| Error::format(path, "weights file", e))?;
    architecture
        .init(device)
        .try_load_record(record)
        .map_err(|e| Error::Architecture {
            path: path.to_owned(),
            network: name,
            reason: e.to_string(),
        })
}

/// One trained network, ready.
pub(crate) struct Loaded {
    pub network: Network,
    pub input: usize,
    pub metadata: Metadata,
}

impl Loaded {
    /// Reads a folder, checks it, and proves the network on the device.
    pub fn open(
        models: &Path,
        name: NetworkName,
        device: &Device,
        device_name: &str,
    ) -> Result<(Self, Vec<u8>), Error> {
        let folder = ModelFolder::of(models, name);
        let architecture = folder.read_config()?;
        let metadata = folder.read_metadata()?;
        if metadata.network != name {
            let reason = format!("it describes the {} network, not {name}", metadata.network);
            return Err(Error::format(folder.metadata(), "model metadata", reason));
        }
        let bytes = folder.read_weights(&metadata)?;
        let network = network_from_bytes(name.as_str(), &architecture, bytes.clone(), &folder.weights(), device)?;
        if network.parameters() != metadata.parameters {
            let reason = format!(
                "{} parameters, the metadata says {}",
                network.parameters(),
                metadata.parameters
            );
            return Err(Error::Architecture {
                path: folder.config(),
                network: name.as_str(),
                reason,
            });
        }
        let loaded = Self {
            network,
            input: architecture.input(),
            metadata,
        };
        loaded.prove(device, device_name)?;
        Ok((loaded, bytes))
    }

    fn prove(&self, device: &Device, device_name: &str) -> Result<(), Error> {
        let name = self.metadata.network.as_str();
        let fail = |reason: String| Error::SelfTest {
            network: name,
            device: device_name.to_owned(),
            reason,
        };
        let found = self.run(self_test_input(self.input, device)).map_err(&fail)?;
        let expected = &self.metadata.self_test.outputs;
        if found.len() != expected.len() {
            return Err(fail(format!("{} outputs instead of {}", found.len(), expected.len())));
        }
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let difference = (found - expected).abs();
            let allowed = self.metadata.self_test.tolerance * (1.0 + expected.abs());
            if difference.is_nan() || difference > allowed {
                return Err(fail(format!("output {i} is {found} where {expected} was recorded")));
            }
        }
        Ok(())
    }

    /// Outputs of a batch, one image after another.
    pub fn run(&self, input: Tensor<4>) -> Result<Vec<f32>, String> {
        let data = self
            .network
            .forward(input, None)
            .try_into_data()
            .map_err(|e| e.to_string())?;
        data.convert::<f32>().try_into_vec().map_err(|e| format!("{e:?}"))
    }
}

/// The four networks on a device, with their operating points.
pub struct Models {
    pub(crate) frontal: Loaded,
    pub(crate) bounding: Loaded,
    pub(crate) metal: Loaded,
    pub(crate) fracture: Loaded,
    pub(crate) device: Device,
    device_name: String,
    fallback: Option<String>,
    name: ModelName,
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("name", &self.name)
            .field("device", &self.device_name)
            .finish_non_exhaustive()
    }
}

const CPU: &str = "cpu (flex)";

impl Models {
    /// Loads the four networks of a models folder.
    ///
    /// Each file's SHA-256 is compared with its metadata, and each network must repeat its recorded outputs on the
    /// device. A GPU that cannot be opened or fails this is given up for the CPU, and [`Models::fallback`] says why.
    ///
    /// # Errors
    /// Where a file is missing, damaged or of another network, or the CPU fails the self-test.
    pub fn load(dir: &Path, choice: DeviceChoice) -> Result<Models, Error> {
        let (mut models, fallback) = first_that_works(gpus(choice), |device, name| Self::load_on(dir, device, name))?;
        models.fallback = fallback;
        Ok(models)
    }

    fn load_on(dir: &Path, device: Device, device_name: &str) -> Result<Models, Error> {
        let mut all = Sha256::new();
        let mut open = |name| {
            let (loaded, bytes) = Loaded::open(dir, name, &device, device_name)?;
            all.update(&bytes);
            Ok::<_, Error>(loaded)
        };
        let frontal = open(NetworkName::Frontal)?;
        let bounding = open(NetworkName::Bounding)?;
        let metal = open(NetworkName::Metal)?;
        let fracture = open(NetworkName::Fracture)?;
        let name = ModelName {
            name: fracture.metadata.profile.clone(),
            sha256: hex::encode(all.finalize()),
        };
        let models = Models {
            frontal,
            bounding,
            metal,
            fracture,
            device,
            device_name: device_name.to_owned(),
            fallback: None,
            name,
        };
        models.check_operating_points(dir)?;
        Ok(models)
    }

    fn check_operating_points(&self, dir: &Path) -> Result<(), Error> {
        let missing = |name: NetworkName, what: &str| {
            Error::format(
                ModelFolder::of(dir, name).metadata(),
                "model metadata",
                format!("no {what} operating point"),
            )
        };
        for gate in [&self.frontal, &self.metal] {
            if gate.metadata.operating_points.threshold.is_none() {
                return Err(missing(gate.metadata.network, "threshold"));
            }
        }
        let points = self.fracture.metadata.operating_points;
        match (points.high_sensitivity, points.high_precision) {
            (Some(sensitivity), Some(precision)) if sensitivity <= precision => Ok(()),
            (Some(_), Some(_)) => Err(missing(NetworkName::Fracture, "ordered")),
            _ => Err(missing(NetworkName::Fracture, "high_sensitivity or high_precision")),
        }
    }

    /// The device that the networks run on.
    pub fn device(&self) -> &str {
        &self.device_name
    }

    /// Why the asked device was not taken.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// The profile's name and the SHA-256 over the four weight files.
    pub fn name(&self) -> ModelName {
        self.name.clone()
    }

    /// What the metadata of the four networks say.
    pub fn metadata(&self) -> [&Metadata; 4] {
        [
            &self.frontal.metadata,
            &self.bounding.metadata,
            &self.metal.metadata,
            &self.fracture.metadata,
        ]
    }
}

/// The GPUs to try, best first, each opened or with the reason why this build cannot.
fn gpus(choice: DeviceChoice) -> Vec<(String, Result<Device, String>)> {
    let wgpu = || {
        #[cfg(feature = "wgpu")]
        return opened(|| Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
        #[cfg(not(feature = "wgpu"))]
        Err::<Device, _>("this build has no wgpu support".to_owned())
    };
    let cuda = || {
        #[cfg(feature = "cuda")]
        return opened(|| Device::cuda(0));
        #[cfg(not(feature = "cuda"))]
        Err::<Device, _>("this build has no CUDA support".to_owned())
    };
    match choice {
        DeviceChoice::Cpu => Vec::new(),
        DeviceChoice::Wgpu => vec![("wgpu".to_owned(), wgpu())],
        DeviceChoice::Cuda => vec![("cuda".to_owned(), cuda())],
        DeviceChoice::Auto => {
            let mut all = Vec::new();
            if cfg!(feature = "cuda") {
                all.push(("cuda".to_owned(), cuda()));
            }
            if cfg!(feature = "wgpu") {
                all.push(("wgpu".to_owned(), wgpu()));
            }
            all
        }
    }
}

/// Loads on the first device that can be opened and proves itself, in the end on the CPU; with why the first of those
/// before it was not taken.
fn first_that_works<T>(
    gpus: Vec<(String, Result<Device, String>)>,
    load: impl Fn(Device, &str) -> Result<T, Error>,
) -> Result<(T, Option<String>), Error> {
    let mut fallback = None;
    for (name, device) in gpus {
        let tried = match device {
            // A driver that gives up panics.
            Ok(device) => catch_unwind(AssertUnwindSafe(|| load(device, &name)))
                .unwrap_or_else(|cause| Err(Error::Device(panic_words(&*cause)))),
            Err(reason) => Err(Error::Device(reason)),
        };
        match tried {
            Ok(loaded) => return Ok((loaded, fallback)),
            // A bad folder is as bad on the CPU, which then says so.
            Err(error) => {
                fallback.get_or_insert(format!("{name}: {error}"));
            }
        }
    }
    Ok((load(Device::flex(), CPU)?, fallback))
}

/// A device to train on: the one asked for, or with `auto` the best that opens.
///
/// # Errors
/// Where the device asked for cannot be opened: a run of hours must not go on elsewhere unasked.
#[cfg(feature = "train")]
pub(crate) fn open_device(choice: DeviceChoice) -> Result<Device, Error> {
    for (name, device) in gpus(choice) {
        match device {
            Ok(device) => return Ok(device),
            Err(reason) if choice != DeviceChoice::Auto => {
                return Err(Error::Config(format!("{name} cannot be opened: {reason}")));
            }
            Err(reason) => tracing::warn!(device = name, reason, "device not taken"),
        }
    }
    Ok(Device::flex())
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn opened(open: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Result<Device, String> {
    catch_unwind(open).map_err(|cause| panic_words(&*cause))
}

/// What a panic said.
pub(crate) fn panic_words(cause: &(dyn std::any::Any + Send)) -> String {
    cause
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it stopped for an unknown reason".to_owned())
}

/// Name, parameters, SHA-256 and training summary of every network of a models folder.
///
/// # Errors
/// Where a file is missing, damaged or not metadata.
pub fn summaries(dir: &Path) -> Result<Vec<ModelSummary>, Error> {
    NetworkName::ALL
        .into_iter()
        .map(|network| {
            let folder = ModelFolder::of(dir, network);
            let metadata = folder.read_metadata()?;
            folder.read_weights(&metadata)?;
            Ok(ModelSummary {
                network,
                name: metadata.profile,
                parameters: metadata.parameters,
                sha256: metadata.sha256,
                training: metadata.training,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(device: &str) -> Error {
        Error::SelfTest {
            network: "metal",
            device: device.to_owned(),
            reason: "output 0 is 0.1 where 0.9 was recorded".to_owned(),
        }
    }

    #[test]
    fn a_device_that_is_absent_panics_or_fails_its_self_test_is_passed_over_with_the_first_reason() {
        let absent = || ("wgpu".to_owned(), Err("no adapter".to_owned()));
        let there = |name: &str| (name.to_owned(), Ok(Device::flex()));
        // Each of these devices does what its name says.
        let load = |_: Device, name: &str| match name {
            "panics" => panic!("the driver gave up"),
            "wrong" => Err(failed(name)),
            name => Ok(name.to_owned()),
        };
        let check = |gpus: Vec<(String, Result<Device, String>)>, device: &str, reason: Option<&str>| {
            let (taken, fallback) = first_that_works(gpus, load).unwrap();
            assert_eq!((taken.as_str(), fallback.as_deref()), (device, reason));
        };
        check(vec![], CPU, None);
        check(vec![there("good")], "good", None);
        check(vec![absent()], CPU, Some("wgpu: no adapter"));
        check(vec![there("panics")], CPU, Some("panics: the driver gave up"));
        let wrong = "wrong: the metal network fails its self-test on wrong: output 0 is 0.1 where 0.9 was recorded";
        check(vec![there("wrong")], CPU, Some(wrong));
        check(vec![there("wrong"), there("good")], "good", Some(wrong));
        check(vec![there("wrong"), absent(), there("panics")], CPU, Some(wrong));
        // Where the CPU fails too, nothing runs.
        let error = first_that_works(vec![absent()], |_, name| Err::<(), _>(failed(name))).unwrap_err();
        assert!(error.to_string().contains("self-test on cpu"), "{error}");
    }
}
