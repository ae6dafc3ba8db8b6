//! The log.

use crate::http::resource::Resource;
use crate::model::history::HistoryEntry;

pub(super) struct History;

impl Resource for History {
    type Record = HistoryEntry;
    const PATH: &'static str = "/history";
    const NAMES: (&'static str, &'static str) = ("history_entry", "history");
    const ABOUT: &'static str = "AlfaCRM's log, newest first: who added, changed or deleted what. It does not tell branches, so who may \
         see some branches only sees none of it.";
}
