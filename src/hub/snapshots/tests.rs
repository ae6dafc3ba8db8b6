use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// A clock that stands until it is set, in seconds.
fn clock() -> (Arc<AtomicI64>, Clock) {
    let now = Arc::new(AtomicI64::new(1_700_000_000));
    let shown = Arc::clone(&now);
    (now, Arc::new(move || Timestamp::from_second(shown.load(Ordering::Relaxed)).unwrap()))
}

fn open(store: &Store, clock: &Clock, most: u64) -> Arc<Snapshots> {
    Snapshots::open(store.clone(), Arc::clone(clock), "us", most).unwrap()
}

/// Bytes that cannot be packed, the same for the same seed.
fn noise(seed: u64, length: usize) -> Bytes {
    let digests =
        (0..).flat_map(|part: u64| Sha256::digest([seed.to_be_bytes(), part.to_be_bytes()].concat()));
    digests.take(length).collect()
}

async fn body(snapshots: &Arc<Snapshots>, question: &str) -> Option<Bytes> {
    snapshots.recall(question).await.map(|kept| kept.body)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_back_as_it_came_by_the_next_process() {
    let (store, (now, clock)) = (Store::in_memory(), clock());
    let first = open(&store, &clock, 1 << 20);
    let page = Bytes::from(r#"{"total":1,"items":[{"id":1}]}"#.repeat(100));
    first.note("one", 5, &page, DAY);
    first.note("two", 6, &Bytes::from_static(b"{}"), DAY);
    first.flush().await;
    assert!(first.size() < page.len() as u64 / 2, "it is packed");
    now.fetch_add(100, Ordering::Relaxed);
    let second = open(&store, &clock, 1 << 20);
    let kept = second.recall("one").await.unwrap();
    assert_eq!((kept.body, kept.age, kept.generation), (page, Duration::from_secs(100), 5));
    assert_eq!(body(&second, "three").await, None);
    assert_eq!((second.latest(&[]), second.size()), (6, first.size()));
    let others = Snapshots::open(store, clock, "somebody else", 1 << 20).unwrap();
    assert_eq!(body(&others, "one").await, None);
}

#[tokio::test(start_paused = true)]
async fn the_latest_answer_to_a_question_counts_in_whatever_order_they_come() {
    let (store, (_, clock)) = (Store::in_memory(), clock());
    let snapshots = open(&store, &clock, 1 << 20);
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    snapshots.note("one", 5, &text("five"), DAY);
    snapshots.note("one", 4, &text("four"), DAY);
    snapshots.flush().await;
    snapshots.note("one", 3, &text("three"), DAY);
    snapshots.flush().await;
    assert_eq!(body(&snapshots, "one").await, Some(text("five")));
    snapshots.note("one", 7, &text("seven"), DAY);
    snapshots.flush().await;
    assert_eq!(body(&open(&store, &clock, 1 << 20), "one").await, Some(text("seven")));
    let mut answers = 0;
    store.scan(ANSWERS, |_, _| answers += 1).unwrap();
    assert_eq!(answers, 1, "what nobody can ask for takes no place");
}

#[tokio::test(start_paused = true)]
async fn the_oldest_make_room_and_what_is_of_no_use_goes() {
    let (store, (now, clock)) = (Store::in_memory(), clock());
    let snapshots = open(&store, &clock, 10_000);
    for number in 0..30 {
        snapshots.note(&number.to_string(), number + 1, &noise(number, 1000), DAY);
        snapshots.flush().await;
        assert!(snapshots.size() <= 10_000);
    }
    let again = open(&store, &clock, 10_000);
    let held: Vec<u64> = (0..30).filter(|number| again.holds(&number.to_string())).collect();
    assert!(held.len() >= 5, "the room is used: {held:?}");
    assert_eq!(held, (30 - held.len() as u64..30).collect::<Vec<_>>(), "the newest are held");
    assert_eq!(body(&again, "29").await, Some(noise(29, 1000)));
    now.fetch_add(86_400, Ordering::Relaxed);
    assert_eq!(body(&again, "29").await, None, "it is past its time");
    again.note("late", 40, &noise(40, 10), DAY);
    again.flush().await;
    let (mut answers, mut index) = (0, 0);
    store.scan(ANSWERS, |_, _| answers += 1).unwrap();
    store.scan(INDEX, |_, _| index += 1).unwrap();
    assert_eq!((answers, index), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_comes_faster_than_it_is_written_is_not_kept() {
    let (store, (_, clock)) = (Store::in_memory(), clock());
    let snapshots = open(&store, &clock, 1 << 30);
    for number in 0..20 {
        snapshots.note(&number.to_string(), number + 1, &Bytes::from(vec![b'x'; 1 << 20]), DAY);
    }
    snapshots.flush().await;
    let held = (0..20).filter(|number| snapshots.holds(&number.to_string())).count();
    assert_eq!(held, WAITING >> 20);
}

#[tokio::test(start_paused = true)]
async fn marks_are_known_to_the_next_process_until_they_outdate_nothing() {
    let (store, (now, clock)) = (Store::in_memory(), clock());
    let snapshots = open(&store, &clock, 1 << 20);
    let at = |seconds: i64| u64::try_from(seconds * 1_000_000).unwrap();
    let (early, late) = (at(now.load(Ordering::Relaxed)), at(now.load(Ordering::Relaxed) + 1000));
    snapshots.mark(&[("students", Tag::Branch(1)), ("history", Tag::All)], early).await;
    snapshots.mark(&[("students", Tag::Branch(1))], late).await;
    now.fetch_add(1500, Ordering::Relaxed);
    let known = |useful: u64| open(&store, &clock, 1 << 20).marks(Duration::from_secs(useful)).unwrap();
    let both = [("history".to_owned(), Tag::All, early), ("students".to_owned(), Tag::Branch(1), late)];
    assert_eq!(known(2000), both);
    assert_eq!(snapshots.latest(&known(2000)), late);
    assert_eq!(known(1000), both[1..]);
    assert_eq!(known(2000), both[1..], "what is forgotten is gone");
}
