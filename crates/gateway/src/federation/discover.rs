//! `server/discover`: what all members are together.

use std::sync::Arc;

use anyport_protocol::{
    Raw,
    json::{Members as Object, Splice},
};
use anyport_service::{Context, Outcome, Reply};

use super::{endpoint::Endpoint, extensions, list_kind::ListKind, view::View};

/// The most bytes of one member's instructions.
const INSTRUCTIONS_OF_MEMBER: usize = 4 << 10;
/// The most bytes of all instructions.
const INSTRUCTIONS: usize = 32 << 10;

/// Answers `server/discover`, at once if every member is known.
pub(super) fn reply(endpoint: &Arc<Endpoint>, context: &Context) -> Reply {
    let (endpoint, view) = (endpoint.clone(), endpoint.view(context));
    // Clients list the tools next. A member that starts gets the time in between, too.
    view.request(ListKind::Tools);
    Reply::future(async move {
        view.described(endpoint.shared.limits.first_list_wait).await;
        Outcome::Result(described(&endpoint, &view))
    })
}

/// What the members that are known are together.
fn described(endpoint: &Endpoint, view: &View) -> Raw {
    let members = view.members();
    let known: Vec<(&str, Option<Arc<Raw>>)> =
        members.iter().map(|(member, catalog)| (&*member.title, catalog.description().value())).collect();
    let descriptions: Vec<&Raw> =
        known.iter().filter_map(|(_, description)| description.as_deref()).collect();
    let all_known = descriptions.len() == known.len();
    let revisions: Vec<&str> = endpoint.revisions.iter().map(|revision| revision.as_str()).collect();
    let mut result = Splice::new()
        .with("resultType", &Raw::string("complete"))
        .with("supportedVersions", &Raw::from(serde_json::Value::from(revisions)))
        .with("capabilities", &capabilities(&descriptions, all_known, endpoint.shared.members().spill()));
    if let Some(instructions) = instructions(endpoint.instructions.as_deref(), &known) {
        result = result.with("instructions", &Raw::string(&instructions));
    }
    let ttl = if all_known { 60_000 } else { 0 };
    result
        .with("ttlMs", &Raw::from(serde_json::Value::from(ttl)))
        .with("cacheScope", &Raw::string("private"))
        .with("_meta", &endpoint.meta)
        .finish()
}

/// The capabilities of all members together. The catalog can always tell when a list has changed.
///
/// A legacy session keeps what it learned at its start, so a member that is not known yet counts as one with tools.
fn capabilities(descriptions: &[&Raw], all_known: bool, spills: bool) -> Raw {
    let of_members: Vec<Raw> = descriptions.iter().filter_map(|one| one.member("capabilities")).collect();
    let any = |name: &str| of_members.iter().any(|one| one.member(name).is_some_and(|part| part.is_object()));
    let truth = Raw::trusted(b"true".to_vec());
    let changes = Splice::new().with("listChanged", &truth);
    let mut all = Splice::new();
    if any("tools") || !all_known {
        all = all.with("tools", &Splice::new().with("listChanged", &truth).finish());
    }
    if any("prompts") {
        all = all.with("prompts", &Splice::new().with("listChanged", &truth).finish());
    }
    // Large results are resources of ours.
    if any("resources") || spills {
        let subscribe = of_members.iter().any(|one| {
            let resources = Object::find(one.as_str(), "resources");
            resources.and_then(|resources| Object::find(resources, "subscribe")) == Some("true")
        });
        let resources = if subscribe { changes.with("subscribe", &truth) } else { changes };
        all = all.with("resources", &resources.finish());
    }
    for name in ["completions", "logging"] {
        if any(name) {
            all = all.with(name, &Raw::EMPTY_OBJECT);
        }
    }
    match extensions::common(&of_members) {
        Some(extensions) => all.with("extensions", &extensions).finish(),
        None => all.finish(),
    }
}

/// Our instructions, then those of each member below its title.
fn instructions(ours: Option<&str>, members: &[(&str, Option<Arc<Raw>>)]) -> Option<String> {
    let mut all = ours.map(str::to_owned).unwrap_or_default();
    for (title, description) in members {
        let text = description.as_ref().and_then(|one| one.member("instructions")?.as_string());
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { continue };
        let gap = if all.is_empty() { "" } else { "\n\n" };
        all.push_str(&format!("{gap}## {title}\n\n{}", shortened(&text, INSTRUCTIONS_OF_MEMBER)));
    }
    let all = shortened(&all, INSTRUCTIONS);
    (!all.is_empty()).then(|| all.to_owned())
}

/// As much of `text` as fits into `bytes`.
fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn union(members: &[Value]) -> Value {
        let members: Vec<Raw> = members.iter().map(|one| json!({"capabilities": one}).into()).collect();
        capabilities(&members.iter().collect::<Vec<_>>(), true, false).decode().unwrap()
    }

    #[test]
    fn capabilities_union() {
        let ui = |settings: Value| json!({"extensions": {"io.modelcontextprotocol/ui": settings, "x/y": {}}});
        assert_eq!(
            union(&[
                json!({"tools": {}, "experimental": {"x": {}}}),
                json!({"resources": {"subscribe": true}, "logging": {}})
            ]),
            json!({
                "tools": {"listChanged": true},
                "resources": {"listChanged": true, "subscribe": true},
                "logging": {},
            })
        );
        assert_eq!(
            union(&[ui(json!({"a": 1})), ui(json!({"a": 1}))])["extensions"],
            json!({"io.modelcontextprotocol/ui": {"a": 1}})
        );
        assert_eq!(
            union(&[ui(json!({"a": 1})), ui(json!({"a": 2}))])["extensions"],
            json!({"io.modelcontextprotocol/ui": {}})
        );
        assert_eq!(capabilities(&[], false, false).as_str(), r#"{"tools":{"listChanged":true}}"#);
    }

    #[test]
    fn instructions_stand_below_the_title_of_their_member_and_are_bounded() {
        let member = |text: &str| Some(Arc::new(Raw::from(json!({ "instructions": text }))));
        let all = instructions(Some("Ours."), &[("A", member("be kind")), ("B", None), ("C", member("  "))]);
        assert_eq!(all.as_deref(), Some("Ours.\n\n## A\n\nbe kind"));
        assert_eq!(instructions(None, &[]), None);
        let long = member(&"ä".repeat(5_000));
        assert_eq!(instructions(None, &[("A", long.clone())]).unwrap().len(), "## A\n\n".len() + (4 << 10));
        let many: Vec<_> = (0..20).map(|_| ("A", long.clone())).collect();
        assert!(instructions(None, &many).unwrap().len() <= 32 << 10);
    }
}
