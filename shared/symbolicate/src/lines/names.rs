//! Names of functions as people read them, and paths of files as the debug file has them.

use std::{borrow::Cow, cell::Cell, collections::HashMap, rc::Rc};

use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};
use symbolic_symcache::transform::{Function, SourceLocation, Transformer};

/// Names that are remembered: a function that is inlined everywhere is demangled once.
const REMEMBERED: usize = 50_000;
/// The longest name that is demangled, and the longest that is kept. A name of a few hundred characters can stand for one
/// of gigabytes.
const LONGEST: usize = 16 << 10;

/// Demangles a name of C++ (also Microsoft's), Rust, Swift or Objective-C, with parameters and without the return type.
/// Any other stays as it is.
pub(crate) fn demangle(name: &str) -> Cow<'_, str> {
    if name.len() > LONGEST {
        return Cow::Owned(cut(name));
    }
    let mangled = Name::new(name, NameMangling::Unknown, Language::Unknown);
    if mangled.detect_language() == Language::Unknown {
        return spelled(name);
    }
    let readable = mangled.demangle(DemangleOptions::complete().return_type(false));
    match readable {
        Some(readable) if readable.len() > LONGEST => Cow::Owned(cut(&readable)),
        Some(readable) if !readable.is_empty() => Cow::Owned(spelled(&readable).into_owned()),
        _ => Cow::Borrowed(name),
    }
}

/// One spelling whatever compiler and whatever file a name comes from, so that crashes of one function have one signature:
/// without the mark of GCC that a function is a part or a variant of one, and with one word for what has no name.
fn spelled(name: &str) -> Cow<'_, str> {
    let whole = name.split_once(" [clone ").map_or_else(|| whole_of_c(name), |(whole, _)| whole);
    if !whole.contains("`anonymous namespace'") && !whole.contains("`anonymous-namespace'") {
        return Cow::Borrowed(whole);
    }
    let one = whole.replace("`anonymous namespace'", "(anonymous namespace)");
    Cow::Owned(one.replace("`anonymous-namespace'", "(anonymous namespace)"))
}

/// What a compiler puts behind the name of a C function that it split or specialised is no part of its name.
fn whole_of_c(name: &str) -> &str {
    const MARKS: [&str; 6] = [".constprop.", ".isra.", ".part.", ".lto_priv.", ".llvm.", ".cold"];
    let is_mark = |rest: &str| {
        MARKS.iter().any(|mark| {
            let behind = rest.strip_prefix(mark).and_then(|behind| behind.chars().next());
            rest.starts_with(mark)
                && behind.map_or(*mark == ".cold", |next| next == '.' || next.is_ascii_digit())
        })
    };
    let mut dots = name.match_indices('.').filter(|(at, _)| *at > 0);
    dots.find(|(at, _)| is_mark(&name[*at..])).map_or(name, |(at, _)| &name[..at])
}

fn cut(name: &str) -> String {
    let end = name.floor_char_boundary(LONGEST - 3);
    format!("{}...", name.get(..end).unwrap_or_default())
}

/// What happens to names and paths on their way into a cache.
///
/// Names are demangled here rather than when they are looked up: it happens once, in a process that may be lost, and not
/// in one that serves people, with a demangler that a name may break. Whole C++ names make a cache larger by about a
/// third; packed, as it is stored, by a tenth.
pub(crate) struct Names {
    /// Whether names of C functions may have the decorations of Windows.
    is_windows: bool,
    readable: HashMap<Box<str>, Box<str>>,
    /// The paths of a Breakpad file, by directory and name, which is how its reader tells them.
    paths: HashMap<(Box<str>, Box<str>), Box<str>>,
    bytes: Rc<Cell<u64>>,
}

impl Names {
    pub(crate) fn new(is_windows: bool) -> Self {
        Self { is_windows, readable: HashMap::new(), paths: HashMap::new(), bytes: Rc::default() }
    }

    /// The bytes of all names so far, for whoever counts them.
    pub(crate) fn bytes(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.bytes)
    }

    /// Keeps a path as it is, where it would be split and joined to something similar.
    pub(crate) fn keep_path(&mut self, directory: &str, name: &str, path: &str) {
        self.paths.insert((directory.into(), name.into()), path.into());
    }

    fn remember(&mut self, name: &str) {
        if self.readable.contains_key(name) {
            return;
        }
        let plain = if self.is_windows { undecorate(name) } else { name };
        let readable = demangle(plain);
        if self.readable.len() >= REMEMBERED {
            self.readable.clear();
        }
        self.bytes.set(self.bytes.get().saturating_add(readable.len() as u64));
        self.readable.insert(name.into(), readable.into());
    }
}

impl Transformer for Names {
    fn transform_function<'f>(&'f mut self, mut function: Function<'f>) -> Function<'f> {
        self.remember(&function.name);
        if let Some(readable) = self.readable.get(function.name.as_ref()) {
            function.name = Cow::Borrowed(readable);
        }
        function
    }

    fn transform_source_location<'f>(&'f mut self, mut location: SourceLocation<'f>) -> SourceLocation<'f> {
        if self.paths.is_empty() {
            return location;
        }
        let directory = location.file.directory.as_deref().unwrap_or_default();
        let key = (Box::from(directory), Box::from(location.file.name.as_ref()));
        if let Some(path) = self.paths.get(&key) {
            location.file.name = Cow::Borrowed(path);
            location.file.directory = None;
            location.file.comp_dir = None;
        }
        location
    }
}

/// Takes away what Microsoft's compilers put around the names of C functions to tell how they are called: `_name`,
/// `_name@8`, `@name@8`, `name@@8`.
fn undecorate(name: &str) -> &str {
    let is_size = |size: &str| size.parse::<u32>().is_ok();
    if name.starts_with('?') || name.contains([':', '(', '<']) {
        return name;
    }
    if let Some((plain, size)) = name.rsplit_once("@@")
        && is_size(size)
    {
        return plain;
    }
    match name.strip_prefix(['_', '@']) {
        Some(rest) => match rest.rsplit_once('@') {
            Some((plain, size)) if is_size(size) => plain,
            _ => name.strip_prefix('_').unwrap_or(name),
        },
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_language_become_readable() {
        for (mangled, readable) in [
            ("_ZN4Game6Player4hurtEi", "Game::Player::hurt(int)"),
            ("?hurt@Player@Game@@QEAAXH@Z", "Game::Player::hurt(int)"),
            ("_ZN4core3fmt5Write9write_fmt17h3d8a6b7f1c2e4d5aE", "core::fmt::Write::write_fmt"),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("-[Player hurt:]", "-[Player hurt:]"),
            ("main", "main"),
            ("Game::Player::hurt(int)", "Game::Player::hurt(int)"),
            ("_Zbroken", "_Zbroken"),
            ("_ZN4Game6Player4hurtEi.isra.6", "Game::Player::hurt(int)"),
            ("_ZN4Game6Player4hurtEi.part.0.cold", "Game::Player::hurt(int)"),
            ("_ZN12_GLOBAL__N_15countEv", "(anonymous namespace)::count()"),
            ("?count@?A0x1d8c5a2e@@YAHXZ", "(anonymous namespace)::count(void)"),
            ("start_game.constprop.0", "start_game"),
            ("load.part.3.cold", "load"),
            ("update.cold", "update"),
            ("Game.part.whole", "Game.part.whole"),
            ("Game.colder", "Game.colder"),
            (".cold", ".cold"),
            ("`anonymous namespace'::count(int)", "(anonymous namespace)::count(int)"),
        ] {
            assert_eq!(demangle(mangled), readable);
        }
    }

    #[cfg(feature = "swift")]
    #[test]
    fn names_of_swift_become_readable() {
        assert_eq!(demangle("$s8mangling3barSiyF"), "bar()");
    }

    #[test]
    fn names_of_c_on_windows_lose_their_decoration() {
        for (decorated, plain) in [
            ("_main", "main"),
            ("_WinMain@16", "WinMain"),
            ("@fast@8", "fast"),
            ("vector@@32", "vector"),
            ("@odd", "@odd"),
            ("plain", "plain"),
            ("?hurt@@YAXXZ", "?hurt@@YAXXZ"),
            ("std::_Init@8", "std::_Init@8"),
        ] {
            assert_eq!(undecorate(decorated), plain);
        }
    }

    #[test]
    fn a_name_is_cut_where_it_becomes_absurd() {
        let long = "ü".repeat(20_000);
        let cut = demangle(&long);
        assert!(cut.len() <= LONGEST && cut.ends_with("..."));
    }
}
