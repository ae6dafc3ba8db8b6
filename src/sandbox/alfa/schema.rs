//! What a model is, as data: its columns with the format of each, its filters, its order, how a row belongs to a
//! branch and which writes exist. The code that lists, validates, writes and logs is one for all models and reads
//! these tables.

use super::models;

/// How a column is stored, printed and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number or null.
    Int,
    /// 0 or 1.
    Flag,
    /// A true boolean.
    Bool,
    /// Text with two decimals, null until known.
    Money,
    /// Text, `""` when empty.
    Text,
    /// Text, null when empty.
    TextOrNull,
    /// Date printed and written D, `""` when empty.
    DateRu,
    /// Date printed I, written D.
    DateIso,
    /// Time stamp printed T.
    Stamp,
    /// Text `hh:mm` or `hh:mm:ss`.
    Clock,
    /// List of ids.
    Ints,
    /// List of texts; a single text is taken for a list of one.
    Texts,
    /// The attendance rows of a lesson.
    Details,
    /// Anything else, kept as it is.
    Json,
}

/// One column of a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) ru: &'static str,
    pub(super) en: &'static str,
    /// Whether a write through the API may set it.
    pub(super) writable: bool,
    /// Whether the API shows it.
    pub(super) shown: bool,
    /// Longest text accepted, in characters.
    pub(super) max: usize,
    /// What a fresh row holds instead of the kind's own empty value.
    pub(super) start: Option<i64>,
}

/// A writable column.
pub(super) const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, ru: name, en: name, writable: true, shown: true, max: usize::MAX, start: None }
}

impl Column {
    /// Its names in validation messages.
    pub(super) const fn label(mut self, ru: &'static str, en: &'static str) -> Self {
        self.ru = ru;
        self.en = en;
        self
    }

    /// The CRM computes it; a write that names it is ignored.
    pub(super) const fn fixed(mut self) -> Self {
        self.writable = false;
        self
    }

    /// Kept by the CRM but never shown by the API.
    pub(super) const fn hidden(mut self) -> Self {
        self.writable = false;
        self.shown = false;
        self
    }

    pub(super) const fn max(mut self, characters: usize) -> Self {
        self.max = characters;
        self
    }

    /// The number a fresh row starts with.
    pub(super) const fn start(mut self, value: i64) -> Self {
        self.start = Some(value);
        self
    }
}

/// The format a date filter is documented with. A value in another format is ignored, as an unknown key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateFormat {
    Ru,
    Iso,
    Either,
    /// `yyyy.mm.dd` is documented; the usual two are taken as well.
    Dots,
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The column's number is the value, or one of them when the value is a list.
    Is,
    /// The column's list holds the value, or one of them.
    Holds,
    /// The column's text contains the value, whatever the case.
    Contains,
    /// The column's text is the value, whatever the case.
    Same,
    /// Not before this day.
    Since(DateFormat),
    /// Not after this day.
    Until(DateFormat),
    /// Number or money at least this.
    Least,
    /// Number or money at most this.
    Most,
    /// True: only empty; false: only filled.
    Empty,
}

/// A documented filter: the key in the body, what it looks at, how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    pub(super) key: &'static str,
    pub(super) column: &'static str,
    pub(super) how: How,
}

pub(super) const fn filter(key: &'static str, column: &'static str, how: How) -> Filter {
    Filter { key, column, how }
}

/// The order a list comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By `weight` or `sort`, then name.
    Weight(&'static str),
    Name,
    /// Latest of this date column first, then the highest id.
    Newest(&'static str),
    Id,
}

/// How a row belongs to branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The branch in the path changes nothing.
    Everywhere,
    /// By `branch_id`.
    One,
    /// By `branch_ids`: listed in every one of them.
    Many,
    /// Where its client is.
    Customer,
    /// Where its group is.
    Group,
}

/// One model.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) model: Model,
    /// Its name in paths; tables without a path of their own have the name of the action that lists them.
    pub(super) name: &'static str,
    /// Its name in the log and in webhooks.
    pub(super) entity: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) filters: &'static [Filter],
    pub(super) order: Order,
    pub(super) link: Link,
    /// What `create` needs.
    pub(super) required: &'static [&'static str],
    pub(super) writes: Writes,
}

/// Which writes exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    None,
    CreateUpdate,
    CreateUpdateDelete,
}

impl Spec {
    /// Where a column stands. A name that is not there is a mistake in the tables.
    pub(super) fn at(&self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| unreachable!("{} has no column {name}", self.name))
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// All tables, in the order of [`Model`].
pub(super) static SPECS: [&Spec; 37] = [
    &models::books::BRANCH,
    &models::books::COMPANY,
    &models::books::LOCATION,
    &models::books::ROOM,
    &models::books::SUBJECT,
    &models::books::STUDY_STATUS,
    &models::books::LEAD_STATUS,
    &models::books::LEAD_SOURCE,
    &models::books::LEAD_REJECT,
    &models::books::CUSTOMER_REJECT,
    &models::books::PIPELINE,
    &models::books::LEVEL,
    &models::books::STREAMING,
    &models::books::LESSON_TYPE,
    &models::customer::CUSTOMER,
    &models::group::GROUP,
    &models::group::CGI,
    &models::teacher::TEACHER,
    &models::teacher::TEACHER_RATE,
    &models::teacher::WORKING_HOUR,
    &models::lesson::LESSON,
    &models::regular::REGULAR_LESSON,
    &models::pay::PAY,
    &models::pay::PAY_ACCOUNT,
    &models::pay::PAY_ITEM,
    &models::pay::PAY_ITEM_CATEGORY,
    &models::pay::PAY_TYPE,
    &models::tariff::TARIFF,
    &models::tariff::CUSTOMER_TARIFF,
    &models::tariff::DISCOUNT,
    &models::office::TASK,
    &models::office::COMMUNICATION,
    &models::office::SMS_MESSAGE,
    &models::office::MAIL_MESSAGE,
    &models::office::PHONE_CALL,
    &models::office::LOG,
    &models::office::USER,
];

/// A table of the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    Branch,
    Company,
    Location,
    Room,
    Subject,
    StudyStatus,
    LeadStatus,
    LeadSource,
    LeadReject,
    CustomerReject,
    Pipeline,
    Level,
    Streaming,
    LessonType,
    Customer,
    Group,
    Cgi,
    Teacher,
    TeacherRate,
    WorkingHour,
    Lesson,
    RegularLesson,
    Pay,
    PayAccount,
    PayItem,
    PayItemCategory,
    PayType,
    Tariff,
    CustomerTariff,
    Discount,
    Task,
    Communication,
    SmsMessage,
    MailMessage,
    PhoneCall,
    Log,
    User,
}

impl Model {
    pub(super) fn spec(self) -> &'static Spec {
        SPECS[self as usize]
    }

    /// The table of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        SPECS.iter().find(|spec| spec.name == name).map(|spec| spec.model)
    }

    /// Whether it has a path of its own.
    pub(super) fn has_path(self) -> bool {
        !matches!(self, Self::TeacherRate | Self::WorkingHour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_stand_in_the_order_of_the_models() {
        for (place, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.model as usize, place, "{}", spec.name);
        }
    }

    #[test]
    fn every_filter_and_order_names_a_column() {
        for spec in SPECS {
            for filter in spec.filters {
                assert!(spec.find(filter.column).is_some(), "{}: {}", spec.name, filter.key);
            }
            for name in spec.required {
                assert!(spec.find(name).is_some(), "{}: {name}", spec.name);
            }
            if let Order::Weight(column) | Order::Newest(column) = spec.order {
                assert!(spec.find(column).is_some(), "{}: {column}", spec.name);
            }
        }
    }
}
