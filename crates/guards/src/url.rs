//! URLs that a tool is to fetch.
//!
//! A gateway does not connect in a tool's place. What can be checked here is how a URL is written, and where its host leads now; a name can lead
//! elsewhere a moment later, unless the address that was checked takes its place ([`Resolve::Pin`]).

use std::{borrow::Cow, net::IpAddr};

use anyport_service::address::is_public;
use url::{Host, Url};

use crate::{lookup::Lookup, pattern::Pattern, refusal::Fault};

/// Which URLs are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlCheck {
    /// The schemes, in lower case.
    pub schemes: Vec<String>,
    /// The hosts, as patterns in lower case. Empty: any.
    pub hosts: Vec<Pattern>,
    /// Whether every address must be one of the public internet.
    pub is_public: bool,
    /// Whether names are resolved.
    pub resolve: Resolve,
}

/// What becomes of a host that is a name, where addresses must be public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolve {
    /// It is not resolved.
    Never,
    /// Each of its addresses must be public.
    #[default]
    Check,
    /// The same, and one of these addresses takes its place in the URL.
    Pin,
}

/// The names of hosts that are never public: RFC 6761 §6, RFC 6762 §3, RFC 8375, and the name that ICANN keeps for private use.
const PRIVATE_NAMES: [&str; 7] =
    ["localhost", "local", "internal", "localdomain", "home.arpa", "invalid", "test"];

impl UrlCheck {
    /// Checks `text`. Returns what takes its place, if that is another URL.
    pub(crate) async fn check(
        &self,
        text: &str,
        lookup: Option<&dyn Lookup>,
    ) -> Result<Option<String>, Fault> {
        let url = self.written(text)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(None) };
        let Some(lookup) = lookup.filter(|_| self.is_public && self.resolve != Resolve::Never) else {
            return Ok(None);
        };
        let addresses = lookup.addresses(name).await.unwrap_or_default();
        let Some(first) = addresses.first() else { return Err("its host cannot be resolved".into()) };
        if !addresses.iter().all(|address| is_public(*address)) {
            return Err("its host has an address that is not public".into());
        }
        if self.resolve == Resolve::Check {
            return Ok(None);
        }
        let mut pinned = url.clone();
        match pinned.set_ip_host(*first) {
            Ok(()) => Ok(Some(pinned.into())),
            Err(()) => Err("its host cannot be replaced by an address".into()),
        }
    }

    /// Checks how a URL is written. Parsers differ in what they make of others: what one reads as a path, another one reads as a host.
    pub(crate) fn written(&self, text: &str) -> Result<Url, Fault> {
        let is_odd = |sign: char| sign.is_control() || sign.is_whitespace() || sign == '\\';
        if text.contains(is_odd) {
            return Err("it has spaces, control characters or backslashes".into());
        }
        let url = Url::parse(text).map_err(|_| "it is no URL")?;
        let scheme = url.scheme();
        if !self.schemes.iter().any(|accepted| accepted == scheme) {
            return Err("it has another scheme".into());
        }
        let Some(rest) = text.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://")) else {
            return Err("its scheme is not followed by ://".into());
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user".into());
        }
        let raw = host_of(authority);
        let host = url.host().filter(|_| !raw.is_empty()).ok_or("it has no host")?;
        if raw.contains('%') {
            return Err("its host has escapes".into());
        }
        self.host(&host, raw)?;
        Ok(url)
    }

    fn host(&self, host: &Host<&str>, raw: &str) -> Result<(), Fault> {
        let (name, address) = match host {
            Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(*address))),
            Host::Ipv6(address) => (format!("[{address}]"), Some(IpAddr::V6(*address))),
            // A dot at its end changes nothing about where it leads.
            Host::Domain(name) => (name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(), None),
        };
        // 0177.0.0.1, 0x7f.1 and 2130706433 are 127.0.0.1 to some, and other addresses or names to others.
        if matches!(address, Some(IpAddr::V4(_))) && name != raw {
            return Err("its host is an address that is not written as four decimal numbers".into());
        }
        if !self.hosts.is_empty() && !self.hosts.iter().any(|pattern| pattern.matches(&name)) {
            return Err("it has another host".into());
        }
        if !self.is_public {
            return Ok(());
        }
        let is_private = match address {
            Some(address) => !is_public(address),
            None => is_private_name(&name),
        };
        if is_private { Err("its host is not public".into()) } else { Ok(()) }
    }

    pub(crate) fn accepted(&self) -> String {
        let schemes = self.schemes.join(", ");
        let hosts: Vec<_> = self.hosts.iter().map(Pattern::as_str).collect();
        let hosts = match hosts.is_empty() {
            true => Cow::Borrowed("any host"),
            false => Cow::Owned(format!("the hosts {}", hosts.join(", "))),
        };
        let public = if self.is_public { " of the public internet" } else { "" };
        format!("URLs with the schemes {schemes}, and {hosts}{public}, without a user")
    }
}

/// The host in an authority, as it is written, without its port.
fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or_default();
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether a name is none of the public internet: RFC 6761 §6.3 has "any names falling within `.localhost.`" be this machine.
fn is_private_name(name: &str) -> bool {
    let is_within = |parent: &str| {
        name.strip_suffix(parent).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    !name.contains('.') || PRIVATE_NAMES.iter().any(|parent| is_within(parent))
}

#[cfg(test)]
mod tests;
