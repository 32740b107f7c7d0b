//! Addresses of clients, as they are counted.

use std::net::{IpAddr, Ipv6Addr};

/// What counts as one address: a user of IPv6 has a network of 2^64 addresses.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
        address => address,
    }
}
