//! What is known beyond the process: answers as the CRM gave them, and what must not be believed any more.
//!
//! Not records are kept but the bytes they were read from, under the question they answered; they are read anew by the
//! adapter, so another version of the gateway reads them its own way. They are written behind the requests, a few
//! seconds late and as many as there is room for; nobody waits for that, and what was not written is asked for again.
//! Marks are different: [`Snapshots::mark`] returns when they are on the disk, because the answer to a write promises
//! that what was known before is not seen again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::marks::Marked;
use super::tag::Tag;
use crate::store::{Change, Error, Store, Table};

/// Bodies, packed, by the generation of their fill: the first is the oldest.
const ANSWERS: Table = Table("snapshots");
/// [`Slot`]s by the names of their questions.
const INDEX: Table = Table("snapshots_index");
/// Generations by resource and tag.
const MARKS: Table = Table("marks");

/// How long what is to be written waits for more.
const EVERY: Duration = Duration::from_secs(5);
/// Bytes that may wait to be written; what comes on top of it is not kept.
const WAITING: usize = 8 << 20;
/// Bytes that go into one transaction: a write of a consumer waits for no more than this.
const TOGETHER: usize = 256 << 10;
/// How often what is of no use any more is looked for, in milliseconds.
const SWEEP: i64 = 60_000;
/// Part of an entry's size that is not its body.
const OVERHEAD: u64 = 64;

pub use crate::model::Clock;

/// Which of all questions, of whichever account.
type Name = [u8; 16];

/// Answers and marks that outlive the process.
pub struct Snapshots {
    store: Store,
    clock: Clock,
    /// Whose answers they are, before it is told what was asked: those of another account are none.
    account: Sha256,
    /// Bytes of answers at most.
    most: u64,
    contents: Mutex<Contents>,
    /// Held by whoever writes answers.
    writing: tokio::sync::Mutex<()>,
}

/// What there is, without the bodies.
#[derive(Debug, Default)]
struct Contents {
    slots: HashMap<Name, Slot>,
    by_age: BTreeMap<u64, Name>,
    bytes: u64,
    waiting: HashMap<Name, Waiting>,
    waiting_bytes: usize,
    swept: i64,
    /// The store failed: nothing is kept any more.
    closed: bool,
}

/// An answer in the store. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    generation: u64,
    came: i64,
    until: i64,
    size: u64,
}

/// An answer that is not in the store yet.
#[derive(Debug)]
struct Waiting {
    generation: u64,
    came: i64,
    until: i64,
    body: Bytes,
}

/// An answer out of the store.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) body: Bytes,
    pub(super) age: Duration,
    /// When its fill began.
    pub(super) generation: u64,
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Snapshots {
    /// What `store` holds of `account`, a text that differs wherever the same question has other answers. At most so many
    /// bytes of answers are kept. Waits for the disk.
    pub fn open(store: Store, clock: Clock, account: &str, most: u64) -> Result<Arc<Self>, Error> {
        let mut contents = Contents::default();
        store.scan(INDEX, |name, slot| {
            if let (Ok(name), Some(slot)) = (name.try_into(), Slot::read(slot)) {
                contents.put(name, slot);
            }
        })?;
        let (contents, writing) = (Mutex::new(contents), tokio::sync::Mutex::default());
        let account = Sha256::new().chain_update(account).chain_update("\n");
        Ok(Arc::new(Self { store, clock, account, most, contents, writing }))
    }

    /// What ends with the process.
    pub fn in_memory() -> Arc<Self> {
        let opened = Self::open(Store::in_memory(), Arc::new(Timestamp::now), "", 1 << 20);
        opened.expect("memory holds what was written to it")
    }

    /// The last generation of which anything is known.
    pub(super) fn latest(&self, marks: &[(String, Tag, u64)]) -> u64 {
        let answers = self.contents().by_age.keys().next_back().copied().unwrap_or_default();
        marks.iter().map(|(_, _, at)| *at).max().unwrap_or_default().max(answers)
    }

    /// Whether there is an answer to a question.
    pub(super) fn holds(&self, question: &str) -> bool {
        let contents = self.contents();
        !contents.slots.is_empty() && contents.slots.contains_key(&self.name(question))
    }

    /// How old the answer to a question is.
    pub(super) fn age(&self, question: &str) -> Option<Duration> {
        let slot = self.contents().slots.get(&self.name(question)).copied()?;
        slot.age(self.now())
    }

    /// The answer to a question. One that is of no use, or from the future because the clock was set back, is none.
    pub(super) async fn recall(self: &Arc<Self>, question: &str) -> Option<Kept> {
        if !self.holds(question) {
            return None;
        }
        let slot = self.contents().slots.get(&self.name(question)).copied()?;
        let age = slot.age(self.now())?;
        let store = self.store.clone();
        // The disk may be slow, and unpacking takes its time.
        let reading = tokio::task::spawn_blocking(move || {
            let packed = store.get(ANSWERS, &slot.generation.to_be_bytes());
            packed.inspect_err(|error| tracing::warn!("an answer cannot be recalled: {error}")).ok()?
        });
        let body = unpacked(&reading.await.ok()??)?;
        Some(Kept { body, age, generation: slot.generation })
    }

    /// Keeps an answer for so long, unless there is too much to be written already. Nobody waits for it.
    pub(super) fn note(self: &Arc<Self>, question: &str, generation: u64, body: &Bytes, keep: Duration) {
        if body.is_empty() || keep.is_zero() {
            return;
        }
        let (name, came) = (self.name(question), self.now());
        let until = came.saturating_add(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
        let mut contents = self.contents();
        let is_old = contents.generation_of(&name).is_some_and(|known| known > generation);
        if contents.closed || is_old || contents.waiting_bytes + body.len() > WAITING {
            return;
        }
        let begins = contents.waiting.is_empty();
        contents.waiting_bytes += body.len();
        if let Some(older) =
            contents.waiting.insert(name, Waiting { generation, came, until, body: body.clone() })
        {
            contents.waiting_bytes -= older.body.len();
        }
        drop(contents);
        if begins {
            // Not held while it sleeps: who lets go of the gateway lets go of its file.
            let weak = Arc::downgrade(self);
            tokio::spawn(async move {
                tokio::time::sleep(EVERY).await;
                if let Some(snapshots) = weak.upgrade() {
                    snapshots.flush().await;
                }
            });
        }
    }

    /// Writes what waits to be written. Where the store fails, nothing is kept any more.
    pub async fn flush(&self) {
        let _writing = self.writing.lock().await;
        while let Some(changes) = self.next_changes().await {
            if let Err(error) = self.store.commit(changes).await {
                tracing::error!("answers are not kept for the next start any more: {error}");
                let mut contents = self.contents();
                contents.closed = true;
                (contents.waiting, contents.waiting_bytes) = Default::default();
                return;
            }
        }
    }

    /// The changes of the next transaction; `None` when there is nothing left to do.
    async fn next_changes(&self) -> Option<Vec<Change>> {
        let (batch, mut gone) = {
            let now = self.now();
            let mut contents = self.contents();
            (contents.take_some(), contents.sweep(now))
        };
        if batch.is_empty() && gone.is_empty() {
            return None;
        }
        let pack = |(name, waiting): (Name, Waiting)| (name, packed(&waiting.body), waiting);
        let packing = move || batch.into_iter().map(pack).collect::<Vec<_>>();
        let packed = tokio::task::spawn_blocking(packing).await.unwrap_or_default();
        let mut changes = Vec::new();
        let mut contents = self.contents();
        for (name, body, Waiting { generation, came, until, .. }) in packed {
            let slot = Slot { generation, came, until, size: body.len() as u64 + OVERHEAD };
            changes.push(Change::put(ANSWERS, generation.to_be_bytes(), body));
            changes.push(Change::put(INDEX, name, slot.written()));
            gone.extend(contents.put(name, slot).map(|older| (name, older)));
        }
        gone.extend(contents.drop_oldest(self.most));
        for (name, slot) in gone {
            changes.push(Change::remove(ANSWERS, slot.generation.to_be_bytes()));
            if !contents.slots.contains_key(&name) {
                changes.push(Change::remove(INDEX, name));
            }
        }
        Some(changes)
    }

    /// What was marked before, in the processes before this one; what is older than `useful` outdates nothing any more
    /// and is forgotten.
    pub(super) fn marks(&self, useful: Duration) -> Result<Vec<(String, Tag, u64)>, Error> {
        let oldest = Timestamp::from_millisecond(self.now()).map_or(0, Timestamp::as_microsecond);
        let useful = i64::try_from(useful.as_micros()).unwrap_or(i64::MAX);
        let oldest = u64::try_from(oldest.saturating_sub(useful)).unwrap_or_default();
        let (mut marks, mut useless) = (Vec::new(), Vec::new());
        self.store.scan(MARKS, |key, at| {
            let read = std::str::from_utf8(key).ok().and_then(|key| key.split_once(' '));
            let at = at.try_into().map(u64::from_be_bytes);
            match (read, at) {
                // What cannot be read is more than was meant, never less.
                (Some((resource, tag)), Ok(at)) if at >= oldest => {
                    marks.push((resource.to_owned(), tag.parse().unwrap_or(Tag::All), at));
                }
                _ => useless.push(Change::remove(MARKS, key)),
            }
        })?;
        if !useless.is_empty() {
            self.store.commit_at_once(&useless)?;
        }
        Ok(marks)
    }

    /// Writes down what was marked at a generation; when it returns, no later process believes what was known before.
    pub(super) async fn mark(&self, marked: &[Marked], at: u64) {
        let change = |(resource, tag): &Marked| {
            Change::put(MARKS, format!("{resource} {tag}"), at.to_be_bytes().to_vec())
        };
        if let Err(error) = self.store.commit(marked.iter().map(change).collect()).await {
            tracing::error!("what was written may look as before after a restart: {error}");
        }
    }

    /// Bytes of answers in the store.
    pub fn size(&self) -> u64 {
        self.contents().bytes
    }

    fn name(&self, question: &str) -> Name {
        let digest = self.account.clone().chain_update(question).finalize();
        let mut name = Name::default();
        name.copy_from_slice(&digest[..size_of::<Name>()]);
        name
    }

    fn now(&self) -> i64 {
        (self.clock)().as_millisecond()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// Puts an answer in its place; the one that was there before is told.
    fn put(&mut self, name: Name, slot: Slot) -> Option<Slot> {
        let older = self.remove(&name);
        self.by_age.insert(slot.generation, name);
        self.bytes += slot.size;
        self.slots.insert(name, slot);
        older
    }

    /// When the fill began that brought the last answer to a question.
    fn generation_of(&self, name: &Name) -> Option<u64> {
        let waiting = self.waiting.get(name).map(|waiting| waiting.generation);
        waiting.max(self.slots.get(name).map(|slot| slot.generation))
    }

    fn remove(&mut self, name: &Name) -> Option<Slot> {
        let slot = self.slots.remove(name)?;
        self.by_age.remove(&slot.generation);
        self.bytes -= slot.size;
        Some(slot)
    }

    /// As many of those that wait as go together.
    fn take_some(&mut self) -> Vec<(Name, Waiting)> {
        let mut bytes = 0;
        let mut fits = |waiting: &Waiting| {
            let fits = bytes < TOGETHER;
            bytes += waiting.body.len();
            fits
        };
        let names: Vec<Name> =
            self.waiting.iter().take_while(|(_, waiting)| fits(waiting)).map(|(name, _)| *name).collect();
        let taken: Vec<_> = names.into_iter().filter_map(|name| self.waiting.remove_entry(&name)).collect();
        self.waiting_bytes -= taken.iter().map(|(_, waiting)| waiting.body.len()).sum::<usize>();
        taken
    }

    /// Takes out what is of no use any more, now and then.
    fn sweep(&mut self, now: i64) -> Vec<(Name, Slot)> {
        if now.saturating_sub(self.swept).unsigned_abs() < SWEEP.unsigned_abs() {
            return Vec::new();
        }
        self.swept = now;
        let useless: Vec<Name> =
            self.slots.iter().filter(|(_, slot)| slot.age(now).is_none()).map(|(name, _)| *name).collect();
        useless.into_iter().filter_map(|name| Some((name, self.remove(&name)?))).collect()
    }

    fn drop_oldest(&mut self, most: u64) -> Vec<(Name, Slot)> {
        let mut dropped = Vec::new();
        while self.bytes > most
            && let Some(name) = self.by_age.values().next().copied()
            && let Some(slot) = self.remove(&name)
        {
            dropped.push((name, slot));
        }
        dropped
    }
}

impl Slot {
    /// How old it is; `None` when it is of no use, or from the future.
    fn age(&self, now: i64) -> Option<Duration> {
        let age = u64::try_from(now - self.came).ok()?;
        (now < self.until).then(|| Duration::from_millis(age))
    }

    fn written(&self) -> Vec<u8> {
        let Self { generation, came, until, size } = *self;
        [generation.to_be_bytes(), came.to_be_bytes(), until.to_be_bytes(), size.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (fields, []) = bytes.as_chunks::<8>() else { return None };
        let [generation, came, until, size] = fields else { return None };
        Some(Self {
            generation: u64::from_be_bytes(*generation),
            came: i64::from_be_bytes(*came),
            until: i64::from_be_bytes(*until),
            size: u64::from_be_bytes(*size),
        })
    }
}

fn packed(body: &[u8]) -> Bytes {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    let packed = packer.write_all(body).and_then(|()| packer.finish());
    packed.expect("memory takes whatever is written").into()
}

fn unpacked(packed: &[u8]) -> Option<Bytes> {
    let mut body = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut body).ok()?;
    Some(body.into())
}

#[cfg(test)]
mod tests;
