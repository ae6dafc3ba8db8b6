//! What the API refuses and how it says so: the Yii2 bodies with their status, and the validation messages in the
//! language of the API user.

use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::row::Row;
use super::schema::{Column, Model};
use super::switches::Language;

/// Why an operation was refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The query lacks these parameters.
    Missing(Vec<&'static str>),
    BadJson,
    BadLogin,
    BadToken,
    NoAppKey,
    Denied,
    NotFound,
    Method,
    TooLarge,
    /// Per field, and the values sent.
    Invalid(Box<Invalid>),
}

/// A refused write.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) errors: Map<String, Value>,
    pub(super) model: Map<String, Value>,
}

/// What is wrong with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Blank,
    Format,
    TooLong(usize),
    Unknown,
    Period,
    Duplicate,
    NotEnough,
}

impl Fault {
    fn say(self, column: &Column, language: Language) -> String {
        let (ru, en) = (column.ru, column.en);
        match (language, self) {
            (Language::Ru, Self::Blank) => format!("Необходимо заполнить \"{ru}\""),
            (Language::En, Self::Blank) => format!("{en} cannot be blank."),
            (Language::Ru, Self::Format) => format!("Неверный формат значения \"{ru}\"."),
            (Language::En, Self::Format) => format!("The format of {en} is invalid."),
            (Language::Ru, Self::TooLong(max)) => {
                format!("Значение \"{ru}\" должно содержать максимум {max} символов.")
            }
            (Language::En, Self::TooLong(max)) => {
                format!("{en} should contain at most {max} characters.")
            }
            (Language::Ru, Self::Unknown) => format!("Значение \"{ru}\" неверно."),
            (Language::En, Self::Unknown) => format!("{en} is invalid."),
            (Language::Ru, Self::Period) => "Некорректный период".to_owned(),
            (Language::En, Self::Period) => "Invalid period".to_owned(),
            (Language::Ru, Self::Duplicate) => "Клиент уже состоит в этой группе.".to_owned(),
            (Language::En, Self::Duplicate) => "The customer is already in this group.".to_owned(),
            (Language::Ru, Self::NotEnough) => "Недостаточно бонусов.".to_owned(),
            (Language::En, Self::NotEnough) => "Not enough bonuses.".to_owned(),
        }
    }
}

/// The faults found in one write, in the order they were found.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<(&'static Column, Fault)>);

impl Errors {
    pub(super) fn add(&mut self, column: &'static Column, fault: Fault) {
        if !self.0.iter().any(|(known, _)| known.name == column.name) {
            self.0.push((column, fault));
        }
    }

    /// Adds a fault of a row's column.
    pub(super) fn at(&mut self, row: &Row, column: &str, fault: Fault) {
        self.add(&row.spec.columns[row.spec.at(column)], fault);
    }

    /// Takes a fault back that does not apply after all.
    pub(super) fn forgive(&mut self, column: &str, fault: Fault) {
        self.0.retain(|(known, what)| known.name != column || *what != fault);
    }

    /// A filled id must name a row.
    pub(super) fn must_exist(&mut self, desk: &Desk<'_>, row: &Row, column: &str, model: Model) {
        if row
            .int(column)
            .is_some_and(|id| u64::try_from(id).map_or(true, |id| !desk.store.table(model).has(id)))
        {
            self.at(row, column, Fault::Unknown);
        }
    }

    /// All ids of a list must name rows.
    pub(super) fn must_all_exist(&mut self, desk: &Desk<'_>, row: &Row, column: &str, model: Model) {
        if !row.ints(column).iter().all(|id| desk.store.table(model).has(*id)) {
            self.at(row, column, Fault::Unknown);
        }
    }

    /// `e_date` must lie after `b_date`.
    pub(super) fn period(&mut self, row: &Row) {
        if let (Some(start), Some(end)) = (row.date("b_date"), row.date("e_date"))
            && end <= start
        {
            self.at(row, "e_date", Fault::Period);
        }
    }

    /// Ends the check: refuses the write if anything was found.
    pub(super) fn verdict(self, language: Language, sent: &Map<String, Value>) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let errors = self
            .0
            .into_iter()
            .map(|(column, fault)| (column.name.to_owned(), json!([fault.say(column, language)])))
            .collect();
        let mut model = Map::new();
        model.insert("id".to_owned(), Value::Null);
        model.extend(sent.clone());
        Err(Refusal::Invalid(Box::new(Invalid { errors, model })))
    }
}

impl Refusal {
    /// Status and body.
    pub(super) fn answer(self, switches: &super::switches::Switches) -> (u16, Value) {
        let ru = switches.message_language == Language::Ru;
        let say = |russian: &str, english: &str| if ru { russian } else { english }.to_owned();
        let (status, message) = match self {
            Self::Missing(names) => (
                400,
                format!(
                    "{}: {}",
                    say("Отсутствуют обязательные параметры", "Missing required parameters"),
                    names.join(", ")
                ),
            ),
            Self::BadJson => (400, "Invalid JSON data in request body: Syntax error.".to_owned()),
            Self::BadLogin => (switches.bad_login_status, "Not Authorized".to_owned()),
            Self::BadToken => {
                (switches.bad_token_status, "Your request was made with invalid credentials.".to_owned())
            }
            Self::NoAppKey | Self::Denied => (403, "Access Denied".to_owned()),
            Self::NotFound => (404, say("Страница не найдена.", "Page not found.")),
            Self::Method => (
                405,
                "Method Not Allowed. This URL can only handle the following request methods: POST."
                    .to_owned(),
            ),
            Self::TooLarge => (413, "Request body is too large.".to_owned()),
            Self::Invalid(invalid) => {
                let body = json!({"success": false, "errors": invalid.errors, "model": invalid.model});
                return (switches.validation_status, body);
            }
        };
        (status, body(status, &message))
    }
}

/// The generic error body.
pub(super) fn body(status: u16, message: &str) -> Value {
    let name = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Payload Too Large",
        422 => "Unprocessable entity",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    json!({"name": name, "message": message, "code": 0, "status": status})
}
