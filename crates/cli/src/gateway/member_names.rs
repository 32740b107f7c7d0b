//! The names of a gateway's own members in its federation. No server of a file can have them.

/// Of the tool `health_check`.
pub(super) const HEALTH: &str = "anyport.health";
/// Of conversations.
pub(super) const CONTEXTS: &str = "anyport.contexts";

/// Whether the member of this name is no server of the file.
pub(super) fn is_own(name: &str) -> bool {
    name == HEALTH || name == CONTEXTS
}
