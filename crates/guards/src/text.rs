//! Texts in JSON: each of them, and their replacement. All other bytes stay as they came.

use std::collections::{HashMap, HashSet};

use anyport_protocol::{
    Raw,
    json::{Elements, Members, string},
};

/// Replaces strings of `json`, which `changes` has as parts of it, in their order. Returns `None` if there are none.
pub(crate) fn replaced(json: &Raw, changes: &[(&str, String)]) -> Option<Raw> {
    if changes.is_empty() {
        return None;
    }
    let text = json.as_str();
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for (part, new) in changes {
        let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        out.extend_from_slice(text.get(at..start)?.as_bytes());
        string::write(&mut out, new);
        at = start + part.len();
    }
    out.extend_from_slice(text.get(at..)?.as_bytes());
    Some(Raw::trusted(out))
}

/// A string of a value, with the name of the member that has it, or whose array has it.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    /// As it stands in the text, possibly with escapes; empty if there is none.
    pub(crate) name: &'a str,
    /// With its quotes.
    pub(crate) string: &'a str,
    /// The object whose member has the string as its name; `None` if the string is a value.
    pub(crate) named_in: Option<&'a str>,
}

/// Replacements of strings of one value, in their order.
#[derive(Default)]
pub(crate) struct Changes<'a> {
    all: Vec<(&'a str, String)>,
    /// The names that members have, of each object with a changed one: by the place of the object.
    names: HashMap<usize, HashSet<String>>,
}

impl<'a> Changes<'a> {
    /// Puts `new` in the place of a string. A name of a member differs from those of all others of its object, since JSON with two
    /// members of one name is refused, or read in several ways.
    pub(crate) fn put(&mut self, text: Named<'a>, new: String) {
        let new = match text.named_in {
            Some(object) => self.unused(object, new),
            None => new,
        };
        self.all.push((text.string, new));
    }

    fn unused(&mut self, object: &'a str, name: String) -> String {
        let names = self
            .names
            .entry(object.as_ptr().addr())
            .or_insert_with(|| Members::of(object).map(|member| member.key().into_owned()).collect());
        // A number that no change has had before: counting up from 1 would take the square of the number of members.
        let mut number = self.all.len();
        let mut unused = name.clone();
        while !names.insert(unused.clone()) {
            number += 1;
            unused = format!("{name} {number}");
        }
        unused
    }

    /// `json`, of which the strings are parts, with the replacements; `None` if there are none.
    pub(crate) fn applied(&self, json: &Raw) -> Option<Raw> {
        replaced(json, &self.all)
    }
}

/// How the strings of a value are walked through.
#[derive(Clone, Copy)]
pub(crate) struct Walk<E, N> {
    /// Whether a member is visited; it receives the object, too.
    pub(crate) enter: E,
    /// Whether all strings below a member have its name, however deep they are.
    pub(crate) names_all: N,
}

/// Calls `visit` with every string of `value` and every name of a member, in their order. Members that `walk` does not enter are left out.
pub(crate) fn each_string<'a>(
    value: &'a str,
    name: &'a str,
    walk: &Walk<impl Fn(&'a str, &str) -> bool, impl Fn(&str) -> bool>,
    visit: &mut impl FnMut(Named<'a>),
) {
    match value.as_bytes().first() {
        Some(b'"') => visit(Named { name, string: value, named_in: None }),
        Some(b'[') => Elements::of(value).for_each(|element| each_string(element, name, walk, visit)),
        Some(b'{') => {
            let names_all = !name.is_empty() && (walk.names_all)(name);
            for member in Members::of(value).filter(|member| (walk.enter)(value, &member.key())) {
                if let Some(string) = with_quotes(value, member.raw_key) {
                    visit(Named { name: "", string, named_in: Some(value) });
                }
                each_string(member.value, if names_all { name } else { member.raw_key }, walk, visit);
            }
        }
        _ => {}
    }
}

/// The name of a member of `object`, which is a part of it, with its quotes.
fn with_quotes<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let start = name.as_ptr().addr().checked_sub(object.as_ptr().addr())?.checked_sub(1)?;
    object.get(start..start + name.len() + 2)
}

/// The strings of the result of a method that people and models read as text; not those that say what other bytes are, or where.
/// `names_all`: see [`Walk::names_all`].
pub(crate) fn each_text_of_result<'a>(
    result: &'a str,
    names_all: &impl Fn(&str) -> bool,
    visit: &mut impl FnMut(Named<'a>),
) {
    for member in Members::of(result) {
        match &*member.key() {
            "content" | "messages" | "contents" => {
                let walk = Walk { enter: is_text_of_block, names_all };
                each_string(member.value, "", &walk, visit);
            }
            "resultType" | "requestState" | "nextCursor" | "inputRequests" => {}
            _ => {
                let walk = Walk { enter: |_: &str, _: &str| true, names_all };
                each_string(member.value, member.raw_key, &walk, visit);
            }
        }
    }
}

/// Whether a member of a block of content, or of the contents of a resource, is text.
fn is_text_of_block(object: &str, name: &str) -> bool {
    match name {
        "type" | "mimeType" | "uri" | "blob" | "role" => false,
        // 2026-07-28, server/tools §Image Content, §Audio Content: "base64-encoded-data".
        "data" => !matches!(Members::find(object, "type"), Some("\"image\"" | "\"audio\"")),
        _ => true,
    }
}
