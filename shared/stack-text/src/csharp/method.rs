//! The name of a method as its source has it, from what the compiler made of it.

use std::borrow::Cow;

/// What stands for a function without a name.
const LAMBDA: &str = "{lambda}";

/// The name of a method without generic arguments, with dots for all separators, and without the types that the compiler
/// makes for lambdas, iterators and asynchronous methods.
///
/// | compiler                                     | source                  |
/// | -------------------------------------------- | ----------------------- |
/// | `Game.Loader+<Load>d__5.MoveNext`            | `Game.Loader.Load`      |
/// | `Game.Hud+<>c__DisplayClass3_0.<Show>b__0`   | `Game.Hud.Show.{lambda}` |
/// | `Game.Hud.<Show>g__Fade\|3_0`                 | `Game.Hud.Show.Fade`    |
/// | ``Game.Pool`1[T]:Take``                      | `Game.Pool.Take`        |
pub(crate) fn readable(method: &str) -> String {
    let (method, constructor) = [".cctor", ".ctor"]
        .into_iter()
        .find_map(|name| Some((method.strip_suffix(name)?.trim_end_matches(['.', ':']), Some(name))))
        .unwrap_or((method, None));
    let bare = without_generics(method);
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    let mut machine_at = None;
    for part in segments(&bare) {
        match generated(part) {
            Part::Plain => parts.push(part.into()),
            Part::Class(of) => push_plain(&mut parts, of),
            Part::Machine(of) => {
                push_source(&mut parts, of);
                machine_at = Some(parts.len());
            }
            Part::Lambda(of) => {
                push_source(&mut parts, of);
                parts.push(LAMBDA.into());
            }
            Part::Local(of, name) => {
                push_source(&mut parts, of);
                parts.push(name.into());
            }
        }
    }
    // What runs such a machine is its `MoveNext`, which may be that of an interface.
    if let Some(at) =
        machine_at.filter(|&at| parts.len() > at && parts.last().is_some_and(|last| last == "MoveNext"))
    {
        parts.truncate(at);
    }
    let mut name = parts.join(".");
    if let Some(constructor) = constructor {
        name.push('.');
        name.push_str(constructor);
    }
    name
}

/// The name of a type, with dots and without the number of its generic arguments.
pub(crate) fn readable_type(kind: &str) -> String {
    without_generics(kind).replace(['+', '/'], ".")
}

enum Part<'a> {
    /// As in the source.
    Plain,
    /// A class that holds what the lambdas of a method share.
    Class(&'a str),
    /// An iterator or asynchronous method.
    Machine(&'a str),
    Lambda(&'a str),
    Local(&'a str, &'a str),
}

/// What a part of a name is, of the forms `<of>x__rest`.
fn generated(part: &str) -> Part<'_> {
    let Some((of, rest)) = part.strip_prefix('<').and_then(split_at_closing) else { return Part::Plain };
    if rest.starts_with("c__DisplayClass") || rest == "c" || rest.starts_with("c__AnonStorey") {
        Part::Class(of)
    } else if rest == "d"
        || rest.starts_with("d__")
        || rest.starts_with("c__Iterator")
        || rest.starts_with("c__async")
    {
        Part::Machine(of)
    } else if rest.starts_with("b__") || rest.starts_with("m__") {
        Part::Lambda(of)
    } else if let Some(local) = rest.strip_prefix("g__") {
        Part::Local(of, local.split('|').next().unwrap_or(local))
    } else {
        Part::Plain
    }
}

/// What the compiler names a part after: a name of the source, or, in asynchronous lambdas, again one of its own.
fn push_source<'a>(parts: &mut Vec<Cow<'a, str>>, of: &'a str) {
    match generated(of) {
        Part::Lambda(inner) => {
            push_plain(parts, inner);
            parts.push(LAMBDA.into());
        }
        Part::Local(inner, name) => {
            push_plain(parts, inner);
            parts.push(name.into());
        }
        Part::Machine(inner) => push_plain(parts, inner),
        Part::Plain | Part::Class(_) => push_plain(parts, of),
    }
}

fn push_plain<'a>(parts: &mut Vec<Cow<'a, str>>, name: &'a str) {
    // A lambda of a nested class repeats the name of its method.
    if !name.is_empty() && parts.last().is_none_or(|last| last != name) {
        parts.push(name.into());
    }
}

/// What stands before the bracket that closes one already open, and what behind.
fn split_at_closing(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// The parts of a name, between `.`, `+`, `/` and `:` outside of brackets.
fn segments(name: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    name.split(move |letter| {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(letter, '.' | '+' | '/' | ':')
    })
    .filter(|part| !part.is_empty())
}

/// Without `` `2 ``, `[System.Int32,System.String]` and `<T>` behind a name. A `<` that does not follow a name is the
/// compiler's.
fn without_generics(name: &str) -> String {
    let mut bare = String::with_capacity(name.len());
    let mut depth = 0_usize;
    let mut last = '.';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '<' if depth > 0 || (last.is_alphanumeric() || last == '_') => depth += 1,
            '>' if depth > 0 => depth -= 1,
            '`' if depth == 0 => while letters.next_if(char::is_ascii_digit).is_some() {},
            _ if depth == 0 => bare.push(letter),
            _ => {}
        }
        last = letter;
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_named_as_in_its_source() {
        for (compiled, source) in [
            ("Player.Update", "Player.Update"),
            ("Game.Player:Update", "Game.Player.Update"),
            ("Game.Player+Weapon.Fire", "Game.Player.Weapon.Fire"),
            ("Game.Loader+<Load>d__5.MoveNext", "Game.Loader.Load"),
            ("Game.Loader+<Load>d__5`1[T].MoveNext", "Game.Loader.Load"),
            ("Game.Loader/<Load>c__Iterator0:MoveNext", "Game.Loader.Load"),
            ("Game.Loader+<Load>d__5.System.Collections.IEnumerator.MoveNext", "Game.Loader.Load"),
            ("Game.Hud+<>c__DisplayClass3_0.<Show>b__0", "Game.Hud.Show.{lambda}"),
            ("Game.Hud+<>c.<Show>b__3_1", "Game.Hud.Show.{lambda}"),
            ("Game.Hud+<Show>c__AnonStorey0.<>m__0", "Game.Hud.Show.{lambda}"),
            ("Game.Hud+<>c+<<Show>b__0_0>d.MoveNext", "Game.Hud.Show.{lambda}"),
            ("Game.Hud.<Show>g__Fade|3_0", "Game.Hud.Show.Fade"),
            ("Game.Pool`1[T].Take", "Game.Pool.Take"),
            (
                "System.Collections.Generic.Dictionary`2[TKey,TValue].get_Item",
                "System.Collections.Generic.Dictionary.get_Item",
            ),
            ("System.Linq.Enumerable.First[TSource]", "System.Linq.Enumerable.First"),
            (
                "System.Collections.Generic.IEnumerable<T>.GetEnumerator",
                "System.Collections.Generic.IEnumerable.GetEnumerator",
            ),
            ("Game.Player..ctor", "Game.Player..ctor"),
            ("Game.Player:.cctor", "Game.Player..cctor"),
            ("MoveNext", "MoveNext"),
        ] {
            assert_eq!(readable(compiled), source, "{compiled}");
        }
    }
}
