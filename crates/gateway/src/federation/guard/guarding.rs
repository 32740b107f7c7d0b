use anyport_guards::{Guards, ItemKind, Refusal};
use anyport_metrics::{Counter, Metrics};
use anyport_protocol::Method;

use super::masking::Masking;

/// The guards and masks of a federation, and what is counted of them.
pub(in crate::federation) struct Guarding {
    pub(super) guards: Guards,
    pub(super) masking: Masking,
    pub(super) counters: Counters,
}

pub(super) struct Counters {
    refused: Counter,
    audited: Counter,
    pub(super) changed: Counter,
    pub(super) masked: Counter,
    argument_bytes: Counter,
    sql_tokens: Counter,
    lookup_timeout: Counter,
    result_bytes: Counter,
}

impl Guarding {
    pub(in crate::federation) fn new(guards: Guards, masking: Masking, metrics: &Metrics) -> Self {
        Self { guards, masking, counters: Counters::of(metrics) }
    }

    /// Reports what a guard refuses, or would refuse.
    pub(super) fn report(&self, refusal: &Refusal, method: Method, upstream: &str, is_audited: bool) {
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
pub(in crate::federation) fn kind_of(method: Method, is_prompt: bool) -> ItemKind {
    match method {
        Method::ToolsCall => ItemKind::Tool,
        Method::PromptsGet => ItemKind::Prompt,
        Method::Complete if is_prompt => ItemKind::Prompt,
        _ => ItemKind::Resource,
    }
}
