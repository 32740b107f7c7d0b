//! The addresses that a connection may not lead to: private ones where only public ones are allowed, and those of another
//! class than the address that sent a redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Fault;

/// The addresses to which one connection may be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddressRule {
    /// Whether they must be public.
    pub(crate) public_only: bool,
    /// The class that they must have: that of the address that sent a redirect.
    pub(crate) class: Option<AddressClass>,
}

impl AddressRule {
    /// Checks an address of `host`.
    ///
    /// # Errors
    /// [`Fault::Private`], or [`Fault::Redirect`] without the two URLs, which the sender of the request knows.
    pub(crate) fn check(self, host: &str, address: IpAddr) -> Result<(), Fault> {
        if self.public_only && !is_public(address) {
            return Err(Fault::Private { host: host.into(), address });
        }
        let class = AddressClass::of(address);
        match self.class.is_some_and(|wanted| wanted != class) {
            true => Err(Fault::Redirect { from: String::new(), to: host.into(), why: class.why_not() }),
            false => Ok(()),
        }
    }
}

/// The class of an address: how far away it can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressClass {
    /// The public internet.
    Public,
    /// A private network, or a special range.
    Private,
    /// The link, where the metadata services of clouds are.
    LinkLocal,
    /// This machine.
    Loopback,
}

impl AddressClass {
    /// The class of `address`; an IPv6 address that contains an IPv4 address has the class of that one.
    pub(crate) fn of(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        match address {
            // Linux connects to this machine where the address is unspecified.
            _ if address.is_loopback() || address.is_unspecified() => Self::Loopback,
            _ if is_public(address) => Self::Public,
            IpAddr::V4(address) if address.is_link_local() => Self::LinkLocal,
            IpAddr::V6(address) if address.is_unicast_link_local() => Self::LinkLocal,
            _ => Self::Private,
        }
    }

    /// Why a redirect from an address of another class is not followed.
    fn why_not(self) -> &'static str {
        match self {
            Self::Public => "it leads out to the public internet",
            Self::Private => "it leads into a private network",
            Self::LinkLocal => "it leads to a link-local address",
            Self::Loopback => "it leads to this machine",
        }
    }
}

/// Whether `address` is one of the public internet, and not of this machine, its network or a special range.
///
/// Addresses that carry an IPv4 address in them (mapped, NAT64, 6to4) are as public as that one. The ranges are those of
/// the special-purpose address registries (RFC 6890 and its updates), and the metadata services of clouds lie in
/// them.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        // This network, private, loopback, multicast, reserved and broadcast.
        0 | 10 | 127 | 224.. => true,
        // Behind a carrier's NAT.
        100 => (64..128).contains(&b),
        // Link-local, with the metadata services.
        169 => b == 254,
        172 => (16..32).contains(&b),
        // Protocol assignments, documentation, the old 6to4 relays, private.
        192 => matches!((b, c), (0, 0 | 2) | (88, 99) | (168, _)),
        // Benchmarks, documentation.
        198 => matches!((b, c), (18 | 19, _) | (51, 100)),
        203 => (b, c) == (0, 113),
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded_v4(address) {
        return is_public_v4(embedded);
    }
    match address.segments() {
        // Protocol assignments with Teredo and ORCHID, documentation.
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // All that is given to the public internet lies in 2000::/3 (RFC 4291 §2.4).
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address that an IPv6 address contains.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // Mapped and translated IPv4 (RFC 4291 §2.5.5.2, RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: Credentials go to the server's own origin alone, and never to a private address where only
    /// public ones are allowed.
    #[test]
    fn no_special_address_is_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn neighbours_of_special_ranges_are_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
            "2002:808:808::1",
            "2606:4700::1111",
            "3fff:1000::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    /// Invariant: A redirect leads to no address of another class: not from the public internet into a private network,
    /// to a link-local address or to this machine.
    #[test]
    fn a_redirect_leads_to_no_address_of_another_class() {
        let classes = [
            (AddressClass::Public, &["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"][..]),
            (AddressClass::Private, &["10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.1.2.3"]),
            (
                AddressClass::LinkLocal,
                &["169.254.169.254", "fe80::1", "::ffff:a9fe:a9fe", "2002:a9fe:a9fe::1"],
            ),
            (AddressClass::Loopback, &["127.0.0.1", "127.0.0.2", "::1", "0.0.0.0", "::", "64:ff9b::7f00:1"]),
        ];
        for (from, _) in classes {
            let rule = AddressRule { class: Some(from), ..AddressRule::default() };
            for (to, addresses) in classes {
                for address in addresses {
                    let checked = rule.check("host", address.parse().unwrap());
                    assert_eq!(checked.is_ok(), from == to, "{from:?} to {address}");
                }
            }
        }
    }
}
