//! Who may look: the token, and the sessions that it opens.
//!
//! A session is a cookie whose value is its end and an HMAC of it under the session secret and the token, so that
//! nothing needs to be kept, any instance can check it, and a new token ends all sessions.
//!
//! The cookie is `SameSite=Lax`. `Strict` would keep it back on every navigation that begins at another site: a link to
//! a crash in a chat or an issue tracker would ask for the token again, and so would a login link opened from a web
//! mail, whose redirect the browser still counts as theirs. `Lax` sends it with top-level GET navigations only, which
//! change nothing here; requests that do change something check their origin besides (see [`crate::door`]).

use epitaph_crash_model::Timestamp;
use epitaph_secrets::Secret;

/// Seconds that a session lasts.
const LIFETIME: i64 = 30 * 24 * 60 * 60;

/// Checks tokens and sessions.
pub(crate) struct Sessions {
    secret: Secret,
    token: String,
    cookie: String,
    secure: bool,
}

impl Sessions {
    /// `secure`: people reach the pages by https.
    pub(crate) fn new(secret: Secret, token: String, secure: bool) -> Self {
        // Browsers do not keep ports apart: two installations on one machine would sign each other out if their
        // cookies had one name. The prefix `__Host-` makes a browser refuse it from subdomains and over http.
        let mut tag = secret.sign("name of the session cookie");
        tag.truncate(8);
        let prefix = if secure { "__Host-" } else { "" };
        Self { cookie: format!("{prefix}epitaph-{tag}"), secret, token, secure }
    }

    /// Whether this is the token, in a time that tells nothing of it.
    pub(crate) fn is_token(&self, given: &str) -> bool {
        self.secret.verify(&format!("token {}", self.token), &self.secret.sign(&format!("token {given}")))
    }

    /// Whether a `Cookie` header holds an open session.
    pub(crate) fn is_open(&self, cookies: &str, now: Timestamp) -> bool {
        cookie(cookies, &self.cookie).is_some_and(|value| self.is_session(value, now))
    }

    fn is_session(&self, value: &str, now: Timestamp) -> bool {
        let Some((end, signature)) = value.split_once('.') else { return false };
        let Ok(end_number) = end.parse::<i64>() else { return false };
        self.secret.verify(&self.signed(end), signature) && now.as_millis() / 1000 < end_number
    }

    fn signed(&self, end: &str) -> String {
        format!("session until {end} by {}", self.token)
    }

    /// The `Set-Cookie` header that opens a session.
    pub(crate) fn open(&self, now: Timestamp) -> String {
        let end = (now.as_millis() / 1000 + LIFETIME).to_string();
        let signature = self.secret.sign(&self.signed(&end));
        self.set_cookie(&format!("{end}.{signature}"), LIFETIME)
    }

    /// The `Set-Cookie` header that makes a browser forget its session.
    pub(crate) fn close(&self) -> String {
        self.set_cookie("", 0)
    }

    fn set_cookie(&self, value: &str, seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.cookie)
    }
}

/// The value of one cookie in a `Cookie` header.
pub(crate) fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|pair| pair.0 == name)
        .map(|pair| pair.1)
}

#[cfg(test)]
mod tests {
    use epitaph_secrets::{Purpose, RootSecret};

    use super::*;

    fn sessions(token: &str, secure: bool) -> Sessions {
        let secret = RootSecret::new("an example of a root secret").unwrap().derive(Purpose::Session);
        Sessions::new(secret, token.to_owned(), secure)
    }

    fn pair(set_cookie: &str) -> String {
        set_cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_is_open_until_its_end() {
        let (sessions, now) = (sessions("a token", false), Timestamp::now());
        let cookie = pair(&sessions.open(now));
        assert!(sessions.is_open(&cookie, now));
        assert!(sessions.is_open(&format!("other=1; {cookie}"), now.plus_millis((LIFETIME - 1) * 1000)));
        assert!(!sessions.is_open(&cookie, now.plus_millis(LIFETIME * 1000)));
        assert!(!sessions.is_open(&pair(&sessions.close()), now));
    }

    #[test]
    fn a_session_whose_end_was_moved_is_none() {
        let (sessions, now) = (sessions("a token", false), Timestamp::now());
        let cookie = pair(&sessions.open(now));
        let (name, value) = cookie.split_once('=').unwrap();
        let (end, signature) = value.split_once('.').unwrap();
        let later = end.parse::<i64>().unwrap() + 1;
        assert!(!sessions.is_open(&format!("{name}={later}.{signature}"), now));
        assert!(!sessions.is_open(&format!("{name}={end}."), now));
        assert!(!sessions.is_open(&format!("{name}={end}"), now));
    }

    #[test]
    fn a_new_token_ends_the_sessions_of_the_old_one() {
        let now = Timestamp::now();
        let cookie = pair(&sessions("the old token", false).open(now));
        assert!(sessions("the old token", false).is_open(&cookie, now));
        assert!(!sessions("the new token", false).is_open(&cookie, now));
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let sessions = sessions("0123456789abcdef", false);
        assert!(sessions.is_token("0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef ", "0123456789ABCDEF"] {
            assert!(!sessions.is_token(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_session_over_https_is_kept_from_http() {
        let cookie = sessions("a token", true).open(Timestamp::now());
        assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), "{cookie}");
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    }
}
