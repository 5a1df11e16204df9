//! Logs: to standard error, without patient data; `SHENTON_LOG` sets the level.

use tracing_subscriber::EnvFilter;

pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env("SHENTON_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A second call (tests) finds the subscriber set and changes nothing.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}
