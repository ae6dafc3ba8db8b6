use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::*;

const POLICY: Policy = Policy {
    fresh: Duration::from_secs(60),
    stale: Duration::from_secs(600),
    if_error: Duration::from_secs(3600),
};

/// A source that counts how often it was asked and answers when told to.
#[derive(Clone)]
struct Source {
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    fails: bool,
}

impl Source {
    fn open() -> Self {
        Self { asked: Arc::default(), gate: Arc::new(Semaphore::new(1000)), fails: false }
    }

    fn shut() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..Self::open() }
    }

    fn failing(&self) -> Self {
        Self { fails: true, ..self.clone() }
    }

    async fn fill(self, interest: Interest) -> Result<Filled<u32>, &'static str> {
        let passed = tokio::select! {
            passed = self.gate.acquire() => passed.is_ok(),
            () = interest.lost() => return Err("abandoned"),
        };
        interest.sent();
        let n = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        if self.fails || !passed {
            return Err("broken");
        }
        Ok(Filled {
            value: n as u32,
            weight: 4,
            digest: n as u64,
            queued: Duration::ZERO,
            took: Duration::ZERO,
            recalled: None,
            at_most: None,
        })
    }
}

type TestCache = Arc<Cache<&'static str>>;

async fn read(
    cache: &TestCache,
    source: &Source,
    wish: Wish<'_>,
) -> Result<Read<u32, &'static str>, NoValue<&'static str>> {
    let source = source.clone();
    cache.read(&"key".into(), &POLICY, &wish, |interest, _| source.fill(interest), |_| true).await
}

fn cache() -> TestCache {
    Arc::new(Cache::new(1 << 20))
}

#[tokio::test(start_paused = true)]
async fn a_thousand_identical_cold_reads_are_one_call_even_if_nine_hundred_hang_up() {
    let (cache, source) = (cache(), Source::shut());
    let mut readers: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, source) = (Arc::clone(&cache), source.clone());
            tokio::spawn(
                async move { read(&cache, &source, Wish::default()).await.map(|found| *found.value) },
            )
        })
        .collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    // The first reader, for whom the fill was begun, is among those who leave.
    readers.drain(..900).for_each(|reader| reader.abort());
    source.gate.add_permits(10);
    for found in join_all(readers).await {
        assert_eq!(found.unwrap().unwrap(), 1);
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    assert_eq!(cache.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_leave_before_the_call_was_sent_it_is_not_sent() {
    let (cache, source) = (cache(), Source::shut());
    let reader = tokio::spawn({
        let (cache, source) = (Arc::clone(&cache), source.clone());
        async move { read(&cache, &source, Wish::default()).await.map(|found| *found.value) }
    });
    tokio::task::yield_now().await;
    reader.abort();
    let _ = reader.await;
    tokio::time::advance(Duration::from_millis(1)).await;
    source.gate.add_permits(10);
    tokio::task::yield_now().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn fresh_entries_are_hits_and_age() {
    let (cache, source) = (cache(), Source::open());
    assert!(matches!(read(&cache, &source, Wish::default()).await.unwrap().origin, Origin::Miss));
    tokio::time::advance(Duration::from_secs(59)).await;
    let found = read(&cache, &source, Wish::default()).await.unwrap();
    assert!(matches!(found.origin, Origin::Hit));
    assert_eq!((found.age, found.ttl), (Duration::from_secs(59), 1));
}

#[tokio::test(start_paused = true)]
async fn a_stale_entry_is_answered_at_once_and_refreshed_once() {
    let (cache, source) = (cache(), Source::open());
    read(&cache, &source, Wish::default()).await.unwrap();
    tokio::time::advance(Duration::from_secs(100)).await;
    for found in join_all((0..10).map(|_| read(&cache, &source, Wish::default()))).await {
        let found = found.unwrap();
        assert!(matches!(found.origin, Origin::Stale));
        assert_eq!((*found.value, found.ttl), (1, -40));
    }
    tokio::task::yield_now().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    assert!(matches!(read(&cache, &source, Wish::default()).await.unwrap().origin, Origin::Hit));
}

#[tokio::test(start_paused = true)]
async fn when_the_source_fails_the_last_answer_is_better_than_none_for_a_while() {
    let (cache, source) = (cache(), Source::open());
    read(&cache, &source, Wish::default()).await.unwrap();
    tokio::time::advance(Duration::from_secs(700)).await;
    let found = read(&cache, &source.failing(), Wish::default()).await.unwrap();
    assert!(matches!(found.origin, Origin::StaleIfError("broken")));
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(matches!(read(&cache, &source.failing(), Wish::default()).await, Err(NoValue::Failed { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_caller_chooses_how_old_an_answer_may_be() {
    let (cache, source) = (cache(), Source::open());
    read(&cache, &source, Wish::default()).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    let wish = |seconds| Wish { max_age: Some(Duration::from_secs(seconds)), ..Wish::default() };
    assert!(matches!(read(&cache, &source, wish(20)).await.unwrap().origin, Origin::Hit));
    assert!(matches!(read(&cache, &source, wish(0)).await.unwrap().origin, Origin::Miss));
    let only = Wish { only_if_cached: true, ..wish(0) };
    assert!(matches!(read(&cache, &source, only).await, Err(NoValue::NotCached)));
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_something_newer_is_not_answered_by_what_was_asked_before() {
    let (cache, source) = (cache(), Source::open());
    let first = read(&cache, &source, Wish::default()).await.unwrap();
    let newer = Wish { newer_than: Some(first.generation), ..Wish::default() };
    let second = read(&cache, &source, newer).await.unwrap();
    assert!(second.generation > first.generation);
    assert_eq!(*second.value, 2);
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_crashes_leaves_nothing_behind() {
    let cache = cache();
    let key: Arc<str> = "key".into();
    let crash = cache
        .read::<u32, _, _>(&key, &POLICY, &Wish::default(), |_, _| async { panic!("planted") }, |_| true)
        .await;
    assert!(matches!(crash, Err(NoValue::Lost)));
    assert_eq!(*read(&cache, &Source::open(), Wish::default()).await.unwrap().value, 1);
}

#[tokio::test]
async fn memory_is_bounded_by_weight() {
    let cache: TestCache = Arc::new(Cache::new(100_000));
    for n in 0..1000 {
        let key: Arc<str> = format!("key {n}").into();
        let fill = |_, _| async {
            Ok(Filled {
                value: 0_u32,
                weight: 1000,
                digest: 0,
                queued: Duration::ZERO,
                took: Duration::ZERO,
                recalled: None,
                at_most: None,
            })
        };
        cache.read(&key, &POLICY, &Wish::default(), fill, |_| true).await.unwrap();
    }
    cache.len();
    assert!(cache.weight() <= 100_000, "{}", cache.weight());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_brings_nothing_new_leaves_the_value_where_it_is() {
    let cache = cache();
    let key: Arc<str> = "key".into();
    let again = Wish { max_age: Some(Duration::ZERO), ..Wish::default() };
    let mut found = Vec::new();
    for digest in [1, 1, 2] {
        let fill = |_, _| async move {
            Ok(Filled {
                value: digest,
                weight: 8,
                digest,
                queued: Duration::ZERO,
                took: Duration::ZERO,
                recalled: None,
                at_most: None,
            })
        };
        found.push(cache.read(&key, &POLICY, &again, fill, |_: &&str| true).await.unwrap());
    }
    assert!(Arc::ptr_eq(&found[0].value, &found[1].value));
    assert_eq!(found[0].since, found[1].since);
    assert!(found[1].generation > found[0].generation);
    assert_eq!((*found[2].value, found[2].since), (2, found[2].generation));
}

#[tokio::test(start_paused = true)]
async fn what_was_filled_together_does_not_end_together_for_ever_and_is_never_younger_than_it_says() {
    let (cache, source) = (cache(), Source::open());
    let keys: Vec<Arc<str>> = (0..100).map(|number| format!("key {number}").into()).collect();
    let read = async |key: &Arc<str>| {
        let source = source.clone();
        cache
            .read(key, &POLICY, &Wish::default(), |interest, _| source.fill(interest), |_| true)
            .await
            .unwrap()
    };
    for key in &keys {
        assert_eq!(read(key).await.age, Duration::ZERO, "who asked for it gets it for its whole time");
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    for key in &keys {
        assert!(matches!(read(key).await.origin, Origin::Stale));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut ends: Vec<i64> = Vec::new();
    for key in &keys {
        let found = read(key).await;
        assert!(
            found.age >= Duration::from_secs(1) && found.age <= Duration::from_secs(7),
            "{:?}",
            found.age
        );
        ends.push(found.ttl);
    }
    ends.sort_unstable();
    ends.dedup();
    assert!(ends.len() >= 6 && ends[0] >= 53, "{ends:?}");
}
