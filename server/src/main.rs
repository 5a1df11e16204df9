//! The command `shenton`.

use std::alloc::{GlobalAlloc, Layout};
use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

// Networks ask for tens of megabytes at a time and give them back at once; with the C library's allocator the kernel
// spends half of a training step on fresh pages. jemalloc keeps them, in huge pages.
#[global_allocator]
static ALLOCATOR: Lenient = Lenient;

#[allow(
    unsafe_code,
    reason = "the name that jemalloc reads its settings from; no other symbol has it"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static SETTINGS: &[u8; 11] = b"thp:always\0";

/// jemalloc, but nothing is done to give nothing back. The decoder of JPEG 2000 (openjp2 0.6) does so for every code
/// block; the C library shrugs, jemalloc would keep the null pointer and hand it out as memory.
struct Lenient;

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; every call is passed on as it came"
)]
unsafe impl GlobalAlloc for Lenient {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !pointer.is_null() {
            unsafe { Jemalloc.dealloc(pointer, layout) }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { Jemalloc.realloc(pointer, layout, size) }
    }
}

fn main() -> ExitCode {
    server::cli::main()
}
