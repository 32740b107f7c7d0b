//! `subscriptions/listen`.

use anyport_protocol::{Error, Raw, subscription::SubscriptionFilter};
use anyport_service::{Authorization, Reply};
use bytestring::ByteString;

use crate::{core::Served, events::ListenError, write::ResultWriter};

/// Answers `subscriptions/listen`.
///
/// # Errors
/// -32602 for a malformed filter; -32603 when too many listen or the server is shutting down.
pub(crate) fn listen(server: &Served, params: &Raw, caller: &Authorization) -> Result<Reply, Error> {
    let principal = caller.principal();
    let asked = SubscriptionFilter::read(params)?;
    let agreed = SubscriptionFilter {
        tools: asked.tools && server.core.offers.tools,
        prompts: asked.prompts && server.core.offers.prompts,
        resources: asked.resources && server.core.offers.resources,
        uris: if server.core.offers.resources { asked.uris } else { Vec::new() },
    };
    // 2026-07-28, subscriptions §Acknowledgment: "the subset the server agreed to honor".
    if agreed.uris.len() > server.core.limits.max_subscriptions {
        server.env.resources.refused.max_subscriptions.increment();
    }
    let registry = server.core.registry.load_full();
    let uris = agreed.uris.into_iter().take(server.core.limits.max_subscriptions);
    // Nobody is asked for further scopes by this request, which has others to honor.
    let is_agreed = |uri: &ByteString| {
        registry.may_subscribe(uri, principal) && registry.grants_subscription(uri, caller)
    };
    let uris = uris.filter(is_agreed).collect();
    let end = ResultWriter::complete(0).finish(&server.env.identity, None)?;
    let listening = server.env.resources.events.listen(
        SubscriptionFilter { uris, ..agreed },
        principal.clone(),
        server.core.limits,
        end,
    );
    let listening = listening.map_err(|refused| match refused {
        ListenError::Closed(error) => error,
        ListenError::Listeners(error) => {
            server.env.resources.refused.max_listeners.increment();
            error
        }
        ListenError::Bytes(error) => {
            server.env.resources.refused.max_subscription_bytes.increment();
            error
        }
    })?;
    Ok(Reply::stream(listening))
}
