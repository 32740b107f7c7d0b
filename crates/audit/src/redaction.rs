use std::{borrow::Cow, fmt, sync::Arc};

use serde_json::Value;

/// What is recorded of arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arguments {
    /// Nothing.
    None,
    /// All but the values of members that may be secret.
    #[default]
    Redacted,
    /// All but the secrets of this program itself.
    Full,
}

/// What records do not show.
#[derive(Clone)]
pub struct Redaction {
    arguments: Arguments,
    /// The names of members whose values are hidden.
    members: Arc<[String]>,
    is_secret: fn(&str) -> bool,
    cover: fn(&str) -> Cow<'_, str>,
}

/// Stands for what is hidden.
pub(crate) const HIDDEN: &str = "<hidden>";
/// The longest text of a client in characters: its name, a method, a name, a URI.
const LONGEST: usize = 1_024;
/// The bytes of such a text that are looked at.
const READ: usize = 8 << 10;

/// `text`, or its beginning.
fn beginning(text: Cow<'_, str>, bytes: usize) -> Cow<'_, str> {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

impl Default for Redaction {
    fn default() -> Self {
        Self {
            arguments: Arguments::default(),
            members: [].into(),
            is_secret: |_| false,
            cover: |text| Cow::Borrowed(text),
        }
    }
}

impl Redaction {
    /// Records so much of arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: Arguments) -> Self {
        self.arguments = arguments;
        self
    }

    /// Hides the values of members of these names, at every depth. Upper and lower case do not differ.
    #[must_use]
    pub fn members(mut self, members: impl IntoIterator<Item = String>) -> Self {
        self.members = members.into_iter().collect();
        self
    }

    /// Hides the values of members, and of parameters in URIs, whose names `is_secret` says may have a secret.
    #[must_use]
    pub fn secret_names(mut self, is_secret: fn(&str) -> bool) -> Self {
        self.is_secret = is_secret;
        self
    }

    /// Passes every text through `cover`, which covers the secrets that the program knows.
    #[must_use]
    pub fn known_secrets(mut self, cover: fn(&str) -> Cow<'_, str>) -> Self {
        self.cover = cover;
        self
    }

    /// Whether arguments are recorded at all.
    pub(crate) fn records_arguments(&self) -> bool {
        self.arguments != Arguments::None
    }

    /// A text in which what the program knows as secret is covered.
    pub(crate) fn cover<'t>(&self, text: &'t str) -> Cow<'t, str> {
        (self.cover)(text)
    }

    /// A text of a client without what is called secret in a URI, and without what the program knows as secret; or its beginning.
    pub(crate) fn text<'t>(&self, text: impl Into<Cow<'t, str>>) -> Cow<'t, str> {
        let mut text = beginning(text.into(), READ);
        // Names seldom have a colon, which is soon known.
        if memchr::memchr(b':', text.as_bytes()).is_some()
            && let Some((scheme, rest)) = text.split_once("://")
        {
            text = Cow::Owned(self.uri(scheme, rest));
        }
        if let Cow::Owned(covered) = (self.cover)(&text) {
            text = Cow::Owned(covered);
        }
        // Only now: a part of a secret would not be found.
        match text.len() > LONGEST {
            true => match text.char_indices().nth(LONGEST) {
                Some((end, _)) => beginning(text, end),
                None => text,
            },
            false => text,
        }
    }

    /// A URI without the user's password and without the values of parameters that may be secret.
    fn uri(&self, scheme: &str, rest: &str) -> String {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let authority = match authority.rsplit_once('@') {
            Some((_, host)) => format!("{HIDDEN}@{host}"),
            None => authority.to_owned(),
        };
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let pairs = query.split_inclusive(['?', '&']).map(|pair| match pair.split_once('=') {
            Some((name, value)) if self.hides(name) => {
                let end = if value.ends_with('&') { "&" } else { "" };
                Cow::Owned(format!("{name}={HIDDEN}{end}"))
            }
            _ => Cow::Borrowed(pair),
        });
        format!("{scheme}://{authority}{path}{}", pairs.collect::<String>())
    }

    /// `value` without what is hidden.
    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String((self.cover)(&text).into_owned()),
            Value::Array(list) => list.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(object) => {
                let members = object.into_iter().map(|(name, value)| match self.hides(&name) {
                    true => (name, Value::String(HIDDEN.to_owned())),
                    // A server may have a secret as a name as well.
                    false => ((self.cover)(&name).into_owned(), self.value(value)),
                });
                Value::Object(members.collect())
            }
            value => value,
        }
    }

    /// Whether the value of a member of this name is hidden.
    pub(crate) fn hides(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.eq_ignore_ascii_case(name))
            || (self.arguments != Arguments::Full && (self.is_secret)(name))
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction")
            .field("arguments", &self.arguments)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn redaction() -> Redaction {
        Redaction::default()
            .members(["Iban".to_owned()])
            .secret_names(|name| name.contains("token"))
            .known_secrets(|text| match text.contains("canary") {
                true => Cow::Owned(text.replace("canary", "*")),
                false => Cow::Borrowed(text),
            })
    }

    #[test]
    fn names_and_uris_show_no_secret() {
        let redaction = redaction();
        let named = |name: &str| redaction.text(name.to_owned()).into_owned();
        assert_eq!(named("canary_tool"), "*_tool");
        assert_eq!(
            named("https://me:pw@host/path?a=1&my_token=x&b=2&token=y"),
            "https://<hidden>@host/path?a=1&my_token=<hidden>&b=2&token=<hidden>"
        );
        assert_eq!(named(&"x".repeat(5_000)).len(), LONGEST);
        // A secret where the text is cut.
        let long = named(&("x".repeat(LONGEST - 3) + "canary"));
        assert!(long.ends_with("xx*"), "{long}");
    }
}
