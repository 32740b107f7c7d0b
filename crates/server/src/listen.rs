use anyport_protocol::{Error, Raw, subscription::SubscriptionFilter};
use anyport_service::{Principal, Reply};

use crate::{events::ListenError, server::Served, write::ResultWriter};

/// The most resources that one listen stream may subscribe to, unless [`crate::Builder::max_subscriptions`] says
/// otherwise.
pub const DEFAULT_MAX_SUBSCRIPTIONS: usize = 1_000;
/// The most listen streams that are open at a time, unless [`crate::Builder::max_listeners`] says otherwise.
///
/// Each takes about half a KiB, so all of them 5 MiB. There are as many as a transport has sessions and streams by
/// default: it is the transport that refuses first, and says so in its own words.
pub const DEFAULT_MAX_LISTENERS: usize = 10_000;
/// The most bytes that the URIs of all listen streams take together, unless
/// [`crate::Builder::max_subscription_bytes`] says otherwise.
pub const DEFAULT_MAX_SUBSCRIPTION_BYTES: usize = 64 << 20;

/// Answers `subscriptions/listen`.
///
/// # Errors
/// -32602 for a filter that is none; -32603 when too many listen or the server is shutting down.
pub(crate) fn listen(server: &Served, params: &Raw, principal: &Principal) -> Result<Reply, Error> {
    let asked = SubscriptionFilter::read(params)?;
    let agreed = SubscriptionFilter {
        tools: asked.tools && server.offers.tools,
        prompts: asked.prompts && server.offers.prompts,
        resources: asked.resources && server.offers.resources,
        uris: if server.offers.resources { asked.uris } else { Vec::new() },
    };
    // 2026-07-28, subscriptions §Acknowledgment: "the subset the server agreed to honor".
    if agreed.uris.len() > server.limits.max_subscriptions {
        server.lifecycle.refused.max_subscriptions.increment();
    }
    let registry = server.registry.load_full();
    let uris = agreed.uris.into_iter().take(server.limits.max_subscriptions);
    let uris = uris.filter(|uri| registry.may_subscribe(uri, principal)).collect();
    let end = ResultWriter::complete(0).finish(&server.identity, None)?;
    let listening =
        server.events.listen(SubscriptionFilter { uris, ..agreed }, principal.clone(), server.limits, end);
    let listening = listening.map_err(|refused| match refused {
        ListenError::Closed(error) => error,
        ListenError::Listeners(error) => {
            server.lifecycle.refused.max_listeners.increment();
            error
        }
        ListenError::Bytes(error) => {
            server.lifecycle.refused.max_subscription_bytes.increment();
            error
        }
    })?;
    Ok(Reply::stream(listening))
}
