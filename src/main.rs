//! Parse, run, print one error, exit code: nothing else.

use std::process::ExitCode;

/// The system's keeps holes: a cache of bodies of many sizes then takes up to twice what lives in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    crm_gateway::cli::main()
}
