//! What a consumer may do: all its scopes together.

use crate::config::{Access, Scope};

/// All permissions of one consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Everything.
    pub fn all() -> Self {
        Self(vec![Scope::All])
    }

    /// What is in both.
    #[must_use]
    pub fn narrowed(&self, by: &Self) -> Self {
        let of_by = by.0.iter().filter(|scope| self.holds(scope));
        let of_self = self.0.iter().filter(|scope| by.holds(scope) && !by.0.contains(scope));
        of_by.chain(of_self).cloned().collect()
    }

    /// All of them as words, in one order.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.0.iter().map(Scope::to_string).collect();
        words.sort();
        words.dedup();
        words
    }

    fn holds(&self, scope: &Scope) -> bool {
        self.0.iter().any(|own| *own == Scope::All || own == scope)
    }

    /// Whether `access` to `resource` is allowed. Writing does not include reading.
    pub fn allow(&self, resource: &str, access: Access) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::All => true,
            Scope::Of { resource: name, access: may } => name == resource && *may == access,
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
    fn a_scope_allows_its_access_to_its_resource_and_nothing_else() {
        let scopes: Scopes = ["payments:write".parse().unwrap()].into_iter().collect();
        assert!(scopes.allow("payments", Access::Write));
        assert!(!scopes.allow("payments", Access::Read));
        assert!(!scopes.allow("students", Access::Write));
        assert!(Scopes::all().allow("anything", Access::Write));
    }

    #[test]
    fn scopes_are_narrowed_to_what_is_in_both() {
        let scopes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Scopes>();
        let most = scopes(&["students:read", "payments:read"]);
        assert_eq!(most.narrowed(&scopes(&["payments:read", "tasks:read"])), scopes(&["payments:read"]));
        assert_eq!(most.narrowed(&scopes(&["*"])), most);
        assert_eq!(most.narrowed(&scopes(&[])), scopes(&[]));
        assert_eq!(scopes(&["*"]).narrowed(&most), most);
        assert_eq!(scopes(&["*"]).narrowed(&scopes(&["*"])), scopes(&["*"]));
        assert!(!most.narrowed(&scopes(&["payments:write"])).allow("payments", Access::Write));
    }
}
