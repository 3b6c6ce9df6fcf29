//! The command line: parses, calls the library, prints; exit codes 0 done, 1 failure, 2 usage.

/// Runs the program and gives its exit code.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
