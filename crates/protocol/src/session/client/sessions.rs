use std::time::Duration;

use crate::Revision;

/// The sessions of a connection over Streamable HTTP: which one is current, and how far its renewal is.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// How many sessions were opened before the current one.
    pub(super) generation: u32,
    /// The revision that the first `initialize` agreed on.
    pub(super) revision: Option<Revision>,
    pub(super) renewal: Option<Renewal>,
}

/// A session that is being opened in place of a lost one.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) stage: RenewalStage,
    /// When it is given up. Beyond the clock is never.
    pub(super) give_up: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum RenewalStage {
    Initializing,
    /// `notifications/initialized` is under way, and the shared stream.
    Confirming,
    /// This many requests that restore the log level and subscriptions are not answered.
    Restoring(usize),
}

impl Sessions {
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn keep_initialize(&mut self, revision: Revision) {
        self.revision = Some(revision);
    }

    pub(super) fn is_renewing(&self) -> bool {
        self.renewal.is_some()
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.renewal.as_ref()?.give_up
    }
}
