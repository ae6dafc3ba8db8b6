//! Environment variables as the topmost layer: `CRM_GATEWAY__SERVER__LISTEN` sets `server.listen`. Two
//! underscores separate the levels; letters are taken in lower case; and because a variable's name can hold
//! neither dash nor dot, `WEB_APP` also means an existing `web-app` or `web.app`. Variables with any other
//! prefix are left alone: an orchestrator puts its own `CRM_GATEWAY_PORT` beside ours.

use super::problem::Problem;
use super::tree::{Node, Origin, Table, Value};

const PREFIX: &str = "CRM_GATEWAY__";
/// No key lies this deep; without a bound a variable could build a tree that no stack can walk.
const MAX_LEVELS: usize = 8;

/// Lays the variables over what the file said.
pub(super) fn overlay(
    root: &mut Table,
    env: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) {
    let mut ours: Vec<_> = env.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // The process environment has no order of its own; problems and new consumers should have one.
    ours.sort();
    for (name, value) in ours {
        if let Err(text) = set(root, &name, value) {
            problems.push(Problem { key: String::new(), place: name, text });
        }
    }
}

fn set(root: &mut Table, name: &str, value: String) -> Result<(), String> {
    let path: Vec<&str> = name[PREFIX.len()..].split("__").collect();
    let Some((leaf, sections)) = path.split_last().filter(|_| path.iter().all(|part| !part.is_empty()))
    else {
        return Err(format!("expected {PREFIX}SECTION__KEY with names between the double underscores"));
    };
    if path.len() > MAX_LEVELS {
        return Err(format!("no key has more than {MAX_LEVELS} levels"));
    }
    let origin = Origin::Env(name.to_owned());
    let mut table = root;
    for section in sections {
        let key = resolve(table, section)?;
        if table.get(&key).is_none() {
            table.set(&key, Node { value: Value::Table(Table::new()), origin: origin.clone() });
        }
        table = table
            .table_mut(&key)
            .ok_or_else(|| format!("`{key}` already has a plain value, so nothing can be set below it"))?;
    }
    let key = resolve(table, leaf)?;
    if let Some(Node { origin: Origin::Env(other), .. }) = table.get(&key) {
        return Err(format!("it sets the same key as {other}"));
    }
    table.set(&key, Node { value: Value::Env(value), origin });
    Ok(())
}

/// The key that a part of a variable's name stands for: one that is there already, else a new one.
fn resolve(table: &Table, part: &str) -> Result<String, String> {
    let new = part.to_lowercase();
    if table.get(&new).is_some() {
        return Ok(new);
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let wanted = plain(part);
    let alike: Vec<_> = table.iter().map(|(key, _)| key).filter(|key| plain(key) == wanted).collect();
    match alike.as_slice() {
        [] => Ok(new),
        [one] => Ok((*one).to_owned()),
        many => Err(format!("{part} may mean each of {}; rename one of them", many.join(", "))),
    }
}
