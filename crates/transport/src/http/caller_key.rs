use std::net::IpAddr;

use anyport_service::{Authorization, Principal, address};

/// The caller whose sessions and streams count together: an authenticated principal, and else the network of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallerKey {
    principal: Principal,
    network: Option<IpAddr>,
}

impl CallerKey {
    pub(super) fn of(caller: &Authorization) -> Self {
        let principal = caller.principal().clone();
        let network = caller.address().filter(|_| !principal.is_authenticated()).map(address::network);
        Self { principal, network }
    }
}

/// The part of `all` that one caller may have: `limit`, or three quarters, so that others find places.
pub(super) fn per_caller(all: usize, limit: Option<usize>) -> usize {
    limit.unwrap_or(all - all / 4)
}
