//! The mark of a record that was made here: the id of the operation, written behind a text of the record. People who
//! look into the CRM see it; answers of the gateway do not show it.

/// What stands around an id.
const FRAME: (&str, &str) = ("[gw:", "]");
/// Characters of an id.
const ID: usize = 16;

/// `text` with a mark behind it.
pub fn behind(text: &str, id: &str) -> String {
    let space = if text.is_empty() { "" } else { " " };
    format!("{text}{space}{}{id}{}", FRAME.0, FRAME.1)
}

/// A text without the mark behind it.
pub fn without(text: &str) -> &str {
    match split(text) {
        Some((before, _)) => before.strip_suffix(' ').unwrap_or(before),
        None => text,
    }
}

/// The id in the mark behind a text, if there is one.
pub fn in_text(text: &str) -> Option<&str> {
    split(text).map(|(_, id)| id)
}

fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_end().strip_suffix(FRAME.1)?;
    let (before, id) = rest.split_at_checked(rest.len().checked_sub(ID)?)?;
    let before = before.strip_suffix(FRAME.0)?;
    id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).then_some((before, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_marked_is_known_and_shown_as_it_was(text in ".{0,40}", id in "[0-9a-z]{16}") {
            prop_assume!(in_text(&text).is_none());
            let marked = behind(&text, &id);
            prop_assert_eq!(in_text(&marked), Some(id.as_str()));
            prop_assert_eq!(without(&marked), text.as_str());
        }
    }

    #[test]
    fn other_brackets_are_text() {
        for text in
            ["", "]", "[gw:]", "[gw:short]", "a [gw:0123456789abcdeF]", "[gw:0123456789abcdef] b", "ы]"]
        {
            assert_eq!((in_text(text), without(text)), (None, text));
        }
    }
}
