use anyport_protocol::Revision;

/// The two eras of the protocol: a modern server says everything per request, a legacy one per session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Era {
    Modern,
    Legacy,
}

impl Era {
    pub(crate) fn of(revision: Revision) -> Self {
        if revision.is_stateless() { Self::Modern } else { Self::Legacy }
    }
}
