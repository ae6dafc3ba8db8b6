//! What is kept of consumers from one process to the next: when each key was last used, and what each consumer spent today.
//! It is written once a minute and at the end, never for a request: a crash forgets the last minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::consumers::Consumers;
use crate::store::{self, Change, Store, Table};

const TABLE: Table = Table("consumers");
const BETWEEN: Duration = Duration::from_secs(60);

/// Keeps it.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    consumers: Arc<Consumers>,
    /// As it is in the store.
    kept: Mutex<HashMap<String, Vec<u8>>>,
}

impl Ledger {
    /// Goes on with what an earlier process kept. Waits for the disk.
    pub(super) fn open(store: Store, consumers: Arc<Consumers>) -> Result<Self, store::Error> {
        let mut kept = HashMap::new();
        store.scan(TABLE, |name, value| {
            kept.insert(String::from_utf8_lossy(name).into_owned(), value.to_vec());
        })?;
        for (name, value) in &kept {
            let mut numbers =
                value.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, i64::from_be_bytes));
            match (name.split_once(':'), numbers.next(), numbers.next()) {
                (Some(("key", mark)), Some(second), None) => {
                    if let Ok(at) = Timestamp::from_second(second) {
                        consumers.was_used(mark, at);
                    }
                }
                (Some(("day", consumer)), Some(day), Some(spent)) => {
                    let member = consumers.named(consumer);
                    let allowance = member.as_ref().and_then(|member| member.allowance.as_ref());
                    if let (Some(allowance), Ok(spent)) = (allowance, u64::try_from(spent)) {
                        allowance.resume((day, spent));
                    }
                }
                // Of another version; it goes with the next writing.
                _ => {}
            }
        }
        Ok(Self { store, consumers, kept: Mutex::new(kept) })
    }

    /// Writes what has changed, and forgets keys and consumers that are no longer configured.
    ///
    /// # Errors
    /// The disk does not take it; it is written with the next.
    pub async fn save(&self) -> Result<(), store::Error> {
        let now = self.now();
        let changes = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = now.iter().filter(|(name, value)| kept.get(*name) != Some(value));
            let put = |(name, value): (&String, &Vec<u8>)| Change::put(TABLE, name.as_bytes(), value.clone());
            let gone = kept.keys().filter(|name| !now.contains_key(*name));
            let remove = |name: &String| Change::remove(TABLE, name.as_bytes());
            changed.map(put).chain(gone.map(remove)).collect()
        };
        self.store.commit(changes).await?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Writes it from time to time, for ever.
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(BETWEEN).await;
            self.save_or_tell().await;
        }
    }

    pub(super) async fn save_or_tell(&self) {
        if let Err(error) = self.save().await {
            tracing::warn!(%error, "the last use of keys and the calls of the day could not be kept");
        }
    }

    fn now(&self) -> HashMap<String, Vec<u8>> {
        let mut all = HashMap::new();
        for standing in self.consumers.standing() {
            for key in standing.keys {
                if let Some(used) = key.last_used {
                    all.insert(format!("key:{}", key.mark), used.as_second().to_be_bytes().to_vec());
                }
            }
            let (day, spent) = standing.day;
            if spent > 0 {
                all.insert(
                    format!("day:{}", standing.name),
                    [day.to_be_bytes(), spent.to_be_bytes()].concat(),
                );
            }
        }
        all
    }
}
