//! Who asks, in which language, and by which name of this server.

use std::collections::HashMap;

use axum::{
    extract::Query,
    http::{
        HeaderMap, Uri,
        header::{ACCEPT_LANGUAGE, COOKIE},
    },
};

use crate::{
    session::cookie,
    texts::{ENGLISH, KOREAN, Texts},
};

const LANGUAGE_COOKIE: &str = "epitaph-language";
const THEME_COOKIE: &str = "epitaph-theme";
const A_YEAR: u32 = 365 * 24 * 60 * 60;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Korean,
}

impl Language {
    /// As in HTML's `lang`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// Its own name for itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Korean => "한국어",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Language::English => Language::Korean,
            Language::Korean => Language::English,
        }
    }

    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Language::English => &ENGLISH,
            Language::Korean => &KOREAN,
        }
    }

    fn parse(code: &str) -> Option<Self> {
        let main = code.split(['-', '_']).next().unwrap_or_default();
        [Language::English, Language::Korean]
            .into_iter()
            .find(|language| main.eq_ignore_ascii_case(language.code()))
    }

    /// The best of an `Accept-Language` header, such as `ko-KR,ko;q=0.9,en;q=0.8`.
    fn accepted(header: &str) -> Option<Self> {
        let mut best = None;
        let mut best_weight = 0.0;
        for item in header.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let language = parts.next().and_then(Self::parse);
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            if let (Some(language), Ok(weight)) = (language, weight)
                && weight > best_weight
            {
                best = Some(language);
                best_weight = weight;
            }
        }
        best
    }
}

/// A choice of colours against the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    fn parse(code: &str) -> Option<Self> {
        [Theme::Light, Theme::Dark].into_iter().find(|theme| theme.code() == code)
    }
}

/// What a request says of the one who sent it.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) language: Language,
    /// `None`: as the system is.
    pub(crate) theme: Option<Theme>,
    /// The host and port that the request named; checked.
    pub(crate) host: String,
    /// Whether a token or a session came along.
    pub(crate) signed_in: bool,
    /// The path and query that were asked for.
    pub(crate) uri: Uri,
    choices: Vec<String>,
}

impl Visitor {
    pub(crate) fn new(uri: &Uri, headers: &HeaderMap, host: String, signed_in: bool) -> Self {
        let query =
            Query::<HashMap<String, String>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
        let cookies = header(headers, &COOKIE);
        let asked_language = query.get("lang").and_then(|code| Language::parse(code));
        let asked_theme = query.get("theme").and_then(|code| Theme::parse(code));
        let language = asked_language
            .or_else(|| cookie(cookies, LANGUAGE_COOKIE).and_then(Language::parse))
            .or_else(|| Language::accepted(header(headers, &ACCEPT_LANGUAGE)))
            .unwrap_or(Language::English);
        let choices = [
            asked_language.map(|language| (LANGUAGE_COOKIE, language.code())),
            asked_theme.map(|theme| (THEME_COOKIE, theme.code())),
        ];
        Self {
            language,
            theme: asked_theme.or_else(|| cookie(cookies, THEME_COOKIE).and_then(Theme::parse)),
            host,
            signed_in,
            uri: uri.clone(),
            choices: choices
                .into_iter()
                .flatten()
                .map(|(name, code)| format!("{name}={code}; Path=/; Max-Age={A_YEAR}; SameSite=Lax"))
                .collect(),
        }
    }

    pub(crate) fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// The `Set-Cookie` headers that keep what was chosen with `?lang=` and `?theme=`.
    pub(crate) fn choices(&self) -> &[String] {
        &self.choices
    }

    /// This page again, with one thing chosen otherwise. A token in the address does not come along.
    pub(crate) fn href_with(&self, name: &str, value: &str) -> String {
        let kept = |pair: &&str| {
            let given = pair.split('=').next().unwrap_or_default();
            !given.is_empty() && given != name && given != "token"
        };
        let query: Vec<&str> = self.uri.query().unwrap_or_default().split('&').filter(kept).collect();
        let pair = format!("{name}={value}");
        let query: Vec<&str> = query.into_iter().chain([pair.as_str()]).collect();
        format!("{}?{}", self.uri.path(), query.join("&"))
    }
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(uri: &'static str, headers: &[(axum::http::HeaderName, &str)]) -> Visitor {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Visitor::new(&Uri::from_static(uri), &headers, "localhost".into(), false)
    }

    #[test]
    fn the_language_is_asked_for_or_remembered_or_accepted() {
        let accepts = (ACCEPT_LANGUAGE, "fr, en-GB;q=0.5, ko-KR;q=0.9");
        let remembers = (COOKIE, "a=b; epitaph-language=en");
        assert_eq!(visitor("/", &[]).language, Language::English);
        assert_eq!(visitor("/", &[(ACCEPT_LANGUAGE, "fr,de")]).language, Language::English);
        assert_eq!(visitor("/", std::slice::from_ref(&accepts)).language, Language::Korean);
        assert_eq!(visitor("/", &[accepts.clone(), remembers.clone()]).language, Language::English);
        let asked = visitor("/?lang=ko", &[accepts, remembers]);
        assert_eq!(asked.language, Language::Korean);
        assert!(asked.choices()[0].starts_with("epitaph-language=ko; "));
    }

    #[test]
    fn a_switch_leads_to_the_same_page_without_the_token() {
        let visitor = visitor("/projects/1/issues?period=24h&lang=en&token=secret", &[]);
        assert_eq!(visitor.href_with("lang", "ko"), "/projects/1/issues?period=24h&lang=ko");
    }
}
