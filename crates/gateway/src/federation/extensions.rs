//! The extensions that a federation relays, and declares to either side.

use anyport_protocol::{Raw, json::Splice};

/// The extensions that are relayed. What others mean for names and URIs is not known here.
const RELAYED: [&str; 1] = ["io.modelcontextprotocol/ui"];

/// A client's capabilities without the extensions that are not relayed; `None` if it has no others.
///
/// 2026-07-28, basic §Per-request protocol fields: "A server **MUST NOT** rely on capabilities the client has not declared." So a
/// member learns of no extension that does not reach the client. Nor has each client with an extension of its own lists of
/// its own.
pub(super) fn relayed(capabilities: &Raw) -> Option<Raw> {
    let extensions = capabilities.member("extensions")?;
    let is_relayed = |name: &str| RELAYED.contains(&name);
    if extensions.is_object() && extensions.members().all(|member| is_relayed(&member.key())) {
        return None;
    }
    let left = Splice::retain(&extensions, is_relayed).finish();
    let capabilities = Splice::retain(capabilities, |name| name != "extensions");
    let any = left.as_str() != "{}";
    Some(if any { capabilities.with("extensions", &left) } else { capabilities }.finish())
}

/// The extensions of members that are relayed, by the capabilities of these members. Their settings are left out where members
/// differ.
pub(super) fn common(of_members: &[Raw]) -> Option<Raw> {
    let mut all = Splice::new();
    let mut is_empty = true;
    for name in RELAYED {
        let settings = of_members.iter().filter_map(|one| one.member("extensions")?.member(name));
        let settings: Vec<Raw> = settings.collect();
        let Some(first) = settings.first() else { continue };
        let are_equal = settings.iter().all(|other| other == first);
        let common = if are_equal { first.clone() } else { Raw::EMPTY_OBJECT };
        all = all.with(name, &common);
        is_empty = false;
    }
    (!is_empty).then(|| all.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn extensions_that_are_not_relayed_are_not_declared() {
        let ui = json!({"io.modelcontextprotocol/ui": {"a": 1}});
        let both = json!({"io.modelcontextprotocol/ui": {"a": 1}, "acme/x": {}});
        let cases = [
            (json!({"roots": {}}), None),
            (json!({"extensions": ui}), None),
            (json!({"extensions": both, "roots": {}}), Some(json!({"roots": {}, "extensions": ui}))),
            (json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}), Some(json!({}))),
            (json!({"extensions": 1}), Some(json!({}))),
        ];
        for (declared, left) in cases {
            let found = relayed(&declared.clone().into()).map(|left| left.decode::<Value>().unwrap());
            assert_eq!(found, left, "{declared}");
        }
    }
}
