//! The scopes that callers of resources need, by patterns of URIs.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::pattern::Pattern;

/// The scopes of the resources of a member. A URI needs those of every pattern that matches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResourceScopes(Vec<(Pattern, String)>);

impl ResourceScopes {
    pub(super) fn require(&mut self, pattern: Pattern, scope: String) {
        self.0.push((pattern, scope));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes for the resource `uri`. Servers differ in which spellings of a URI they take for one, so it needs those of any
    /// spelling.
    pub(super) fn of_resource(&self, uri: &str) -> impl Iterator<Item = &str> {
        let plain = if self.is_empty() { Cow::Borrowed(uri) } else { Cow::Owned(plain(uri)) };
        let matches = move |pattern: &Pattern| {
            pattern.matches(uri) || Pattern::new(self::plain(pattern.as_str())).matches(&plain)
        };
        self.0.iter().filter(move |(pattern, _)| matches(pattern)).map(|(_, scope)| &**scope)
    }

    /// The scopes for completing a variable of `template`: those of every pattern that one of its resources may match.
    pub(super) fn of_template(&self, template: &str) -> impl Iterator<Item = &str> {
        let literal = |text: &str, end: char| plain(text.split(end).next().unwrap_or_default());
        let of_template = if self.is_empty() { String::new() } else { literal(template, '{') };
        let may_match = move |pattern: &Pattern| {
            let of_pattern = literal(pattern.as_str(), '*');
            of_pattern.starts_with(&of_template) || of_template.starts_with(&of_pattern)
        };
        self.0.iter().filter(move |(pattern, _)| may_match(pattern)).map(|(_, scope)| &**scope)
    }
}

/// One spelling of a URI for all that servers may take for the same: decoded, in lower case, without dot segments and empty ones.
fn plain(uri: &str) -> String {
    let mut text = uri.to_owned();
    // What is encoded twice is decoded twice by some.
    for _ in 0..DECODED {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    let text = text.to_lowercase().replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            // The scheme stays.
            ".." if segments.len() > 1 => _ = segments.pop(),
            ".." => {}
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

/// How often a URI is decoded.
const DECODED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> ResourceScopes {
        let mut scopes = ResourceScopes::default();
        scopes.require(Pattern::new("file:///secret/*"), "secret".into());
        scopes.require(Pattern::new("file:///Plans.txt"), "plans".into());
        scopes
    }

    #[test]
    fn another_spelling_of_a_uri_needs_the_same_scopes() {
        for uri in [
            "file:///secret/a",
            "FILE:///secret/a",
            "file:///SECRET/a",
            "file:///s%65cret/a",
            "file:///s%2565cret/a",
            "file:///x/../secret/a",
            "file:///x/%2e%2e/secret/a",
            "file:///./secret//a",
            "file:///secret\\a",
            "file:/secret/a",
        ] {
            assert_eq!(scopes().of_resource(uri).collect::<Vec<_>>(), ["secret"], "{uri}");
        }
        assert_eq!(scopes().of_resource("file:///plans.txt").collect::<Vec<_>>(), ["plans"]);
        assert_eq!(scopes().of_resource("file:///open/secret").count(), 0);
        assert_eq!(scopes().of_resource("file:///secrets").count(), 0);
    }

    #[test]
    fn a_template_needs_the_scopes_of_what_it_may_become() {
        for (template, expected) in [
            ("file:///{path}", 2),
            ("file:///secret/{name}", 1),
            ("file:///sec{rest}", 1),
            ("file:///open/{name}", 0),
        ] {
            assert_eq!(scopes().of_template(template).count(), expected, "{template}");
        }
    }
}
