//! Where the answers of an authorization go.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// Why a redirect URI is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnusableRedirectUri {
    #[error("it is no absolute URI of visible ASCII")]
    Invalid,
    #[error(
        "it must begin with https://, or with http:// on this machine, or have a scheme that the server allows"
    )]
    Scheme,
    #[error("it has a user, a fragment, a backslash or a path with dots")]
    Decorated,
}

/// Checks that answers may go to `uri`; `schemes` are those of programs on the user's machine that are allowed.
///
/// 2026-07-28, security-considerations §Communication Security: "All redirect URIs **MUST** be either `localhost` or use HTTPS."
///
/// # Errors
/// [`UnusableRedirectUri`].
pub(crate) fn check(uri: &str, schemes: &[String]) -> Result<(), UnusableRedirectUri> {
    // Before anything is parsed: parsers leave out tabs and line ends, and take backslashes for slashes.
    if uri.len() > LONGEST || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UnusableRedirectUri::Invalid);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(UnusableRedirectUri::Invalid)?;
    let url = Url::parse(uri).map_err(|_| UnusableRedirectUri::Invalid)?;
    match scheme {
        "https" | "http" if !rest.starts_with("//") => return Err(UnusableRedirectUri::Invalid),
        "https" if url.has_host() => {}
        "http" if is_loopback(&url) => {}
        scheme if !WEB.contains(&scheme) && schemes.iter().any(|allowed| allowed == scheme) => {}
        _ => return Err(UnusableRedirectUri::Scheme),
    }
    // RFC 6749 §3.1.2: "The endpoint URI MUST NOT include a fragment component."
    let authority = rest.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
    let path = rest.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    let has_dots = path.split('/').any(|segment| segment == "." || segment == "..");
    if uri.contains(['#', '\\']) || authority.contains('@') || has_dots {
        return Err(UnusableRedirectUri::Decorated);
    }
    Ok(())
}

/// The schemes of the web, and those that browsers treat as markup, scripts or files. None can be allowed.
const WEB: [&str; 12] = [
    "http",
    "https",
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "filesystem",
    "view-source",
    "ws",
    "wss",
];

/// The longest redirect URI in bytes.
const LONGEST: usize = 2048;

/// Whether an answer may go to `requested`, if `registered` is registered: the same string, except that a program on the user's
/// machine chooses its port when it starts.
///
/// RFC 8252 §7.3: "The authorization server MUST allow any port to be specified at the time of the request for loopback IP
/// redirect URIs". The same for `localhost`, which clients of the metadata document kind register.
pub(crate) fn matches(registered: &str, requested: &str) -> bool {
    registered == requested
        || match (loopback(registered), loopback(requested)) {
            (Some(registered), Some(requested)) => registered == requested,
            _ => false,
        }
}

/// The host of an `http` URI on this machine, and what follows its port.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = LOOPBACK.into_iter().find(|host| {
        authority.strip_prefix(host).is_some_and(|port| {
            port.is_empty()
                || port.strip_prefix(':').is_some_and(|port| {
                    (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
                })
        })
    })?;
    Some((host, rest))
}

/// The hosts whose port is free.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// `uri` without the port that is free: equal registrations of programs on a user's machine differ in nothing else.
pub(crate) fn without_free_port(uri: &str) -> String {
    match loopback(uri) {
        Some((host, rest)) => format!("http://{host}{rest}"),
        None => uri.to_owned(),
    }
}

/// Whether answers go to a program on the user's own machine, of which another one could take the place.
pub(crate) fn is_on_this_machine(uri: &str) -> bool {
    !uri.starts_with("https://") || Url::parse(uri).is_ok_and(|url| is_loopback(&url))
}

/// The host that a page shows: with the scheme, where that is one of a program.
///
/// 2026-07-28, security-considerations §Localhost Redirect URI Risks: authorization servers "**MUST** clearly display the redirect URI
/// hostname during authorization".
pub(crate) fn shown_host(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) if url.scheme() == "https" || url.scheme() == "http" => {
            url.host_str().unwrap_or_default().to_owned()
        }
        Ok(url) => format!("{}: (a program on this device)", url.scheme()),
        Err(_) => String::new(),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_https_to_this_machine_or_to_an_allowed_scheme() {
        let schemes = ["cursor".to_owned(), "javascript".to_owned()];
        for usable in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://a.example:8443/cb?x=1",
            "http://127.0.0.1:33418/",
            "http://127.0.0.1/callback",
            "http://[::1]:7/cb",
            "http://localhost:3118/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            assert_eq!(check(usable, &schemes), Ok(()), "{usable}");
        }
        use UnusableRedirectUri::{Decorated, Invalid, Scheme};
        for (uri, why) in [
            ("http://a.example/cb", Scheme),
            ("http://127.0.0.1.example/cb", Scheme),
            ("http://localhost.example/cb", Scheme),
            ("http://127.0.0.2/cb", Scheme),
            ("javascript:alert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("vscode://x/y", Scheme),
            ("HTTPS://a.example/cb", Scheme),
            ("https:a.example/cb", Invalid),
            ("https://a.example/c b", Invalid),
            ("https://a.example/\tcb", Invalid),
            ("https://ä.example/cb", Invalid),
            ("/cb", Invalid),
            ("", Invalid),
            ("https://a.example/cb#x", Decorated),
            ("https://a.example/cb#", Decorated),
            ("https://a.example@evil.example/cb", Decorated),
            ("http://localhost@evil.example/cb", Scheme),
            ("https://a.example\\@evil.example/cb", Decorated),
            ("https://a.example/x/../cb", Decorated),
            ("https://a.example/x/%2e%2E/cb", Decorated),
        ] {
            assert_eq!(check(uri, &schemes), Err(why), "{uri}");
        }
    }

    #[test]
    fn only_the_port_of_this_machine_is_free() {
        for (registered, requested) in [
            ("https://a.example/cb", "https://a.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:3118/cb"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"),
            ("http://localhost/callback", "http://localhost:50000/callback"),
            ("http://[::1]:1/cb?x=1", "http://[::1]/cb?x=1"),
        ] {
            assert!(matches(registered, requested), "{registered} {requested}");
        }
        for (registered, requested) in [
            ("https://a.example/cb", "https://a.example:8443/cb"),
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://a.example/cb?x=1"),
            ("https://a.example/cb", "https://A.example/cb"),
            ("https://localhost/cb", "https://localhost:1/cb"),
            ("http://127.0.0.1/cb", "http://localhost/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1x/cb"),
            ("http://127.0.0.1", "http://127.0.0.1.evil.example"),
        ] {
            assert!(!matches(registered, requested), "{registered} {requested}");
        }
        assert_eq!(without_free_port("http://localhost:7/cb?x"), "http://localhost/cb?x");
        assert_eq!(without_free_port("https://a.example:7/cb"), "https://a.example:7/cb");
    }
}
