//! The URLs that secrets may be sent to.

use std::net::Ipv4Addr;

use url::{Host, Url};

/// Why a URL is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeUrl {
    /// It cannot be read.
    #[error("it is no URL ({0})")]
    Invalid(url::ParseError),
    /// It is neither `https:`, nor `http:` on this machine.
    #[error("it must begin with https://, or with http:// on this machine")]
    Scheme,
    /// It has a user or a fragment.
    #[error("it has a user or a fragment")]
    Decorated,
    /// Its query has a parameter of the request that is made of it.
    #[error("its query has a parameter of the request itself, which would be there twice")]
    Parameter,
    /// A public server has named it, and it is on this machine or in a private network.
    #[error("a public server has named it, and it is on this machine or in a private network")]
    Internal,
}

/// Reads a URL that a token, a code or a secret may be sent to.
///
/// 2026-07-28, security-considerations §Communication Security: "All authorization server endpoints **MUST** be served over
/// HTTPS." What runs on this machine is reached without a network.
///
/// # Errors
/// [`UnsafeUrl`].
pub fn safe_url(text: &str) -> Result<Url, UnsafeUrl> {
    let url = Url::parse(text).map_err(UnsafeUrl::Invalid)?;
    match url.scheme() {
        "https" if url.has_host() => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(UnsafeUrl::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(UnsafeUrl::Decorated);
    }
    Ok(url)
}

/// Whether the host is this machine by its name or address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether the host is this machine, or by its address in a private network.
pub(crate) fn is_internal(url: &Url) -> bool {
    match url.host() {
        // RFC 6761 §6.3: "The domain "localhost." and any names falling within ".localhost."" are this machine.
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_internal_v4(address),
        Some(Host::Ipv6(address)) => {
            let is_embedded = address.to_ipv4_mapped().is_some_and(is_internal_v4);
            let is_of_link = address.is_unicast_link_local() || address.is_unspecified();
            is_embedded || is_of_link || address.is_loopback() || address.is_unique_local()
        }
        None => false,
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    // RFC 6598: 100.64.0.0/10 is shared by the networks behind a carrier.
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && second & 0b1100_0000 == 64;
    let is_of_link = address.is_link_local() || address.is_unspecified();
    is_shared || is_of_link || address.is_loopback() || address.is_private()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_safe() {
        for safe in [
            "https://a.example/token",
            "http://127.0.0.1:80/t",
            "http://[::1]/t",
            "http://localhost:3/t",
            "HTTPS://A.example",
        ] {
            assert!(safe_url(safe).is_ok(), "{safe}");
        }
        for (unsafe_one, why) in [
            ("http://a.example/token", UnsafeUrl::Scheme),
            ("http://127.0.0.1.example/t", UnsafeUrl::Scheme),
            ("http://localhost.example/t", UnsafeUrl::Scheme),
            ("http://169.254.169.254/t", UnsafeUrl::Scheme),
            ("javascript:alert(1)", UnsafeUrl::Scheme),
            ("file:///etc/passwd", UnsafeUrl::Scheme),
            ("https://me:pw@a.example/", UnsafeUrl::Decorated),
            ("https://a.example/#x", UnsafeUrl::Decorated),
        ] {
            assert_eq!(safe_url(unsafe_one), Err(why), "{unsafe_one}");
        }
        assert!(matches!(safe_url("/token"), Err(UnsafeUrl::Invalid(_))));
    }

    #[test]
    fn this_machine_and_private_addresses_are_internal() {
        let internal = |text: &str| is_internal(&Url::parse(text).unwrap());
        for text in [
            "http://localhost/a",
            "https://localhost./a",
            "https://a.LOCALHOST/",
            "https://127.0.0.1/a",
            "https://10.1.2.3/",
            "https://100.64.0.1/",
            "https://100.127.255.254/",
            "https://[fd00::1]/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:7f00:1]/",
        ] {
            assert!(internal(text), "{text}");
        }
        for text in [
            "https://a.example/",
            "https://203.0.113.7/",
            "https://100.128.0.1/",
            "https://localhost.example/",
        ] {
            assert!(!internal(text), "{text}");
        }
    }
}
