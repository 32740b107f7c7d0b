//! How often a member and its tools may be called.

use std::{collections::BTreeMap, sync::Arc};

use anyport_layers::{Counted, CountedRateLimiter, LocalRateLimiter, RateKey, RateLimiter, Rates};
use anyport_metrics::Metrics;
use anyport_protocol::Method;
use bytestring::ByteString;

use super::core::MemberCore;

/// How often a member may be called, by all callers together.
///
/// Every call that reaches the member counts: of tools, prompts, resources and completions. Lists do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberRates {
    member: Rates,
    each_tool: Rates,
    tools: BTreeMap<String, Rates>,
}

impl MemberRates {
    /// Lets the member be called within `rates`.
    #[must_use]
    pub fn member(self, rates: Rates) -> Self {
        Self { member: rates, ..self }
    }

    /// Lets each of its tools be called within `rates`.
    #[must_use]
    pub fn each_tool(self, rates: Rates) -> Self {
        Self { each_tool: rates, ..self }
    }

    /// Lets the tool that the member calls `own` be called within `rates`, in place of those of each tool.
    #[must_use]
    pub fn tool(mut self, own: impl Into<String>, rates: Rates) -> Self {
        self.tools.insert(own.into(), rates);
        self
    }

    /// Whether it may be called as often as anybody likes.
    pub(super) fn is_empty(&self) -> bool {
        self.member.is_empty() && self.each_tool.is_empty() && self.tools.values().all(Rates::is_empty)
    }

    fn of_tool(&self, own: &str) -> &Rates {
        self.tools.get(own).unwrap_or(&self.each_tool)
    }
}

/// Counts the calls of members against their rates.
pub(super) struct MemberLimiter(CountedRateLimiter);

impl MemberLimiter {
    /// Counts with `limiter`, or else in the memory of this process. Refusals are counted in `metrics`.
    pub(super) fn new(limiter: Option<Arc<dyn RateLimiter>>, metrics: &Metrics) -> Self {
        let limiter = limiter.unwrap_or_else(|| Arc::new(LocalRateLimiter::new()));
        Self(CountedRateLimiter::new(limiter, metrics))
    }

    /// Counts one more call of the item that `member` calls `own`.
    pub(super) fn take(
        &self,
        rates: &MemberRates,
        member: &MemberCore,
        method: Method,
        own: &ByteString,
    ) -> Counted {
        if rates.is_empty() {
            return Counted::Now(Ok(()));
        }
        // What a tool has too much of does not count for its server.
        let tool = (method == Method::ToolsCall).then(|| {
            let key = RateKey::Tool { upstream: member.name.clone(), tool: own.clone() };
            (key, rates.of_tool(own))
        });
        let server = (RateKey::Upstream(member.name.clone()), &rates.member);
        self.0.take(tool.into_iter().chain([server]))
    }
}
