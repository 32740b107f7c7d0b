use std::sync::Arc;

use anyport_service::{Context, Reply, Request, Service};

use super::{
    Collision, FederationError, Member, MemberService, MemberStatus, RetiredMember, VirtualServer, dispatch,
    endpoint::Endpoint, member::Members, status,
};

/// Several services behind one endpoint: their tools, prompts and resources, each under the name of its member.
///
/// A federation with one member whose names stay as they are ([`Naming::prefix`](super::Naming::prefix) `""`) and without instructions of its own
/// passes every request on as it is, so that a client cannot tell it from the member.
///
/// Clones are the same federation. See [`FederationBuilder`](super::FederationBuilder).
#[derive(Clone)]
pub struct Federation {
    pub(super) endpoint: Arc<Endpoint>,
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

    /// The member `name` by itself, under its own names; `None` if there is none.
    pub fn member(&self, name: &str) -> Option<MemberService> {
        let members = self.endpoint.shared.members();
        let member = members.entries.iter().find(|member| *member.core.name == *name);
        member.cloned().map(MemberService::new)
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
