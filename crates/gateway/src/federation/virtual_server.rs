use std::sync::Arc;

use anyport_protocol::{Raw, json::Splice};

use super::{
    endpoint::Endpoint,
    pattern::{Pattern, Selection},
};

/// A selection of the items of a federation, as a service of its own: see [`super::Federation::virtual_server`].
///
/// Patterns are compared with the names of tools and prompts, and with the URIs of resources and their templates, all of
/// them as clients see them. `*` stands for any text. What is not selected can neither be listed nor used.
#[derive(Clone, Debug)]
#[must_use = "a virtual server is made by `Federation::virtual_server`"]
pub struct VirtualServer {
    name: String,
    instructions: Option<String>,
    is_searched: bool,
    selection: Selection,
}

impl VirtualServer {
    /// Begins with all items. The server introduces itself to clients as `name`, in the version of the federation.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), instructions: None, is_searched: false, selection: Selection::default() }
    }

    /// Offers only what one of the included patterns matches.
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.selection.include.push(Pattern::new(pattern));
        self
    }

    /// Leaves out what `pattern` matches, even if it is included.
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.selection.exclude.push(Pattern::new(pattern));
        self
    }

    /// Sets the instructions. Without them, it has those of the federation and of its members.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Says whether [`ToolSearch`](crate::ToolSearch) stands before it: clients are notified when that changes.
    pub fn searched(mut self, is_searched: bool) -> Self {
        self.is_searched = is_searched;
        self
    }

    /// The endpoint of the selection from `federation`.
    pub(super) fn endpoint(self, federation: &Endpoint) -> Endpoint {
        let identity = Splice::retain(&federation.identity, |key| key == "version");
        let identity = identity.with("name", &Raw::string(&self.name)).finish();
        let instructions = self.instructions.or_else(|| federation.instructions.clone());
        let (shared, revisions) = (federation.shared.clone(), federation.revisions.clone());
        Endpoint::new(shared, Arc::new(self.selection), identity, instructions, self.is_searched, revisions)
            .of_virtual_server(Some(self.name))
    }
}
