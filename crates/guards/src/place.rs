//! The places that a guard checks.

use std::fmt;

use anyport_protocol::json::{Elements, Members, string};

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
    pub(crate) fn values<'a>(&self, arguments: &'a str) -> Vec<&'a str> {
        // A member alone may be called `*`.
        let is_pointer = self.text.starts_with('/');
        self.tokens.iter().fold(vec![arguments], |values, token| {
            values.into_iter().flat_map(|value| inside(value, token, is_pointer)).collect()
        })
    }

    /// Its first member.
    pub(crate) fn first(&self) -> &str {
        self.tokens.first().map_or("", String::as_str)
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

fn inside<'a>(value: &'a str, token: &str, is_pointer: bool) -> Vec<&'a str> {
    let is_each = is_pointer && token == "*";
    if value.starts_with('[') {
        let elements = Elements::of(value).enumerate();
        return elements
            .filter(|(at, _)| is_each || token == at.to_string())
            .map(|(_, element)| element)
            .collect();
    }
    Members::of(value).filter(|member| is_each || member.is(token)).map(|member| member.value).collect()
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
            assert_eq!(pointer.values(arguments), expected, "{argument}");
        }
        for wrong in ["", "/a~2", "/~"] {
            assert_eq!(Place::argument(wrong), Err(PlaceFault), "{wrong}");
        }
    }

    #[test]
    fn a_key_with_escapes_is_the_same_key() {
        let Ok(Place::Argument(pointer)) = Place::argument("sql") else { panic!() };
        assert_eq!(pointer.values(r#"{"\u0073ql":"1"}"#), ["\"1\""]);
    }
}
