//! Remembers how a question was read and what its answer looked like when written as JSON, because on a hit these would
//! cost more than everything else together.
//!
//! It can never answer with something old. What was written is used only while the hub answers with *the very same*
//! records (told by the numbers they got when they were read, so nothing here keeps a record alive), or says
//! that everything the answer was made of still stands. Reading a question depends on nothing but its text and on what
//! the consumer may see, which are the key.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::rendered::Rendered;
use super::shortcut::Recall;
use crate::model::weight::{allocated, shared};
use crate::model::{Incomplete, Page};

/// What an entry weighs besides the text of its key and what is behind its pointers, in bytes: what the cache's entries do
/// (`cache/mod.rs`) without a place in the wheel of ends, because nothing here ends by itself, and with a pointer in place of
/// a value.
const OVERHEAD: usize = 32 + 48 + 48 + 80 + 48 + 32 + 32 + 32 + shared::<Entry>();

type Erased = Arc<dyn Any + Send + Sync>;
type Entries = Cache<Arc<str>, Arc<Entry>>;

/// All that is remembered.
#[derive(Debug)]
pub(super) struct Memo {
    entries: Arc<Entries>,
}

/// A question as it was read, with the answer as it was last written.
#[derive(Debug)]
pub(super) struct Entry {
    asked: Erased,
    /// Bytes of the question as it was read.
    asked_weight: usize,
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
    /// The numbers of the records' [`Raw`](crate::model::Raw)s.
    items: Box<[u64]>,
    next_cursor: Option<String>,
    total: Option<u64>,
    incomplete: Vec<Incomplete>,
    rendered: Arc<Rendered>,
}

impl Memo {
    /// Of at most so many bytes.
    pub(super) fn new(max_size: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_size)
            .weigher(|key: &Arc<str>, entry: &Arc<Entry>| {
                u32::try_from(OVERHEAD + key.len() + entry.weight()).unwrap_or(u32::MAX)
            })
            .build();
        Self { entries: Arc::new(entries) }
    }

    /// What makes two questions equal, their answers aside: `view` tells what their consumer may see.
    pub(super) fn key(path: &str, query: &str, view: &str) -> String {
        let mut key = String::with_capacity(path.len() + query.len() + view.len() + 2);
        spell(&mut key, path, query, view);
        key
    }

    /// How the question was read, now or before.
    pub(super) fn read<Q, X>(&self, key: &str, read: impl FnOnce() -> Result<Q, X>) -> Result<Asked<Q>, X>
    where
        Q: Send + Sync + 'static,
    {
        if let Some(entry) = self.entries.get(key)
            && let Ok(question) = Arc::clone(&entry.asked).downcast()
        {
            let (written, recall) = (entry.written.clone(), entry.recall.clone());
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
        // Copied, because cutting off what is too much of it leaves holes that nothing fits into.
        let rendered = Rendered::new(Bytes::copy_from_slice(&write(page)?));
        let rendered = Arc::new(rendered.when_packed(self.weighing(key)));
        asked.recall = None;
        asked.written = Some(Arc::new(Written {
            items: page.items.iter().map(|record| record.raw.number()).collect(),
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

    /// What is remembered of the question with this [`Memo::key`].
    pub(super) fn entry(&self, path: &str, query: &str, view: &str) -> Option<Arc<Entry>> {
        // A place for the key that is there already: this is asked for every request.
        thread_local! {
            static KEY: RefCell<String> = const { RefCell::new(String::new()) };
        }
        KEY.with_borrow_mut(|key| {
            key.clear();
            spell(key, path, query, view);
            self.entries.get(key.as_str())
        })
    }

    fn keep<Q: Send + Sync + 'static>(&self, key: &str, asked: &Asked<Q>) {
        let Asked { question, written, recall } = asked;
        // What a question names in lists and texts is in its key; and who weighs it again has the key too.
        let asked_weight = shared::<Q>() + 2 * key.len() + allocated(16 + key.len()) + allocated(24);
        let (written, recall) = (written.clone(), recall.clone());
        let entry = Entry { asked: Arc::clone(question) as Erased, asked_weight, written, recall };
        self.entries.insert(key.into(), Arc::new(entry));
    }

    /// Weighs an entry again.
    fn weighing(&self, key: &str) -> impl Fn() + Send + Sync + 'static {
        // What is remembered must not keep all that is remembered.
        let (entries, key) = (Arc::downgrade(&self.entries), Arc::<str>::from(key));
        move || {
            if let Some(entries) = entries.upgrade() {
                entries.entry_by_ref(&key).and_compute_with(|held| match held {
                    Some(held) => Op::Put(held.into_value()),
                    None => Op::Nop,
                });
            }
        }
    }
}

fn spell(key: &mut String, path: &str, query: &str, view: &str) {
    for part in [path, "?", query, "\n", view] {
        key.push_str(part);
    }
}

impl Entry {
    /// How the answer is given without asking the hub, if that is known.
    pub(super) fn recall(&self) -> Option<&Recall> {
        self.recall.as_deref()
    }

    /// Bytes behind its pointers.
    fn weight(&self) -> usize {
        let written = self.written.as_ref().map_or(0, |written| written.weight());
        let recall = self.recall.as_ref().map_or(0, |recall| shared::<Recall>() + recall.weight());
        self.asked_weight + written + recall
    }
}

impl Written {
    /// Bytes in memory.
    fn weight(&self) -> usize {
        let cursor = self.next_cursor.as_ref().map_or(0, |cursor| allocated(cursor.len()));
        let missing = self.incomplete.iter().map(|part| size_of_val(part) + part.detail.len());
        shared::<Self>()
            + allocated(size_of_val(&*self.items))
            + cursor
            + missing.sum::<usize>()
            + self.rendered.weight()
    }

    fn is_of<E>(&self, page: &Page<E>) -> bool {
        self.items.len() == page.items.len()
            && self.next_cursor == page.next_cursor
            && self.total == page.total
            && self.incomplete == page.incomplete
            && self.items.iter().zip(&page.items).all(|(then, now)| *then == now.raw.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    use crate::http::view::tests::payment;
    use crate::model::Record;
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
        assert_eq!(Arc::weak_count(&record), 0, "nor its memory");
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
