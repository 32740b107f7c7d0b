//! The way through the network: name, connection, TLS.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::Result;
use anyport_transport::client::http::{Endpoint, Fault, Probe};

use super::report::{Report, is_secure};
use crate::{
    client_session::network::{as_http, help_for},
    user_error::UserError,
};

/// Goes to the server at `url`, and says whether that leads to one; `insecure`: whatever its certificate is.
pub(super) async fn reach(report: &mut Report, url: &str, insecure: bool) -> Result<bool> {
    let probe = probe(url, insecure)?;
    report.begin();
    match probe.resolve().await {
        Ok(addresses) => report.ok("dns", named(&probe, &addresses))?,
        Err(fault) => return failed(report, &fault),
    }
    let reached = match probe.connect().await {
        Ok(reached) => reached,
        Err(fault) => return failed(report, &fault),
    };
    let at = reached.address().map_or_else(|| probe.target(), |address| address.to_string());
    report.ok("tcp", format!("{at} takes the connection"))?;
    if is_secure(url) {
        match reached.secure().await {
            Ok(version) if insecure => {
                report.ok("tls", format!("{version}; --insecure: the certificate is not checked"))?;
            }
            Ok(version) => report.ok("tls", format!("{version}, and the certificate is trusted"))?,
            Err(fault) => return failed(report, &fault),
        }
    }
    Ok(true)
}

/// A probe of `url`; a WebSocket begins as HTTP, too.
fn probe(url: &str, insecure: bool) -> Result<Probe> {
    let endpoint = Endpoint::new(&as_http(url)).map(|endpoint| match insecure {
        true => endpoint.dangerously_accept_any_certificate(),
        false => endpoint,
    });
    let probe = endpoint.and_then(|endpoint| Probe::new(&endpoint));
    probe.map_err(|fault| UserError::usage(fault.to_string(), "write the URL as https://host/mcp"))
}

/// Where a name leads, with few words.
fn named(probe: &Probe, addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 4;
    let different: BTreeSet<String> = addresses.iter().map(ToString::to_string).collect();
    let more = different.len().saturating_sub(SHOWN);
    let mut text = different.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    match probe.proxy() {
        Some(proxy) => format!("{text}, of the proxy {proxy}, which looks for {}", probe.target()),
        None => text,
    }
}

/// Notes that the way ends here. Never leads on.
pub(super) fn failed(report: &mut Report, fault: &Fault) -> Result<bool> {
    report.failed(step_of(fault), fault.to_string(), help_for(fault))?;
    Ok(false)
}

/// The step that a fault belongs to.
pub(super) fn step_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::Name { .. } | Fault::Private { .. } => "dns",
        Fault::Refused { .. }
        | Fault::Unreachable { .. }
        | Fault::ConnectTimeout { .. }
        | Fault::Proxy { .. } => "tcp",
        Fault::Tls { .. } | Fault::NoRoots => "tls",
        _ => "speak",
    }
}
