use anyport_protocol::{
    Error, Raw,
    json::{Elements, Members},
    jsonrpc::Reason,
};
use anyport_service::Reply;

use crate::{events::Filter, params::text, server::Inner, write::ResultWriter};

/// The most resources that one listen stream may subscribe to, unless [`crate::Builder::max_subscriptions`] says
/// otherwise.
pub const DEFAULT_MAX_SUBSCRIPTIONS: usize = 1_000;
/// The most listen streams that are open at a time, unless [`crate::Builder::max_listeners`] says otherwise.
pub const DEFAULT_MAX_LISTENERS: usize = 1_000;

/// Answers `subscriptions/listen`.
///
/// # Errors
/// -32602 for a filter that is none; -32603 when too many listen or the server is shutting down.
pub(crate) fn listen(server: &Inner, params: &Raw) -> Result<Reply, Error> {
    let filter = Members::find(params.as_str(), "notifications").filter(|value| value.starts_with('{'));
    let filter = filter.ok_or_else(|| Error::invalid_params("\"notifications\" must be an object"))?;
    let asked = read(filter)?;
    let agreed = Filter {
        tools: asked.tools && server.offers.tools,
        prompts: asked.prompts && server.offers.prompts,
        resources: asked.resources && server.offers.resources,
        uris: if server.offers.resources { asked.uris } else { Vec::new() },
    };
    // 2026-07-28, subscriptions §Acknowledgment: "the subset the server agreed to honor".
    if agreed.uris.len() > server.limits.max_subscriptions {
        server.life.refused.max_subscriptions.increment();
    }
    let uris = agreed.uris.into_iter().take(server.limits.max_subscriptions).collect();
    let end = ResultWriter::complete(0).finish(&server.identity, None)?;
    let listening = server.events.listen(Filter { uris, ..agreed }, server.limits.max_listeners, end);
    let listening = listening.inspect_err(|error| {
        if error.reason == Some(Reason::Overloaded) {
            server.life.refused.max_listeners.increment();
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
