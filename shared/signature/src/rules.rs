//! Which frames say nothing about a cause, and why: data, one table per platform.

mod apple;
mod languages;
mod linux;
mod windows;

/// One entry: the frames it is about, what to do with them, and why.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) names: Names,
    pub(crate) effect: Effect,
    /// Shown on the crash page beside the frame.
    pub(crate) because: &'static str,
}

/// The functions that a rule is about, by their normalised names.
#[derive(Debug)]
pub(crate) enum Names {
    /// Exactly these.
    These(&'static [&'static str]),
    /// All that begin so.
    Starting(&'static [&'static str]),
}

/// What a rule does with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The frame is left out.
    Skip,
    /// The frame is left out, and so is everything that it called. Only for functions that never call a game's ordinary
    /// code: a C++ `throw` is not one, since on Windows a `catch` block runs inside it.
    SkipWithInner,
    /// The frame is left out, and nothing further out is looked at: there the thread begins.
    End,
}

const TABLES: [&[Rule]; 4] = [linux::RULES, windows::RULES, apple::RULES, languages::RULES];

/// The first rule about a function. Tables are read together, whatever the platform: names hardly clash, and one
/// program may hold several runtimes (Wine, a MinGW build, Rust in a C++ game).
pub(crate) fn matching(name: &str) -> Option<&'static Rule> {
    TABLES.into_iter().flatten().find(|rule| rule.matches(name))
}

impl Rule {
    fn matches(&self, name: &str) -> bool {
        match self.names {
            Names::These(names) => names.contains(&name),
            Names::Starting(beginnings) => beginnings.iter().any(|beginning| name.starts_with(beginning)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_name() -> impl Iterator<Item = (&'static Rule, &'static str)> {
        TABLES.into_iter().flatten().flat_map(|rule| {
            let (Names::These(names) | Names::Starting(names)) = &rule.names;
            names.iter().map(move |name| (rule, *name))
        })
    }

    #[test]
    fn every_rule_tells_why() {
        for (rule, name) in every_name() {
            assert!(!name.is_empty() && !rule.because.is_empty(), "{rule:?}");
        }
    }

    #[test]
    fn no_function_is_in_two_rules() {
        for (_, name) in every_name() {
            let matching: Vec<_> = TABLES.into_iter().flatten().filter(|rule| rule.matches(name)).collect();
            assert_eq!(matching.len(), 1, "{name}: {matching:?}");
        }
    }

    #[test]
    fn every_exact_name_is_in_the_form_that_normalising_gives() {
        for (rule, name) in every_name() {
            if let Names::These(_) = rule.names {
                assert_eq!(crate::name::normalised(name), name);
            }
        }
    }
}
