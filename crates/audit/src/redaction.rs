use std::{borrow::Cow, fmt, sync::Arc};

use anyport_protocol::Raw;
use serde_json::Value;

use crate::record::{Call, Record};

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
const HIDDEN: &str = "<hidden>";
/// The longest text of a client in characters: its name, a method, a name, a URI.
const LONGEST: usize = 1_024;

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

    /// Redacts `record`, and adds `arguments` to its call, if they are at most `most` bytes long.
    pub(crate) fn apply(&self, record: &mut Record, arguments: Option<&Raw>, most: usize) {
        let (crate::Event::Call(call) | crate::Event::Begin(call) | crate::Event::End(call)) =
            &mut record.event
        else {
            return;
        };
        self.texts(call);
        let Some(arguments) = arguments.filter(|_| self.records_arguments()) else { return };
        match arguments.as_str().len() {
            length if length > most => call.arguments_omitted = Some(length),
            _ => call.arguments = arguments.decode().ok().map(|value| self.value(value)),
        }
    }

    fn texts(&self, call: &mut Call) {
        for text in
            [&mut call.name, &mut call.caller.client, &mut call.caller.client_version].into_iter().flatten()
        {
            *text = self.text(text);
        }
        call.method = self.text(&call.method);
    }

    /// A text of a client: what is called secret in a URI, and what the program knows as secret, is hidden.
    fn text(&self, text: &str) -> String {
        let text = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        let text = match text.split_once("://") {
            Some((scheme, rest)) => Cow::Owned(self.uri(scheme, rest)),
            None => Cow::Borrowed(text),
        };
        (self.cover)(&text).into_owned()
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

    fn value(&self, value: Value) -> Value {
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

    fn hides(&self, name: &str) -> bool {
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
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::Event;

    fn redaction() -> Redaction {
        Redaction::default()
            .members(["Iban".to_owned()])
            .secret_names(|name| name.contains("token"))
            .known_secrets(|text| match text.contains("canary") {
                true => Cow::Owned(text.replace("canary", "*")),
                false => Cow::Borrowed(text),
            })
    }

    fn applied(redaction: &Redaction, name: &str, arguments: &Value, most: usize) -> Call {
        let call = Call { name: Some(name.to_owned()), ..Call::default() };
        let mut record = Record { at: Timestamp::UNIX_EPOCH, event: Event::Call(Box::new(call)) };
        redaction.apply(&mut record, Some(&arguments.clone().into()), most);
        record.call().unwrap().clone()
    }

    #[test]
    fn members_that_may_be_secret_are_hidden_at_every_depth() {
        let arguments =
            json!({"iban": "DE00", "list": [{"auth_token": {"a": 1}, "text": "a canary"}], "n": 1});
        let call = applied(&redaction(), "t", &arguments, 1_000);
        let expected = json!({"iban": HIDDEN, "list": [{"auth_token": HIDDEN, "text": "a *"}], "n": 1});
        assert_eq!(call.arguments, Some(expected));
        let full = redaction().arguments(Arguments::Full);
        let expected = json!({"iban": HIDDEN, "list": [{"auth_token": {"a": 1}, "text": "a *"}], "n": 1});
        assert_eq!(applied(&full, "t", &arguments, 1_000).arguments, Some(expected));
        let none = redaction().arguments(Arguments::None);
        assert_eq!(applied(&none, "t", &arguments, 1_000).arguments, None);
    }

    #[test]
    fn arguments_beyond_the_limit_are_told_by_their_size() {
        let call = applied(&redaction(), "t", &json!({"a": "0123456789"}), 17);
        assert_eq!((call.arguments, call.arguments_omitted), (None, Some(18)));
    }

    #[test]
    fn names_and_uris_show_no_secret() {
        let named = |name: &str| applied(&redaction(), name, &json!({}), 100).name.unwrap();
        assert_eq!(named("canary_tool"), "*_tool");
        assert_eq!(
            named("https://me:pw@host/path?a=1&my_token=x&b=2&token=y"),
            "https://<hidden>@host/path?a=1&my_token=<hidden>&b=2&token=<hidden>"
        );
        assert_eq!(named(&"x".repeat(5_000)).len(), LONGEST);
    }
}
