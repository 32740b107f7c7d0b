//! What a gateway offers itself, beside its servers.

use anyhow::Result;
use anyport_config::gateway::GatewayConfig;
use anyport_gateway::federation::Member;

use super::{contexts::GatewayContexts, health::GatewayHealth};

/// The members of the federation that are no servers of the file.
pub(super) struct OwnMembers {
    pub(super) health: GatewayHealth,
    pub(super) contexts: GatewayContexts,
}

impl OwnMembers {
    /// Those that clients are offered.
    ///
    /// # Errors
    /// When one that is switched on cannot be offered.
    pub(super) fn all(&self, config: &GatewayConfig) -> Result<impl Iterator<Item = Member> + use<>> {
        Ok(self.health.member(config).into_iter().chain(self.contexts.member(config)?))
    }
}
