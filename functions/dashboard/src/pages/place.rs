//! Where a page is: its address, the period, and the search that chose its crashes.

use epitaph_facts::{Dimension, Filter};
use epitaph_search::SearchError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{period::Period, texts::Texts};

/// What stands for itself in a query.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'~');

/// The address of a page about the crashes of a search in a period.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) period: Period,
    /// Other choices of the page, as they stand in its address.
    pub(crate) choices: Vec<(&'static str, String)>,
    pub(crate) search: Search,
}

/// A search as it was typed, and what it says.
#[derive(Clone)]
pub(crate) struct Search {
    pub(crate) text: String,
    pub(crate) filter: Result<Filter, SearchError>,
}

/// The search box of a page.
pub(crate) struct SearchBox {
    pub(crate) action: String,
    pub(crate) text: String,
    /// What else the page was asked for.
    pub(crate) hidden: Vec<(&'static str, String)>,
    /// The page without a search, where there is one.
    pub(crate) clear_href: Option<String>,
    pub(crate) fault: Option<SearchFault>,
}

/// What is wrong with a search, and where.
pub(crate) struct SearchFault {
    pub(crate) before: String,
    pub(crate) wrong: String,
    pub(crate) after: String,
    pub(crate) message: String,
    /// The page with what was probably meant.
    pub(crate) mended: Option<(String, String)>,
}

impl Search {
    pub(crate) fn new(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default().trim();
        // What is far too long is not given back either.
        let text: String = text.chars().take(epitaph_search::LONGEST + 1).collect();
        Self { filter: epitaph_search::parse(&text), text }
    }

    /// What it selects; nothing, if it is not understood.
    pub(crate) fn filter(&self) -> Filter {
        self.filter.clone().unwrap_or_else(|_| Filter::Not(Box::new(Filter::All)))
    }
}

impl Place {
    pub(crate) fn new(path: String, period: Period, search: Option<&str>) -> Self {
        Self { path, period, choices: Vec::new(), search: Search::new(search) }
    }

    pub(crate) fn href(&self) -> String {
        self.href_of(self.period.word(), &self.search.text)
    }

    /// The same with another period.
    pub(crate) fn in_period(&self, word: &str) -> String {
        self.href_of(word, &self.search.text)
    }

    /// The same with a choice more, or another one.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut place = self.clone();
        place.choices.retain(|(known, _)| *known != name);
        place.choices.push((name, value.into()));
        place
    }

    /// Another page about the same crashes.
    pub(crate) fn at(&self, path: String) -> Self {
        Self { path, choices: Vec::new(), ..self.clone() }
    }

    /// The same with only the crashes that have a value, or none.
    pub(crate) fn narrowed(&self, dimension: &Dimension, value: Option<&str>) -> Option<String> {
        let filter = self.search.filter.clone().ok()?;
        let narrowed = epitaph_search::narrowed(filter, dimension, value);
        Some(self.href_of(self.period.word(), &epitaph_search::print(&narrowed)))
    }

    fn href_of(&self, period: &str, search: &str) -> String {
        let mut href = format!("{}?period={period}", self.path);
        let search = ("search", search.to_owned());
        let shown = self.choices.iter().chain([&search]).filter(|(_, value)| !value.is_empty());
        for (name, value) in shown {
            href.push_str(&format!("&{name}={}", encoded(value)));
        }
        href
    }

    pub(crate) fn search_box(&self, t: &Texts) -> SearchBox {
        let text = &self.search.text;
        let letters = |from: usize, to: usize| text.chars().take(to).skip(from).collect::<String>();
        let fault = self.search.filter.as_ref().err().map(|error| {
            let (from, to) = (error.range.start, error.range.end);
            let (before, after) = (letters(0, from), letters(to, usize::MAX));
            let mended = error.problem.suggestion().map(|meant| {
                let text = format!("{before}{meant}{after}");
                (self.href_of(self.period.word(), &text), text)
            });
            let message = (t.statistics.problem)(&error.problem);
            SearchFault { wrong: letters(from, to), before, after, message, mended }
        });
        SearchBox {
            action: self.path.clone(),
            text: text.clone(),
            hidden: [("period", self.period.word().to_owned())]
                .into_iter()
                .chain(self.choices.clone())
                .collect(),
            clear_href: (!text.is_empty()).then(|| self.href_of(self.period.word(), "")),
            fault,
        }
    }
}

/// A text as a value in an address's query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use epitaph_facts::Column;

    use super::*;
    use crate::texts::{ENGLISH, KOREAN};

    fn place(search: &str) -> Place {
        Place::new("/projects/1/issues".into(), Period::Week, Some(search)).with("order", "users")
    }

    #[test]
    fn a_page_keeps_what_was_chosen() {
        assert_eq!(
            place(r#"gpu:"RTX & 40*""#).in_period("24h"),
            "/projects/1/issues?period=24h&order=users&search=gpu%3A%22RTX%20%26%2040*%22"
        );
        let narrowed = place("has:user").narrowed(&Column::Country.into(), Some("KR"));
        assert_eq!(
            narrowed.as_deref(),
            Some("/projects/1/issues?period=7d&order=users&search=has%3Auser%20country%3AKR")
        );
    }

    #[test]
    fn a_search_that_is_not_understood_selects_nothing_and_says_where_it_is_wrong() {
        let place = place("os:Windows relaese:1.2");
        assert_eq!(place.search.filter(), Filter::Not(Box::new(Filter::All)));
        for texts in [&ENGLISH, &KOREAN] {
            let fault = place.search_box(texts).fault.unwrap();
            assert_eq!(
                (fault.before.as_str(), fault.wrong.as_str(), fault.after.as_str()),
                ("os:Windows ", "relaese", ":1.2")
            );
            assert!(fault.message.contains("release"), "{}", fault.message);
            assert_eq!(fault.mended.unwrap().1, "os:Windows release:1.2");
        }
        assert!(place.narrowed(&Column::Gpu.into(), None).is_none());
    }
}
