use std::{borrow::Cow, fmt};

use anyport_protocol::Raw;
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::redaction::{HIDDEN, Redaction};

/// Arguments as they are recorded.
pub(crate) struct RedactedArguments<'a> {
    pub(crate) arguments: &'a Raw,
    pub(crate) redaction: &'a Redaction,
}

impl RedactedArguments<'_> {
    /// Their JSON, on one line.
    pub(crate) fn json(&self) -> Cow<'_, str> {
        let Self { arguments, redaction } = self;
        let text = arguments.as_str();
        let mut reader = serde_json::Deserializer::from_str(text);
        let is_plain = Plain(redaction).deserialize(&mut reader).is_ok();
        // A line of a file ends at a line's end.
        if is_plain && memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        match arguments.decode::<Value>() {
            Ok(value) => Cow::Owned(redaction.value(value).to_string()),
            // Such as a number that no number of ours can hold.
            Err(_) => Cow::Owned(format!("\"{HIDDEN}\"")),
        }
    }
}

/// Reads a JSON value of which nothing is hidden; fails at what is.
#[derive(Clone, Copy)]
struct Plain<'a>(&'a Redaction);

/// Reads the name of a member, likewise.
struct PlainName<'a>(&'a Redaction);

impl Plain<'_> {
    fn check<E: de::Error>(self, is_hidden: bool) -> Result<(), E> {
        if is_hidden { Err(E::custom("hidden")) } else { Ok(()) }
    }

    fn covers(self, text: &str) -> bool {
        matches!(self.0.cover(text), Cow::Owned(_))
    }
}

impl<'de> DeserializeSeed<'de> for Plain<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON of which nothing is hidden")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.check(self.covers(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_key_seed(PlainName(self.0))?.is_some() {
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for PlainName<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for PlainName<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member that is not hidden")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<(), E> {
        let plain = Plain(self.0);
        plain.check(self.0.hides(name) || plain.covers(name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Arguments, redaction::tests::redaction};

    fn applied(redaction: &Redaction, arguments: &Value) -> Value {
        let arguments = &Raw::from(arguments.clone());
        serde_json::from_str(&RedactedArguments { arguments, redaction }.json()).unwrap()
    }

    #[test]
    fn members_that_may_be_secret_are_hidden_at_every_depth() {
        let arguments =
            json!({"iban": "DE00", "list": [{"auth_token": {"a": 1}, "text": "a canary"}], "n": 1});
        let expected = json!({"iban": HIDDEN, "list": [{"auth_token": HIDDEN, "text": "a *"}], "n": 1});
        assert_eq!(applied(&redaction(), &arguments), expected);
        let full = redaction().arguments(Arguments::Full);
        let expected = json!({"iban": HIDDEN, "list": [{"auth_token": {"a": 1}, "text": "a *"}], "n": 1});
        assert_eq!(applied(&full, &arguments), expected);
    }

    #[test]
    fn arguments_of_which_nothing_is_hidden_stay_as_they_are() {
        let written = |text: &str| {
            let arguments = &Raw::trusted_text(text.to_owned());
            let redaction = &redaction();
            RedactedArguments { arguments, redaction }.json().into_owned()
        };
        let plain = r#"{"a": [1.50, null, true, -3, "caf\u00e9"], "b": {"c": "d"}}"#;
        assert_eq!(written(plain), plain);
        assert_eq!(written("{\"a\":\n1}"), r#"{"a":1}"#, "a record is one line");
        // However a name or a text is written, it is what it says.
        assert_eq!(written(r#"{"\u0069ban":1}"#), format!(r#"{{"iban":"{HIDDEN}"}}"#));
        assert_eq!(written(r#"["c\u0061nary"]"#), r#"["*"]"#);
        assert_eq!(written(r#"{"canary":1}"#), r#"{"*":1}"#);
        assert_eq!(written(r#"{"a":1e999}"#), format!(r#""{HIDDEN}""#));
    }
}
