//! What a run may be told in the environment, which make passes on.
#![expect(clippy::disallowed_methods, reason = "make passes the knobs of a run on in the environment")]

/// A text.
pub(crate) fn given(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A number.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    given(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
