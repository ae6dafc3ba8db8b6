//! One call, taken apart: which branch, model and action, which query, which body. Nothing is decided here.

use serde_json::{Map, Value};

use super::cell::int;

/// A call to the API.
#[derive(Debug, Clone, Default)]
pub(super) struct Call {
    pub(super) branch: Option<u64>,
    pub(super) model: String,
    pub(super) action: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Map<String, Value>,
}

impl Call {
    /// Takes a path apart: `/v2api/{branch}/{model}/{action}` with branch and action optional. `None` is no API path.
    pub(super) fn route(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/v2api/")?.split('/').filter(|part| !part.is_empty()).peekable();
        let branch = parts
            .next_if(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|part| part.parse::<u64>().unwrap_or(u64::MAX));
        let model = parts.next()?.to_owned();
        let action = parts.next().unwrap_or("index").to_owned();
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            // Branch 0 is how some clients write "no branch".
            branch: branch.filter(|branch| *branch != 0),
            model,
            action,
            ..Self::default()
        })
    }

    /// `customer/index`
    pub(super) fn operation(&self) -> String {
        format!("{}/{}", self.model, self.action)
    }

    /// A query parameter that is not empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A query parameter as an id. One that is no number finds nothing, hence 0.
    pub(super) fn query_id(&self, name: &str) -> Option<u64> {
        self.query(name).map(|value| value.trim().parse().unwrap_or(0))
    }

    /// A number in the body.
    pub(super) fn body_int(&self, name: &str) -> Option<i64> {
        self.body.get(name).and_then(int)
    }

    /// Text in the body.
    pub(super) fn body_text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

/// Takes a query apart. PHP's habit of keeping the last of several equal names is kept.
pub(super) fn parse_query(query: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (decode(key), decode(value));
        pairs.retain(|(other, _)| *other != key);
        pairs.push((key, value));
    }
    pairs
}

/// Undoes percent-encoding and `+`.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                std::str::from_utf8(&pair)
                    .ok()
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    .unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_and_action_may_be_left_out() {
        let route = |path: &str| {
            let call = Call::route(path)?;
            Some((call.branch, call.operation()))
        };
        assert_eq!(route("/v2api/1/lesson"), Some((Some(1), "lesson/index".to_owned())));
        assert_eq!(route("/v2api/branch/index"), Some((None, "branch/index".to_owned())));
        assert_eq!(route("/v2api/0/branch/index"), Some((None, "branch/index".to_owned())));
        assert_eq!(route("/v2api/1/auth/login"), Some((Some(1), "auth/login".to_owned())));
        assert_eq!(route("/v2api/1"), None);
        assert_eq!(route("/api/1/lesson"), None);
        assert_eq!(route("/v2api/1/lesson/index/3"), None);
    }

    #[test]
    fn the_last_of_equal_query_names_counts() {
        let call =
            Call { query: parse_query("id=1&name=%D0%9A%D0%BE%D1%82+A&id=2&empty="), ..Call::default() };
        assert_eq!(call.query_id("id"), Some(2));
        assert_eq!(call.query("name"), Some("Кот A"));
        assert_eq!(call.query("empty"), None);
    }
}
