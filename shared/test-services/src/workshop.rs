//! Debug files that are made here: a small program, built for every system there is.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::{program, succeed};

/// Line 3 is inlined into line 6, and that into line 9.
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
pub enum Target {
    /// Linux on the processor of this machine, by GCC.
    LinuxGcc,
    /// Android on arm64.
    LinuxArm64,
    /// Windows on x86-64.
    WindowsX64,
    /// Windows on x86.
    WindowsX86,
    /// macOS on x86-64.
    MacX64,
    /// macOS and iOS on arm64.
    MacArm64,
}

/// A folder in which programs are built for every system, all of the same source. Where this machine lacks a tool, a test
/// says so and leaves out what needs it.
#[derive(Debug)]
pub struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// One in a folder of its own.
    #[expect(clippy::new_without_default, reason = "it makes a folder, which nobody expects of a default")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("game.c"), SOURCE).unwrap();
        Self { folder }
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and gives its place.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs a program in the folder; `None` if this machine has none of these.
    pub fn run(&self, programs: &[&str], arguments: &str) -> Option<String> {
        let program = program(programs)?;
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        Some(String::from_utf8_lossy(&succeed(&mut command).stdout).into_owned())
    }

    /// Builds the program, and gives its file. Beside it lies `game.pdb`, or `game.dSYM`.
    pub fn build(&self, target: Target) -> Option<PathBuf> {
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
}
