//! What students and teachers have in common when they are written: how to reach them, and their gender.

use serde_json::Value;
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{RefOr, Schema};

use super::draft::{Bad, Change, Fields, Json, Object, Part, Short, Word};
use super::student::Gender;

/// The longest telephone number, in characters of any spelling.
const LONGEST_PHONE: usize = 50;
/// The longest other contact.
const LONGEST: usize = 255;

/// How to reach a person. A list that is named replaces the one there is, the others stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactsDraft {
    /// Telephone numbers.
    pub phones: Change<Vec<PhoneText>>,
    /// E-mail addresses.
    pub emails: Change<Vec<Short<LONGEST>>>,
    /// Web pages and accounts.
    pub websites: Change<Vec<Short<LONGEST>>>,
    /// Postal addresses.
    pub addresses: Change<Vec<Short<LONGEST>>>,
}

impl Part for ContactsDraft {
    fn read(fields: &mut Fields) -> Self {
        Self {
            phones: fields.one(
                "phones",
                "Telephone numbers, all of them: texts, or objects with `display` as they are read.",
            ),
            emails: fields.one("emails", "E-mail addresses, all of them."),
            websites: fields.one("websites", "Web pages and accounts, all of them."),
            addresses: fields.one("addresses", "Postal addresses, all of them."),
        }
    }
}

/// A telephone number, as a text or as an object with `display`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneText(pub String);

/// The object.
#[derive(Debug, Default)]
struct PhonePart(Change<Short<LONGEST_PHONE>>);

impl Part for PhonePart {
    fn read(fields: &mut Fields) -> Self {
        fields.read_only("e164", "it follows from `display`");
        Self(fields.required("display", "The number in any spelling."))
    }
}

impl Json for PhoneText {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let text = if value.is_object() {
            let Object(PhonePart(display)) = Object::parse(value)?;
            display.value().cloned().unwrap_or_default()
        } else {
            Short::parse(value)?
        };
        if !text.0.chars().any(|c| c.is_ascii_digit()) {
            let below = if value.is_object() { "/display" } else { "" };
            return Err(Bad { below: below.to_owned(), detail: "is no telephone number".to_owned() });
        }
        Ok(Self(text.0))
    }

    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(<Short<LONGEST_PHONE> as Json>::schema())
            .item(<Object<PhonePart> as Json>::schema())
            .into()
    }
}

/// Reads `contacts`.
pub fn contacts(fields: &mut Fields) -> Change<Object<ContactsDraft>> {
    fields
        .one::<Object<ContactsDraft>>("contacts", "How to reach the person; `null` removes every contact.")
        .unless_empty()
}

/// Reads `gender`.
pub fn gender(fields: &mut Fields) -> Change<Word<Gender>> {
    fields.always("gender", "Gender; `UNKNOWN` when it is not said.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<ContactsDraft, Bad> {
        Object::<ContactsDraft>::parse(value).map(|contacts| contacts.0)
    }

    #[test]
    fn a_telephone_number_is_a_text_or_an_object() {
        let contacts = read(&json!({"phones": ["8 900 000-00-01", {"display": "+79000000002"}]})).unwrap();
        let phones: Vec<&str> = contacts.phones.value().unwrap().iter().map(|phone| &*phone.0).collect();
        assert_eq!(phones, ["8 900 000-00-01", "+79000000002"]);
        assert_eq!(contacts.emails, Change::Keep);
        assert_eq!(read(&json!({"emails": null})).unwrap().emails, Change::Clear);
    }

    #[test]
    fn what_is_no_contact_is_told_where_it_stands() {
        for (value, below) in [
            (json!({"phones": ["1", "none"]}), "/phones/1"),
            (json!({"phones": [{"display": ""}]}), "/phones/0/display"),
            (json!({"phones": [{"display": "x"}]}), "/phones/0/display"),
            (json!({"phones": [{"number": "1"}]}), "/phones/0/number"),
            (json!({"phones": [{"display": "1", "e164": "+1"}]}), "/phones/0/e164"),
            (json!({"phones": "1"}), "/phones"),
            (json!({"emails": [5]}), "/emails/0"),
            (json!({"fax": []}), "/fax"),
        ] {
            let bad = read(&value).unwrap_err();
            // A missing field is told as well; the first problem of a part is enough.
            assert!(bad.below == below || bad.below == "/phones/0/display", "{value}: {bad:?}");
        }
    }
}
