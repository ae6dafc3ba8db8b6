//! The keys of consumers as the configuration holds them: by their hashes alone, and perhaps with when they end.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use super::kind::Kind;
use super::problem::suggest;
use super::secret::MASK;
use super::tree::Value;

/// One key of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The only form in which it is kept.
    pub hash: KeyHash,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

impl From<KeyHash> for Key {
    fn from(hash: KeyHash) -> Self {
        Self { hash, expires: None }
    }
}

/// When a key ends: a moment with its offset, or a day, through the end of which in UTC it is good.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_expires(text: &str) -> Result<Timestamp, &'static str> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day: Option<Date> = (text.len() == 10).then(|| text.parse().ok()).flatten();
    let next = day.and_then(|day| day.tomorrow().ok()).and_then(|day| day.in_tz("UTC").ok());
    next.map(|next| next.timestamp()).ok_or("a time needs its offset: 2027-01-31T18:00:00Z")
}

/// SHA-256 of an API key. Debug output is `***`: a hash is what an attacker would test guesses against.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// What operators know a key by: enough to tell it from others, and too little to test guesses against.
    pub fn mark(&self) -> String {
        self.0[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// As the configuration holds it.
impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// A hash alone, or in a table with when the key ends; never quoted, because what stands in its place by mistake is usually
/// the key itself.
pub(super) fn key() -> Kind<Key> {
    Kind::new(HASH, |value| match value {
        Value::Text(text) => parse_hash(text).map(Key::from),
        Value::Env(text) => parse_hash(text.trim()).map(Key::from),
        Value::Table(table) => {
            if let Some((unknown, _)) = table.iter().find(|(name, _)| !["hash", "expires"].contains(name)) {
                return Err(format!("unknown key; {}", suggest(unknown, "keys", &["hash", "expires"])));
            }
            let hash = match table.get("hash").map(|node| &node.value) {
                Some(Value::Text(text)) => parse_hash(text)?,
                _ => return Err("write { hash = \"sha256:…\", expires = 2027-01-31 }".to_owned()),
            };
            let expires = match table.get("expires").map(|node| &node.value) {
                None => None,
                Some(Value::Datetime(text) | Value::Text(text)) => {
                    let expires =
                        parse_expires(text).map_err(|hint| format!("`expires` is no day or time: {hint}"))?;
                    Some(expires)
                }
                Some(_) => return Err("`expires` is a day such as 2027-01-31".to_owned()),
            };
            Ok(Key { hash, expires })
        }
        _ => Err("put it in quotes".to_owned()),
    })
    .unquoted()
}

/// What a key is expected to be written as.
const HASH: &str = "\"sha256:\" and 64 hexadecimal digits";

fn parse_hash(text: &str) -> Result<KeyHash, String> {
    let hint = "`crm-gateway key new NAME` prints a key and its hash";
    let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or(hint)?.as_bytes();
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: u8| char::from(at).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or(hint)?;
    }
    Ok(KeyHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_good_to_its_end_and_a_time_needs_its_offset() {
        for (text, ends) in [
            ("2027-01-31", Some("2027-02-01T00:00:00Z")),
            ("2027-12-31", Some("2028-01-01T00:00:00Z")),
            ("2027-01-31T18:00:00+03:00", Some("2027-01-31T15:00:00Z")),
            ("2027-01-31 18:00:00Z", Some("2027-01-31T18:00:00Z")),
            ("2027-01-31T18:00:00", None),
            ("2027-02-30", None),
            ("18:00:00", None),
            ("soon", None),
            ("", None),
        ] {
            let read = parse_expires(text).ok().map(|ends| ends.to_string());
            assert_eq!(read.as_deref(), ends, "{text}");
        }
    }

    #[test]
    fn a_hash_is_known_by_its_beginning_and_prints_nothing_else() {
        let hash = KeyHash([0xab; 32]);
        assert_eq!(hash.mark(), "abababababab");
        assert_eq!(format!("{:?}", Key::from(hash)), "Key { hash: ***, expires: None }");
    }
}
