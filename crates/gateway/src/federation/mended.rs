//! Entries of a member's list that clients could not read.
//!
//! In one list with those of other members, such an entry would take all of them from clients that check a list as a whole, as those
//! of the official SDKs do.

use std::borrow::Cow;

use anyport_protocol::{
    Raw,
    json::{Elements, Splice},
};

use super::list_kind::ListKind;

/// An entry such as clients can read it.
#[derive(Debug, PartialEq)]
pub(super) struct Mended {
    pub(super) entry: Raw,
    /// What was wrong with it.
    pub(super) faults: Vec<Cow<'static, str>>,
}

/// The entry of a list, with what the protocol's schema requires of it in every revision. `key` is its name or URI.
pub(super) fn mended(kind: ListKind, entry: Raw, key: &str) -> Mended {
    let (mut mended, mut faults) = (entry, Vec::new());
    for (name, is_right) in optional(kind) {
        // Some servers write `null` for what they do not have, and many clients read that.
        let wrong = mended.member(name).filter(|value| !value.is_null() && !is_right(value));
        if wrong.is_some() {
            mended = Splice::retain(&mended, |other| other != *name).finish();
            faults.push(format!("its {name} is left out, which is of a wrong type").into());
        }
    }
    match kind {
        ListKind::Tools if !mended.member("inputSchema").is_some_and(|schema| schema.is_object()) => {
            mended = replaced(&mended, "inputSchema", &Raw::trusted(br#"{"type":"object"}"#.to_vec()));
            faults.push("its inputSchema is no object, so any arguments are taken".into());
        }
        ListKind::Resources | ListKind::Templates
            if !mended.member("name").is_some_and(|name| is_string(&name)) =>
        {
            mended = replaced(&mended, "name", &Raw::string(key));
            faults.push("it has no name, so it is called as it is addressed".into());
        }
        _ => {}
    }
    Mended { entry: mended, faults }
}

fn replaced(entry: &Raw, name: &str, value: &Raw) -> Raw {
    Splice::retain(entry, |other| other != name).with(name, value).finish()
}

/// A member that an entry may have, and whether its value is right.
type Rule = (&'static str, fn(&Raw) -> bool);

fn optional(kind: ListKind) -> &'static [Rule] {
    const ALL: [Rule; 4] = [
        ("title", is_string),
        ("description", is_string),
        ("annotations", Raw::is_object),
        ("_meta", Raw::is_object),
    ];
    const OF_PROMPTS: [Rule; 5] = [ALL[0], ALL[1], ALL[2], ALL[3], ("arguments", are_arguments)];
    if kind == ListKind::Prompts { &OF_PROMPTS } else { &ALL }
}

fn is_string(value: &Raw) -> bool {
    value.as_str().starts_with('"')
}

/// The arguments of a prompt: objects with names.
fn are_arguments(arguments: &Raw) -> bool {
    let is_named = |argument: Raw| argument.member("name").is_some_and(|name| is_string(&name));
    arguments.is_array()
        && Elements::of(arguments.as_str()).all(|argument| is_named(arguments.slice(argument)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mend(kind: ListKind, entry: Value) -> (Value, usize) {
        let Mended { entry, faults } = mended(kind, entry.into(), "key");
        (entry.decode().unwrap(), faults.len())
    }

    #[test]
    fn entries_that_clients_can_read_stay_as_they_are() {
        for (kind, entry) in [
            (ListKind::Tools, json!({"name": "a", "inputSchema": {}, "new": 1})),
            (ListKind::Prompts, json!({"name": "a", "arguments": [{"name": "x"}], "description": null})),
            (ListKind::Resources, json!({"name": "a", "uri": "x://a", "_meta": {}})),
            (ListKind::Templates, json!({"name": "a", "uriTemplate": "x://{a}", "annotations": {}})),
        ] {
            assert_eq!(mend(kind, entry.clone()), (entry, 0));
        }
    }

    #[test]
    fn what_clients_could_not_read_is_mended() {
        let any = json!({"name": "a", "inputSchema": {"type": "object"}});
        for (kind, entry, expected, faults) in [
            (ListKind::Tools, json!({"name": "a"}), any.clone(), 1),
            (ListKind::Tools, json!({"name": "a", "inputSchema": null}), any.clone(), 1),
            (ListKind::Tools, json!({"name": "a", "inputSchema": [], "title": 1}), any, 2),
            (ListKind::Resources, json!({"uri": "key"}), json!({"uri": "key", "name": "key"}), 1),
            (ListKind::Prompts, json!({"name": "a", "arguments": "x"}), json!({"name": "a"}), 1),
            (ListKind::Prompts, json!({"name": "a", "arguments": [{}]}), json!({"name": "a"}), 1),
            (
                ListKind::Templates,
                json!({"uriTemplate": "key", "name": "t", "_meta": 1}),
                json!({"uriTemplate": "key", "name": "t"}),
                1,
            ),
        ] {
            assert_eq!(mend(kind, entry.clone()), (expected, faults), "{entry}");
        }
    }
}
