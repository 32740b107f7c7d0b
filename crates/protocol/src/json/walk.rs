//! Finding members in JSON text that has passed the scan, without building anything.

use std::{borrow::Cow, ops::Range};

use memchr::memchr;

use super::{RareWord, string};

/// The members of an object, in the order of the text. Empty when the text is no object.
///
/// The text must have passed [`super::scan`]; on anything else the iterator ends early.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Members<'a> {
    /// Walks over the object that `text` holds.
    pub fn of(text: &'a str) -> Self {
        let start = skip_space(text.as_bytes(), 0);
        let at = if text.as_bytes().get(start) == Some(&b'{') { start + 1 } else { text.len() };
        Self { text, at }
    }

    /// The value of the member called `name`.
    pub fn find(text: &'a str, name: &str) -> Option<&'a str> {
        Self::of(text).find(|member| member.is(name)).map(|member| member.value)
    }

    /// Whether the object that `text` holds may have a member called `name`; `false` if the name stands nowhere in it. Quicker than
    /// a walk, for members that are rare.
    pub fn may_have(text: &str, name: &RareWord) -> bool {
        // An escape may stand for a letter of the name.
        name.is_in(text) || memchr(b'\\', text.as_bytes()).is_some()
    }
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The key as it stands in the text, without quotes, possibly with escapes.
    pub raw_key: &'a str,
    /// The value's text.
    pub value: &'a str,
    /// Where the whole member lies in the object's text, from its key's quote to its value's end.
    pub range: Range<usize>,
}

impl<'a> Member<'a> {
    /// The key, unescaped.
    pub fn key(&self) -> Cow<'a, str> {
        string::unescape(self.raw_key)
    }

    fn is_escaped(&self) -> bool {
        self.raw_key.contains('\\')
    }

    /// Whether the key, unescaped, is `name`.
    pub fn is(&self, name: &str) -> bool {
        // A key without a backslash stands for itself; one with is longer than what it stands for.
        self.raw_key == name || (self.raw_key.len() > name.len() && self.is_escaped() && self.key() == name)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let bytes = self.text.as_bytes();
        let mut at = skip_space(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
        if bytes.get(at) != Some(&b'"') {
            self.at = bytes.len();
            return None;
        }
        let key_end = skip_string(bytes, at);
        let colon = skip_space(bytes, key_end);
        let start = skip_space(bytes, colon + 1);
        let end = skip_value(bytes, start);
        self.at = end;
        Some(Member {
            raw_key: self.text.get(at + 1..key_end.saturating_sub(1))?,
            value: self.text.get(start..end)?,
            range: at..end,
        })
    }
}

/// The elements of an array, in order. Empty when the text is no array.
///
/// The text must have passed [`super::scan`]; on anything else the iterator ends early.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Elements<'a> {
    /// Walks over the array that `text` holds.
    pub fn of(text: &'a str) -> Self {
        let start = skip_space(text.as_bytes(), 0);
        let at = if text.as_bytes().get(start) == Some(&b'[') { start + 1 } else { text.len() };
        Self { text, at }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let mut start = skip_space(bytes, self.at);
        if bytes.get(start) == Some(&b',') {
            start = skip_space(bytes, start + 1);
        }
        if matches!(bytes.get(start), None | Some(b']')) {
            self.at = bytes.len();
            return None;
        }
        let end = skip_value(bytes, start);
        self.at = end;
        self.text.get(start..end)
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The place behind the string that begins at `at`.
fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        at += string::plain_run(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// The place behind the value that begins at `at`.
fn skip_value(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => skip_string(bytes, at),
        Some(b'{' | b'[') => skip_container(bytes, at),
        _ => {
            let mut at = at;
            while !matches!(bytes.get(at), None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')) {
                at += 1;
            }
            at
        }
    }
}

fn skip_container(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                at = skip_string(bytes, at);
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') => depth -= 1,
            Some(_) => {}
            None => return bytes.len(),
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_with_their_values() {
        let text = r#" { "a" : [1, {"b": "}"}] , "c\u0064":"x\"y","e":{} , "n":-1.5e3 } "#;
        let members: Vec<_> = Members::of(text).map(|member| (member.key(), member.value)).collect();
        assert_eq!(
            members,
            [
                ("a".into(), r#"[1, {"b": "}"}]"#),
                ("cd".into(), r#""x\"y""#),
                ("e".into(), "{}"),
                ("n".into(), "-1.5e3")
            ]
        );
        assert_eq!(Members::find(text, "cd"), Some(r#""x\"y""#));
        assert_eq!(Members::find(text, "missing"), None);
        assert_eq!(Members::of("[1]").count(), 0);
    }

    #[test]
    fn elements_are_found_in_order() {
        let elements: Vec<_> = Elements::of(r#"[ 1 , "a,]" , [2,3],{"k":[]} ]"#).collect();
        assert_eq!(elements, ["1", r#""a,]""#, "[2,3]", r#"{"k":[]}"#]);
        assert_eq!(Elements::of("[ ]").count(), 0);
        assert_eq!(Elements::of("{}").count(), 0);
    }
}
