use std::sync::Arc;

use crate::{Server, core::Mounted, visibility::VisibilityRule};

/// A server that is mounted in another, and how. See [`crate::Builder::mount`].
///
/// ```
/// use anyport_server::{Context, Mount, NoArguments, Server, Tool};
///
/// let clock = Server::builder("clock", "1.0.0")
///     .tool(Tool::new("now").run(async |_: NoArguments, _: Context| "noon"))
///     .build()?;
/// let desk = Server::builder("desk", "1.0.0").mount("clock", Mount::of(clock).separator(".")).build()?;
/// // Clients call `clock.now`.
/// # let _ = desk;
/// # Ok::<(), anyport_server::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mount {
    server: Server,
    separator: String,
    resources: bool,
    instructions: bool,
    visible: Option<VisibilityRule>,
}

impl Mount {
    /// All of `server`: its tools and prompts under `PREFIX_NAME`, its resources and templates under their own URIs,
    /// and its instructions.
    pub fn of(server: Server) -> Self {
        Self { server, separator: "_".to_owned(), resources: true, instructions: true, visible: None }
    }

    /// What stands between the prefix and a name, instead of `_`. Some clients know only letters, digits, `_` and `-`
    /// in names.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self
    }

    /// Leaves out its resources and templates, for servers with the same URIs as another one.
    #[must_use]
    pub fn without_resources(mut self) -> Self {
        self.resources = false;
        self
    }

    /// Leaves out its instructions.
    #[must_use]
    pub fn without_instructions(mut self) -> Self {
        self.instructions = false;
        self
    }

    /// Shows it only to callers for which `rule` returns true, as [`crate::Tool::visible_to`] does for one tool.
    #[must_use]
    pub fn visible_to(
        mut self,
        rule: impl Fn(&anyport_service::Principal) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.visible = VisibilityRule::both(self.visible, Some(VisibilityRule::new(rule)));
        self
    }
}

impl From<Server> for Mount {
    fn from(server: Server) -> Self {
        Self::of(server)
    }
}

impl Mount {
    /// What the server in which it is mounted under `prefix` keeps of it.
    pub(crate) fn into_mounted(self, prefix: &str) -> Mounted {
        let Self { server, separator, resources, instructions, visible } = self;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}{separator}") };
        Mounted { prefix, server: Arc::new(server), resources, instructions, visible }
    }
}
