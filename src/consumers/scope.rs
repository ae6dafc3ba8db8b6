//! What a consumer may do: `students:read`, `payments:write`, or `*` for everything.

use std::fmt;
use std::str::FromStr;

/// What a request does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Looks at it.
    Read,
    /// Changes it.
    Write,
}

impl Verb {
    /// The name in scopes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// One verb on one resource.
    Of(String, Verb),
}

/// A text that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a scope; scopes look like `students:read` or `payments:write`, and `*` is everything")]
pub struct BadScope;

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        if text == "*" {
            return Ok(Self::All);
        }
        let (resource, verb) = text.split_once(':').ok_or(BadScope)?;
        let verb = match verb {
            "read" => Verb::Read,
            "write" => Verb::Write,
            _ => return Err(BadScope),
        };
        let plain = !resource.is_empty() && resource.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if plain { Ok(Self::Of(resource.to_owned(), verb)) } else { Err(BadScope) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Of(resource, verb) => write!(f, "{resource}:{}", verb.name()),
        }
    }
}

/// All permissions of one consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Everything.
    pub fn all() -> Self {
        Self(vec![Scope::All])
    }

    /// Whether `verb` on `resource` is allowed. Writing does not include reading.
    pub fn allow(&self, resource: &str, verb: Verb) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::All => true,
            Scope::Of(name, may) => name == resource && *may == verb,
        })
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_round_trip_and_nonsense_is_refused() {
        for good in ["*", "students:read", "pay-accounts:write"] {
            assert_eq!(good.parse::<Scope>().unwrap().to_string(), good);
        }
        for bad in ["", ":", "students", "students:", ":read", "students:delete", "Students:read", "*:read"] {
            assert_eq!(bad.parse::<Scope>(), Err(BadScope), "{bad}");
        }
    }

    #[test]
    fn a_scope_allows_its_verb_on_its_resource_and_nothing_else() {
        let scopes: Scopes = ["payments:write".parse().unwrap()].into_iter().collect();
        assert!(scopes.allow("payments", Verb::Write));
        assert!(!scopes.allow("payments", Verb::Read));
        assert!(!scopes.allow("students", Verb::Write));
        assert!(Scopes::all().allow("anything", Verb::Write));
    }
}
