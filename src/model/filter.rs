//! The conditions that filters are made of.

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::query::Text;
use super::{Moment, Query};

/// Which side of the archive a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Archived {
    /// Active records only.
    #[default]
    False,
    /// Archived records only.
    True,
    /// Both.
    All,
}

impl Archived {
    /// Whether a record on this side belongs in.
    pub fn admits(self, archived: bool) -> bool {
        match self {
            Self::All => true,
            Self::True => archived,
            Self::False => !archived,
        }
    }

    /// Whether all on this side are on the other too.
    pub fn narrows(self, wider: Self) -> bool {
        self == wider || wider == Self::All
    }
}

/// Two bounds, both inclusive, each optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Between<T> {
    /// Nothing below.
    pub from: Option<T>,
    /// Nothing above.
    pub to: Option<T>,
}

impl<T: PartialOrd + Copy> Between<T> {
    /// Whether neither bound is set.
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether whatever lies between these bounds lies between the other ones too.
    pub fn narrows(&self, wider: &Self) -> bool {
        wider.from.is_none_or(|least| self.from.is_some_and(|from| from >= least))
            && wider.to.is_none_or(|most| self.to.is_some_and(|to| to <= most))
    }

    /// Whether `value` lies between; nothing does not, once a bound is set.
    pub fn admits(&self, value: Option<T>) -> bool {
        self.is_open()
            || value.is_some_and(|value| {
                self.from.is_none_or(|from| value >= from) && self.to.is_none_or(|to| value <= to)
            })
    }
}

/// Whether a wish is fulfilled: none is.
pub fn fits<T: PartialEq>(wanted: &Option<T>, value: Option<&T>) -> bool {
    wanted.as_ref().is_none_or(|wanted| value == Some(wanted))
}

/// Whether a wish is the wider one, or there was none.
pub fn narrows<T: PartialEq>(own: &Option<T>, wider: &Option<T>) -> bool {
    wider.is_none() || own == wider
}

/// The same of a choice, of which none is all.
pub fn chooses_among<T: PartialEq>(own: &[T], wider: &[T]) -> bool {
    wider.is_empty() || (!own.is_empty() && own.iter().all(|choice| wider.contains(choice)))
}

/// Reads a pair of bounds.
pub fn between<T: Text + PartialOrd + Copy>(
    q: &mut Query,
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    mask: Option<&'static str>,
) -> Between<T> {
    let lower = q.one(from.0, from.1);
    if let Some(mask) = mask {
        q.masked_by(mask);
    }
    let upper = q.one(to.0, to.1);
    if let Some(mask) = mask {
        q.masked_by(mask);
    }
    if let (Some(low), Some(high)) = (lower, upper)
        && low > high
    {
        q.refuse(from.0, format!("lies after `{}`", to.0));
    }
    Between { from: lower, to: upper }
}

/// Whether a text holds a part, letter case aside.
pub fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// The longest word of a text: what is looked for where the CRM may write the rest of it another way.
pub fn longest_word(text: &str) -> Option<String> {
    text.split_whitespace().max_by_key(|word| word.chars().count()).map(str::to_owned)
}

/// Whether a record changed since then; one that does not tell may have.
pub fn changed_since(since: Option<Timestamp>, updated_at: Option<Moment>) -> bool {
    since.is_none_or(|since| updated_at.is_none_or(|at| at.timestamp() >= since))
}
