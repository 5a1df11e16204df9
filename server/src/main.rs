//! The command `shenton`.

use std::process::ExitCode;

// Networks ask for tens of megabytes at a time and give them back at once; with the C library's allocator the kernel
// spends half of a training step on fresh pages. jemalloc keeps them, in huge pages.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[allow(
    unsafe_code,
    reason = "the name that jemalloc reads its settings from; no other symbol has it"
)]
#[unsafe(export_name = "malloc_conf")]
static SETTINGS: &[u8; 11] = b"thp:always\0";

fn main() -> ExitCode {
    server::cli::main()
}
