//! The gateway's own address, which stands in the files of its clients.

use std::net::IpAddr;

use http::Uri;

use crate::listen::{Arguments, PublicUrl};

/// Whether `url` leads to the gateway that listens as `listen` says, directly or where it is published. The banner says what to write into
/// the configuration of a client: if that file is the one that is served, the gateway would list itself, and call itself without end.
pub(super) fn is_own(url: &str, listen: &Arguments) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    is_here(&url, listen.scheme(), listen.host, listen.port)
        || listen.public_url.as_ref().is_some_and(|public| is_published(&url, public))
}

/// Whether `url` leads by `scheme` to `port` of `host`.
fn is_here(url: &Uri, scheme: &str, host: IpAddr, port: u16) -> bool {
    let is_scheme = url.scheme_str() == Some(scheme);
    let usual = if scheme == "https" { 443 } else { 80 };
    let Some(named) = url.host().map(|named| named.trim_matches(['[', ']'])) else { return false };
    let is_here = match named.parse::<IpAddr>() {
        Ok(named) => named == host || (named.is_loopback() && (host.is_loopback() || host.is_unspecified())),
        Err(_) => named.eq_ignore_ascii_case("localhost") && (host.is_loopback() || host.is_unspecified()),
    };
    is_scheme && is_here && url.port_u16().unwrap_or(usual) == port
}

/// Whether `url` is one of the gateway's endpoints below its public URL. Others of that host may be of somebody else.
fn is_published(url: &Uri, public: &PublicUrl) -> bool {
    let Ok(own) = public.endpoint.parse::<Uri>() else { return false };
    let port = |url: &Uri| {
        url.port_u16().or_else(|| match url.scheme_str() {
            Some("https") => Some(443),
            _ => Some(80),
        })
    };
    let is_host = url.scheme() == own.scheme() && port(url) == port(&own);
    let is_host =
        is_host && url.host().zip(own.host()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
    let path = url.path().trim_end_matches('/').strip_prefix(&public.prefix);
    is_host && path.is_some_and(|path| path == "/mcp" || path.starts_with("/s/") && path.ends_with("/mcp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_knows_its_own_address() {
        let is_own = |url: &str, host: &str| {
            url.parse().is_ok_and(|url| is_here(&url, "http", host.parse().unwrap(), 3020))
        };
        for url in ["http://127.0.0.1:3020/mcp", "http://localhost:3020/s/a/mcp", "http://[::1]:3020/mcp"] {
            assert!(is_own(url, "127.0.0.1") && is_own(url, "0.0.0.0"), "{url}");
        }
        for url in [
            "http://127.0.0.1:3021/mcp",
            "https://127.0.0.1:3020/mcp",
            "http://tools.example:3020/mcp",
            "unix:/tmp/a",
        ] {
            assert!(!is_own(url, "127.0.0.1"), "{url}");
        }
        assert!(
            is_own("http://192.0.2.1:3020/mcp", "192.0.2.1")
                && !is_own("http://127.0.0.1:3020/mcp", "192.0.2.1")
        );
    }

    #[test]
    fn the_gateway_knows_its_own_address_over_tls() {
        let is_own = |url: &str, port| is_here(&url.parse().unwrap(), "https", [127, 0, 0, 1].into(), port);
        assert!(is_own("https://127.0.0.1:3020/mcp", 3020) && is_own("https://localhost/mcp", 443));
        // Nobody gets an answer there, least of all we ourselves.
        assert!(!is_own("http://127.0.0.1:3020/mcp", 3020) && !is_own("https://localhost/mcp", 3020));
    }

    #[test]
    fn the_gateway_knows_the_url_under_which_it_is_published() {
        let is_own = |url: &str, public: &str| is_published(&url.parse().unwrap(), &public.parse().unwrap());
        for url in
            ["https://tools.example/mcp", "https://Tools.example:443/mcp/", "https://tools.example/s/a/mcp"]
        {
            assert!(
                is_own(url, "https://tools.example") && is_own(url, "https://tools.example/mcp"),
                "{url}"
            );
        }
        for url in [
            "http://tools.example/mcp",
            "https://tools.example:8443/mcp",
            "https://other.example/mcp",
            "https://tools.example/github/mcp",
        ] {
            assert!(!is_own(url, "https://tools.example"), "{url}");
        }
        assert!(is_own("https://tools.example/any/mcp", "https://tools.example/any"));
        assert!(!is_own("https://tools.example/mcp", "https://tools.example/any"));
    }
}
