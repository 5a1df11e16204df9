//! What an installation can set: a TOML file in the data folder, overridden by the command line.
//!
//! `shenton.toml` may hold any of the fields of [`Config`]; what it leaves out keeps its default. Flags and
//! environment variables of `shenton serve` win over the file.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{decoder, ingest, worker};

/// The settings of one installation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Database, file store and quarantine live here.
    #[serde(skip)]
    pub data: PathBuf,
    /// The browser bundle: `pkg/frontend.js`, `pkg/frontend_bg.wasm`, `pkg/shenton.css`.
    #[serde(skip_serializing)]
    pub site: PathBuf,
    /// The four networks, one folder each. Every reading names them by their SHA-256.
    #[serde(skip_serializing)]
    pub models: PathBuf,
    /// `auto`, `cpu`, `wgpu` or `cuda`.
    pub device: String,
    /// Where browsers and DICOMweb clients connect.
    pub listen: SocketAddr,
    /// The DICOM listener.
    pub dicom: Dicom,
    /// Whether cookies carry `Secure`; left out, it is on unless `listen` is a loopback address, where a
    /// browser speaks plain HTTP.
    pub secure_cookies: Option<bool>,
    /// Take the client's address from `X-Forwarded-For`: only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
    /// A session ends after this long without a request.
    #[serde(with = "seconds")]
    pub session_idle_seconds: Duration,
    /// A session ends this long after its sign-in, busy or not.
    #[serde(with = "seconds")]
    pub session_absolute_seconds: Duration,
    /// A request whose body brings nothing for this long is given up.
    #[serde(with = "seconds")]
    pub body_idle_seconds: Duration,
    /// A study counts as complete this long after its last instance arrived.
    #[serde(with = "seconds")]
    pub quiet_seconds: Duration,
    pub decoder: decoder::Options,
    pub ingest: ingest::Options,
    pub worker: worker::Options,
}

/// The DICOM listener's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dicom {
    /// 0 lets the system choose; absent with `enabled = false`.
    pub port: u16,
    /// The address to bind: loopback unless set, because DICOM has no passwords of its own.
    pub address: IpAddr,
    pub ae_title: String,
    pub enabled: bool,
    /// Calling AE title to site: what each sender's studies are filed under; others go to `main`.
    pub sites: BTreeMap<String, String>,
}

impl Default for Dicom {
    fn default() -> Self {
        Self {
            port: 11112,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ae_title: "SHENTON".to_owned(),
            enabled: true,
            sites: BTreeMap::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            site: PathBuf::from("site"),
            models: PathBuf::from("server/models"),
            device: "auto".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            dicom: Dicom::default(),
            secure_cookies: None,
            trust_forwarded_for: false,
            session_idle_seconds: Duration::from_secs(30 * 60),
            session_absolute_seconds: Duration::from_secs(12 * 60 * 60),
            body_idle_seconds: Duration::from_secs(60),
            quiet_seconds: Duration::from_secs(5),
            decoder: decoder::Options::default(),
            ingest: ingest::Options::default(),
            worker: worker::Options::default(),
        }
    }
}

impl Config {
    /// Reads `shenton.toml` in `data` where there is one.
    ///
    /// # Errors
    /// The file cannot be read, or has a field that does not exist or does not fit.
    pub fn load(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("shenton.toml");
        let mut config = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str::<Config>(&text).with_context(|| format!("{} is not valid", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Config::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        config.data = data.to_owned();
        Ok(config)
    }

    pub fn database_url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.data.join("shenton.sqlite").display())
    }

    /// Every setting by its name in the file, such as `dicom.port`, with its value as JSON; folders are none.
    ///
    /// # Errors
    /// A value that is not JSON, such as an infinite number.
    pub fn settings(&self) -> anyhow::Result<BTreeMap<String, String>> {
        fn flatten(name: &str, value: serde_json::Value, out: &mut BTreeMap<String, String>) {
            match value {
                serde_json::Value::Object(fields) => {
                    for (field, value) in fields {
                        let name = if name.is_empty() {
                            field
                        } else {
                            format!("{name}.{field}")
                        };
                        flatten(&name, value, out);
                    }
                }
                value => {
                    out.insert(name.to_owned(), value.to_string());
                }
            }
        }
        let mut out = BTreeMap::new();
        flatten("", serde_json::to_value(self)?, &mut out);
        Ok(out)
    }

    pub fn cookies_are_secure(&self) -> bool {
        self.secure_cookies.unwrap_or(!self.listen.ip().is_loopback())
    }
}

/// A duration as a number of seconds, fractions allowed.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| D::Error::custom(format!("{seconds} is not a duration in seconds")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names_and_leaves_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("shenton.toml"),
            "quiet_seconds = 1.5\n[dicom]\nae_title = \"HIPS\"\n",
        )
        .unwrap();
        let config = Config::load(folder.path()).unwrap();
        assert_eq!(config.quiet_seconds, Duration::from_millis(1500));
        assert_eq!(config.dicom.ae_title, "HIPS");
        assert_eq!(config.dicom.port, 11112);
        assert_eq!(config.data, folder.path());
    }

    #[test]
    fn every_setting_has_its_name_in_the_file() {
        let mut config = Config::default();
        config.dicom.sites.insert("CR1".to_owned(), "north".to_owned());
        let settings = config.settings().unwrap();
        assert_eq!(settings["quiet_seconds"], "5.0");
        assert_eq!(settings["dicom.ae_title"], "\"SHENTON\"");
        assert_eq!(settings["dicom.sites.CR1"], "\"north\"");
        assert_eq!(settings["worker.max_attempts"], "3");
        assert!(!settings.contains_key("data"));
    }

    #[test]
    fn a_misspelt_field_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shenton.toml"), "quiet_secnds = 1\n").unwrap();
        let error = format!("{:#}", Config::load(folder.path()).unwrap_err());
        assert!(error.contains("quiet_secnds"), "{error}");
    }

    #[test]
    fn cookies_are_secure_off_loopback() {
        let mut config = Config::default();
        assert!(!config.cookies_are_secure());
        config.listen = "0.0.0.0:443".parse().unwrap();
        assert!(config.cookies_are_secure());
        config.secure_cookies = Some(false);
        assert!(!config.cookies_are_secure());
    }
}
