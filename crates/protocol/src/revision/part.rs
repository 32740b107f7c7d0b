use crate::Method;

/// The part of a message that is converted between revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The params of a client's request.
    Params(Method),
    /// A server's result.
    Result(Method),
    /// The params of a server's request to the client: `elicitation/create`, `sampling/createMessage`,
    /// `roots/list`.
    ServerRequest(Method),
    /// The client's result to such a request.
    Answer(Method),
    /// The params of a notification, from either side.
    Notification(Method),
    /// The capabilities that a server declares in `initialize` or `server/discover`.
    ServerCapabilities,
    /// The capabilities that a client declares in `initialize` or in `_meta`.
    ClientCapabilities,
}

impl Part {
    /// The method that this is a part of.
    pub fn method(self) -> Option<Method> {
        match self {
            Self::Params(method)
            | Self::Result(method)
            | Self::ServerRequest(method)
            | Self::Answer(method)
            | Self::Notification(method) => Some(method),
            Self::ServerCapabilities | Self::ClientCapabilities => None,
        }
    }

    /// The capabilities that its member `capabilities` holds.
    pub(super) fn carries(self) -> Option<Self> {
        match self {
            Self::Params(Method::Initialize) => Some(Self::ClientCapabilities),
            Self::Result(Method::Initialize | Method::Discover) => Some(Self::ServerCapabilities),
            _ => None,
        }
    }
}
