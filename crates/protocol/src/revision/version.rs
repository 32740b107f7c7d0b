use std::{fmt, str::FromStr};

use super::table::revisions;

macro_rules! revision {
    (
        $(#[doc = $oldest_doc:literal])* $oldest:ident = $oldest_name:literal;
        $($(#[doc = $doc:literal])* $(#[cfg($cfg:ident)])? $revision:ident = $name:literal, after $step:ident;)*
    ) => {
        /// A revision of the protocol; older ones are smaller.
        ///
        /// Differences between revisions are named properties, such as [`Revision::has_sessions`]. Only this crate compares
        /// revisions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Revision {
            $(#[doc = $oldest_doc])* $oldest,
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $revision,)*
        }

        impl Revision {
            /// Every revision, oldest first.
            pub const ALL: [Self; [Self::$oldest, $($(#[cfg($cfg)])? Self::$revision),*].len()] =
                [Self::$oldest, $($(#[cfg($cfg)])? Self::$revision),*];

            /// The name on the wire: the date of the revision.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$oldest => $oldest_name,
                    $($(#[cfg($cfg)])? Self::$revision => $name,)*
                }
            }
        }
    };
}

revisions!(revision);

impl Revision {
    /// The newest revision. Everything between the two ends of a call is written in it.
    pub const NEWEST: Self = Self::ALL[Self::ALL.len() - 1];

    /// The newest revision that opens with `initialize`.
    pub const NEWEST_LEGACY: Self = {
        let mut newest = Self::ALL[0];
        let mut index = 0;
        while index < Self::ALL.len() {
            if Self::ALL[index].has_sessions() {
                newest = Self::ALL[index];
            }
            index += 1;
        }
        newest
    };

    /// The revision that a Streamable HTTP request without a version header speaks.
    ///
    /// 2025-11-25, transports §Protocol Version Header: "the server SHOULD assume protocol version `2025-03-26`".
    pub const WITHOUT_HEADER: Self = Self::V2025_03_26;
}

/// The text is not the name of a known revision.
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
        assert!(Revision::ALL.is_sorted_by_key(|revision| revision.as_str()));
        for revision in Revision::ALL {
            assert_eq!(revision.as_str().parse(), Ok(revision));
        }
        assert_eq!("1900-01-01".parse::<Revision>(), Err(UnknownRevision));
        assert_eq!(Revision::NEWEST_LEGACY, Revision::V2025_11_25);
    }
}
