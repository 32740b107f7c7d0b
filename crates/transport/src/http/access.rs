//! Who may speak: the name they used for us, and the page they come from.
//!
//! A web page can make a browser send requests to this machine under any name that it controls (DNS rebinding), so
//! Host and Origin are checked independently, before anything else is read.

use std::{net::IpAddr, str::FromStr};

use anyport_protocol::Error;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};

use super::{
    allowance::{AllowedHost, split_host},
    body::Response,
    config::Config,
    connect_info::ConnectInfo,
    response,
};

fn is_loopback(name: &str) -> bool {
    // What almost every request says; the rest is parsed.
    if name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    IpAddr::from_str(address).is_ok_and(|address| address.is_loopback())
}

/// A request that has passed the checks.
#[derive(Debug)]
pub(super) struct Passed {
    /// The page's origin, when the request comes from one.
    pub(super) origin: Option<HeaderValue>,
    /// Whether the pages of every origin may read the answer.
    is_public: bool,
}

/// Checks Host.
pub(super) fn pass_host(parts: &Parts, config: &Config) -> Result<(), Response> {
    check_host(parts, config).map_err(|(status, error)| response::error(status, &error))
}

/// Checks Host, then Origin, which does not count for what `is_public`.
pub(super) fn pass(
    parts: &Parts,
    config: &Config,
    info: ConnectInfo,
    is_public: bool,
) -> Result<Passed, Response> {
    pass_host(parts, config)?;
    if is_public {
        return Ok(Passed { origin: Some(HeaderValue::from_static("*")), is_public });
    }
    let origin = check_origin(parts, config, info);
    let origin = origin.map_err(|error| response::error(StatusCode::FORBIDDEN, &error))?;
    Ok(Passed { origin, is_public })
}

/// The one value of a header. `Err` when there are several.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(()),
        (value, None) => Ok(value),
    }
}

fn check_host(parts: &Parts, config: &Config) -> Result<(), (StatusCode, Error)> {
    let refused = |host: &str| {
        let error = Error::invalid_request(format!(
            "host {host:.128?} is not allowed; to allow it, {}",
            config.setting_names.allow_hosts
        ));
        (StatusCode::MISDIRECTED_REQUEST, error)
    };
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let host = match single(&parts.headers, header::HOST) {
        Ok(Some(host)) => Some(host.to_str().map_err(|_| refused("?"))?),
        // HTTP/2 names the host in `:authority` (RFC 9113 §8.3.1).
        Ok(None) if parts.version >= Version::HTTP_2 && authority.is_some() => None,
        // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
        // lacks a Host header field and to any request message that contains more than one Host header field line".
        _ => {
            let error = Error::invalid_request("exactly one Host header is needed");
            return Err((StatusCode::BAD_REQUEST, error));
        }
    };
    // A request line may name a host of its own, and RFC 9112 §3.2.2 lets it win.
    for host in [host, authority].into_iter().flatten() {
        let (name, port) = split_host(host).ok_or_else(|| refused(host))?;
        let allowed = |allowed: &AllowedHost| allowed.matches(name, port);
        let is_public = || config.public_url.as_ref().is_some_and(|url| url.is_host(name));
        if !is_loopback(name) && !config.allow_hosts.iter().any(allowed) && !is_public() {
            return Err(refused(host));
        }
    }
    Ok(())
}

/// 2026-07-28, streamable-http §Security & Endpoint: "Servers MUST validate the `Origin` header on all incoming
/// connections to prevent DNS rebinding attacks."
fn check_origin(parts: &Parts, config: &Config, info: ConnectInfo) -> Result<Option<HeaderValue>, Error> {
    let refused = |origin: &str| {
        Error::invalid_request(format!(
            "origin {origin:.128?} is not allowed; to allow it, {}",
            config.setting_names.allow_origins
        ))
    };
    let origin = match single(&parts.headers, header::ORIGIN) {
        Ok(None) => return Ok(None),
        Ok(Some(origin)) => origin,
        Err(()) => return Err(refused("several")),
    };
    let text = origin.to_str().map_err(|_| refused("?"))?;
    let (scheme, usual) = if info.is_secure() { ("https://", 443) } else { ("http://", 80) };
    let own = text.strip_prefix(scheme).and_then(split_host).is_some_and(|(name, port)| {
        is_loopback(name) && port.unwrap_or(usual) == our_port(parts, info, usual)
    });
    let public = config.public_url.as_ref();
    let own = own || public.is_some_and(|url| url.origin().eq_ignore_ascii_case(text));
    if own || config.allow_origins.iter().any(|allowed| allowed.as_str() == text.to_ascii_lowercase()) {
        Ok(Some(origin.clone()))
    } else {
        Err(refused(text))
    }
}

/// The port that a page of ours comes from. Where nobody knows on which one the request arrived, it is the one that
/// the client named: a page can choose its own origin, but not the Host header of what it asks for. `usual` is that of the scheme.
fn our_port(parts: &Parts, info: ConnectInfo, usual: u16) -> u16 {
    let named = || {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = parts.uri.authority().map(|authority| authority.as_str()).or(host);
        host.and_then(split_host).and_then(|(_, port)| port).unwrap_or(usual)
    };
    info.port().unwrap_or_else(named)
}

/// Answers a browser's question whether a page may send what it wants to send (Fetch standard, CORS preflight).
pub(super) fn preflight(parts: &Parts, passed: &Passed) -> Option<Response> {
    let asked = || parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if parts.method != Method::OPTIONS || passed.origin.is_none() || !asked() {
        return None;
    }
    let mut response = response::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    // `Mcp-Param-*` names depend on the tool, so what is asked for is granted by its prefix.
    let asked =
        parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let granted: Vec<&str> =
        asked.unwrap_or_default().split(',').map(str::trim).filter(|name| may_send(name)).collect();
    if let Ok(granted) = HeaderValue::from_str(&granted.join(", ")) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, granted);
    }
    Some(response)
}

fn may_send(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("mcp-")
        || matches!(
            name.as_str(),
            "authorization"
                | "dpop"
                | "content-type"
                | "accept"
                | "last-event-id"
                | "traceparent"
                | "tracestate"
                | "baggage"
        )
}

/// Lets the page read the answer. Its origin is named; only what every page may read says `*`, which no browser takes for an answer
/// to a request with cookies.
pub(super) fn share(response: &mut Response, passed: &Passed) {
    let headers = response.headers_mut();
    if let Some(origin) = &passed.origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, DPoP-Nonce, Retry-After"),
        );
        if !passed.is_public {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::allowance::AllowedOrigin, *};

    fn parts(host: &[&str], origin: &[&str]) -> Parts {
        let mut request = http::Request::builder().uri("/mcp");
        for host in host {
            request = request.header("host", *host);
        }
        for origin in origin {
            request = request.header("origin", *origin);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn here() -> ConnectInfo {
        ConnectInfo::on(([127, 0, 0, 1], 3020).into())
    }

    fn status(host: &[&str], origin: &[&str]) -> u16 {
        let config = Config::default()
            .allow_hosts(vec!["mcp.example.com".parse().unwrap(), "other.example:8443".parse().unwrap()])
            .allow_origins(vec!["https://app.example.com".parse().unwrap()]);
        pass(&parts(host, origin), &config, here(), false)
            .map_or_else(|response| response.status().as_u16(), |_| 200)
    }

    #[test]
    fn hosts_are_allowed_by_name() {
        for host in [
            "localhost",
            "localhost:3020",
            "127.0.0.1:9",
            "[::1]:3020",
            "LOCALHOST",
            "mcp.example.com:1",
            "other.example:8443",
        ] {
            assert_eq!(status(&[host], &[]), 200, "{host}");
        }
        for host in [
            "evil.example.com",
            "localhost.evil.com",
            "evil@localhost",
            "localhost.",
            "other.example",
            "localhost:x",
            "localhost:99999",
            "",
            "127.0.0.1.nip.io",
            "localhost/x",
            "#@localhost",
            "[::1",
            "localhost evil",
        ] {
            assert_eq!(status(&[host], &[]), 421, "{host}");
        }
        assert_eq!(status(&[], &[]), 400);
        assert_eq!(status(&["localhost", "localhost"], &[]), 400);
    }

    #[test]
    fn a_host_in_the_request_line_is_checked_as_well() {
        let mut parts = parts(&["localhost"], &[]);
        parts.uri = "http://evil.example.com/mcp".parse().unwrap();
        assert!(pass(&parts, &Config::default(), here(), false).is_err());
    }

    #[test]
    fn http_2_names_its_host_in_the_request_line_alone() {
        let mut parts = parts(&[], &[]);
        parts.uri = "http://localhost:3020/mcp".parse().unwrap();
        assert!(pass(&parts, &Config::default(), here(), false).is_err());
        parts.version = Version::HTTP_2;
        assert!(pass(&parts, &Config::default(), here(), false).is_ok());
        parts.uri = "http://evil.example/mcp".parse().unwrap();
        assert!(pass(&parts, &Config::default(), here(), false).is_err());
    }

    #[test]
    fn where_nobody_knows_the_port_a_page_of_ours_comes_from_the_one_that_was_asked() {
        for (host, origin, let_in) in [
            ("localhost:8080", "http://localhost:8080", true),
            ("localhost:8080", "http://127.0.0.1:8080", true),
            ("localhost", "http://localhost", true),
            ("localhost:8080", "http://localhost:3000", false),
            ("localhost:8080", "http://localhost", false),
            ("localhost:8080", "https://localhost:8080", false),
            ("localhost:8080", "http://evil.example:8080", false),
            ("localhost:8080", "null", false),
        ] {
            let passed = pass(&parts(&[host], &[origin]), &Config::default(), ConnectInfo::default(), false);
            assert_eq!(passed.is_ok(), let_in, "{host} {origin}");
        }
    }

    #[test]
    fn origins_are_our_own_or_allowed() {
        for origin in
            ["http://localhost:3020", "http://127.0.0.1:3020", "http://[::1]:3020", "https://app.example.com"]
        {
            assert_eq!(status(&["localhost"], &[origin]), 200, "{origin}");
        }
        for origin in [
            "null",
            "http://localhost:3021",
            "http://localhost",
            "https://localhost:3020",
            "http://evil.example.com",
            "http://localhost:3020.evil.com",
            "https://app.example.com:444",
            "http://evil@localhost:3020",
            "",
        ] {
            assert_eq!(status(&["localhost"], &[origin]), 403, "{origin}");
        }
        assert_eq!(status(&["localhost"], &["http://localhost:3020", "http://evil.example.com"]), 403);
    }

    #[test]
    fn bad_allowances_are_refused() {
        assert!("a b".parse::<AllowedHost>().is_err() && "".parse::<AllowedHost>().is_err());
        assert!("app.example.com".parse::<AllowedOrigin>().is_err());
        assert!("https://a/b".parse::<AllowedOrigin>().is_err());
        assert_eq!("https://A.example/".parse::<AllowedOrigin>().unwrap().as_str(), "https://a.example");
    }
}
