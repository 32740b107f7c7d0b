use std::{fmt, str::FromStr};

use http::Uri;
use thiserror::Error;

use super::allowance::split_host;

/// The URL under which clients reach a server, without the path of an endpoint: `https://mcp.example.com`, or
/// `https://example.com/tools` where a proxy has put it below a path.
///
/// It stays the text that was given, without a slash at its end: identifiers of resources are compared as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    /// Where the path begins.
    path_at: usize,
    /// Where the host begins.
    host_at: usize,
}

/// Why a text is no [`PublicUrl`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no public URL: {1}")]
pub struct InvalidPublicUrl(String, &'static str);

impl PublicUrl {
    /// The scheme, host and port: the origin of its pages.
    pub fn origin(&self) -> &str {
        &self.text[..self.path_at]
    }

    /// The host and, if the URL names one, the port.
    pub fn host(&self) -> &str {
        &self.text[self.host_at..self.path_at]
    }

    /// The path, which does not end with a slash; empty for a server at the root.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a request may name the host `name`, on any port: a proxy may have another one.
    pub(super) fn is_host(&self, name: &str) -> bool {
        split_host(self.host()).is_some_and(|(own, _)| own.eq_ignore_ascii_case(name))
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let invalid = |why| InvalidPublicUrl(text.to_owned(), why);
        let host_at = ["https://", "http://"].iter().find(|scheme| text.starts_with(**scheme));
        let host_at = host_at.ok_or_else(|| invalid("it must begin with https:// or http://"))?.len();
        if text.contains(['?', '#', '@']) {
            return Err(invalid("a user, a query and a fragment are not part of it"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            return Err(invalid("it has characters that no URL has"));
        }
        let text = text.trim_end_matches('/');
        let path_at =
            text.get(host_at..).and_then(|rest| rest.find('/')).map_or(text.len(), |at| host_at + at);
        let host = text.get(host_at..path_at).unwrap_or_default();
        if Uri::from_str(text).is_err() || split_host(host).is_none_or(|(name, _)| name.is_empty()) {
            return Err(invalid("it names no host"));
        }
        Ok(Self { text: text.to_owned(), path_at, host_at })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_stays_as_it_is_written() {
        for (text, origin, host, path) in [
            ("https://Mcp.example.com", "https://Mcp.example.com", "Mcp.example.com", ""),
            ("https://mcp.example.com/", "https://mcp.example.com", "mcp.example.com", ""),
            ("http://127.0.0.1:3020/a/b/", "http://127.0.0.1:3020", "127.0.0.1:3020", "/a/b"),
            ("http://[::1]:8", "http://[::1]:8", "[::1]:8", ""),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin(), url.host(), url.path()), (origin, host, path), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for text in [
            "",
            "mcp.example.com",
            "ftp://a",
            "https://",
            "https:///mcp",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a b",
            "https://a\"",
            "https://a:x",
            "https://ä",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
