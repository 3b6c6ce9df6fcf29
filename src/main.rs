//! The `inlay` program: the editor, and the same jobs without a window.

/// candle allocates and frees large buffers at every operation; mimalloc keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    inlay::cli::main()
}
