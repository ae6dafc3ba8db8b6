//! Remembers how a question was read and what its answer looked like when written as JSON, because on a hit these would
//! cost more than everything else together.
//!
//! It can never answer with something old. What was written is used only while the hub answers with *the very same*
//! records (the same objects in memory; their places are held here, not the records, so that no other can take them), or says
//! that everything the answer was made of still stands. Reading a question depends on nothing but its text and on what
//! the consumer may see, which are the key.

use std::any::Any;
use std::sync::{Arc, Weak};

use moka::sync::Cache;

use super::rendered::Rendered;
use super::shortcut::Recall;
use crate::model::{Incomplete, Page, Record};

/// A question without its answer.
const SMALL: usize = 1024;
/// What is written, its compressed form, and the places of the records it was written from, relative to what is written.
const PER_BYTE: f64 = 2.0;

type Erased = Arc<dyn Any + Send + Sync>;

/// All that is remembered.
#[derive(Debug)]
pub(super) struct Memo {
    entries: Cache<Arc<str>, Entry>,
}

/// A question as it was read, with the answer as it was last written.
#[derive(Debug, Clone)]
struct Entry {
    asked: Erased,
    written: Option<Arc<Written>>,
    /// How the same answer is given without asking the hub.
    recall: Option<Arc<Recall>>,
}

/// A question as it was read.
#[derive(Debug)]
pub(super) struct Asked<Q> {
    pub(super) question: Arc<Q>,
    written: Option<Arc<Written>>,
    recall: Option<Arc<Recall>>,
}

impl<Q> Asked<Q> {
    /// A question that has no answer yet.
    pub(super) fn new(question: Q) -> Self {
        Self { question: Arc::new(question), written: None, recall: None }
    }
}

/// An answer as it was written.
#[derive(Debug)]
struct Written {
    items: Vec<Weak<dyn Any + Send + Sync>>,
    next_cursor: Option<String>,
    total: Option<u64>,
    incomplete: Vec<Incomplete>,
    rendered: Arc<Rendered>,
}

impl Memo {
    /// Of at most so many bytes, as far as they can be estimated.
    pub(super) fn new(max_size: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_size)
            .weigher(|key: &Arc<str>, entry: &Entry| {
                let body = entry.written.as_ref().map_or(0, |written| written.rendered.body.len());
                let size = SMALL as f64 + key.len() as f64 + PER_BYTE * body as f64;
                size as u32
            })
            .build();
        Self { entries }
    }

    /// What makes two questions equal, their answers aside: `view` tells what their consumer may see.
    pub(super) fn key(path: &str, query: &str, view: &str) -> String {
        let mut key = String::with_capacity(path.len() + query.len() + view.len() + 2);
        for part in [path, "?", query, "\n", view] {
            key.push_str(part);
        }
        key
    }

    /// How the question was read, now or before.
    pub(super) fn read<Q, X>(&self, key: &str, read: impl FnOnce() -> Result<Q, X>) -> Result<Asked<Q>, X>
    where
        Q: Send + Sync + 'static,
    {
        if let Some(Entry { asked, written, recall }) = self.entries.get(key)
            && let Ok(question) = asked.downcast()
        {
            return Ok(Asked { question, written, recall });
        }
        let asked = Asked::new(read()?);
        self.keep(key, &asked);
        Ok(asked)
    }

    /// The answer as JSON, written now or before.
    pub(super) fn write<Q, E, X>(
        &self,
        key: &str,
        asked: &mut Asked<Q>,
        page: &Page<E>,
        write: impl FnOnce(&Page<E>) -> Result<Vec<u8>, X>,
    ) -> Result<Arc<Rendered>, X>
    where
        Q: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        if let Some(last) = asked.written.as_ref().filter(|last| last.is_of(page)) {
            return Ok(Arc::clone(&last.rendered));
        }
        let rendered = Arc::new(Rendered::new(write(page)?.into()));
        let place = |record: &Arc<Record<E>>| Arc::downgrade(record) as Weak<dyn Any + Send + Sync>;
        asked.recall = None;
        asked.written = Some(Arc::new(Written {
            items: page.items.iter().map(place).collect(),
            next_cursor: page.next_cursor.clone(),
            total: page.total,
            incomplete: page.incomplete.clone(),
            rendered: Arc::clone(&rendered),
        }));
        self.keep(key, asked);
        Ok(rendered)
    }

    /// Remembers how the answer that was just written can be given again without asking the hub.
    pub(super) fn shorten<Q>(&self, key: &str, asked: &mut Asked<Q>, recall: Recall)
    where
        Q: Send + Sync + 'static,
    {
        if asked.recall.as_ref().is_none_or(|known| known.differs(&recall)) {
            asked.recall = Some(Arc::new(recall));
            self.keep(key, asked);
        }
    }

    /// How the answer to a question is given without asking the hub, if that is known.
    pub(super) fn recall(&self, key: &str) -> Option<Arc<Recall>> {
        self.entries.get(key)?.recall
    }

    fn keep<Q: Send + Sync + 'static>(&self, key: &str, asked: &Asked<Q>) {
        let Asked { question, written, recall } = asked;
        let entry =
            Entry { asked: Arc::clone(question) as Erased, written: written.clone(), recall: recall.clone() };
        self.entries.insert(key.into(), entry);
    }
}

impl Written {
    fn is_of<E>(&self, page: &Page<E>) -> bool {
        self.items.len() == page.items.len()
            && self.next_cursor == page.next_cursor
            && self.total == page.total
            && self.incomplete == page.incomplete
            && self
                .items
                .iter()
                .zip(&page.items)
                .all(|(then, now)| Weak::as_ptr(then).cast::<()>() == Arc::as_ptr(now).cast::<()>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::convert::Infallible;

    use crate::http::view::tests::payment;
    use crate::model::payment::Payment;

    fn page(records: &[Arc<Record<Payment>>]) -> Page<Payment> {
        Page { items: records.to_vec(), next_cursor: None, total: Some(1), incomplete: Vec::new() }
    }

    fn written(memo: &Memo, page: &Page<Payment>, text: &str) -> Bytes {
        let key = Memo::key("/payments", "limit=1", "");
        let mut asked = memo.read::<_, Infallible>(&key, || Ok(1)).unwrap();
        let written = memo.write::<i32, _, Infallible>(&key, &mut asked, page, |_| Ok(text.into()));
        written.unwrap().body.clone()
    }

    #[test]
    fn an_answer_is_written_again_only_when_it_is_another() {
        let memo = Memo::new(1_000_000);
        let record = Arc::new(payment());
        assert_eq!(written(&memo, &page(&[Arc::clone(&record)]), "first"), "first");
        assert_eq!(written(&memo, &page(&[Arc::clone(&record)]), "second"), "first");
        // An equal record that was read again is another one.
        assert_eq!(written(&memo, &page(&[Arc::new(payment())]), "third"), "third");
        assert_eq!(written(&memo, &page(&[Arc::clone(&record)]), "again"), "again");
        assert_eq!(Arc::strong_count(&record), 1, "what was written keeps no record alive");
        let mut longer = page(&[Arc::clone(&record)]);
        longer.total = Some(2);
        assert_eq!(written(&memo, &longer, "fourth"), "fourth");
        longer.next_cursor = Some("on".to_owned());
        assert_eq!(written(&memo, &longer, "fifth"), "fifth");
    }

    #[test]
    fn a_question_is_read_once_for_each_view() {
        let memo = Memo::new(1_000_000);
        let read = |view: &str, value: i32| {
            let key = Memo::key("/payments", "", view);
            *memo.read::<i32, Infallible>(&key, || Ok(value)).unwrap().question
        };
        assert_eq!(read("", 1), 1);
        assert_eq!(read("", 2), 1);
        assert_eq!(read("notes", 3), 3);
    }

    #[test]
    fn a_question_that_cannot_be_read_is_not_remembered() {
        let memo = Memo::new(1_000_000);
        let key = Memo::key("/payments", "limit=0", "");
        assert!(memo.read::<i32, _>(&key, || Err("bad")).is_err());
        assert!(memo.read::<i32, &str>(&key, || Ok(1)).is_ok());
    }
}
