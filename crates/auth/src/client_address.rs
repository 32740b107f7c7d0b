//! The addresses of clients, as limits count them.

use std::net::{IpAddr, Ipv6Addr};

use anyport_service::address;

/// The address under which limits count a client of `address`. Clients without a known address count as one.
pub(crate) fn network(address: Option<IpAddr>) -> IpAddr {
    address::network(address.unwrap_or(Ipv6Addr::UNSPECIFIED.into()))
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let of = |address: &str| network(address.parse().ok());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(network(None), of("::"));
    }
}
