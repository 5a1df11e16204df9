//! The command `shenton`.

use std::alloc::{GlobalAlloc, Layout};
use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

// Networks ask for tens of megabytes at a time and give them back at once; with the C library's allocator the kernel
// spends half of a training step on fresh pages. jemalloc keeps them, in huge pages.
#[global_allocator]
static ALLOCATOR: Forgiving = Forgiving;

/// jemalloc, and null may be given back. The JPEG 2000 codec does that with every code block that it did not decode;
/// the C library takes no notice, jemalloc crashes.
struct Forgiving;

#[allow(
    unsafe_code,
    reason = "an allocator is called with raw pointers; each call is handed on as it came"
)]
unsafe impl GlobalAlloc for Forgiving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { Jemalloc.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !pointer.is_null() {
            unsafe { Jemalloc.dealloc(pointer, layout) }
        }
    }
}

#[allow(
    unsafe_code,
    reason = "the name that jemalloc reads its settings from; no other symbol has it"
)]
#[unsafe(export_name = "malloc_conf")]
static SETTINGS: &[u8; 11] = b"thp:always\0";

fn main() -> ExitCode {
    server::cli::main()
}
