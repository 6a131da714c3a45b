//! Debug files that are made here: a small program, built for every system there is.
#![expect(dead_code, reason = "each test uses its part")]
#![expect(clippy::panic, reason = "a test that cannot set itself up should fail")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use epitaph_symbolicate::{CacheKind, Converted, Limits, Lines, Location, Provider, Unwind, convert};
use epitaph_test_services::{program, succeed};
use tempfile::TempDir;

/// Of which the lines are known: line 3 is inlined into line 6, and that into line 9.
const SOURCE: &str = "\
static volatile int sink;
static inline __attribute__((always_inline)) int inner(volatile int *p) {
    return *p + 1;
}
static inline __attribute__((always_inline)) int outer(volatile int *p) {
    return inner(p) * 3;
}
__attribute__((noinline)) int crash_here(volatile int *p) {
    return outer(p);
}
__attribute__((noinline)) int caller(int count) {
    volatile int numbers[64];
    for (int index = 0; index < 64; index++) numbers[index] = count + index;
    sink = crash_here(&numbers[count & 63]);
    return numbers[1];
}
int main(int count, char **arguments) {
    return caller(count);
}
";

/// A system and a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    LinuxGcc,
    LinuxArm64,
    WindowsX64,
    WindowsX86,
    MacX64,
    MacArm64,
}

/// A folder that files are made in.
pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("game.c"), SOURCE).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs a program in the folder; `None` if this machine has none of these.
    pub(crate) fn run(&self, programs: &[&str], arguments: &str) -> Option<String> {
        let program = program(programs)?;
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        Some(String::from_utf8_lossy(&succeed(&mut command).stdout).into_owned())
    }

    /// Builds the program, and gives its file. Beside it lies `game.pdb`, or `game.dSYM`.
    pub(crate) fn build(&self, target: Target) -> Option<PathBuf> {
        const CLANG: &[&str] = &["clang", "clang-14", "clang-16", "clang-19"];
        const LINK: &[&str] = &["lld-link", "lld-link-14", "lld-link-16", "lld-link-19"];
        const LD64: &[&str] = &["ld64.lld", "ld64.lld-14", "ld64.lld-16", "ld64.lld-19"];
        const DSYMUTIL: &[&str] = &["dsymutil", "dsymutil-14", "dsymutil-16", "dsymutil-19"];
        let name = match target {
            Target::LinuxGcc => {
                self.run(&["gcc"], "-g -O1 -fno-omit-frame-pointer -Wl,--build-id -o game game.c")?;
                "game"
            }
            Target::LinuxArm64 => {
                let common =
                    "--target=aarch64-linux-gnu -g -O1 -fuse-ld=lld -nostdlib -fPIC -shared -Wl,--build-id";
                self.run(CLANG, &format!("{common} -o libgame.so game.c"))?;
                "libgame.so"
            }
            Target::WindowsX64 | Target::WindowsX86 => {
                let x64 = target == Target::WindowsX64;
                let (arch, entry) = if x64 { ("x86_64", "main") } else { ("i686", "main") };
                let common = "-g -gcodeview -O1 -fno-stack-protector -c";
                self.run(CLANG, &format!("--target={arch}-pc-windows-msvc {common} -o game.obj game.c"))?;
                let common = "/subsystem:console /nodefaultlib /out:game.exe /pdb:game.pdb game.obj";
                self.run(LINK, &format!("/debug /entry:{entry} {common}"))?;
                "game.exe"
            }
            Target::MacX64 | Target::MacArm64 => {
                let arch = if target == Target::MacX64 { "x86_64" } else { "arm64" };
                self.run(CLANG, &format!("--target={arch}-apple-macosx11 -g -O1 -c -o game.o game.c"))?;
                let version = "-platform_version macos 11.0 11.0 -dylib -undefined dynamic_lookup";
                self.run(LD64, &format!("-arch {arch} {version} -o game.dylib game.o"))?;
                self.run(DSYMUTIL, "game.dylib -o game.dSYM")?;
                "game.dylib"
            }
        };
        Some(self.path(name))
    }

    /// Converts a file that gives one set of caches.
    pub(crate) fn convert(&self, file: &Path) -> Converted {
        let name = file.file_name().unwrap().to_str().unwrap();
        let into = self.path(&format!("caches-of-{name}"));
        fs::create_dir_all(&into).unwrap();
        let mut converted = convert(file, name, &into, Limits::default()).unwrap();
        assert_eq!(converted.len(), 1);
        converted.remove(0)
    }

    /// The symbols of a file, and nothing else.
    pub(crate) fn provider(&self, file: &Path) -> Provider {
        let name = file.file_name().unwrap().to_str().unwrap();
        self.convert(file);
        Provider::open(&self.path(&format!("caches-of-{name}"))).unwrap()
    }
}

pub(crate) fn lines(converted: &Converted) -> Lines {
    Lines::open(cache(converted, CacheKind::Lines).unwrap()).unwrap()
}

pub(crate) fn unwind(converted: &Converted) -> Unwind {
    Unwind::open(cache(converted, CacheKind::Unwind).unwrap()).unwrap()
}

pub(crate) fn cache(converted: &Converted, kind: CacheKind) -> Option<&Path> {
    converted.caches.iter().find(|made| made.kind == kind).map(|made| made.path.as_path())
}

/// Functions and their lines at an address, the innermost first.
pub(crate) fn told<'a>(locations: &'a [Location<'a>]) -> Vec<(&'a str, Option<u32>)> {
    locations.iter().map(|location| (location.function, location.line)).collect()
}

/// The name of a function without its parameters, which only some formats tell.
pub(crate) fn plain(name: &str) -> &str {
    name.split('(').next().unwrap_or(name)
}

/// The addresses of a function, as a Breakpad file made of the caches has them.
pub(crate) fn addresses(lines: &Lines, function: &str) -> std::ops::Range<u64> {
    let sym = sym(Some(lines), None);
    let line = sym.lines().find(|line| {
        let name = line.strip_prefix("FUNC ").and_then(|record| record.splitn(4, ' ').nth(3));
        name.is_some_and(|name| plain(name) == function)
    });
    let fields: Vec<&str> = line.unwrap_or_else(|| panic!("no {function} in\n{sym}")).split(' ').collect();
    let number = |field: &str| u64::from_str_radix(field, 16).unwrap();
    let start = number(fields[1]);
    start..start + number(fields[2])
}

pub(crate) fn sym(lines: Option<&Lines>, unwind: Option<&Unwind>) -> String {
    let mut text = Vec::new();
    epitaph_symbolicate::write_sym(lines, unwind, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}
