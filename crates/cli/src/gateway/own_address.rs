//! The gateway's own address, which stands in the files of its clients.

use std::net::IpAddr;

use http::Uri;

/// Whether `url` leads to a gateway that listens on `port` of `host`. The banner says what to write into the configuration of a
/// client: if that file is the one that is served, the gateway would list itself, and call itself without end.
pub(super) fn is_own(url: &str, host: IpAddr, port: u16) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let is_http = url.scheme().is_some_and(|scheme| scheme.as_str() == "http");
    let Some(named) = url.host().map(|named| named.trim_matches(['[', ']'])) else { return false };
    let is_here = match named.parse::<IpAddr>() {
        Ok(named) => named == host || (named.is_loopback() && (host.is_loopback() || host.is_unspecified())),
        Err(_) => named.eq_ignore_ascii_case("localhost") && (host.is_loopback() || host.is_unspecified()),
    };
    is_http && is_here && url.port_u16().unwrap_or(80) == port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_knows_its_own_address() {
        let is_own = |url: &str, host: &str| is_own(url, host.parse().unwrap(), 3020);
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
}
