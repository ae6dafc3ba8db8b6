//! Remembers how a question was read and what its answer looked like when written as JSON, because on a hit these would
//! cost more than everything else together.
//!
//! It can never answer with something old: what was written is used only while the hub answers with *the very same*
//! records (the same objects in memory; their places are held here, not the records, so that no other can take them), and reading a
//! question depends on nothing but its text and the consumer's masks, which are the key.

use std::any::Any;
use std::sync::{Arc, RwLock, Weak};

use bytes::Bytes;
use http::HeaderValue;
use moka::sync::Cache;

use super::freshness::etag;
use crate::model::{Incomplete, Page, Record};

/// Memory it may use in bytes, estimated.
const SIZE: u64 = 32 * 1024 * 1024;
/// A question without its answer.
const SMALL: usize = 1024;
/// What is written and the places of the records it was written from, relative to what is written.
const PER_BYTE: usize = 2;

type Erased = Arc<dyn Any + Send + Sync>;

/// All that is remembered.
#[derive(Debug)]
pub(super) struct Memo {
    entries: Cache<Arc<str>, (Erased, u32)>,
}

/// A question as it was read (`Q`), with the answer as it was last written.
#[derive(Debug)]
pub(super) struct Entry<Q, E> {
    pub(super) asked: Q,
    written: RwLock<Option<Arc<Written<E>>>>,
}

impl<Q, E> Entry<Q, E> {
    /// A question that has no answer yet.
    pub(super) fn new(asked: Q) -> Self {
        Self { asked, written: RwLock::new(None) }
    }
}

/// An answer as it was written.
#[derive(Debug)]
pub(super) struct Written<E> {
    items: Vec<Weak<Record<E>>>,
    next_cursor: Option<String>,
    total: Option<u64>,
    incomplete: Vec<Incomplete>,
    pub(super) body: Bytes,
    pub(super) etag: HeaderValue,
}

impl Memo {
    pub(super) fn new() -> Self {
        let entries = Cache::builder()
            .max_capacity(SIZE)
            .weigher(|key: &Arc<str>, (_, size): &(Erased, u32)| {
                size.saturating_add(u32::try_from(key.len()).unwrap_or(u32::MAX))
            })
            .build();
        Self { entries }
    }

    /// What makes two questions equal, their answers aside.
    pub(super) fn key(path: &str, query: &str, mask: &[String]) -> Arc<str> {
        if mask.is_empty() {
            return format!("{path}?{query}").into();
        }
        format!("{path}?{query}\n{}", mask.join(",")).into()
    }

    /// How the question was read, now or before.
    pub(super) fn read<Q, E, X>(
        &self,
        key: &Arc<str>,
        read: impl FnOnce() -> Result<Q, X>,
    ) -> Result<Arc<Entry<Q, E>>, X>
    where
        Q: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let known = self.entries.get(&**key).and_then(|(entry, _)| entry.downcast().ok());
        if let Some(entry) = known {
            return Ok(entry);
        }
        let entry = Arc::new(Entry::new(read()?));
        self.keep(key, Arc::clone(&entry) as Erased, SMALL);
        Ok(entry)
    }

    /// The answer as JSON, written now or before.
    pub(super) fn write<Q, E, X>(
        &self,
        key: &Arc<str>,
        entry: &Arc<Entry<Q, E>>,
        page: &Page<E>,
        write: impl FnOnce(&Page<E>) -> Result<Vec<u8>, X>,
    ) -> Result<Arc<Written<E>>, X>
    where
        Q: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let last = entry.written.read().ok().and_then(|last| last.clone());
        if let Some(last) = last.filter(|last| last.is_of(page)) {
            return Ok(last);
        }
        let body = write(page)?;
        let written = Arc::new(Written {
            items: page.items.iter().map(Arc::downgrade).collect(),
            next_cursor: page.next_cursor.clone(),
            total: page.total,
            incomplete: page.incomplete.clone(),
            etag: etag(&body),
            body: body.into(),
        });
        if let Ok(mut last) = entry.written.write() {
            *last = Some(Arc::clone(&written));
        }
        self.keep(key, Arc::clone(entry) as Erased, SMALL + PER_BYTE * written.body.len());
        Ok(written)
    }

    fn keep(&self, key: &Arc<str>, entry: Erased, size: usize) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.entries.insert(Arc::clone(key), (entry, size));
    }
}

impl<E> Written<E> {
    fn is_of(&self, page: &Page<E>) -> bool {
        self.items.len() == page.items.len()
            && self.next_cursor == page.next_cursor
            && self.total == page.total
            && self.incomplete == page.incomplete
            && self.items.iter().zip(&page.items).all(|(then, now)| Weak::as_ptr(then) == Arc::as_ptr(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    use crate::http::view::tests::payment;
    use crate::model::payment::Payment;

    fn page(records: &[Arc<Record<Payment>>]) -> Page<Payment> {
        Page { items: records.to_vec(), next_cursor: None, total: Some(1), incomplete: Vec::new() }
    }

    fn written(memo: &Memo, page: &Page<Payment>, text: &str) -> Bytes {
        let key = Memo::key("/payments", "limit=1", &[]);
        let entry = memo.read::<_, _, Infallible>(&key, || Ok(1)).unwrap();
        let written = memo.write::<i32, _, Infallible>(&key, &entry, page, |_| Ok(text.into()));
        written.unwrap().body.clone()
    }

    #[test]
    fn an_answer_is_written_again_only_when_it_is_another() {
        let memo = Memo::new();
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
    fn a_question_is_read_once_for_each_mask() {
        let memo = Memo::new();
        let read = |mask: &[String], value: i32| {
            let key = Memo::key("/payments", "", mask);
            memo.read::<i32, Payment, Infallible>(&key, || Ok(value)).unwrap().asked
        };
        assert_eq!(read(&[], 1), 1);
        assert_eq!(read(&[], 2), 1);
        assert_eq!(read(&["notes".to_owned()], 3), 3);
    }

    #[test]
    fn a_question_that_cannot_be_read_is_not_remembered() {
        let memo = Memo::new();
        let key = Memo::key("/payments", "limit=0", &[]);
        assert!(memo.read::<i32, Payment, _>(&key, || Err("bad")).is_err());
        assert!(memo.read::<i32, Payment, &str>(&key, || Ok(1)).is_ok());
    }
}
