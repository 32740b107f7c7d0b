//! Texts in JSON: each of them, and their replacement. All other bytes stay as they came.

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
}

/// Calls `visit` with every string of `value`, in their order. Members that `enter` refuses are left out; it receives the object, too.
pub(crate) fn each_string<'a>(
    value: &'a str,
    name: &'a str,
    enter: &impl Fn(&'a str, &str) -> bool,
    visit: &mut impl FnMut(Named<'a>),
) {
    match value.as_bytes().first() {
        Some(b'"') => visit(Named { name, string: value }),
        Some(b'[') => Elements::of(value).for_each(|element| each_string(element, name, enter, visit)),
        Some(b'{') => {
            for member in Members::of(value).filter(|member| enter(value, &member.key())) {
                each_string(member.value, member.raw_key, enter, visit);
            }
        }
        _ => {}
    }
}

/// The strings of the result of a method that people and models read as text; not those that say what other bytes are, or where.
pub(crate) fn each_text_of_result<'a>(result: &'a str, visit: &mut impl FnMut(Named<'a>)) {
    for member in Members::of(result) {
        match &*member.key() {
            "content" | "messages" | "contents" => {
                each_string(member.value, "", &|object, name| is_text_of_block(object, name), visit);
            }
            "resultType" | "requestState" | "nextCursor" | "inputRequests" => {}
            _ => each_string(member.value, member.raw_key, &|_, _| true, visit),
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
