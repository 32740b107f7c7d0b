use anyport_protocol::Revision;
use fastrand::Rng;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Modern,
    Legacy,
    /// It is upgraded and downgraded: each time that it starts it is of one era, of the other, or of both.
    Changing,
    /// The bridge starts it, and speaks to it on standard streams.
    Program,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Modern, Self::Legacy, Self::Changing, Self::Program];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Modern => "a modern server",
            Self::Legacy => "a legacy server",
            Self::Changing => "a server that is upgraded",
            Self::Program => "a legacy program",
        }
    }

    /// How many descriptors more a bridge may hold at the end than at the beginning: it listens to a legacy server on a stream, to
    /// a modern one only for those who subscribe, and this server may have become a legacy one.
    pub(super) fn listens_later(self) -> usize {
        usize::from(self == Self::Changing)
    }

    /// The eras of the server when it starts next, as [`super::serve`] is told them.
    pub(super) fn era(self, random: &mut Rng) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy | Self::Program => "legacy",
            Self::Changing => random.choice(["modern", "legacy", "both"]).unwrap_or("both"),
        }
    }
}

/// The revisions of `era`: `modern`, `legacy` or `both`.
pub fn revisions(era: &str) -> Option<Vec<Revision>> {
    let of =
        |is_modern: bool| Revision::ALL.iter().copied().filter(move |one| one.is_stateless() == is_modern);
    match era {
        "modern" => Some(of(true).collect()),
        "legacy" => Some(of(false).collect()),
        "both" => Some(Revision::ALL.to_vec()),
        _ => None,
    }
}
