use std::{fmt, str::FromStr};

/// A revision of the protocol; older ones are smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05: stdio and HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches, audio, tool annotations.
    V2025_03_26,
    /// 2025-06-18: no batches; elicitation, structured output, resource links, the version header.
    V2025_06_18,
    /// 2025-11-25: URL elicitation, tool use in sampling, tasks, icons, SSE polling.
    V2025_11_25,
    /// 2026-07-28: stateless; `server/discover`, `input_required`, `subscriptions/listen`.
    V2026_07_28,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The newest revision.
    pub const NEWEST: Self = Self::V2026_07_28;

    /// The newest revision that opens with `initialize`.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    /// The revision that a Streamable HTTP request without a version header speaks.
    ///
    /// 2025-11-25, transports §Protocol Version Header: "the server SHOULD assume protocol version `2025-03-26`".
    pub const WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// Its name on the wire: the date of the revision.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether every request carries its own version and capabilities (2026-07-28, versioning §Terminology).
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// Whether messages may come in arrays.
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }

    /// Whether requests over Streamable HTTP name the revision in a header (2025-06-18, transports §Protocol Version
    /// Header).
    pub const fn has_version_header(self) -> bool {
        !matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }

    /// Whether a server may end the connection of an event stream during a call, and the client comes back for the rest
    /// (2025-11-25, transports §Sending Messages to the Server). Such a stream begins with an event that has an id.
    pub const fn has_sse_polling(self) -> bool {
        matches!(self, Self::V2025_11_25)
    }
}

/// The text is the name of no revision that we speak.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol version")]
pub struct UnknownRevision;

impl FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(name: &str) -> Result<Self, UnknownRevision> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name).ok_or(UnknownRevision)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_ordered_by_age_and_read_back() {
        assert!(Revision::ALL.is_sorted());
        for revision in Revision::ALL {
            assert_eq!(revision.as_str().parse(), Ok(revision));
        }
        assert_eq!("1900-01-01".parse::<Revision>(), Err(UnknownRevision));
    }
}
