//! The program: everything is in the library, under `cli`.

#![forbid(unsafe_code)]

/// A third less time in the allocator's own code than with the C library's, on captures in which every frame counts
/// (`benches/README.md`).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    gapwatch::cli::main()
}
