use std::collections::BTreeSet;

use bytestring::ByteString;

/// What one request changes in the subscriptions of its session.
///
/// Requests run side by side, so each carries its change to the moment in which it is made, and not the set that it would
/// have led to when it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionChange {
    added: Vec<ByteString>,
    removed: Vec<ByteString>,
}

impl SubscriptionChange {
    pub(super) fn between(old: &BTreeSet<ByteString>, new: &BTreeSet<ByteString>) -> Self {
        Self {
            added: new.difference(old).cloned().collect(),
            removed: old.difference(new).cloned().collect(),
        }
    }

    /// The URIs that the client subscribes to with this change.
    pub fn added(&self) -> &[ByteString] {
        &self.added
    }

    /// `subscriptions` with this change.
    pub fn apply(&self, subscriptions: &BTreeSet<ByteString>) -> BTreeSet<ByteString> {
        let stays = subscriptions.iter().filter(|uri| !self.removed.contains(uri));
        stays.chain(&self.added).cloned().collect()
    }
}
