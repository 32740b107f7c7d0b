//! What becomes of what a member offers: names, pins, limits of results.

use std::time::Duration;

use anyport_config::gateway::{
    GatewayConfig, GatewaySettings, Isolation, LargeResult, LimitsConfig, Pin, SuspiciousConfig, ToolConfig,
    UpstreamConfig,
};
use anyport_gateway::federation::{
    ItemOverride, Member, MemberCache, MemberRates, Naming, OnLargeResult, OnSuspicious, PinMode,
    ResultLimit, ToolPlaces,
};

use crate::{
    listen::{Limits, rates_of},
    upstream_limits::BulkheadOptions,
};

/// The limits of an upstream, or of documents.
#[derive(Clone, Default)]
pub(super) struct MemberLimits {
    /// The size of the results of its tools.
    results: Option<ResultLimit>,
    /// How often it is called.
    rates: MemberRates,
    /// Which of its answers are kept.
    cache: Option<MemberCache>,
    /// How many calls of a tool run at once.
    places: ToolPlaces,
    /// What becomes of its suspicious definitions.
    on_suspicious: OnSuspicious,
}

impl MemberLimits {
    /// Those of an upstream, or of documents.
    pub(super) fn of(file: &GatewayConfig, upstream: Option<&UpstreamConfig>, limits: &Limits) -> Self {
        let on_suspicious = match file.definitions.suspicious {
            // Documents are the user's own.
            _ if upstream.is_none() => OnSuspicious::Flag,
            SuspiciousConfig::Flag => OnSuspicious::Flag,
            SuspiciousConfig::Strip => OnSuspicious::Strip,
            SuspiciousConfig::Hide => OnSuspicious::Hide,
        };
        let (results, rates) = (result_limit(&file.gateway, upstream), rates(&file.limits, upstream));
        Self {
            results,
            rates,
            cache: upstream.and_then(cache),
            places: places(limits, upstream),
            on_suspicious,
        }
    }

    /// `member` within them.
    pub(super) fn limit(&self, member: Member) -> Member {
        let member = member.rates(self.rates.clone()).on_suspicious(self.on_suspicious);
        let member = member.tool_places(self.places.clone());
        let member = match &self.cache {
            Some(cache) => member.cache(cache.clone()),
            None => member,
        };
        match self.results {
            Some(limit) => member.result_limit(limit),
            None => member,
        }
    }
}

/// How many calls of a tool of an upstream, or of documents, run at once.
fn places(limits: &Limits, upstream: Option<&UpstreamConfig>) -> ToolPlaces {
    let of_server = limits.places(upstream.map(BulkheadOptions::of).unwrap_or_default());
    let all = ToolPlaces::new(of_server.queued, of_server.wait);
    let all = limits.bulkhead.max_calls_per_tool.into_iter().fold(all, ToolPlaces::each_tool);
    let tools = upstream.into_iter().flat_map(|upstream| &upstream.tools);
    tools.fold(all, |all, (own, tool)| match tool.max_concurrent_calls {
        Some(calls) => all.tool(own, calls.get() as usize),
        None => all,
    })
}

/// Which answers of an upstream are kept; `None` if none is.
fn cache(upstream: &UpstreamConfig) -> Option<MemberCache> {
    let rules = upstream.cache.as_ref()?.rules()?;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let cache = MemberCache::new(seconds(rules.ttl));
    let cache = rules.tools.iter().fold(cache, |cache, (own, ttl)| cache.tool(own, seconds(*ttl)));
    let cache = rules.prompts.iter().fold(cache, |cache, (own, ttl)| cache.prompt(own, seconds(*ttl)));
    Some(if upstream.isolation == Isolation::Caller { cache.per_session() } else { cache })
}

/// How often an upstream may be called, or documents.
fn rates(limits: &LimitsConfig, upstream: Option<&UpstreamConfig>) -> MemberRates {
    let of_upstream = upstream.and_then(|upstream| upstream.rate).unwrap_or(limits.upstream);
    let all = MemberRates::default().member(rates_of(&of_upstream)).each_tool(rates_of(&limits.tool));
    let tools = upstream.into_iter().flat_map(|upstream| &upstream.tools);
    tools.fold(all, |all, (own, tool)| match &tool.rate {
        Some(rate) => all.tool(own, rates_of(rate)),
        None => all,
    })
}

/// The limit of the results of tools of an upstream, or of documents.
fn result_limit(gateway: &GatewaySettings, upstream: Option<&UpstreamConfig>) -> Option<ResultLimit> {
    let max_tokens = upstream.and_then(|upstream| upstream.max_result_tokens).or(gateway.max_result_tokens)?;
    let otherwise = upstream.and_then(|upstream| upstream.on_large_result).unwrap_or(gateway.on_large_result);
    let otherwise = match otherwise {
        LargeResult::Refuse => OnLargeResult::Refuse,
        LargeResult::Truncate => OnLargeResult::Truncate,
        LargeResult::Spill => OnLargeResult::Spill,
    };
    (max_tokens > 0).then_some(ResultLimit { max_tokens: max_tokens as usize, otherwise })
}

/// What becomes of changed definitions of an upstream; `None` if these are not compared.
pub(super) fn pin_mode(gateway: &GatewaySettings, config: &UpstreamConfig) -> Option<PinMode> {
    match config.pin.unwrap_or(gateway.pin) {
        Pin::Off => None,
        Pin::Report => Some(PinMode::Report),
        Pin::Strict => Some(PinMode::Strict),
    }
}

/// How the tools and prompts of an upstream are named.
pub(super) fn naming(config: &UpstreamConfig) -> Naming {
    let mut naming = Naming::default();
    if let Some(prefix) = &config.prefix {
        naming = naming.prefix(prefix);
    }
    naming = config.include.iter().fold(naming, Naming::include);
    naming = config.exclude.iter().fold(naming, Naming::exclude);
    naming = config.require.iter().fold(naming, Naming::require);
    for (own, prompt) in &config.prompts {
        naming =
            naming.prompt(own, prompt.require.iter().fold(ItemOverride::default(), ItemOverride::require));
    }
    for (uri, resource) in &config.resources {
        naming =
            resource.require.iter().fold(naming, |naming, scope| naming.require_for_resources(uri, scope));
    }
    config.tools.iter().fold(naming, |naming, (own, tool)| naming.tool(own, changed(tool)))
}

/// What is different about a tool.
fn changed(tool: &ToolConfig) -> ItemOverride {
    let mut change = ItemOverride::default();
    if let Some(name) = &tool.name {
        change = change.name(name);
    }
    if let Some(title) = &tool.title {
        change = change.title(title);
    }
    if let Some(description) = &tool.description {
        change = change.description(description);
    }
    change = tool.aliases.iter().fold(change, ItemOverride::alias);
    change = tool.arguments.iter().fold(change, |change, (name, value)| change.argument(name, value.clone()));
    change = tool.require.iter().fold(change, ItemOverride::require);
    if tool.hidden { change.hidden() } else { change }
}
