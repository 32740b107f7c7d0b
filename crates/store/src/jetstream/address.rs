//! Where the servers are, and who we are to them.

use std::{fmt, str::FromStr};

use async_nats::{ConnectOptions, ServerAddr};

/// The servers of a cluster, from one URL: `nats://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]`, or `tls://`.
///
/// A user without a password is a token. It is not shown with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    user: Option<User>,
    hosts: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Nats,
    Tls,
}

#[derive(Clone, PartialEq, Eq)]
enum User {
    Password { name: String, password: String },
    Token(String),
}

/// Why a text is no [`Address`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAddress(&'static str);

const FORM: InvalidAddress =
    InvalidAddress("expected nats://HOST:PORT or tls://HOST:PORT, with further ones after a comma");

impl Address {
    /// Sets the user and the password, instead of those of the URL.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(User::Password { name: name.into(), password: password.into() });
        self
    }

    /// Sets a token, instead of the user of the URL.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.user = Some(User::Token(token.into()));
        self
    }

    /// The password or the token, for what covers secrets in texts.
    pub fn secret(&self) -> Option<&str> {
        match &self.user {
            Some(User::Password { password, .. }) => Some(password),
            Some(User::Token(token)) => Some(token),
            None => None,
        }
    }

    /// Whether everything goes over TLS.
    pub fn is_over_tls(&self) -> bool {
        self.scheme == Scheme::Tls
    }

    pub(super) fn servers(&self) -> Result<Vec<ServerAddr>, InvalidAddress> {
        let scheme = self.scheme.name();
        let parsed = self.hosts.iter().map(|host| format!("{scheme}://{host}").parse());
        parsed.collect::<Result<_, _>>().map_err(|_| FORM)
    }

    pub(super) fn options(&self) -> ConnectOptions {
        let options = ConnectOptions::new().require_tls(self.scheme == Scheme::Tls);
        match &self.user {
            Some(User::Password { name, password }) => {
                options.user_and_password(name.clone(), password.clone())
            }
            Some(User::Token(token)) => options.token(token.clone()),
            None => options,
        }
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Tls => "tls",
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(url: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
        let scheme = match scheme {
            "nats" => Scheme::Nats,
            "tls" => Scheme::Tls,
            _ => return Err(FORM),
        };
        let (user, hosts) = match rest.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, rest),
        };
        let user = user.map(|user| match user.split_once(':') {
            Some((name, password)) => User::Password { name: decoded(name), password: decoded(password) },
            None => User::Token(decoded(user)),
        });
        let hosts: Vec<_> =
            hosts.trim_end_matches('/').split(',').map(|host| host.trim().to_owned()).collect();
        if hosts.iter().any(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            return Err(FORM);
        }
        let address = Self { scheme, user, hosts };
        address.servers()?;
        Ok(address)
    }
}

/// Reads `%XX` in a user or a password, which cannot hold `@` or `:` otherwise.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.hosts.join(","))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers_and_shows_no_password() {
        let address: Address = "nats://me:s%40cret@one:4222,two:4223".parse().unwrap();
        assert_eq!(address.to_string(), "nats://one:4222,two:4223");
        assert!(!format!("{address:?}").contains("s@cret"));
        assert!(address.user == Some(User::Password { name: "me".into(), password: "s@cret".into() }));
        let servers = address.servers().unwrap();
        assert_eq!((servers.len(), servers[1].host(), servers[1].port()), (2, "two", 4223));
        let address: Address = "tls://token@[::1]:4222".parse().unwrap();
        assert!(address.user == Some(User::Token("token".into())));
        assert_eq!(address.servers().unwrap()[0].host(), "::1");
    }

    #[test]
    fn other_urls_are_refused() {
        for url in
            ["", "nats://", "nats://a,,b", "http://a", "a:4222", "nats://a/path", "nats://a:port", "ws://a"]
        {
            assert!(url.parse::<Address>().is_err(), "{url}");
        }
    }
}
