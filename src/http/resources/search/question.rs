//! What is searched for.

use serde_json::Value;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::answer::Kind;
use crate::http::query::{Limit, declare_branches};
use crate::model::query::Text;
use crate::model::student::is_phone;
use crate::model::{Query, RecordId, Source};

/// Records of each kind when nothing is said.
const DEFAULT_LIMIT: usize = 10;
/// Records of each kind at most.
const MAX_LIMIT: usize = 50;
/// Letters of a text at least and at most.
const LETTERS: std::ops::RangeInclusive<usize> = 2..=100;

/// A search as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Question {
    text: String,
    pub(super) kinds: Vec<Kind>,
    pub(super) limit: usize,
    pub(super) branches: Vec<RecordId>,
}

impl Question {
    /// Reads the query; none when it does not say what to search for, which is noted as a mistake.
    pub(super) fn read(query: &mut Query) -> Option<Self> {
        let text = query.one::<Words>(
            "q",
            "What to look for: a part of a name, a telephone number, an e-mail address, a number or an id.",
        );
        let kinds = query.choices("kind", "Only these kinds; all by default.");
        let limit = query.one::<Limit<DEFAULT_LIMIT, MAX_LIMIT>>(
            "limit",
            "Records of each kind; a larger number is taken as 50.",
        );
        let branches = declare_branches(query);
        if text.is_none() && !query.given_names().any(|name| name == "q") {
            query.refuse("q", "is missing; say what to search for");
        }
        let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit.0);
        Some(Self { text: text?.0, kinds, limit, branches })
    }

    /// Whether records of that kind are wanted.
    pub(super) fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// The text as it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The contact to look for, if the text looks like one.
    pub(super) fn contact(&self) -> Option<String> {
        self.looks_like_a_contact().then(|| self.text.clone())
    }

    /// The part of a name to look for among people, whose contacts are looked through otherwise.
    pub(super) fn name(&self) -> Option<String> {
        (!self.looks_like_a_contact()).then(|| self.text.clone())
    }

    /// The ids it may be, in these CRMs.
    pub(super) fn ids(&self, crms: &[Source]) -> Vec<RecordId> {
        let spelled: Option<RecordId> = self.text.parse().ok();
        let number = self.text.parse().ok().filter(|number: &u64| number.to_string() == self.text);
        let numbered =
            number.into_iter().flat_map(|number| crms.iter().map(move |crm| RecordId::new(*crm, number)));
        spelled.into_iter().filter(|id| crms.contains(&id.source())).chain(numbered).collect()
    }

    fn looks_like_a_contact(&self) -> bool {
        let (name, host) = self.text.split_once('@').unwrap_or_default();
        is_phone(&self.text) || !(name.is_empty() || host.is_empty() || self.text.contains(' '))
    }
}

/// `q`: a text without the blanks around it.
struct Words(String);

/// Two letters at least, blanks aside, and nothing that does not print but what may stand at the ends of a pasted line.
const SEARCHED: &str = r"^[\t\n\r]*[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*[\t\n\r]*$";

impl Text for Words {
    fn parse(text: &str) -> Result<Self, String> {
        let whole = text.chars().count();
        let text = <String as Text>::parse(text.trim())?;
        if whole <= *LETTERS.end() && LETTERS.contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(format!("has to have {} to {} letters", LETTERS.start(), LETTERS.end()))
        }
    }

    fn schema() -> RefOr<Schema> {
        let (least, most) = (Some(*LETTERS.start()), Some(*LETTERS.end()));
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(SEARCHED));
        text.min_length(least).max_length(most).into()
    }

    fn example() -> Option<Value> {
        Some("alfa-101".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Question, Vec<String>> {
        let mut query = Query::parse(text);
        let question = Question::read(&mut query);
        let wrong = |bad: Vec<crate::model::query::BadParam>| bad.into_iter().map(|bad| bad.name).collect();
        query.finish().map_err(wrong).map(|_| question.unwrap())
    }

    #[test]
    fn a_text_is_a_contact_or_a_name_and_perhaps_an_id() {
        let crms = [Source::AlfaCrm, Source::CryptoCrm];
        for (text, contact, ids) in [
            ("Петр", false, 0),
            ("8 (900) 000-00-01", true, 0),
            ("+79000000001", true, 0),
            ("parent101@mail.example", true, 0),
            ("@school", false, 0),
            ("101", false, 2),
            ("79000000001", true, 2),
            ("007", false, 0),
            ("alfa-7", false, 1),
            ("crypto-7-1", false, 1),
        ] {
            let encoded = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
            let question = read(&encoded).unwrap();
            assert_eq!(question.contact().is_some(), contact, "{text}");
            assert_eq!(question.name().is_some(), !contact, "{text}");
            assert_eq!(question.ids(&crms).len(), ids, "{text}");
        }
        assert!(read("q=alfa-7").unwrap().ids(&[Source::CryptoCrm]).is_empty());
    }

    #[test]
    fn what_is_missing_short_or_long_is_told_once() {
        let long = format!("q={}", "a".repeat(101));
        for text in ["", "q=", "q=a", "q=+a+", "q=+++", long.as_str()] {
            assert_eq!(read(text).unwrap_err(), ["q"], "{text}");
        }
        assert_eq!(read("q=ab&kind=PET&limit=0&branch_id=x&z=1").unwrap_err().len(), 4);
        assert_eq!(read("q=ab").unwrap().limit, 10);
        assert_eq!(read("q=ab&limit=99").unwrap().limit, 50);
    }
}
