//! The browser of a user: what binds an interaction to it, and who has signed in to it.

use std::sync::Arc;

use anyport_store::{Bucket, Collection, Error as StoreError, Store};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{
    error::ServerError,
    limits::AuthorizationServerLimits,
    token_text::{hash, random_text},
    user::User,
};
use crate::secret::Secret;

/// Who is signed in to which browser, by the hash of its cookie.
pub static BROWSER_SESSIONS: Bucket = Bucket::new("browser-session").max_bytes(64 << 20);

/// A browser, which a cookie names. Pages, scripts and other sites cannot read the cookie.
#[derive(Clone, Debug)]
pub struct Browser {
    id: Secret,
    is_new: bool,
    cookies: Cookies,
}

/// How cookies are named and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookies {
    /// Whether pages of ours are reached over TLS. `__Host-` cookies need it, and only on loopback do without.
    pub(super) is_secure: bool,
}

/// The browser's own id.
const BROWSER: &str = "anyport-browser";
/// The session of the user who has signed in.
const SESSION: &str = "anyport-session";
/// The longest value of a cookie that is looked at.
const LONGEST: usize = 100;

impl Cookies {
    /// The value of our cookie `name`; `None` if there are several of this name, as another host of the domain may have set one.
    fn value(self, headers: &HeaderMap, name: &str) -> Option<Secret> {
        let name = self.name(name);
        let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
        let (Some(value), None) = (ours.next(), ours.next()) else { return None };
        (!value.is_empty() && value.len() <= LONGEST).then(|| Secret::new(value))
    }

    /// RFC 6265bis §4.1.3.2: a cookie whose name begins with `__Host-` was set by this very host, over TLS, for all its paths.
    fn name(self, name: &str) -> String {
        if self.is_secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// A header that sets a cookie. `Lax`: the redirect of an identity provider brings it, a form of another site does not.
    fn set(self, name: &str, value: &Secret, max_age: Option<u64>) -> Option<HeaderValue> {
        let mut cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.name(name), value.expose());
        if self.is_secure {
            cookie.push_str("; Secure");
        }
        if let Some(seconds) = max_age {
            cookie.push_str(&format!("; Max-Age={seconds}"));
        }
        let mut value = HeaderValue::from_str(&cookie).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Browser {
    /// The browser of a request, or a new id for one that has none.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn of(headers: &HeaderMap, cookies: Cookies) -> Result<Self, ServerError> {
        Ok(match Self::known(headers, cookies) {
            Some(known) => known,
            None => Self { id: random_text()?, is_new: true, cookies },
        })
    }

    /// The browser of a request that has an id.
    pub(super) fn known(headers: &HeaderMap, cookies: Cookies) -> Option<Self> {
        Some(Self { id: cookies.value(headers, BROWSER)?, is_new: false, cookies })
    }

    /// What is stored of a browser to know it again.
    pub fn hash(&self) -> String {
        hash(self.id.expose())
    }

    /// Whether it is the browser with this hash.
    pub fn is(&self, stored: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored.as_bytes()).into()
    }

    /// A token for a form of this browser, which no other site knows. `purpose` says which form.
    pub fn form_token(&self, purpose: &str) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.id.expose().as_bytes());
        Secret::new(HEXLOWER.encode(hmac::sign(&key, purpose.as_bytes()).as_ref()))
    }

    /// Whether a form of this browser has the token of its purpose.
    pub fn accepts(&self, purpose: &str, token: &str) -> bool {
        self.form_token(purpose) == Secret::new(token)
    }

    /// Has the browser keep its id, if it is new.
    pub fn remember(&self, headers: &mut HeaderMap) {
        if self.is_new
            && let Some(cookie) = self.cookies.set(BROWSER, &self.id, None)
        {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

/// How the browser has come to a page (Fetch Metadata §2.4).
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a form comes from a page of ours, as far as the browser says so.
pub(crate) fn is_of_our_page(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin")
}

/// A user who is signed in to a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignedIn {
    pub(super) user: User,
}

/// The sessions of browsers.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    records: Collection<SignedIn>,
    limits: AuthorizationServerLimits,
    cookies: Cookies,
}

const FORMAT: u8 = 1;

impl Sessions {
    pub(super) fn new(store: Arc<dyn Store>, limits: AuthorizationServerLimits, cookies: Cookies) -> Self {
        Self { records: Collection::new(store, &BROWSER_SESSIONS, FORMAT), limits, cookies }
    }

    /// The user who is signed in.
    pub(super) async fn user(&self, headers: &HeaderMap) -> Result<Option<User>, ServerError> {
        let Some(session) = self.cookies.value(headers, SESSION) else { return Ok(None) };
        match self.records.get(&hash(session.expose())).await {
            Err(StoreError::Unreadable) => Ok(None),
            found => Ok(found?.map(|record| record.value.user)),
        }
    }

    /// Signs `user` in to the browser that gets `headers`, with a new session: none that was there before goes on.
    pub(super) async fn begin(&self, user: &User, headers: &mut HeaderMap) -> Result<(), ServerError> {
        let (session, life) = (random_text()?, self.limits.browser_session);
        let record = SignedIn { user: user.clone() };
        self.records.insert(&hash(session.expose()), &record, Some(life)).await?;
        if let Some(cookie) = self.cookies.set(SESSION, &session, Some(life.as_secs())) {
            headers.append(header::SET_COOKIE, cookie);
        }
        Ok(())
    }

    /// Ends the session of the browser that has sent `headers`, and has it forget the cookie by those of the `response`.
    pub(super) async fn end(&self, headers: &HeaderMap, response: &mut HeaderMap) -> Result<(), ServerError> {
        if let Some(session) = self.cookies.value(headers, SESSION) {
            self.records.remove(&hash(session.expose())).await?;
        }
        if let Some(cookie) = self.cookies.set(SESSION, &Secret::new(""), Some(0)) {
            response.append(header::SET_COOKIE, cookie);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_browser_is_known_by_its_own_cookie_alone() {
        let secure = Cookies { is_secure: true };
        let new = Browser::of(&HeaderMap::new(), secure).unwrap();
        let mut headers = HeaderMap::new();
        new.remember(&mut headers);
        let cookie = headers[header::SET_COOKIE].to_str().unwrap().to_owned();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Secure");
        assert!(pair.starts_with("__Host-anyport-browser="), "{pair}");
        let known = Browser::known(&with(&format!("a=b; {pair}")), secure).unwrap();
        assert!(known.is(&new.hash()) && known.accepts("x", new.form_token("x").expose()));
        assert!(!known.accepts("y", new.form_token("x").expose()));
        // A host of the same domain can set cookies without the prefix, and a second one of the same name.
        for bad in [&pair["__Host-".len()..], &format!("{pair}; {pair}"), "__Host-anyport-browser=", ""] {
            assert!(Browser::known(&with(bad), secure).is_none(), "{bad}");
        }
        assert!(Browser::known(&with("anyport-browser=x"), Cookies { is_secure: false }).is_some());
    }
}
