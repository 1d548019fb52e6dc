//! The program: everything is in the library, under `cli`.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    gapwatch::cli::main()
}
