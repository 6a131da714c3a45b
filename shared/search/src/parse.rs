//! From a line to a filter, by the grammar in the README.

use epitaph_facts::{Comparison, Dimension, Filter, Pattern};

use crate::{
    error::{Problem, SearchError},
    names::Name,
    print::normal,
    scan::{Scanner, Word, Written},
    values,
};

/// How deep groups may lie in each other. Each takes three steps of what a filter may have: "or", "and", "not".
const DEEPEST: usize = 9;
/// The most conditions, each value of a list counted. A filter may have three times as many, and counts groups too.
const MOST: usize = 150;

const ORDERS: [(&str, Comparison); 4] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

pub(crate) fn parse(text: &str) -> Result<Filter, SearchError> {
    let mut parser = Parser { scanner: Scanner::new(text)?, depth: 0, conditions: 0 };
    parser.scanner.skip_blanks();
    if parser.scanner.at_end() {
        return Ok(Filter::All);
    }
    let filter = parser.any()?;
    if parser.scanner.at_end() {
        return Ok(normal(&filter));
    }
    let at = parser.scanner.at();
    Err(SearchError::new(at..at + 1, Problem::StrayClose))
}

struct Parser {
    scanner: Scanner,
    depth: usize,
    conditions: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Filter, SearchError> {
        let mut parts = vec![self.all()?];
        while self.scanner.take_word("OR") {
            parts.push(self.all()?);
        }
        Ok(Filter::Or(parts))
    }

    /// Leaves no blanks behind it unread.
    fn all(&mut self) -> Result<Filter, SearchError> {
        let mut parts = Vec::new();
        let mut joined = false;
        loop {
            self.scanner.skip_blanks();
            if matches!(self.scanner.peek(), None | Some(')')) || self.scanner.is_word("OR") {
                break;
            }
            if !parts.is_empty() && !joined && self.scanner.take_word("AND") {
                joined = true;
                continue;
            }
            parts.push(self.one()?);
            joined = false;
        }
        if joined || parts.is_empty() {
            return Err(SearchError::new(self.scanner.place(), Problem::ExpectedCondition));
        }
        Ok(Filter::And(parts))
    }

    fn one(&mut self) -> Result<Filter, SearchError> {
        let mut negated = false;
        loop {
            if self.scanner.take("-") || self.scanner.take("!") {
                if self.scanner.at_blank() {
                    return Err(SearchError::new(self.scanner.place(), Problem::ExpectedCondition));
                }
            } else if self.scanner.take_word("NOT") {
                self.scanner.skip_blanks();
            } else {
                break;
            }
            negated = !negated;
        }
        let found = match self.scanner.peek() {
            None | Some(')') => {
                return Err(SearchError::new(self.scanner.place(), Problem::ExpectedCondition));
            }
            Some('(') => self.group()?,
            Some(_) => self.condition()?,
        };
        Ok(if negated { Filter::Not(Box::new(found)) } else { found })
    }

    fn group(&mut self) -> Result<Filter, SearchError> {
        let start = self.scanner.at();
        let range = start..start + 1;
        if self.depth == DEEPEST {
            return Err(SearchError::new(range, Problem::TooDeep));
        }
        self.scanner.take("(");
        self.depth += 1;
        let found = self.any()?;
        self.depth -= 1;
        if self.scanner.take(")") { Ok(found) } else { Err(SearchError::new(range, Problem::OpenGroup)) }
    }

    fn condition(&mut self) -> Result<Filter, SearchError> {
        let start = self.scanner.at();
        let named = match self.scanner.peek() {
            Some('"') => None,
            _ => self.scanner.named()?,
        };
        let found = match named {
            None => self.text()?,
            Some((written, range)) => match written.dimension(range)? {
                Name::Has => self.has()?,
                Name::Of(dimension) => self.valued(&written, dimension)?,
            },
        };
        self.conditions += match &found {
            Filter::Is { any_of, .. } => any_of.len(),
            _ => 1,
        };
        if self.conditions > MOST {
            return Err(SearchError::new(start..self.scanner.at(), Problem::TooMany));
        }
        Ok(found)
    }

    fn text(&mut self) -> Result<Filter, SearchError> {
        let word = self.scanner.word(false)?;
        if !word.quoted && matches!(word.text.as_str(), "or" | "and" | "not") {
            return Err(SearchError::new(word.range, Problem::SmallLetters { given: word.text }));
        }
        let text = if word.quoted { word.text.as_str() } else { word.text.trim_matches('*') };
        match text.chars().count() {
            0 if word.quoted => Err(SearchError::new(word.range, Problem::EmptyText)),
            0 => Ok(Filter::All),
            1..=Filter::LONGEST => Ok(Filter::Text(text.to_owned())),
            _ => Err(SearchError::new(word.range, Problem::TooLong { most: Filter::LONGEST })),
        }
    }

    fn has(&mut self) -> Result<Filter, SearchError> {
        let (written, range) = self.scanner.name()?;
        if range.is_empty() || !(self.scanner.at_blank() || self.scanner.peek() == Some(')')) {
            return Err(SearchError::new(self.scanner.place(), Problem::ExpectedName));
        }
        match written.dimension(range.clone())? {
            Name::Of(dimension) => Ok(Filter::Has(dimension)),
            Name::Has => Err(SearchError::new(range, Problem::ExpectedName)),
        }
    }

    fn valued(&mut self, written: &Written, dimension: Dimension) -> Result<Filter, SearchError> {
        let name = written.text();
        for (sign, how) in ORDERS {
            if self.scanner.take(sign) {
                let word = self.value(&name, &dimension, false)?;
                let with = values::bound(&name, &dimension, word)?;
                return Ok(Filter::Compare { dimension, how, with });
            }
        }
        let any_of = match self.scanner.peek() {
            Some('[') => self.list(&name, &dimension)?,
            _ => vec![self.pattern(&name, &dimension, false)?],
        };
        Ok(Filter::Is { dimension, any_of })
    }

    fn list(&mut self, name: &str, dimension: &Dimension) -> Result<Vec<Pattern>, SearchError> {
        let start = self.scanner.at();
        self.scanner.take("[");
        let mut any_of = Vec::new();
        loop {
            self.scanner.skip_blanks();
            any_of.push(self.pattern(name, dimension, true)?);
            self.scanner.skip_blanks();
            if self.scanner.take("]") {
                return Ok(any_of);
            }
            if !self.scanner.take(",") {
                return Err(SearchError::new(start..start + 1, Problem::OpenList));
            }
        }
    }

    fn pattern(&mut self, name: &str, dimension: &Dimension, in_list: bool) -> Result<Pattern, SearchError> {
        let exactly = self.scanner.take("=");
        let word = self.value(name, dimension, in_list)?;
        values::pattern(name, dimension, exactly, word)
    }

    fn value(&mut self, name: &str, dimension: &Dimension, in_list: bool) -> Result<Word, SearchError> {
        let word = self.scanner.word(in_list)?;
        if word.range.is_empty() {
            let problem =
                Problem::ExpectedValue { name: name.to_owned(), example: values::example(dimension) };
            return Err(SearchError::new(word.range, problem));
        }
        Ok(word)
    }
}
