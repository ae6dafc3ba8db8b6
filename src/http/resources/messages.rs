//! Messages: one list for each kind, told apart by the path.

use crate::http::resource::{PathValues, Resource};
use crate::model::message::{Message, MessageFilter, MessageKind};

pub(super) struct Messages;

impl Resource for Messages {
    type Record = Message;
    const PATH: &'static str = "/messages/{kind}";
    const NAMES: (&'static str, &'static str) = ("message", "messages");
    const ABOUT: &'static str = "Text messages, letters and telephone calls of AlfaCRM, newest first. They do not tell branches, so who may \
         see some branches only sees none of them.";

    fn narrow(filter: &mut MessageFilter, path: &[&str]) -> bool {
        filter.kind = path.first().and_then(|name| MessageKind::named(name));
        filter.kind.is_some()
    }

    fn path_values() -> &'static [PathValues] {
        &[PathValues {
            name: "kind",
            about: "Which kind.",
            values: || MessageKind::ALL.iter().map(|(_, name)| *name).collect(),
        }]
    }
}
