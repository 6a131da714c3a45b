//! The name of one frame, freed of what differs between two builds of the same code.

use epitaph_crash_model::Frame;

use crate::UNKNOWN;

/// Characters of a function's name that are looked at. C++ templates make names of many kilobytes, and what follows
/// is their arguments, which are left out anyway.
const LONGEST: usize = 2048;

/// The name of a frame: its function, else its place in its module, else [`UNKNOWN`].
pub(crate) fn of(frame: &Frame) -> String {
    let function = frame.function.as_deref().map(normalised).filter(|name| !name.is_empty());
    function.or_else(|| place(frame)).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// `module+0xoffset`. The address itself moves with every start of the process.
fn place(frame: &Frame) -> Option<String> {
    let module = module_name(frame.module.as_deref()?);
    if module.is_empty() {
        return None;
    }
    Some(match frame.offset {
        Some(offset) => format!("{module}+{offset}"),
        None => module,
    })
}

/// The file name of a module. Windows ignores case in file names, and reports the one or the other.
fn module_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).trim();
    let lower = name.to_lowercase();
    let of_windows = [".exe", ".dll", ".sys", ".drv", ".ocx"].iter().any(|ending| lower.ends_with(ending));
    if of_windows { lower } else { name.to_owned() }
}

/// A function's name without template arguments, parameter lists, return types, anonymous namespaces, numbers of
/// lambdas, and the suffixes and hashes that compilers and linkers add.
pub(crate) fn normalised(function: &str) -> String {
    let cut: String = function.trim().chars().take(LONGEST).collect();
    // Objective-C's names hold brackets and spaces of their own, and nothing that changes.
    if cut.starts_with("-[") || cut.starts_with("+[") {
        return cut;
    }
    let named = ANONYMOUS.iter().fold(cut.clone(), |name, marker| name.replace(marker, ""));
    let (bare, had_parameters) = without_arguments(&named);
    let bare = without_suffixes(&bare);
    let bare = if had_parameters { without_return_type(bare) } else { bare };
    if bare.is_empty() { cut } else { bare.to_owned() }
}

/// How compilers write a namespace without a name.
const ANONYMOUS: [&str; 6] = [
    "(anonymous namespace)::",
    "`anonymous namespace'::",
    "`anonymous-namespace'::",
    "{anonymous}::",
    "_GLOBAL__N_1::",
    "<unnamed>::",
];

/// Operators that contain a bracket, longest first.
const OPERATORS: [&str; 13] =
    ["<=>", "<<=", ">>=", "->*", "()", "[]", "->", "<<", ">>", "<=", ">=", "<", ">"];

/// The name without template arguments and parameter lists, and whether it had a parameter list.
fn without_arguments(name: &str) -> (String, bool) {
    let mut out = String::with_capacity(name.len());
    let mut had_parameters = false;
    let mut rest = name;
    let mut after_operator = false;
    while let Some(next) = rest.chars().next() {
        let ends_name = |last: char| last.is_alphanumeric() || "_>]})'~".contains(last);
        let after_name = after_operator || out.ends_with(ends_name);
        if let Some(operator) = operator_at(&out, rest) {
            out.push_str(operator);
            rest = &rest[operator.len()..];
            // Demanglers put a space between `operator<` and its template arguments.
            rest = rest.strip_prefix(' ').filter(|rest| rest.starts_with('<')).unwrap_or(rest);
            after_operator = true;
            continue;
        }
        if let Some((lambda, length)) = lambda_at(rest) {
            out.push_str(lambda);
            rest = &rest[length..];
        } else if next == '<' && (after_name || is_turbofish(&out, rest)) {
            out.truncate(out.trim_end_matches("::").len());
            rest = &rest[group_length(rest, '<', '>')..];
        } else if next == '(' && after_name {
            had_parameters = true;
            rest = &rest[group_length(rest, '(', ')')..];
        } else if let Some(length) = crate_hash_length(rest).filter(|_| after_name) {
            rest = &rest[length..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            after_operator = false;
        }
    }
    (out, had_parameters)
}

/// The operator at the beginning of `rest`, if `out` ends in the keyword `operator`.
fn operator_at(out: &str, rest: &str) -> Option<&'static str> {
    let before = out.strip_suffix("operator")?;
    if before.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
        return None;
    }
    OPERATORS.into_iter().find(|operator| rest.starts_with(operator))
}

/// What stands for the lambda or closure at the beginning of `rest`, and how long that is in `rest`.
fn lambda_at(rest: &str) -> Option<(&'static str, usize)> {
    // Clang and GCC, Rust (two ways of mangling), MSVC, GCC of old, Clang without debug names.
    const FORMS: [(&str, &str, &str); 8] = [
        ("{lambda", "}", "{lambda}"),
        ("{{closure}}", "", "{closure}"),
        ("{closure", "}", "{closure}"),
        ("{unnamed type#", "}", "{unnamed}"),
        ("'lambda", "'", "{lambda}"),
        ("<lambda_", ">", "{lambda}"),
        ("<lambda(", ")>", "{lambda}"),
        ("$_", "", "{lambda}"),
    ];
    let (start, end, stands_for) = FORMS.into_iter().find(|(start, ..)| rest.starts_with(start))?;
    let inner = &rest[start.len()..];
    let length = if start == "$_" {
        inner.bytes().take_while(u8::is_ascii_digit).count()
    } else if end == "}" {
        // The parameters of a lambda may hold another one.
        group_length(rest, '{', '}') - start.len()
    } else {
        inner.find(end)? + end.len()
    };
    if start == "$_" && length == 0 {
        return None;
    }
    Some((stands_for, start.len() + length))
}

/// Whether the `<` at the beginning of `rest` opens Rust's generic arguments after `::`, and not a name such as
/// `::<Start>d__4`.
fn is_turbofish(out: &str, rest: &str) -> bool {
    out.ends_with("::")
        && !rest[group_length(rest, '<', '>')..]
            .starts_with(|next: char| next.is_alphanumeric() || next == '_')
}

/// Bytes from an opening bracket up to and with its closing one, or to the end where it is missing.
fn group_length(text: &str, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    let mut last = ' ';
    for (index, next) in text.char_indices() {
        if next == open {
            depth += 1;
        } else if next == close && !(close == '>' && last == '-') {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return index + next.len_utf8();
            }
        }
        last = next;
    }
    text.len()
}

/// The length of `[8787f43e282added]` at the beginning: the hash of a crate in Rust's names.
fn crate_hash_length(rest: &str) -> Option<usize> {
    let (hash, _) = rest.strip_prefix('[')?.split_once(']')?;
    (hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hash.len() + 2)
}

/// Suffixes after a dot that compilers give to copies and parts of a function.
const COPIES: [&str; 16] = [
    "cold",
    "hot",
    "warm",
    "unlikely",
    "constprop",
    "isra",
    "part",
    "lto_priv",
    "llvm",
    "localalias",
    "clone",
    "specialized",
    "resume",
    "destroy",
    "cleanup",
    "__uniq",
];

fn without_suffixes(name: &str) -> &str {
    let mut name = name.split(" [clone ").next().unwrap_or(name).trim();
    loop {
        let shorter = without_one_suffix(name).trim_end();
        // A name that is nothing but suffixes stays as it is.
        if shorter.is_empty() || shorter.len() == name.len() {
            return name;
        }
        name = shorter;
    }
}

fn without_one_suffix(name: &str) -> &str {
    for qualifier in [" const", " volatile", " noexcept", " &&", " &"] {
        if let Some(shorter) = name.strip_suffix(qualifier) {
            return shorter;
        }
    }
    if let Some((shorter, offset)) = name.rsplit_once("+0x")
        && offset.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return shorter;
    }
    if let Some((shorter, version)) = name.rsplit_once('@')
        && (version == "plt" || shorter.ends_with('@') || is_number(version))
    {
        return shorter.trim_end_matches('@');
    }
    if let Some((shorter, hash)) = name.rsplit_once("::h")
        && hash.len() == 16
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return shorter;
    }
    if let Some((shorter, copy)) = name.rsplit_once('.')
        && (COPIES.contains(&copy) || is_number(copy))
    {
        return shorter;
    }
    without_hash(name)
}

/// Without a hash of at least eight hexadecimal digits behind `.`, `$`, `_` or IL2CPP's `_m`. A decimal digit must be
/// among them: `_deadbeef` could be a word.
fn without_hash(name: &str) -> &str {
    let shorter = name.trim_end_matches(|last: char| last.is_ascii_hexdigit());
    let hash = &name[shorter.len()..];
    if hash.len() < 8 || !hash.bytes().any(|byte| byte.is_ascii_digit()) {
        return name;
    }
    shorter.strip_suffix("_m").or_else(|| shorter.strip_suffix(['.', '$', '_'])).unwrap_or(name)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without the return type that demanglers put before a template's name, and without words such as `virtual thunk to`.
fn without_return_type(name: &str) -> &str {
    // `operator bool` and `operator new` have a space that belongs to the name.
    let end = name.find("operator ").unwrap_or(name.len());
    let mut depth = 0_i32;
    let mut start = 0;
    for (index, next) in name[..end].char_indices() {
        match next {
            '<' | '{' | '[' | '`' => depth += 1,
            '>' | '}' | ']' | '\'' => depth -= 1,
            ' ' if depth == 0 => start = index + 1,
            _ => {}
        }
    }
    let bare = name[start..].trim_start_matches(['*', '&']);
    if bare.is_empty() { name } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_alike_whichever_build_or_symbol_file_names_it() {
        for (given, expected) in [
            ("Game::Update", "Game::Update"),
            ("Game::Update(float, std::vector<int> const&) const", "Game::Update"),
            ("void Pool<Bullet, 64>::grow<true>(unsigned long)", "Pool::grow"),
            ("std::__1::vector<int, std::__1::allocator<int> >::at(unsigned long)", "std::__1::vector::at"),
            ("(anonymous namespace)::helper()", "helper"),
            ("`anonymous namespace'::helper", "helper"),
            ("game::{anonymous}::helper(int)", "game::helper"),
            (
                "Renderer::draw()::{lambda(Mesh const&)#2}::operator()(Mesh const&) const",
                "Renderer::draw::{lambda}::operator()",
            ),
            (
                "Renderer::draw()::'lambda0'(Mesh const&)::operator()(Mesh const&) const",
                "Renderer::draw::{lambda}::operator()",
            ),
            ("Renderer::draw()::$_3::operator()", "Renderer::draw::{lambda}::operator()"),
            ("Renderer::draw::<lambda_0f3a96c2>::operator()", "Renderer::draw::{lambda}::operator()"),
            ("operator<<(std::ostream&, Vec3 const&)", "operator<<"),
            ("bool operator< <int>(Id<int> const&, Id<int> const&)", "operator<"),
            ("Handle<Mesh>::operator->() const", "Handle::operator->"),
            ("Handle::operator bool() const", "Handle::operator bool"),
            ("operator new[](unsigned long)", "operator new[]"),
            ("non-virtual thunk to Actor::Tick(float)", "Actor::Tick"),
            ("parse_level.constprop.0.cold", "parse_level"),
            ("parse_level.part.3 [clone .cold]", "parse_level"),
            ("step.llvm.1234567890123456789", "step"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("_DrawScene@12", "_DrawScene"),
            ("draw+0x1f", "draw"),
            ("Player_Update_m0A1B2C3D4E5F60718293A4B5C6D7E8F901234567", "Player_Update"),
            ("core::panicking::panic_fmt::h0123456789abcdef", "core::panicking::panic_fmt"),
            (
                "<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop",
                "<alloc::vec::Vec as core::ops::drop::Drop>::drop",
            ),
            ("core[8787f43e282added]::ptr::drop_in_place::<game::World>", "core::ptr::drop_in_place"),
            ("game::main::{{closure}}::h0123456789abcdef", "game::main::{closure}"),
            ("game::main::{closure#1}", "game::main::{closure}"),
            ("-[AppDelegate application:didFinish:]", "-[AppDelegate application:didFinish:]"),
            ("Object.<anonymous>", "Object.<anonymous>"),
            ("Loader::<Start>d__4::MoveNext", "Loader::<Start>d__4::MoveNext"),
        ] {
            assert_eq!(normalised(given), expected, "{given}");
        }
    }

    #[test]
    fn a_name_that_is_cut_inside_its_arguments_loses_only_the_arguments() {
        let long = format!("Pool<{}>::grow()", "Bullet, ".repeat(1000));
        assert_eq!(normalised(&long), "Pool");
    }

    #[test]
    fn a_frame_without_a_function_is_named_by_its_place_in_its_module() {
        let frame = |module: &str| Frame {
            module: Some(module.to_owned()),
            offset: Some(epitaph_crash_model::Address(0x1a2b)),
            ..Frame::default()
        };
        assert_eq!(of(&frame("Game.EXE")), "game.exe+0x1a2b");
        assert_eq!(of(&frame(r"C:\Games\Game.exe")), "game.exe+0x1a2b");
        assert_eq!(of(&frame("/usr/lib/libGL.so.1")), "libGL.so.1+0x1a2b");
        assert_eq!(of(&Frame { function: Some("  ".into()), ..frame("a.so") }), "a.so+0x1a2b");
        assert_eq!(of(&Frame::default()), UNKNOWN);
    }
}
