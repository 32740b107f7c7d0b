use std::{sync::Arc, time::Duration};

use super::{
    input::ConnectionConfig,
    negotiated::NegotiatedSession,
    negotiation::{NegotiationStep, VersionNegotiation},
};
use crate::failure::CloseReason;

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// It is found out what the server speaks.
    Opening(Opening),
    /// A session is agreed, and is usable once the server has taken `notifications/initialized`.
    Confirming(Arc<NegotiatedSession>),
    /// Calls may be made.
    Open(Arc<NegotiatedSession>),
    Closed(CloseReason),
}

/// The negotiation of a version, and its times.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) negotiation: VersionNegotiation,
    /// What is sent once the channel is open.
    pub(super) first: Option<NegotiationStep>,
    /// When the server has been silent about the probe for too long.
    pub(super) probe_ends: Option<Duration>,
    /// When there will be no agreement any more. Beyond the clock is never.
    pub(super) give_up: Option<Duration>,
}

impl Opening {
    pub(super) fn new(config: &ConnectionConfig) -> Self {
        let (negotiation, first) = match config.revision {
            None if config.legacy_first => VersionNegotiation::legacy_first(),
            revision => VersionNegotiation::begin(revision),
        };
        Self { negotiation, first: Some(first), probe_ends: None, give_up: Some(config.open_timeout) }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.probe_ends.into_iter().chain(self.give_up).min()
    }
}
