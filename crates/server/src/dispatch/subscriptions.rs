//! `subscriptions/listen`.

use anyport_protocol::{
    Error, Raw,
    json::{Elements, Members},
};
use anyport_service::{Principal, Reply};

use crate::{
    core::Served,
    events::{Filter, ListenError},
    params::text,
    write::ResultWriter,
};

/// Answers `subscriptions/listen`.
///
/// # Errors
/// -32602 for a filter that is none; -32603 when too many listen or the server is shutting down.
pub(crate) fn listen(server: &Served, params: &Raw, principal: &Principal) -> Result<Reply, Error> {
    let filter = Members::find(params.as_str(), "notifications").filter(|value| value.starts_with('{'));
    let filter = filter.ok_or_else(|| Error::invalid_params("\"notifications\" must be an object"))?;
    let asked = read(filter)?;
    let agreed = Filter {
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
    let uris = uris.filter(|uri| registry.may_subscribe(uri, principal)).collect();
    let end = ResultWriter::complete(0).finish(&server.env.identity, None)?;
    let listening = server.env.resources.events.listen(
        Filter { uris, ..agreed },
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

fn read(filter: &str) -> Result<Filter, Error> {
    let mut read = Filter::default();
    for member in Members::of(filter) {
        let flag = match &*member.key() {
            "toolsListChanged" => &mut read.tools,
            "promptsListChanged" => &mut read.prompts,
            "resourcesListChanged" => &mut read.resources,
            "resourceSubscriptions" => {
                read.uris = uris(member.value)?;
                continue;
            }
            _ => continue,
        };
        *flag = match member.value {
            "true" => true,
            "false" => false,
            _ => return Err(Error::invalid_params(format!("{:?} must be true or false", member.key()))),
        };
    }
    Ok(read)
}

fn uris(value: &str) -> Result<Vec<String>, Error> {
    let invalid = || Error::invalid_params("\"resourceSubscriptions\" must be a list of URIs");
    if !value.starts_with('[') {
        return Err(invalid());
    }
    let mut uris: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for uri in Elements::of(value) {
        let uri = text(uri).ok_or_else(invalid)?.into_owned();
        if seen.insert(uri.clone()) {
            uris.push(uri);
        }
    }
    Ok(uris)
}
