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
    completion::Completed, dispatch, endpoint::Endpoint, forward::Forward, naming::NameKind,
};

impl Enforcement {
    /// Calls an item of a member, as far as the policy allows that.
    pub(in crate::federation) fn call(
        &self,
        endpoint: &Arc<Endpoint>,
        forward: Forward,
        request: Request,
        context: Context,
    ) -> Reply {
        let kind = kind(&forward, &request);
        let (name, arguments) = (exposed_name(&forward, kind), forward.arguments(&request));
        let annotations = forward.target.listed.as_ref().and_then(|listed| listed.member("annotations"));
        let facts = Facts {
            caller: context.authorization(),
            method: forward.method.as_str(),
            upstream: &forward.target.member.core.name,
            item: item(kind, &name, &forward.target.own),
            annotations: annotations.as_ref(),
            arguments: Some(&arguments),
            client: context.client_info(),
            revision: context.revision(),
            address: context.address(),
        };
        match self.decide(&facts) {
            Decision::Hide(rule) => {
                // The caller does not learn of it; who records the call does.
                if let Some(trail) = context.trail() {
                    trail.refused_by(rule.name());
                }
                Reply::error(dispatch::unknown(&request))
            }
            Decision::Deny(rule) => Reply::error(denied(rule)),
            // A completion does nothing that a user could want to confirm.
            Decision::Ask(rule) if forward.method.may_ask() => {
                let confirm = Confirm::new(
                    endpoint.clone(),
                    forward,
                    self.asking.ask_timeout,
                    rule.told(),
                    &name,
                    &arguments,
                );
                LegacyClientAdapter::new(confirm, self.asking).metrics(&self.metrics).call(request, context)
            }
            Decision::Allow | Decision::Ask(_) => {
                let request = confirmation::removed(&endpoint.shared.sealer, request);
                forward.call(endpoint, request, context)
            }
        }
    }
}

/// Whether an item is a tool or a prompt; `None`: a resource or a template.
fn kind(forward: &Forward, request: &Request) -> Option<NameKind> {
    match forward.method {
        Method::ToolsCall => Some(NameKind::Tool),
        Method::PromptsGet => Some(NameKind::Prompt),
        Method::Complete => {
            matches!(Completed::of(request), Ok(Completed::Prompt(_))).then_some(NameKind::Prompt)
        }
        _ => None,
    }
}

/// The name or URI under which clients see the item, whatever name the request has: an item can have several.
fn exposed_name(forward: &Forward, kind: Option<NameKind>) -> String {
    let target = &forward.target;
    match (kind, &target.name) {
        (Some(_), Some(name)) => name.to_string(),
        (Some(kind), None) => target.member.naming.name(kind, &target.member.core.name, &target.own),
        (None, _) => target.member.alias.exposed(&target.own),
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
