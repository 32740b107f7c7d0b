//! The addresses that a connection may not lead to: private ones where only public ones are allowed, and those of another
//! class than the address that sent a redirect.

use std::net::IpAddr;

use anyport_service::address::{embedded_v4, is_public};

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

#[cfg(test)]
mod tests {
    use super::*;

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
