//! Debug files, and caches. Of compilers there are programs in `corpus/debug_files` too: a function each, of
//! `int f(volatile int *p) { return *p + 1; }`, built by clang for each system with `-g -O1`.

use std::fs;

use epitaph_symbolicate::{Limits, convert};

use crate::Seed;

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";

const RECORDS: [(&str, &str); 4] = [
    (
        "cfi",
        "STACK CFI INIT 10 40 .cfa: $rsp 8 + .ra: .cfa -8 + ^\nSTACK CFI 14 .cfa: $rsp 16 +\nSTACK CFI 12 $rbp: .cfa -16 + ^\nSTACK CFI INIT 20 4 x: 1\n",
    ),
    (
        "win",
        "STACK WIN 4 10 20 1 0 8 4 8 0 1 $T0 $ebp = $eip $T0 4 + ^ =\nSTACK WIN 4 14 1c 0 0 8 4 8 0 1 $eip 4 + ^ =\nSTACK WIN 0 100 9 0 0 4 0 0 0 0 1\nSTACK WIN 0 f8 9 0 0 4 0 0 0 1 1\n",
    ),
    (
        "odd",
        "STACK CFI 10 x: 1\nSTACK CFI INIT ffffffff 1 x: 1\nSTACK CFI INIT 10 0 x: 1\r\nINFO x\nSTACK CFI 12 x: 2\n",
    ),
    (
        "twice",
        "STACK CFI INIT 10 8 x: 1\nSTACK CFI INIT 10 8 x: 2\nSTACK CFI INIT 10 8 x: 1\nSTACK CFI INIT c 8 x: 1\n",
    ),
];

const SYMBOLS: &str = "FILE 0 c:\\a\\b.c\nINLINE_ORIGIN 0 _ZN1a1bEv\nFUNC 10 20 8 ?f@@YAXXZ\nINLINE 0 7 0 0 14 8\n10 8 5 0\n18 10 6 0\nFUNC m 40 8 0 g\nPUBLIC 60 0 h\n";

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let whole = RECORDS.iter().map(|(name, records)| (*name, format!("{SYMBOLS}{records}")));
    for (name, records) in whole {
        seeds.push(("cfi_index", name.to_owned(), records.clone().into_bytes()));
        for (system, arch) in [("Linux", "x86_64"), ("windows", "x86")] {
            let file = format!("MODULE {system} {arch} {ID} game\nINFO CODE_ID 5AB38077A000\n{records}");
            seeds.push(("debug_files", format!("{name}-{system}"), file.into_bytes()));
        }
    }
    let map = format!(
        r#"{{"a.cpp":{{"A.cs":{{"5":17,"9":18}},"B.cs":{{"7":1}}}},"__debug-id__":{{"{}":{{}}}}}}"#,
        "5a9832e5-2872-41c1-838e-d98914e9b7ff-1"
    );
    seeds.push(("debug_files", "il2cpp".to_owned(), map.into_bytes()));
    let mapping = "# compiler: R8\ncom.game.Main -> a.b:\n    1:1:void start():7:7 -> a\n";
    seeds.push(("debug_files", "proguard".to_owned(), mapping.as_bytes().to_vec()));
    let files: Vec<_> = seeds.iter().filter(|seed| seed.0 == "debug_files").cloned().collect();
    seeds.extend(files.iter().flat_map(|(_, name, file)| caches(name, file)));
    seeds
}

/// The payloads of the caches of a file.
fn caches(name: &str, file: &[u8]) -> Vec<Seed> {
    let folder = std::env::temp_dir().join(format!("epitaph-seeds-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("file");
    fs::write(&path, file).unwrap();
    let converted = convert(&path, "game", &folder, Limits::default()).unwrap();
    let caches = converted.iter().flat_map(|converted| &converted.caches);
    let seeds = caches.map(|made| {
        let whole = fs::read(&made.path).unwrap();
        let length = u64::from_le_bytes(whole[16..24].try_into().unwrap());
        let payload = &whole[64..64 + usize::try_from(length).unwrap()];
        let kind = whole[8] - 1;
        ("symbol_caches", format!("{}-of-{name}", made.kind.as_str()), [&[kind], payload].concat())
    });
    let seeds = seeds.collect();
    fs::remove_dir_all(&folder).unwrap();
    seeds
}
