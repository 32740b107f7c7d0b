use bytestring::ByteString;

use crate::{
    Raw,
    json::{Elements, Members, string},
};

/// JSON that is opened only where a rule changes something. What stays closed keeps its bytes: no number is
/// rewritten and no text is copied before the end, which a tree of `serde_json` values would do.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A value as it came.
    Closed(Raw),
    /// An object with its members at hand.
    Object(Object),
    /// An array with its elements at hand.
    Array(Vec<Tree>),
}

/// The members of an opened object, in order; the keys as they stand in the text, with their quotes.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(Vec<(Raw, Tree)>);

impl Tree {
    /// A JSON string.
    pub(super) fn string(text: &str) -> Self {
        Self::Closed(Raw::string(text))
    }

    /// An array of JSON strings.
    pub(super) fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Array(texts.into_iter().map(Self::string).collect())
    }

    /// An object without members.
    pub(super) fn empty() -> Self {
        Self::Closed(Raw::EMPTY_OBJECT)
    }

    /// The member called `name`, without opening anything.
    pub(super) fn peek(&self, name: &str) -> Option<Raw> {
        match self {
            Self::Closed(raw) => raw.member(name),
            Self::Object(object) => object.get(name).map(|value| value.clone().into_raw()),
            Self::Array(_) => None,
        }
    }

    /// Whether it has a member called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Closed(raw) => Members::find(raw.as_str(), name).is_some(),
            Self::Object(object) => object.get(name).is_some(),
            Self::Array(_) => false,
        }
    }

    /// The text of its member `name`, when that is a string.
    pub(super) fn text(&self, name: &str) -> Option<ByteString> {
        self.peek(name)?.as_string()
    }

    /// Whether its member `name` is the string `text`.
    pub(super) fn says(&self, name: &str, text: &str) -> bool {
        self.text(name).is_some_and(|found| found == text)
    }

    /// Opens it, when it is an object.
    pub(super) fn object(&mut self) -> Option<&mut Object> {
        if let Self::Closed(raw) = self {
            if !raw.is_object() {
                return None;
            }
            let members = raw.members().map(|member| {
                let key = &raw.as_str()[member.range.start..][..member.raw_key.len() + 2];
                (raw.slice(key), Self::Closed(raw.slice(member.value)))
            });
            *self = Self::Object(Object(members.collect()));
        }
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Opens it, when it is an array.
    pub(super) fn array(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::Closed(raw) = self {
            if !raw.is_array() {
                return None;
            }
            *self = Self::Array(
                Elements::of(raw.as_str()).map(|element| Self::Closed(raw.slice(element))).collect(),
            );
        }
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Opens it, when it has a member called `name`, and gives that.
    pub(super) fn member(&mut self, name: &str) -> Option<&mut Self> {
        if !self.has(name) {
            return None;
        }
        self.object()?.get_mut(name)
    }

    /// The elements of its member `name`; none when that is no array.
    pub(super) fn elements(&mut self, name: &str) -> &mut [Self] {
        self.member(name).and_then(Self::array).map_or(&mut [], Vec::as_mut_slice)
    }

    /// Removes its member `name`; stays closed if there is no such member.
    pub(super) fn remove(&mut self, name: &str) -> Option<Self> {
        if matches!(self, Self::Closed(_)) && !self.has(name) {
            return None;
        }
        self.object()?.remove(name)
    }

    /// Sets its member `name`, when it is an object.
    pub(super) fn set(&mut self, name: &str, value: Self) {
        if let Some(object) = self.object() {
            object.set(name, value);
        }
    }

    /// The text of it all; the very same when nothing was opened.
    pub(super) fn into_raw(self) -> Raw {
        if let Self::Closed(raw) = self {
            return raw;
        }
        let mut out = Vec::with_capacity(self.size());
        self.write(&mut out);
        debug_assert_eq!(out.len(), self.size());
        Raw::trusted(out)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Closed(raw) => out.extend_from_slice(raw.as_str().as_bytes()),
            Self::Object(Object(members)) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.as_str().as_bytes());
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// How many bytes [`Self::write`] writes, exactly: a buffer without room to spare is shared without a further allocation.
    fn size(&self) -> usize {
        match self {
            Self::Closed(raw) => raw.as_str().len(),
            Self::Object(Object(members)) => {
                let written = members.iter().map(|(key, value)| key.as_str().len() + 1 + value.size());
                2 + written.sum::<usize>() + members.len().saturating_sub(1)
            }
            Self::Array(elements) => {
                2 + elements.iter().map(Self::size).sum::<usize>() + elements.len().saturating_sub(1)
            }
        }
    }
}

impl From<Raw> for Tree {
    fn from(raw: Raw) -> Self {
        Self::Closed(raw)
    }
}

impl Object {
    /// The member called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Tree> {
        self.position(name).map(|at| &self.0[at].1)
    }

    /// The member called `name`.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Tree> {
        self.position(name).map(|at| &mut self.0[at].1)
    }

    /// Takes the member called `name` out; the order of the others stays.
    pub(super) fn remove(&mut self, name: &str) -> Option<Tree> {
        self.position(name).map(|at| self.0.remove(at).1)
    }

    /// Sets the member called `name`: in its place if it is there, else at the end.
    pub(super) fn set(&mut self, name: &str, value: Tree) {
        match self.get_mut(name) {
            Some(place) => *place = value,
            None => self.0.push((key(name), value)),
        }
    }

    /// Retains the members with keys that `keep` accepts.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(key, _)| keep(&string::unescape(inside(key))));
    }

    /// The values of the members.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Whether no member is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(key, _)| {
            let key = inside(key);
            // A key without a backslash stands for itself.
            key == name || (key.len() > name.len() && key.contains('\\') && string::unescape(key) == name)
        })
    }
}

/// A key with its quotes. Those that every result gets on its way up are not allocated.
fn key(name: &str) -> Raw {
    match name {
        "_meta" => Raw::written("\"_meta\""),
        "resultType" => Raw::written("\"resultType\""),
        name => Raw::string(name),
    }
}

/// A key without its quotes.
fn inside(key: &Raw) -> &str {
    key.as_str().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn tree(text: &'static str) -> Tree {
        Raw::parse(text.into(), &Limits::default()).unwrap().into()
    }

    #[test]
    fn what_is_only_looked_at_keeps_its_bytes() {
        let text = r#"{ "a" : [ 1.50 ], "b":"x" }"#;
        let mut looked = tree(text);
        assert!(looked.says("b", "x") && looked.has("a") && !looked.has("c"));
        assert!(looked.member("c").is_none() && looked.remove("c").is_none());
        assert_eq!(looked.into_raw().as_str(), text);
    }

    #[test]
    fn what_is_changed_leaves_the_rest_as_it_came() {
        let mut changed = tree(r#"{ "a" : [ 1.50 , {"d": 1e2} ], "\u0062":"x", "q\"" :null }"#);
        changed.remove("b");
        changed.elements("a")[1].set("d", Tree::string("2"));
        changed.set("c", Tree::strings(["y", "z"]));
        assert!(changed.has("q\""));
        assert_eq!(changed.into_raw().as_str(), r#"{"a":[1.50,{"d":"2"}],"q\"":null,"c":["y","z"]}"#);
    }
}
