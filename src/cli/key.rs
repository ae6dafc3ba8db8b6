//! `key`: new API keys.

use clap::Subcommand;

use super::{Failure, print};
use crate::config::{BEARERS, RESERVED, Scope, parse_expires};
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
        /// When it ends: a day, through the end of which (UTC) it is good, or a time with its offset.
        #[arg(long)]
        expires: Option<String>,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::New { name, scopes, expires } = command;
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
    if let Some(text) = expires {
        let ends = parse_expires(text)
            .map_err(|hint| Failure::wrong(format!("`{text}` is no day or time: {hint}")))?;
        if ends <= jiff::Timestamp::now() {
            return Err(Failure::wrong(format!("`{text}` has passed")));
        }
    }
    let key = new_key();
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    eprintln!("The key, shown only now. Give it to the consumer; the gateway keeps its hash alone.");
    print(&key);
    eprintln!("\nFor the configuration:");
    print(&format!(
        "\n[consumers.{name}]\nkey_hashes = [{}]\nscopes = [{}]",
        match expires {
            Some(expires) => format!("{{ hash = \"{}\", expires = {expires} }}", hash(&key)),
            None => format!("\"{}\"", hash(&key)),
        },
        scopes.join(", ")
    ));
    Ok(())
}
