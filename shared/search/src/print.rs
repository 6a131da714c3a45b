//! From a filter to the line that says it.

use epitaph_facts::{Comparison, Dimension, Filter, Pattern};

use crate::{names, values};

pub(crate) fn print(filter: &Filter) -> String {
    match normal(filter) {
        Filter::All => String::new(),
        filter => any(&filter),
    }
}

/// The same, without conditions that say nothing and without groups that need not be.
pub(crate) fn normal(filter: &Filter) -> Filter {
    match filter {
        Filter::And(parts) => {
            let mut all = Vec::new();
            for part in parts {
                match normal(part) {
                    Filter::All => {}
                    Filter::And(parts) => all.extend(parts),
                    part => all.push(part),
                }
            }
            match all.len() {
                0 => Filter::All,
                1 => all.remove(0),
                _ => Filter::And(all),
            }
        }
        Filter::Or(parts) => {
            let mut any = Vec::new();
            for part in parts {
                match normal(part) {
                    Filter::Or(parts) => any.extend(parts),
                    part => any.push(part),
                }
            }
            match any.len() {
                0 => Filter::Not(Box::new(Filter::All)),
                1 => any.remove(0),
                _ => Filter::Or(any),
            }
        }
        Filter::Not(part) => match normal(part) {
            Filter::Not(inner) => *inner,
            part => Filter::Not(Box::new(part)),
        },
        Filter::Is { any_of, .. } if any_of.is_empty() => Filter::Not(Box::new(Filter::All)),
        other => other.clone(),
    }
}

fn any(filter: &Filter) -> String {
    match filter {
        Filter::Or(parts) => parts.iter().map(all).collect::<Vec<_>>().join(" OR "),
        other => all(other),
    }
}

fn all(filter: &Filter) -> String {
    match filter {
        Filter::And(parts) => parts.iter().map(one).collect::<Vec<_>>().join(" "),
        other => one(other),
    }
}

fn one(filter: &Filter) -> String {
    match filter {
        Filter::All => "*".to_owned(),
        Filter::And(_) | Filter::Or(_) => format!("({})", any(filter)),
        Filter::Not(part) => format!("-{}", one(part)),
        Filter::Is { dimension, any_of } => {
            let patterns: Vec<String> = any_of.iter().map(|pattern| value(dimension, pattern)).collect();
            let name = names::print(dimension);
            match patterns.as_slice() {
                [only] => format!("{name}:{only}"),
                several => format!("{name}:[{}]", several.join(", ")),
            }
        }
        Filter::Compare { dimension, how, with } => {
            let sign = match how {
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!("{}:{sign}{}", names::print(dimension), word(with))
        }
        Filter::Has(dimension) => format!("has:{}", names::print(dimension)),
        Filter::Text(text) => quoted(text),
    }
}

fn value(dimension: &Dimension, pattern: &Pattern) -> String {
    let (exactly, text) = values::written(dimension, pattern);
    format!("{}{}", if exactly { "=" } else { "" }, word(text))
}

/// Bare where that reads back as the same, also in a list and behind a sign.
fn word(text: &str) -> String {
    let needs_quotes = |letter: char| {
        letter.is_whitespace() || matches!(letter, '"' | '(' | ')' | '[' | ']' | ',' | '<' | '>' | '=')
    };
    // Behind a name's colon another one would make it a text.
    if text.is_empty() || text.starts_with(':') || text.contains(needs_quotes) {
        quoted(text)
    } else {
        text.to_owned()
    }
}

pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
