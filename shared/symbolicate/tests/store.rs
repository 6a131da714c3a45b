//! Files and caches in the bucket, and the directory in front of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod workshop;

use std::{fs, path::Path};

use epitaph_bucket::Bucket;
use epitaph_crash_model::ProjectId;
use epitaph_symbolicate::{
    DebugId, Description, DiskCache, Freshness, Provider, Store, StoredFile, SymFile, SymbolError,
};
use epitaph_test_services::Workshop;
use workshop::{Reading as _, told};

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";
const PROJECT: ProjectId = ProjectId::FIRST;
const LIMIT: u64 = 1 << 20;

const NAMES: &str = "PUBLIC 10 0 exported\n";
const LINES: &str = "FILE 0 main.c\nFUNC 10 20 0 main\n10 20 7 0\n";
const UNWIND: &str = "STACK CFI INIT 10 20 .cfa: $rsp 8 + .ra: .cfa -8 + ^\n";

fn id() -> DebugId {
    DebugId::from_breakpad(ID).unwrap()
}

struct House {
    workshop: Workshop,
    bucket: Bucket,
    store: Store,
}

impl House {
    fn new() -> Self {
        let workshop = Workshop::new();
        let bucket = Bucket::in_memory();
        let store = Store::new(bucket.clone(), DiskCache::open(workshop.path("disk"), LIMIT).unwrap());
        Self { workshop, bucket, store }
    }

    /// What another machine sees.
    fn elsewhere(&self) -> Store {
        Store::new(self.bucket.clone(), DiskCache::open(self.workshop.path("elsewhere"), LIMIT).unwrap())
    }

    /// Uploads a Breakpad file with these records.
    async fn publish(&self, name: &str, id: &str, records: &str) -> (StoredFile, Description) {
        let text = format!("MODULE Linux x86_64 {id} game\n{records}");
        let file = self.workshop.write(name, text);
        let stored = self.store.keep_file(PROJECT, &file).await.unwrap();
        let converted = self.workshop.convert(&file);
        let description = self.store.publish(PROJECT, &stored, name, &converted).await.unwrap();
        (stored, description.unwrap())
    }
}

async fn lookup(store: &Store, freshness: Freshness) -> (Vec<(String, Option<u32>)>, bool) {
    let symbols = store.symbols(PROJECT, id(), freshness).await.unwrap();
    let found = symbols.lookup(0x18);
    let names = told(&found).into_iter().map(|(name, line)| (name.to_owned(), line)).collect();
    (names, symbols.unwind.is_some())
}

#[tokio::test]
async fn lines_of_one_file_and_unwind_information_of_another_come_together_in_any_order() {
    let files = [("names", NAMES), ("lines", LINES), ("unwind", UNWIND)];
    for turn in 0..files.len() {
        let house = House::new();
        for offset in 0..files.len() {
            let (name, records) = files[(turn + offset) % files.len()];
            house.publish(name, ID, records).await;
        }
        let expected = (vec![("main".to_owned(), Some(7))], true);
        assert_eq!(lookup(&house.store, Freshness::Remembered).await, expected);
        assert_eq!(lookup(&house.elsewhere(), Freshness::Remembered).await, expected);
    }
}

#[tokio::test]
async fn a_miss_is_remembered_unless_now_is_asked_for() {
    let house = House::new();
    let elsewhere = house.elsewhere();
    assert_eq!(lookup(&elsewhere, Freshness::Remembered).await, (vec![], false));
    house.publish("lines", ID, LINES).await;
    assert_eq!(lookup(&elsewhere, Freshness::Remembered).await.0, [], "it looked a moment ago");
    assert_eq!(lookup(&elsewhere, Freshness::Now).await.0.len(), 1);
    assert_eq!(lookup(&elsewhere, Freshness::Remembered).await.0.len(), 1, "and that is remembered");
}

#[tokio::test]
async fn who_publishes_sees_it_at_once() {
    let house = House::new();
    assert_eq!(lookup(&house.store, Freshness::Remembered).await.0, []);
    house.publish("lines", ID, LINES).await;
    assert_eq!(lookup(&house.store, Freshness::Remembered).await.0.len(), 1);
}

#[tokio::test]
async fn projects_do_not_see_each_others_symbols() {
    let house = House::new();
    house.publish("lines", ID, LINES).await;
    let other = ProjectId::try_from(2_u64).unwrap();
    assert!(house.store.symbols(other, id(), Freshness::Now).await.unwrap().is_empty());
    assert_eq!(house.store.descriptions(other, id()).await.unwrap(), []);
}

#[tokio::test]
async fn publishing_again_changes_nothing() {
    let house = House::new();
    let (_, first) = house.publish("lines", ID, LINES).await;
    let (_, second) = house.publish("lines", ID, LINES).await;
    assert_eq!(Description { published_at: first.published_at, ..second }, first);
    assert_eq!(house.store.descriptions(PROJECT, id()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_retracted_gives_way_to_the_next_best() {
    let house = House::new();
    let (stored, _) = house.publish("lines", ID, LINES).await;
    house.publish("names", ID, NAMES).await;
    house.store.retract(PROJECT, id(), &stored.sha256).await.unwrap();
    assert_eq!(lookup(&house.store, Freshness::Remembered).await.0, [("exported".to_owned(), None)]);
    assert_eq!(house.store.descriptions(PROJECT, id()).await.unwrap().len(), 1);
    assert!(house.bucket.exists(&stored.key).await.unwrap(), "the file itself stays");
}

#[tokio::test]
async fn gathered_caches_stay_whatever_is_deleted() {
    let house = House::new();
    house.publish("both", ID, &format!("{LINES}{UNWIND}")).await;
    let missing = DebugId::from_breakpad("6A9832E5287241C1838ED98914E9B7FF1").unwrap();
    let gathered = house.store.gather(PROJECT, [id(), missing], Freshness::Now).await.unwrap();
    assert_eq!(gathered.found, [id()].into());
    fs::remove_dir_all(house.workshop.path("disk/caches")).unwrap();
    let provider = Provider::open(gathered.folder()).unwrap();
    assert_eq!(told(&provider.get(id()).unwrap().lookup(0x18)), [("main", Some(7))]);
    assert!(provider.get(id()).unwrap().unwind.is_some());
    assert!(provider.get(missing).is_none());
    let folder = gathered.folder().to_owned();
    drop(gathered);
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_directory_keeps_within_its_limit_and_what_was_used_last() {
    let house = House::new();
    let ids: Vec<String> = (0..6).map(|number| format!("{number}{}", &ID[1..])).collect();
    let padding: String =
        (0..3000).map(|line| format!("FUNC {:x} 8 0 f{line}\n", 0x100 + 8 * line)).collect();
    for id in &ids {
        house.publish(id, id, &format!("{LINES}{padding}")).await;
    }
    let folder = house.workshop.path("small");
    let size = cached(&house.workshop.path("disk"), &house.store, &ids[0]).await;
    let limit = 3 * size + size / 2;
    let small = Store::new(house.bucket.clone(), DiskCache::open(&folder, limit).unwrap());
    let first = DebugId::from_breakpad(&ids[0]).unwrap();
    for id in &ids {
        for id in [DebugId::from_breakpad(id).unwrap(), first] {
            let symbols = small.symbols(PROJECT, id, Freshness::Remembered).await.unwrap();
            assert!(symbols.lines.is_some());
        }
        let (count, bytes) = contents(&folder.join("caches"));
        assert!(bytes <= limit, "{bytes} bytes in {count} files");
    }
    let names = fs::read_dir(folder.join("caches")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.contains(&ids[0])), "it was used all the time: {names:?}");
    let none = Store::new(house.bucket.clone(), DiskCache::open(house.workshop.path("tiny"), 10).unwrap());
    let refused = none.symbols(PROJECT, first, Freshness::Now).await;
    assert!(matches!(refused, Err(SymbolError::NoRoom { limit: 10, .. })));
}

/// The bytes that one cache takes.
async fn cached(folder: &Path, store: &Store, id: &str) -> u64 {
    store.symbols(PROJECT, DebugId::from_breakpad(id).unwrap(), Freshness::Now).await.unwrap();
    contents(&folder.join("caches")).1
}

fn contents(folder: &Path) -> (usize, u64) {
    let files: Vec<u64> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    (files.len(), files.iter().sum())
}

#[tokio::test]
async fn a_damaged_cache_is_fetched_again() {
    let house = House::new();
    house.publish("lines", ID, LINES).await;
    lookup(&house.store, Freshness::Now).await;
    let caches = house.workshop.path("disk/caches");
    let path = fs::read_dir(&caches).unwrap().next().unwrap().unwrap().path();
    fs::write(&path, b"half of a cac").unwrap();
    assert_eq!(lookup(&house.store, Freshness::Now).await.0, [("main".to_owned(), Some(7))]);
}

#[tokio::test]
async fn what_a_process_leaves_behind_is_swept_and_what_one_works_on_is_not() {
    let house = House::new();
    house.publish("lines", ID, LINES).await;
    let gathered = house.store.gather(PROJECT, [id()], Freshness::Now).await.unwrap();
    let left = house.workshop.path("disk/work/left");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("cache"), b"half").unwrap();
    DiskCache::open(house.workshop.path("disk"), LIMIT).unwrap();
    assert!(!left.exists());
    assert!(Provider::open(gathered.folder()).unwrap().get(id()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_ask_at_once() {
    let house = House::new();
    house.publish("lines", ID, LINES).await;
    let store = house.elsewhere();
    let asked = (0..64).map(|_| {
        let store = store.clone();
        async move { store.symbols(PROJECT, id(), Freshness::Now).await.unwrap().lines.is_some() }
    });
    assert!(futures_util::future::join_all(asked).await.into_iter().all(|found| found));
    assert_eq!(contents(&house.workshop.path("elsewhere/caches")).0, 1);
    assert_eq!(contents(&house.workshop.path("elsewhere/work")).0, 0);
}

#[tokio::test]
async fn a_breakpad_file_is_given_as_it_came_and_otherwise_made() {
    let house = House::new();
    assert!(house.store.sym(PROJECT, id(), Freshness::Now).await.unwrap().is_none());
    let (stored, _) = house.publish("both", ID, &format!("{LINES}{UNWIND}")).await;
    let Some(SymFile::Uploaded(key)) = house.store.sym(PROJECT, id(), Freshness::Now).await.unwrap() else {
        unreachable!("it was uploaded as one")
    };
    assert_eq!(key, stored.key);
    // A better file for one of the two.
    house.publish("more", ID, &format!("{LINES}FUNC 40 8 0 more\n40 8 9 0\n")).await;
    let Some(SymFile::Of(symbols)) = house.store.sym(PROJECT, id(), Freshness::Now).await.unwrap() else {
        unreachable!("two files know a part each")
    };
    let text = workshop::sym(symbols.lines.as_ref(), symbols.unwind.as_ref());
    let expected = format!(
        "MODULE Linux x86_64 {ID} game\nFILE 0 main.c\nFUNC 10 20 0 main\n10 20 7 0\nFUNC 40 8 0 more\n40 8 9 0\n{UNWIND}"
    );
    assert_eq!(text, expected);
}
