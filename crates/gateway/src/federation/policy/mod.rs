//! The policy of a federation: which callers may use which items, and see them in lists.
//!
//! - `call`: calls, which are allowed, refused, or confirmed first; `confirmation`: how the user is asked.
//! - `lists`: lists without the items that a caller may not use; `filtered_lists`: the last of them.
//!
//! Everything that uses an item of a member comes through `dispatch`, and so through here: calls of every revision and transport, those
//! of tool search, and subscriptions.

mod call;
mod confirmation;
mod filtered_lists;
mod lists;

use anyport_adapters::LegacyClientLimits;
use anyport_metrics::{Counter, Metrics};
use anyport_policy::{Decision, Effect, EvaluationError, Facts, Item, Policy, Report};
use anyport_protocol::{Method, Raw};
use anyport_service::Context;

use self::filtered_lists::FilteredLists;
use super::{list_kind::ListKind, member::MemberEntry};

/// A policy, and what is counted of its decisions.
pub(super) struct Enforcement {
    policy: Policy,
    lists: FilteredLists,
    /// The limits of questions to users.
    asking: LegacyClientLimits,
    metrics: Metrics,
    counters: Counters,
}

/// The decisions that are not simply to allow.
struct Counters {
    denied: Counter,
    hidden: Counter,
    asked: Counter,
    audited: Counter,
    undecided: Counter,
    steps: Counter,
    time: Counter,
    arguments: Counter,
    list: Counter,
}

impl Enforcement {
    /// Enforces `policy`.
    ///
    /// `lists`: the number of filtered lists that are kept.
    pub(super) fn new(policy: Policy, asking: LegacyClientLimits, lists: usize, metrics: &Metrics) -> Self {
        Self {
            policy,
            lists: FilteredLists::new(lists),
            asking,
            metrics: metrics.clone(),
            counters: Counters::of(metrics),
        }
    }

    /// Whether a rule looks at the URIs of resources.
    pub(super) fn looks_at_uris(&self) -> bool {
        self.policy.reads("resource")
    }

    /// Decides on a call, and reports the rules that apply.
    fn decide(&self, facts: &Facts<'_>) -> Decision<'_> {
        let decision = self.policy.decide(facts, |report| self.report(&report, facts));
        match &decision {
            Decision::Allow => {}
            Decision::Ask(_) => self.counters.asked.increment(),
            Decision::Deny(_) => self.counters.denied.increment(),
            Decision::Hide(_) => self.counters.hidden.increment(),
        }
        decision
    }

    /// Whether the caller of `context` may read a resource of a member, so that it hears of its changes.
    pub(super) fn may_read(&self, member: &MemberEntry, own_uri: &str, context: &Context) -> bool {
        let uri = member.alias.exposed(own_uri);
        let item = Item::Resource { uri: &uri, own_uri };
        let facts = listed(context, ListKind::Resources, &member.core.name, item);
        let facts = Facts { arguments: Some(&Raw::EMPTY_OBJECT), ..facts };
        !matches!(self.policy.decide(&facts, |_| {}), Decision::Deny(_) | Decision::Hide(_))
    }

    fn report(&self, report: &Report<'_>, facts: &Facts<'_>) {
        let (rule, effect) = (report.rule.name(), report.rule.effect().as_str());
        let (principal, upstream, method) = (facts.caller.principal(), facts.upstream, facts.method);
        let item = name_of(facts.item);
        if let Some(why) = &report.undecided {
            self.counters.undecided(why);
            tracing::warn!(rule, effect, %principal, method, upstream, item, "the condition of a rule cannot be decided: {why}");
        }
        match report.rule.is_audited() {
            true => {
                self.counters.audited.increment();
                // Who audits a rule wants to read of it, whatever the level of the log is.
                tracing::warn!(rule, effect, %principal, method, upstream, item, "a rule in audit mode applies");
            }
            false if report.rule.effect() != Effect::Allow => {
                tracing::info!(rule, effect, %principal, method, upstream, item, "a rule applies");
            }
            false => {}
        }
    }
}

impl Counters {
    fn of(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help);
        Self {
            denied: counter("anyport_policy_denied", "Calls that the policy refused"),
            hidden: counter(
                "anyport_policy_hidden",
                "Calls of items that the policy hides from their caller",
            ),
            asked: counter("anyport_policy_asked", "Calls that the policy has the user confirm"),
            audited: counter(
                "anyport_policy_audited",
                "Calls to which a rule in audit mode would have applied",
            ),
            undecided: counter("anyport_policy_undecided", "Conditions of rules that could not be decided"),
            steps: metrics.refusals("policy_steps"),
            time: metrics.refusals("policy_milliseconds"),
            arguments: metrics.refusals("policy_argument_bytes"),
            list: metrics.refusals("policy_list_milliseconds"),
        }
    }

    fn undecided(&self, why: &EvaluationError) {
        self.undecided.increment();
        match why {
            EvaluationError::TooManySteps => self.steps.increment(),
            EvaluationError::TooLong => self.time.increment(),
            EvaluationError::ArgumentsTooLarge => self.arguments.increment(),
            EvaluationError::ArgumentsUnknown | EvaluationError::NotBoolean | EvaluationError::Failed(_) => {}
        }
    }
}

/// What is known of an item that the caller of `context` lists: as if it were used.
fn listed<'a>(context: &'a Context, kind: ListKind, upstream: &'a str, item: Item<'a>) -> Facts<'a> {
    let method = match kind {
        ListKind::Tools => Method::ToolsCall,
        ListKind::Prompts => Method::PromptsGet,
        ListKind::Resources | ListKind::Templates => Method::ResourcesRead,
    };
    Facts {
        caller: context.authorization(),
        method: method.as_str(),
        upstream,
        item,
        definition: None,
        arguments: None,
        client: context.client_info(),
        revision: context.revision(),
        address: context.address(),
    }
}

fn name_of<'a>(item: Item<'a>) -> &'a str {
    match item {
        Item::Tool { name, .. } | Item::Prompt { name, .. } => name,
        Item::Resource { uri, .. } => uri,
    }
}
