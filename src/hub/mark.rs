//! Cursors: where each sequence of a list was left. Opaque to consumers, bound to the question they were given for.
//!
//! A mark remembers the last records handed out, not only a page number: rows move while a list is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Failure;
use super::seal::Seal;
use crate::model::RecordId;

/// How many of the last records a mark remembers: as many as may vanish together without the place being lost.
/// More than an adapter reads again, so that the one before them shows where the place was.
pub(super) const REMEMBERED: usize = 6;
const NOT_OURS: &str = "is not a cursor of this gateway; take it from `next_cursor` as it is";
/// A cursor longer than this is not ours.
const LONGEST: usize = 64 * 1024;

/// Where one sequence was left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The position of the page.
    #[serde(rename = "p", default)]
    pub(super) position: u64,
    /// How many records of the page were read.
    #[serde(rename = "i", default)]
    pub(super) index: usize,
    /// How many rows the pages before had.
    #[serde(rename = "b", default)]
    pub(super) before: u64,
    /// The CRM's total when the page was read.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// When the page was asked for.
    #[serde(rename = "g", default)]
    pub(super) generation: u64,
    /// The last records read, the very last at the end.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) last: Vec<RecordId>,
    /// Whether its days turned out not to run from new to old.
    #[serde(rename = "z", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unordered: bool,
    /// Whether the sequence is at its end.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) done: bool,
}

impl Mark {
    /// Whether nothing was read yet.
    pub(super) fn is_start(&self) -> bool {
        self.last.is_empty() && self.position == 0 && self.index == 0
    }

    /// What a cursor needs of it: of a sequence at its end only that it is, what it counted, and its last record, which
    /// another sequence may be about to give too.
    pub(super) fn kept(&self) -> Self {
        if !self.done {
            return self.clone();
        }
        let last = self.last.last().cloned().into_iter().collect();
        Self { done: true, total: self.total, last, ..Self::default() }
    }

    /// Notes that a record was read.
    pub(super) fn pass(&mut self, id: &RecordId) {
        if self.last.len() == REMEMBERED {
            self.last.remove(0);
        }
        self.last.push(id.clone());
        self.index = self.index.saturating_add(1);
    }
}

/// Where a sequence was left, with the outer one of a sequence of sequences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LaneMark {
    /// The lane's name.
    #[serde(rename = "n")]
    pub(super) lane: String,
    /// The page.
    #[serde(flatten)]
    pub(super) mark: Mark,
    /// The record it hangs on.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<u64>,
    /// Where the list of those records was left.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(super) outer: Option<Mark>,
}

/// Where a list was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// What question it belongs to.
    #[serde(rename = "q")]
    question: String,
    /// Whether a record was left out that the CRM counts.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) uncounted: bool,
    /// The sequences.
    #[serde(rename = "l")]
    pub(super) lanes: Vec<LaneMark>,
}

impl Cursor {
    /// A cursor for the question with this fingerprint.
    pub(super) fn new(question: &str, uncounted: bool, lanes: Vec<LaneMark>) -> Self {
        Self { question: question.to_owned(), uncounted, lanes }
    }

    /// As consumers carry it.
    pub(super) fn encode(&self, seal: &Seal) -> String {
        URL_SAFE_NO_PAD.encode(seal.seal(&self.write()))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a cursor is plain data")
    }

    /// Reads one that belongs to the question with this fingerprint.
    pub(super) fn decode(text: &str, question: &str, seal: &Seal) -> Result<Self, Failure> {
        let not_ours = Failure::BadCursor(NOT_OURS);
        if text.len() > LONGEST {
            return Err(not_ours);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_ours.clone())?;
        Self::read(&seal.open(&bytes).ok_or(not_ours)?, question)
    }

    /// Reads what was sealed.
    pub(super) fn read(text: &[u8], question: &str) -> Result<Self, Failure> {
        let cursor: Self = serde_json::from_slice(text).map_err(|_| Failure::BadCursor(NOT_OURS))?;
        if cursor.question != question {
            return Err(Failure::BadCursor(
                "belongs to another question; keep the filters, or start again without a cursor",
            ));
        }
        Ok(cursor)
    }
}

/// What makes two questions the same list.
pub(super) fn fingerprint(question: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(question.as_bytes())[..9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;
    use proptest::prelude::*;

    fn mark() -> impl Strategy<Value = Mark> {
        let ids = proptest::collection::vec(
            any::<u64>().prop_map(|n| RecordId::new(Source::AlfaCrm, n)),
            0..REMEMBERED,
        );
        (any::<u64>(), any::<usize>(), any::<u64>(), any::<Option<u64>>(), any::<u64>(), ids, any::<bool>())
            .prop_map(|(position, index, before, total, generation, last, done)| Mark {
                unordered: done,
                position,
                index,
                before,
                total,
                generation,
                last,
                done,
            })
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_way_to_the_consumer_and_back(
            lanes in proptest::collection::vec(("[a-z0-9 ]{1,12}", mark(), any::<Option<u64>>(), proptest::option::of(mark())), 0..5),
            uncounted: bool,
        ) {
            let lanes = lanes.into_iter().map(|(lane, mark, parent, outer)| LaneMark { lane, mark, parent, outer }).collect();
            let cursor = Cursor::new("q", uncounted, lanes);
            let (seal, text) = (Seal::of(b"a"), cursor.encode(&Seal::of(b"a")));
            prop_assert_eq!(Cursor::decode(&text, "q", &seal).unwrap(), cursor.clone());
            prop_assert!(matches!(Cursor::decode(&text, "other", &seal), Err(Failure::BadCursor(_))));
            prop_assert!(Cursor::decode(&text, "q", &Seal::of(b"b")).is_err());
        }

        #[test]
        fn no_text_is_taken_for_a_cursor(text in "\\PC{0,60}") {
            prop_assert!(Cursor::decode(&text, "q", &Seal::of(b"a")).is_err());
        }

        #[test]
        fn a_damaged_cursor_is_refused(at in 0_usize..40, with in "[A-Za-z0-9_-]") {
            let text = Cursor::new("q", false, vec![LaneMark { lane: "alfa".into(), ..LaneMark::default() }]).encode(&Seal::of(b"a"));
            let mut damaged = text.clone();
            damaged.replace_range(at..=at, &with);
            prop_assume!(damaged != text);
            prop_assert!(Cursor::decode(&damaged, "q", &Seal::of(b"a")).is_err());
        }
    }
}
