use smallvec::SmallVec;

use super::tree::Tree;
use crate::{Raw, json::Members, meta::key};

/// Members of a result that only its own hop may read.
pub(super) const RESULT: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// Members of a request's params that belong to the rounds of one modern hop. An old peer has no rounds, so
/// they go on the way up as well: a forged state must not look like a retry.
pub(super) const PARAMS: [&str; 2] = ["inputResponses", "requestState"];

/// Members of `_meta` that only a modern hop has.
const META: [&str; 6] = [
    key::PROTOCOL_VERSION,
    key::CLIENT_INFO,
    key::CLIENT_CAPABILITIES,
    key::LOG_LEVEL,
    key::SERVER_INFO,
    key::SUBSCRIPTION_ID,
];

/// Removes the members of `_meta` that only a modern hop has.
///
/// On the way up as well: an old peer that wrote one of them would speak for a hop that is not its own.
pub(super) fn remove_meta(value: &mut Tree) {
    remove_from_meta(value, &META);
}

/// Removes the members `names`, and those of `_meta` that only a modern hop has. What is not opened is walked over once.
pub(super) fn remove(value: &mut Tree, names: &[&str]) {
    if let Tree::Closed(raw) = value {
        if let Some(rest) = without(raw, names) {
            *value = Tree::Closed(rest);
        }
        return;
    }
    remove_meta(value);
    names.iter().for_each(|name| _ = value.remove(name));
}

/// `object` without the members `names`, and without those of `_meta` that only a modern hop has; `None` if it has none of them.
fn without(object: &Raw, names: &[&str]) -> Option<Raw> {
    let text = object.as_str();
    let mut rest: SmallVec<[&str; 24]> = SmallVec::new();
    let mut is_changed = false;
    for member in Members::of(text) {
        let (first, comma) = (rest.len(), if rest.is_empty() { "" } else { "," });
        if names.iter().any(|name| member.is(name)) {
            is_changed = true;
        } else if member.is("_meta") && has_hop_member(member.value) {
            is_changed = true;
            for inner in Members::of(member.value).filter(|inner| !META.iter().any(|name| inner.is(name))) {
                let before = if rest.len() == first { "\"_meta\":{" } else { "" };
                let between = if before.is_empty() { "," } else { comma };
                rest.extend([between, before, &member.value[inner.range]]);
            }
            if rest.len() > first {
                rest.push("}");
            }
        } else {
            rest.extend([comma, &text[member.range]]);
        }
    }
    is_changed.then(|| {
        rest.insert(0, "{");
        rest.push("}");
        Raw::trusted(rest.concat().into_bytes())
    })
}

fn has_hop_member(meta: &str) -> bool {
    Members::of(meta).any(|member| META.iter().any(|name| member.is(name)))
}

/// Removes `names` from `_meta`, and `_meta` itself when that leaves nothing of it.
pub(super) fn remove_from_meta(value: &mut Tree, names: &[&str]) {
    let Some(meta) = value.peek("_meta") else { return };
    if !meta.members().any(|member| names.contains(&&*member.key())) {
        return;
    }
    let Some(value) = value.object() else { return };
    let Some(opened) = value.get_mut("_meta").and_then(Tree::object) else { return };
    opened.retain(|key| !names.contains(&key));
    if opened.is_empty() {
        value.remove("_meta");
    }
}
