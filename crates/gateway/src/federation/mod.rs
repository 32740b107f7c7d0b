//! Several services behind one endpoint.
//!
//! # Layout
//! - [`Federation`], [`FederationBuilder`]: the service; [`Member`]: one of those behind it; [`VirtualServer`]: a selection
//!   of their items as a further service; [`FederationLimits`].
//! - [`Naming`], [`ItemOverride`]: how the tools and prompts of a member are named; `names`: the names of all members,
//!   without [`Collision`]s; `uris`: the same for resources; `pattern`: which items are offered.
//! - `core`, `health`: what is known of a member; `catalog`, `member_list`: what it offers to callers of one kind;
//!   `reading`, `cached`: how that is requested, and when again; `shared`: the members of all endpoints.
//! - `view`, `views`, `merged`, `cursor`: the lists of all members, for callers of one kind, in pages.
//! - `endpoint`: where names and URIs lead; `dispatch`: which methods are answered; `forward`, `in_flight`: calls; `discover`, `listen`:
//!   descriptions and subscriptions; `extensions`; `status`: [`MemberStatus`]; `retired`: [`RetiredMember`].
//! - `definition`, `content`, `questions`: what a member says, in the names and URIs of the federation; `edits`: how JSON is
//!   changed without being written again.

mod builder;
mod cached;
mod catalog;
mod content;
mod core;
mod cursor;
mod definition;
mod discover;
mod dispatch;
mod edits;
mod endpoint;
mod error;
mod extensions;
mod forward;
mod health;
mod in_flight;
mod limits;
mod list_kind;
mod listen;
mod member;
mod member_list;
mod merged;
mod names;
mod naming;
mod pattern;
mod questions;
mod reading;
mod retired;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod uris;
mod view;
mod views;
mod virtual_server;

use std::sync::Arc;

use anyport_service::{Context, Reply, Request, Service};

pub use self::{
    builder::FederationBuilder,
    error::FederationError,
    health::MemberState,
    limits::FederationLimits,
    member::Member,
    names::Collision,
    naming::{ItemOverride, Naming},
    retired::RetiredMember,
    status::MemberStatus,
    virtual_server::VirtualServer,
};
use self::{endpoint::Endpoint, member::Members};

/// Several services behind one endpoint: their tools, prompts and resources, each under the name of its member.
///
/// A federation with one member whose names stay as they are ([`Naming::prefix`] `""`) and without instructions of its own
/// passes every request on as it is, so that a client cannot tell it from the member.
///
/// Clones are the same federation. See [`FederationBuilder`].
#[derive(Clone)]
pub struct Federation {
    endpoint: Arc<Endpoint>,
}

impl Federation {
    /// Replaces the members. Members with the same name and service stay, with what is known of them. Calls in flight go on,
    /// and clients whose lists have changed are notified. Returns the members that are gone.
    ///
    /// # Errors
    /// A name that is empty, or that two members have. Then nothing is changed.
    pub fn set_members(
        &self,
        members: impl IntoIterator<Item = Member>,
    ) -> Result<Vec<RetiredMember>, FederationError> {
        let members: Vec<_> = members.into_iter().collect();
        self.endpoint.shared.replace_members(|old| Members::new(members, Some(old)))
    }

    /// Makes a further service of a selection of the items of all members.
    #[must_use]
    pub fn virtual_server(&self, server: VirtualServer) -> Self {
        Self { endpoint: Arc::new(server.endpoint(&self.endpoint)) }
    }

    /// The state of each member, in the order of the configuration.
    pub fn status(&self) -> Vec<MemberStatus> {
        self.endpoint.shared.members().entries.iter().map(|member| status::of(member)).collect()
    }

    /// The names and URIs that two items wanted, as far as the lists are known.
    pub fn report(&self) -> Vec<Collision> {
        self.endpoint.shared.collisions()
    }

    /// Ends every listen stream, those of virtual servers included. Calls go on.
    pub fn close(&self) {
        self.endpoint.shared.closed.send_replace(true);
    }
}

impl Service for Federation {
    fn call(&self, request: Request, context: Context) -> Reply {
        dispatch::call(&self.endpoint, request, context)
    }
}
