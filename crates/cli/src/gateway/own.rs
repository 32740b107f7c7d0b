//! What a gateway offers itself, beside its servers.

use anyhow::Result;
use anyport_config::gateway::GatewayConfig;
use anyport_gateway::federation::Member;

use super::{
    contexts::{self, GatewayContexts},
    health::{self, GatewayHealth},
};

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

/// Whether the member of this name is no server of the file.
pub(super) fn is_own(name: &str) -> bool {
    name == health::MEMBER || name == contexts::MEMBER
}
