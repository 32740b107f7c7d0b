use std::{collections::BTreeMap, time::Duration};

use bytestring::ByteString;

use super::call_id::CallId;
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
    /// The log level and the subscriptions are restored.
    Restoring {
        /// The requests that are not answered, each with the resource that it is about.
        pending: BTreeMap<CallId, Option<ByteString>>,
        /// The resources to which the server has refused to subscribe the session.
        refused: Vec<ByteString>,
    },
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
