//! `key`: new API keys.

use clap::Subcommand;

use super::{Failure, print};
use crate::config::{BEARERS, RESERVED, Scope};
use crate::consumers::{hash, new_key};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints a new key, once, and the configuration that lets it in.
    New {
        /// The consumer's name.
        name: String,
        /// What it may do, for example students:read,payments:write or "*".
        #[arg(
            long,
            value_delimiter = ',',
            default_value = "students:read,lessons:read,payments:read,projects:read,reference:read,quota:read"
        )]
        scopes: Vec<String>,
        /// The last day on which it is good, for example 2027-01-31; without, it does not expire.
        #[arg(long)]
        until: Option<jiff::civil::Date>,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::New { name, scopes, until } = command;
    let plain =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain {
        return Err(Failure::wrong("the name of a consumer is made of small letters, digits and dashes"));
    }
    if name == RESERVED || name == BEARERS {
        return Err(Failure::wrong("this name is the gateway's own"));
    }
    for text in scopes {
        text.parse::<Scope>().map_err(|hint| Failure::wrong(format!("`{text}` is no scope: {hint}")))?;
    }
    let key = new_key();
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    eprintln!("The key, shown only now. Give it to the consumer; the gateway keeps its hash alone.");
    print(&key);
    eprintln!("\nFor the configuration:");
    let until = until.map(|day| format!(" until {day}")).unwrap_or_default();
    print(&format!(
        "\n[consumers.{name}]\nkey_hashes = [\"{}{until}\"]\nscopes = [{}]",
        hash(&key),
        scopes.join(", ")
    ));
    Ok(())
}
