//! What students, groups and teachers have in common: contacts, gender, and teachers that may be names.

use serde_json::json;

use super::form::Form;
use crate::crm::wire::Row;
use crate::model::RecordId;
use crate::model::draft::{Change, Object, Short, Word};
use crate::model::people::{ContactsDraft, PhoneText};
use crate::model::student::{Contacts, Gender, is_phone, phone_digits};

/// The filter `phone` finds a telephone number when it is sent without punctuation, in the international form; anything
/// else is sent as it is.
pub(super) fn contact(text: &str) -> String {
    if !is_phone(text) {
        return text.to_owned();
    }
    let digits = phone_digits(text);
    if digits.len() == 10 && digits.starts_with('9') { format!("7{digits}") } else { digits }
}

/// Older servers give names where newer ones give ids (section 8.1).
pub(super) fn people(row: &Row<'_>, field: &'static str) -> (Vec<RecordId>, Vec<String>) {
    let names: Vec<String> =
        row.texts(field).into_iter().filter(|text| text.trim().parse::<u64>().is_err()).collect();
    if names.is_empty() { (row.ids(field), names) } else { (Vec::new(), names) }
}

pub(super) fn gender(row: &Row<'_>) -> Gender {
    match row.number("gender").or_else(|| row.number("sex")) {
        Some(1) => Gender::Male,
        Some(2) => Gender::Female,
        Some(0) | None => Gender::Unknown,
        Some(_) => {
            row.note("gender");
            Gender::Unknown
        }
    }
}

pub(super) fn contacts(row: &Row<'_>) -> Contacts {
    Contacts {
        phones: row.phones("phone"),
        emails: row.texts("email"),
        websites: row.texts("web"),
        addresses: row.texts("addr"),
    }
}

impl Form {
    /// How to reach a person; each list whole, because the CRM replaces what it has (section 6.1).
    pub(super) fn contacts(&mut self, change: &Change<Object<ContactsDraft>>) {
        let cleared = ContactsDraft {
            phones: Change::Clear,
            emails: Change::Clear,
            websites: Change::Clear,
            addresses: Change::Clear,
        };
        let contacts = match change {
            Change::Keep => return,
            Change::Clear => &cleared,
            Change::Set(Object(contacts)) => contacts,
        };
        let numbers = |phones: &Vec<PhoneText>| json!(phones.iter().map(|one| &one.0).collect::<Vec<_>>());
        self.change("phone", "contacts/phones", &contacts.phones, json!([]), numbers);
        for (key, name, list) in [
            ("email", "contacts/emails", &contacts.emails),
            ("web", "contacts/websites", &contacts.websites),
            ("addr", "contacts/addresses", &contacts.addresses),
        ] {
            let texts = |list: &Vec<Short<255>>| json!(list.iter().map(|one| &one.0).collect::<Vec<_>>());
            self.change(key, name, list, json!([]), texts);
        }
    }

    /// 0 is not said.
    pub(super) fn gender(&mut self, change: &Change<Word<Gender>>) {
        self.change("gender", "gender", change, 0.into(), |word| match word.0 {
            Gender::Male => 1.into(),
            Gender::Female => 2.into(),
            Gender::Unknown => 0.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_looked_for_in_one_spelling() {
        for text in ["+7(900)000-00-01", "8 900 000 00 01", "79000000001", "9000000001", "8-900-000-00-01"] {
            assert_eq!(contact(text), "79000000001", "{text}");
        }
        assert_eq!(contact("000-01"), "00001", "a part of a number");
        assert_eq!(contact("anna@mail.example"), "anna@mail.example");
    }
}
