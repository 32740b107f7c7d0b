use super::{Part, tree::Tree};
use crate::Method;

/// Calls `change` with every tool: of a list, or given to a sampled model.
pub(super) fn each_tool(part: Part, value: &mut Tree, change: impl FnMut(&mut Tree)) {
    if matches!(part, Part::Result(Method::ToolsList) | Part::ServerRequest(Method::CreateMessage)) {
        value.elements("tools").iter_mut().for_each(change);
    }
}
