//! The command `shenton`.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::main()
}
