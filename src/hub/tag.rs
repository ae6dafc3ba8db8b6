//! What a mark hangs on, and how that is written where it outlives the process.

use std::fmt;
use std::str::FromStr;

use crate::model::RecordId;
use crate::model::expand::Kin;
use crate::model::reference::Book;

/// What of a resource is outdated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// Everything.
    All,
    /// Lists that hang on nothing.
    Lists,
    /// Lists that ask for what the CRM computes.
    Computed,
    /// Lists of any branch.
    AnyBranch,
    /// Lists of a branch.
    Branch(u64),
    /// Lists below any owner.
    AnyOwner,
    /// Lists below an owner.
    Owner(Kin, RecordId),
    /// Records asked for by their ids.
    AnyRecord,
    /// A record, wherever it is found.
    Record(RecordId),
}

/// Those that are one word.
const WORDS: [(&str, Tag); 6] = [
    ("all", Tag::All),
    ("lists", Tag::Lists),
    ("computed", Tag::Computed),
    ("branches", Tag::AnyBranch),
    ("owners", Tag::AnyOwner),
    ("records", Tag::AnyRecord),
];

/// Kinds that are known by their resource.
const KINS: [Kin; 7] =
    [Kin::Student, Kin::Group, Kin::Teacher, Kin::Task, Kin::Tariff, Kin::Lesson, Kin::Project];

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => write!(f, "branch:{branch}"),
            Self::Record(id) => write!(f, "record:{id}"),
            Self::Owner(Kin::Entry(book), id) => write!(f, "owner:{id}:book:{}", book.name()),
            Self::Owner(kin, id) => write!(f, "owner:{id}:{}", kin.resource()),
            word => f.write_str(WORDS.iter().find(|(_, tag)| tag == word).map_or("all", |(name, _)| name)),
        }
    }
}

/// The text is no tag; what it meant is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoTag;

impl FromStr for Tag {
    type Err = NoTag;

    fn from_str(text: &str) -> Result<Self, NoTag> {
        let id = |text: &str| text.parse::<RecordId>().map_err(|_| NoTag);
        let Some((kind, rest)) = text.split_once(':') else {
            let word = WORDS.into_iter().find(|(name, _)| *name == text);
            return word.map(|(_, tag)| tag).ok_or(NoTag);
        };
        match kind {
            "branch" => rest.parse().map(Self::Branch).map_err(|_| NoTag),
            "record" => id(rest).map(Self::Record),
            "owner" => {
                let (owner, kin) = rest.split_once(':').ok_or(NoTag)?;
                let kin = match kin.strip_prefix("book:") {
                    Some(book) => Book::named(book).map(Kin::Entry),
                    None => KINS.into_iter().find(|known| known.resource() == kin),
                };
                Ok(Self::Owner(kin.ok_or(NoTag)?, id(owner)?))
            }
            _ => Err(NoTag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let id = RecordId::under(Source::CryptoCrm, 101, 3001);
        let words = WORDS.into_iter().map(|(_, tag)| tag);
        let books = Book::ALL.iter().map(|(book, _)| Kin::Entry(*book));
        let owners = KINS.into_iter().chain(books).map(|kin| Tag::Owner(kin, id.clone()));
        for tag in words.chain(owners).chain([Tag::Branch(7), Tag::Record(id.clone())]) {
            assert_eq!(tag.to_string().parse(), Ok(tag));
        }
        for text in ["", "branch:x", "owner:alfa-1", "owner:alfa-1:nothing", "record:", "more:1"] {
            assert_eq!(text.parse::<Tag>(), Err(NoTag), "{text}");
        }
    }
}
