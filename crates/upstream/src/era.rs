//! The two eras of the protocol, and which of them a server speaks.

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

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Modern => Self::Legacy,
            Self::Legacy => Self::Modern,
        }
    }
}

/// Which eras a server speaks, as far as that is known: learned from connections for which both were possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServedEras {
    modern: Option<bool>,
    legacy: Option<bool>,
}

impl ServedEras {
    /// Whether the server speaks `era`; `None` while that is unknown.
    pub(crate) fn has(&self, era: Era) -> Option<bool> {
        match era {
            Era::Modern => self.modern,
            Era::Legacy => self.legacy,
        }
    }

    /// The era of the connections for calls that prefer `preferred`; `None` while that is unknown.
    pub(crate) fn for_calls(&self, preferred: Era) -> Option<Era> {
        self.has(preferred).map(|has| if has { preferred } else { preferred.other() })
    }

    /// Learns from a connection that was opened with `preferred` before the other era, and was found to speak `found`.
    pub(crate) fn learn(&mut self, preferred: Era, found: Era) {
        self.set(preferred, preferred == found);
        self.set(found, true);
    }

    fn set(&mut self, era: Era, has: bool) {
        match era {
            Era::Modern => self.modern = Some(has),
            Era::Legacy => self.legacy = Some(has),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_shows_the_era_that_it_preferred_and_the_one_that_it_found() {
        let mut eras = ServedEras::default();
        assert_eq!(eras.for_calls(Era::Legacy), None);
        eras.learn(Era::Modern, Era::Modern);
        assert_eq!((eras.for_calls(Era::Modern), eras.for_calls(Era::Legacy)), (Some(Era::Modern), None));
        eras.learn(Era::Legacy, Era::Legacy);
        assert_eq!(eras.for_calls(Era::Legacy), Some(Era::Legacy), "it speaks both");
        eras.learn(Era::Modern, Era::Legacy);
        assert_eq!(eras.for_calls(Era::Modern), Some(Era::Legacy), "it was downgraded");
        eras.learn(Era::Legacy, Era::Modern);
        assert_eq!(eras.for_calls(Era::Legacy), Some(Era::Modern), "it was upgraded");
        assert_eq!(eras.for_calls(Era::Modern), Some(Era::Modern));
    }
}
