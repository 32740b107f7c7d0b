//! Calls, checked before they are forwarded.

use std::sync::Arc;

use anyport_guards::{CheckedCall, GuardedItem, ItemKind, Refusal};
use anyport_protocol::{Method, Raw};
use anyport_service::{Context, Outcome, Reply, Request, emit};
use tokio::time::timeout;

use super::{
    guarding::{Guarding, kind_of},
    refused::refused,
};
use crate::federation::{endpoint::Endpoint, forward::Forward};

/// Answers a call by `next`, once no guard refuses it. Guards may change its arguments.
pub(in crate::federation) fn guarded(
    endpoint: &Arc<Endpoint>,
    forward: Forward,
    request: Request,
    context: Context,
    next: impl FnOnce(&Arc<Endpoint>, Forward, Request, Context) -> Reply + Send + 'static,
) -> Reply {
    let Some(guarding) = endpoint.shared.guarding() else { return next(endpoint, forward, request, context) };
    let call = Call::of(&forward, &request);
    if !guarding.guards.are_for_calls(call.item()) {
        return next(endpoint, forward, request, context);
    }
    let endpoint = endpoint.clone();
    emit::reply(|emitter| async move {
        let checked = match call.checked(&guarding, &forward, &request).await {
            Ok(checked) => checked,
            Err(refusal) => {
                if let Some(trail) = context.trail() {
                    trail.refused_by(&refusal.guard);
                }
                guarding.report(&refusal, call.method, &forward.target.member.core.name, false);
                return refused(&refusal, call.method, &endpoint.meta);
            }
        };
        let upstream = &forward.target.member.core.name;
        checked.audited.iter().for_each(|refusal| guarding.report(refusal, call.method, upstream, true));
        let (request, context) = match checked.arguments {
            None => (request, context),
            Some(arguments) => {
                guarding.counters.changed.increment();
                match forward.with_arguments(request, context, &arguments) {
                    Ok(changed) => changed,
                    Err(error) => return Outcome::Error(error),
                }
            }
        };
        emitter.relay(next(&endpoint, forward, request, context)).await
    })
}

/// What guards see of a call.
struct Call {
    method: Method,
    kind: ItemKind,
    name: String,
}

impl Call {
    fn of(forward: &Forward, request: &Request) -> Self {
        let is_prompt = forward.is_prompt(request);
        let kind = kind_of(forward.method, is_prompt);
        Self { method: forward.method, kind, name: forward.exposed_name(is_prompt).into_owned() }
    }

    fn item(&self) -> GuardedItem<'_> {
        GuardedItem { kind: self.kind, name: &self.name }
    }

    /// Checks the call in the time that lookups may take.
    async fn checked(
        &self,
        guarding: &Guarding,
        forward: &Forward,
        request: &Request,
    ) -> Result<CheckedCall, Refusal> {
        let (guards, item) = (&guarding.guards, self.item());
        let most = guards.limits().guard_lookup_timeout;
        let checking = async {
            match (self.method, self.kind) {
                (Method::Complete, ItemKind::Prompt) => {
                    let argument = request.params.member("argument").unwrap_or(Raw::EMPTY_OBJECT);
                    let text =
                        |key| argument.member(key).and_then(|text| text.as_string()).unwrap_or_default();
                    let completed = guards.completion(item, &text("name"), &text("value")).await?;
                    let mut checked = guards.call(item, &forward.arguments(request), None).await?;
                    checked.audited.extend(completed.audited);
                    Ok(checked)
                }
                // What is completed there is a variable of the template.
                (Method::Complete, _) => Ok(CheckedCall::default()),
                _ => guards.call(item, &forward.arguments(request), Some(&forward.target.own)).await,
            }
        };
        timeout(most, checking).await.unwrap_or_else(|_| {
            Err(Refusal {
                guard: "a guard".to_owned(),
                check: "lookup",
                place: format!("the call of {:.128}", self.name),
                why: "looking up what it names took too long (guard_lookup_timeout)".to_owned(),
                accepted: "what can be looked up in time".to_owned(),
                limit: Some("guard_lookup_timeout"),
            })
        })
    }
}
