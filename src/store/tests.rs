use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use futures_util::future::join_all;

use super::*;

const WORDS: Table = Table("words");

/// A directory of its own for each test, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("crm-gateway-store-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn file(&self) -> PathBuf {
        Store::file_in(&self.0)
    }

    /// What opening it is refused with.
    fn refusal(&self) -> String {
        Store::open(&self.0).expect_err("it cannot be opened").to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Lets go of the file. Whoever wrote last has told so before it left.
async fn close(store: Store) {
    while Arc::strong_count(&store.0) > 1 {
        tokio::task::yield_now().await;
    }
}

fn put(key: &str, value: &str) -> Change {
    Change::put(WORDS, key, value.as_bytes().to_vec())
}

fn all(store: &Store) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = Vec::new();
    store.scan(WORDS, |key, value| found.push((text(key), text(value)))).unwrap();
    found
}

#[tokio::test]
async fn what_was_committed_is_there_when_the_file_is_opened_again() {
    let directory = Directory::new("again");
    let store = Store::open(&directory.0).unwrap();
    assert_eq!(store.get(WORDS, b"one").unwrap(), None, "a table that nobody wrote to is empty");
    assert_eq!(all(&store), []);
    store.commit(vec![put("one", "1"), put("two", "2"), put("three", "3")]).await.unwrap();
    store.commit(vec![put("one", "uno"), Change::remove(WORDS, "two")]).await.unwrap();
    close(store).await;
    let store = Store::open(&directory.0).unwrap();
    let pairs = [("one", "uno"), ("three", "3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(all(&store), pairs);
    assert_eq!(store.get(WORDS, b"one").unwrap().as_deref(), Some(b"uno".as_slice()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory.0), mode(&directory.file())), (0o700, 0o600), "it is nobody else's business");
}

#[tokio::test]
async fn many_who_write_at_once_are_all_told_that_it_is_kept() {
    let store = Store::in_memory();
    let writes = (0..500).map(|number: u32| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(vec![put(&format!("{number:03}"), "x")]).await })
    });
    assert!(join_all(writes).await.into_iter().all(|outcome| matches!(outcome, Ok(Ok(())))));
    assert_eq!(all(&store).len(), 500);
}

#[tokio::test]
async fn a_change_whose_caller_left_is_made() {
    let store = Store::in_memory();
    let leaving = store.commit(vec![put("one", "1")]);
    // Looked at once and left, whether the writer was that quick or not.
    let _ = futures_util::FutureExt::now_or_never(leaving);
    store.commit(vec![put("two", "2")]).await.unwrap();
    assert_eq!(all(&store).len(), 2);
}

#[tokio::test]
async fn a_file_that_is_open_elsewhere_is_refused_and_free_when_that_has_ended() {
    let directory = Directory::new("in-use");
    let store = Store::open(&directory.0).unwrap();
    let refusal = directory.refusal();
    assert!(refusal.contains("is in use by another process. Stop that one"), "{refusal}");
    assert!(refusal.contains(&directory.file().display().to_string()), "{refusal}");
    close(store).await;
    Store::open(&directory.0).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_refused_wherever_it_was_damaged() {
    let directory = Directory::new("damaged");
    let store = Store::open(&directory.0).unwrap();
    let many = (0..200).map(|number| put(&format!("{number}"), &"word ".repeat(100))).collect();
    store.commit(many).await.unwrap();
    close(store).await;
    let whole = fs::read(directory.file()).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(4096) {
        let mut torn = whole.clone();
        torn[at..at + 64].fill(0xa5);
        fs::write(directory.file(), &torn).unwrap();
        if let Err(error) = Store::open(&directory.0) {
            refused += 1;
            let told = error.to_string();
            assert!(matches!(error, OpenError::Damaged { .. } | OpenError::OtherFormat { .. }), "{told}");
            assert!(
                told.contains(&directory.file().display().to_string()) && told.contains("move it away"),
                "{told}"
            );
        }
    }
    assert!(refused > 20, "only {refused} damaged pages were noticed");
    fs::write(directory.file(), &whole[..whole.len() / 2]).unwrap();
    let refusal = directory.refusal();
    assert!(refusal.contains("is damaged"), "{refusal}");
    fs::write(directory.file(), "not a store").unwrap();
    let refusal = directory.refusal();
    assert!(refusal.contains("is damaged"), "{refusal}");
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    let directory = Directory::new("no-access");
    fs::create_dir_all(directory.file()).unwrap();
    let refusal = directory.refusal();
    assert!(refusal.contains("cannot be read and written") && refusal.contains("gateway.redb"), "{refusal}");
    let Err(refusal) = Store::open(Path::new("/proc/no-such-thing")) else {
        panic!("it is no place to write")
    };
    assert!(
        refusal.to_string().contains("the directory /proc/no-such-thing of the store cannot be made"),
        "{refusal}"
    );
    assert!(refusal.to_string().contains("`store.path`"), "{refusal}");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let directory = Directory::new("newer");
    let store = Store::open(&directory.0).unwrap();
    store.commit(vec![Change::put(Table("about"), "format", vec![2])]).await.unwrap();
    close(store).await;
    let refusal = directory.refusal();
    assert!(
        refusal.contains("has format 2, this version knows 1. Run the version that wrote it"),
        "{refusal}"
    );
}
