//! Logs: to standard error, without patient data; `SHENTON_LOG` sets the level.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// `default` is the level where `SHENTON_LOG` is not set, e.g. `info`.
pub fn init(default: &str) {
    // The migration runner tells at every start that it has nothing to do.
    let filter = EnvFilter::try_from_env("SHENTON_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},sea_orm_migration=warn")));
    // A second call (tests) finds the subscriber set and changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}
