//! A member in memory, which does what its test says.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyport_protocol::{Error, Method, Raw, failure::Failure, subscription::SubscriptionFilter};
use anyport_service::{
    Context, Event, Notification, Outcome, Reply, Request, ServerRequest, Service, emit, sync::Lock,
};
use serde_json::{Value, json};
use tokio::{sync::broadcast, time::sleep};

#[derive(Clone)]
pub(super) struct Fake(Arc<Inside>);

struct Inside {
    lists: Lock<HashMap<&'static str, Value>>,
    capabilities: Value,
    delay: Lock<Duration>,
    is_down: Lock<bool>,
    page: Lock<usize>,
    requests: Lock<Vec<(String, Value)>>,
    said: broadcast::Sender<(Method, Value)>,
    refuses_listeners: Lock<bool>,
    /// URIs whose subscription is never acknowledged.
    late: Lock<Vec<&'static str>>,
}

impl Fake {
    /// A member with tools of these names.
    pub(super) fn new(tools: &[&str]) -> Self {
        let fake = Self(Arc::new(Inside {
            lists: Lock::default(),
            capabilities: json!({"tools": {}, "prompts": {}, "resources": {"subscribe": true}, "completions": {}}),
            delay: Lock::new(Duration::ZERO),
            is_down: Lock::default(),
            page: Lock::new(usize::MAX),
            requests: Lock::default(),
            said: broadcast::channel(64).0,
            refuses_listeners: Lock::default(),
            late: Lock::default(),
        }));
        fake.set(
            "tools",
            tools.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect(),
        );
        fake
    }

    /// Has no capability but tools.
    pub(super) fn with_tools_alone(mut self) -> Self {
        Arc::get_mut(&mut self.0).unwrap().capabilities = json!({"tools": {}});
        self
    }

    /// Sets a list.
    pub(super) fn set(&self, list: &'static str, entries: Value) {
        self.0.lists.lock().insert(list, entries);
    }

    /// Every answer takes this long.
    pub(super) fn slow(self, delay: Duration) -> Self {
        *self.0.delay.lock() = delay;
        self
    }

    pub(super) fn set_down(&self, is_down: bool) {
        *self.0.is_down.lock() = is_down;
    }

    /// Lists have pages of this many entries.
    pub(super) fn paged(self, entries: usize) -> Self {
        *self.0.page.lock() = entries;
        self
    }

    /// Never acknowledges subscriptions to `uri`.
    pub(super) fn never_acknowledge(&self, uri: &'static str) {
        self.0.late.lock().push(uri);
    }

    /// Has no notifications.
    pub(super) fn refuse_listeners(&self) {
        *self.0.refuses_listeners.lock() = true;
    }

    /// The number of listeners.
    pub(super) fn listeners(&self) -> usize {
        self.0.said.receiver_count()
    }

    /// Notifies all listeners.
    pub(super) fn say(&self, method: Method, params: Value) {
        let _ = self.0.said.send((method, params));
    }

    /// The params of the requests of `method`.
    pub(super) fn requests(&self, method: Method) -> Vec<Value> {
        let requests = self.0.requests.lock();
        let of_method = requests.iter().filter(|(name, _)| name == method.as_str());
        of_method.map(|(_, params)| params.clone()).collect()
    }

    fn list(&self, list: &'static str, params: &Value) -> Outcome {
        let entries = self.0.lists.lock().get(list).cloned().unwrap_or(json!([]));
        let entries = entries.as_array().unwrap();
        let start: usize = params["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let end = start.saturating_add(*self.0.page.lock()).min(entries.len());
        let mut result = json!({"resultType": "complete", list: entries[start..end], "ttlMs": 0});
        if end < entries.len() {
            result["nextCursor"] = json!(end.to_string());
        }
        Outcome::Result(result.into())
    }

    async fn listen(&self, params: &Value, emitter: &emit::Emitter) -> Outcome {
        let mut said = self.0.said.subscribe();
        let filter = SubscriptionFilter::read(&params.clone().into()).unwrap();
        if filter.uris.iter().any(|uri| self.0.late.lock().contains(&&**uri)) {
            return std::future::pending().await;
        }
        let acknowledged = Notification { method: Method::Acknowledged, params: filter.params() };
        emitter.emit(Event::Notification(acknowledged)).await;
        while let Ok((method, params)) = said.recv().await {
            let params = Raw::from(params);
            if filter.wants(method, &params) {
                emitter.emit(Event::Notification(Notification { method, params })).await;
            }
        }
        Outcome::Failed(Box::new(Failure::ShuttingDown))
    }

    /// Asks the caller once, in the way in which it can be asked, and gives back the answer.
    async fn ask(&self, params: &Value, context: &Context, emitter: &emit::Emitter) -> Outcome {
        let form = json!({"message": "which?", "requestedSchema": {"type": "object", "properties": {}}});
        if let Some(answers) = params.get("inputResponses") {
            return done(json!({"answers": answers, "state": params["requestState"]}));
        }
        if context.revision().is_stateless() {
            let requests = json!({"q": {"method": "elicitation/create", "params": form}});
            let asked =
                json!({"resultType": "input_required", "inputRequests": requests, "requestState": "mine"});
            return Outcome::InputRequired(asked.into());
        }
        let (question, answer) = ServerRequest::new(Method::Elicit, form.into());
        emitter.emit(Event::ServerRequest(question)).await;
        done(json!({"answers": answer.await.unwrap().unwrap().decode::<Value>().unwrap()}))
    }

    async fn answer(&self, request: Request, context: Context, emitter: emit::Emitter) -> Outcome {
        let delay = *self.0.delay.lock();
        sleep(delay).await;
        if *self.0.is_down.lock() {
            let since = jiff::Timestamp::UNIX_EPOCH;
            return Failure::Unavailable { since, why: "refused".into(), retry_in: Some(Duration::ZERO) }
                .into();
        }
        let params: Value = request.params.raw().decode().unwrap();
        match request.known() {
            Some(Method::Discover) => {
                done(json!({"capabilities": self.0.capabilities, "instructions": "be kind"}))
            }
            Some(Method::ToolsList) => self.list("tools", &params),
            Some(Method::PromptsList) => self.list("prompts", &params),
            Some(Method::ResourcesList) => self.list("resources", &params),
            Some(Method::TemplatesList) => self.list("resourceTemplates", &params),
            Some(Method::Listen) if *self.0.refuses_listeners.lock() => {
                Error::method_not_found("subscriptions/listen").into()
            }
            Some(Method::Listen) => self.listen(&params, &emitter).await,
            Some(Method::ResourcesRead) if params["uri"] == "file:///missing" => {
                Error::resource_not_found("file:///missing").into()
            }
            Some(Method::ResourcesRead) if params["uri"] == "timed://a" => done(
                json!({"contents": [{"uri": params["uri"], "text": "here"}], "ttlMs": 10_000, "cacheScope": "public"}),
            ),
            Some(Method::ResourcesRead) => {
                done(json!({"contents": [{"uri": params["uri"], "text": "here"}]}))
            }
            Some(Method::ToolsCall) if params["name"] == "ask" => self.ask(&params, &context, &emitter).await,
            Some(Method::ToolsCall) if params["name"] == "visit" => {
                let elicitation =
                    json!({"mode": "url", "message": "visit", "url": "https://x", "elicitationId": "1"});
                let data = json!({"elicitations": [elicitation]}).into();
                Error::new(-32042, "visit").with_data(data).into()
            }
            Some(Method::ToolsCall) if params["name"] == "link" => {
                done(json!({"content": [{"type": "resource_link", "uri": "file:///a", "name": "a"}]}))
            }
            Some(Method::ToolsCall) if params["name"] == "big" => {
                done(json!({"content": params["arguments"]["content"]}))
            }
            Some(Method::ToolsCall) if params["name"] == "log" => {
                let said = json!({"level": "info", "logger": "disk", "data": "full"}).into();
                let said = Notification { method: Method::LogMessage, params: said };
                emitter.emit(Event::Notification(said)).await;
                done(json!({"content": []}))
            }
            Some(Method::ToolsCall) if params["name"] == "unknown" => {
                let params = json!({"to": ["ada@example.com"], "ada@example.com": {"n": 1.5}}).into();
                let method = "notifications/example/mail".into();
                emitter.emit(Event::Unknown { method, params }).await;
                done(json!({"content": []}))
            }
            _ => done(json!({"params": params})),
        }
    }
}

fn done(mut result: Value) -> Outcome {
    result["resultType"] = json!("complete");
    Outcome::Result(result.into())
}

impl Service for Fake {
    fn call(&self, request: Request, context: Context) -> Reply {
        let params = request.params.raw().decode().unwrap();
        self.0.requests.lock().push((request.method.to_string(), params));
        let fake = self.clone();
        emit::reply(|emitter| async move { fake.answer(request, context, emitter).await })
    }
}
