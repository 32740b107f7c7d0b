//! The places that a guard checks.

use std::fmt;

use anyport_protocol::json::{
    Elements, Members,
    string::{self, folded},
};

use crate::refusal::Fault;

/// What a guard checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An argument.
    Argument(Pointer),
    /// All arguments together.
    Arguments,
    /// The URI of a resource, as its server receives it.
    Uri,
    /// The result.
    Result,
}

/// Where a value is among the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// An argument is named wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an argument is the name of a member (`sql`), or a JSON pointer (`/query/0/sql`, RFC 6901), where `*` stands for each element"
)]
pub struct PlaceFault;

impl Place {
    /// The argument that `text` names: a JSON Pointer if it begins with `/`, else a member of the arguments.
    ///
    /// # Errors
    /// [`PlaceFault`].
    pub fn argument(text: &str) -> Result<Self, PlaceFault> {
        let tokens = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(unescaped).collect::<Option<Vec<_>>>().ok_or(PlaceFault)?,
            None if text.is_empty() => return Err(PlaceFault),
            None => vec![text.to_owned()],
        };
        Ok(Self::Argument(Pointer { text: text.to_owned(), tokens }))
    }
}

impl Pointer {
    /// The values there, which are parts of `arguments`. Every member of the name counts, if there are several.
    ///
    /// # Errors
    /// The arguments have another form than the pointer, so that a server may find a value where the pointer has none.
    pub(crate) fn values<'a>(&self, arguments: &'a str) -> Result<Vec<&'a str>, Fault> {
        if !arguments.starts_with(['{', 'n']) {
            return Err("the arguments are no object".into());
        }
        // A member alone may be called `*`.
        let is_pointer = self.text.starts_with('/');
        let mut values = vec![arguments];
        for token in &self.tokens {
            let mut next = Vec::new();
            for value in values {
                inside(value, token, is_pointer, &mut next)?;
            }
            values = next;
        }
        Ok(values)
    }

    /// Whether its first member has this name, in whatever case.
    pub(crate) fn begins_with(&self, name: &str) -> bool {
        self.tokens.first().is_some_and(|token| folded(token) == folded(name))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 6901 §4: a token's `~1` is `/`, then its `~0` is `~`.
fn unescaped(token: &str) -> Option<String> {
    let is_right = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    is_right.then(|| token.replace("~1", "/").replace("~0", "~"))
}

/// Finds what `token` names in a value. `null` has nothing.
fn inside<'a>(value: &'a str, token: &str, is_pointer: bool, found: &mut Vec<&'a str>) -> Result<(), Fault> {
    let is_each = is_pointer && token == "*";
    match value.as_bytes().first() {
        Some(b'{') => members(value, token, is_each, found),
        Some(b'[') if is_each || token.starts_with(|digit: char| digit.is_ascii_digit()) => {
            let elements = Elements::of(value).enumerate();
            let named = elements.filter(|(at, _)| is_each || token == at.to_string());
            found.extend(named.map(|(_, element)| element));
            Ok(())
        }
        Some(b'[') => Err("there is a list where an object must be".into()),
        Some(b'n') => Ok(()),
        // Some servers read JSON that stands in a text.
        _ => Err("there is a single value where an object or a list must be".into()),
    }
}

fn members<'a>(value: &'a str, token: &str, is_each: bool, found: &mut Vec<&'a str>) -> Result<(), Fault> {
    let wanted = folded(token);
    for member in Members::of(value) {
        if is_each || member.is(token) {
            found.push(member.value);
        } else if folded(&member.key()) == wanted {
            // Some servers read it as the same name.
            return Err("a member has its name in another case, or with a NUL".into());
        }
    }
    Ok(())
}

/// The texts of a value: itself, or those of an array. `null` has none.
///
/// # Errors
/// The value has something else.
pub(crate) fn texts<'a>(value: &'a str, found: &mut Vec<&'a str>) -> Result<(), ()> {
    match value.as_bytes().first() {
        Some(b'"') => found.push(value),
        Some(b'n') => {}
        Some(b'[') => {
            for element in Elements::of(value) {
                texts(element, found)?;
            }
        }
        _ => return Err(()),
    }
    Ok(())
}

/// The text that a JSON string has; empty for anything else.
pub(crate) fn unquoted(value: &str) -> std::borrow::Cow<'_, str> {
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    string::unescape(inside.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_member_or_a_pointer() {
        let arguments = r#"{"sql":"1","a/b":"2","q":[{"sql":"3"},{"sql":"4"}],"*":"5","~":"6"}"#;
        for (argument, expected) in [
            ("sql", &["\"1\""][..]),
            ("a/b", &["\"2\""]),
            ("/a~1b", &["\"2\""]),
            ("/q/1/sql", &["\"4\""]),
            ("/q/*/sql", &["\"3\"", "\"4\""]),
            ("*", &["\"5\""]),
            ("/~0", &["\"6\""]),
            ("/q/2/sql", &[]),
            ("none", &[]),
        ] {
            let Ok(Place::Argument(pointer)) = Place::argument(argument) else { panic!("{argument}") };
            assert_eq!(pointer.values(arguments).unwrap(), expected, "{argument}");
        }
        for wrong in ["", "/a~2", "/~"] {
            assert_eq!(Place::argument(wrong), Err(PlaceFault), "{wrong}");
        }
    }

    #[test]
    fn a_key_with_escapes_is_the_same_key() {
        let Ok(Place::Argument(pointer)) = Place::argument("sql") else { panic!() };
        assert_eq!(pointer.values(r#"{"\u0073ql":"1"}"#).unwrap(), ["\"1\""]);
    }

    #[test]
    fn arguments_of_another_form_are_refused() {
        for (argument, arguments, is_right) in [
            ("sql", r#"{}"#, true),
            ("sql", "null", true),
            ("sql", r#"{"sql":"a","SQLs":"b"}"#, true),
            ("/q/*/sql", r#"{"q":null}"#, true),
            ("/q/*/sql", r#"{"q":[]}"#, true),
            ("/q/*/sql", r#"{"q":[{"sql":"a"},null]}"#, true),
            ("/q/*/sql", r#"{"q":{"a":{"sql":"a"}}}"#, true),
            ("/q/0/sql", r#"{"q":[{"sql":"a"}]}"#, true),
            ("*", r#"{"A":"a","*":"b"}"#, true),
            ("sql", r#"["a"]"#, false),
            ("/0", r#"["a"]"#, false),
            ("sql", r#""{\"sql\":\"a\"}""#, false),
            ("sql", "5", false),
            ("sql", r#"{"SQL":"a"}"#, false),
            ("sql", r#"{"sql":"a","Sql":"b"}"#, false),
            ("sql", r#"{"\u0053ql":"b"}"#, false),
            ("sql", r#"{"sql":"a","sql\u0000":"b"}"#, false),
            ("sql", "{\"\u{17f}ql\":\"b\"}", false),
            ("key", "{\"\u{212a}ey\":\"b\"}", false),
            ("/q/*/sql", r#"{"q":"[{\"sql\":\"a\"}]"}"#, false),
            ("/q/*/sql", r#"{"q":5}"#, false),
            ("/q/*/sql", r#"{"q":[[{"sql":"a"}]]}"#, false),
            ("/q/*/sql", r#"{"q":["{\"sql\":\"a\"}"]}"#, false),
            ("/q/*/sql", r#"{"q":[{"SQL":"a"}]}"#, false),
            ("/q/*/sql", r#"{"Q":[{"sql":"a"}]}"#, false),
            ("/q/sql", r#"{"q":[{"sql":"a"}]}"#, false),
        ] {
            let Ok(Place::Argument(pointer)) = Place::argument(argument) else { panic!("{argument}") };
            assert_eq!(pointer.values(arguments).is_ok(), is_right, "{argument} {arguments}");
        }
    }
}
