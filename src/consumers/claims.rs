//! What a token says, once its signature is known to be good. Everything here is decided from the claims, the rules and
//! the time alone.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Scopes;
use crate::model::RecordId;

/// Students of one token. Each costs calls of its own; a token for more than a family is a mistake or an attack.
const MOST_STUDENTS: usize = 50;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// Who its bearer is.
    pub(super) subject: String,
    /// The last second in which it is good, skew included.
    pub(super) until: Timestamp,
    /// What it asks for; `None` is as much as there is.
    pub(super) scopes: Option<Scopes>,
    /// The students, in order and each once.
    pub(super) students: Vec<RecordId>,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is no token.
    #[error("The token is no JSON Web Token.")]
    Malformed,
    /// It is signed in a way that is not taken.
    #[error("The token is signed with another algorithm than RS256, ES256 or EdDSA, or demands extensions.")]
    Algorithm,
    /// The provider has no such key.
    #[error("The token was signed with a key that its provider does not publish.")]
    UnknownKey,
    /// There are no keys to check it with.
    #[error("The keys of the token's provider could not be read yet.")]
    NoKeys,
    /// The signature, the issuer or the audience is another.
    #[error("The token was not issued for this gateway by its provider.")]
    NotForUs,
    /// It is over, or does not say when it will be.
    #[error("The token has expired, or has no `exp`.")]
    Expired,
    /// It begins later.
    #[error("The token is not good yet; look at `nbf` and at the provider's clock.")]
    TooEarly,
    /// A claim that is needed is missing or of another kind.
    #[error("The token has no `sub`, or a claim of it is of another kind than it should be.")]
    Claims,
    /// More than one family.
    #[error("The token lists more than 50 students.")]
    TooMany,
}

/// Reads the claims at `now`.
pub(super) fn read(
    claims: &Map<String, Value>,
    student_claim: &str,
    skew: Duration,
    now: Timestamp,
) -> Result<Claims, BadToken> {
    let skew = i64::try_from(skew.as_secs()).unwrap_or(i64::MAX);
    let expires = seconds(claims.get("exp")).ok_or(BadToken::Expired)?;
    let until = expires.saturating_add(skew);
    if until < now.as_second() {
        return Err(BadToken::Expired);
    }
    if let Some(begins) = claims.get("nbf") {
        let begins = seconds(Some(begins)).ok_or(BadToken::Claims)?;
        if begins > now.as_second().saturating_add(skew) {
            return Err(BadToken::TooEarly);
        }
    }
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(BadToken::Claims)?.to_owned();
    let scopes = match claims.get("scope") {
        None => None,
        // Words that are no scopes of ours are others' business.
        Some(Value::String(words)) => {
            Some(words.split_whitespace().filter_map(|word| word.parse().ok()).collect())
        }
        Some(_) => return Err(BadToken::Claims),
    };
    let mut students = match claims.get(student_claim) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(ids)) if ids.len() > MOST_STUDENTS => return Err(BadToken::TooMany),
        // What is no id of ours is the id of nobody.
        Some(Value::Array(ids)) => ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect(),
        Some(_) => return Err(BadToken::Claims),
    };
    students.sort();
    students.dedup();
    let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
    Ok(Claims { subject, until, scopes, students })
}

/// A NumericDate (RFC 7519, 2), which may have a fraction.
fn seconds(value: Option<&Value>) -> Option<i64> {
    let Value::Number(number) = value? else { return None };
    number.as_i64().or_else(|| {
        let seconds = number.as_f64()?.floor();
        (seconds.abs() < 1e15).then_some(seconds as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_771_570_800;

    fn at(claims: Value) -> Result<Claims, BadToken> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        read(&claims, "student_ids", Duration::from_secs(60), Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn a_token_is_good_until_it_expires_give_or_take_the_skew() {
        let with = |exp: Value| at(json!({"sub": "a", "exp": exp}));
        assert_eq!(with(json!(NOW - 60)).unwrap().until, Timestamp::from_second(NOW).unwrap());
        assert!(with(json!(NOW as f64 + 0.5)).is_ok());
        for exp in [json!(NOW - 61), json!(null), json!("2099"), json!(-1), json!(1e300)] {
            assert_eq!(with(exp.clone()), Err(BadToken::Expired), "{exp}");
        }
        assert_eq!(at(json!({"sub": "a"})), Err(BadToken::Expired));
        let from = |nbf: Value| at(json!({"sub": "a", "exp": NOW + 1, "nbf": nbf}));
        assert!(from(json!(NOW + 60)).is_ok());
        assert_eq!(from(json!(NOW + 61)), Err(BadToken::TooEarly));
        assert_eq!(from(json!("soon")), Err(BadToken::Claims));
    }

    #[test]
    fn students_are_those_listed_and_without_a_list_none() {
        let with = |ids: Value| {
            at(json!({"sub": "a", "exp": NOW, "student_ids": ids})).map(|claims| claims.students)
        };
        let ids =
            |texts: &[&str]| Ok(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<RecordId>>());
        assert_eq!(with(json!(["alfa-2", "alfa-1", "alfa-2"])), ids(&["alfa-1", "alfa-2"]));
        assert_eq!(with(json!(["*", "alfa-007", 7, null, "alfa-3"])), ids(&["alfa-3"]));
        assert_eq!(with(json!(null)), ids(&[]));
        assert_eq!(at(json!({"sub": "a", "exp": NOW})).unwrap().students, []);
        assert_eq!(with(json!("alfa-1")), Err(BadToken::Claims));
        assert_eq!(with(json!(vec!["alfa-1"; 51])), Err(BadToken::TooMany));
    }

    #[test]
    fn a_subject_is_needed_and_a_scope_is_words() {
        assert_eq!(at(json!({"exp": NOW})), Err(BadToken::Claims));
        assert_eq!(at(json!({"exp": NOW, "sub": ""})), Err(BadToken::Claims));
        assert_eq!(at(json!({"exp": NOW, "sub": 7})), Err(BadToken::Claims));
        assert_eq!(at(json!({"exp": NOW, "sub": "a", "scope": ["students:read"]})), Err(BadToken::Claims));
        let scopes = at(json!({"exp": NOW, "sub": "a", "scope": "openid  students:read"})).unwrap().scopes;
        assert_eq!(scopes, Some(["students:read".parse().unwrap()].into_iter().collect()));
        assert_eq!(at(json!({"exp": NOW, "sub": "a"})).unwrap().scopes, None);
    }
}
