//! What a test or the demo can choose about the simulated CRM. The CRM's document shows no answers, so each of these is
//! a guess somebody may have got wrong; the defaults are the guesses of section 7 of the reference.

use std::collections::BTreeMap;

use serde_json::Value;

use super::access::Credentials;
use super::table::Table;

/// Everything that can be switched while the simulator runs. `Default` is the reference's first choice everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Switches {
    /// What is around a list or an object.
    pub envelope: Envelope,
    /// Whether an object comes inside a list of one.
    pub object_in_list: bool,
    /// How ids, money and quantities are written. Dynamic fields stay as they are.
    pub numbers: Numbers,
    /// How `deleted`, `done` and a payment's `type` are written.
    pub flags: Flags,
    /// Where a project's dynamic fields are.
    pub dynamic: DynamicFields,
    /// How lists of ids (`participants_user_id`) are written.
    pub id_lists: IdLists,
    /// Other names for fields.
    pub names: Names,
    /// Checklists with their items inside, or a row per item.
    pub checklists: Checklists,
    /// What stands for no dynamic fields at all.
    pub empty_data: EmptyData,
    /// Whether an empty list is written as `null`, as a Go back end does.
    pub empty_list_null: bool,
    /// What an object endpoint says about an unknown id.
    pub missing: Missing,
    /// What `filter_date` means.
    pub filter_date: FilterDate,
    /// Whether `having` is one of the alternatives of `condition: "or"`; otherwise it always must hold.
    pub having_in_or: bool,
    /// The most rows in one answer. Without a `count` it has 100.
    pub count_cap: usize,
    /// What a `count` above the cap leads to.
    pub over_cap: OverCap,
    /// Whether `offset` is not looked at: every page is the first one.
    pub ignore_offset: bool,
    /// Whether anything outside the document is refused with 400 instead of being ignored: malformed values, wrong
    /// JSON types, unknown parameters and keys, a slash at the end of the path.
    pub strict: bool,
    /// How refusals look.
    pub error_shape: ErrorShape,
    /// Whether calls without a `User-Agent` are turned away with 403.
    pub require_user_agent: bool,
    /// How many calls may arrive within one second; those above get 429 with `Retry-After: 1`. `None` for no limit.
    pub quota: Option<u32>,
    /// What a caller must show from now on, where the pair was exchanged.
    pub credentials: Option<Credentials>,
    /// Odd data inside otherwise right answers.
    pub quirks: Quirks,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            envelope: Envelope::Payload,
            object_in_list: false,
            numbers: Numbers::Json,
            flags: Flags::Text01,
            dynamic: DynamicFields::NestedData,
            id_lists: IdLists::Array,
            names: Names::default(),
            checklists: Checklists::Nested,
            empty_data: EmptyData::Object,
            empty_list_null: false,
            missing: Missing::Status,
            filter_date: FilterDate::On,
            having_in_or: false,
            count_cap: 500,
            over_cap: OverCap::Clamp,
            ignore_offset: false,
            strict: true,
            error_shape: ErrorShape::StatusMessage,
            require_user_agent: false,
            quota: None,
            credentials: None,
            quirks: Quirks::default(),
        }
    }
}

/// What is around a list or an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// `{"payload": …}`
    Payload,
    /// Nothing.
    Bare,
    /// `{"data": …}`
    Data,
    /// `{"items": […], "total": 7}`, and `{"item": {…}}` for an object.
    ItemsTotal,
    /// `{"response": {"items": […]}}`, and `{"response": {"item": {…}}}` for an object.
    ResponseNested,
    /// `{"101": {…}, "102": {…}}`; without rows `[]`, as PHP encodes an empty map.
    MapById,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// JSON numbers.
    Json,
    /// Text, as SQL drivers do; fractions get two digits (`"1500.50"`).
    Text,
}

/// How flags are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// `"0"` and `"1"`.
    Text01,
    /// `0` and `1`.
    Number,
    /// `false` and `true`; a payment's `type` is a direction, not a yes or no, and stays `"0"` or `"1"`.
    Bool,
}

/// Where a project's dynamic fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicFields {
    /// Under `data`.
    NestedData,
    /// Beside the built-in fields.
    FlatRoot,
    /// Under `data`, with the built-in fields except `id` under `buildin_data` (sic).
    BuildinSplit,
}

/// How lists of ids are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdLists {
    /// `[1,2]`
    Array,
    /// `"1,2"`
    Csv,
    /// `"1_2"`
    Underscore,
}

/// How checklists come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checklists {
    /// Items inside their checklist.
    Nested,
    /// One row per item with `checklist_id` and `checklist_name`. A checklist without items is lost.
    Flat,
}

/// What stands for no dynamic fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyData {
    /// `{}`
    Object,
    /// `[]`
    List,
    /// `null`
    Null,
}

/// What an object endpoint says about an unknown id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// 404 in the shape of [`Switches::error_shape`].
    Status,
    /// 200 with an empty list in the envelope.
    EmptyList,
    /// 200 with `null` in the envelope.
    Null,
}

/// What `filter_date` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterDate {
    /// Rows of that day.
    On,
    /// Rows of that day and later.
    Since,
}

/// What a `count` above the cap leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverCap {
    /// The cap is used, silently.
    Clamp,
    /// 400.
    Error,
}

/// How refusals look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"status": 404, "message": "…"}`
    StatusMessage,
    /// `{"error": {"code": 404, "message": "…"}}`
    ErrorObject,
    /// `{"response": {"status": 404, "message": "…"}}`; bad values have the inner status 4005.
    ResponseObject,
    /// A page of HTML with the right status.
    Html,
    /// Status 200 with `{"error": "…"}`. The quota still answers 429: a proxy in front would.
    In200,
}

/// Other names for fields, per table. The fields of checklist items are named `items.done`; the table has the last
/// word, so two fields given one name end as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<(Table, String), String>);

impl Names {
    /// Calls `canonical` of `table` by another name from now on.
    pub fn rename(&mut self, table: Table, canonical: &str, name: &str) -> &mut Self {
        self.0.insert((table, canonical.to_owned()), name.to_owned());
        self
    }

    /// Whether nothing is renamed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(&self, table: Table, canonical: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(table, canonical.to_owned())).map(String::as_str)
    }
}

/// Odd data inside otherwise right answers. All off by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quirks {
    /// Every record carries fields nobody has heard of.
    pub extra_fields: bool,
    /// One field of one record has this value instead of its own.
    pub wrong_type: Option<WrongType>,
    /// Free text (`name`, `comment`) is followed by filler up to at least this many characters.
    pub long_text: Option<usize>,
    /// Free text is followed by quotes, angle brackets, an emoji and right-to-left marks.
    pub hostile_text: bool,
}

impl Quirks {
    pub(super) fn wrong_value(&self) -> Value {
        self.wrong_type.as_ref().map_or(Value::Null, |wrong| wrong.value.clone())
    }
}

/// One field of one record, spoilt.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongType {
    /// Kind of the record.
    pub table: Table,
    /// Its id.
    pub id: u64,
    /// Canonical name of the field, at the root of the record.
    pub field: String,
    /// What stands there instead.
    pub value: Value,
}
