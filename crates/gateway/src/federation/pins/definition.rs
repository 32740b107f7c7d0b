//! The definition of a tool, a prompt, a resource or a resource template, as it is pinned.

use anyport_protocol::{Raw, json::canonical};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::observation::{Caller, Era};
use crate::federation::list_kind::ListKind;

/// A definition that an upstream listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Definition {
    /// The SHA-256 of its canonical JSON, in hexadecimal digits.
    pub hash: String,
    /// The canonical JSON; `None` if it is longer than is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it was seen first, as RFC 3339 writes it.
    pub since: String,
    /// The eras of the callers to whom it was listed.
    #[serde(default)]
    pub(super) eras: Vec<Era>,
    /// The callers to whom it was listed, while it is not accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) callers: Vec<String>,
}

/// The longest canonical JSON that is kept, in bytes; of a longer one its hash is.
const LONGEST_TEXT: usize = 32 << 10;
/// The most callers that are remembered of a definition that is not accepted.
const CALLERS: usize = 16;

impl Definition {
    /// The definition `text` of a list, which was listed to `caller`. Its text is kept if it has at most `room` bytes.
    pub(super) fn new(kind: ListKind, text: &Raw, hash: &str, caller: &Caller, room: usize) -> Self {
        let text = String::from_utf8(canonical_text(kind, text)).ok();
        Self {
            hash: hash.to_owned(),
            text: text.filter(|text| text.len() <= LONGEST_TEXT.min(room)),
            since: Timestamp::now().to_string(),
            eras: vec![caller.era],
            callers: vec![caller.tag.to_string()],
        }
    }

    /// Notes that callers of `era` receive it. Returns whether that is news.
    pub(super) fn add_era(&mut self, era: Era) -> bool {
        let is_new = !self.eras.contains(&era);
        if is_new {
            self.eras.push(era);
        }
        is_new
    }

    /// Notes that `caller` receives it. Returns whether that is news.
    pub(super) fn add_caller(&mut self, caller: &Caller) -> bool {
        let is_new = !self.callers.iter().any(|known| **known == *caller.tag);
        if is_new {
            self.callers.truncate(CALLERS - 1);
            self.callers.push(caller.tag.to_string());
        }
        self.add_era(caller.era) || is_new
    }

    /// Whether it is `other`, of callers of the other era, but for members that their revisions do not have.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.text, &other.text) else { return false };
        match (&*self.eras, &*other.eras) {
            ([Era::Modern], [Era::Legacy]) => agree(own, others),
            ([Era::Legacy], [Era::Modern]) => agree(others, own),
            _ => false,
        }
    }
}

/// The SHA-256 of a definition's canonical JSON, in hexadecimal digits.
pub(super) fn hash(kind: ListKind, definition: &Raw) -> String {
    let digest = Sha256::digest(canonical_text(kind, definition));
    HEXLOWER.encode(&digest)
}

/// The canonical JSON of a definition: the order of keys, white space and the spelling of numbers do not matter.
///
/// The size of a resource and the time of its last change are data: they change with its contents.
fn canonical_text(kind: ListKind, definition: &Raw) -> Vec<u8> {
    let Ok(Value::Object(mut members)) = definition.decode::<Value>() else {
        return definition.as_str().as_bytes().to_vec();
    };
    if kind == ListKind::Resources {
        members.remove("size");
        if let Some(Value::Object(annotations)) = members.get_mut("annotations") {
            annotations.remove("lastModified");
            if annotations.is_empty() {
                members.remove("annotations");
            }
        }
    }
    canonical(&Value::Object(members))
}

/// The members of a definition that revisions after 2024-11-05 brought. Every one of them is there in 2026-07-28, so that only a
/// legacy connection can lack one.
const LATER: [&str; 5] = ["title", "annotations", "outputSchema", "icons", "_meta"];

/// Whether the definitions of one item to modern and to legacy callers are the same, but for members that older revisions do not
/// have: a server that speaks both eras is connected in each.
fn agree(modern: &str, legacy: &str) -> bool {
    let object = |text| serde_json::from_str::<Map<String, Value>>(text).ok();
    let (Some(modern), Some(legacy)) = (object(modern), object(legacy)) else { return false };
    agree_but_for(&LATER, &modern, &legacy)
}

fn agree_but_for(later: &[&str], modern: &Map<String, Value>, legacy: &Map<String, Value>) -> bool {
    legacy.keys().all(|key| modern.contains_key(key))
        && modern.iter().all(|(key, value)| match legacy.get(key) {
            // The title of a prompt's argument is one of 2025-06-18.
            Some(other) if key == "arguments" => agree_on_arguments(value, other),
            Some(other) => value == other,
            None => later.contains(&&**key),
        })
}

fn agree_on_arguments(modern: &Value, legacy: &Value) -> bool {
    let (Some(modern), Some(legacy)) = (modern.as_array(), legacy.as_array()) else {
        return modern == legacy;
    };
    modern.len() == legacy.len()
        && modern.iter().zip(legacy).all(|(one, other)| match (one.as_object(), other.as_object()) {
            (Some(one), Some(other)) => agree_but_for(&["title"], one, other),
            _ => one == other,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(text: &str) -> Raw {
        Raw::trusted(text.as_bytes().to_vec())
    }

    #[test]
    fn key_order_and_spelling_do_not_matter_and_every_member_does() {
        let base = hash(ListKind::Tools, &raw(r#"{"name":"a","inputSchema":{"type":"object","n":1.0}}"#));
        assert_eq!(base.len(), 64);
        let same = raw(r#"{ "inputSchema" : {"n":1,"type":"obj\u0065ct"}, "name":"a" }"#);
        assert_eq!(hash(ListKind::Tools, &same), base);
        for other in [
            r#"{"name":"a","inputSchema":{"type":"object","n":2}}"#,
            r#"{"name":"a","inputSchema":{"type":"object","n":1},"description":""}"#,
            r#"{"name":"a","inputSchema":{"type":"object","n":1},"x-unknown":1}"#,
        ] {
            assert_ne!(hash(ListKind::Tools, &raw(other)), base, "{other}");
        }
    }

    #[test]
    fn the_size_and_age_of_a_resource_are_not_of_its_definition() {
        let of = |value: Value| hash(ListKind::Resources, &value.into());
        let plain = of(json!({"uri": "x:y", "name": "y"}));
        assert_eq!(
            of(json!({"uri": "x:y", "name": "y", "size": 7, "annotations": {"lastModified": "now"}})),
            plain
        );
        assert_ne!(of(json!({"uri": "x:y", "name": "y", "mimeType": "text/html"})), plain);
    }

    #[test]
    fn only_a_legacy_connection_lacks_members_of_later_revisions() {
        let full = r#"{"name":"a","title":"A","annotations":{"readOnlyHint":true},"arguments":[{"name":"x","title":"X"}]}"#;
        let less = r#"{"name":"a","arguments":[{"name":"x"}]}"#;
        assert!(agree(full, full) && agree(full, less));
        assert!(!agree(less, full), "what is new to a modern caller is a change");
        for other in [
            r#"{"name":"a","description":"d","arguments":[{"name":"x"}]}"#,
            r#"{"name":"a","title":"B","arguments":[{"name":"x"}]}"#,
            r#"{"name":"a","arguments":[{"name":"x","description":"d"}]}"#,
            r#"{"name":"a","arguments":[]}"#,
            r#"{"name":"a"}"#,
        ] {
            assert!(!agree(full, other), "{other}");
        }
    }
}
