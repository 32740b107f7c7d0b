//! The headers that clients bring for an upstream: which names may be passed on, and under which.

use std::collections::HashSet;

use super::model::UpstreamConfig;

/// Headers that belong to one connection, or to HTTP itself.
///
/// RFC 9110 §7.6.1: "intermediaries SHOULD remove or replace fields that are known to require removal before forwarding".
const OF_A_CONNECTION: [&str; 17] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks the headers that clients bring for `upstream`, which is at `url`.
///
/// # Errors
/// What is wrong with one of them, and what to do.
pub(super) fn check(upstream: &UpstreamConfig, url: &str) -> Result<(), String> {
    if upstream.forward_headers.is_empty() {
        return Ok(());
    }
    if url.starts_with("unix:") {
        return Err("a Unix socket has no headers".to_owned());
    }
    let mut sent = HashSet::new();
    for (brought, under) in &upstream.forward_headers {
        for name in [brought, under] {
            check_name(name)?;
        }
        let under = under.to_ascii_lowercase();
        let is_set = |name: &str| name.eq_ignore_ascii_case(&under);
        if under == "authorization" && upstream.bearer.is_some() {
            return Err(
                "the upstream has a `bearer`, too: who brings no key would be lent the gateway's".to_owned()
            );
        }
        if upstream.headers.keys().any(|name| is_set(name)) {
            return Err(format!("`headers` sets {under}, too: who brings none would be lent the gateway's"));
        }
        if !sent.insert(under.clone()) {
            return Err(format!("two headers are sent as {under}"));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is not the name of a header"));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("mcp-") {
        return Err(format!("{name} is a header of the protocol itself, which the gateway sets"));
    }
    if OF_A_CONNECTION.contains(&&*lower) {
        return Err(format!("{name} belongs to one connection, and is not passed on"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pairs: &[(&str, &str)]) -> Result<(), String> {
        let forward_headers = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let headers = [("X-Set".to_owned(), "env:A".to_owned())].into_iter().collect();
        check(
            &UpstreamConfig { forward_headers, headers, ..UpstreamConfig::default() },
            "https://a.example/mcp",
        )
    }

    #[test]
    fn headers_that_may_not_be_passed_on_are_refused() {
        assert_eq!(checked(&[("X-Jira-Token", "Authorization"), ("X-Org", "X-Org")]), Ok(()));
        for (pairs, said) in [
            (&[("X-A", "Mcp-Session-Id")][..], "of the protocol itself"),
            (&[("MCP-Protocol-Version", "X-A")], "of the protocol itself"),
            (&[("Connection", "X-A")], "belongs to one connection"),
            (&[("X-A", "transfer-encoding")], "belongs to one connection"),
            (&[("X A", "X-A")], "is not the name of a header"),
            (&[("", "X-A")], "is not the name of a header"),
            (&[("X-A", "X-C"), ("X-B", "x-c")], "two headers are sent as x-c"),
            (&[("X-A", "x-set")], "`headers` sets x-set, too"),
        ] {
            let reason = checked(pairs).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
        let upstream = UpstreamConfig {
            forward_headers: [("X-A".to_owned(), "authorization".to_owned())].into_iter().collect(),
            bearer: Some("env:T".to_owned()),
            ..UpstreamConfig::default()
        };
        assert!(check(&upstream, "https://a.example").unwrap_err().contains("has a `bearer`, too"));
        assert!(
            check(&UpstreamConfig { bearer: None, ..upstream }, "unix:/a")
                .unwrap_err()
                .contains("Unix socket")
        );
    }
}
