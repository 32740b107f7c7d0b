//! The program's commands, with servers of other projects: `tests/python/program.py`.

/// One of those servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Everything,
    Filesystem,
    Memory,
    Time,
    Git,
}

impl Server {
    pub(super) const ALL: [Self; 5] =
        [Self::Everything, Self::Filesystem, Self::Memory, Self::Time, Self::Git];

    /// The package that it comes in, as the file that pins it writes it.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Everything => "@modelcontextprotocol/server-everything",
            Self::Filesystem => "@modelcontextprotocol/server-filesystem",
            Self::Memory => "@modelcontextprotocol/server-memory",
            Self::Time => "mcp-server-time",
            Self::Git => "mcp-server-git",
        }
    }

    /// Its name in the script.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Filesystem => "filesystem",
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Git => "git",
        }
    }
}
