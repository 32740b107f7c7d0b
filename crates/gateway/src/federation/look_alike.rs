//! Members of params that some servers take for others.
//!
//! A server may compare names of members without regard to case (Go's `encoding/json` does), or end them at a NUL. If it received
//! `{"name": "look", "Name": "drop"}`, it would call another tool than the one that was found, allowed and guarded here (CVE-2026-27896).

use anyport_protocol::{
    Error, Raw,
    json::{Members, string::folded},
};
use anyport_service::Request;

use super::{declared_names::LookAlike, listed::Listed};

/// The members that say what a request is for and what it passes.
const MEMBERS: &[&str] =
    &["name", "uri", "arguments", "ref", "argument", "context", "inputResponses", "requestState", "_meta"];
/// Those of the objects among them that are read here.
const INSIDE: &[(&str, &[&str])] =
    &[("ref", &["type", "name", "uri"]), ("argument", &["name", "value"]), ("context", &["arguments"])];

/// Refuses params with a member that may be taken for one of those that decide.
///
/// # Errors
/// -32602.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    let params = request.params.raw().as_str();
    check_object(params, MEMBERS)?;
    for (name, members) in INSIDE {
        if let Some(object) = request.params.find(name) {
            check_object(object, members)?;
        }
    }
    Ok(())
}

fn check_object(object: &str, members: &[&str]) -> Result<(), Error> {
    for member in Members::of(object) {
        if members.contains(&member.raw_key) {
            continue;
        }
        let (key, plain) = (member.key(), folded(&member.key()));
        if let Some(meant) = members.iter().find(|meant| folded(meant) == plain && **meant != key) {
            return Err(Error::invalid_params(format!(
                "a server may take the member {key:?} for \"{meant}\": leave it out, or write it \"{meant}\""
            )));
        }
    }
    Ok(())
}

/// Refuses arguments of which two may be taken for one, and those of which one, or a member at any depth, may be taken for another that the tool
/// `listed` declares: a rule would see the one, and the server the other.
///
/// # Errors
/// -32602.
pub(super) fn check_arguments(arguments: &Raw, listed: Option<&Listed>) -> Result<(), Error> {
    let mut names: Vec<(String, String)> = match arguments.members().nth(1) {
        Some(_) => {
            arguments.members().map(|member| (folded(&member.key()), member.key().into_owned())).collect()
        }
        // One alone is like no other.
        None => Vec::new(),
    };
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::invalid_params(format!(
            "a server may take the argument {:?} for {:?}: leave one of them out",
            pair[0].1, pair[1].1
        )));
    }
    match listed.and_then(|listed| listed.declared_names().look_alike(arguments.as_str())) {
        Some(LookAlike { given, meant }) => Err(Error::invalid_params(format!(
            "a server may take the argument {given:?} for {:?}: write it as the tool does",
            &*meant
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::Method;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn members_that_a_server_may_take_for_others_are_refused() {
        let is_right = |params: Value| check(&Request::new(Method::Complete, Raw::from(params))).is_ok();
        for right in [
            json!({"name": "x", "arguments": {"Name": 1, "NAME": 2}, "_meta": {"Name": 1}, "names": 1, "Other": 2}),
            json!({"ref": {"type": "ref/prompt", "name": "x", "title": "y"}, "argument": {"name": "a", "value": "b"}}),
            json!({}),
        ] {
            assert!(is_right(right.clone()), "{right}");
        }
        for key in [
            "Name",
            "NAME",
            "name\0",
            "Name\0x",
            "URI",
            "Arguments",
            "argument\u{17f}",
            "_Meta",
            "RequestState",
        ] {
            assert!(!is_right(json!({"name": "x", key: "y"})), "{key:?}");
            assert!(!is_right(json!({key: "y"})), "{key:?}");
        }
        for wrong in [
            json!({"ref": {"name": "x", "Name": "y"}}),
            json!({"argument": {"name": "x", "Value": "y"}}),
            json!({"context": {"Arguments": {}}}),
        ] {
            assert!(!is_right(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn two_arguments_that_may_be_one_are_refused() {
        let is_right = |arguments: Value| check_arguments(&arguments.into(), None).is_ok();
        assert!(
            is_right(json!({"a": 1, "b": {"C": 1, "c": 2}})) && is_right(json!({})) && is_right(json!(null))
        );
        assert!(!is_right(json!({"path": "a", "Path": "b"})));
        assert!(!is_right(json!({"path": "a", "path\0": "b"})));
        assert!(!is_right(json!({"key": "a", "\u{212a}ey": "b"})));
    }

    #[test]
    fn an_argument_that_may_be_one_of_the_tool_is_refused() {
        let inside = json!({"properties": {"path": {}}});
        let tool = json!({"inputSchema": {"properties": {"path": {}, "mode": {}, "Mode": {}, "in": inside}}});
        let tool = Listed::new(Raw::from(tool));
        let is_right = |arguments: Value| check_arguments(&arguments.into(), Some(&tool)).is_ok();
        assert!(
            is_right(json!({"path": "a", "Other": 1})) && is_right(json!({"Mode": 1})) && is_right(json!({}))
        );
        assert!(!is_right(json!({"Path": "/etc/shadow"})));
        assert!(!is_right(json!({"path\0": "/etc/shadow"})));
        assert!(is_right(json!({"in": {"path": "a", "other": {"Path": 1}}})));
        assert!(!is_right(json!({"in": {"Path": "/etc/shadow"}})));
    }
}
