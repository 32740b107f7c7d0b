use anyport_protocol::Revision;

use crate::site::Way;

/// How a principal reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// MCP over one of its transports.
    Mcp(Way, Revision),
    /// The newest revision over HTTP/2.
    Http2,
    /// The REST interface.
    Rest,
}

impl Line {
    /// Every one that there is.
    pub(super) fn all() -> Vec<Self> {
        let every = |way| Revision::ALL.iter().map(move |revision| Self::Mcp(way, *revision));
        let mcp = Way::ALL.into_iter().flat_map(every);
        let is_there = |line: &Self| match line {
            Self::Mcp(Way::Sse, revision) => !revision.is_stateless(),
            _ => true,
        };
        mcp.filter(is_there).chain([Self::Http2, Self::Rest]).collect()
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Mcp(way, revision) => format!("{revision} over {way:?}"),
            Self::Http2 => format!("{} over HTTP/2", Revision::NEWEST),
            Self::Rest => "the REST interface".to_owned(),
        }
    }
}
