//! Tasks, which the bridge does not carry.

use anyport_protocol::{Raw, json::Splice};

/// The extension of tasks, which 2025-11-25 has in its core; inside, both are the extension.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Capabilities without tasks; `None` if they have none. Requests about tasks are not carried, so they are declared to
/// neither side.
pub(super) fn without_tasks(capabilities: &Raw) -> Option<Raw> {
    if !capabilities.as_str().contains(TASKS) {
        return None;
    }
    let extensions = capabilities.member("extensions").filter(Raw::is_object)?;
    let rest = Splice::retain(&extensions, |name| name != TASKS).finish();
    let capabilities = Splice::retain(capabilities, |name| name != "extensions");
    let some = rest.as_str() != "{}";
    Some(if some { capabilities.with("extensions", &rest) } else { capabilities }.finish())
}
