//! Guards of a federation: what its items are called with, and what they answer.
//!
//! - `call`: arguments and URIs, before a call is forwarded. `reply`: results, errors and notifications.
//! - [`Masking`]: where data is covered.
//!
//! A call comes here after the policy has allowed it, and before the user is asked: what is refused anyway needs no confirmation.

mod call;
mod masking;
mod reply;

use std::sync::Arc;

use anyport_guards::{GuardedItem, Guards, ItemKind, Mask, Refusal};
use anyport_metrics::{Counter, Metrics};
use anyport_protocol::Method;
use bytestring::ByteString;

pub use self::masking::Masking;
pub(super) use self::{call::guarded, reply::Protection};

/// The guards and masks of a federation, and what is counted of them.
pub(super) struct Guarding {
    guards: Guards,
    masking: Masking,
    counters: Counters,
}

struct Counters {
    refused: Counter,
    audited: Counter,
    changed: Counter,
    masked: Counter,
    argument_bytes: Counter,
    sql_tokens: Counter,
    lookup_timeout: Counter,
    result_bytes: Counter,
}

impl Guarding {
    pub(super) fn new(guards: Guards, masking: Masking, metrics: &Metrics) -> Self {
        Self { guards, masking, counters: Counters::of(metrics) }
    }

    /// What the reply of a call of an item passes; `None` if it passes as it is.
    pub(super) fn protection(self: &Arc<Self>, kind: ItemKind, name: &str) -> Option<Protection> {
        let mask = self.masking.always(name).cloned();
        let is_checked = self.guards.are_for_results(GuardedItem { kind, name });
        (is_checked || mask.is_some()).then(|| Protection::new(self.clone(), kind, name, mask))
    }

    /// The same, with the mask of a rule of the policy.
    pub(super) fn masked_by<'r>(
        self: &Arc<Self>,
        protection: Option<Protection>,
        (kind, name): (ItemKind, &str),
        rules: impl IntoIterator<Item = &'r str>,
    ) -> Option<Protection> {
        rules.into_iter().fold(protection, |protection, rule| {
            let mask = self.masking.of_rule(rule);
            let protection = protection.unwrap_or_else(|| Protection::new(self.clone(), kind, name, None));
            Some(protection.with(&mask))
        })
    }

    /// Reports what a guard refuses, or would refuse.
    fn report(&self, refusal: &Refusal, method: Method, upstream: &str, is_audited: bool) {
        let Refusal { guard, check, place, why, .. } = refusal;
        let method = method.as_str();
        if is_audited {
            self.counters.audited.increment();
            tracing::warn!(
                guard,
                check,
                method,
                upstream,
                place,
                "a guard in audit mode would refuse: {why}"
            );
            return;
        }
        self.counters.refused.increment();
        match refusal.limit {
            Some("guard_argument_bytes") => self.counters.argument_bytes.increment(),
            Some("guard_sql_tokens") => self.counters.sql_tokens.increment(),
            Some("guard_lookup_timeout") => self.counters.lookup_timeout.increment(),
            Some("guard_result_bytes") => self.counters.result_bytes.increment(),
            _ => {}
        }
        tracing::info!(guard, check, method, upstream, place, "a guard refuses: {why}");
    }
}

impl Counters {
    fn of(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help);
        Self {
            refused: counter("anyport_guard_refused", "Calls and results that guards refused"),
            audited: counter(
                "anyport_guard_audited",
                "Calls and results that guards in audit mode would have refused",
            ),
            changed: counter("anyport_guard_changed", "Calls and results that guards changed"),
            masked: counter("anyport_masked", "Messages in which data was covered"),
            argument_bytes: metrics.refusals("guard_argument_bytes"),
            sql_tokens: metrics.refusals("guard_sql_tokens"),
            lookup_timeout: metrics.refusals("guard_lookup_timeout"),
            result_bytes: metrics.refusals("guard_result_bytes"),
        }
    }
}

/// The kind of the item that a request of a method uses; `is_prompt` says it of a completion.
pub(super) fn kind_of(method: Method, is_prompt: bool) -> ItemKind {
    match method {
        Method::ToolsCall => ItemKind::Tool,
        Method::PromptsGet => ItemKind::Prompt,
        Method::Complete if is_prompt => ItemKind::Prompt,
        _ => ItemKind::Resource,
    }
}

/// What the mask of an item is made of.
type ItemName = ByteString;

/// A mask that is shared by calls.
type SharedMask = Arc<Mask>;
