//! `subscriptions/listen` for servers that do not know it yet.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use anyport_protocol::{
    Error, Method, Raw,
    failure::{CloseReason, Failure},
    types::{SubscriptionFilter, SubscriptionsListenRequestParams},
};
use anyport_service::{Context, Event, Notification, Outcome, Reply, Request, Service, emit};
use anyport_transport::client::Said;
use serde_json::json;

use super::link::Current;
use crate::cache::is_part;

/// How many streams of one connection listen to each URI.
#[derive(Default)]
pub(super) struct Subscriptions {
    counts: Mutex<HashMap<String, usize>>,
    /// Held while the server is asked, so that nobody relies on a subscription that is about to be refused or to end.
    asking: tokio::sync::Mutex<()>,
}

/// Subscribes to what `request` names, and tells of it until the reply is dropped or the connection ends.
///
/// 2025-11-25, resources §Subscriptions: a client "can subscribe to specific resources and receive notifications when they
/// change"; changes of lists come to everybody where `listChanged` is declared.
pub(super) fn listen(current: Current, request: Request, context: Context) -> Reply {
    emit::reply(|emitter| async move {
        let read = request.params.into_raw().decode::<SubscriptionsListenRequestParams>();
        let filter = match read {
            Ok(params) => params.notifications,
            Err(error) => return Outcome::Error(Error::invalid_params(error.to_string())),
        };
        // Before the subscriptions, so that no change between is missed.
        let mut spoken = current.connection.spoken();
        let mut held = Held { current: current.clone(), context, uris: Vec::new() };
        for uri in filter.resource_subscriptions.iter().flatten() {
            held.subscribe(uri).await;
        }
        let agreed = agreed(&current, &filter, &held.uris);
        let params = Raw::from(json!({ "notifications": agreed }));
        emitter.emit(Event::Notification(Notification { method: Method::Acknowledged, params })).await;
        loop {
            match spoken.next().await {
                Some(Said::Notification(told)) if is_wanted(&told, &agreed) => {
                    emitter.emit(Event::Notification(told)).await;
                }
                Some(Said::Notification(_)) => {}
                // What was missed is found by listening anew, which tells that everything may have changed.
                Some(Said::Missed(_)) | None => {
                    return Failure::Disconnected(CloseReason::lost("the subscription's events were lost"))
                        .into();
                }
            }
        }
    })
}

/// The subscriptions of one stream.
struct Held {
    current: Current,
    context: Context,
    uris: Vec<String>,
}

impl Held {
    async fn subscribe(&mut self, uri: &str) {
        let subscriptions = self.current.subscriptions.clone();
        let _asking = subscriptions.asking.lock().await;
        // Counted before it is answered: when the stream is given up meanwhile, it is unsubscribed from.
        self.uris.push(uri.into());
        if subscriptions.join(uri) && !call(&self.current, &self.context, Method::Subscribe, uri).await {
            self.uris.pop();
            subscriptions.leave(uri);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let uris = std::mem::take(&mut self.uris);
        // Outside of a runtime the connection is over, too.
        if let (false, Ok(runtime)) = (uris.is_empty(), tokio::runtime::Handle::try_current()) {
            let (current, context) = (self.current.clone(), self.context.clone());
            runtime.spawn(async move {
                let _asking = current.subscriptions.asking.lock().await;
                for uri in uris {
                    if current.subscriptions.leave(&uri) {
                        call(&current, &context, Method::Unsubscribe, &uri).await;
                    }
                }
            });
        }
    }
}

impl Subscriptions {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the first one.
    fn join(&self, uri: &str) -> bool {
        let mut counts = self.lock();
        let count = counts.entry(uri.into()).or_default();
        *count += 1;
        *count == 1
    }

    /// Whether that was the last one.
    fn leave(&self, uri: &str) -> bool {
        let mut counts = self.lock();
        let Some(count) = counts.get_mut(uri) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            counts.remove(uri);
        }
        last
    }
}

/// Whether the server agreed.
async fn call(current: &Current, context: &Context, method: Method, uri: &str) -> bool {
    let request = Request::new(method, Raw::from(json!({ "uri": uri })));
    matches!(current.connection.call(request, context.clone()).outcome().await, Outcome::Result(_))
}

/// What the server will tell of, of what is wanted.
fn agreed(current: &Current, wanted: &SubscriptionFilter, uris: &[String]) -> SubscriptionFilter {
    let capabilities = current.connection.discovered().member("capabilities").unwrap_or(Raw::EMPTY_OBJECT);
    let tells = |list: &str| {
        let list = capabilities.member(list).and_then(|list| list.member("listChanged"));
        list.is_some_and(|tells| tells.as_str() == "true")
    };
    let both = |wanted: Option<bool>, list| (wanted == Some(true) && tells(list)).then_some(true);
    SubscriptionFilter {
        tools_list_changed: both(wanted.tools_list_changed, "tools"),
        prompts_list_changed: both(wanted.prompts_list_changed, "prompts"),
        resources_list_changed: both(wanted.resources_list_changed, "resources"),
        resource_subscriptions: (!uris.is_empty()).then(|| uris.to_vec()),
        extra: Default::default(),
    }
}

fn is_wanted(told: &Notification, agreed: &SubscriptionFilter) -> bool {
    match told.method {
        Method::ToolsChanged => agreed.tools_list_changed == Some(true),
        Method::PromptsChanged => agreed.prompts_list_changed == Some(true),
        Method::ResourcesChanged => agreed.resources_list_changed == Some(true),
        // It may name a part of what was subscribed to; whoever reads the stream knows what it is about.
        Method::ResourceUpdated => {
            let uri = told.params.member("uri").and_then(|uri| uri.as_string());
            let part = |whole: &str| uri.as_ref().is_some_and(|uri| is_part(whole, uri));
            agreed.resource_subscriptions.iter().flatten().any(|whole| part(whole))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_hears_of_what_it_subscribed_to_and_its_parts_alone() {
        // Another stream of the same connection may be subscribed to the others.
        let agreed = SubscriptionFilter {
            resource_subscriptions: Some(vec!["file:///a".into()]),
            ..SubscriptionFilter::default()
        };
        let wanted = |uri: &str| {
            let params = Raw::from(json!({ "uri": uri }));
            is_wanted(&Notification { method: Method::ResourceUpdated, params }, &agreed)
        };
        assert!(wanted("file:///a") && wanted("file:///a/b") && wanted("file:///a#b"));
        assert!(!wanted("file:///ab") && !wanted("file:///"));
    }
}
