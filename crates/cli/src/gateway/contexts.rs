//! The conversations of a gateway, which it offers itself.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use anyport_auth::StoreSealer;
use anyport_config::gateway::GatewayConfig;
use anyport_contexts::Contexts;
use anyport_gateway::federation::{Member, Naming};
use anyport_server::Server;

use super::member_names;
use crate::{upstream_factory::UpstreamFactory, user_error::UserError};

/// The tools and resources of conversations, once they are switched on.
pub(super) struct GatewayContexts {
    /// `None`: there is no store.
    contexts: Option<Contexts>,
    server: OnceLock<Server>,
}

/// The names of its tools.
pub(super) const TOOLS: [&str; 5] =
    ["context_append", "context_get", "context_list", "context_share", "context_update"];

impl GatewayContexts {
    pub(super) fn new(factory: &UpstreamFactory) -> Self {
        let contexts = factory.open_store().map(|open| {
            let sealer = Arc::new(StoreSealer::new(factory.sealer()));
            Contexts::new(open.store.clone(), sealer, factory.limits.contexts, &factory.metrics)
        });
        Self { contexts, server: OnceLock::new() }
    }

    /// They as a member of the federation, if clients are offered them.
    ///
    /// # Errors
    /// When there is no place to keep them.
    pub(super) fn member(&self, config: &GatewayConfig) -> Result<Option<Member>> {
        if !config.contexts.tools {
            return Ok(None);
        }
        let server = match self.server.get() {
            Some(server) => server,
            None => {
                let contexts = self.contexts.as_ref().ok_or_else(|| {
                    UserError::usage(
                        "there is no folder for the conversations of [contexts], or it cannot be written",
                        "name one with --state-dir DIR",
                    )
                })?;
                let server = anyport_contexts::server(contexts).context("conversations cannot be served")?;
                self.server.get_or_init(|| server)
            }
        };
        let member = Member::new(member_names::CONTEXTS, Arc::new(server.clone()))
            .naming(Naming::default().prefix(""));
        Ok(Some(member.lists_per_principal()))
    }
}
