//! The URIs of members, as clients see them: each begins with the alias of its member, unless the member keeps its names.
//!
//! URIs "are unique within the context of the server" alone, so two members may have the same one.

use anyport_protocol::Raw;
use bytestring::ByteString;

/// What the URIs of one member begin with for clients.
///
/// | URI of the member | for clients |
/// |---|---|
/// | `file:///a` | `ALIAS+file:///a` |
/// | `ui://panel` | `ui://ALIAS/panel` |
/// | `https://example.org/a` | the same: clients may fetch it themselves |
/// | any, of a member that keeps its names | the same |
///
/// 2026-07-28, server/resources §Common URI Schemes: `https://` is for resources that "the client is able to fetch and load
/// directly from the web on its own". RFC 3986 §3.1 allows letters, digits, `+`, `-` and `.` in a scheme, so that
/// `ALIAS+file` is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct UriAlias {
    alias: ByteString,
    /// Whether URIs stay as they are.
    keeps: bool,
}

const UI: &str = "ui://";

impl UriAlias {
    /// The alias of the member called `name`: in lower case, with `-` for what a scheme cannot have.
    pub(super) fn of(name: &str) -> Self {
        let mut alias: String = name
            .chars()
            .map(|letter| match letter.to_ascii_lowercase() {
                letter @ ('a'..='z' | '0'..='9' | '-' | '.') => letter,
                _ => '-',
            })
            .collect();
        if !alias.starts_with(|first: char| first.is_ascii_lowercase()) {
            alias.insert(0, 'm');
        }
        Self { alias: alias.into(), keeps: false }
    }

    /// The same alias for a member whose URIs stay as they are.
    pub(super) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// Whether URIs stay as they are.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// The same alias with a number, since another member has it.
    pub(super) fn numbered(&self, number: usize) -> Self {
        Self { alias: format!("{}-{number}", self.alias).into(), keeps: self.keeps }
    }

    /// The alias.
    pub(super) fn as_str(&self) -> &str {
        &self.alias
    }

    /// What clients call the member's URI, or URI template, `own`.
    pub(super) fn exposed(&self, own: &str) -> String {
        if self.keeps || is_web(own) {
            return own.to_owned();
        }
        match own.strip_prefix(UI) {
            Some(rest) => format!("{UI}{}/{rest}", self.alias),
            None => format!("{}+{own}", self.alias),
        }
    }

    /// The same as JSON; `None` if it is what the member calls it.
    pub(super) fn exposed_json(&self, own: &str) -> Option<Raw> {
        (!self.keeps && !is_web(own)).then(|| Raw::string(&self.exposed(own)))
    }
}

/// The alias in a URI that a client has, and what the member with this alias calls it.
pub(super) fn resolve(uri: &str) -> Option<(&str, String)> {
    if let Some(rest) = uri.strip_prefix(UI) {
        let (alias, rest) = rest.split_once('/')?;
        return Some((alias, format!("{UI}{rest}")));
    }
    let (alias, own) = uri.split_once('+')?;
    Some((alias, own.to_owned()))
}

/// Whether clients may fetch `uri` without us.
pub(super) fn is_web(uri: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_clients_call_a_uri_leads_back_to_it(name in "\\PC{0,20}", own in "\\PC{0,60}") {
            let alias = UriAlias::of(&name);
            prop_assume!(!is_web(&own));
            let exposed = alias.exposed(&own);
            prop_assert_eq!(resolve(&exposed), Some((alias.as_str(), own)));
            let scheme = alias.as_str();
            prop_assert!(scheme.starts_with(|first: char| first.is_ascii_lowercase()));
            prop_assert!(scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)));
        }
    }

    #[test]
    fn each_kind_of_uri_has_its_form() {
        let files = UriAlias::of("My Files");
        let cases = [
            ("file:///a", "my-files+file:///a"),
            ("git+ssh://host/a", "my-files+git+ssh://host/a"),
            ("ui://panel/main", "ui://my-files/panel/main"),
            ("{+path}", "my-files+{+path}"),
            ("https://example.org", "https://example.org"),
            ("HTTP://example.org", "HTTP://example.org"),
        ];
        for (own, exposed) in cases {
            assert_eq!(files.exposed(own), exposed);
        }
        assert_eq!(UriAlias::of("7zip").as_str(), "m7zip");
        assert_eq!(files.numbered(2).as_str(), "my-files-2");
        let keeping = files.clone().keeping();
        assert_eq!(
            (keeping.exposed("ui://a"), keeping.exposed_json("file:///a")),
            ("ui://a".to_owned(), None)
        );
        assert_eq!(resolve("file:///a"), None);
    }
}
