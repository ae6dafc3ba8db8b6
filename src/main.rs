//! Parse, run, print one error, exit code: nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    crm_gateway::cli::main()
}
