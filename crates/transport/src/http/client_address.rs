//! The address of a client that comes by way of reverse proxies.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// A reverse proxy, or a network of them, that says truly from which addresses its requests come: an address, or a network such as
/// `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// The text is no address and no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network: write it as 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
pub struct InvalidTrustedProxy(String);

impl TrustedProxy {
    fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for TrustedProxy {
    type Err = InvalidTrustedProxy;

    fn from_str(text: &str) -> Result<Self, InvalidTrustedProxy> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network: IpNet| Self(network.trunc())).map_err(|_| InvalidTrustedProxy(text.to_owned()))
    }
}

/// Whether `address` is that of one of `proxies`.
pub(super) fn is_proxy(address: IpAddr, proxies: &[TrustedProxy]) -> bool {
    proxies.iter().any(|proxy| proxy.contains(address))
}

/// The address of the client of a request that `peer` has sent: that of `peer`, or what `proxies` say.
///
/// Each proxy adds the address that its request came from to the end of the list, so that everything before the first address which is
/// no proxy of ours may be made up. A proxy writes one of the two headers and often passes the other one on, as the client has sent it:
/// headers that do not agree say nothing, and the address is that of the last proxy.
pub(super) fn client_address(headers: &HeaderMap, peer: IpAddr, proxies: &[TrustedProxy]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_proxy = |address: IpAddr| is_proxy(address, proxies);
    if !is_proxy(peer) {
        return peer;
    }
    let lists = [hops(headers, X_FORWARDED_FOR, plain), hops(headers, header::FORWARDED, forwarded)];
    let mut clients = lists.into_iter().flatten().map(|hops| client(peer, &hops, is_proxy));
    match (clients.next(), clients.next()) {
        (Some(one), None) => one,
        (Some(one), Some(other)) if one == other => one,
        _ => peer,
    }
}

/// The last address of `hops` that is no proxy. One that is not told ends the list.
fn client(peer: IpAddr, hops: &[Option<IpAddr>], is_proxy: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Some(address) = hop else { break };
        client = *address;
        if !is_proxy(client) {
            break;
        }
    }
    client
}

/// The header that most proxies write.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The most addresses that are read, from the end.
const HOPS: usize = 32;

/// The addresses of a header, in their order; `None` if the request has no such header.
fn hops(
    headers: &HeaderMap,
    name: HeaderName,
    address: fn(&str) -> Option<IpAddr>,
) -> Option<Vec<Option<IpAddr>>> {
    let lines: Vec<&str> =
        headers.get_all(name).into_iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let all = lines.iter().rev().flat_map(|line| elements(line, ',').into_iter().rev());
    let mut hops: Vec<_> = all.take(HOPS).map(address).collect();
    hops.reverse();
    (!lines.is_empty()).then_some(hops)
}

/// The parts of `text` between separators that do not stand within quotes.
fn elements(text: &str, separator: char) -> Vec<&str> {
    let (mut elements, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            sign if sign == separator && !is_quoted => {
                elements.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    elements.push(text[start..].trim());
    elements
}

/// An address, which some proxies write with a port.
fn plain(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// The address of an element of `Forwarded`.
///
/// RFC 7239 §4: `forwarded-pair = token "=" value`, and names are case-insensitive. §6: a node may be `unknown`, or a name of the
/// proxy's own that begins with `_`: neither is an address.
fn forwarded(element: &str) -> Option<IpAddr> {
    let mut nodes = elements(element, ';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    // RFC 7239 §4: "Each parameter MUST NOT occur more than once per field-value."
    let (Some(node), None) = (nodes.next(), nodes.next()) else { return None };
    plain(node.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"].map(|proxy| proxy.parse().unwrap());
        client_address(&map, peer.parse().unwrap(), &proxies).to_string()
    }

    /// Invariant: Of what a request says of its client's address, only what trusted proxies have written counts.
    #[test]
    fn the_address_is_the_last_one_that_is_no_trusted_proxy() {
        for (peer, list, client) in [
            ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1, 192.0.2.1,10.9.9.9", "198.51.100.1"),
            ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("fd00::1", "2001:db8::5", "2001:db8::5"),
            ("fd00::1", "[2001:db8::5]:443", "2001:db8::5"),
            ("10.0.0.1", "198.51.100.1:5123", "198.51.100.1"),
            // All are proxies: the request is the first one's own.
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // What cannot be read ends the list.
            ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "\"198.51.100.1", "10.0.0.1"),
        ] {
            assert_eq!(of(peer, &[("x-forwarded-for", list)]), client, "{peer} {list}");
        }
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(of("10.0.0.1", &lines), "198.51.100.1");
    }

    #[test]
    fn the_header_of_rfc_7239_is_read_with_its_quotes() {
        for (list, client) in [
            ("for=198.51.100.1;proto=https", "198.51.100.1"),
            ("proto=https; For=\"198.51.100.1:80\", for=10.0.0.9", "198.51.100.1"),
            ("for=\"[2001:db8::5]:4711\"", "2001:db8::5"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("by=198.51.100.1", "10.0.0.1"),
            ("for=198.51.100.1;for=198.51.100.2", "10.0.0.1"),
            // A host that somebody has made up to look like further parts.
            ("for=198.51.100.1;host=\"a,for=6.6.6.6\"", "198.51.100.1"),
            ("for=198.51.100.1;host=\"a\\\",for=6.6.6.6\"", "198.51.100.1"),
            ("for=198.51.100.1;host=\"a;for=6.6.6.6\"", "198.51.100.1"),
        ] {
            assert_eq!(of("10.0.0.1", &[("forwarded", list)]), client, "{list}");
        }
    }

    #[test]
    fn headers_that_do_not_agree_say_nothing() {
        let both = |one, other| of("10.0.0.1", &[("x-forwarded-for", one), ("forwarded", other)]);
        assert_eq!(both("198.51.100.1", "for=198.51.100.1"), "198.51.100.1");
        assert_eq!(both("198.51.100.1", "for=6.6.6.6"), "10.0.0.1");
        assert_eq!(both("6.6.6.6", "for=198.51.100.1"), "10.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_is_an_address_or_a_network() {
        for text in ["10.0.0.0/8", "10.0.0.1", "::1", "fd00::/8"] {
            assert!(text.parse::<TrustedProxy>().is_ok(), "{text}");
        }
        for text in ["", "10.0.0.0/33", "proxy.example.com", "10.0.0.0/8,::1", "10.0.0.1:80"] {
            assert!(text.parse::<TrustedProxy>().is_err(), "{text}");
        }
    }
}
