//! The scopes that callers of resources need, by patterns of URIs.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use super::pattern::Pattern;

/// The scopes of the resources of a member. A URI needs those of every pattern that matches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResourceScopes(Vec<RequiredScope>);

/// A scope that the resources of a pattern need.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RequiredScope {
    pattern: Pattern,
    /// The pattern in the one spelling that those of a URI are compared with.
    plain: Pattern,
    /// What stands before the first `*` of the pattern, in this spelling.
    beginning: String,
    scope: String,
}

impl ResourceScopes {
    pub(super) fn require(&mut self, pattern: Pattern, scope: String) {
        let plain_form = |text: &str| plain(&decoded(text), true);
        let beginning = plain_form(before(pattern.as_str(), '*'));
        let plain = Pattern::new(plain_form(pattern.as_str()));
        self.0.push(RequiredScope { pattern, plain, beginning, scope });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes for the resource `uri`. Servers differ in which spellings of a URI they take for one, so it needs those of any
    /// spelling.
    pub(super) fn of_resource(&self, uri: &str) -> impl Iterator<Item = &str> {
        let spellings = if self.is_empty() { BTreeSet::new() } else { spellings(uri) };
        let matches = move |required: &&RequiredScope| {
            required.pattern.matches(uri) || spellings.iter().any(|spelling| required.plain.matches(spelling))
        };
        self.0.iter().filter(matches).map(|required| &*required.scope)
    }

    /// The scopes for completing a variable of `template`: those of every pattern that one of its resources may match.
    pub(super) fn of_template(&self, template: &str) -> impl Iterator<Item = &str> {
        let of_template = if self.is_empty() { BTreeSet::new() } else { spellings(before(template, '{')) };
        let may_match = move |required: &&RequiredScope| {
            let of_pattern = &required.beginning;
            of_template
                .iter()
                .any(|beginning| of_pattern.starts_with(beginning) || beginning.starts_with(of_pattern))
        };
        self.0.iter().filter(may_match).map(|required| &*required.scope)
    }
}

/// What stands before the first `end`.
fn before(text: &str, end: char) -> &str {
    text.split(end).next().unwrap_or_default()
}

/// All that servers may take a URI for: decoded or not, with or without its query and fragment, its dot segments removed or kept.
fn spellings(uri: &str) -> BTreeSet<String> {
    // WHATWG URL Standard §4.4: "Remove all ASCII tab or newline from input."
    let mut text: String = uri.chars().filter(|char| !char.is_ascii_control()).collect();
    let mut all = BTreeSet::new();
    for _ in 0..=DECODED {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        for part in [&*text, path] {
            all.extend([plain(part, true), plain(part, false)]);
        }
        let next = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    all
}

/// A URI without percent-encoding. Some servers decode twice what is encoded twice.
fn decoded(uri: &str) -> String {
    (0..DECODED).fold(uri.to_owned(), |text, _| percent_decode_str(&text).decode_utf8_lossy().into_owned())
}

/// A URI in lower case, without empty segments and what its authority may leave out; and without dot segments, if `removes_dots`.
fn plain(uri: &str, removes_dots: bool) -> String {
    let text = uri.to_lowercase().replace('\\', "/");
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}:"), without_authority_parts(scheme, rest)),
        None => (String::new(), text.clone()),
    };
    let mut segments = vec![&*scheme];
    segments.retain(|scheme| !scheme.is_empty());
    for segment in rest.split('/') {
        match segment {
            "" => {}
            "." if removes_dots => {}
            // The scheme stays.
            ".." if removes_dots && segments.len() > 1 => _ = segments.pop(),
            ".." if removes_dots => {}
            segment => segments.push(segment),
        }
    }
    // A folder is not the file of its name.
    let end = if rest.ends_with('/') { "/" } else { "" };
    segments.join("/") + end
}

/// What follows `://`, without user, port, a dot at the host's end, and the host of files of this machine (RFC 8089 §2: "localhost").
fn without_authority_parts(scheme: &str, rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let without_port = host.trim_end_matches(|char: char| char.is_ascii_digit()).strip_suffix(':');
    let host = without_port.unwrap_or(host).trim_end_matches('.');
    if scheme == "file" && host == "localhost" { path.to_owned() } else { format!("{host}{path}") }
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
            "file:///s%65cret/a?/../../open",
            "file:///s%65cret/a#/../../open",
            "file://localhost/secret/a",
            "file:///sec\tret/a",
            "file:///SECRET/",
            "file:///s%65cret/%252e%252e/x",
        ] {
            assert_eq!(scopes().of_resource(uri).collect::<Vec<_>>(), ["secret"], "{uri}");
        }
        assert_eq!(scopes().of_resource("file:///plans.txt").collect::<Vec<_>>(), ["plans"]);
        assert_eq!(scopes().of_resource("file:///open/secret").count(), 0);
        assert_eq!(scopes().of_resource("file:///secrets").count(), 0);
    }

    #[test]
    fn a_host_is_the_same_with_a_user_a_port_or_a_dot() {
        let mut scopes = ResourceScopes::default();
        scopes.require(Pattern::new("https://host.example/secret/*"), "secret".into());
        for host in
            ["host.example", "host.example:443", "u:p@HOST.example", "host.example.", "u@host.example.:443"]
        {
            let uri = format!("https://{host}/secret/a");
            assert_eq!(scopes.of_resource(&uri).collect::<Vec<_>>(), ["secret"], "{uri}");
        }
        assert_eq!(scopes.of_resource("https://host.example2/secret/a").count(), 0);
        assert_eq!(scopes.of_template("https://{host}/secret/a").count(), 1);
        assert_eq!(scopes.of_template("https://host.example:{port}/secret/a").count(), 1);
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
