use super::tree::Tree;
use crate::meta::key;

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

/// Removes `names` from `_meta`, and `_meta` itself when that leaves nothing of it.
pub(super) fn remove_from_meta(value: &mut Tree, names: &[&str]) {
    let Some(meta) = value.peek("_meta") else { return };
    if !meta.members().any(|member| names.contains(&&*member.key())) {
        return;
    }
    let Some(opened) = value.member("_meta").and_then(Tree::object) else { return };
    opened.retain(|key| !names.contains(&key));
    if opened.is_empty() {
        value.remove("_meta");
    }
}
