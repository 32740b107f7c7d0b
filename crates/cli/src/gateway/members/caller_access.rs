//! How callers get tokens of their own for a server.

use std::sync::Arc;

use anyport::layer::Layer as _;
use anyport_adapters::LegacyClientLayer;
use anyport_auth::{CallerLogin, CallerLogins, ExchangedToken};
use anyport_gateway::CallerPart;
use anyport_service::{ScopedPrincipal, Service};
use anyport_transport::client::http::Endpoint;

use super::{
    exchange::{CallerExchange, Exchanging},
    per_user::{Offer, Reached, RequireLogin},
};

/// How callers get tokens of their own for one server.
#[derive(Clone)]
pub(super) enum CallerAccess {
    /// In exchange for theirs.
    Exchange(CallerExchange),
    /// By a login of each.
    PerUser(PerUser),
}

/// A server at which each caller signs in.
#[derive(Clone)]
pub(super) struct PerUser {
    pub(super) name: String,
    pub(super) logins: CallerLogins,
    /// What callers see that have not signed in.
    pub(super) offer: Offer,
    /// Asks clients of older revisions.
    pub(super) dialogues: LegacyClientLayer,
}

/// How one caller gets its token.
pub(super) enum OneCaller {
    Exchange(ExchangedToken),
    PerUser(PerUser, CallerLogin),
}

impl CallerAccess {
    /// What of a caller its connections depend on.
    pub(super) fn identity(&self) -> CallerPart {
        match self {
            Self::Exchange(_) => CallerPart::Scopes,
            Self::PerUser(_) => CallerPart::Principal,
        }
    }

    /// The issuer at which tokens are exchanged, if they are.
    pub(super) fn exchanged_at(&self) -> Option<&str> {
        match self {
            Self::Exchange(exchange) => Some(exchange.issuer()),
            Self::PerUser(_) => None,
        }
    }

    /// The logins of the callers, if each has one.
    pub(super) fn per_user(&self) -> Option<&PerUser> {
        match self {
            Self::Exchange(_) => None,
            Self::PerUser(server) => Some(server),
        }
    }

    /// How `caller` gets its token.
    ///
    /// # Errors
    /// Why it gets none.
    pub(super) fn of(&self, caller: ScopedPrincipal) -> Result<OneCaller, String> {
        Ok(match self {
            Self::Exchange(exchange) => OneCaller::Exchange(exchange.of(caller)),
            Self::PerUser(server) => {
                let login = CallerLogin::new(&server.logins, &server.name, caller.principal());
                OneCaller::PerUser(server.clone(), login.map_err(|error| error.to_string())?)
            }
        })
    }
}

impl OneCaller {
    /// The endpoint of the server with the token.
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Exchange(token) => token.endpoint(),
            Self::PerUser(_, login) => login.endpoint(),
        }
    }

    /// The server `name`, as it is `reached` once there is a token.
    pub(super) fn before(self, name: &str, reached: Reached) -> Arc<dyn Service> {
        match self {
            Self::Exchange(token) => Arc::new(Exchanging::new(name, token, reached.service)),
            Self::PerUser(server, login) => {
                Arc::new(server.dialogues.layer(RequireLogin::new(name, login, reached, server.offer)))
            }
        }
    }
}
