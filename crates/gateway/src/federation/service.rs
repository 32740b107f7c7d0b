use std::sync::Arc;

use anyport_adapters::LegacyClientLimits;
use anyport_guards::Guards;
use anyport_policy::Policy;
use anyport_protocol::{Raw, json::Splice};
use anyport_service::{Context, Reply, Request, Service};

use super::{
    Collision, FederationError, Masking, Member, MemberService, MemberStatus, RetiredMember, VirtualServer,
    dispatch, member::Members, served_endpoint::ServedEndpoint, status,
};

/// Several services behind one endpoint: their tools, prompts and resources, each under the name of its member.
///
/// A federation with one member whose names stay as they are ([`Naming::prefix`](super::Naming::prefix) `""`) and without instructions of its own
/// passes every request on as it is, so that a client cannot tell it from the member.
///
/// Clones are the same federation. See [`FederationBuilder`](super::FederationBuilder).
#[derive(Clone)]
pub struct Federation {
    pub(super) served: Arc<ServedEndpoint>,
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
        self.served.shared.replace_members(|old| Members::new(members, Some(old)))
    }

    /// Makes a further service of a selection of the items of all members.
    #[must_use]
    pub fn virtual_server(&self, server: VirtualServer) -> Self {
        Self { served: Arc::new(ServedEndpoint::new(server.endpoint(&self.served.endpoint()))) }
    }

    /// Makes another virtual server of `served`, which was made by [`virtual_server`](Self::virtual_server). Its sessions and calls go
    /// on, and clients whose lists have changed by it are notified.
    pub fn replace_virtual_server(&self, served: &Self, server: VirtualServer) {
        served.served.replace(server.endpoint(&self.served.endpoint()));
    }

    /// Introduces itself to clients as `name` with `instructions` from now on; sessions know what they learned at their beginning. Virtual
    /// servers stay as they are. `is_searched`: whether [`ToolSearch`](crate::ToolSearch) stands before it; clients are notified when
    /// that changes.
    pub fn introduce_as(&self, name: &str, instructions: Option<&str>, is_searched: bool) {
        let now = self.served.endpoint();
        let identity = Splice::retain(&now.identity, |key| key != "name" && key != "version");
        let identity = identity.with("name", &Raw::string(name));
        let identity = match now.identity.member("version") {
            Some(version) => identity.with("version", &version),
            None => identity,
        };
        self.served.replace(now.introduced_as(
            identity.finish(),
            instructions.map(str::to_owned),
            is_searched,
        ));
    }

    /// Enforces `policy` from now on, for all callers of this federation and its virtual servers; one without rules allows everything. A
    /// federation with a policy passes no request on as it is. Clients that have read lists are notified that these may have changed.
    /// The questions of the policy to users are within the limits of `asking`.
    pub fn set_policy(&self, policy: Policy, asking: LegacyClientLimits) {
        self.served.shared.set_policy(policy, asking);
    }

    /// Checks by `guards` from now on what items are called with and what they answer, and covers data as `masking` says, for all callers of
    /// this federation and its virtual servers. A federation with guards passes no request on as it is.
    pub fn set_guards(&self, guards: Guards, masking: Masking) {
        self.served.shared.set_guards(guards, masking);
    }

    /// Ends the listen streams of this virtual server alone. Calls go on.
    pub fn end(&self) {
        self.served.end();
    }

    /// The member `name` by itself, under its own names; `None` if there is none.
    pub fn member(&self, name: &str) -> Option<MemberService> {
        let members = self.served.shared.members();
        let member = members.entries.iter().find(|member| *member.core.name == *name);
        member.cloned().map(MemberService::new)
    }

    /// The state of each member, in the order of the configuration.
    pub fn status(&self) -> Vec<MemberStatus> {
        self.served.shared.members().entries.iter().map(|member| status::of(member)).collect()
    }

    /// The names and URIs that two items wanted, as far as the lists are known.
    pub fn report(&self) -> Vec<Collision> {
        self.served.shared.collisions()
    }

    /// Ends every listen stream, those of virtual servers included. Calls go on.
    pub fn close(&self) {
        self.served.shared.closed.send_replace(true);
    }
}

impl Service for Federation {
    fn call(&self, request: Request, context: Context) -> Reply {
        dispatch::call(&self.served, request, context)
    }
}
