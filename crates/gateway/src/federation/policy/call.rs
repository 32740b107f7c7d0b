//! Calls of items: allowed, refused, or confirmed first.

use std::sync::Arc;

use anyport_adapters::LegacyClientAdapter;
use anyport_policy::{Decision, Facts, Item, Rule};
use anyport_protocol::{Error, Method, Raw, json::Splice, jsonrpc::Reason};
use anyport_service::{Context, Reply, Request, Service as _};

use super::{
    Enforcement,
    confirmation::{self, Confirm},
};
use crate::federation::{
    dispatch,
    endpoint::Endpoint,
    forward::Forward,
    guard::{call::guarded, guarding::kind_of},
    listed::Listed,
    naming::NameKind,
};

impl Enforcement {
    /// Calls an item of a member, as far as the policy allows that.
    pub(in crate::federation) fn call(
        &self,
        endpoint: &Arc<Endpoint>,
        mut forward: Forward,
        request: Request,
        context: Context,
    ) -> Reply {
        let is_prompt = forward.is_prompt(&request);
        let kind = kind(&forward, is_prompt);
        let (name, arguments) = (forward.exposed_name(is_prompt).into_owned(), forward.arguments(&request));
        let facts = Facts {
            caller: context.authorization(),
            method: forward.method.as_str(),
            upstream: &forward.target.member.core.name,
            item: item(kind, &name, &forward.target.own),
            definition: forward.target.listed.as_ref().map(Listed::text),
            arguments: Some(&arguments),
            client: context.client_info(),
            revision: context.revision(),
            address: context.address(),
        };
        let decision = self.decide(&facts);
        if matches!(decision, Decision::Allow | Decision::Ask(_)) {
            let masks = self.policy.masks(&facts, |report| self.report(&report, &facts));
            if let Some(guarding) = endpoint.shared.guarding().filter(|_| !masks.is_empty()) {
                let item = (kind_of(forward.method, is_prompt), &*name);
                let rules = masks.iter().map(|rule| rule.name());
                forward.protection = guarding.masked_by(forward.protection, item, rules);
            }
        }
        match decision {
            Decision::Hide(rule) => {
                // The caller is not told which rule it was; the audit log and the line of the call are.
                if let Some(trail) = context.trail() {
                    trail.refused_by(rule.name());
                }
                Reply::error(dispatch::unknown(&request))
            }
            Decision::Deny(rule) => Reply::error(denied(rule)),
            // A completion does nothing that a user could want to confirm.
            Decision::Ask(rule) if forward.method.may_ask() => {
                let (asking, metrics) = (self.asking, self.metrics.clone());
                let reason = rule.told().map(str::to_owned);
                guarded(endpoint, forward, request, context, move |endpoint, forward, request, context| {
                    let confirm = Confirm::new(
                        endpoint.clone(),
                        forward,
                        asking.ask_timeout,
                        reason.as_deref(),
                        &name,
                        &arguments,
                    );
                    LegacyClientAdapter::new(confirm, asking).metrics(&metrics).call(request, context)
                })
            }
            Decision::Allow | Decision::Ask(_) => {
                let request = confirmation::removed(&endpoint.shared.sealer, request);
                guarded(endpoint, forward, request, context, |endpoint, forward, request, context| {
                    forward.call(endpoint, request, context)
                })
            }
        }
    }
}

/// Whether an item is a tool or a prompt; `None`: a resource or a template.
fn kind(forward: &Forward, is_prompt: bool) -> Option<NameKind> {
    match forward.method {
        Method::ToolsCall => Some(NameKind::Tool),
        _ => is_prompt.then_some(NameKind::Prompt),
    }
}

fn item<'a>(kind: Option<NameKind>, name: &'a str, own: &'a str) -> Item<'a> {
    match kind {
        Some(NameKind::Tool) => Item::Tool { name, own_name: own },
        Some(NameKind::Prompt) => Item::Prompt { name, own_name: own },
        None => Item::Resource { uri: name, own_uri: own },
    }
}

/// The refusal of a call by a rule; `None`: because no rule allows it.
fn denied(rule: Option<&Rule>) -> Error {
    let message = match rule.map(Rule::told) {
        Some(Some(reason)) => format!("the policy of this gateway refuses the call: {reason}"),
        Some(None) => "the policy of this gateway refuses the call".to_owned(),
        None => "no rule of this gateway's policy allows the call".to_owned(),
    };
    let error = Error::internal(message);
    let named = rule.map(|rule| Splice::new().with("rule", &Raw::string(rule.name())).finish());
    named.into_iter().fold(error, Error::with_data).with_reason(Reason::Forbidden)
}
